// CaptureReader: whose the memory is, what happens when there is none, and when it may be written again.

import { closeSync, openSync, readSync } from "node:fs";
import {
  Burst,
  type Engine,
  type EngineOptions,
  PoolExhaustedError,
  Ring,
  type Skb,
  Ubuf,
  UserRegion,
} from "skbuff";
import { audit, debug, stats } from "skbuff/inspect";
import {
  CaptureReader,
  type CaptureReaderOptions,
  interfaceOf,
  linkTypeOf,
  noteCapture,
  originalLengthOf,
} from "skbuff/node";
import { describe, expect, it } from "vitest";
import { inside } from "../engines.js";
import { bytesAt, caught, codeOf, expectBytes } from "../packets.js";
import { Agent } from "../threads/agent.js";
import { chance, everyBlock, Folder, pcapHeader, pcapRecord } from "./made.js";
import { readNaively } from "./naive.js";
import {
  expectCaptureError,
  expectFrames,
  frameOf,
  type Got,
  KINDS,
  MODES,
  readAll,
  withEngine,
} from "./reading.js";

const folder = new Folder();

/** A capture of `count` packets; their lengths go through 0 to 1500. */
function made(count: number): { file: Buffer; path: string; frames: Got[] } {
  const records = Array.from({ length: count }, (_, i) => pcapRecord(bytesAt(i * 99, (i * 127) % 1501)));
  const file = Buffer.concat([pcapHeader(), ...records]);
  return { file, path: folder.file(file), frames: readNaively(file).frames };
}

const some = made(600);
const seed = Number(process.env.SKBUFF_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** What a call of `read` throws; undefined if it gives a packet, which is kept. */
function tried(reader: CaptureReader, kept: Skb[]): unknown {
  return caught(() => {
    const skb = reader.read();
    if (skb !== null) kept.push(skb);
  });
}

describe.each(KINDS)("on $name", ({ core, shared }) => {
  const small = { memory: 1024 * 1024, core, shared };

  it.each(Object.entries(MODES))("copies nothing, and gives all of its memory back: %s", async (_, mode) => {
    await withEngine({ ...small, memory: 4 * 1024 * 1024 }, (engine) => {
      const reader = CaptureReader.open(engine, some.path, mode);
      const kept: Skb[] = [];
      for (;;) {
        // Half of them stay out for a while.
        const skb = reader.read();
        if (skb === null) break;
        const segments = skb.segments();
        expect(segments.reduce((sum, { length }) => sum + length, 0)).toBe(skb.length);
        expect(skb.linearLength).toBe(0);
        expect(skb.headroom).toBe(mode.headroom ?? 64);
        expect(skb.zeroCopy).toBe(mode.lend !== undefined && skb.length > 0);
        kept.push(skb);
        if (kept.length === 40) engine.releaseBurst(kept.splice(0, 20));
      }
      expect(stats(engine).bytesCopied).toBe(0);
      expect(reader.position).toBe(some.file.length);
      expect(reader.stats()).toMatchObject({ packets: 600, bytes: some.file.length });
      reader.close();
      engine.releaseBurst(kept);
      const { sent, copied, out } = reader.stats();
      const fillings =
        mode.lend === undefined ? 0 : Math.ceil((some.file.length + 1) / (mode.chunk ?? 65536));
      expect({ sent, copied, out }).toEqual({ sent: fillings, copied: 0, out: 0 });
    });
  });

  it.each(Object.entries(MODES))("loses nothing when memory runs out: %s", async (_, mode) => {
    await withEngine(small, (engine) => {
      const reader = CaptureReader.open(engine, some.path, mode);
      const got: Got[] = [];
      const kept: Skb[] = [];
      let refused = 0;
      for (;;) {
        const before = reader.stats().packets;
        const error = tried(reader, kept);
        if (error === undefined && reader.stats().packets === before) break;
        if (error === undefined) continue;
        expect(error).toBeInstanceOf(PoolExhaustedError);
        refused++;
        // Again, while nothing has changed, and once somebody has let go.
        const { position } = reader;
        expect(tried(reader, kept)).toBeInstanceOf(PoolExhaustedError);
        expect(reader.position).toBe(position);
        expect(kept.length).toBeGreaterThan(0);
        got.push(...kept.map(frameOf));
        engine.releaseBurst(kept.splice(0));
      }
      got.push(...kept.map(frameOf));
      engine.releaseBurst(kept);
      reader.close();
      expectFrames(got, some.frames, "all");
      expect(refused).toBeGreaterThan(0);
    });
  });

  it.each(Object.entries(MODES))("loses nothing whichever allocation fails: %s", async (_, mode) => {
    const capture = made(40);
    await withEngine({ ...small, memory: 4 * 1024 * 1024 }, (engine) => {
      for (let nth = 1; ; nth++) {
        const kept: Skb[] = [];
        const reader = CaptureReader.open(engine, capture.path, mode);
        inside(engine).failAllocation(nth);
        let failed = 0;
        for (;;) {
          const before = reader.stats().packets;
          const error = tried(reader, kept);
          if (error !== undefined) {
            expect(error, `allocation ${nth}`).toBeInstanceOf(PoolExhaustedError);
            failed++;
          } else if (reader.stats().packets === before) break;
        }
        const left = inside(engine).failAllocation(0);
        reader.close();
        expectFrames(kept.map(frameOf), capture.frames, `allocation ${nth}`);
        engine.releaseBurst(kept);
        expect(audit(engine).problems).toEqual([]);
        if (left > 0) break;
        // A chunk that is refused its run of pages takes a shorter one.
        expect(failed).toBeLessThanOrEqual(1);
      }
    });
  });

  it("takes shorter runs of pages where there are no longer ones, down to one page", async () => {
    await withEngine(small, (engine) => {
      // Every other page is taken, so that there is no run of two.
      const pages: Skb[] = [];
      for (;;) {
        const skb = engine.tryAlloc(0);
        if (skb === null || codeOf(() => skb.addPageFrag(4096)) !== undefined) {
          skb?.release();
          break;
        }
        pages.push(skb);
      }
      const address = (skb: Skb): number => skb.segments()[0]?.byteOffset ?? 0;
      pages.sort((a, b) => address(a) - address(b));
      engine.releaseBurst(pages.filter((_, i) => i % 2 === 0));
      const reader = CaptureReader.open(engine, some.path);
      const { frames, error } = readAll(reader);
      expect(error).toBeUndefined();
      expectFrames(frames, some.frames, "pages");
      reader.close();
      engine.releaseBurst(pages.filter((_, i) => i % 2 === 1));
    });
  });

  it("joins a packet of a megabyte out of single pages", async () => {
    await withEngine({ ...small, memory: 8 * 1024 * 1024 }, (engine) => {
      const bytes = bytesAt(5, 2 ** 20);
      const file = Buffer.concat([pcapHeader(), pcapRecord(bytesAt(0, 100)), pcapRecord(bytes)]);
      for (const mode of [{ chunk: 4096 }, { chunk: 4096, lend: 300 }, { chunk: 131072 }]) {
        const reader = CaptureReader.open(engine, folder.file(file), mode);
        reader.read()?.release();
        const skb = reader.read() as Skb;
        expectBytes(skb.toBytes(), bytes, JSON.stringify(mode));
        // 257 pages, 17 to a packet; of lent buffers one to a packet.
        if (mode.chunk === 4096)
          expect([skb.frags, skb.listLength]).toEqual(mode.lend === undefined ? [17, 15] : [1, 256]);
        skb.release();
        expect(reader.read()).toBeNull();
        reader.close();
      }
      expect(stats(engine).bytesCopied).toBe(0);
    });
  });

  describe("lent buffers", () => {
    const lent = { lend: 4, chunk: 8192 };

    it("are not written while a packet of theirs is out, and then in turn", async () => {
      await withEngine(small, (engine) => {
        const reader = CaptureReader.open(engine, some.path, lent);
        let done = 0;
        while (done < some.frames.length) {
          const kept: Skb[] = [];
          let error: unknown;
          while (done + kept.length < some.frames.length && error === undefined) error = tried(reader, kept);
          if (error !== undefined) {
            expect((error as Error).message).toBe(
              '"lent buffer" expected 1 free, got 0 (all 4 are out with packets)',
            );
            expect(reader.stats().out).toBe(4);
          }
          // The oldest packet keeps its buffer, whatever becomes of the others.
          const [oldest, ...others] = kept as [Skb, ...Skb[]];
          const wanted = some.frames.slice(done, done + kept.length);
          expectFrames(kept.map(frameOf), wanted, `from ${done}`);
          engine.releaseBurst(others);
          const more: Skb[] = [];
          while (done + kept.length + more.length < some.frames.length && tried(reader, more) === undefined);
          expectFrames([frameOf(oldest)], wanted.slice(0, 1), `the oldest, ${done}`);
          expectFrames(
            more.map(frameOf),
            some.frames.slice(done + kept.length).slice(0, more.length),
            "more",
          );
          oldest.release();
          engine.releaseBurst(more);
          done += kept.length + more.length;
        }
        expect(reader.read()).toBeNull();
        reader.close();
      });
    });

    it("come back early, as copied, from who clones", async () => {
      await withEngine({ ...small, memory: 8 * 1024 * 1024 }, (engine) => {
        const reader = CaptureReader.open(engine, some.path, lent);
        const taps: Skb[] = [];
        for (let skb = reader.read(); skb !== null; skb = reader.read()) {
          taps.push(skb.clone());
          skb.release();
        }
        reader.close();
        // Every buffer was filled many times, and yet what was cloned of it first is as it was.
        const { sent, copied, out } = reader.stats();
        expect(copied).toBe(Math.ceil(some.file.length / 8192));
        expect(sent + out).toBe(0);
        expect(stats(engine).bytesCopied).toBe(some.frames.reduce((sum, { bytes }) => sum + bytes.length, 0));
        expectFrames(taps.map(frameOf), some.frames, "taps");
        engine.releaseBurst(taps);
      });
    });

    it("outlive the reader with the packets that have them", async () => {
      await withEngine(small, (engine) => {
        const reader = CaptureReader.open(engine, some.path, lent);
        const kept = [reader.read(), reader.read(), reader.read()] as Skb[];
        reader.close();
        expect(reader.stats().out).toBe(1);
        expectFrames(kept.map(frameOf), some.frames.slice(0, 3), "kept");
        engine.releaseBurst(kept);
        expect(reader.stats()).toMatchObject({ out: 0, sent: 1 });
      });
    });

    it("hold no longer packets than fit all but one", async () => {
      await withEngine(small, (engine) => {
        expect(codeOf(() => CaptureReader.open(engine, some.path, { ...lent, longest: 24576 }))).toBe(
          "ERR_SKB_RANGE",
        );
        for (const before of [0, 4000, 8191, 8192, 8100]) {
          const bytes = bytesAt(1, 24576 - 64);
          const file = Buffer.concat([pcapHeader(), pcapRecord(bytesAt(0, before)), pcapRecord(bytes)]);
          const reader = CaptureReader.open(engine, folder.file(file), lent);
          expectFrames(readAll(reader).frames, readNaively(file).frames, `${before} before`);
          reader.close();
        }
      });
    });
  });

  it(`gives each packet its own bytes, whoever holds, clones and cuts others meanwhile: SKBUFF_FUZZ_SEED=${seed}`, async () => {
    const pick = chance(seed);
    for (let round = 0; round < 15; round++) {
      const records: Buffer[] = [];
      for (let i = 0; i < 400; i++) {
        const n = [pick(100), pick(1500), pick(9000), pick(20_000)][pick(4)] as number;
        records.push(pcapRecord(bytesAt(i * 31, n)));
      }
      const path = folder.file(Buffer.concat([pcapHeader(), ...records]));
      const chunk = 4096 + pick(60_000);
      const mode = pick(2) === 0 ? { chunk } : { chunk, lend: 2 + Math.ceil(20_100 / chunk) + pick(4) };
      await withEngine({ ...small, memory: 4 * 1024 * 1024 }, (engine) => {
        const reader = CaptureReader.open(engine, path, mode);
        const held: { skb: Skb; at: number; n: number }[] = [];
        const letGo = (): void => {
          const [one] = held.splice(pick(held.length), 1);
          if (one === undefined) return;
          expectBytes(one.skb.toBytes(), bytesAt(one.at, one.n), `round ${round}, ${JSON.stringify(mode)}`);
          one.skb.release();
        };
        for (let i = 0; ; ) {
          let skb: Skb | null = null;
          const error = caught(() => {
            skb = reader.read();
          });
          if (error !== undefined) {
            expect(error).toBeInstanceOf(PoolExhaustedError);
            letGo();
            continue;
          }
          if (skb === null) break;
          const got = skb as Skb;
          const at = i++ * 31;
          held.push({ skb: got, at, n: got.length });
          const how = pick(6);
          // What else is done with it may find no memory, and then does nothing.
          caught(() => {
            if (how === 0) held.push({ skb: got.clone(), at, n: got.length });
            if (how === 1) {
              const from = pick(got.length + 1);
              const n = pick(got.length - from + 1);
              held.push({ skb: got.extract(from, n), at: at + from, n });
            }
            if (how === 2) got.linearize();
            if (how === 3) got.unclone();
          });
          if (pick(3) === 0) letGo();
        }
        expect(reader.stats().packets).toBe(400);
        while (held.length > 0) letGo();
        reader.close();
        expect(reader.stats().out).toBe(0);
      });
    }
  });

  it("fills a Burst as far as there is room, without objects", async () => {
    await withEngine(small, (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      const burst = new Burst(engine, { capacity: 250 });
      const frames: ReturnType<typeof frameOf>[] = [];
      for (let n = reader.readBurst(burst, 7); n !== 0; n = reader.readBurst(burst)) {
        expect(burst.length).toBe(n);
        for (let i = 0; i < n; i++) frames.push(frameOf(burst.at(i)));
        expect(originalLengthOf(burst.at(0))).toBe(burst.lengthOf(0));
        engine.releaseBurst(burst);
      }
      expectFrames(frames, some.frames, "all");
      reader.rewind();
      expect(reader.readBurst(burst, 249)).toBe(249);
      expect(reader.readBurst(burst)).toBe(1);
      expect(reader.readBurst(burst)).toBe(0);
      expect(codeOf(() => reader.readBurst(burst, 1))).toBe("ERR_SKB_RANGE");
      burst.release();
      expect(codeOf(() => reader.readBurst(burst))).toBe("ERR_SKB_REGION");
      reader.close();
    });
  });

  it("uses objects of an array that have ended again, if it is told to", async () => {
    await withEngine(small, (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      const out: Skb[] = new Array(2);
      reader.readBurst(out, 2, { reuse: true });
      const [first, second] = out as [Skb, Skb];
      first.release();
      reader.readBurst(out, 2, { reuse: true });
      expect(out[0]).toBe(first);
      expect(out[1]).not.toBe(second);
      expectFrames(
        [...out, second].map(frameOf),
        [2, 3, 1].map((i) => some.frames[i] as (typeof some.frames)[0]),
        "three",
      );
      engine.releaseBurst([...out, second]);
      reader.close();
    });
  });

  it("reads bursts: as many as are asked for, the rest with the next", async () => {
    await withEngine(small, (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      const out: Skb[] = new Array(250);
      const lengths: number[] = [];
      for (let n = -1; n !== 0; ) {
        n = reader.readBurst(out);
        lengths.push(n);
        engine.releaseBurst(out, n);
      }
      expect(lengths).toEqual([250, 250, 100, 0]);
      reader.rewind();
      const more: Skb[] = [];
      expect(reader.readBurst(more, 3)).toBe(3);
      expect(reader.readBurst(more, 0)).toBe(0);
      expectFrames(more.map(frameOf), some.frames.slice(0, 3), "three");
      engine.releaseBurst(more);
      expect(codeOf(() => reader.readBurst([], -1))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => reader.readBurst({} as never))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => reader.readBurst([], 1, { reuse: 1 } as never))).toBe("ERR_SKB_TYPE");
      expect(caught(() => reader.readBurst([], 1, { reus: true } as never))).toMatchObject({
        code: "ERR_SKB_TYPE",
        message: expect.stringContaining('"reus"'),
      });
      expect(codeOf(() => reader.readBurst(Object.freeze([]) as never, 1))).toBe("ERR_SKB_TYPE");
      reader.close();
    });
  });

  it("gives what it has before it throws, in bursts too", async () => {
    await withEngine({ ...small, memory: 4 * 1024 * 1024 }, (engine) => {
      const cut = CaptureReader.open(engine, folder.file(some.file.subarray(0, -1)));
      const out: Skb[] = [];
      expect(cut.readBurst(out, 1000)).toBe(599);
      const error = expectCaptureError(
        caught(() => cut.readBurst(out, 1000)),
        "cut off",
      );
      expect(caught(() => cut.read())).toBe(error);
      expect(cut.position).toBe(error.offset);
      engine.releaseBurst(out.splice(0));
      // Neither what follows the fault nor the chunk that it is in is kept.
      expect(stats(engine).skbs.used).toBe(0);
      cut.close();
      const lent = CaptureReader.open(engine, some.path, { lend: 2 });
      const n = lent.readBurst(out, 1000);
      expect(n).toBeGreaterThan(100);
      expect(n).toBeLessThan(600);
      expect(codeOf(() => lent.readBurst(out, 1))).toBe("ERR_SKB_EXHAUSTED");
      engine.releaseBurst(out.splice(0));
      expect(lent.readBurst(out, 1000)).toBeGreaterThan(50);
      engine.releaseBurst(out);
      lent.close();
    });
  });

  it("reads a file without blocking, and waits for memory that others have", async () => {
    await withEngine(small, async (engine) => {
      for (const mode of [{ chunk: 4096 }, { lend: 3, chunk: 4096 }]) {
        const reader = CaptureReader.open(engine, some.path, mode);
        const got: Got[] = [];
        const kept: Skb[] = [];
        let turns = 0;
        // Whoever has the packets lets go of them now and then.
        const timer = setInterval(() => {
          turns++;
          engine.releaseBurst(kept.splice(0));
        }, 2);
        for await (const skb of reader) {
          got.push(frameOf(skb));
          kept.push(skb);
        }
        clearInterval(timer);
        engine.releaseBurst(kept);
        reader.close();
        expectFrames(got, some.frames, "async");
        expect(turns).toBeGreaterThan(0);
      }
    });
  });

  it("waits for no longer than its patience, and can be asked again", async () => {
    await withEngine(small, async (engine) => {
      const reader = CaptureReader.open(engine, some.path, { lend: 2, patience: 50 });
      const kept: Skb[] = [];
      const drain = async (): Promise<void> => {
        for await (const skb of reader) kept.push(skb);
      };
      const start = performance.now();
      await expect(drain()).rejects.toBeInstanceOf(PoolExhaustedError);
      expect(performance.now() - start).toBeGreaterThan(49);
      const n = kept.length;
      engine.releaseBurst(kept.splice(0));
      await drain().catch(() => {});
      expect(reader.stats().packets).toBe(n + kept.length);
      engine.releaseBurst(kept);
      reader.close();
    });
  });

  it("can be left in the middle of a loop, and read on otherwise", async () => {
    await withEngine(small, async (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      const got: Got[] = [];
      for await (const skb of reader) {
        got.push(frameOf(skb));
        skb.release();
        if (got.length === 10) break;
      }
      const skb = reader.read() as Skb;
      got.push(frameOf(skb));
      skb.release();
      for await (const packet of reader) {
        got.push(frameOf(packet));
        packet.release();
      }
      expectFrames(got, some.frames, "all");
      reader.close();
    });
  });

  it("is read by two loops at once, each packet by one of them", async () => {
    await withEngine(small, async (engine) => {
      const reader = CaptureReader.open(engine, some.path, { chunk: 4096 });
      const got: Got[] = [];
      const loop = async (): Promise<number> => {
        let n = 0;
        for await (const skb of reader) {
          n++;
          got.push(frameOf(skb));
          skb.release();
          await null;
        }
        return n;
      };
      const [one, two] = await Promise.all([loop(), loop()]);
      expect(one).toBeGreaterThan(0);
      expect(two).toBeGreaterThan(0);
      expectFrames(got, some.frames, "both");
      reader.close();
    });
  });

  it("says that nobody can release anything while this thread is blocked, or waits in vain", async () => {
    await withEngine(small, async (engine) => {
      const reader = CaptureReader.open(engine, some.path, { lend: 2 });
      const kept: Skb[] = [];
      expect(reader.wait()).toBe("ready");
      while (tried(reader, kept) === undefined);
      expect(reader.wait({ timeout: 0 })).toBe("timed-out");
      if (shared) expect(reader.wait({ timeout: 20 })).toBe("timed-out");
      else expect(codeOf(() => reader.wait())).toBe("ERR_SKB_UNSUPPORTED");
      engine.releaseBurst(kept.splice(0));
      expect(reader.wait()).toBe("ready");
      reader.close();
      // Of the pool, too, whether it is packets that are missing or pages.
      for (const skbs of [16, 4096]) {
        await withEngine({ ...small, memory: 2 * 1024 * 1024, skbs }, (scarce) => {
          const pool = CaptureReader.open(scarce, some.path, { chunk: 4096 });
          const ballast: Skb[] = [];
          while (skbs !== 16 && stats(scarce).pages.total - stats(scarce).pages.used > 40) {
            ballast.push(scarce.alloc(0));
            ballast.at(-1)?.addPageFrag(65536);
          }
          while (tried(pool, kept) === undefined);
          expect(pool.wait({ timeout: 0 })).toBe("timed-out");
          if (shared) expect(pool.wait({ timeout: 20 })).toBe("timed-out");
          scarce.releaseBurst(kept.splice(0));
          expect(pool.wait({ timeout: 0 })).toBe("ready");
          pool.close();
          scarce.releaseBurst(ballast);
        });
      }
      expectCaptureError(
        caught(() => reader.wait()),
        "closed",
      );
    });
  });
});

const options: EngineOptions = { memory: 1024 * 1024 };

describe("waiting in a worker", () => {
  it.each<[string, CaptureReaderOptions]>([
    ["lent", { lend: 2, chunk: 8192 }],
    ["pool", { chunk: 8192 }],
  ])("for what another thread releases, %s", async (_, mode) => {
    const agent = new Agent();
    await withEngine({ ...options, threads: 2 }, async (engine) => {
      await agent.attach(engine);
      const ring = new Ring(engine, { capacity: 1024 });
      const running = agent.run(async (seat, token) => {
        const other = seat.skbuff.Ring.attach(seat.engine, token);
        let n = 0;
        while (other.wait() === "ready") {
          // Slowly, so that the reader runs out.
          await new Promise((resolve) => setTimeout(resolve, 1));
          for (let skb = other.dequeue(); skb !== null; skb = other.dequeue()) {
            skb.release();
            n++;
          }
          seat.engine.flush();
        }
        other.release();
        return n;
      }, ring.share());
      const reader = CaptureReader.open(engine, some.path, mode);
      // Of the pool as little is left as makes it run out.
      const ballast: Skb[] = [];
      while (mode.lend === undefined && stats(engine).pages.total - stats(engine).pages.used > 30) {
        const skb = engine.alloc(0);
        skb.addPageFrag(65536);
        ballast.push(skb);
      }
      let waited = 0;
      for (let round = 0; round < 20; ) {
        const skb = (() => {
          try {
            return reader.read();
          } catch (error) {
            if (!(error instanceof PoolExhaustedError)) throw error;
            expect(reader.wait({ timeout: 10_000 })).toBe("ready");
            waited++;
            return undefined;
          }
        })();
        if (skb === null) {
          round++;
          reader.rewind();
        } else if (skb !== undefined) while (!ring.enqueue(skb)) ring.waitWritable();
      }
      ring.close();
      expect(await running).toBe(20 * 600);
      expect(waited).toBeGreaterThan(0);
      reader.close();
      ring.release();
      engine.releaseBurst(ballast);
      await agent.leave();
    });
    await agent.stop();
  });
});

describe("files", () => {
  it("are named in the error if they are none", async () => {
    await withEngine(options, (engine) => {
      const missing = folder.fresh();
      const cases: [string | number, string, string][] = [
        [missing, "ENOENT", "a file that can be read"],
        [folder.path, "EISDIR", "a file that can be read"],
        [987654, "EBADF", "a file that can be read"],
      ];
      for (const [file, code, message] of cases) {
        const error = expectCaptureError(
          caught(() => CaptureReader.open(engine, file)),
          code,
        );
        expect(error.message).toContain(message);
        expect(error.cause).toMatchObject({ code });
        expect(error.file).toBe(typeof file === "number" ? `fd ${file}` : file);
      }
      expect(codeOf(() => CaptureReader.open(engine, -1))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => CaptureReader.open(engine, null as never))).toBe("ERR_SKB_TYPE");
      expect(codeOf(() => CaptureReader.open({} as never, some.path))).toBe("ERR_SKB_TYPE");
      const ranges = [
        { chunk: 4095 },
        { chunk: 131073 },
        { lend: 1 },
        { lend: 1025 },
        { headroom: -1 },
        { longest: 0 },
        { patience: -1 },
      ];
      for (const wrong of ranges)
        expect(
          codeOf(() => CaptureReader.open(engine, some.path, wrong)),
          JSON.stringify(wrong),
        ).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => CaptureReader.open(engine, some.path, { lend: 15 }))).toBe("ERR_SKB_EXHAUSTED");
    });
    const closed = await withEngine(options, (engine) => engine);
    expect(codeOf(() => CaptureReader.open(closed, some.path))).toBe("ERR_SKB_CLOSED");
  });

  it("leave no descriptor open when they are no captures", async () => {
    const before = openSync(some.path, "r");
    closeSync(before);
    await withEngine(options, (engine) => {
      const wrong = folder.file(Buffer.from("not a capture"));
      for (let i = 0; i < 10; i++)
        expectCaptureError(
          caught(() => CaptureReader.open(engine, wrong)),
          "wrong",
        );
      for (let i = 0; i < 10; i++) caught(() => CaptureReader.open(engine, some.path, { lend: 15 }));
    });
    const after = openSync(some.path, "r");
    closeSync(after);
    expect(after).toBe(before);
  });

  it("given as descriptors stay open, and are read from where they stand", async () => {
    await withEngine(options, (engine) => {
      const fd = openSync(some.path, "r");
      const reader = CaptureReader.open(engine, fd);
      expectFrames(readAll(reader).frames, some.frames, "fd");
      reader.rewind();
      expectFrames(readAll(reader).frames, some.frames, "rewound");
      reader.close();
      expect(readSync(fd, Buffer.alloc(4), 0, 4, 0)).toBe(4);
      readSync(fd, Buffer.alloc(24), 0, 24, 0);
      closeSync(fd);
      const later = openSync(folder.file(Buffer.concat([Buffer.from("junk"), some.file])), "r");
      readSync(later, Buffer.alloc(4));
      const second = CaptureReader.open(engine, later);
      expectFrames(readAll(second).frames, some.frames, "behind something else");
      second.rewind();
      expectCaptureError(
        caught(() => second.read()),
        "its start is no capture",
      );
      second.close();
      closeSync(later);
    });
  });

  it("can be read again, after the end and after a fault", async () => {
    await withEngine(options, (engine) => {
      const file = everyBlock(bytesAt);
      const { frames } = readNaively(file);
      const whole = CaptureReader.open(engine, folder.file(file));
      for (let i = 0; i < 3; i++) {
        expect(whole.position).toBe(i === 0 ? 24 : 0);
        expectFrames(readAll(whole).frames, frames, `time ${i}`);
        expect(whole.interfaces.length).toBe(6);
        whole.rewind();
      }
      whole.read()?.release();
      whole.rewind();
      expectFrames(readAll(whole).frames, frames, "begun before");
      expect(whole.stats().packets).toBe(frames.length * 4 + 1);
      whole.close();
      const cut = CaptureReader.open(engine, folder.file(file.subarray(0, -1)), { lend: 2 });
      for (let i = 0; i < 3; i++) {
        const { frames: got, error } = readAll(cut);
        expectFrames(got, frames.slice(0, -1), `time ${i}`);
        expectCaptureError(error, "cut off");
        cut.rewind();
      }
      cut.close();
    });
  });

  it("say what they are", async () => {
    await withEngine(options, (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      expect([reader.format, reader.stats().packets, reader.position]).toEqual(["pcap", 0, 24]);
      expect(reader.interfaces).toEqual([{ linkType: 1, snapLength: 65535, name: "", ticksPerSecond: 1e6 }]);
      reader.close();
      const blocks = CaptureReader.open(engine, folder.file(everyBlock(bytesAt)));
      expect([blocks.format, blocks.interfaces]).toEqual(["pcapng", []]);
      blocks.read()?.release();
      expect(blocks.interfaces).toEqual([{ linkType: 1, snapLength: 64, name: "eth0", ticksPerSecond: 1e9 }]);
      blocks.close();
    });
  });
});

describe("a reader", () => {
  it("of an engine that watches for leaks is watched, too", async () => {
    const leaks: unknown[] = [];
    await withEngine({ ...options, debug, onLeak: (leak) => leaks.push(leak) }, (engine) => {
      for (const mode of [{}, { lend: 2 }]) {
        const reader = CaptureReader.open(engine, some.path, mode);
        const skb = reader.read() as Skb;
        skb.release();
        const message = (caught(() => skb.length) as Error).message;
        expect(message).toContain("allocated");
        expect(message).toContain("capture-reader.test.ts");
        reader.close();
      }
    });
    expect(leaks).toEqual([]);
  });

  it("once closed says so, and can be closed again", async () => {
    await withEngine(options, async (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      reader.close();
      reader.close();
      for (const call of [() => reader.read(), () => reader.readBurst([]), () => reader.rewind()])
        expect(expectCaptureError(caught(call), String(call)).message).toContain(
          "an open reader, got a closed one",
        );
      await expect(reader[Symbol.asyncIterator]().next()).rejects.toThrow("an open reader");
    });
  });

  it("can be closed after its engine", async () => {
    const engine = await withEngine(options, (one) => one);
    expect(engine.closed).toBe(true);
    for (const mode of [{}, { lend: 2 }]) {
      const { Engine: Fresh } = await import("skbuff");
      const other = await Fresh.create(options);
      const reader = CaptureReader.open(other, some.path, mode);
      reader.read()?.release();
      expect(other.close({ force: true }).length).toBeGreaterThan(0);
      expect(codeOf(() => reader.read())).toBe("ERR_SKB_CLOSED");
      reader.close();
    }
  });

  it("is named by who closes its engine", async () => {
    await withEngine(options, (engine) => {
      const reader = CaptureReader.open(engine, some.path);
      const holders = (caught(() => engine.close()) as { holders: string[] }).holders;
      expect(holders).toEqual([expect.stringMatching(/^skb \d+: 65536 bytes, 1 users, thread 1$/)]);
      reader.close();
    });
  });

  it("refuses a callback that calls it back, and bears one that closes it", async () => {
    const told: unknown[] = [];
    await withEngine({ ...options, onError: (error) => told.push(error) }, async (engine) => {
      for (const close of [false, true]) {
        const reader = CaptureReader.open(engine, some.path, { lend: 2, chunk: 8192 });
        let told = 0;
        const region = new UserRegion(engine, 100);
        const kept: Skb[] = [];
        const ubuf = new Ubuf(engine, () => {
          told++;
          if (close) reader.close();
          else reader.read();
        });
        const carrier = engine.alloc(0);
        carrier.addUserFrag(region, 0, 100, ubuf);
        // It completes without its callback being run, until the reader looks for a buffer.
        (engine as unknown as { _core: { release(handle: number, reason: number): void } })._core.release(
          carrier.handle,
          0,
        );
        while (told === 0) expect(tried(reader, kept)).toBeUndefined();
        if (close) expectCaptureError(tried(reader, kept), "closed by a callback");
        engine.releaseBurst(kept);
        reader.close();
        region.release();
      }
      await null;
    });
    expect(told).toHaveLength(1);
    expect(expectCaptureError(told[0], "within").message).toContain("one call at a time, got another one");
  });
});

describe("notes", () => {
  it("say what a capture says, go along, and are missing elsewhere", async () => {
    await withEngine(options, (engine: Engine) => {
      const skb = engine.alloc(100).putData(bytesAt(0, 50));
      expect([originalLengthOf(skb), linkTypeOf(skb), interfaceOf(skb)]).toEqual([50, null, null]);
      noteCapture(skb);
      expect([originalLengthOf(skb), linkTypeOf(skb), interfaceOf(skb)]).toEqual([50, 1, 0]);
      skb.putData(bytesAt(0, 1));
      expect(originalLengthOf(skb)).toBe(51);
      noteCapture(skb, { linkType: 65535, interface: 0xffffffff, originalLength: 0xfffffffe });
      const twin = skb.clone();
      const part = skb.extract(10, 20);
      for (const one of [skb, twin, part])
        expect([originalLengthOf(one), linkTypeOf(one), interfaceOf(one)]).toEqual([
          0xfffffffe, 65535, 0xffffffff,
        ]);
      engine.releaseBurst([skb, twin, part]);
      const next = engine.alloc(10);
      expect(linkTypeOf(next)).toBeNull();
      for (const wrong of [{ linkType: 65536 }, { interface: -1 }, { originalLength: 2 ** 32 }])
        expect(codeOf(() => noteCapture(next, wrong))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => noteCapture({} as never))).toBe("ERR_SKB_TYPE");
      next.release();
      for (const call of [noteCapture, originalLengthOf, linkTypeOf, interfaceOf])
        expect(codeOf(() => call(next))).toBe("ERR_SKB_STALE");
    });
  });
});
