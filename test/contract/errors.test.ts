// Each error names the argument that is at fault, and says why: never a range in which the value lies.

import { type DropReason, type EngineOptions, Mesh, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { caught, codeOf, expectTyped } from "../packets.js";

forEachEngine((_name, make) => {
  it("names what is at fault", async () => {
    const engine = await make({ memory: 4 * 1024 * 1024 });
    const ten = engine.alloc(10, { headroom: 4 }).putZeros(10);
    const one = engine.alloc(1).putZeros(1);
    const listed = engine.alloc(10).putZeros(10);
    listed.addFragList(engine.alloc(10).putZeros(10));
    const behind = engine.alloc(10);
    behind.addPageFrag(5);
    const full = engine.alloc(0);
    for (let i = 0; i < 17; i++) full.addPageFrag(4096);
    const dead = engine.alloc(1);
    dead.release();
    const region = new UserRegion(engine, 100);
    const [carried, over] = [new Ubuf(engine), new Ubuf(engine)];
    over.cancel();
    const lent = engine.alloc(10);
    lent.addUserFrag(region, 0, 10, carried);
    const large = engine.alloc(100_000, { headroom: 20_000 }).putZeros(100_000);
    large.addPageFrag(20_000);
    const into = (n: number): Uint8Array => new Uint8Array(n);
    const room = ten.tailroom;
    const cases: [run: () => unknown, message: string][] = [
      // Ranges: the offset if it lies outside, else how many bytes.
      [() => ten.extract(0, 65), '"n" expected 0..10 bytes (10 less the offset), got 65'],
      [() => ten.extract(4, 7), '"n" expected 0..6 bytes (10 less the offset), got 7'],
      [() => ten.extract(11, 0), '"offset" expected 0..10, got 11'],
      [() => ten.segments(3, 8), '"n" expected 0..7 bytes (10 less the offset), got 8'],
      [() => ten.segments(11), '"offset" expected 0..10, got 11'],
      [() => ten.checksum(3, 8), '"n" expected 0..7 bytes (10 less the offset), got 8'],
      [() => ten.copyBits(3, into(8)), '"into" expected 0..7 bytes (10 less the offset), got 8'],
      [() => ten.copyBits(11, into(0)), '"offset" expected 0..10, got 11'],
      [() => ten.storeBits(3, into(8)), '"from" expected 0..7 bytes (10 less the offset), got 8'],
      [() => ten.readU32(7), '"offset" expected 0..6 (4 bytes of 10), got 7'],
      [() => ten.writeU16(9, 1), '"offset" expected 0..8 (2 bytes of 10), got 9'],
      [() => one.readU16(0), '"length" expected 2 or more (what is read or written), got 1'],
      [() => one.writeU32(0, 1), '"length" expected 4 or more (what is read or written), got 1'],
      [() => ten.trim(11), '"n" expected 0..10, got 11'],
      [() => ten.split(11), '"at" expected 0..10, got 11'],
      [() => ten.mayPull(11), '"n" expected 0..10, got 11'],
      [() => one.shift(behind, 6), '"n" expected 0..5, got 6'],
      // Room.
      [() => ten.put(room + 1), `"n" expected 0..${room} (tailroom), got ${room + 1}`],
      [() => ten.putData(into(room + 1)), `"bytes" expected 0..${room} (tailroom), got ${room + 1}`],
      [() => ten.pushData(into(5)), '"bytes" expected 0..4 (headroom), got 5'],
      [
        () => behind.put(1),
        '"n" expected 0 (tailroom: there is none while anything is behind the head), got 1',
      ],
      [() => ten.reserve(1), '"n" expected 0 (the packet is not empty), got 1'],
      [() => behind.pull(1), '"n" expected 0..0 (linear), got 1'],
      [
        () => large.linearize(),
        '"length" expected 0..114976 (what the longest head has beside 20000 bytes), got 120000',
      ],
      [
        () => large.copy(),
        '"length" expected 0..114976 (what the longest head has beside 20000 bytes), got 120000',
      ],
      [
        () => large.mayPull(115_000),
        '"n" expected 0..114976 (what the longest head has beside 20000 bytes), got 115000',
      ],
      [
        () => large.expandHead(10_000, 10_000),
        '"head + tail" expected 0..12288 (what the longest head has beside 122688 bytes), got 20000',
      ],
      [
        () => large.extract(0, 110_000, { headroom: 40_000 }),
        '"headroom" expected 0..34976 (what the longest head has beside 100000 bytes), got 40000',
      ],
      // Frags.
      [() => listed.addPageFrag(1), '"frags" expected no frag list behind them, got one of 1 packets'],
      [() => full.addPageFrag(1), '"frags" expected fewer than 17, got 17'],
      [() => full.append(into(1)), '"frags" expected fewer than 17, got 17'],
      [() => ten.addFragList(ten), '"skb" expected another packet, got the packet itself'],
      [
        () => lent.addUserFrag(region, 0, 1, new Ubuf(engine)),
        '"ubuf" expected the only one that the packet',
      ],
      [
        () => lent.addUserFrag(region, 0, 1, over),
        '"ubuf" expected a live one, got one that is over: cancelled',
      ],
      // References.
      [() => engine.releaseBurst([ten, one, ten]), '"skb" expected a live one, got one that is there twice'],
      [
        () => engine.releaseBurst([...new Array<Skb>(300).fill(ten)]),
        '"skb" expected a live one, got one that is there twice',
      ],
      [() => engine.releaseBurst([ten, dead]), '"skb" expected a live one, got one that was released'],
      [() => engine.releaseBurst([dead, dead]), '"skb" expected a live one, got one that was released'],
      // What is no number, or not a whole one.
      [() => ten.release(null as unknown as DropReason), '"reason" expected an integer, 0..15, got null'],
      [() => ten.release(1.5 as DropReason), '"reason" expected an integer, 0..15, got 1.5'],
      [() => ten.release(16 as DropReason), '"reason" expected 0..15, got 16'],
    ];
    for (const [run, message] of cases) {
      const error = caught(run);
      expectTyped(error, message);
      expect((error as Error).message, String(run)).toContain(message);
      // What is of another kind is not out of a range.
      if (message.endsWith("got null")) expect(codeOf(run)).toBe("ERR_SKB_TYPE");
    }
    expect([ten.length, one.length, large.length]).toEqual([10, 1, 120_000]);
    engine.close({ force: true });
  });

  it("names the option that makes the tables too large", async () => {
    const memory = 1 << 20;
    const cases: [options: EngineOptions, what: string][] = [
      [{ memory, rings: 4096 }, "rings"],
      [{ memory, skbs: 2 ** 16 }, "skbs"],
      [{ memory, threads: 60 }, "threads"],
      [{ memory, ubufs: 2 ** 16 }, "ubufs"],
      [{ memory, rings: 16, ubufs: 2 ** 16, threads: 1 }, "ubufs"],
    ];
    for (const [options, what] of cases) {
      const error = await make(options).catch((reason: unknown) => reason);
      expectTyped(error, what);
      expect((error as Error).message).toContain(`"${what}" expected fewer (their table takes `);
    }
  });

  it("says how many rings a mesh takes, and how many there are", async () => {
    const engine = await make({ memory: 4 << 20 });
    const ring = new Ring(engine);
    const error = caught(() => new Mesh(engine, 9, 9));
    expect((error as Error).message).toBe('"ring" expected 81 free, got 63 (of what `rings` makes room for)');
    // Those that it had made already are free again.
    new Mesh(engine, 7, 9).release();
    ring.release();
  });

  it("a packet that would be too long says how long", async () => {
    // 16,384 packets that share 128 KiB are 2^31 bytes.
    const engine = await make({ memory: 16 * 1024 * 1024, skbs: 2 ** 15 });
    const part = engine.alloc(0);
    part.addPageFrag(131072);
    const long = engine.alloc(200, { headroom: 8 }).putZeros(8);
    for (let i = 1; i < 2 ** 14; i++) long.addFragList(part.clone());
    const { length } = long;
    expect(length).toBe(2 ** 31 - 131072 + 8);
    const region = new UserRegion(engine, 4096);
    const cases: [run: () => unknown, more: number][] = [
      [() => long.addFragList(part), 131072],
      [() => long.append(new Uint8Array(131072)), 131072],
      [() => part.addFragList(long), length],
    ];
    for (const [run, more] of cases) {
      const error = caught(run) as Error & { code: string };
      expect(error.code).toBe("ERR_SKB_RANGE");
      const to = more === length ? 131072 + length : length + more;
      expect(error.message).toBe(`"length" expected 0..2147483647 (the longest packet), got ${to}`);
    }
    expect([part.alive, long.length]).toEqual([true, length]);
    region.release();
    engine.releaseBurst([part, long]);
  });
});
