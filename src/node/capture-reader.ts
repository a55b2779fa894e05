/// <reference lib="esnext.disposable" preserve="true" />
// CaptureReader: the packets of a capture file, or of a pipe that a capture comes through.

import { MAX_LENGTH, MAX_LINEAR, PAGE_BYTES } from "../../assembly/layout.js";
import { checkInteger, checkOptions, type Names, U32_MOST } from "../check.js";
import { describes } from "../describe.js";
import { blockOn, checkEngine, checkOpen, deliver } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError, PoolExhaustedError, UnsupportedError } from "../errors.js";
import type { Skb } from "../skb.js";
import { checkTimeout, checkWait, ENGINE_WAIT_OPTIONS, type WaitOptions, type Wakeup } from "../wait.js";
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
   * the packets of its last filling have let go of it; whoever clones one of them copies it (`sharing: "copy"`). Default: fresh pages.
   */
  lend?: number;
  /** Bytes in front of each packet for headers to come. Default: 64. */
  headroom?: number;
  /**
   * Bytes that a packet may have; longer ones are passed over, and counted (`stats().skipped`). Default: 1 MiB. With
   * `lend` no more than what all buffers but one hold.
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
 * `linkTypeOf(skb)`, `interfaceOf(skb)`.
 *
 * One that is compressed with gzip, or with zstd where Node can inflate it (from 22.15 on), is read by `for await` alone, because
 * Node inflates only meanwhile. Positions and bytes are then those of the capture.
 *
 * A capture that is cut off or damaged gives every whole packet before the fault, then CaptureError, again and again.
 *
 * @example
 * const reader = CaptureReader.open(engine, capture);
 * for (let packet = reader.read(); packet !== null; packet = reader.read()) packet.release();
 * reader.packets; // → 3
 * reader.close();
 */
export class CaptureReader {
  readonly #engine: Engine;
  readonly #file: CaptureFile;
  readonly #lent: LentChunks | null;
  readonly #feed: CaptureFeed;
  readonly #patience: number;
  /** Whether a call is under way, which a callback of somebody's ubuf must not repeat. */
  #busy = false;
  #closed = false;

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
  }

  /**
   * Opens a file by its path, a file descriptor, which stays yours to close, or `"-"`, standard input. Of a regular file the
   * header is read at once, of anything else, or if it is compressed, with the first packet; a named pipe that nobody has written to yet is waited for
   * there, too. Returns an owned reader. Borrows the engine.
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
   * The interfaces that have been described so far, which `interfaceOf(skb)` counts. Of a capture in several sections those
   * of all, one after the other.
   */
  get interfaces(): readonly CaptureInterface[] {
    return this.#feed.format?.interfaces ?? [];
  }

  /** Packets read since it was opened. */
  get packets(): number {
    return this.#feed.packets;
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
   * The next packets, up to `count`, into `out[0]` and on. Returns how many, 0 at the end; the rest of `out` stays as it is.
   * Default: `count` is `out.length`. Of a pipe those that have come, at least one.
   *
   * @throws as `read`, if it happens at the first packet; else the next call does
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * const burst = new Array(32);
   * const n = reader.readBurst(burst);
   * n; // → 3
   * engine.releaseBurst(burst, n);
   * reader.close();
   */
  readBurst(out: (Skb | null | undefined)[], count?: number): number {
    if (!Array.isArray(out)) throw new ArgumentTypeError("out", "an array", out);
    const wanted = checkInteger("count", count ?? out.length, 0, U32_MOST);
    this.#enter();
    let done = 0;
    try {
      while (done < wanted) {
        const skb = this.#feed.next(done === 0 || this.#file.regular);
        if (skb === null) break;
        put(out, done, skb);
        done++;
      }
    } catch (error) {
      if (done === 0 || !(error instanceof PoolExhaustedError || error === this.#feed.failed)) throw error;
    } finally {
      this.#leave();
    }
    return done;
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
      if (!engine.shared) throw new UnsupportedError("wait", "shared memory (else use for await)", "another");
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
   * The packets that are left, each an owned one. Reads without blocking. Where there is no memory it waits, up to `patience`
   * milliseconds for each packet. Breaking out of the loop leaves the reader open.
   *
   * @throws CaptureError, PoolExhaustedError, as rejections
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * for await (const packet of reader) packet.release();
   * reader.packets; // → 3
   * reader.close();
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    let patience = Number.POSITIVE_INFINITY;
    for (;;) {
      let skb: Skb | null = null;
      try {
        skb = this.#come();
        if (skb === null && this.#feed.ended) return;
        if (skb === null) await this.#feed.fillAsync();
        patience = Number.POSITIVE_INFINITY;
      } catch (error) {
        if (!(error instanceof PoolExhaustedError)) throw error;
        patience = Math.min(patience, performance.now() + this.#patience);
        do {
          if (performance.now() >= patience) throw error;
          await pause(LOOK_MS);
        } while (!this.#isWorthIt());
      }
      if (skb !== null) yield skb;
    }
  }

  /** A packet among the bytes that have come. */
  #come(): Skb | null {
    if (this.#closed) throw this.#closedError();
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
    if (this.#closed) throw this.#closedError();
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
   * `close()`.
   *
   * @example
   * const reader = CaptureReader.open(engine, capture);
   * reader[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Before what reads. */
  #enter(): void {
    if (this.#closed) throw this.#closedError();
    checkOpen(this.#engine);
    if (this.#busy || this.#feed.filling) throw this.#feed.error("one call at a time", "another one");
    this.#busy = true;
  }

  /** After it. A callback of somebody's ubuf may have closed the reader meanwhile. */
  #leave(): void {
    this.#busy = false;
    if (this.#closed) this.#feed.close();
  }

  #closedError(): Error {
    return this.#feed.error("an open reader", "a closed one");
  }
}

describes(CaptureReader, "CaptureReader", ({ format, packets, position }) => ({
  format,
  packets,
  position,
}));

/** Gives a packet to a user's array; if that does not take it, it is released, and so are those that were put before. */
function put(out: (Skb | null | undefined)[], at: number, skb: Skb): void {
  try {
    out[at] = skb;
  } catch {
    skb.release();
    for (let i = 0; i < at; i++) (out[i] as Skb)[Symbol.dispose]();
    throw new ArgumentTypeError("out", "an array that takes packets", out);
  }
}
