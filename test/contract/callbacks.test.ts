// Callbacks that complete further loans: any number of them, one after the other, on a stack that does not grow.

import { type Engine, Ubuf, UserRegion, type Wakeup } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { ELSEWHERE, forEachEngine } from "../engines.js";

/** More than any stack has frames for. */
const CHAIN = 30_000;

/** Lends a hundred bytes to a packet, and has them come back, in one of these ways. */
const RETURNS: Record<string, (engine: Engine, region: UserRegion, ubuf: Ubuf) => void> = {
  release: (engine, region, ubuf) => lent(engine, region, ubuf).release(),
  releaseBurst: (engine, region, ubuf) => engine.releaseBurst([lent(engine, region, ubuf)]),
  "a copy for a clone": (engine, region, ubuf) => {
    const skb = lent(engine, region, ubuf);
    skb.clone().release();
    skb.release();
  },
  trim: (engine, region, ubuf) => {
    const skb = lent(engine, region, ubuf);
    skb.trim(0);
    skb.release();
  },
  linearize: (engine, region, ubuf) => {
    const skb = lent(engine, region, ubuf);
    skb.linearize();
    skb.release();
  },
  "release and poll": (engine, region, ubuf) => {
    lent(engine, region, ubuf).release();
    engine.poll();
  },
};

function lent(engine: Engine, region: UserRegion, ubuf: Ubuf) {
  const skb = engine.alloc(0);
  skb.addUserFrag(region, 0, 100, ubuf);
  return skb;
}

forEachEngine((name, make) => {
  if (name === ELSEWHERE) {
    it("a chain goes on when its packets end on another thread", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      let n = 0;
      const next = (): void => {
        if (n++ < 200) lent(engine, region, new Ubuf(engine, next)).release();
      };
      next();
      while (n <= 200) await engine.waitAsync();
      expect(stats(engine).ubufTable.used).toBe(0);
      region.release();
    });
    return;
  }

  it.each(Object.entries(RETURNS))("a chain of %s, of any length", async (_how, back) => {
    const errors: unknown[] = [];
    const engine = await make({ onError: (error) => errors.push(error) });
    const region = new UserRegion(engine, 100);
    let n = 0;
    const next = (): void => {
      if (n++ < CHAIN) back(engine, region, new Ubuf(engine, next));
    };
    next();
    await Promise.resolve();
    expect([n, errors]).toEqual([CHAIN + 1, []]);
    expect(stats(engine)).toMatchObject({ skbs: { used: 0 }, ubufTable: { used: 0 } });
    region.release();
  });

  describe("within a callback", () => {
    it("what completes is over at once, and its callback runs afterwards, in order", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      const told: string[] = [];
      const outer = new Ubuf(engine, () => {
        for (const desc of [1, 2, 3]) {
          const inner = new Ubuf(engine, () => told.push(`callback ${desc}`), { desc });
          lent(engine, region, inner).release();
          told.push(`${inner.status} ${desc}`);
        }
        told.push(`out ${stats(engine).ubufTable.used}`);
      });
      lent(engine, region, outer).release();
      expect(told).toEqual([
        ...["sent 1", "sent 2", "sent 3", "out 0"],
        ...["callback 1", "callback 2", "callback 3"],
      ]);
      region.release();
    });

    it("poll and wait run what has completed, if asked", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      const told: unknown[] = [];
      const outer = new Ubuf(engine, () => {
        for (const ask of [() => engine.poll(), () => engine.wait({ timeout: 5000 })]) {
          lent(engine, region, new Ubuf(engine, () => told.push("callback"))).release();
          told.push(ask());
        }
        told.push(engine.poll(), engine.wait({ timeout: 0 }));
      });
      lent(engine, region, outer).release();
      expect(told).toEqual(["callback", 1, "callback", "completed", 0, "ended"]);
      region.release();
    });

    it("who waits for more than may run one within another is told all the same", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      let n = 0;
      const waits: Wakeup[] = [];
      const next = (): void => {
        if (n++ === 1000) return;
        lent(engine, region, new Ubuf(engine, next)).release();
        waits.push(engine.wait({ timeout: 5000 }));
      };
      lent(engine, region, new Ubuf(engine, next)).release();
      expect([n, waits.length, waits.every((woken) => woken === "completed")]).toEqual([1001, 1000, true]);
      region.release();
    });

    it("close runs what has completed, and refuses while something is out", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      const told: unknown[] = [];
      const outer = new Ubuf(engine, () => {
        lent(engine, region, new Ubuf(engine, () => told.push("callback"))).release();
        region.release();
        told.push(engine.close());
      });
      lent(engine, region, outer).release();
      expect(told).toEqual(["callback", []]);
      expect(engine.closed).toBe(true);
    });

    it("close by force ends it all", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      let n = 0;
      const outer = new Ubuf(engine, () => {
        n++;
        lent(engine, region, new Ubuf(engine, () => n++));
        expect(engine.close({ force: true }).length).toBe(3);
      });
      lent(engine, region, outer).release();
      expect([n, engine.closed]).toEqual([1, true]);
    });

    it("who waits without blocking is told when it is over", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 100);
      let wait: Promise<Wakeup> | undefined;
      const outer = new Ubuf(engine, () => {
        lent(engine, region, new Ubuf(engine, () => {})).release();
        wait = engine.waitAsync();
      });
      lent(engine, region, outer).release();
      expect(await wait).toBe("completed");
      region.release();
    });
  });
});
