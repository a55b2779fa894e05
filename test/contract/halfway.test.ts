// What fails half-way gives back what it took: joining, rings, meshes and bursts are made to fail at each of their steps.

import { Engine, Mesh, Ring, type Skb, UserRegion } from "skbuff";
import { audit, debug, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine, inside } from "../engines.js";
import { codeOf, used } from "../packets.js";

const NOTHING = { skbs: 0, ubufs: 0, dataPages: 0, dirty: [] };

/** Lets each allocation of `run` fail in turn, until it succeeds. Returns how often it failed. */
function failEach(engine: Engine, run: () => { release(): void }): number {
  for (let nth = 1; ; nth++) {
    inside(engine).failAllocation(nth);
    let made: { release(): void } | undefined;
    const code = codeOf(() => {
      made = run();
    });
    inside(engine).failAllocation(0);
    if (made !== undefined) {
      made.release();
      return nth - 1;
    }
    expect(code).toBe("ERR_SKB_EXHAUSTED");
    expect(audit(engine)).toMatchObject({ problems: [], ringPages: 0, dataPages: 0 });
  }
}

forEachEngine((_name, make) => {
  describe("what fails half-way", () => {
    it("is a ring, a mesh or a region without pages", async () => {
      const engine = await make();
      expect(failEach(engine, () => new Ring(engine))).toBe(1);
      expect(failEach(engine, () => new Mesh(engine, 2, 3))).toBe(6);
      expect(failEach(engine, () => new UserRegion(engine, 10000))).toBe(1);
      expect(failEach(engine, () => engine.alloc(4000, { headroom: 10 }))).toBe(2);
    });

    it("is a mesh that finds no place for its last ring in the table", async () => {
      const engine = await make({ rings: 4 });
      for (let round = 0; round < 5; round++) {
        expect(codeOf(() => new Mesh(engine, 5, 1))).toBe("ERR_SKB_EXHAUSTED");
        expect(audit(engine).ringPages).toBe(0);
      }
      new Mesh(engine, 2, 2).release();
    });

    it.each(["sender", "receiver"] as const)("is a %s, when one of its rings is gone", async (place) => {
      const engine = await make();
      const mesh = place === "sender" ? new Mesh(engine, 1, 3) : new Mesh(engine, 3, 1);
      // Of its rings only the first stays, for it is all that the other side's place has.
      const other = place === "sender" ? mesh.receiver(0) : mesh.sender(0);
      mesh.release();
      for (let round = 0; round < 5; round++)
        expect(codeOf(() => mesh[place](0))).toBe("ERR_SKB_RING_CLOSED");
      expect(audit(engine).ringPages).toBe(1);
      other.release();
      expect(audit(engine).ringPages).toBe(0);
    });

    it("is a burst of allocations: what there is, is returned, and no more is out", async () => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 2000 });
      for (const size of [10, 3000, 20000]) {
        for (const nth of [1, 2, 3, 40, 41, 600]) {
          const out: (Skb | null)[] = new Array(300).fill(null);
          inside(engine).failAllocation(nth);
          const n = engine.allocBurst(out, size);
          inside(engine).failAllocation(0);
          expect(out.filter((skb) => skb !== null).length).toBe(n);
          expect(stats(engine).skbs.used).toBe(n);
          engine.releaseBurst(out, n);
          expect(used(engine)).toEqual(NOTHING);
        }
      }
    });

    it("is a thread that finds no block, or no engine for it", async () => {
      const engine = await make({ threads: 2 });
      if (!engine.shared) return;
      const token = engine.share();
      const real = globalThis.FinalizationRegistry;
      globalThis.FinalizationRegistry = class {
        constructor() {
          throw new Error("on purpose");
        }
      } as unknown as typeof FinalizationRegistry;
      try {
        // Often enough to use up all blocks.
        for (let round = 0; round < 5; round++)
          await expect(Engine.attach(token, { debug })).rejects.toThrow("on purpose");
      } finally {
        globalThis.FinalizationRegistry = real;
      }
      const attached = await Engine.attach(token);
      await expect(Engine.attach(token)).rejects.toMatchObject({ code: "ERR_SKB_THREADS" });
      // Who cannot leave stays, and is as it was.
      const skb = attached.alloc(10);
      expect(codeOf(() => attached.detach())).toBe("ERR_SKB_IN_USE");
      skb.release();
      attached.detach();
      (await Engine.attach(token)).detach();
    });
  });
});
