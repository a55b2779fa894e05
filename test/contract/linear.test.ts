// One linear packet: its room, its borders, its metadata, and exactly how much memory it takes.

import { DropReason, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, codeOf, describePacket, expectBytes, snapshot, World } from "../packets.js";

const SKB = 128;
const SHARED_INFO = 192;
const PAGE = 4096;

/** Bytes of the head for so much headroom, data and tailroom, as layout.ts describes the classes. */
function headBytes(room: number): number {
  const bytes = room + SHARED_INFO;
  return [320, 512, 1024, 2048, 4096].find((size) => bytes <= size) ?? Math.ceil(bytes / PAGE) * PAGE;
}

forEachEngine((_name, make) => {
  describe("room", () => {
    it.each([0, 1, 64, 127, 128, 129, 320, 321, 832, 1500, 1856, 1857, 3904, 3905, 8000, 65536, 131072])(
      "alloc(%i) has what was asked for, and truesize says what it costs",
      async (size) => {
        const engine = await make();
        for (const headroom of [0, 1, 64, 200].filter((room) => room + size <= 131072)) {
          const skb = engine.alloc(size, { headroom });
          expect([skb.headroom, skb.length, skb.users, skb.frags]).toEqual([headroom, 0, 1, 0]);
          expect(skb.tailroom).toBe(headBytes(size + headroom) - SHARED_INFO - headroom);
          expect(skb.truesize).toBe(SKB + headBytes(size + headroom));
          skb.putZeros(size);
          expect(skb.checksum()).toBe(0);
          skb.release();
        }
      },
    );

    it("a small packet costs little", async () => {
      const engine = await make();
      const cost = (size: number): number => {
        const skb = engine.alloc(size);
        const { truesize } = skb;
        skb.release();
        return truesize;
      };
      expect(cost(64)).toBeLessThanOrEqual(512);
      expect(cost(1500)).toBeLessThanOrEqual(2560);
      expect(cost(65536)).toBeLessThanOrEqual(1.1 * 65536);
    });

    it("size and headroom together are at most 128 KiB", async () => {
      const engine = await make();
      expect(codeOf(() => engine.alloc(131073))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => engine.alloc(131072, { headroom: 1 }))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => engine.tryAlloc(1, { headroom: 131072 }))).toBe("ERR_SKB_RANGE");
      engine.alloc(0, { headroom: 131072 }).release();
    });

    it("put, push, pull, trim and reserve move the borders", async () => {
      const engine = await make();
      const skb = engine.alloc(100, { headroom: 10 });
      const { tailroom } = skb;
      skb.reserve(20);
      expect([skb.headroom, skb.tailroom]).toEqual([30, tailroom - 20]);
      skb.put(4).set([1, 2, 3, 4]);
      skb.putData(Uint8Array.of(5, 6)).putZeros(2);
      skb.push(2).set([9, 8]);
      skb.pushData(Uint8Array.of(7));
      expect([...skb.bytes]).toEqual([7, 9, 8, 1, 2, 3, 4, 5, 6, 0, 0]);
      expect([skb.headroom, skb.tailroom, skb.length]).toEqual([27, tailroom - 28, 11]);
      skb.pull(3);
      skb.trim(5);
      expect([...skb.toBytes()]).toEqual([1, 2, 3, 4, 5]);
      expect([skb.headroom, skb.tailroom]).toEqual([30, tailroom - 25]);
      skb.push(0);
      skb.put(0);
      skb.pull(0);
      skb.trim(5);
      skb.append(new Uint8Array(0));
      expect(skb.length).toBe(5);
      skb.release();
    });

    it("refuses what there is no room for, with the room there is", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(10, { headroom: 5, room: 20 });
      const before = snapshot(skb);
      const room = skb.tailroom;
      for (const [run, message] of [
        [() => skb.put(room + 1), `"n" expected 0..${room} (tailroom), got ${room + 1}`],
        [
          () => skb.putData(new Uint8Array(room + 1)),
          `"bytes" expected 0..${room} (tailroom), got ${room + 1}`,
        ],
        [() => skb.putZeros(room + 1), `"n" expected 0..${room} (tailroom), got ${room + 1}`],
        [() => skb.push(6), '"n" expected 0..5 (headroom), got 6'],
        [() => skb.pushData(new Uint8Array(6)), '"bytes" expected 0..5 (headroom), got 6'],
        [() => skb.pull(11), '"n" expected 0..10 (linear), got 11'],
        [() => skb.reserve(1), '"n" expected 0 (the packet is not empty), got 1'],
      ] as const) {
        expect(run, message).toThrow(message);
        expect(codeOf(run), message).toBe("ERR_SKB_ROOM");
        expect(snapshot(skb), message).toEqual(before);
      }
      w.grow(skb, 1);
      expect(skb.tailroom).toBe(0);
      expect(codeOf(() => skb.put(1))).toBe("ERR_SKB_ROOM");
      const big = w.linear(131072);
      w.grow(big, 5000);
      for (const run of [
        () => big.linearize(),
        () => big.mayPull(136072),
        () => big.copy(),
        () => big.expandHead(65536, 65536),
      ]) {
        expect(codeOf(run), String(run)).toBe("ERR_SKB_ROOM");
      }
      expectBytes(big.toBytes(), bytesAt(0, 136072), "too long for a head");
      w.clean();
    });

    it("shared data is read-only until unclone", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(10, { headroom: 8, room: 30 });
      const twin = w.keep(skb.clone());
      const before = snapshot(skb);
      for (const run of [
        () => skb.put(1),
        () => skb.putData(new Uint8Array(1)),
        () => skb.putZeros(1),
        () => skb.push(1),
        () => skb.pushData(new Uint8Array(1)),
        () => skb.writeU8(0, 1),
        () => skb.writeU16(0, 1),
        () => skb.writeU32(0, 1),
        () => skb.storeBits(0, new Uint8Array(1)),
        () => skb.append(new Uint8Array(1)),
        () => skb.addPageFrag(1),
        () => skb.addUserFrag(w.region(1), 0, 1, w.ubuf()),
        () => skb.addFragList(w.linear(1)),
        () => assign(skb, "gsoSize"),
        () => assign(skb, "gsoSegments"),
        () => assign(skb, "gsoType"),
      ]) {
        expect(codeOf(run), String(run)).toBe("ERR_SKB_SHARED");
        expect(snapshot(skb)).toEqual(before);
      }
      expect([skb.recycle(1), skb.tryCoalesce(w.linear(1))]).toEqual([false, false]);
      skb.unclone();
      expect([skb.cloned, twin.cloned]).toEqual([false, false]);
      skb.push(1).fill(9);
      skb.writeU8(3, 200);
      expectBytes(twin.toBytes(), bytesAt(0, 10), "the twin");
      w.clean();
    });
  });

  describe("references", () => {
    it("get adds one, and the packet ends with the last", async () => {
      const engine = await make();
      const skb = engine.alloc(10).putData(bytesAt(0, 10));
      const second = skb.get();
      expect([skb.users, second.users, second.handle]).toEqual([2, 2, skb.handle]);
      expect(skb.recycle(1)).toBe(false);
      skb.release();
      expect([skb.alive, second.alive, second.users]).toEqual([false, true, 1]);
      expectBytes(second.toBytes(), bytesAt(0, 10), "still there");
      second.release();
      expect(stats(engine)).toMatchObject({ allocs: 1, releases: 1, skbs: { used: 0 } });
    });

    it("release counts its reason, once for each packet", async () => {
      const engine = await make();
      for (const reason of [...Object.values(DropReason), 15] as const) engine.alloc(1).release(reason);
      const skb = engine.alloc(1);
      skb.get().release(DropReason.full);
      skb.release(DropReason.full);
      const { drops } = stats(engine);
      expect(drops).toEqual([0, 1, 1, 1, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
    });
  });

  describe("metadata", () => {
    it("goes along with every second packet, and is each packet's own", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(100, { headroom: 50 });
      describePacket(skb);
      skb.transportHeader = 34;
      const { bytes: _bytes, users: _users, ...before } = snapshot(skb);
      expect(before).toMatchObject({
        ...{ protocol: 0x86dd, queue: 513, mark: 0xdeadbeef, priority: 0x80000001, hash: 0xffffffff },
        ...{ timestamp: 2n ** 64n - 2n, gsoSize: 1448, gsoSegments: 44, gsoType: 0x90000002 },
        ...{ macHeader: -4, networkHeader: 14, transportHeader: 34 },
        cb: Buffer.from(bytesAt(900, 48)).toString("hex"),
      });
      const morphed = w.linear(3);
      morphed.morph(skb);
      for (const twin of [w.keep(skb.copy()), w.keep(skb.copyHead()), w.keep(skb.clone()), morphed]) {
        expect(snapshot(twin)).toMatchObject(before);
        twin.mark = 5;
        twin.cb.fill(1);
        twin.macHeader = null;
      }
      expect(snapshot(skb)).toMatchObject(before);
      w.clean();
    });

    it("starts clear, also in a slot that was used before", async () => {
      const engine = await make();
      const clear = {
        ...{ protocol: 0, queue: 0, mark: 0, priority: 0, hash: 0, timestamp: 0n },
        ...{ gsoSize: 0, gsoSegments: 0, gsoType: 0 },
        ...{ macHeader: null, networkHeader: null, transportHeader: null, cb: "00".repeat(48) },
      };
      for (let i = 0; i < 3; i++) {
        const skb = engine.alloc(50, { headroom: 20 }).putZeros(20);
        expect(snapshot(skb)).toMatchObject(clear);
        describePacket(skb);
        skb.transportHeader = 5;
        skb.release();
      }
      const burst: Skb[] = [];
      engine.allocBurst(burst, 50, 5);
      for (const skb of burst) expect(snapshot(skb)).toMatchObject(clear);
      engine.releaseBurst(burst);
    });

    it.each(["protocol", "queue"] as const)("%s has 16 bits", async (field) => {
      const engine = await make();
      const skb = engine.alloc(1);
      for (const value of [0, 1, 0x8000, 0xffff]) {
        skb[field] = value;
        expect(skb[field]).toBe(value);
      }
      skb.release();
    });

    it.each(["mark", "priority", "hash", "gsoType"] as const)("%s has 32 bits", async (field) => {
      const engine = await make();
      const skb = engine.alloc(1);
      for (const value of [0, 1, 0x80000000, 0xffffffff]) {
        skb[field] = value;
        expect(skb[field]).toBe(value);
      }
      skb.release();
    });

    it("timestamp has 64 bits of nanoseconds, and is milliseconds, too", async () => {
      const engine = await make();
      const skb = engine.alloc(1);
      for (const value of [0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
        skb.timestamp = value;
        expect(skb.timestamp).toBe(value);
      }
      // Whole milliseconds are exact, today's and those of three years from now on, up to the last there is.
      for (const ms of [
        0, 1, 4_294, 4_295, 9_007_199_254, 9_007_199_255, 1_795_000_000_123, 18_446_744_073_709,
      ]) {
        skb.timestampMs = ms;
        expect([skb.timestampMs, skb.timestamp]).toEqual([ms, BigInt(ms) * 1_000_000n]);
      }
      for (const [ms, ns] of [
        [0.000001, 1n],
        [1.5, 1_500_000n],
        [4_294.967296, 2n ** 32n],
        [1_795_000_000_123.25, 1_795_000_000_123_250_000n],
      ] as const) {
        skb.timestampMs = ms;
        expect([skb.timestampMs, skb.timestamp]).toEqual([ms, ns]);
      }
      skb.release();
    });

    it("header offsets stay with their byte", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(60, { headroom: 30 });
      skb.macHeader = 0;
      skb.networkHeader = 14;
      skb.transportHeader = 34;
      const headers = (): (number | null)[] => [skb.macHeader, skb.networkHeader, skb.transportHeader];
      skb.pull(14);
      expect(headers()).toEqual([-14, 0, 20]);
      skb.push(20);
      expect(headers()).toEqual([6, 20, 40]);
      skb.expandHead(100, 0);
      expect(headers()).toEqual([6, 20, 40]);
      skb.addPageFrag(5000);
      skb.linearize();
      expect(headers()).toEqual([6, 20, 40]);
      const twin = w.keep(skb.clone());
      skb.unclone();
      expect(headers()).toEqual([6, 20, 40]);
      expect([twin.macHeader, skb.split(50).macHeader]).toEqual([6, null]);
      skb.macHeader = null;
      skb.networkHeader = -skb.headroom;
      skb.transportHeader = skb.linearLength;
      expect(headers()).toEqual([null, -skb.headroom, 50]);
      expect(codeOf(() => assign(skb, "networkHeader", -skb.headroom - 1))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => assign(skb, "networkHeader", skb.linearLength + 1))).toBe("ERR_SKB_RANGE");
      engine.close({ force: true });
    });

    it("cb is 48 bytes that stay while the packet is moved", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(10);
      skb.cb.set(bytesAt(5, 48));
      skb.expandHead(50, 5000);
      expect(skb.cb).toEqual(bytesAt(5, 48));
      expect(skb.cb.length).toBe(48);
      w.clean();
    });
  });

  describe("truesize", () => {
    it("counts whole pages of frags, the length of what is lent, and each list member", async () => {
      const engine = await make();
      const w = new World(engine);
      const skb = w.linear(10);
      let wanted = SKB + 320;
      w.grow(skb, 1);
      w.grow(skb, 4097);
      wanted += PAGE + 2 * PAGE;
      expect(skb.truesize).toBe(wanted);
      w.lend(skb, 777, w.ubuf());
      wanted += 777;
      expect(skb.truesize).toBe(wanted);
      skb.addFragList(w.grow(w.linear(1500), 10));
      wanted += SKB + 2048 + PAGE;
      expect(skb.truesize).toBe(wanted);
      const twin = w.keep(skb.copyHead());
      // The user frag was copied, so that both have a page for it.
      wanted += PAGE - 777;
      expect([skb.truesize, twin.truesize]).toEqual([wanted, wanted]);
      skb.trim(11);
      expect(skb.truesize).toBe(SKB + 320 + PAGE);
      w.clean();
    });
  });

  it("recycle makes the packet as new", async () => {
    const engine = await make();
    const w = new World(engine);
    const skb = w.linear(100, { headroom: 40, room: 200 });
    describePacket(skb);
    const { allocs } = stats(engine);
    const { truesize } = skb;
    expect(skb.recycle(truesize - SKB - SHARED_INFO + 1)).toBe(false);
    expect(skb.length).toBe(100);
    expect(skb.recycle(200)).toBe(true);
    expect(stats(engine).allocs).toBe(allocs);
    expect(snapshot(skb)).toMatchObject({ length: 0, headroom: 0, mark: 0, gsoSize: 0, macHeader: null });
    expect([skb.tailroom, skb.truesize]).toEqual([truesize - SKB - SHARED_INFO, truesize]);
    expect(w.grow(skb, 1).recycle(1)).toBe(false);
    w.clean();
  });

  it("the frag table is full at 17", async () => {
    const engine = await make();
    const w = new World(engine);
    const skb = w.linear(3, { room: 3 });
    for (let i = 0; i < 17; i++) w.grow(skb, i === 16 ? PAGE : 10);
    expect(skb.frags).toBe(17);
    const before = snapshot(skb);
    for (const run of [
      () => skb.addPageFrag(1),
      () => skb.addUserFrag(w.region(1), 0, 1, w.ubuf()),
      () => skb.append(new Uint8Array(1)),
      () => skb.addFragList(skb),
    ]) {
      expect(codeOf(run), String(run)).toBe("ERR_SKB_FRAGS");
    }
    const one = w.grow(w.keep(engine.alloc(0)), 5);
    expect([skb.shift(one, 5), skb.tryCoalesce(one)]).toEqual([0, false]);
    expect(snapshot(skb)).toEqual(before);
    // A frag list goes on where the table ends, and closes it.
    skb.addFragList(w.linear(4));
    skb.trim(20);
    expect(skb.frags).toBeLessThan(17);
    skb.addFragList(w.linear(4));
    expect(codeOf(() => skb.addPageFrag(1))).toBe("ERR_SKB_FRAGS");
    expect(codeOf(() => skb.addUserFrag(w.region(1), 0, 1, w.ubuf()))).toBe("ERR_SKB_FRAGS");
    w.clean();
  });

  it("the number that a failed read would return can be read", async () => {
    const engine = await make();
    const w = new World(engine);
    const skb = w.linear(2);
    skb.append(new Uint8Array(300));
    skb.storeBits(0, new Uint8Array(302).fill(0xa5));
    for (const at of [0, 1, 200, 298]) expect(skb.readU32(at)).toBe(0xa5a5a5a5);
    expect(codeOf(() => skb.readU32(299))).toBe("ERR_SKB_RANGE");
    w.clean();
  });
});

function assign(skb: Skb, field: string, value: unknown = 1): void {
  (skb as unknown as Record<string, unknown>)[field] = value;
}
