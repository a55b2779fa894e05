// Rings on one thread: order, capacity, bursts of any length, closing, and what becomes of the packets inside.

import { type Engine, Mesh, Ring, type Skb, SkbQueue, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import {
  POSITION_MASK,
  RING_HEAD,
  RING_SEEN_HEAD,
  RING_SEEN_TAIL,
  RING_TAIL,
} from "../../assembly/layout.js";
import { forEachEngine } from "../engines.js";
import { bytesAt, codeOf, expectBytes, snapshot, used, World } from "../packets.js";

/** What the test uses of the engine's memory, which is no part of the public interface. */
interface Heap {
  setWord(address: number, value: number): void;
}

const NOTHING = { skbs: 0, ubufs: 0, dataPages: 0, dirty: [] };

/** `n` packets that carry numbers from `from` on. */
function numbered(engine: Engine, n: number, from = 0): Skb[] {
  return Array.from({ length: n }, (_, i) => {
    const skb = engine.alloc(8);
    skb.mark = from + i;
    return skb;
  });
}

/** The numbers of all that is in the ring. Releases it. */
function drained(engine: Engine, ring: Ring): number[] {
  const out: Skb[] = [];
  const n = ring.dequeueBurst(out, 5000);
  const marks = out.map((skb) => skb.mark);
  engine.releaseBurst(out, n);
  return marks;
}

const upTo = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

forEachEngine((_name, make) => {
  describe("packets", () => {
    it("come out in the order in which they went in, with all that they are", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 8 });
      const w = new World(engine);
      const shapes = [
        w.linear(100, { headroom: 20 }),
        w.grow(w.linear(10), 5000),
        w.lend(w.linear(5), 300, w.ubuf()),
      ];
      shapes[0]?.addFragList(w.linear(50, { at: 100 }));
      for (const [i, skb] of shapes.entries()) skb.mark = i;
      const before = shapes.map(snapshot);
      for (const skb of shapes) expect(ring.enqueue(skb)).toBe(true);
      expect(shapes.map((skb) => skb.alive)).toEqual([false, false, false]);
      expect(codeOf(() => shapes[0]?.length)).toBe("ERR_SKB_STALE");
      expect(audit(engine).packets.map(({ owner }) => owner)).toEqual(["ring 0", "ring 0", "ring 0"]);
      for (const wanted of before) {
        const skb = ring.dequeue() as Skb;
        expect(snapshot(skb)).toEqual(wanted);
        skb.release();
      }
      expect(ring.dequeue()).toBeNull();
      ring.release();
      w.clean();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("pass the place where positions begin again", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 4 });
      const { _address, _engine } = ring as unknown as { _address: number; _engine: { _heap: Heap } };
      for (const field of [RING_TAIL, RING_SEEN_HEAD, RING_HEAD, RING_SEEN_TAIL])
        _engine._heap.setWord(_address + field, POSITION_MASK - 5);
      for (let i = 0; i < 12; i += 3) {
        const burst = numbered(engine, 5, i);
        expect(ring.enqueueBurst(burst)).toBe(4);
        burst.at(-1)?.release();
        expect([ring.size, ring.waitWritable(1, { timeout: 0 })]).toEqual([4, "timed-out"]);
        expect(drained(engine, ring)).toEqual(upTo(4, i));
        expect([ring.size, ring.ended, audit(engine).problems]).toEqual([0, false, []]);
      }
      ring.close();
      expect(ring.ended).toBe(true);
    });

    it.each([1, 2, 3, 4, 100, 256, 257, 1000])("a capacity of %i is exact once rounded up", async (asked) => {
      const engine = await make({ skbs: 2000 });
      const ring = new Ring(engine, { capacity: asked });
      const capacity = 2 ** Math.ceil(Math.log2(asked));
      expect(ring.capacity).toBe(capacity);
      const skbs = numbered(engine, capacity + 1);
      expect(ring.enqueueBurst(skbs)).toBe(capacity);
      expect([ring.size, ring.enqueue(skbs[capacity] as Skb)]).toEqual([capacity, false]);
      expect(skbs.map((skb) => skb.alive)).toEqual(skbs.map((_, i) => i === capacity));
      const first = ring.dequeue() as Skb;
      expect([first.mark, ring.size]).toEqual([0, capacity - 1]);
      expect(ring.enqueue(skbs[capacity] as Skb)).toBe(true);
      first.release();
      expect(drained(engine, ring)).toEqual(upTo(capacity, 1));
      expect(ring.size).toBe(0);
      expect(stats(engine)).toMatchObject({
        enqueued: capacity + 1,
        dequeued: capacity + 1,
        refused: 2,
        skbs: { used: 0 },
      });
    });

    it("bursts longer than one crossing of the core, and partial ones", async () => {
      const engine = await make({ memory: 4 * 1024 * 1024, skbs: 4000 });
      const ring = new Ring(engine, { capacity: 1024 });
      const skbs = numbered(engine, 1500);
      expect(ring.enqueueBurst(skbs, 0)).toBe(0);
      expect(ring.enqueueBurst(skbs, 257)).toBe(257);
      expect(ring.enqueueBurst(skbs.slice(257, 870))).toBe(613);
      expect(ring.enqueueBurst(skbs.slice(870))).toBe(1024 - 870);
      expect(skbs.map((skb) => skb.alive)).toEqual(skbs.map((_, i) => i >= 1024));
      const one: (Skb | null)[] = [null];
      expect(ring.dequeueBurst(one, 0)).toBe(0);
      expect([ring.dequeueBurst(one), one[0]?.mark]).toEqual([1, 0]);
      const out: Skb[] = [];
      expect(ring.dequeueBurst(out, 600)).toBe(600);
      expect(out.map((skb) => skb.mark)).toEqual(upTo(600, 1));
      ring.close();
      expect(ring.dequeueBurst([], 0)).toBe(0);
      const rest: Skb[] = [];
      expect(ring.dequeueBurst(rest, 1024)).toBe(1024 - 601);
      expect(rest.map((skb) => skb.mark)).toEqual(upTo(1024 - 601, 601));
      expect(ring.dequeueBurst([], 10)).toBe(0);
      expect(audit(engine).packets.length).toBe(1500);
      engine.releaseBurst([...one, ...out, ...rest, ...skbs.slice(1024)]);
      expect(used(engine)).toEqual(NOTHING);
    });

    it("agrees with an array while its slots are used over and over", async () => {
      const engine = await make({ skbs: 600 });
      let seed = 4711;
      const random = (n: number): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return (seed >>> 8) % n;
      };
      for (const capacity of [1, 2, 16, 128]) {
        const ring = new Ring(engine, { capacity });
        const model: number[] = [];
        let next = 0;
        while (next < capacity * 60) {
          const skbs = numbered(engine, random(capacity + 3), next);
          const taken = ring.enqueueBurst(skbs);
          expect(taken).toBe(Math.min(skbs.length, capacity - model.length));
          for (let i = 0; i < taken; i++) model.push(next++);
          for (const skb of skbs.slice(taken)) skb.release();
          expect([ring.size, ring.ended]).toEqual([model.length, false]);
          const out: Skb[] = [];
          const n = ring.dequeueBurst(out, random(capacity + 3));
          expect(out.map((skb) => skb.mark)).toEqual(model.splice(0, n));
          engine.releaseBurst(out);
        }
        expect(drained(engine, ring)).toEqual(model);
        ring.release();
      }
      expect(used(engine)).toEqual(NOTHING);
    });

    it("`reuse` takes objects that have ended, and no others", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 8 });
      const sent = numbered(engine, 4);
      const out: (Skb | null)[] = [...sent];
      expect(ring.enqueueBurst(sent)).toBe(4);
      const live = engine.alloc(1);
      out[2] = live;
      out[3] = null;
      expect(ring.dequeueBurst(out, out.length, { reuse: true })).toBe(4);
      expect([out[0] === sent[0], out[1] === sent[1], out[2] === live, out[3] === null]).toEqual([
        ...[true, true, false, false],
      ]);
      expect(out.map((skb) => skb?.mark)).toEqual([0, 1, 2, 3]);
      expect(live.alive).toBe(true);
      engine.releaseBurst([...out, live]);
      // Without it, always new ones.
      const [one] = numbered(engine, 1);
      const again = [one];
      ring.enqueue(one as Skb);
      ring.dequeueBurst(again);
      expect(again[0]).not.toBe(one);
      expect(one?.alive).toBe(false);
      again[0]?.release();
    });

    it("an array that takes nothing is refused before anything is taken", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 8 });
      ring.enqueueBurst(numbered(engine, 3));
      expect(codeOf(() => ring.dequeueBurst(Object.freeze([null, null]) as unknown as null[]))).toBe(
        "ERR_SKB_TYPE",
      );
      expect([ring.size, stats(engine).skbs.used]).toEqual([3, 3]);
      expect(drained(engine, ring)).toHaveLength(3);
    });
  });

  describe("closing", () => {
    it.each(["producer", "consumer"])("by the %s: what is inside comes out, nothing goes in", async (who) => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 8 });
      const other = Ring.attach(engine, ring.share());
      expect(ring.enqueueBurst(numbered(engine, 3))).toBe(3);
      (who === "producer" ? ring : other).close();
      (who === "producer" ? other : ring).close();
      expect([ring.closed, other.closed, ring.ended, other.ended]).toEqual([true, true, false, false]);
      const w = new World(engine);
      const skb = w.linear(77);
      const before = snapshot(skb);
      expect(codeOf(() => ring.enqueue(skb))).toBe("ERR_SKB_RING_CLOSED");
      expect(codeOf(() => ring.enqueueBurst([skb, w.linear(3)]))).toBe("ERR_SKB_RING_CLOSED");
      expect(snapshot(skb)).toEqual(before);
      expectBytes(skb.bytes, bytesAt(0, 77), "refused");
      skb.pull(1);
      const first = other.dequeue() as Skb;
      expect([first.mark, other.ended]).toEqual([0, false]);
      const out: Skb[] = [];
      expect(other.dequeueBurst(out, 5)).toBe(2);
      expect([ring.ended, other.ended, other.dequeue(), other.dequeueBurst([], 3)]).toEqual([
        ...[true, true, null, 0],
      ]);
      engine.releaseBurst([first, ...out]);
      w.clean();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("a burst that is longer than one crossing stops where the ring was closed", async () => {
      const engine = await make({ skbs: 1000 });
      const ring = new Ring(engine, { capacity: 512 });
      ring.close();
      const skbs = numbered(engine, 400);
      expect(codeOf(() => ring.enqueueBurst(skbs))).toBe("ERR_SKB_RING_CLOSED");
      expect(skbs.every((skb) => skb.alive)).toBe(true);
      engine.releaseBurst(skbs);
    });
  });

  describe("the last reference", () => {
    it("takes the packets inside with it, and completes what they carry", async () => {
      const engine = await make();
      const w = new World(engine);
      const ring = new Ring(engine, { capacity: 16 });
      const second = Ring.attach(engine, ring.share());
      const carrier = w.lend(w.linear(5), 300, w.ubuf());
      const shared = w.lend(w.linear(5), 300, w.ubuf("refcount"));
      const clone = w.keep(shared.clone());
      const list = w.linear(10);
      list.addFragList(w.grow(w.linear(1), 100));
      expect(ring.enqueueBurst([carrier, shared, list, ...numbered(engine, 5)])).toBe(8);
      ring.release();
      expect([stats(engine).skbs.used, w.completions.length, second.size]).toEqual([10, 0, 8]);
      second.release();
      expect(w.completions).toEqual([{ desc: 1, status: "sent" }]);
      expect(stats(engine).skbs.used).toBe(1);
      clone.release();
      expect(w.completions.length).toBe(2);
      w.clean();
      expect(used(engine)).toEqual(NOTHING);
      expect(audit(engine).ringPages).toBe(0);
    });

    it("a released ring says so; released again, it does nothing", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const second = Ring.attach(engine, ring.share());
      ring.release();
      ring.release();
      expect(codeOf(() => ring.size)).toBe("ERR_SKB_RING_CLOSED");
      expect(second.enqueue(engine.alloc(1))).toBe(true);
      second.release();
      expect(stats(engine).skbs.used).toBe(0);
    });

    it("close() of the engine frees rings only if nothing is in them", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      ring.enqueue(engine.alloc(100).putZeros(44));
      expect(codeOf(() => engine.close())).toBe("ERR_SKB_IN_USE");
      expect(ring.size).toBe(1);
      ring.dequeue()?.release();
      expect(engine.close()).toEqual([]);
      expect(codeOf(() => ring.size)).toBe("ERR_SKB_CLOSED");
    });
  });

  describe("room for rings", () => {
    it("the table runs out, and its entries are used again", async () => {
      const engine = await make({ rings: 3 });
      for (let round = 0; round < 50; round++) {
        const rings = [
          new Ring(engine, { capacity: 4 }),
          new Ring(engine, { capacity: 4 }),
          new Ring(engine, { capacity: 4 }),
        ];
        expect(codeOf(() => new Ring(engine, { capacity: 4 }))).toBe("ERR_SKB_EXHAUSTED");
        expect(codeOf(() => new Mesh(engine, 2, 2))).toBe("ERR_SKB_EXHAUSTED");
        const tokens = rings.map((ring) => ring.share());
        for (const ring of rings) ring.release();
        for (const token of tokens)
          expect(codeOf(() => Ring.attach(engine, token))).toBe("ERR_SKB_RING_CLOSED");
      }
      // A mesh that finds too few has given back those that it found.
      expect(codeOf(() => new Mesh(engine, 2, 2))).toBe("ERR_SKB_EXHAUSTED");
      const mesh = new Mesh(engine, 3, 1);
      mesh.release();
      expect(audit(engine).ringPages).toBe(0);
    });

    it("there need be none", async () => {
      const engine = await make({ rings: 0 });
      expect(codeOf(() => new Ring(engine))).toBe("ERR_SKB_EXHAUSTED");
      expect(codeOf(() => new Mesh(engine, 1, 1))).toBe("ERR_SKB_EXHAUSTED");
      expect(audit(engine)).toMatchObject({ clean: true, ringPages: 0 });
    });

    it("slots are pages of the pool, and may not be there", async () => {
      const engine = await make();
      const { total } = stats(engine).pages;
      const ring = new Ring(engine, { capacity: 4096 });
      expect(audit(engine)).toMatchObject({ ringPages: 4, freePages: total - 4 });
      ring.release();
      const region = new UserRegion(engine, (total - 1) * 4096);
      expect(codeOf(() => new Ring(engine, { capacity: 2048 }))).toBe("ERR_SKB_EXHAUSTED");
      expect(codeOf(() => new Ring(engine, { capacity: 2 ** 20 }))).toBe("ERR_SKB_EXHAUSTED");
      const small = new Ring(engine, { capacity: 1024 });
      expect(codeOf(() => new Ring(engine, { capacity: 1 }))).toBe("ERR_SKB_EXHAUSTED");
      small.release();
      region.release();
      expect(audit(engine)).toMatchObject({ clean: true, ringPages: 0, freePages: total });
    });

    it("refuses wild options", async () => {
      const engine = await make();
      for (const capacity of [0, -1, 0.5, 2 ** 20 + 1, Number.NaN, Number.POSITIVE_INFINITY])
        expect(codeOf(() => new Ring(engine, { capacity }))).toBe("ERR_SKB_RANGE");
      for (const capacity of ["8", null, {}, 8n])
        expect(codeOf(() => new Ring(engine, { capacity: capacity as number }))).toBe("ERR_SKB_TYPE");
      const queue = new SkbQueue(engine);
      expect(codeOf(() => new Ring(engine, null as unknown as undefined))).toBe("ERR_SKB_TYPE");
      const ring = new Ring(engine);
      for (const wild of [queue, {}, "ab", null, undefined, 1])
        expect(codeOf(() => ring.enqueueBurst(wild as unknown as Skb[]))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => ring.enqueueBurst([], 1))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => ring.dequeueBurst([], -1))).toBe("ERR_SKB_RANGE");
    });
  });
});
