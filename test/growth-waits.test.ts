// Who begins to wait costs the same however many wait already, and who has waited long enough, too.

import { Engine, Ring, Ubuf, UserRegion } from "skbuff";
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

const turn = (): Promise<void> => new Promise(setImmediate);

/** Whether any of a few fits is below the bound, as \`expectLinear\` asks of what takes no promise. */
async function expectLinear(measure: (n: number) => Promise<number>, sizes = SIZES): Promise<void> {
  const seen: number[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const times: number[] = [];
    for (const n of sizes) times.push(Math.min(await measure(n), await measure(n)));
    const slope = exponent(sizes, times);
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
    if (timeout === undefined) {
      ring.enqueue(engine.alloc(1));
      // A packet is for one of them, what is said before the end for all.
      ring.close();
    }
    const woken = new Set(await Promise.all(waits));
    const ms = processorMs() - start;
    expect([...woken]).toEqual([timeout === undefined ? "ready" : "timed-out"]);
    ring.dequeue()?.release();
    ring.release();
    return ms;
  });
});

it("many who wait at one ring for a packet each, which come one in each turn", async () => {
  await expectLinear(
    async (n) => {
      const ring = new Ring(engine, { capacity: 4 });
      const start = processorMs();
      let woken = 0;
      const workers = Array.from({ length: n }, async () => {
        for (;;) {
          await ring.waitAsync();
          woken++;
          const skb = ring.dequeue();
          if (skb === null) continue;
          skb.release();
          return;
        }
      });
      for (let i = 0; i < n; i++) {
        const skb = engine.alloc(1);
        while (!ring.enqueue(skb)) await turn();
        await turn();
      }
      await Promise.all(workers);
      const ms = processorMs() - start;
      // Not all for each.
      expect(woken).toBeLessThan(4 * n);
      ring.release();
      return ms;
    },
    [500, 2000, 8000],
  );
});

it("detach, for each ubuf that it waits for", async () => {
  const home = await Engine.create({ memory: 64 << 20, ubufs: 16_000, skbs: 32_000, rings: 4 });
  await expectLinear(
    async (n) => {
      const worker = await Engine.attach(home.share());
      const region = new UserRegion(worker, 100);
      const ring = new Ring(worker, { capacity: n });
      const here = Ring.attach(home, ring.share());
      for (let i = 0; i < n; i++) {
        const skb = worker.alloc(0);
        skb.addUserFrag(region, 0, 100, new Ubuf(worker));
        ring.enqueue(skb);
      }
      region.release();
      const start = processorMs();
      const left = worker.detachAsync({ completions: "wait" });
      for (let i = 0; i < n; i++) {
        here.dequeue()?.release();
        await turn();
      }
      await left;
      const ms = processorMs() - start;
      here.release();
      return ms;
    },
    [500, 2000, 8000],
  );
  expect(home.close()).toEqual([]);
});
