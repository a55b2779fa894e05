// Bursts: packets without objects, filled and emptied by the pool, rings and meshes, read and written by index.

import { Burst, type Engine, Mesh, Ring, type Skb, SkbQueue, Ubuf } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, caught, codeOf, snapshot, used, World } from "../packets.js";

const NOTHING = { skbs: 0, ubufs: 0, dataPages: 0, dirty: [] };
/** Of what is of the wrong type, or out of range. */
const ARGUMENT = /^ERR_SKB_(TYPE|RANGE|ARGUMENT)$/;
const upTo = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

/** A burst of `n` packets that carry numbers from `from` on. */
function numbered(engine: Engine, n: number, capacity = n, from = 0): Burst {
  const burst = new Burst(engine, { capacity });
  engine.allocBurst(burst, 64, n);
  for (let i = 0; i < n; i++) burst.setMark(i, from + i);
  return burst;
}

const marks = (burst: Burst): number[] => upTo(burst.length).map((i) => burst.markOf(i));

forEachEngine((_name, make) => {
  describe("filling and emptying", () => {
    it("allocates behind what is there, up to the capacity, and releases the first", async () => {
      const engine = await make();
      const burst = new Burst(engine, { capacity: 8 });
      expect(engine.allocBurst(burst, 200, 3, { headroom: 16 })).toBe(3);
      for (const i of upTo(3)) burst.setMark(i, i);
      expect(burst.at(1).headroom).toBe(16);
      expect(engine.allocBurst(burst, 100)).toBe(5);
      for (const i of upTo(5, 3)) burst.setMark(i, i);
      expect(engine.allocBurst(burst, 100)).toBe(0);
      expect(marks(burst)).toEqual(upTo(8));
      engine.releaseBurst(burst, 3);
      expect(marks(burst)).toEqual(upTo(5, 3));
      expect(audit(engine).problems).toEqual([]);
      expect(used(engine).skbs).toBe(5);
      engine.releaseBurst(burst);
      burst.release();
      expect(used(engine)).toEqual(NOTHING);
      expect(engine.close()).toEqual([]);
    });

    it("takes as many as the pool has", async () => {
      const engine = await make({ memory: 256 * 1024, skbs: 128, threads: 2 });
      const burst = new Burst(engine, { capacity: 256 });
      const n = engine.allocBurst(burst, 64);
      expect(n).toBeGreaterThan(10);
      expect(n).toBeLessThan(256);
      expect(burst.length).toBe(n);
      expect(engine.tryAlloc(64)).toBeNull();
      burst.release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("tells when there is no page for its handles", async () => {
      const engine = await make({ memory: 256 * 1024, threads: 2 });
      const kept: Skb[] = [];
      for (let skb = engine.tryAlloc(3000); skb !== null; skb = engine.tryAlloc(3000)) kept.push(skb);
      expect(codeOf(() => new Burst(engine))).toBe("ERR_SKB_EXHAUSTED");
      engine.releaseBurst(kept);
      new Burst(engine).release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("passes packets through a ring in order, as many as there is room for", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 4 });
      const burst = numbered(engine, 10);
      expect(ring.enqueueBurst(burst)).toBe(4);
      expect(marks(burst)).toEqual(upTo(6, 4));
      expect(audit(engine).packets.filter(({ owner }) => owner === "ring 0").length).toBe(4);
      const out = new Burst(engine, { capacity: 3 });
      expect(ring.dequeueBurst(out)).toBe(3);
      expect(ring.dequeueBurst(out)).toBe(0);
      expect(marks(out)).toEqual([0, 1, 2]);
      expect(ring.enqueueBurst(burst, 2)).toBe(2);
      engine.releaseBurst(out);
      expect(ring.dequeueBurst(out, 2)).toBe(2);
      expect(ring.dequeueBurst(out)).toBe(1);
      expect(marks(out)).toEqual([3, 4, 5]);
      ring.close();
      expect(ring.dequeueBurst(out, 0)).toBe(0);
      for (const one of [burst, out]) one.release();
      ring.release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("mixes with arrays: what one puts in the other takes out", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const burst = numbered(engine, 5);
      const skbs: Skb[] = [];
      ring.enqueueBurst(burst);
      ring.dequeueBurst(skbs, 5);
      expect(skbs.map(({ mark }) => mark)).toEqual(upTo(5));
      ring.enqueueBurst(skbs);
      ring.dequeueBurst(burst);
      expect(marks(burst)).toEqual(upTo(5));
      expect(skbs.map(({ alive }) => alive)).toEqual([false, false, false, false, false]);
      burst.release();
    });

    it.each(["in-turn", "hash"] as const)(
      "goes through a mesh %s, and keeps what was refused, in order",
      async (spread) => {
        const engine = await make();
        const mesh = new Mesh(engine, 1, 2, { capacity: 4, spread });
        const [sender, receivers] = [mesh.sender(0), [mesh.receiver(0), mesh.receiver(1)]];
        const burst = numbered(engine, 20);
        // By hash: all of one flow, so that one ring fills up.
        if (spread === "hash") for (const i of upTo(20)) burst.setHash(i, 7);
        const taken = sender.enqueueBurst(burst);
        expect(taken).toBe(spread === "hash" ? 4 : 8);
        expect(marks(burst)).toEqual(upTo(20 - taken, taken));
        const out = new Burst(engine);
        for (const receiver of receivers) receiver.dequeueBurst(out);
        expect(marks(out).sort((a, b) => a - b)).toEqual(upTo(taken));
        if (spread === "hash") expect(marks(out)).toEqual(upTo(taken));
        expect(sender.waitWritable(1, { timeout: 1000 })).toBe("ready");
        for (const one of [burst, out]) one.release();
        mesh.release();
        expect(used(engine)).toEqual(NOTHING);
      },
    );

    it("of several senders each gets its share", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 2, 1);
      for (const i of [0, 1]) mesh.sender(i).enqueueBurst(numbered(engine, 10, 10, 100 * i));
      const out = new Burst(engine, { capacity: 12 });
      expect(mesh.receiver(0).dequeueBurst(out)).toBe(12);
      expect(marks(out)).toEqual([...upTo(6), ...upTo(6, 100)]);
      out.release();
      mesh.release();
    });
  });

  describe("what is refused changes nothing", () => {
    it("an index of none", async () => {
      const engine = await make();
      const burst = new Burst(engine);
      expect(String(caught(() => burst.markOf(0)))).toContain(
        '"i" expected an index (the burst is empty), got 0',
      );
      burst.release();
    });

    it("a packet that somebody else holds, a closed ring, too many", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const burst = numbered(engine, 4);
      const second = burst.at(2).get();
      expect(codeOf(() => ring.enqueueBurst(burst))).toBe("ERR_SKB_HELD");
      expect([burst.length, ring.size]).toEqual([4, 0]);
      // Those before it can go.
      expect(ring.enqueueBurst(burst, 2)).toBe(2);
      second.release();
      ring.close();
      expect(codeOf(() => ring.enqueueBurst(burst))).toBe("ERR_SKB_RING_CLOSED");
      expect(marks(burst)).toEqual([2, 3]);
      for (const count of [3, -1, 1.5, Number.NaN])
        expect(codeOf(() => engine.releaseBurst(burst, count))).toMatch(ARGUMENT);
      expect(codeOf(() => engine.allocBurst(burst, 64, 3))).toMatch(ARGUMENT);
      expect(marks(burst)).toEqual([2, 3]);
      expect(audit(engine).problems).toEqual([]);
      burst.release();
      ring.release();
    });

    it("what is no burst, another engine's, one that was released, and after the engine's end", async () => {
      const engine = await make();
      const other = await make();
      const ring = new Ring(engine);
      const foreign = new Burst(other);
      const gone = new Burst(engine);
      gone.release();
      gone.release();
      const calls: ((burst: Burst) => unknown)[] = [
        (burst) => engine.allocBurst(burst, 64),
        (burst) => engine.releaseBurst(burst),
        (burst) => ring.enqueueBurst(burst),
        (burst) => ring.dequeueBurst(burst),
      ];
      for (const call of calls) {
        expect(codeOf(() => call(foreign))).toBe("ERR_SKB_FOREIGN");
        expect(codeOf(() => call(gone))).toBe("ERR_SKB_REGION");
        for (const odd of [null, undefined, {}, 7, "burst", { _kind: "burst" }])
          expect(caught(() => call(odd as never))).toBeInstanceOf(Error);
        for (const odd of [null, undefined, {}, 7, "burst"])
          expect(
            codeOf(() => call(odd as never)),
            String(odd),
          ).toMatch(ARGUMENT);
      }
      const skb = engine.alloc(10);
      expect(codeOf(() => gone.push(skb))).toBe("ERR_SKB_REGION");
      skb.release();
      const burst = numbered(engine, 2);
      expect(codeOf(() => engine.close())).toBe("ERR_SKB_IN_USE");
      engine.close({ force: true });
      for (const call of [
        ...calls,
        (one: Burst) => one.markOf(0),
        (one: Burst) => one.readU8(0, 0),
        (one: Burst) => one.at(0),
        (one: Burst) => one.take(0),
      ])
        expect(codeOf(() => call(burst))).toBe("ERR_SKB_CLOSED");
    });

    it("capacities and options that there are not", async () => {
      const engine = await make();
      for (const capacity of [0, 257, 1.5, -1, "32"])
        expect(codeOf(() => new Burst(engine, { capacity: capacity as number }))).toMatch(ARGUMENT);
      expect(codeOf(() => new Burst(engine, { capactiy: 3 } as never))).toMatch(ARGUMENT);
      expect(codeOf(() => new Burst({} as never))).toMatch(ARGUMENT);
      expect(used(engine)).toEqual(NOTHING);
    });
  });

  describe("a packet of it", () => {
    it("is read and written by its index as by its object, wherever its bytes lie", async () => {
      const engine = await make();
      const w = new World(engine);
      const shapes = (): Skb[] => [
        w.linear(40, { headroom: 20 }),
        w.grow(w.linear(3), 40),
        w.lend(w.linear(5), 300, w.ubuf()),
        w.linear(3),
      ];
      const skbs = shapes();
      skbs[3]?.addFragList(w.linear(50, { at: 100 }));
      const burst = new Burst(engine);
      const wanted = skbs.map((skb) => ({
        u8: upTo(30).map((at) => skb.readU8(at)),
        u16: upTo(30).map((at) => [skb.readU16(at), skb.readU16(at, true)]),
        u32: upTo(30).map((at) => [skb.readU32(at), skb.readU32(at, true)]),
        length: skb.length,
      }));
      for (const skb of skbs) burst.push(skb);
      const got = upTo(4).map((i) => ({
        u8: upTo(30).map((at) => burst.readU8(i, at)),
        u16: upTo(30).map((at) => [burst.readU16(i, at), burst.readU16(i, at, true)]),
        u32: upTo(30).map((at) => [burst.readU32(i, at), burst.readU32(i, at, true)]),
        length: burst.lengthOf(i),
      }));
      expect(got).toEqual(wanted);
      for (const i of [0, 1, 3]) {
        for (const at of upTo(8)) {
          burst.writeU8(i, at, 0xf0 + at);
          expect(burst.at(i).readU8(at)).toBe(0xf0 + at);
          burst.writeU16(i, at, 0x1234, at % 2 === 1);
          expect(burst.at(i).readU16(at, at % 2 === 1)).toBe(0x1234);
          burst.writeU32(i, at, 0x89abcdef, at % 2 === 0);
          expect(burst.at(i).readU32(at, at % 2 === 0)).toBe(0x89abcdef);
        }
      }
      // Lent bytes are read-only, its head's are not.
      expect(codeOf(() => burst.writeU16(2, 4, 1))).toBe("ERR_SKB_SHARED");
      burst.setHash(1, 0xffffffff);
      expect([burst.hashOf(1), burst.at(1).hash]).toEqual([0xffffffff, 0xffffffff]);
      const into = new Uint8Array(10);
      burst.copyBits(0, 20, into);
      expect(into).toEqual(burst.at(0).toBytes().subarray(20, 30));
      burst.release();
      w.clean();
    });

    it("is not written while a clone shares it", async () => {
      const engine = await make();
      const w = new World(engine);
      const burst = new Burst(engine);
      const skb = w.linear(40);
      const twin = skb.clone();
      burst.push(skb);
      for (const write of [
        () => burst.writeU8(0, 0, 1),
        () => burst.writeU16(0, 0, 1),
        () => burst.writeU32(0, 0, 1),
        () => burst.putData(0, new Uint8Array(1)),
        () => burst.put(0, 1),
      ])
        expect(codeOf(write)).toBe("ERR_SKB_SHARED");
      expect(twin.toBytes()).toEqual(bytesAt(0, 40));
      twin.release();
      burst.writeU8(0, 0, 0xee);
      expect(burst.readU8(0, 0)).toBe(0xee);
      burst.release();
      w.clean();
    });

    it("grows at its tail as far as there is room", async () => {
      const engine = await make();
      const w = new World(engine);
      const burst = new Burst(engine);
      engine.allocBurst(burst, 100, 1, { headroom: 28 });
      const { tailroom } = burst.at(0);
      burst.put(0, 0);
      burst.put(0, tailroom - 1);
      burst.writeU8(0, tailroom - 2, 7);
      expect([burst.lengthOf(0), burst.at(0).tailroom]).toEqual([tailroom - 1, 1]);
      expect(codeOf(() => burst.put(0, 2))).toBe("ERR_SKB_ROOM");
      for (const n of [-1, 0.5, Number.NaN, 2 ** 32, "1", Symbol("s"), null])
        expect(
          codeOf(() => burst.put(0, n as number)),
          String(n),
        ).toMatch(ARGUMENT);
      burst.put(0, 1);
      expect(burst.at(0).toBytes().length).toBe(tailroom);
      // Behind frags there is no room.
      burst.push(w.grow(w.linear(10, { room: 50 }), 10));
      expect(codeOf(() => burst.put(1, 1))).toBe("ERR_SKB_ROOM");
      burst.release();
      w.clean();
    });

    it("has bytes only up to its length, and indices only up to the burst's", async () => {
      const engine = await make();
      const burst = numbered(engine, 3);
      burst.putData(1, bytesAt(0, 10));
      for (const offset of [9, 10, -1, 0.5, Number.NaN, 2 ** 32 - 1, 2 ** 32, "0", Symbol("s"), null]) {
        expect(
          codeOf(() => burst.readU16(1, offset as number)),
          String(offset),
        ).toMatch(ARGUMENT);
        expect(
          codeOf(() => burst.writeU16(1, offset as number, 1)),
          String(offset),
        ).toMatch(ARGUMENT);
      }
      for (const i of [
        3,
        -1,
        0.5,
        Number.NaN,
        2 ** 32,
        "0",
        Symbol("s"),
        null,
        undefined,
        Object.create(null),
      ]) {
        const index = i as number;
        for (const call of [
          () => burst.markOf(index),
          () => burst.setMark(index, 1),
          () => burst.lengthOf(index),
          () => burst.readU8(index, 0),
          () => burst.writeU8(index, 0, 0),
          () => burst.at(index),
          () => burst.take(index),
          () => burst.putData(index, bytesAt(0, 1)),
        ])
          expect(codeOf(call)).toMatch(ARGUMENT);
      }
      for (const value of [256, -1, 1.5, "1", null])
        expect(codeOf(() => burst.writeU8(1, 0, value as number))).toMatch(ARGUMENT);
      expect(codeOf(() => burst.readU16(1, 0, "yes" as never))).toMatch(ARGUMENT);
      expect(codeOf(() => burst.writeU16(1, 0, 1, 1 as never))).toMatch(ARGUMENT);
      expect(burst.at(1).toBytes()).toEqual(bytesAt(0, 10));
      burst.release();
      expect(codeOf(() => burst.markOf(0))).toBe("ERR_SKB_REGION");
    });

    it("has an object for who asks, which cannot be given away and ends with its place", async () => {
      const engine = await make();
      const w = new World(engine);
      const ring = new Ring(engine);
      const burst = new Burst(engine);
      burst.push(w.linear(20));
      burst.push(w.linear(30));
      const [skb, last] = [burst.at(0), burst.at(1)];
      expect([burst.at(0) === skb, skb.queued, skb.alive, skb.length]).toEqual([true, true, true, 20]);
      const before = snapshot(skb);
      const queue = new SkbQueue(engine);
      const host = w.linear(5);
      const gives: (() => unknown)[] = [
        () => skb.release(),
        () => engine.releaseBurst([skb]),
        () => ring.enqueue(skb),
        () => ring.enqueueBurst([skb]),
        () => queue.pushTail(skb),
        () => host.addFragList(skb),
        () => host.tryCoalesce(skb),
        () => burst.push(skb),
      ];
      for (const give of gives) expect(codeOf(give)).toBe("ERR_SKB_QUEUED");
      skb[Symbol.dispose]?.();
      expect(snapshot(skb)).toEqual(before);
      ring.enqueueBurst(burst, 1);
      expect([skb.alive, last.alive, skb.queued]).toEqual([false, false, false]);
      expect(codeOf(() => skb.release())).toBe("ERR_SKB_STALE");
      expect(codeOf(() => skb.writeU8(0, 1))).toBe("ERR_SKB_STALE");
      expect(burst.at(0).length).toBe(30);
      const own = burst.take(0);
      expect([own.queued, own.length, burst.length]).toEqual([false, 30, 0]);
      own.release();
      host.release();
      burst.release();
      ring.release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("goes in and out one by one", async () => {
      const engine = await make();
      const burst = numbered(engine, 4, 5);
      const skb = engine.alloc(10);
      skb.mark = 4;
      burst.push(skb);
      expect(skb.alive).toBe(false);
      const full = engine.alloc(10);
      expect(codeOf(() => burst.push(full))).toMatch(ARGUMENT);
      expect(full.alive).toBe(true);
      full.release();
      const out = burst.take(1);
      expect([out.mark, marks(burst)]).toEqual([1, [0, 2, 3, 4]]);
      expect(codeOf(() => burst.push(skb))).toBe("ERR_SKB_STALE");
      burst.push(out);
      expect(marks(burst)).toEqual([0, 2, 3, 4, 1]);
      burst.release();
      expect(used(engine)).toEqual(NOTHING);
    });
  });

  it("callbacks find it as it is after the release", async () => {
    const engine = await make();
    const w = new World(engine);
    const burst = new Burst(engine);
    const lengths: number[] = [];
    const ubuf = new Ubuf(engine, () => {
      lengths.push(burst.length);
      burst.release();
    });
    burst.push(w.lend(w.linear(5), 300, ubuf));
    burst.push(w.linear(7));
    engine.releaseBurst(burst, 1);
    expect(lengths).toEqual([1]);
    expect(codeOf(() => burst.lengthOf(0))).toBe("ERR_SKB_REGION");
    w.clean();
    expect(used(engine)).toEqual(NOTHING);
  });

  it("a callback cannot fill a burst that is being released", async () => {
    const engine = await make();
    const w = new World(engine);
    const burst = new Burst(engine);
    const heard: unknown[] = [];
    const ubuf = new Ubuf(engine, () => {
      heard.push(codeOf(() => engine.allocBurst(burst, 64, 4)));
      burst.release();
    });
    burst.push(w.lend(w.linear(5), 300, ubuf));
    burst.release();
    expect(heard).toEqual(["ERR_SKB_REGION"]);
    expect(burst.length).toBe(0);
    w.clean();
    expect(used(engine)).toEqual(NOTHING);
    expect(engine.close()).toEqual([]);
  });

  it("says what it is, and ends with its engine's part", async () => {
    const engine = await make();
    const burst = numbered(engine, 2, 5);
    expect(String(burst)).toBe("Burst { length: 2, capacity: 5 }");
    engine.releaseBurst(burst);
    expect(engine.close()).toEqual([]);
    burst[Symbol.dispose]?.();
  });
});
