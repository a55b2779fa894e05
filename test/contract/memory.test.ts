// Waiting for memory: until an allocation that failed may succeed.

import { type Engine, type Skb, Ubuf, UserRegion, type Wakeup } from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { MAY_BLOCK, NODE, SOON_MS } from "../environment.js";
import { caught } from "../packets.js";

const turn = (): Promise<void> =>
  new Promise((resolve) => (NODE ? setImmediate(resolve) : setTimeout(resolve, 0)));

/** Allocates until there is nothing. */
function exhaust(engine: Engine, size: number): Skb[] {
  const skbs: Skb[] = [];
  for (let skb = engine.tryAlloc(size); skb !== null; skb = engine.tryAlloc(size)) skbs.push(skb);
  return skbs;
}

/** Tries until it succeeds. Returns how often it waited. */
async function allocated(engine: Engine, size: number, into: Skb[]): Promise<number> {
  let waits = 0;
  for (let skb = engine.tryAlloc(size); ; skb = engine.tryAlloc(size)) {
    if (skb !== null) {
      into.push(skb);
      return waits;
    }
    expect(await engine.waitMemoryAsync()).toBe("ready");
    waits++;
  }
}

/** Whether a promise has not settled within some turns of the event loop. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(
    () => (pending = false),
    () => (pending = false),
  );
  for (let i = 0; i < 5; i++) await turn();
  return pending;
}

forEachEngine((_name, make) => {
  describe("waiting for memory", () => {
    it("is over at once while no allocation has failed", async () => {
      const engine = await make();
      expect(engine.waitMemory({ timeout: 0 })).toBe("ready");
      expect(await engine.waitMemoryAsync()).toBe("ready");
    });

    it.each([100, 1000, 3900, 60_000])(
      "ends when a packet of %i bytes is released on this thread",
      async (size) => {
        const engine = await make();
        const skbs = exhaust(engine, size);
        const waited = engine.waitMemoryAsync();
        expect(await isPending(waited)).toBe(true);
        skbs.pop()?.release();
        expect(await waited).toBe("ready");
        await allocated(engine, size, skbs);
        // And once more: what asked others to share is still in force, or has been asked for again.
        expect(engine.tryAlloc(size)).toBe(null);
        const again = allocated(engine, size, skbs);
        expect(await isPending(again)).toBe(true);
        engine.releaseBurst(skbs.splice(0, 2));
        expect(await again).toBeGreaterThan(0);
        engine.releaseBurst(skbs);
      },
    );

    it("ends when an skb is released, if those have run out", async () => {
      const engine = await make({ skbs: 100 });
      const [first] = [engine.alloc(10)];
      const twins: Skb[] = [];
      while (caught(() => twins.push(first.clone())) === undefined);
      const waited = engine.waitMemoryAsync();
      expect(await isPending(waited)).toBe(true);
      twins.pop()?.release();
      expect(await waited).toBe("ready");
      engine.releaseBurst([first, ...twins]);
    });

    it("ends when a region is released, if pages have run out", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 300_000);
      const skbs = exhaust(engine, 3900);
      expect(caught(() => new UserRegion(engine, 300_000))).toBeDefined();
      const waited = engine.waitMemoryAsync();
      expect(await isPending(waited)).toBe(true);
      region.release();
      expect(await waited).toBe("ready");
      new UserRegion(engine, 300_000).release();
      engine.releaseBurst(skbs);
    });

    it("serves all who wait, one after the other", async () => {
      const engine = await make();
      const skbs = exhaust(engine, 2000);
      const got: Skb[] = [];
      const waiting = Array.from({ length: 6 }, () => allocated(engine, 2000, got));
      expect(await isPending(Promise.race(waiting))).toBe(true);
      for (let i = 0; i < 6; i++) {
        skbs.pop()?.release();
        await turn();
      }
      await Promise.all(waiting);
      expect(got.length).toBe(6);
      engine.releaseBurst([...got, ...skbs]);
    });

    it("ends after its timeout, and by its signal", async () => {
      const engine = await make();
      const skbs = exhaust(engine, 1000);
      expect(engine.waitMemory({ timeout: 0 })).toBe("timed-out");
      if (engine.shared && MAY_BLOCK) expect(engine.waitMemory({ timeout: 5 })).toBe("timed-out");
      expect(await engine.waitMemoryAsync({ timeout: 5 })).toBe("timed-out");
      const controller = new AbortController();
      const waited = engine.waitMemoryAsync({ signal: controller.signal });
      const reason = new Error("given up");
      controller.abort(reason);
      await expect(waited).rejects.toBe(reason);
      await expect(engine.waitMemoryAsync({ signal: controller.signal })).rejects.toBe(reason);
      expect(caught(() => engine.waitMemory({ signal: controller.signal }))).toBe(reason);
      // Nothing of it is left over: memory comes and goes as before.
      engine.releaseBurst(skbs);
      for (let i = 0; i < 3; i++) {
        const all = exhaust(engine, 1000);
        expect(all.length).toBeGreaterThan(skbs.length / 2);
        engine.releaseBurst(all);
      }
    });

    it("ends with the engine", async () => {
      const engine = await make();
      exhaust(engine, 1000);
      const waited = engine.waitMemoryAsync();
      engine.close({ force: true });
      await expect(waited).rejects.toMatchObject({ code: "ERR_SKB_CLOSED" });
    });

    it("ends with a callback, if completions are asked for", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      const told: string[] = [];
      const ubuf = new Ubuf(engine, ({ status }) => told.push(status));
      const skbs = exhaust(engine, 1000);
      skbs[0]?.addUserFrag(region, 0, 10, ubuf);
      const waited: Promise<Wakeup> = engine.waitMemoryAsync({ completions: true });
      skbs[0]?.trim(1);
      skbs[0]?.trim(0);
      expect(await waited).toBe("completed");
      expect(told).toEqual(["sent"]);
      engine.releaseBurst(skbs);
      region.release();
    });
  });

  it("who waits for memory is woken, and does not find it by looking", async () => {
    const engine = await make();
    const skbs = exhaust(engine, 1000);
    const start = performance.now();
    const waited = engine.waitMemoryAsync();
    await turn();
    engine.releaseBurst(skbs);
    expect(await waited).toBe("ready");
    expect(performance.now() - start).toBeLessThan(SOON_MS);
  });
});
