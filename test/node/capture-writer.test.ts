// CaptureWriter: what it writes is read back as it was, by this library, the naive parser and other people's tools; and what
// cannot be written is released or stays its owner's.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { type Engine, HeldSkbError, type Skb, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import {
  type CaptureError,
  CaptureReader,
  CaptureWriter,
  type CaptureWriterOptions,
  noteCapture,
} from "skbuff/node";
import { describe, expect, it } from "vitest";
import { bytesAt, caught, codeOf, SHAPES, World } from "../packets.js";
import { chance, everyBlock, Folder } from "./made.js";
import { readNaively } from "./naive.js";
import { expectCaptureError, expectFrames, type Got, KINDS, readFile, withEngine } from "./reading.js";
import { bycapinfos, bytcpdump, bytshark, checkTools, TOOLS } from "./tools.js";

const folder = new Folder();
const options = { memory: 2 * 1024 * 1024 };
checkTools();

/** A packet of places [at, at + n), with metadata of its own. */
function packet(engine: Engine, n: number, at = 0, fields: Partial<Got> = {}): Skb {
  const skb = engine.alloc(n).putData(bytesAt(at, n));
  skb.timestamp = fields.time ?? 1_700_000_000_123_456_789n + BigInt(at);
  if (fields.linkType !== undefined || fields.length !== undefined || fields.interface !== undefined)
    noteCapture(skb, {
      linkType: fields.linkType ?? 1,
      interface: fields.interface ?? 0,
      originalLength: fields.length ?? 0,
    });
  return skb;
}

function written(engine: Engine, skbs: Skb[], given: CaptureWriterOptions = {}): string {
  const path = folder.fresh();
  const writer = CaptureWriter.open(engine, path, given);
  expect(writer.enqueueBurst(skbs)).toBe(skbs.length);
  writer.closeSync();
  expect(writer.stats()).toEqual({ packets: skbs.length, bytes: statSync(path).size, dropped: 0 });
  return path;
}

describe.each(KINDS)("on $name", ({ core, shared }) => {
  const kind = { ...options, core, shared };

  it.each<CaptureWriterOptions>([
    { format: "pcapng" },
    { format: "pcapng", resolution: "us" },
    { format: "pcap" },
    { format: "pcap", resolution: "us" },
  ])("writes what can be read back: %o", async (given) => {
    await withEngine(kind, (engine) => {
      // Lengths of every padding; times of both ends.
      const lengths = [0, 1, 2, 3, 4, 5, 59, 60, 1500, 4096, 65535];
      const top = given.format === "pcap" ? 0xffffffffn * 1_000_000_000n + 999_999_999n : 2n ** 64n - 1n;
      const times = [0n, 1n, 999n, 1000n, 999_999_999n, 1_000_000_000n, 2n ** 53n + 1n, top];
      const skbs = lengths.map((n, i) =>
        packet(engine, n, n, {
          time: times[i % times.length] as bigint,
          length: i % 2 === 0 ? 0 : n + 7,
          linkType: 228,
        }),
      );
      const path = written(engine, skbs, given);
      const unit = given.resolution === "us" ? 1000n : 1n;
      const wanted = lengths.map((n, i) => ({
        bytes: bytesAt(n, n),
        length: i % 2 === 0 ? n : n + 7,
        time: ((times[i % times.length] as bigint) / unit) * unit,
        linkType: 228,
        interface: 0,
      }));
      const naive = readNaively(readFileSync(path));
      expectFrames(naive.frames, wanted, "naively");
      expect(naive).toMatchObject({
        format: given.format,
        interfaces: [{ linkType: 228, snapLength: 262144 }],
      });
      const { frames, error } = readFile(engine, path);
      expect(error).toBeUndefined();
      expectFrames(frames, wanted, "read back");
    });
  });

  it("writes packets of every shape, and copies none of their bytes", async () => {
    await withEngine(kind, (engine) => {
      for (const format of ["pcap", "pcapng"] as const) {
        const w = new World(engine);
        const skbs = Object.values(SHAPES).map((build) => build(w));
        const lengths = skbs.map(({ length }) => length);
        const before = stats(engine).bytesCopied;
        const path = written(engine, skbs, { format });
        expect(stats(engine).bytesCopied).toBe(before);
        const { frames } = readNaively(readFileSync(path));
        expect(frames.map(({ bytes }) => bytes)).toEqual(lengths.map((n) => Buffer.from(bytesAt(0, n))));
        w.clean();
      }
    });
  });

  it("writes what it reads, as it was read, in pages and in lent buffers", async () => {
    await withEngine(kind, (engine) => {
      const source = folder.file(Buffer.concat([everyBlock(bytesAt), everyBlock(bytesAt)]));
      for (const mode of [{}, { chunk: 4096 }, { lend: 4, chunk: 4096 }]) {
        const path = folder.fresh();
        const reader = CaptureReader.open(engine, source, mode);
        const writer = CaptureWriter.open(engine, path, { batch: 5 });
        for (let skb = reader.read(); skb !== null; skb = reader.read()) {
          if (writer.enqueue(skb)) continue;
          writer.flush();
          expect(writer.enqueue(skb)).toBe(true);
        }
        writer.closeSync();
        reader.close();
        const wanted = readNaively(readFileSync(source)).frames;
        // Interfaces are numbered as their first packets come.
        const numbers = new Map<number, number>();
        const renumbered = wanted.map((frame) => {
          if (!numbers.has(frame.interface)) numbers.set(frame.interface, numbers.size);
          return { ...frame, interface: numbers.get(frame.interface) as number };
        });
        expectFrames(readFile(engine, path).frames, renumbered, JSON.stringify(mode));
        expect(stats(engine).bytesCopied).toBe(0);
      }
    });
  });
});

describe("a writer", () => {
  it("takes as many packets as its batch holds, and lets go of them as they are written", async () => {
    await withEngine(options, (engine) => {
      const path = folder.fresh();
      const writer = CaptureWriter.open(engine, path, { batch: 3 });
      const skbs = Array.from({ length: 8 }, (_, i) => packet(engine, 100 + i, i));
      expect(writer.enqueueBurst(skbs)).toBe(3);
      expect(skbs.map(({ alive }) => alive)).toEqual([false, false, false, true, true, true, true, true]);
      expect(writer.enqueue(skbs[3] as Skb)).toBe(false);
      expect(statSync(path).size).toBe(0);
      expect(stats(engine).skbs.used).toBe(8);
      writer.flush();
      expect(stats(engine).skbs.used).toBe(5);
      expect(readNaively(readFileSync(path)).frames.length).toBe(3);
      writer.flush();
      expect(writer.enqueueBurst(skbs.slice(3), 1)).toBe(1);
      writer.flush();
      expect(writer.enqueueBurst(skbs.slice(4), 0)).toBe(0);
      expect(writer.enqueueBurst(skbs.slice(4))).toBe(3);
      writer.flush();
      expect(writer.enqueue(skbs[7] as Skb)).toBe(true);
      writer.closeSync();
      expect(stats(engine).skbs.used).toBe(0);
      expectFrames(
        readNaively(readFileSync(path)).frames,
        skbs.map((_, i) => ({
          bytes: bytesAt(i, 100 + i),
          length: 100 + i,
          time: 1_700_000_000_123_456_789n + BigInt(i),
          linkType: 1,
          interface: 0,
        })),
        "all",
      );
    });
  });

  it("cuts packets to its snap length, and says how long they were", async () => {
    await withEngine(options, (engine) => {
      for (const format of ["pcap", "pcapng"] as const) {
        const long = engine.alloc(10).putData(bytesAt(0, 10));
        long.addPageFrag(500).set(bytesAt(10, 500));
        const path = written(
          engine,
          [long, packet(engine, 33), packet(engine, 96), packet(engine, 97, 0, { length: 200 })],
          {
            format,
            snapLength: 96,
          },
        );
        const { frames, interfaces } = readNaively(readFileSync(path));
        expect(frames.map(({ bytes, length }) => [bytes.length, length])).toEqual([
          [96, 510],
          [33, 33],
          [96, 96],
          [96, 200],
        ]);
        for (const { bytes } of frames) expect(bytes).toEqual(Buffer.from(bytesAt(0, bytes.length)));
        expect(interfaces[0]?.snapLength).toBe(96);
      }
    });
  });

  it("describes interfaces as they come, and takes its link type for packets without a note", async () => {
    await withEngine(options, (engine) => {
      const kinds = [
        { linkType: 1, interface: 5 },
        { linkType: 1, interface: 0 },
        { linkType: 113, interface: 5 },
        { linkType: 1, interface: 5 },
        { linkType: 0xffff, interface: 0xffffffff },
        {},
        { linkType: 1, interface: 0 },
        {},
      ];
      const skbs = kinds.map((fields, i) => packet(engine, 10 + i, i, fields));
      const path = written(engine, skbs, { linkType: 101 });
      const { frames, error } = readFile(engine, path);
      expect(error).toBeUndefined();
      expect(frames.map(({ interface: from, linkType }) => [from, linkType])).toEqual([
        [0, 1],
        [1, 1],
        [2, 113],
        [0, 1],
        [3, 0xffff],
        [4, 101],
        [1, 1],
        [4, 101],
      ]);
    });
  });

  it("of a pcap capture refuses other link types, and times that it cannot tell", async () => {
    await withEngine(options, (engine) => {
      const path = folder.fresh();
      const writer = CaptureWriter.open(engine, path, { format: "pcap", linkType: 113 });
      const [first, other, late, plain] = [
        packet(engine, 10, 0, { linkType: 113 }),
        packet(engine, 10, 0, { linkType: 1 }),
        packet(engine, 10, 0, { linkType: 113, time: 2n ** 32n * 1_000_000_000n }),
        packet(engine, 11),
      ] as const;
      expect(writer.enqueueBurst([first, other, plain])).toBe(1);
      expect(
        expectCaptureError(
          caught(() => writer.enqueue(other)),
          "link type",
        ).message,
      ).toContain("packets of link type 113, got one of link type 1");
      expect(
        expectCaptureError(
          caught(() => writer.enqueueBurst([late])),
          "time",
        ).message,
      ).toContain("packets of 1970 to 2106, got one of second 4294967296");
      expect([other.alive, late.alive]).toEqual([true, true]);
      expect(writer.enqueue(plain)).toBe(true);
      engine.releaseBurst([other, late]);
      writer.closeSync();
      expect(readNaively(readFileSync(path)).frames.map(({ bytes }) => bytes.length)).toEqual([10, 11]);
    });
  });

  it("takes no packet that is not whole and the caller's alone", async () => {
    await withEngine(options, async (engine) => {
      const writer = CaptureWriter.open(engine, folder.fresh());
      const skb = packet(engine, 10);
      const second = skb.get();
      expect(caught(() => writer.enqueue(skb))).toBeInstanceOf(HeldSkbError);
      second.release();
      await withEngine(options, (elsewhere) => {
        const foreign = packet(elsewhere, 1);
        expect(codeOf(() => writer.enqueue(foreign))).toBe("ERR_SKB_FOREIGN");
        expect(writer.enqueueBurst([skb, foreign])).toBe(1);
        expect(codeOf(() => writer.enqueueBurst([foreign]))).toBe("ERR_SKB_FOREIGN");
        foreign.release();
      });
      expect(codeOf(() => writer.enqueue(skb))).toBe("ERR_SKB_STALE");
      expect(codeOf(() => writer.enqueue(undefined as never))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => writer.enqueueBurst(undefined as never))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => writer.enqueueBurst([], 1))).toBe("ERR_SKB_RANGE");
      writer.closeSync();
      writer.closeSync();
      for (const call of [() => writer.enqueue(skb), () => writer.flush(), () => writer.enqueueBurst([])])
        expect(expectCaptureError(caught(call), String(call)).message).toContain(
          "an open writer, got a closed one",
        );
      await expect(writer.flushAsync()).rejects.toThrow("an open writer");
      await writer.close();
      const wrong = [{ snapLength: 0 }, { batch: 0 }, { batch: 65537 }, { linkType: 65536 }];
      for (const given of wrong)
        expect(codeOf(() => CaptureWriter.open(engine, folder.fresh(), given))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => CaptureWriter.open(engine, folder.fresh(), { format: "erf" as never }))).toBe(
        "ERR_SKB_TYPE",
      );
      expect(codeOf(() => CaptureWriter.open(engine, folder.fresh(), { resolution: "ms" as never }))).toBe(
        "ERR_SKB_TYPE",
      );
      expect(codeOf(() => CaptureWriter.open(null as never, folder.fresh()))).toBe("ERR_SKB_TYPE");
    });
  });

  it("writes a header where there are no packets, and nothing of the old file remains", async () => {
    await withEngine(options, async (engine) => {
      for (const format of ["pcap", "pcapng"] as const) {
        const path = folder.file(Buffer.alloc(1000, 7));
        const writer = CaptureWriter.open(engine, path, { format, linkType: 113 });
        writer.flush();
        if (format === "pcap") writer.closeSync();
        else await writer.close();
        expect(readNaively(readFileSync(path))).toMatchObject({
          format,
          frames: [],
          interfaces: [{ linkType: 113 }],
        });
        expect(readFile(engine, path)).toEqual({ frames: [], error: undefined });
      }
    });
  });

  it("given a descriptor leaves it open, and writes where it stands", async () => {
    await withEngine(options, (engine) => {
      const path = folder.fresh();
      const fd = openSync(path, "w");
      writeSync(fd, "junk");
      const writer = CaptureWriter.open(engine, fd);
      writer.enqueue(packet(engine, 10));
      writer.closeSync();
      expect(fstatSync(fd).size).toBe(4 + writer.stats().bytes);
      closeSync(fd);
      expect(readNaively(readFileSync(path).subarray(4)).frames.length).toBe(1);
    });
  });

  it("runs callbacks of lent memory once it has been written", async () => {
    await withEngine(options, (engine) => {
      const order: string[] = [];
      const writer = CaptureWriter.open(engine, folder.fresh());
      const region = new UserRegion(engine, 5000);
      const skb = engine.alloc(0);
      skb.addUserFrag(
        region,
        0,
        5000,
        new Ubuf(engine, ({ status }) => {
          // Whatever it does: the flush is over.
          writer.enqueue(packet(engine, 5));
          order.push(status);
        }),
      );
      writer.enqueue(skb);
      expect(order).toEqual([]);
      writer.flush();
      expect(order).toEqual(["sent"]);
      region.release();
      writer.closeSync();
      expect(writer.stats().packets).toBe(2);
    });
  });
});

describe("without blocking, a writer", () => {
  it("takes packets while it writes others", async () => {
    await withEngine(options, async (engine) => {
      const path = folder.fresh();
      const writer = CaptureWriter.open(engine, path, { batch: 20 });
      const pick = chance(3);
      const wanted: number[] = [];
      const flushes: Promise<void>[] = [];
      for (let i = 0; i < 500; ) {
        const skb = packet(engine, pick(3000), i);
        while (!writer.enqueue(skb)) await writer.flushAsync();
        wanted.push(i);
        i++;
        if (pick(4) === 0) flushes.push(writer.flushAsync());
        if (pick(3) === 0) await null;
        if (pick(20) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await writer.close();
      await Promise.all(flushes);
      const { frames } = readNaively(readFileSync(path));
      expect(frames.map(({ time }) => Number(time - 1_700_000_000_123_456_789n))).toEqual(wanted);
      for (const [i, { bytes }] of frames.entries())
        expect(bytes).toEqual(Buffer.from(bytesAt(i, bytes.length)));
      expect(writer.stats()).toEqual({ packets: 500, bytes: statSync(path).size, dropped: 0 });
    });
  });

  it("refuses to block meanwhile", async () => {
    await withEngine(options, async (engine) => {
      const writer = CaptureWriter.open(engine, folder.fresh());
      writer.enqueue(packet(engine, 10));
      const flush = writer.flushAsync();
      expect(
        expectCaptureError(
          caught(() => writer.flush()),
          "flush",
        ).message,
      ).toContain("one flush at a time");
      expect(
        expectCaptureError(
          caught(() => writer.closeSync()),
          "close",
        ).message,
      ).toContain("no flush under way");
      const closing = writer.close();
      await Promise.all([flush, closing]);
      expect(writer.stats().packets).toBe(1);
    });
  });
});

describe("as a transmitter, a writer", () => {
  it("makes room by writing, whoever waits, and says how a wait ended", async () => {
    await withEngine(options, async (engine) => {
      const path = folder.fresh();
      const writer = CaptureWriter.open(engine, path, { batch: 4 });
      for (let i = 0; i < 50; i++) {
        const skb = packet(engine, 100, i);
        while (!writer.enqueue(skb)) expect(await writer.waitWritableAsync()).toBe("ready");
      }
      // As much as there is needs no write.
      const { packets } = writer.stats();
      expect(await writer.waitWritableAsync(2)).toBe("ready");
      expect([packets, writer.stats().packets]).toEqual([48, 48]);
      expect(await writer.waitWritableAsync(4)).toBe("ready");
      expect(writer.stats().packets).toBe(50);
      for (const room of [0, 5])
        expect(await writer.waitWritableAsync(room).catch(({ code }) => code)).toBe("ERR_SKB_RANGE");
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      expect(await writer.waitWritableAsync(1, { signal }).catch((error) => error)).toBe(reason);
      const closing = writer.close();
      expect(writer.close()).toBe(closing);
      expect(codeOf(() => writer.enqueue(null as unknown as Skb))).toBe("ERR_SKB_CAPTURE");
      await closing;
      expect(await writer.waitWritableAsync()).toBe("ended");
      expect(readNaively(readFileSync(path)).frames.length).toBe(50);
    });
  });

  it.runIf(process.platform === "linux")(
    "waits for who reads a pipe, for as long as it was told",
    async () => {
      await withEngine({ memory: 8 * 1024 * 1024 }, async (engine) => {
        const path = folder.fresh();
        execFileSync("mkfifo", [path]);
        const writer = CaptureWriter.open(engine, path, { batch: 100 });
        const burst = (): Skb[] => Array.from({ length: 100 }, (_, i) => packet(engine, 2000, i));
        expect(writer.enqueueBurst(burst())).toBe(100);
        // Nobody reads.
        expect(await writer.waitWritableAsync(1, { timeout: 20 })).toBe("timed-out");
        const controller = new AbortController();
        const aborted = writer.waitWritableAsync(1, { signal: controller.signal }).catch((error) => error);
        const waiting = writer.waitWritableAsync(100);
        controller.abort("enough");
        expect(await aborted).toBe("enough");
        const child = spawn("sh", ["-c", `cat < '${path}' > /dev/null`]);
        const exited = new Promise((resolve) => child.on("exit", resolve));
        expect(await waiting).toBe("ready");
        expect(writer.stats().packets).toBe(100);
        expect(writer.enqueueBurst(burst())).toBe(100);
        await writer.close();
        expect(writer.stats()).toMatchObject({ packets: 200, dropped: 0 });
        await exited;
      });
    },
  );

  it.runIf(process.platform === "linux")(
    "that fails ends whoever waits, and says why to whoever goes on",
    async () => {
      await withEngine(options, async (engine) => {
        const writer = CaptureWriter.open(engine, "/dev/full", { batch: 1 });
        writer.enqueue(packet(engine, 100));
        expect(await writer.waitWritableAsync()).toBe("ended");
        const skb = packet(engine, 1);
        const error = caught(() => writer.enqueue(skb)) as CaptureError;
        expect(error.cause).toMatchObject({ code: "ENOSPC" });
        expect(skb.alive).toBe(true);
        skb.release();
        expect(await writer.close().catch((reason) => reason)).toBe(error);
      });
    },
  );

  it("that is aborted gives everything back, and the file is closed as it is", async () => {
    await withEngine(options, async (engine) => {
      const path = folder.fresh();
      const writer = CaptureWriter.open(engine, path);
      writer.enqueue(packet(engine, 10));
      writer.flush();
      const { size } = statSync(path);
      expect(writer.enqueueBurst([packet(engine, 20), packet(engine, 30)])).toBe(2);
      const reason = new Error("no time left");
      writer.abort(reason);
      writer.abort(new Error("later"));
      expect(stats(engine).skbs.used).toBe(0);
      expect(writer.stats()).toEqual({ packets: 1, bytes: size, dropped: 2 });
      const late = packet(engine, 1);
      expect(caught(() => writer.enqueue(late))).toBe(reason);
      expect(caught(() => writer.flush())).toBe(reason);
      late.release();
      expect(await writer.waitWritableAsync()).toBe("ended");
      expect(await writer.close().catch((error) => error)).toBe(reason);
      await writer[Symbol.asyncDispose]();
      expect(statSync(path).size).toBe(size);
      // It may be opened again: nobody has it any more.
      CaptureReader.open(engine, path).close();
      // After the end there is nothing to break off.
      const other = CaptureWriter.open(engine, folder.fresh());
      await other.close();
      other.abort(reason);
      await other.close();
    });
  });

  it.runIf(process.platform === "linux")(
    "is not held up by a pipe that nobody reads when it is aborted",
    async () => {
      await withEngine(options, async (engine) => {
        for (const how of ["flushAsync", "close", "waitWritableAsync"] as const) {
          const path = folder.fresh();
          execFileSync("mkfifo", [path]);
          const writer = CaptureWriter.open(engine, path, { batch: 1 });
          writer.enqueue(packet(engine, 10));
          const ending = writer[how]().then(
            () => "nothing",
            (error: unknown) => error,
          );
          await new Promise((resolve) => setImmediate(resolve));
          const reason = new Error("no time left");
          writer.abort(reason);
          expect(await ending).toBe(reason);
          expect(await writer.close().catch((error) => error)).toBe(reason);
          expect(writer.stats()).toMatchObject({ packets: 0, dropped: 1 });
        }
      });
    },
  );
});

// What the system makes of devices and pipes differs.
describe.runIf(process.platform === "linux")("what cannot be written", () => {
  it.each(["blocking", "not blocking"])(
    "to a full disk: is released, and the writer fails for good (%s)",
    async (how) => {
      await withEngine(options, async (engine) => {
        for (const format of ["pcap", "pcapng"] as const) {
          const writer = CaptureWriter.open(engine, "/dev/full", { format });
          const skbs = [packet(engine, 100), packet(engine, 200)];
          const later = packet(engine, 5);
          expect(writer.enqueueBurst(skbs)).toBe(2);
          const error =
            how === "blocking" ? caught(() => writer.flush()) : await writer.flushAsync().catch((e) => e);
          expect(expectCaptureError(error, "full").offset).toBe(0);
          expect((error as CaptureError).cause).toMatchObject({ code: "ENOSPC" });
          expect(writer.stats()).toEqual({ packets: 0, bytes: 0, dropped: 2 });
          expect(stats(engine).skbs.used).toBe(1);
          expect(caught(() => writer.enqueue(later))).toBe(error);
          expect(caught(() => writer.flush())).toBe(error);
          expect(later.alive).toBe(true);
          later.release();
          const told =
            how === "blocking" ? caught(() => writer.closeSync()) : await writer.close().catch((e) => e);
          expect(told).toBe(error);
        }
        const empty = CaptureWriter.open(engine, "/dev/full");
        expectCaptureError(
          caught(() => empty.closeSync()),
          "at its end",
        );
        const last = CaptureWriter.open(engine, "/dev/full");
        last.enqueue(packet(engine, 9));
        expectCaptureError(await last.close().catch((error) => error), "at its end");
        expect(last.stats().dropped).toBe(1);
      });
    },
  );

  it("to a pipe that nobody reads any more", async () => {
    await withEngine({ memory: 16 * 1024 * 1024 }, async (engine) => {
      const path = folder.fresh();
      execFileSync("mkfifo", [path]);
      // Reads some of it, and leaves.
      const child = spawn("sh", ["-c", `head -c 100000 < '${path}' > /dev/null`]);
      const writer = CaptureWriter.open(engine, path, { batch: 65536 });
      const exited = new Promise((resolve) => child.on("exit", resolve));
      let error: unknown;
      for (let i = 0; i < 10_000 && error === undefined; i++) {
        while (writer.enqueueBurst([packet(engine, 1000, i)]) === 1 && i % 500 !== 0) i++;
        error = caught(() => writer.flush());
      }
      expect((error as CaptureError).cause).toMatchObject({ code: "EPIPE" });
      const { packets, bytes, dropped } = writer.stats();
      expect(expectCaptureError(error, "pipe").offset).toBe(bytes);
      expect(bytes).toBeGreaterThanOrEqual(100_000);
      expect(packets).toBeGreaterThan(90);
      expect(dropped).toBeGreaterThan(0);
      expect(stats(engine).skbs.used).toBe(0);
      expect(caught(() => writer.closeSync())).toBe(error);
      await exited;
    });
  });

  it("to a descriptor for reading, to a folder, or to nowhere", async () => {
    await withEngine(options, (engine) => {
      const fd = openSync(folder.file(Buffer.from("x")), "r");
      const writer = CaptureWriter.open(engine, fd);
      writer.enqueue(packet(engine, 10));
      expect(
        expectCaptureError(
          caught(() => writer.flush()),
          "EBADF",
        ).cause,
      ).toMatchObject({ code: "EBADF" });
      expectCaptureError(
        caught(() => writer.closeSync()),
        "EBADF",
      );
      closeSync(fd);
      for (const [path, code] of [
        [folder.path, "EISDIR"],
        [`${folder.path}/no/where`, "ENOENT"],
      ] as const) {
        const error = expectCaptureError(
          caught(() => CaptureWriter.open(engine, path)),
          code,
        );
        expect(error.cause).toMatchObject({ code });
        expect(error.message).toContain("a file that can be written");
      }
    });
  });

  it.each(["blocking", "not blocking"])(
    "at once, to a pipe that takes little at a time: in many calls (%s)",
    async (how) => {
      await withEngine({ memory: 8 * 1024 * 1024 }, async (engine) => {
        const path = folder.fresh();
        execFileSync("mkfifo", [path]);
        const copy = folder.fresh();
        const child = spawn("sh", ["-c", `sleep 0.1; cat < '${path}' > '${copy}'`]);
        const exited = new Promise((resolve) => child.on("exit", resolve));
        // It does not block, so that it says EAGAIN when it is full, and takes parts of packets.
        const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
        const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
        const writer = CaptureWriter.open(engine, fd, { batch: 65536 });
        const n = 3000;
        for (let i = 0; i < n; i++) expect(writer.enqueue(packet(engine, 1000 + (i % 7), i))).toBe(true);
        if (how === "blocking") writer.closeSync();
        else await writer.close();
        closeSync(fd);
        closeSync(reader);
        await exited;
        expect(statSync(copy).size).toBe(writer.stats().bytes);
        const { frames } = readNaively(readFileSync(copy));
        expect(frames.length).toBe(n);
        for (const [i, { bytes }] of frames.entries())
          expect(Buffer.compare(bytes, bytesAt(i, 1000 + (i % 7)))).toBe(0);
      });
    },
  );

  it("closes its file whatever happens", async () => {
    const before = openSync("/dev/null", "r");
    closeSync(before);
    await withEngine(options, (engine) => {
      for (let i = 0; i < 10; i++) {
        const writer = CaptureWriter.open(engine, "/dev/full");
        writer.enqueue(packet(engine, 10));
        caught(() => writer.closeSync());
      }
    });
    const after = openSync("/dev/null", "r");
    closeSync(after);
    expect(after).toBe(before);
  });
});

describe("a packet of more pieces than one call takes", () => {
  it("is written", async () => {
    await withEngine({ memory: 8 * 1024 * 1024 }, (engine) => {
      const skb = packet(engine, 1);
      for (let i = 0; i < 3000; i++) skb.addFragList(engine.alloc(5).putData(bytesAt(1 + i * 5, 5)));
      const path = written(engine, [packet(engine, 3), skb, packet(engine, 7)]);
      const { frames } = readNaively(readFileSync(path));
      expect(frames.map(({ bytes }) => bytes)).toEqual([3, 15001, 7].map((n) => Buffer.from(bytesAt(0, n))));
    });
  });
});

describe("other tools", () => {
  it.each<CaptureWriterOptions>([
    { format: "pcapng" },
    { format: "pcap" },
    { format: "pcapng", resolution: "us" },
    { format: "pcap", resolution: "us" },
    { format: "pcapng", snapLength: 40 },
  ])("read what it writes without complaint: %o", async (given) => {
    await withEngine(options, async (engine) => {
      // What is not in the capture they would dissect: a protocol that nobody knows.
      const skbs = Array.from({ length: 100 }, (_, i) => {
        const skb = packet(engine, 60 + i * 13, i, { linkType: 1 });
        skb.writeU16(12, 0x88b5);
        return skb;
      });
      const path = written(engine, skbs, given);
      const { frames } = readNaively(readFileSync(path));
      const wanted = frames.map(
        ({ time }) => `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, "0")}`,
      );
      if (TOOLS.tcpdump) expect(await bytcpdump(path)).toEqual({ got: wanted, stderr: "" });
      if (TOOLS.capinfos) {
        const bytes = frames.reduce((sum, { length }) => sum + length, 0);
        expect(await bycapinfos([path])).toEqual({ got: [`100,${bytes}`], stderr: "" });
      }
      if (TOOLS.tshark) {
        const lines = frames.map(({ bytes, length }, i) => `${wanted[i]},${length},${bytes.length}`);
        expect(await bytshark(path)).toEqual({ got: lines, stderr: "" });
      }
    });
  });
});
