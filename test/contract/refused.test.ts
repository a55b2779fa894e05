// What rings and meshes refuse: packets that cannot be given away, and tokens that are none. Nothing changes.

import { type Engine, Mesh, type MeshToken, Ring, type RingToken, type Skb, SkbQueue } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { codeOf, snapshot, used, World } from "../packets.js";

/** Ways to give a burst away, each with what it leaves behind. */
const GIVERS: Record<string, (engine: Engine) => { give: (skbs: Skb[]) => number; inside: () => number }> = {
  "a ring": (engine) => {
    const ring = new Ring(engine, { capacity: 1024 });
    return { give: (skbs) => ring.enqueueBurst(skbs), inside: () => ring.size };
  },
  "a sender by hash": (engine) => {
    const mesh = new Mesh(engine, 1, 3, { capacity: 1024 });
    const [sender, receivers] = [mesh.sender(0), [0, 1, 2].map((i) => mesh.receiver(i))];
    return {
      give: (skbs) => sender.enqueueBurst(skbs),
      inside: () => receivers.reduce((sum, one) => sum + one.size, 0),
    };
  },
  "a sender in turn": (engine) => {
    const mesh = new Mesh(engine, 1, 2, { capacity: 1024, spread: "in-turn" });
    const [sender, receivers] = [mesh.sender(0), [0, 1].map((i) => mesh.receiver(i))];
    return {
      give: (skbs) => sender.enqueueBurst(skbs),
      inside: () => receivers.reduce((sum, one) => sum + one.size, 0),
    };
  },
};

const GARBAGE: unknown[] = [
  ...[undefined, null, 0, 1, Number.NaN, "", "ring", 1n, true, Symbol("ring"), () => ({ skbuff: "ring" })],
  ...[[], {}, { skbuff: "ring" }, { skbuff: "engine" }, { skbuff: "mesh" }, { skbuff: {} }, { skbuff: "x" }],
  new Map(),
];

forEachEngine((_name, make) => {
  describe.each(Object.keys(GIVERS))("%s refuses", (giver) => {
    const start = async (): Promise<{
      w: World;
      good: () => Skb[];
      refuses: (skbs: Skb[], code: string) => void;
      takes: (skbs: Skb[]) => void;
    }> => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 2000, rings: 8 });
      const w = new World(engine);
      const { give, inside } = (GIVERS[giver] as (typeof GIVERS)[string])(engine);
      const good = (): Skb[] =>
        Array.from({ length: 5 }, (_, i) => {
          const skb = w.linear(20 + i, { headroom: 4 });
          skb.hash = i * 77;
          return skb;
        });
      const refuses = (skbs: Skb[], code: string): void => {
        const live = skbs.filter((skb) => skb?.alive === true);
        const order = [...skbs];
        const before = live.map(snapshot);
        expect(codeOf(() => give(skbs))).toBe(code);
        expect(inside()).toBe(0);
        expect(skbs).toEqual(order);
        expect(live.map(snapshot)).toEqual(before);
        expect(audit(w.engine).problems).toEqual([]);
        expect(audit(w.engine).packets.every(({ owner }) => owner === "thread 1")).toBe(true);
      };
      const takes = (skbs: Skb[]): void => {
        expect(give([...skbs])).toBe(skbs.length);
        expect(inside()).toBe(skbs.length);
      };
      return { w, good, refuses, takes };
    };

    it.each([0, 2, 5])("a packet that is held by two, at place %i", async (place) => {
      const { w, good, refuses, takes } = await start();
      const skbs = good();
      const held = w.linear(9);
      const second = w.keep(held.get());
      skbs.splice(place, 0, held);
      refuses(skbs, "ERR_SKB_HELD");
      refuses([held, second], "ERR_SKB_HELD");
      second.release();
      takes(skbs);
      w.clean();
    });

    it.each([0, 2, 5])("one that has ended, at place %i", async (place) => {
      const { w, good, refuses, takes } = await start();
      const skbs = good();
      const gone = w.linear(9);
      gone.release();
      refuses([...skbs.slice(0, place), gone, ...skbs.slice(place)], "ERR_SKB_STALE");
      takes(skbs);
      refusesAfter(skbs, w);
    });

    it.each([0, 2, 5])("one that is queued, another engine's or no packet, at place %i", async (place) => {
      const { w, good, refuses, takes } = await start();
      const skbs = good();
      const queue = new SkbQueue(w.engine);
      const queued = w.linear(9);
      queue.pushTail(queued);
      const foreign = (await make()).alloc(8);
      const at = (one: unknown): Skb[] => [...skbs.slice(0, place), one as Skb, ...skbs.slice(place)];
      refuses(at(queued), "ERR_SKB_QUEUED");
      refuses(at(foreign), "ERR_SKB_FOREIGN");
      for (const wild of [null, undefined, 7, "skb", {}, [], w.ubuf()]) refuses(at(wild), "ERR_SKB_TYPE");
      expect([queue.popHead(), foreign.length]).toEqual([queued, 0]);
      takes([...skbs, queued]);
      w.clean();
    });

    it("one that is there twice", async () => {
      const { w, good, refuses, takes } = await start();
      const skbs = good();
      for (const [i, j] of [
        [0, 1],
        [0, 5],
        [3, 5],
      ] as const) {
        const twice = [...skbs];
        twice.splice(j, 0, skbs[i] as Skb);
        refuses(twice, "ERR_SKB_STALE");
      }
      takes(skbs);
      w.clean();
    });

    it("nothing of what was taken before it, in a burst of more than 256", async () => {
      const { w } = await start();
      const { give, inside } = (GIVERS[giver] as (typeof GIVERS)[string])(w.engine);
      const skbs = Array.from({ length: 600 }, (_, i) => {
        const skb = w.engine.alloc(4);
        skb.hash = i;
        return skb;
      });
      const held = skbs[400] as Skb;
      const second = held.get();
      // The bad one is reported by the call that begins with its part of the burst; what is behind it waits.
      const mine = [...skbs];
      const taken = give(mine);
      expect(taken).toBe(256);
      expect(inside()).toBe(taken);
      const left = mine.filter((skb) => skb.alive);
      expect([left.length, left.includes(held)]).toEqual([600 - taken, true]);
      expect(codeOf(() => give(left))).toBe("ERR_SKB_HELD");
      expect(left.every((skb) => skb.alive)).toBe(true);
      second.release();
      expect([give(left), inside()]).toEqual([600 - taken, 600]);
      w.clean();
    });
  });

  /** That what a ring has taken is dead to whoever gave it. */
  function refusesAfter(skbs: Skb[], w: World): void {
    for (const skb of skbs) expect(codeOf(() => skb.release())).toBe("ERR_SKB_STALE");
    expect(audit(w.engine).packets.length).toBe(skbs.length);
    w.clean();
  }

  describe("tokens", () => {
    it("survive structured cloning", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 32 });
      const same = Ring.attach(engine, structuredClone(ring.share()));
      same.enqueue(engine.alloc(5));
      expect([ring.size, same.capacity]).toEqual([1, 32]);
      const mesh = Mesh.attach(
        engine,
        structuredClone(new Mesh(engine, 2, 3, { spread: "in-turn" }).share()),
      );
      expect([mesh.producers, mesh.consumers]).toEqual([2, 3]);
    });

    it("of rings and meshes that are gone, or whose place another ring has", async () => {
      const engine = await make({ rings: 2 });
      const ring = new Ring(engine);
      const token = ring.share();
      ring.release();
      expect(codeOf(() => Ring.attach(engine, token))).toBe("ERR_SKB_RING_CLOSED");
      const next = new Ring(engine);
      expect(codeOf(() => Ring.attach(engine, token))).toBe("ERR_SKB_RING_CLOSED");
      expect(Ring.attach(engine, next.share()).size).toBe(0);
      const mesh = new Mesh(engine, 1, 1);
      const meshToken = mesh.share();
      mesh.release();
      const reopened = Mesh.attach(engine, meshToken);
      expect(codeOf(() => reopened.sender(0))).toBe("ERR_SKB_RING_CLOSED");
      expect(codeOf(() => reopened.receiver(0))).toBe("ERR_SKB_RING_CLOSED");
      expect([codeOf(() => reopened.sender(1)), codeOf(() => reopened.receiver(-1))]).toEqual([
        ...["ERR_SKB_RANGE", "ERR_SKB_RANGE"],
      ]);
    });

    it("of another engine", async () => {
      const [engine, other] = [await make(), await make()];
      const ring: Ring = new Ring(other);
      const mesh = new Mesh(other, 1, 1);
      expect(codeOf(() => Ring.attach(engine, ring.share()))).toBe("ERR_SKB_TOKEN");
      expect(codeOf(() => Mesh.attach(engine, mesh.share()))).toBe("ERR_SKB_TOKEN");
      expect(codeOf(() => Ring.attach(other, mesh.share() as unknown as RingToken))).toBe("ERR_SKB_TOKEN");
      expect(codeOf(() => Mesh.attach(other, ring.share() as unknown as MeshToken))).toBe("ERR_SKB_TOKEN");
    });

    it("that are garbage", async () => {
      const engine = await make();
      for (const wild of GARBAGE) {
        expect(codeOf(() => Ring.attach(engine, wild as RingToken))).toBe("ERR_SKB_TOKEN");
        expect(codeOf(() => Mesh.attach(engine, wild as MeshToken))).toBe("ERR_SKB_TOKEN");
      }
      expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
    });

    it("that were tampered with", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const token = ring.share() as RingToken & { index: number; generation: number };
      const gone = ["ERR_SKB_TOKEN", "ERR_SKB_RING_CLOSED"];
      for (const wild of [
        -1,
        0.5,
        64,
        2 ** 31,
        2 ** 32,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        "1",
        null,
        {},
      ]) {
        expect(gone, String(wild)).toContain(
          codeOf(() => Ring.attach(engine, { ...token, index: wild } as unknown as RingToken)),
        );
        expect(gone, String(wild)).toContain(
          codeOf(() => Ring.attach(engine, { ...token, generation: wild } as unknown as RingToken)),
        );
      }
      const mesh = new Mesh(engine, 1, 2).share() as MeshToken & Record<string, unknown>;
      for (const wild of [undefined, null, 5, "rings", {}, [], [5], [[null]], [[{}, {}]], [[token]]]) {
        const tampered = { ...mesh, rings: wild } as unknown as MeshToken;
        expect(gone, JSON.stringify(wild)).toContain(
          codeOf(() => Mesh.attach(engine, tampered).sender(0).enqueue(engine.alloc(1))),
        );
      }
      for (const wild of [undefined, null, -1, 0, 0.5, 65, "2", {}])
        expect(gone, String(wild)).toContain(
          codeOf(() => Mesh.attach(engine, { ...mesh, consumers: wild } as unknown as MeshToken)),
        );
    });
  });
});
