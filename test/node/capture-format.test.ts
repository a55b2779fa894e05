// Formats of captures: every byte order, kind of record and resolution, made by hand; every place where a file can be cut
// off; and files that were damaged by chance, of which the seed is printed.

import { CaptureReader } from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt } from "../packets.js";
import {
  block,
  chance,
  enhanced,
  everyBlock,
  Folder,
  interfaceBlock,
  Maker,
  obsolete,
  option,
  pcapHeader,
  pcapRecord,
  section,
  simple,
} from "./made.js";
import { readNaively, timeOf } from "./naive.js";
import { expectCaptureError, expectFrames, KINDS, MODES, readAll, readFile, withEngine } from "./reading.js";

const folder = new Folder();
const small = { memory: 2 * 1024 * 1024 };

describe.each(KINDS)("on $name", ({ core, shared }) => {
  const engine = { ...small, core, shared };

  describe.each(Object.entries(MODES))("%s", (_, mode) => {
    it.each([
      ["microseconds", 0xa1b2c3d4, 0],
      ["nanoseconds", 0xa1b23c4d, 0],
      ["Kuznetzov's", 0xa1b2cd34, 8],
    ])("reads pcap in both byte orders, %s", async (_, magic, extra) => {
      for (const little of [true, false]) {
        const parts = [pcapHeader({ little, magic })];
        for (let i = 0; i < 300; i++) {
          const bytes = bytesAt(i * 777, (i * 101) % 3000);
          const more = { seconds: 4_294_967_295 - i, fraction: 999_999 - i, length: bytes.length + i };
          parts.push(pcapRecord(bytes, { little, extra, ...more }));
        }
        const file = Buffer.concat(parts);
        const { frames, error } = await withEngine(engine, (e) => readFile(e, folder.file(file), mode));
        expect(error).toBeUndefined();
        expectFrames(frames, readNaively(file).frames, `little ${little}`);
      }
    });

    it("reads every kind of pcapng block, in sections of both byte orders", async () => {
      const file = Buffer.concat(Array.from({ length: 20 }, () => everyBlock(bytesAt)));
      await withEngine(engine, (e) => {
        const path = folder.file(file);
        const { frames, error } = readFile(e, path, mode);
        expect(error).toBeUndefined();
        const naive = readNaively(file);
        expect(naive.frames.length).toBe(20 * 2 * 7);
        expectFrames(frames, naive.frames, "every block");
        const reader = CaptureReader.open(e, path, mode);
        readAll(reader);
        expect(reader.interfaces).toMatchObject(naive.interfaces);
        expect(reader.interfaces.slice(0, 3).map((one) => one.ticksPerSecond)).toEqual([1e9, 2 ** 20, 1000]);
        reader.close();
      });
    });
  });
});

/** What reading a file made of these parts gives. */
function read(parts: Uint8Array[], options = {}): Promise<ReturnType<typeof readFile>> {
  return withEngine(small, (engine) => readFile(engine, folder.file(Buffer.concat(parts)), options));
}

describe("pcap", () => {
  const bytes = bytesAt(0, 60);
  const record = pcapRecord(bytes, { length: 90 });

  it.each([
    ["no capture", [Buffer.from("GIF89a, and more of it, and more")], 0, "a pcap or pcapng file"],
    ["nothing", [], 0, "a pcap or pcapng file, got an empty one"],
    ["3 bytes", [Buffer.from([0xd4, 0xc3, 0xb2])], 0, "4 bytes of a magic number, got 3 bytes"],
    ["half a header", [pcapHeader().subarray(0, 20)], 0, "24 bytes of a file header, got 20 bytes"],
    ["version 1", [pcapHeader({ major: 1 }), record], 4, "version 2.0..2.4, got 1.4"],
    ["version 2.5", [pcapHeader({ minor: 5 }), record], 4, "version 2.0..2.4, got 2.5"],
    ["version 543.0", [pcapHeader({ major: 543, minor: 0 }), record], 4, "version 2.0..2.4, got 543.0"],
    ["reserved bits of the link type", [pcapHeader({ network: 0x10001 })], 20, "a link type, got 0x00010001"],
    [
      "another magic",
      [pcapHeader({ magic: 0xa1b234cd })],
      0,
      "a pcap or pcapng file, got one that starts with",
    ],
  ])("refuses %s", async (_, parts, offset, message) => {
    const { frames, error } = await read(parts);
    expect(frames).toEqual([]);
    expect(expectCaptureError(error, message).offset).toBe(offset);
    expect((error as Error).message).toContain(message);
  });

  it("says where a packet cannot be, and gives those before", async () => {
    for (const claimed of [2 ** 20 + 1, 0x7fffffff, 0xffffffff]) {
      const { frames, error } = await read([pcapHeader(), record, pcapRecord(bytes, { captured: claimed })]);
      expect(frames.length).toBe(1);
      expect(expectCaptureError(error, "long").offset).toBe(24 + record.length + 8);
      expect((error as Error).message).toContain(`0..1048576 bytes of a packet, got ${claimed} bytes`);
    }
    expect((await read([pcapHeader(), record], { longest: 59 })).frames.length).toBe(0);
    expect((await read([pcapHeader(), record], { longest: 60 })).frames.length).toBe(1);
  });

  it("masks what the link type says of a check sequence, and takes any snap length", async () => {
    for (const snapLength of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
      const { frames, error } = await read([pcapHeader({ network: 0xfc000071, snapLength }), record]);
      expect(error).toBeUndefined();
      expect(frames).toMatchObject([{ linkType: 0x71, length: 90, bytes }]);
    }
  });

  it("knows that older versions have the lengths the other way round", async () => {
    const swapped = pcapRecord(bytes, { captured: 90, length: 60 });
    for (const [minor, one] of [
      [0, swapped],
      [2, swapped],
      [3, swapped],
      [3, record],
    ] as const) {
      const { frames, error } = await read([pcapHeader({ minor }), one, one]);
      expect(error).toBeUndefined();
      expect(frames).toMatchObject([
        { length: 90, bytes },
        { length: 90, bytes },
      ]);
    }
  });

  it("has times to the last nanosecond, whatever the fraction says", async () => {
    const parts = [pcapHeader({ magic: 0xa1b23c4d })];
    const wanted: bigint[] = [];
    const pick = chance(7);
    for (let i = 0; i < 1000; i++) {
      const [seconds, fraction] = [pick(2 ** 32), pick(2) === 0 ? pick(2 ** 32) : pick(1_000_000_000)];
      parts.push(pcapRecord(bytes, { seconds, fraction }));
      wanted.push(BigInt(seconds) * 1_000_000_000n + BigInt(fraction));
    }
    parts.push(pcapRecord(bytes, { seconds: 0xffffffff, fraction: 0xffffffff }));
    wanted.push(0xffffffffn * 1_000_000_000n + 0xffffffffn);
    const { frames } = await read(parts);
    expect(frames.map(({ time }) => time)).toEqual(wanted);
  });
});

describe("pcapng", () => {
  const bytes = bytesAt(0, 60);
  const start = Buffer.concat([section(), interfaceBlock()]);
  const good = enhanced(bytes);
  const end = start.length + good.length;

  it("has times of every resolution, before and after 1970, to the last nanosecond", async () => {
    const parts: Buffer[] = [section()];
    const wanted: bigint[] = [];
    const pick = chance(11);
    const ticks = [0n, 1n, 999_999_999n, 0x1fffffn, 0xffffffffn, 2n ** 63n, 2n ** 64n - 1n];
    for (let resolution = 0; resolution < 256; resolution++) {
      const offset = [0n, 1n, -1n, 1_700_000_000n, -1_700_000_000n, 2n ** 63n - 1n, -(2n ** 63n)][
        pick(7)
      ] as bigint;
      parts.push(interfaceBlock({ resolution, offset }));
      const random = (BigInt(pick(2 ** 32)) << 32n) | BigInt(pick(2 ** 32));
      for (const at of [...ticks, random, random >> 20n]) {
        parts.push(enhanced(bytes, { interface: resolution, ticks: at }));
        wanted.push(timeOf(at, { resolution, offset }));
      }
    }
    const { frames, error } = await read(parts);
    expect(error).toBeUndefined();
    expect(frames.map(({ time }) => time)).toEqual(wanted);
  });

  it.each([
    [
      "a wrong magic",
      [block(0x0a0d0d0a, Buffer.alloc(16))],
      8,
      "the byte-order magic 0x1a2b3c4d, got 0x00000000",
    ],
    ["version 2.0", [section({ major: 2 })], 12, "version 1.0 or 1.2, got 2.0"],
    ["version 1.1", [section({ minor: 1 })], 12, "version 1.0 or 1.2, got 1.1"],
    [
      "a section header that is too short",
      [new Maker(true).u32(0x0a0d0d0a, 24, 0x1a2b3c4d).put(Buffer.alloc(16)).bytes()],
      4,
      "a multiple of 4 from 28 on, got 24",
    ],
    ["half a section header", [section().subarray(0, 27)], 0, "28 bytes of a section header, got 27 bytes"],
  ])("refuses %s", async (_, parts, offset, message) => {
    const { frames, error } = await read(parts);
    expect(frames).toEqual([]);
    expect(expectCaptureError(error, message).offset).toBe(offset);
    expect((error as Error).message).toContain(message);
  });

  const body = Buffer.concat([Buffer.alloc(20), bytes]);
  const named = (...options: Uint8Array[]): Buffer =>
    interfaceBlock({ more: Buffer.concat(options), ended: false });
  it.each([
    ["a block of length 0", [block(6, body, { total: 0 })], 4, "a multiple of 4 from 12 on, got 0"],
    ["a block of length 8", [block(6, body, { total: 8 })], 4, "a multiple of 4 from 12 on, got 8"],
    [
      "an unknown block of an odd length",
      [block(99, body, { total: 93 })],
      4,
      "a multiple of 4 from 12 on, got 93",
    ],
    ["a packet block of 2 GiB", [block(6, body, { total: 0x7ffffffc })], 4, "32..1179648, got 2147483644"],
    [
      "a packet block that is too short",
      [block(6, Buffer.alloc(16))],
      4,
      "a block's length, 32..1179648, got 28",
    ],
    [
      "a simple one that is too short",
      [block(3, Buffer.alloc(0))],
      4,
      "a block's length, 16..1179648, got 12",
    ],
    [
      "an interface that is too short",
      [block(1, Buffer.alloc(4))],
      4,
      "a block's length, 20..1179648, got 16",
    ],
    [
      "another length at the end",
      [block(6, body, { again: 88 })],
      88,
      "the block's length again, 92, got 88",
    ],
    [
      "the same, of an unknown block",
      [block(99, body, { again: 88 })],
      88,
      "the block's length again, 92, got 88",
    ],
    [
      "an unknown block that is cut off",
      [block(99, body).subarray(0, 50)],
      50,
      "42 bytes more of a block, got 0 bytes",
    ],
    [
      "an unknown block without an end",
      [block(99, body).subarray(0, 90)],
      88,
      "4 bytes of a block's end, got 2 bytes",
    ],
    [
      "more bytes than the block has",
      [enhanced(bytes, { captured: 61 })],
      20,
      "0..60 bytes of a packet, got 61 bytes",
    ],
    ["the same in a simple one", [simple(bytes, { length: 61 })], 8, "0..60 bytes of a packet, got 61 bytes"],
    [
      "an interface that is not there",
      [enhanced(bytes, { interface: 1 })],
      8,
      "the number of an interface, below 1, got 1",
    ],
    ["the same of the older kind", [obsolete(bytes, { interface: 65535 })], 8, "below 1, got 65535"],
    [
      "a section without interfaces",
      [section(), simple(bytes)],
      28 + 8,
      "the number of an interface, below 0, got 0",
    ],
    [
      "an option that is too long",
      [interfaceBlock({ more: new Maker(true).u16(2, 5).u32(0).bytes(), ended: false })],
      18,
      "an option's length, 0..4, got 5",
    ],
    ["a resolution of 2 bytes", [named(option(9, Uint8Array.of(6, 6)))], 18, "an option's length, 1, got 2"],
    [
      "an offset of 4 bytes",
      [named(option(1, Buffer.alloc(5)), option(14, Buffer.alloc(4)))],
      30,
      "an option's length, 8, got 4",
    ],
    ["half a block's header", [good.subarray(0, 7)], 0, "8 bytes of a block's header, got 7 bytes"],
    ["half a packet", [good.subarray(0, 50)], 0, "92 bytes of a block, got 50 bytes"],
  ])("says where it has %s, and gives the packets before", async (_, parts, offset, message) => {
    const { frames, error } = await read([start, good, ...parts]);
    expect(frames).toMatchObject([{ bytes }]);
    expect((error as Error).message).toContain(message);
    expect(expectCaptureError(error, message).offset).toBe(end + offset);
  });

  it("takes options that nobody asked about, names in part, and blocks without any", async () => {
    const long = "x".repeat(1000);
    const parts = [
      section({ minor: 2 }),
      interfaceBlock({ name: long, more: option(0x8bad, Buffer.alloc(7)) }),
      enhanced(bytes, { options: option(2, Buffer.alloc(131_000)) }),
      block(0x0a0d0d0b, Buffer.alloc(3_000_000)),
      good,
    ];
    await withEngine(small, (engine) => {
      const reader = CaptureReader.open(engine, folder.file(Buffer.concat(parts)));
      expect(readAll(reader)).toMatchObject({ frames: [{ bytes }, { bytes }], error: undefined });
      expect(reader.interfaces).toEqual([
        { linkType: 1, snapLength: 0, name: long.slice(0, 256), ticksPerSecond: 1e6 },
      ]);
      reader.close();
    });
  });

  it("keeps no more than so many interfaces", async () => {
    const many = Buffer.concat(Array.from({ length: 65536 }, () => interfaceBlock()));
    expect((await read([section(), many, good])).frames.length).toBe(1);
    const { error } = await read([section(), many, interfaceBlock(), good]);
    expect(expectCaptureError(error, "many").message).toContain("at most 65536 interfaces, got one more");
  });
});

describe("cut off at every byte", () => {
  it.each(["pages of 4 KiB", "lent, 3 buffers of 128 KiB"])("%s", async (mode) => {
    const records = [0, 1, 59, 60, 61, 700].map((n) => pcapRecord(bytesAt(n, n)));
    const files = [Buffer.concat([pcapHeader(), ...records]), everyBlock(bytesAt)];
    await withEngine(small, (engine) => {
      for (const file of files) {
        const { frames, ends } = readNaively(file);
        for (let n = 0; n <= file.length; n++) {
          const got = readFile(engine, folder.file(file.subarray(0, n)), MODES[mode]);
          const hint = `${n} bytes of ${file.length}`;
          expectFrames(
            got.frames,
            frames.filter(({ end }) => end <= n),
            hint,
          );
          if (ends.includes(n)) expect(got.error, hint).toBeUndefined();
          else expect(expectCaptureError(got.error, hint).offset, hint).toBeLessThanOrEqual(n);
        }
      }
    });
  });
});

describe("damaged by chance", () => {
  const lengths = [0, 1, 11, 12, 0x7fffffff, 0x7ffffffc, 0xfffffffc, 0xffffffff];
  const seed = Number(process.env.SKBUFF_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));

  it.each(KINDS)(`SKBUFF_FUZZ_SEED=${seed}, $name`, async ({ core, shared }) => {
    const pick = chance(seed);
    const records = Array.from({ length: 30 }, (_, i) => pcapRecord(bytesAt(i, i * 7), { little: false }));
    const files = [Buffer.concat([pcapHeader({ little: false }), ...records]), everyBlock(bytesAt)];
    for (let round = 0; round < 150; round++) {
      const file = Buffer.from(files[pick(2)] as Buffer);
      for (let n = pick(4); n >= 0; n--) {
        const at = pick(file.length);
        if (pick(2) === 0) file[at] = (file[at] as number) ^ (1 << pick(8));
        else {
          const word = Math.min(at & ~3, file.length - 4);
          const value = lengths[pick(lengths.length)] as number;
          if (pick(2) === 0) file.writeUInt32LE(value, word);
          else file.writeUInt32BE(value, word);
        }
      }
      const mode = Object.values(MODES)[pick(5)];
      await withEngine({ ...small, core, shared }, (engine) => {
        const { frames, error } = readFile(engine, folder.file(file), mode);
        expect(frames.length).toBeLessThan(1000);
        if (error !== undefined) expectCaptureError(error, `round ${round}`);
      });
    }
  });
});
