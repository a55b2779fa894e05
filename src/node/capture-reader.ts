/// <reference lib="esnext.disposable" preserve="true" />
// CaptureReader: the packets of a capture file, or of a pipe that a capture comes through.

import { MAX_LENGTH, MAX_LINEAR, PAGE_BYTES } from "../../assembly/layout.js";
import type { AbortSignalLike } from "../abort.js";
import { checkInteger, checkOptions, checkReuse, type Names } from "../check.js";
import { describes } from "../describe.js";
import { blockOn, checkEngine, checkOpen, deliver, putEach } from "../driver.js";
import type { Engine } from "../engine.js";
import { PoolExhaustedError, UnsupportedError } from "../errors.js";
import { EventWaiter } from "../io/event-waiter.js";
import { checkPackets, noPacket, type PacketsOptions } from "../iteration.js";
import type { DequeueOptions } from "../ring.js";
import type { Skb } from "../skb.js";
import type { Packets } from "../staging.js";
import {
  checkTimeout,
  checkWait,
  countdown,
  ENGINE_WAIT_OPTIONS,
  type WaitOptions,
  type Wakeup,
} from "../wait.js";
import { CaptureFeed, type Limits } from "./capture-feed.js";
import { CaptureFile, pause, sleep } from "./capture-file.js";
import type { CaptureInterface } from "./capture-format.js";
import { LentChunks, PoolChunks } from "./chunks.js";

/** 16 KiB take a sixth more time a packet, 128 KiB a tenth less; but of a chunk the last packet keeps all. */
const CHUNK = 65536;
/** Four times what libpcap captures of a packet, twice the longest that BIG TCP makes. */
const LONGEST = 1024 * 1024;
/** Headers and trailers around a packet. */
const RECORD_MOST = 64;
const LENT_MOST = 1024;
const PATIENCE_MS = 1000;
/** Milliseconds between looks whether the pool has something again. */
const LOOK_MS = 1;

/** How a capture is read. */
export interface CaptureReaderOptions {
  /**
   * Bytes that are read at a time into memory that packets then share, 4096..131072. Default: 65536. A packet keeps all of
   * them in use: `copy()` one that is to be kept for long.
   */
  chunk?: number;
  /**
   * Reads into so many buffers of a user region in turn, 2..1024, instead of into fresh pages. Each is filled again when
   * the packets of its last filling have let go of it; a clone of one of them is a copy (`sharing: "copy"`). Default: fresh pages.
   */
  lend?: number;
  /** Bytes in front of each packet for headers to come, 0..131072. Default: 64. */
  headroom?: number;
  /**
   * Bytes that a packet may have; longer ones are passed over, and counted (`stats().skipped`). Default: 1 MiB. With
   * `lend`, at most what all buffers but one hold.
   */
  longest?: number;
  /** Milliseconds that `for await` waits for memory at most. Default: 1000. */
  patience?: number;
}

const READER_NAMES: Names<CaptureReaderOptions> = {
  chunk: true,
  lend: true,
  headroom: true,
  longest: true,
  patience: true,
};

/** What a reader has done since it was opened. */
export interface CaptureReaderStats {
  /** Packets that were read. */
  readonly packets: number;
  /** Packets that were passed over, because they have more bytes than `longest`. */
  readonly skipped: number;
  /** Bytes read from the file. */
  readonly bytes: number;
  /** With `lend`: fillings that came back, none of their bytes copied. */
  readonly sent: number;
  /** With `lend`: fillings that came back because some bytes were copied. */
  readonly copied: number;
  /** With `lend`: buffers that packets have, or the reader itself. */
  readonly out: number;
}

/**
 * Reads a capture, pcap or pcapng, from a file or pipe. Its packets share the memory that the file was read into; nothing is
 * copied. Each has its time (`timestamp`) and a note of what else the capture says: `originalLengthOf(skb)`,
 * `linkTypeOf(skb)`, `interfaceOf(skb)`. The head of each is empty but for its headroom; all bytes are in frags. What works on the
 * head alone (`pull`, `bytes`, `networkHeader` and its like) needs `mayPull(n)` first, which copies `n` bytes there; `readU16` and
 * its like do not.
 *
 * One that is compressed with gzip, or with zstd where Node can inflate it (from 22.15 on), is read by `for await` alone, because
 * Node inflates only meanwhile. Positions and bytes are then those of the capture.
 *
 * A capture that is cut off or damaged gives every whole packet before the fault, then CaptureError, again and again.
 *
 * @example
 * const reader = CaptureReader.open(engine, capture);
 * for (let packet = reader.read(); packet !== null; packet = reader.read()) packet.release();
 * reader.stats().packets; // → 3
 * reader.close();
 */
export class CaptureReader {
  readonly #engine: Engine;
  readonly #file: CaptureFile;
  readonly #lent: LentChunks | null;
  readonly #feed: CaptureFeed;
  readonly #patience: number;
  /** Those who wait for the read that is under way. */
  readonly #waiter: EventWaiter;
  /** The object by which packets get into a burst, one after the other. */
  #carrier: Skb | null = null;
  /** Whether a call is under way, which a callback of somebody's ubuf must not repeat. */
  #busy = false;
  #closed = false;
  /** The reason, once it was aborted. */
  #aborted: { readonly reason: unknown } | null = null;

  private constructor(
    engine: Engine,
    file: CaptureFile,
    source: PoolChunks | LentChunks,
    limits: Limits,
    patience: number,
  ) {
    this.#engine = engine;
    this.#file = file;
    this.#lent = source instanceof LentChunks ? source : null;
    this.#feed = new CaptureFeed(engine, file, source, limits);
    this.#patience = patience;
    this.#waiter = new EventWaiter(engine, () => Number.POSITIVE_INFINITY);
  }

  /**
   * Opens a file by its path, a file descriptor, which stays yours to close, or `"-"`, standard input. The header of a regular file
   * is read at once; of anything else, or if it is compressed, with the first packet, which also waits for a named pipe that nobody
   * has written to yet. Returns an owned reader. Borrows the engine.
   *
   * @throws CaptureError if it cannot be opened or is no capture, or a writer or tap of this thread has the same file open,
   * whatever its path; PoolExhaustedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const reader = CaptureReader.open(engine, capture, { headroom: 128 });
   * reader.format; // → "pcap"
   * reader.close();
   */
  static open(engine: Engine, file: string | number, options?: CaptureReaderOptions): CaptureReader {
    checkEngine(engine);
    const given = checkOptions(options, READER_NAMES);
    const chunk = checkInteger("chunk", given.chunk ?? CHUNK, PAGE_BYTES, MAX_LINEAR);
    const headroom = checkInteger("headroom", given.headroom ?? 64, 0, MAX_LINEAR);
    const { lend } = given;
    if (lend !== undefined) checkInteger("lend", lend, 2, LENT_MOST);
    // Wherever in a buffer a record starts, so many bytes of it are in the buffers together.
    const room = lend === undefined ? MAX_LENGTH : (lend - 1) * chunk;
    const most = room - RECORD_MOST;
    const longest = checkInteger("longest", given.longest ?? Math.min(LONGEST, most), 1, most);
    const patience = checkTimeout(given.patience ?? PATIENCE_MS);
    const opened = CaptureFile.open(file, "r");
    let reader: CaptureReader | null = null;
    try {
      const source =
        lend === undefined
          ? new PoolChunks(engine, chunk, headroom)
          : new LentChunks(engine, lend, chunk, headroom);
      reader = new CaptureReader(engine, opened, source, { longest, room }, patience);
      if (opened.regular) reader.#feed.begin();
      return reader;
    } catch (error) {
      if (reader === null) opened.close(0);
      else reader.close();
      throw error;
    }
  }

  // ─── What it is ──────────────────────────────────────────────────────────────────────────────────────

  /** The capture's format; null before anything has been read. */
  get format(): "pcap" | "pcapng" | null {
    return this.#feed.format?.name ?? null;
  }

  /**
   * The interfaces that the capture has described so far; `interfaceOf(skb)` is an index into them. Those of several sections
   * follow one another.
   */
  get interfaces(): readonly CaptureInterface[] {
    return this.#feed.format?.interfaces ?? [];
  }

  /** Bytes of the capture before the next packet's record, or before the fault. */
  get position(): number {
    return this.#feed.position;
  }

  /**
   * Counters.
   *
   * @example
   * const reader = CaptureReader.open(engine, capture, { lend: 2, chunk: 4096 });
   * reader.read().release();
   * reader.stats().out; // → 1
   * reader.close();
   */
  stats(): CaptureReaderStats {
    const lent = this.#lent;
    if (lent !== null) deliver(this.#engine);
    const { sent = 0, copied = 0, out = 0 } = lent ?? {};
    const { packets, skipped, bytes } = this.#feed;
    return { packets, skipped, bytes, sent, copied, out };
  }

  /** What `stats` says, without the callbacks that it runs. @internal */
  get _packets(): number {
    return this.#feed.packets;
  }

  // ─── Reading ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The next packet; null at the end. Blocks while a pipe has none. Returns an owned one.
   *
   * @throws CaptureError; PoolExhaustedError if there is no memory, or all lent buffers are out: nothing is lost, try again
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * const packet = reader.read();
   * packet.length; // → 60
   * packet.timestamp; // → 1_700_000_000_000_001_000n
   * packet.release();
   * reader.close();
   */
  read(): Skb | null {
    this.#enter();
    try {
      return this.#feed.next(true);
    } finally {
      this.#leave();
    }
  }

  /**
   * The next packets, up to `count`, into `out[0]` and on, or into a `Burst`, which makes no objects for them. Returns how many, 0 at
   * the end; the rest of an array stays as it is. Of a pipe those that have come, at least one. `reuse` uses `Skb` objects
   * in the array that have ended again. Default: `count` is `out.length`, or what the burst has room for.
   *
   * @throws as `read`, if it happens at the first packet; else the next call does; ForeignSkbError, StaleRegionError for a burst
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * const burst = new Burst(engine);
   * reader.readBurst(burst); // → 3
   * burst.lengthOf(0); // → 60
   * burst.release();
   * reader.close();
   */
  readBurst(out: Packets, count?: number, options?: DequeueOptions): number {
    const reuse = checkReuse(options);
    const array = Array.isArray(out) ? out : null;
    let done = 0;
    const next = (): Skb | null => {
      const old = array === null ? this.#carrier : reuse ? (array[done] ?? null) : null;
      let skb: Skb | null;
      try {
        skb = this.#feed.next(done === 0 || this.#file.regular, old);
      } catch (error) {
        if (done > 0 && (error instanceof PoolExhaustedError || error === this.#feed.failed)) return null;
        throw error;
      }
      if (array === null) this.#carrier = skb;
      done++;
      return skb;
    };
    this.#enter();
    try {
      return putEach(this.#engine, out, count, next, always);
    } finally {
      this.#leave();
    }
  }

  /**
   * Blocks this thread until another try after PoolExhaustedError is worth it: until a lent buffer has come back, or the pool
   * has something: `ready`; or until `timed-out`.
   *
   * @throws UnsupportedError on unshared memory, where nobody could release anything meanwhile; CaptureError once closed
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * reader.wait({ timeout: 100 }); // → "ready"
   * reader.close();
   */
  wait(options?: Omit<WaitOptions, "completions">): Wakeup {
    const wait = checkWait(options, [], ENGINE_WAIT_OPTIONS);
    const engine = this.#engine;
    const deadline = performance.now() + wait.timeout;
    for (;;) {
      if (this.#isWorthIt()) return "ready";
      const left = deadline - performance.now();
      if (left <= 0) return "timed-out";
      if (!engine.shared)
        throw new UnsupportedError("wait", "shared memory (else use waitAsync)", "unshared memory");
      if (this.#feed.awaitsCompletion) {
        blockOn(engine, { ...wait, timeout: left, completions: true });
      } else {
        // What this thread keeps in its magazines others may be waiting for, who have what it waits for.
        engine.flush();
        sleep(Math.min(left, LOOK_MS));
      }
    }
  }

  /**
   * As `wait`, but returns a promise instead of blocking; on unshared memory, too.
   *
   * @throws CaptureError once closed, the reason of `signal` or `abort`, ArgumentRangeError, ArgumentTypeError (as rejections)
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * await reader.waitAsync({ timeout: 100 }); // → "ready"
   * reader.close();
   */
  async waitAsync(options?: Omit<WaitOptions, "completions">): Promise<Wakeup> {
    const { timeout, signal } = checkWait(options, [], ENGINE_WAIT_OPTIONS);
    const left = countdown(timeout);
    while (!this.#isWorthIt()) {
      if (left() <= 0) return "timed-out";
      await pause(LOOK_MS);
      checkAborted(signal);
    }
    return "ready";
  }

  /**
   * The packets that are left, each an owned one. Reads without blocking. Where there is no memory it waits, up to `patience`
   * milliseconds for each packet. Breaking out of the loop leaves the reader open, and so does an error that is not the capture's:
   * nothing is lost, and the next loop goes on.
   *
   * @throws CaptureError, PoolExhaustedError, the reason of `abort`; TimeoutError if no packet came for `timeout` milliseconds
   * (from a pipe, say, or for want of memory); the reason of `signal`; ArgumentTypeError, ArgumentRangeError
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * for await (const packet of reader.packets({ timeout: 1000 })) packet.release();
   * reader.stats().packets; // → 3
   * reader.close();
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return this.#iterate(checkPackets(options));
  }

  /**
   * `packets()` without options.
   *
   * @throws as `packets`
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * for await (const packet of reader) packet.release();
   * reader.stats().packets; // → 3
   * reader.close();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  async *#iterate(options: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    const { timeout = Number.POSITIVE_INFINITY, signal } = options;
    for (;;) {
      const left = countdown(timeout);
      let patience = Number.POSITIVE_INFINITY;
      let skb: Skb | null = null;
      while (skb === null) {
        checkAborted(signal);
        try {
          skb = this.#come();
          if (skb !== null) break;
          if (this.#feed.ended) return;
          await this.#filled(left(), options);
          patience = Number.POSITIVE_INFINITY;
        } catch (error) {
          if (!(error instanceof PoolExhaustedError)) throw error;
          patience = Math.min(patience, performance.now() + this.#patience);
          do {
            if (performance.now() >= patience) throw error;
            if (left() <= 0) throw noPacket(options.timeout);
            await pause(LOOK_MS);
            checkAborted(signal);
          } while (!this.#isWorthIt());
        }
      }
      yield skb;
    }
  }

  /** Reads on. What becomes of a read that is not waited for any more, whoever comes next finds. */
  async #filled(timeout: number, { signal, timeout: given }: PacketsOptions): Promise<void> {
    const wake = (): void => this.#waiter.wake();
    void this.#feed.fillAsync().then(wake, wake);
    const look = () => (this.#feed.filling ? null : "ready");
    const woken = await this.#waiter.wait(look, 0, signal === undefined ? { timeout } : { timeout, signal });
    if (woken === "timed-out") throw noPacket(given);
  }

  /** A packet among the bytes that have come. */
  #come(): Skb | null {
    this.#checkOpen();
    // Until the read that is under way ends there is none: somebody has looked, and then begun it.
    if (this.#feed.filling) return null;
    this.#enter();
    try {
      return this.#feed.next(false);
    } finally {
      this.#leave();
    }
  }

  #isWorthIt(): boolean {
    this.#checkOpen();
    return this.#feed.isWorthIt();
  }

  // ─── Life ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Goes back to byte 0 of a regular file; a fault is forgotten. The header is read again with the first packet. Packets that
   * are out stay good.
   *
   * @throws CaptureError if it is no regular file
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * reader.read().release();
   * reader.rewind();
   * reader.position; // → 0
   * reader.close();
   */
  rewind(): void {
    this.#enter();
    try {
      if (!this.#file.regular) throw this.#feed.error("a regular file", "a pipe or device");
      this.#feed.rewind();
    } finally {
      this.#leave();
    }
  }

  /**
   * Lets go of the file and of what has been read but not handed out. Packets that are out stay good. Does nothing the second
   * time. While a read of `for await` is under way, that ends first.
   *
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * const packet = reader.read();
   * reader.close();
   * packet.length; // → 60
   * packet.release();
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#busy) this.#feed.close();
  }

  /**
   * Closes the reader. Loops that wait, and all calls from then on, fail with `reason`. A pipe that nobody writes to cannot hold it
   * up; memory that the system is reading into comes back when that ends. Packets that are out stay good. Does nothing
   * once closed. Default: `reason` is a CaptureError.
   *
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * reader.abort(new Error("no time left"));
   * await reader.packets().next().catch((error) => error.message); // → "no time left"
   */
  abort(reason: unknown = this.#feed.error("an open reader", "an aborted one")): void {
    if (this.#closed) return;
    this.#aborted = { reason };
    // Before anything wakes them.
    this.#waiter.fail(reason);
    this.close();
  }

  /**
   * `abort()`.
   *
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * reader[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.abort();
  }

  /** Before what reads. */
  #enter(): void {
    this.#checkOpen();
    checkOpen(this.#engine);
    if (this.#busy || this.#feed.filling) throw this.#feed.error("one call at a time", "another one");
    this.#busy = true;
  }

  /** After it. A callback of somebody's ubuf may have closed the reader meanwhile. */
  #leave(): void {
    this.#busy = false;
    if (this.#closed) this.#feed.close();
  }

  /** @throws CaptureError once closed, the reason of `abort` */
  #checkOpen(): void {
    if (this.#aborted !== null) throw this.#aborted.reason;
    if (this.#closed) throw this.#feed.error("an open reader", "a closed one");
  }
}

describes(CaptureReader, "CaptureReader", ({ format, _packets: packets, position }) => ({
  format,
  packets,
  position,
}));

/** @throws the reason, if it is aborted */
function checkAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

function always(): boolean {
  return true;
}
