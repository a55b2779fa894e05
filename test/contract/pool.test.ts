// Memory that runs out and comes back: every pool says what it lacks, nothing is lost, and after everything has been
// released any other mix of sizes can be had.

import { type Engine, PoolExhaustedError, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, caught, codeOf, expectBytes, snapshot, used, World } from "../packets.js";

/** Calls `take` until it throws; returns what it took, and the error. */
function takeAll<T>(take: () => T): { all: T[]; error: Error } {
  const all: T[] = [];
  for (;;) {
    let one: T | undefined;
    const error = caught(() => {
      one = take();
    });
    if (error !== undefined) return { all, error: error as Error };
    all.push(one as T);
    if (all.length > 100000) throw new Error("there is no end to it");
  }
}

forEachEngine((_name, make) => {
  describe("runs out of", () => {
    it("skbs", async () => {
      const engine = await make({ skbs: 100 });
      const { total } = stats(engine).skbs;
      expect(total).toBeGreaterThanOrEqual(100);
      const { all, error } = takeAll(() => engine.alloc(10));
      expect(error).toBeInstanceOf(PoolExhaustedError);
      expect(error.message).toBe(`"skb" expected 1 free, got 0 (${total} of ${total} in use)`);
      expect([all.length, stats(engine).skbs.used, stats(engine).exhausted]).toEqual([total, total, 1]);
      expect(codeOf(() => all[0]?.clone())).toBe("ERR_SKB_EXHAUSTED");
      expect([engine.tryAlloc(10), engine.allocBurst([], 10, 5)]).toEqual([null, 0]);
      all.pop()?.release();
      engine.alloc(10).release();
      engine.releaseBurst(all);
      expect(takeAll(() => engine.alloc(10)).all.length).toBe(total);
    });

    it.each([64, 300, 800, 1800, 3900])("heads for packets of %i bytes", async (size) => {
      const engine = await make({ skbs: 4000 });
      const { total } = stats(engine).pages;
      const { all, error } = takeAll(() => engine.alloc(size));
      expect(error.message).toBe(`"head" expected 1 free, got 0 (${total} of ${total} in use)`);
      const perPage = Math.floor(4096 / ((all[0]?.truesize ?? 0) - 128));
      expect(all.length).toBe(total * perPage);
      expect(engine.tryAlloc(size)).toBeNull();
      all.pop()?.release();
      engine.alloc(size).release();
      for (const skb of all) skb.release();
      expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
      expect(takeAll(() => engine.alloc(size)).all.length).toBe(total * perPage);
    });

    it("pages", async () => {
      const engine = await make();
      const { total } = stats(engine).pages;
      const skbs: Skb[] = [];
      const { all, error } = takeAll(() => {
        if (skbs.at(-1) === undefined || skbs.at(-1)?.frags === 17) skbs.push(engine.alloc(0));
        skbs.at(-1)?.addPageFrag(100);
      });
      expect(error.message).toMatch(
        new RegExp(`^"(page|head)" expected 1 free, got 0 \\(${total} of ${total} in use\\)$`),
      );
      // All but the slabs of the heads.
      expect(all.length).toBeGreaterThan(total - 3);
      const last = skbs.at(-1) as Skb;
      const before = snapshot(last);
      expect(codeOf(() => last.append(new Uint8Array(5000)))).toBe("ERR_SKB_EXHAUSTED");
      expect(snapshot(last)).toEqual(before);
      engine.releaseBurst(skbs);
      expect(used(engine)).toMatchObject({ dataPages: 0 });
    });

    it("runs of pages", async () => {
      const engine = await make();
      // Single pages are to be left over, however many there are in all.
      const rest = new UserRegion(engine, 4096 * (1 + (stats(engine).pages.total % 9)));
      const { all, error } = takeAll(() => new UserRegion(engine, 9 * 4096));
      expect(error.message).toContain('"run of pages" expected 1 free');
      expect(codeOf(() => engine.alloc(131072))).toBe("ERR_SKB_EXHAUSTED");
      rest.release();
      const skb = engine.alloc(100);
      skb.addPageFrag(4096);
      expect(codeOf(() => skb.addPageFrag(9 * 4096))).toBe("ERR_SKB_EXHAUSTED");
      skb.release();
      for (const region of all) region.release();
      expect(takeAll(() => new UserRegion(engine, 9 * 4096)).all.length).toBeGreaterThanOrEqual(all.length);
      expect(codeOf(() => new UserRegion(engine, engine.memory))).toBe("ERR_SKB_EXHAUSTED");
    });

    it("ubufs", async () => {
      const engine = await make({ ubufs: 100 });
      const { total } = stats(engine).ubufTable;
      expect(total).toBeGreaterThanOrEqual(100);
      const { all, error } = takeAll(() => new Ubuf(engine));
      expect(error.message).toBe(`"ubuf" expected 1 free, got 0 (${total} of ${total} in use)`);
      expect(all.length).toBe(total);
      (all.pop() as Ubuf).cancel();
      new Ubuf(engine).cancel();
      for (const ubuf of all) ubuf.cancel();
      expect(takeAll(() => new Ubuf(engine)).all.length).toBe(total);
    });
  });

  describe("after everything was released", () => {
    const MIXES: Record<string, (engine: Engine) => () => void> = {
      "small heads": (engine) => {
        const { all } = takeAll(() => engine.alloc(64));
        return () => engine.releaseBurst(all);
      },
      "heads of every class, interleaved": (engine) => {
        let i = 0;
        const { all } = takeAll(() => engine.alloc([64, 3000, 300, 1800, 800][i++ % 5] as number));
        return () => {
          // In an order that empties no slab before the end.
          const late = all.filter((_, n) => n % 3 === 0);
          engine.releaseBurst(all.filter((_, n) => n % 3 !== 0));
          for (const skb of late.reverse()) skb.release();
        };
      },
      "single pages": (engine) => {
        const skbs: Skb[] = [];
        takeAll(() => {
          if (skbs.at(-1) === undefined || skbs.at(-1)?.frags === 17) skbs.push(engine.alloc(0));
          skbs.at(-1)?.addPageFrag(1);
        });
        return () => engine.releaseBurst(skbs);
      },
      "runs of every length": (engine) => {
        const regions: UserRegion[] = [];
        for (let n = 33; n > 0; n--) regions.push(...takeAll(() => new UserRegion(engine, n * 4096)).all);
        return () => {
          for (const region of regions.filter((_, i) => i % 2 === 0)) region.release();
          for (const region of regions) if (!region.released) region.release();
        };
      },
      "clones and lists": (engine) => {
        const { all } = takeAll(() => {
          const skb = engine.alloc(100);
          const member = engine.tryAlloc(500);
          if (member !== null) skb.addFragList(member);
          return skb;
        });
        const clones: Skb[] = [];
        // Every other packet makes room for the clones of the rest.
        for (const [i, skb] of all.entries()) {
          if (i % 2 === 0) skb.release();
          else clones.push(skb.copyHead(), skb.clone(), skb);
        }
        return () => engine.releaseBurst(clones.reverse());
      },
    };

    it.each(Object.keys(MIXES))("%s leave room for any other mix", async (first) => {
      const engine = await make({ skbs: 4000 });
      const total = stats(engine).pages.total;
      for (const [second, take] of Object.entries(MIXES)) {
        (MIXES[first] as (engine: Engine) => () => void)(engine)();
        expect(used(engine), second).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
        // The longest head there is, and then everything as one run.
        const long = engine.alloc(131072);
        long.release();
        const all = new UserRegion(engine, total * 4096);
        all.release();
        take(engine)();
        expect(used(engine), second).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
      }
      expect(stats(engine).pages.total).toBe(total);
    });
  });

  it("free objects that magazines hide are found before anything is refused", async () => {
    const engine = await make({ magazine: 31 });
    const { total } = stats(engine).pages;
    const small = Array.from({ length: 60 }, () => engine.alloc(64));
    engine.releaseBurst(small);
    expect(stats(engine).skbs.inMagazines).toBeGreaterThan(0);
    const { reclaims } = stats(engine);
    new UserRegion(engine, total * 4096).release();
    expect(stats(engine).reclaims).toBe(reclaims + 1);
    expect(stats(engine).pages).toMatchObject({ total, used: 0 });
  });

  it("bursts cross the size of a batch", async () => {
    const engine = await make({ skbs: 4096, memory: 2 * 1024 * 1024 });
    for (const n of [0, 1, 255, 256, 257, 600]) {
      const out: (Skb | null)[] = [null, null];
      expect(engine.allocBurst(out, 50, n, { headroom: 14 })).toBe(n);
      const skbs = out.filter((skb) => skb !== null);
      expect(skbs.length).toBe(n);
      expect(new Set(skbs.map((skb) => skb.handle)).size).toBe(n);
      for (const [i, skb] of skbs.entries()) {
        expect([skb.headroom, skb.length]).toEqual([14, 0]);
        skb.putData(bytesAt(i, 50));
      }
      for (const [i, skb] of skbs.entries()) expectBytes(skb.bytes, bytesAt(i, 50), `${i}`);
      engine.releaseBurst(out, n);
      expect(skbs.some((skb) => skb.alive)).toBe(false);
    }
    const out: (Skb | undefined)[] = new Array<Skb | undefined>(40);
    expect(engine.allocBurst(out, 10)).toBe(40);
    engine.releaseBurst(out, 10);
    expect(out.map((skb) => skb?.alive)).toEqual(out.map((_, i) => i >= 10));
    engine.releaseBurst(out.slice(10));
    expect(stats(engine)).toMatchObject({ skbs: { used: 0 } });
    const { allocs, releases } = stats(engine);
    expect(allocs).toBe(releases);
  });

  it("bytes that come from JavaScript's memory count as copied, whichever way; zeros and views do not", async () => {
    const engine = await make();
    const skb = engine.alloc(500, { headroom: 100 });
    const counted = (what: () => unknown): number => {
      const before = stats(engine).bytesCopied;
      what();
      return stats(engine).bytesCopied - before;
    };
    const bytes = (n: number): Uint8Array => bytesAt(0, n);
    // Both ways of copying: in a loop, and in bulk, at every place within a word.
    for (const n of [0, 1, 24, 25, 50]) expect(counted(() => skb.putData(bytes(n)))).toBe(n);
    expect(counted(() => skb.putData(bytes(80).subarray(3)))).toBe(77);
    expect(counted(() => skb.pushData(bytes(40)))).toBe(40);
    expect(counted(() => skb.append(bytes(20_000)))).toBe(20_000);
    expect(counted(() => skb.storeBits(10, bytes(5000)))).toBe(5000);
    expect(counted(() => skb.addPageFrag(100).set(bytes(100)))).toBe(0);
    expect(counted(() => [skb.toBytes(), skb.writeU32(0, 5), skb.checksum(0, 9)])).toBe(0);
    const other = engine.alloc(200);
    expect(counted(() => [other.putZeros(100), other.put(5).fill(1)])).toBe(0);
    // From the arena, too.
    expect(counted(() => other.putData(skb.bytes.subarray(0, 60)))).toBe(60);
    other.release();
    skb.release();
  });

  it("counters count", async () => {
    const engine = await make();
    const w = new World(engine);
    const skb = w.linear(100);
    w.keep(skb.clone());
    w.keep(skb.copy());
    w.keep(skb.copyHead());
    expect(stats(engine)).toMatchObject({
      ...{ allocs: 4, releases: 0, clones: 1, copies: 2, bytesCopied: 300, exhausted: 0, reclaims: 0 },
      ...{ ubufs: 0, sent: 0, copied: 0 },
      skbs: { used: 4 },
    });
    const report = audit(engine);
    expect(report).toMatchObject({ clean: true, problems: [], ubufs: 0, dataPages: 0 });
    expect(report.packets.length).toBe(4);
    expect(report.packets[0]).toEqual({ handle: skb.handle, length: 100, users: 1, owner: "thread 1" });
    expect(report.freePages + report.headPages).toBe(stats(engine).pages.total);
    w.grow(w.linear(1), 5000);
    expect(audit(engine).dataPages).toBe(2);
    w.clean();
    expect(stats(engine)).toMatchObject({ allocs: 5, releases: 5, skbs: { used: 0 } });
  });
});
