// The zero-copy contract beyond single paths: what regions, ubufs and callbacks may do, and what they may not.

import { type Completion, Engine, type Skb, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { surfaced } from "../environment.js";
import { bytesAt, caught, codeOf, expectBytes, used, World } from "../packets.js";

forEachEngine((_name, make) => {
  it("the bytes are read in place", async () => {
    const engine = await make();
    const w = new World(engine);
    const { bytesCopied } = stats(engine);
    const region = w.region(10000);
    const skb = w.keep(engine.alloc(0));
    skb.addUserFrag(region, 5, 9000, w.ubuf());
    region.bytes.set(bytesAt(0, 9000), 5);
    expect(region.frags).toBe(1);
    expectBytes(skb.toBytes(), bytesAt(0, 9000), "written afterwards");
    expect(skb.segments().map((segment) => segment.byteOffset - region.bytes.byteOffset)).toEqual([5]);
    expect(stats(engine).bytesCopied).toBe(bytesCopied);
    expect(codeOf(() => skb.writeU8(0, 1))).toBe("ERR_SKB_SHARED");
    expect(codeOf(() => skb.storeBits(8999, new Uint8Array(1)))).toBe("ERR_SKB_SHARED");
    skb.copyUbufs();
    region.bytes.fill(0);
    expectBytes(skb.toBytes(), bytesAt(0, 9000), "after the owner has it back");
    expect(stats(engine).bytesCopied - bytesCopied).toBe(9000);
    skb.writeU8(0, 1);
    w.clean();
  });

  it("a callback finds the lent memory unused and the packet's bytes copied", async () => {
    const engine = await make();
    const w = new World(engine);
    const region = w.region(5000);
    region.bytes.set(bytesAt(0, 5000));
    const seen: unknown[] = [];
    const skb = w.keep(engine.alloc(10));
    const ubuf = new Ubuf(engine, ({ status }) => {
      // Whoever is told may overwrite at once.
      region.bytes.fill(0xee);
      seen.push(status, region.frags, ubuf.status, skb.zeroCopy);
    });
    skb.addUserFrag(region, 0, 5000, ubuf);
    const twin = w.keep(skb.clone());
    expect(seen).toEqual(["copied", 0, "copied", false]);
    expectBytes(skb.toBytes(), bytesAt(0, 5000), "original");
    expectBytes(twin.toBytes(), bytesAt(0, 5000), "clone");
    w.clean();
  });

  it("one ubuf on many packets completes with the last", async () => {
    const engine = await make();
    const w = new World(engine);
    const ubuf = w.ubuf();
    const region = w.region(100);
    const packets = Array.from({ length: 5 }, () => w.linear(3));
    for (const [i, skb] of packets.entries()) {
      skb.addUserFrag(region, i, 10, ubuf);
      skb.addUserFrag(region, i, 10, ubuf);
      expect([ubuf.carriers, region.frags]).toEqual([i + 1, 2 * i + 2]);
    }
    packets[2]?.linearize();
    for (const skb of packets.slice(0, 4)) skb.release();
    expect([ubuf.carriers, ubuf.status, w.completions]).toEqual([1, "lent", []]);
    packets[4]?.release();
    // One of them was copied: "sent" would say that nobody has the bytes any more.
    expect(w.completions).toEqual([{ desc: 1, status: "copied" }]);
    w.clean();
  });

  it("a packet carries one ubuf, and a ubuf that has completed none", async () => {
    const engine = await make();
    const w = new World(engine);
    const first = w.ubuf();
    const second = w.ubuf();
    const skb = w.lend(w.linear(3), 4, first);
    const region = w.region(10);
    expect(codeOf(() => skb.addUserFrag(region, 0, 1, second))).toBe("ERR_SKB_UBUF");
    expect([skb.length, region.frags, second.carriers]).toEqual([7, 0, 0]);
    skb.release();
    expect(codeOf(() => w.linear(1).addUserFrag(region, 0, 1, first))).toBe("ERR_SKB_UBUF");
    second.cancel();
    expect(codeOf(() => w.linear(1).addUserFrag(region, 0, 1, second))).toBe("ERR_SKB_UBUF");
    // The slots are given out again; old objects must not be taken for new ones.
    const third = w.ubuf();
    expect(codeOf(() => w.linear(1).addUserFrag(region, 0, 1, first))).toBe("ERR_SKB_UBUF");
    expect([first.status, second.status, third.status]).toEqual(["sent", "cancelled", "idle"]);
    w.clean();
  });

  it("cancel gives up what nobody carries", async () => {
    const engine = await make();
    const w = new World(engine);
    const ubuf = w.ubuf();
    const skb = w.lend(w.linear(1), 1, ubuf);
    expect(codeOf(() => ubuf.cancel())).toBe("ERR_SKB_UBUF");
    expect(ubuf.status).toBe("lent");
    skb.release();
    ubuf.cancel();
    expect(ubuf.status).toBe("sent");
    const idle = w.ubuf();
    idle.cancel();
    idle.cancel();
    expect([idle.status, idle.carriers]).toEqual(["cancelled", 0]);
    expect(w.completions).toEqual([{ desc: 1, status: "sent" }]);
    w.clean();
    expect(engine.close()).toEqual([]);
  });

  it("the callback may be missing", async () => {
    const engine = await make();
    const w = new World(engine);
    const ubuf = new Ubuf(engine);
    expect([ubuf.desc, ubuf.sharing]).toEqual([0, "copy"]);
    w.lend(w.linear(1), 1, ubuf).release();
    expect(ubuf.status).toBe("sent");
    w.clean();
    expect(engine.close()).toEqual([]);
  });

  it("desc comes back, the largest too", async () => {
    const engine = await make();
    const w = new World(engine);
    const seen: Completion[] = [];
    const ubuf = new Ubuf(engine, (completion) => seen.push(completion), {
      desc: 0xffffffff,
      sharing: "refcount",
    });
    expect([ubuf.desc, ubuf.sharing]).toEqual([0xffffffff, "refcount"]);
    w.lend(w.linear(1), 1, ubuf).release();
    expect(seen).toEqual([{ desc: 0xffffffff, status: "sent" }]);
    w.clean();
  });

  it("a region's memory lives until the last frag is gone", async () => {
    const engine = await make();
    const w = new World(engine);
    const region = new UserRegion(engine, 5000);
    region.bytes.set(bytesAt(1, 5000));
    const skb = w.linear(1);
    skb.addUserFrag(region, 0, 5000, w.ubuf());
    region.release();
    expect(region.released).toBe(true);
    // Were its pages free, the others would get them.
    const others = Array.from({ length: 20 }, () => w.grow(w.linear(0), 4096, 7777));
    expect(others.length).toBe(20);
    expectBytes(skb.toBytes(), bytesAt(0, 5001), "still there");
    w.clean();
    expect(used(engine)).toMatchObject({ dataPages: 0 });
  });

  it("offsets and lengths stay within the region", async () => {
    const engine = await make();
    const w = new World(engine);
    const region = w.region(100);
    const ubuf = w.ubuf();
    const skb = w.linear(1);
    for (const [offset, n] of [
      [0, 101],
      [100, 1],
      [101, 1],
      [99, 2],
      [101, 0],
      [-1, 5],
    ] as const) {
      expect(
        codeOf(() => skb.addUserFrag(region, offset, n, ubuf)),
        `${offset} ${n}`,
      ).toBe("ERR_SKB_RANGE");
    }
    skb.addUserFrag(region, 99, 1, ubuf);
    skb.addUserFrag(region, 0, 100, ubuf);
    expect([skb.length, ubuf.carriers]).toEqual([102, 1]);
    w.clean();
  });

  describe("callbacks", () => {
    it("that throw disturb nobody, and surface through onError", async () => {
      const errors: unknown[] = [];
      const engine = await make({ onError: (error) => errors.push(error) });
      const w = new World(engine);
      const order: number[] = [];
      const skb = w.linear(1);
      for (let i = 0; i < 3; i++) {
        const ubuf = new Ubuf(engine, () => {
          order.push(i);
          throw new Error(`callback ${i}`);
        });
        skb.addFragList(w.lend(w.linear(1), 1, ubuf));
      }
      skb.release();
      expect(skb.alive).toBe(false);
      expect(order.sort()).toEqual([0, 1, 2]);
      await Promise.resolve();
      expect(errors.map(String).sort()).toEqual([0, 1, 2].map((i) => `Error: callback ${i}`));
      expect(stats(engine).sent).toBe(3);
      w.clean();
      expect(engine.close()).toEqual([]);
    });

    it("may release, allocate, lend and poll", async () => {
      const engine = await make();
      const w = new World(engine);
      const seen: string[] = [];
      const second = w.lend(w.linear(2), 2, new Ubuf(engine, () => seen.push("second")));
      const first = w.lend(
        w.linear(1),
        1,
        new Ubuf(engine, () => {
          seen.push("first");
          second.release();
          w.linear(10).release();
          const third = w.lend(w.linear(3), 3, new Ubuf(engine, () => seen.push("third")));
          third.linearize();
          engine.poll();
          new Ubuf(engine).cancel();
          seen.push("end of first");
        }),
      );
      const other = w.lend(w.linear(1), 1, new Ubuf(engine, () => seen.push("other")));
      first.release();
      expect(seen).toEqual(["first", "second", "third", "end of first"]);
      other.release();
      expect(seen.at(-1)).toBe("other");
      w.clean();
      expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
    });

    it("see a packet that was coalesced as given away", async () => {
      const engine = await make();
      const w = new World(engine);
      let alive: boolean | undefined;
      const from = w.lend(
        w.linear(1),
        1,
        new Ubuf(engine, () => {
          alive = from.alive;
        }),
      );
      expect(w.keep(engine.alloc(10)).tryCoalesce(from)).toBe(true);
      expect(alive).toBe(false);
      w.clean();
    });

    it("may close the engine with the last packet", async () => {
      const engine = await make();
      const w = new World(engine);
      const region = new UserRegion(engine, 1);
      const skb = w.linear(1);
      const ubuf = new Ubuf(engine, () => {
        region.release();
        engine.close();
      });
      skb.addUserFrag(region, 0, 1, ubuf);
      expect(caught(() => skb.release())).toBeUndefined();
      expect(engine.closed).toBe(true);
    });
  });

  it("poll runs nothing twice, and there is nothing to run on one thread", async () => {
    const engine = await make();
    const w = new World(engine);
    expect(engine.poll()).toBe(0);
    w.lend(w.linear(1), 1, w.ubuf()).release();
    expect(engine.poll()).toBe(0);
    expect(w.completions.length).toBe(1);
    w.clean();
  });

  it("a failed copy tells nobody, and a later one completes", async () => {
    const engine = await make({ memory: 256 * 1024 });
    const w = new World(engine);
    const skb = w.lend(w.linear(10), 20000, w.ubuf());
    const full: Skb[] = [];
    for (let one = engine.tryAlloc(3500); one !== null; one = engine.tryAlloc(3500)) full.push(one);
    for (const run of [
      () => skb.clone(),
      () => skb.copyHead(),
      () => skb.copyUbufs(),
      () => skb.linearize(),
    ]) {
      expect(codeOf(run), String(run)).toBe("ERR_SKB_EXHAUSTED");
      expect(w.completions).toEqual([]);
      expectBytes(skb.toBytes(), bytesAt(0, 20010), "unchanged");
    }
    engine.releaseBurst(full);
    w.keep(skb.clone());
    expect(w.completions).toEqual([{ desc: 1, status: "copied" }]);
    w.clean();
  });

  it("close names what is out", async () => {
    const engine = await make();
    const w = new World(engine);
    const ubuf = w.ubuf();
    const skb = w.lend(w.linear(3), 4, ubuf);
    w.ubuf();
    const error = caught(() => engine.close()) as { code: string; message: string; holders: string[] };
    expect(error.code).toBe("ERR_SKB_IN_USE");
    expect(error.holders).toEqual([
      `skb ${skb.handle}: 7 bytes, 1 users, thread 1`,
      "region: 7 bytes, 1 frags",
      "ubuf: desc 1, lent",
      "ubuf: desc 2, idle",
    ]);
    for (const line of error.holders) expect(error.message).toContain(line);
    expect([engine.closed, skb.length]).toEqual([false, 7]);
    w.clean();
    expect(engine.close()).toEqual([]);
    expect(engine.close()).toEqual([]);
  });
});

it("without onError a callback's error is thrown on the event loop", async () => {
  const engine = await Engine.create({ memory: 256 * 1024, threads: 1 });
  const region = new UserRegion(engine, 1);
  const skb = engine.alloc(1);
  skb.addUserFrag(
    region,
    0,
    1,
    new Ubuf(engine, () => {
      throw new Error("nobody listens");
    }),
  );
  const error = surfaced();
  skb.release();
  expect(String(await error)).toBe("Error: nobody listens");
  region.release();
  engine.close();
});
