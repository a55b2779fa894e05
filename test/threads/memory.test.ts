// Waiting for memory that other threads free, and would keep to themselves.

import type { Engine, Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { MAY_BLOCK, SOON_MS } from "../environment.js";
import { attached, expectAllBack, shared, until } from "./stage.js";

const SIZE = 1000;

function exhaust(engine: Engine): Skb[] {
  const skbs: Skb[] = [];
  for (let skb = engine.tryAlloc(SIZE); skb !== null; skb = engine.tryAlloc(SIZE)) skbs.push(skb);
  return skbs;
}

describe.each(["wasm", "js"] as const)("the other core is %s", (core) => {
  // A page must not block.
  it.each(MAY_BLOCK ? ["blocks", "waits for a promise"] : ["waits for a promise"])(
    "a worker that goes on with what is in its magazines gives it to who %s",
    async (how) => {
      const engine = await shared({ memory: 1024 * 1024 });
      const [worker] = await attached(engine, 1, () => core);
      const word = new Int32Array(new SharedArrayBuffer(4));
      const going = worker?.run(
        (seat, size, flag) => {
          const kept = Array.from({ length: 6 }, () => seat.engine.alloc(size));
          seat.engine.releaseBurst(kept);
          let rounds = 0;
          for (; Atomics.load(flag, 0) !== 2; rounds++) {
            seat.engine.tryAlloc(size)?.release();
            if (rounds === 1) {
              Atomics.store(flag, 0, 1);
              Atomics.notify(flag, 0);
            }
          }
          return rounds;
        },
        SIZE,
        word,
      );
      while (Atomics.load(word, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      const skbs = exhaust(engine);
      const start = performance.now();
      // More than once: what the worker has in its hands comes back.
      for (let i = 0; i < 3; i++) {
        for (let skb = engine.tryAlloc(SIZE); ; skb = engine.tryAlloc(SIZE)) {
          if (skb !== null) {
            skbs.push(skb);
            break;
          }
          if (how === "blocks") expect(engine.waitMemory()).toBe("ready");
          else expect(await engine.waitMemoryAsync()).toBe("ready");
        }
      }
      expect(performance.now() - start).toBeLessThan(SOON_MS);
      Atomics.store(word, 0, 2);
      expect(await going).toBeGreaterThan(1);
      engine.releaseBurst(skbs);
      await worker?.leave();
      expectAllBack(engine);
    },
  );

  it("a worker that sleeps for memory is woken by what this thread releases", async () => {
    const engine = await shared({ memory: 1024 * 1024 });
    const [worker] = await attached(engine, 1, () => core);
    const skbs = exhaust(engine);
    engine.flush();
    const start = performance.now();
    const got = worker?.run((seat, size) => {
      let waits = 0;
      while (seat.skbs.length < 10) {
        const skb = seat.engine.tryAlloc(size);
        if (skb !== null) seat.skbs.push(skb);
        else if (seat.engine.waitMemory() === "ready") waits++;
      }
      return waits;
    }, SIZE);
    await until(() => stats(engine).threads.some(({ asleep }) => asleep), "the worker sleeps");
    const all = skbs.length;
    // One after the other: each may be what it waits for.
    while (skbs.length > all - 20) {
      skbs.pop()?.release();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await got).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(SOON_MS);
    engine.releaseBurst(skbs);
    await worker?.leave();
    expectAllBack(engine);
  });
});
