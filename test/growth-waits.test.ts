// Who begins to wait costs the same however many wait already, and who has waited long enough, too.

import { Engine, Ring } from "skbuff";
import { afterAll, beforeAll, expect, it } from "vitest";
import { exponent, processorMs } from "./exponent.js";

const SIZES = [1000, 10_000, 100_000];
let engine: Engine;

beforeAll(async () => {
  engine = await Engine.create({ memory: 1024 * 1024 });
});

afterAll(() => {
  expect(engine.close()).toEqual([]);
});

/** Whether any of a few fits is below the bound, as \`expectLinear\` asks of what takes no promise. */
async function expectLinear(measure: (n: number) => Promise<number>): Promise<void> {
  const seen: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const times: number[] = [];
    for (const n of SIZES) times.push(Math.min(await measure(n), await measure(n)));
    const slope = exponent(SIZES, times);
    if (slope < 1.3) return;
    seen.push(slope);
  }
  expect(seen).toEqual("an exponent below 1.3");
}

it.each([
  ["a packet", undefined],
  ["nothing", 5],
])("waits for %s", async (_what, timeout) => {
  await expectLinear(async (n) => {
    const ring = new Ring(engine, { capacity: 4 });
    const start = processorMs();
    const waits = Array.from({ length: n }, () => ring.waitAsync(timeout === undefined ? {} : { timeout }));
    if (timeout === undefined) ring.enqueue(engine.alloc(1));
    const woken = new Set(await Promise.all(waits));
    const ms = processorMs() - start;
    expect([...woken]).toEqual([timeout === undefined ? "ready" : "timed-out"]);
    ring.dequeue()?.release();
    ring.release();
    return ms;
  });
});
