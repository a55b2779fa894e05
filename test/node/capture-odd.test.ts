// Captures that are unusual and yet sound: packets that are too long, that have no time or one before 1970, of which more was
// captured than there was; and captures that are compressed.

import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import zlib from "node:zlib";
import {
  CaptureReader,
  type CaptureReaderOptions,
  CaptureWriter,
  originalLengthOf,
  timeOf,
} from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt, caught } from "../packets.js";
import { enhanced, Folder, interfaceBlock, option, pcapHeader, pcapRecord, section, simple } from "./made.js";
import { expectCaptureSays, readFile, withEngine } from "./reading.js";

const folder = new Folder();
const memory = 16 * 1024 * 1024;
const MODES: Record<string, CaptureReaderOptions> = {
  pool: {},
  "pool, single pages": { chunk: 4096 },
  lent: { lend: 24, longest: 1024 * 1024 },
};
const LONG = bytesAt(0, 1024 * 1024 + 1);
/** So long that its block is not looked at as a whole. */
const HUGE = bytesAt(0, 1536 * 1024);
const record = (n: number): Buffer => pcapRecord(bytesAt(n, n));

describe.each(Object.entries(MODES))("a packet that is too long (%s)", (_, mode) => {
  it.each([
    ["pcap", 2, [pcapHeader(), record(60), pcapRecord(LONG), record(61), pcapRecord(LONG)]],
    [
      "pcapng",
      3,
      [
        section(),
        interfaceBlock(),
        enhanced(bytesAt(60, 60)),
        enhanced(LONG),
        enhanced(bytesAt(61, 61)),
        simple(LONG),
        enhanced(HUGE),
      ],
    ],
  ])("is passed over and counted: %s", async (_name, long, parts) => {
    await withEngine({ memory }, (engine) => {
      const reader = CaptureReader.open(engine, folder.file(Buffer.concat(parts)), mode);
      for (const wanted of [long, 2 * long]) {
        for (const n of [60, 61]) {
          const skb = reader.read();
          expect(skb?.toBytes()).toEqual(bytesAt(n, n));
          skb?.release();
        }
        expect(reader.read()).toBeNull();
        expect(reader.stats().skipped).toBe(wanted);
        reader.rewind();
      }
      reader.close();
    });
  });

  it("is taken for damage if the file has not so many bytes", async () => {
    await withEngine({ memory }, (engine) => {
      for (const claimed of [2 ** 20 + 1, 0x7fffffff, 0xffffffff]) {
        const parts = [pcapHeader(), record(60), pcapRecord(bytesAt(0, 10), { captured: claimed })];
        const { frames, error } = readFile(engine, folder.file(Buffer.concat(parts)), mode);
        expect(frames.length).toBe(1);
        expect(expectCaptureSays(error, "0..1048576 bytes of a packet").offset).toBe(24 + 76 + 8);
      }
    });
  });
});

describe("more captured than there was", () => {
  it.each([
    ["pcap", [pcapHeader(), pcapRecord(bytesAt(0, 60), { length: 28 })]],
    ["pcapng", [section(), interfaceBlock(), enhanced(bytesAt(0, 60), { length: 28 })]],
  ])("is read as it is: %s", async (_, parts) => {
    await withEngine({ memory }, (engine) => {
      const { frames, error } = readFile(engine, folder.file(Buffer.concat(parts)));
      expect(error).toBeUndefined();
      expect(frames).toMatchObject([{ length: 28, bytes: bytesAt(0, 60) }]);
    });
  });
});

/** A time offset of so many seconds. */
function shifted(seconds: bigint): Buffer {
  const value = Buffer.alloc(8);
  value.writeBigInt64LE(seconds);
  return interfaceBlock({ more: option(14, value), ended: false });
}

describe("times", () => {
  it("lie before 1970, too", async () => {
    await withEngine({ memory }, (engine) => {
      const parts = [
        section(),
        shifted(-10n),
        ...[0n, 20_000_000n].map((time) => enhanced(bytesAt(0, 60), { ticks: time })),
      ];
      const reader = CaptureReader.open(engine, folder.file(Buffer.concat(parts)));
      for (const wanted of [-10_000_000_000n, 10_000_000_000n]) {
        const skb = reader.read();
        if (skb === null) throw new Error("no packet");
        expect(timeOf(skb)).toBe(wanted);
        skb.release();
      }
      reader.close();
    });
  });

  it("are not made up for packets that have none, and what has none is written so", async () => {
    await withEngine({ memory }, (engine) => {
      const parts = [
        section(),
        interfaceBlock(),
        simple(bytesAt(1, 60)),
        enhanced(bytesAt(2, 61), { ticks: 0n }),
        simple(bytesAt(3, 62)),
        enhanced(bytesAt(4, 63), { ticks: 1_700_000_000_000_000n }),
      ];
      const again = folder.fresh();
      const reader = CaptureReader.open(engine, folder.file(Buffer.concat(parts)));
      const writer = CaptureWriter.open(engine, again);
      const times = (
        from: CaptureReader,
        take: (skb: NonNullable<ReturnType<CaptureReader["read"]>>) => void,
      ) => {
        const found: [bigint | null, number, number][] = [];
        for (let skb = from.read(); skb !== null; skb = from.read()) {
          found.push([timeOf(skb), skb.length, originalLengthOf(skb)]);
          take(skb);
        }
        from.close();
        return found;
      };
      const first = times(reader, (skb) => writer.enqueue(skb));
      writer.closeSync();
      expect(first.map(([time]) => time)).toEqual([null, 0n, null, 1_700_000_000_000_000_000n]);
      expect(times(CaptureReader.open(engine, again), (skb) => skb.release())).toEqual(first);
    });
  });
});

describe("compressed", () => {
  const CAPTURE = Buffer.concat([pcapHeader(), ...Array.from({ length: 2000 }, (_, i) => record(i + 1))]);

  async function lengths(reader: CaptureReader): Promise<number[]> {
    const found: number[] = [];
    for await (const skb of reader) {
      found.push(skb.length);
      expect(skb.readU8(0)).toBe(bytesAt(skb.length, 1)[0]);
      skb.release();
    }
    return found;
  }
  const ALL = Array.from({ length: 2000 }, (_, i) => i + 1);

  const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

  /** What gzip makes of bytes that it does not compress, in blocks of `size` bytes (RFC 1951, 3.2.4). */
  function stored(bytes: Buffer, size: number): Buffer {
    const parts: Buffer[] = [GZIP_HEADER];
    for (let at = 0; at < bytes.length; at += size) {
      const block = bytes.subarray(at, at + size);
      const head = Buffer.alloc(5);
      head[0] = at + size >= bytes.length ? 1 : 0;
      head.writeUInt16LE(block.length, 1);
      head.writeUInt16LE(~block.length & 0xffff, 3);
      parts.push(head, block);
    }
    const whole = zlib.gzipSync(bytes);
    return Buffer.concat([...parts, whole.subarray(whole.length - 8)]);
  }

  async function upToFault(reader: CaptureReader): Promise<{ found: number[]; error: unknown }> {
    const found: number[] = [];
    let error: unknown;
    try {
      for await (const skb of reader) {
        found.push(skb.length);
        skb.release();
      }
    } catch (caught) {
      error = caught;
    }
    reader.close();
    return { found, error };
  }

  it("with gzip, from a file and again", async () => {
    await withEngine({ memory }, async (engine) => {
      const reader = CaptureReader.open(engine, folder.file(zlib.gzipSync(CAPTURE)), { lend: 4 });
      expect(reader.format).toBeNull();
      expect(await lengths(reader)).toEqual(ALL);
      expect([reader.format, reader.position]).toEqual(["pcap", CAPTURE.length]);
      reader.rewind();
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
    });
  });

  it("with gzip that compresses nothing", async () => {
    await withEngine({ memory }, async (engine) => {
      const reader = CaptureReader.open(engine, folder.file(stored(CAPTURE, 5000)));
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
    });
  });

  it("in two parts, one behind the other", async () => {
    await withEngine({ memory }, async (engine) => {
      const [a, b] = [CAPTURE.subarray(0, 1000), CAPTURE.subarray(1000)];
      const file = folder.file(Buffer.concat([zlib.gzipSync(a), zlib.gzipSync(b)]));
      const reader = CaptureReader.open(engine, file);
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
    });
  });

  it.runIf(process.platform !== "win32")("through a pipe", async () => {
    await withEngine({ memory }, async (engine) => {
      const path = folder.fresh();
      execFileSync("mkfifo", [path]);
      const child = spawn("sh", ["-c", `cat '${folder.file(zlib.gzipSync(CAPTURE))}' > '${path}'`]);
      const reader = CaptureReader.open(engine, path);
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
      child.kill();
    });
  });

  it("cut off: gives what is there, then says so", async () => {
    await withEngine({ memory }, async (engine) => {
      const whole = zlib.gzipSync(CAPTURE);
      const reader = CaptureReader.open(engine, folder.file(whole.subarray(0, whole.length - 20)));
      const found: number[] = [];
      const error = await (async () => {
        for await (const skb of reader) {
          found.push(skb.length);
          skb.release();
        }
      })().catch((caught) => caught);
      expectCaptureSays(error, "inflated");
      expect(found.length).toBeGreaterThan(0);
      expect(found).toEqual(ALL.slice(0, found.length));
      reader.close();
    });
  });

  it("damaged at its end: gives every packet before the fault, then says so", async () => {
    await withEngine({ memory }, async (engine) => {
      const capture = CAPTURE.subarray(0, 24 + 100 * 16 + (100 * 101) / 2);
      const whole = zlib.gzipSync(capture);
      const flipped = Buffer.from(whole);
      // Of the CRC, and of the length: the last 8 bytes.
      flipped[whole.length - 8] = (flipped[whole.length - 8] as number) ^ 1;
      const longer = Buffer.from(whole);
      longer[whole.length - 1] = (longer[whole.length - 1] as number) ^ 1;
      const junk = Buffer.concat([whole, Buffer.from("junk")]);
      for (const bytes of [flipped, longer, junk]) {
        const path = folder.file(bytes);
        const fd = openSync(path, "r");
        // What is read by its path can be read again; a descriptor cannot.
        for (const file of [path, fd]) {
          const { found, error } = await upToFault(CaptureReader.open(engine, file));
          expect(found).toEqual(ALL.slice(0, 100));
          expect(expectCaptureSays(error, "inflated").offset).toBe(capture.length);
        }
        closeSync(fd);
      }
    });
  });

  it("damaged within: gives every packet that zlib has bytes of", async () => {
    await withEngine({ memory }, async (engine) => {
      const capture = Buffer.concat([
        pcapHeader(),
        ...Array.from({ length: 100 }, () => pcapRecord(randomBytes(1000))),
      ]);
      // Stored blocks, of which the head of one is damaged: what lies before is whole, and what is inflated at once ends elsewhere.
      const size = 5000;
      for (const block of [1, 2, 5, 11]) {
        const bytes = stored(capture, size);
        const at = GZIP_HEADER.length + block * (5 + size) + 1;
        bytes[at] = (bytes[at] as number) ^ 0xff;
        const path = folder.file(bytes);
        const fd = openSync(path, "r");
        // What is read by its path can be read again; a descriptor cannot.
        for (const file of [path, fd]) {
          const { found, error } = await upToFault(CaptureReader.open(engine, file));
          expectCaptureSays(error, "inflated");
          expect(found.length).toBe(Math.floor((block * size - 24) / 1016));
        }
        closeSync(fd);
      }
    });
  });

  it("of what inflates to very much takes no more memory than the buffers", async () => {
    await withEngine({ memory: 4 * 1024 * 1024 }, async (engine) => {
      // 200 MB of nothing but packets of zeros, in 200 kB.
      const zeros = Buffer.concat([
        pcapHeader(),
        ...new Array(20_000).fill(pcapRecord(new Uint8Array(10_000))),
      ]);
      const file = folder.file(zlib.gzipSync(zeros));
      const before = process.memoryUsage().rss;
      const reader = CaptureReader.open(engine, file, { lend: 4, longest: 100_000 });
      let n = 0;
      let most = 0;
      for await (const skb of reader) {
        if (n++ % 100 === 0) most = Math.max(most, process.memoryUsage().rss);
        skb.release();
      }
      reader.close();
      expect(n).toBe(20_000);
      expect(most - before).toBeLessThan(64 * 1024 * 1024);
    });
  });

  it("is closed while it is read, and reads nothing behind that", async () => {
    await withEngine({ memory }, async (engine) => {
      const reader = CaptureReader.open(engine, folder.file(zlib.gzipSync(CAPTURE)));
      const next = reader[Symbol.asyncIterator]().next();
      reader.close();
      await expect(next).rejects.toThrow("an open reader");
    });
  });

  it("says to who does not wait that it must be waited for, and goes on", async () => {
    await withEngine({ memory }, async (engine) => {
      const reader = CaptureReader.open(engine, folder.file(zlib.gzipSync(CAPTURE)));
      for (let i = 0; i < 2; i++)
        expectCaptureSays(
          caught(() => reader.read()),
          "for await, which inflates gzip",
        );
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
    });
  });

  it.each([
    ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ["bzip2", [0x42, 0x5a, 0x68, 0x39]],
    ["lz4", [0x04, 0x22, 0x4d, 0x18]],
    ["compress", [0x1f, 0x9d, 0x90, 0]],
    ...("createZstdDecompress" in zlib ? [] : [["zstd", [0x28, 0xb5, 0x2f, 0xfd]] as const]),
  ] as const)("with %s is called what it is", async (name, start) => {
    await withEngine({ memory }, (engine) => {
      const file = folder.file(Buffer.concat([Buffer.from(start), bytesAt(0, 100)]));
      expectCaptureSays(
        caught(() => CaptureReader.open(engine, file)),
        `compressed with ${name}`,
      );
    });
  });

  it.runIf("zstdCompressSync" in zlib)("with zstd, where Node can", async () => {
    await withEngine({ memory }, async (engine) => {
      const compress = (zlib as unknown as { zstdCompressSync(bytes: Uint8Array): Buffer }).zstdCompressSync;
      const reader = CaptureReader.open(engine, folder.file(compress(CAPTURE)));
      expect(await lengths(reader)).toEqual(ALL);
      reader.close();
    });
  });
});

describe("options", () => {
  it("that there are not are named", async () => {
    await withEngine({ memory }, (engine) => {
      const file = folder.file(pcapHeader());
      expect(() => CaptureReader.open(engine, file, { headRoom: 1 } as never)).toThrow(/headroom.*headRoom/);
      expect(() => CaptureWriter.open(engine, folder.fresh(), { snaplength: 1 } as never)).toThrow(
        /snapLength/,
      );
    });
  });
});
