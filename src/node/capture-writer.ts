/// <reference lib="esnext.disposable" preserve="true" />
// CaptureWriter: packets into a capture file.

import {
  MAX_LENGTH,
  SKB_LEN,
  SKB_TIMESTAMP_HIGH,
  SKB_TIMESTAMP_LOW,
  SKB_USERS,
} from "../../assembly/layout.js";
import type { Burst } from "../burst.js";
import { checkInteger, checkOneOf, checkOptions, type Names } from "../check.js";
import { describes } from "../describe.js";
import { checkEngine, coreOf, eachTaken, handleOf, heapOf, refused, take } from "../driver.js";
import type { Engine } from "../engine.js";
import { HeldSkbError } from "../errors.js";
import { EventWaiter, type Look } from "../io/event-waiter.js";
import type { Transmitter } from "../io/transmitter.js";
import type { Skb } from "../skb.js";
import type { SkbArray } from "../staging.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import { CaptureFile } from "./capture-file.js";
import { ETHERNET, LINK_TYPE_MOST, NoteView } from "./capture-note.js";
import { PacketRecord, PcapngRecords, PcapRecords, type Resolution } from "./capture-records.js";
import { CaptureSink } from "./capture-sink.js";
import { CaptureError } from "./errors.js";
import type { Halt } from "./halt.js";

/** What libpcap, and so tcpdump, reads of a packet at most. */
const SNAP_LENGTH = 262144;
/** As many as go out with one call, if each is in one piece. */
const BATCH = 256;
const BATCH_MOST = 65536;

/** How a capture is written. */
export interface CaptureWriterOptions {
  /** The format. pcapng takes packets of several link types and interfaces. Default: `pcapng`. */
  format?: "pcapng" | "pcap";
  /** Link type of packets without a note (see `noteCapture`). Default: 1, Ethernet. */
  linkType?: number;
  /**
   * Bytes of a packet that are written at most, 1..2^31-1; its original length stays what it is. Default: 262144, which is
   * what tcpdump reads.
   */
  snapLength?: number;
  /** How exactly times are written. Default: `ns`. */
  resolution?: Resolution;
  /** Packets that are taken before they must be flushed, 1..65536. Default: 256. */
  batch?: number;
}

const WRITER_NAMES: Names<CaptureWriterOptions> = {
  format: true,
  linkType: true,
  snapLength: true,
  resolution: true,
  batch: true,
};

/** What a writer has done. */
export interface CaptureWriterStats {
  /** Packets that were written. */
  readonly packets: number;
  /** Bytes that were written, headers and all. */
  readonly bytes: number;
  /** Packets that were taken and could not be written. */
  readonly dropped: number;
}

/**
 * Writes packets into a capture, pcapng or pcap, with their time (`timestamp`) and what their note says. Nothing
 * is copied: the system reads the packets where they are.
 *
 * @example
 * const writer = CaptureWriter.open(engine, fresh);
 * noteCapture(skb, { linkType: 1, originalLength: 1500 });
 * skb.timestamp = 1_700_000_000_123_456_789n;
 * writer.enqueue(skb);
 * writer.closeSync();
 * const reader = CaptureReader.open(engine, fresh);
 * const packet = reader.read();
 * originalLengthOf(packet); // → 1500
 * packet.release();
 * reader.close();
 */
export class CaptureWriter implements Transmitter {
  readonly #engine: Engine;
  readonly #sink: CaptureSink;
  readonly #waiter: EventWaiter;
  readonly #batch: number;
  readonly #linkType: number;
  readonly #snapLength: number;
  readonly #record = new PacketRecord();
  readonly #note = new NoteView();

  #closing: Promise<void> | undefined;

  private constructor(engine: Engine, sink: CaptureSink, linkType: number, snapLength: number) {
    this.#engine = engine;
    this.#sink = sink;
    this.#batch = sink.room;
    // What ended it is for all to see.
    this.#waiter = new EventWaiter(engine, () => (sink.ended ? Number.POSITIVE_INFINITY : sink.room));
    this.#linkType = linkType;
    this.#snapLength = snapLength;
  }

  /**
   * Opens a file by its path, which is made or made empty, a file descriptor, which stays yours to close, or `"-"`, standard
   * output. Nothing is written yet; a named pipe is waited for when something is. Returns an owned writer. Borrows the engine.
   *
   * @throws CaptureError if it cannot be opened, or this thread has a reader or writer open on the same file, whatever its
   * path: then it stays as it is; ArgumentRangeError, ArgumentTypeError
   * @example
   * const writer = CaptureWriter.open(engine, fresh, { format: "pcap", resolution: "us", snapLength: 96 });
   * writer.closeSync();
   * writer.stats().bytes; // → 24
   */
  static open(engine: Engine, file: string | number, options?: CaptureWriterOptions): CaptureWriter {
    return CaptureWriter._open(engine, file, options, null);
  }

  /** As `open`. Once `halt` is halted, which another thread does, writing fails, also while it waits. @internal */
  static _open(
    engine: Engine,
    file: string | number,
    options: CaptureWriterOptions | undefined,
    halt: Halt | null,
  ): CaptureWriter {
    checkEngine(engine);
    const given = checkOptions(options, WRITER_NAMES);
    const format = checkOneOf("format", given.format ?? "pcapng", ["pcapng", "pcap"]);
    const resolution = checkOneOf("resolution", given.resolution ?? "ns", ["ns", "us"]);
    const linkType = checkInteger("linkType", given.linkType ?? ETHERNET, 0, LINK_TYPE_MOST);
    const snapLength = checkInteger("snapLength", given.snapLength ?? SNAP_LENGTH, 1, MAX_LENGTH);
    const batch = checkInteger("batch", given.batch ?? BATCH, 1, BATCH_MOST);
    const Records = format === "pcap" ? PcapRecords : PcapngRecords;
    const records = new Records(snapLength, resolution);
    const opened = CaptureFile.open(file, "w", halt);
    try {
      opened.empty();
      const sink = new CaptureSink(engine, opened, records, batch);
      return new CaptureWriter(engine, sink, linkType, snapLength);
    } catch (error) {
      opened.abandon();
      throw error;
    }
  }

  /**
   * Counters.
   *
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * writer.stats().packets; // → 0
   * writer.closeSync();
   * writer.stats(); // → { packets: 1, bytes: 192, dropped: 0 }
   */
  stats(): CaptureWriterStats {
    const { packets, bytes, dropped } = this.#sink;
    return { packets, bytes, dropped };
  }

  // ─── Packets in ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Gives a packet to the writer, to be written with the next flush. Takes it and returns true; or returns false if the batch
   * is full, and the packet stays yours: flush, and try again.
   *
   * @throws CaptureError if the writer has failed or is closed, or if a pcap capture cannot hold the packet because of its link
   * type or time; the reason of `abort`; HeldSkbError if somebody else holds it through `get()`, StaleSkbError, QueuedSkbError,
   * ForeignSkbError, ArgumentTypeError; the packet stays yours
   * @example
   * const writer = CaptureWriter.open(engine, fresh, { batch: 1 });
   * writer.enqueue(skb); // → true
   * skb.alive; // → false
   * writer.enqueue(other); // → false
   * writer.flush();
   * writer.enqueue(other); // → true
   * writer.closeSync();
   */
  enqueue(skb: Skb): boolean {
    this.#sink.check();
    return this.#enqueue(skb);
  }

  /**
   * Gives `skbs[0]` to `skbs[count - 1]` to the writer, in order, as many as there is room for. Takes those, and returns how
   * many; the rest stay yours. Default: `count` is `skbs.length`. If a packet other than the first is refused, the next call
   * reports it.
   *
   * @throws as `enqueue`; all packets stay yours
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueueBurst([skb, other]); // → 2
   * writer.closeSync();
   */
  enqueueBurst(skbs: SkbArray | Burst, count?: number): number {
    return eachTaken(this.#engine, skbs, count, (those, total) => this.#enqueueAll(those, total));
  }

  #enqueueAll(skbs: SkbArray, total: number): number {
    this.#sink.check();
    let done = 0;
    try {
      while (done < total && this.#enqueue(skbs[done] as Skb)) done++;
    } catch (error) {
      if (done === 0) throw error;
    }
    return done;
  }

  #enqueue(skb: Skb): boolean {
    const engine = this.#engine;
    const error = refused(engine, "skb", skb);
    if (error !== null) throw error;
    if (this.#sink.full) return false;
    const heap = heapOf(engine);
    const struct = coreOf(engine).skbAddress(handleOf(skb)) >>> 0;
    const users = heap.word(struct + SKB_USERS);
    if (users !== 1) throw new HeldSkbError(users);
    const note = this.#note.read(engine, struct, this.#linkType);
    const { linkType, interface: from, originalLength } = note;
    const length = heap.word(struct + SKB_LEN);
    const record = this.#record;
    record.captured = Math.min(length, this.#snapLength);
    // Who made it longer than it once was has not captured more than there is.
    record.originalLength = Math.max(length, originalLength);
    record.linkType = linkType;
    record.interface = from;
    record.time.high = heap.word(struct + SKB_TIMESTAMP_HIGH);
    record.time.low = heap.word(struct + SKB_TIMESTAMP_LOW);
    record.timed = note.timed || record.time.high !== 0 || record.time.low !== 0;
    this.#sink.add(handleOf(skb), record);
    take(skb);
    return true;
  }

  /**
   * Waits until there is room for `room` more packets: `ready`; until there will never be: `ended`; or `timed-out`; or, with
   * `completions`, until callbacks of ubufs were run: `completed`. It makes room itself, by writing what was taken: at
   * once to a file, to a pipe when somebody reads it. Default: `room` is half of `batch`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections). What
   * cannot be written is reported by `enqueue` and `close`
   * @example
   * const writer = CaptureWriter.open(engine, fresh, { batch: 1 });
   * writer.enqueue(skb); // → true
   * while (!writer.enqueue(other)) await writer.waitWritableAsync();
   * await writer.close();
   * writer.stats().packets; // → 2
   */
  async waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    const wanted = checkInteger("room", room ?? Math.ceil(this.#batch / 2), 1, this.#batch);
    const sink = this.#sink;
    const look: Look = () => {
      if (sink.ended) return "ended";
      return sink.room >= wanted ? "ready" : null;
    };
    if (!sink.ended && !sink.busy && !this.#engine.closed && sink.room < wanted) this.#makeRoom();
    return this.#waiter.wait(look, wanted, options);
  }

  /** Writes what was taken. What goes wrong is for `enqueue` and `close` to say. */
  #makeRoom(): void {
    if (this.#sink.prompt) {
      try {
        this.#sink.flush();
      } catch (error) {
        if (!(error instanceof CaptureError)) throw error;
      }
    } else void this.flushAsync().catch(() => {});
  }

  // ─── Bytes out ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Writes all packets that were taken, and releases them. Blocks while a pipe is full.
   *
   * @throws CaptureError if they cannot be written: they are released all the same, and the writer writes nothing any more
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * writer.flush();
   * writer.stats().packets; // → 1
   * writer.closeSync();
   */
  flush(): void {
    try {
      this.#sink.flush();
    } finally {
      this.#waiter.wake();
    }
  }

  /**
   * As `flush`, but returns a promise instead of blocking. More packets can be taken meanwhile, which the next flush writes.
   *
   * @throws as `flush`, as a rejection
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * await writer.flushAsync();
   * writer.stats().packets; // → 1
   * await writer.close();
   */
  flushAsync(): Promise<void> {
    return this.#sink.flushAsync().finally(() => this.#waiter.wake());
  }

  // ─── Life ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes nothing any more, writes what is left, and lets go of the file: also if that cannot be written. A capture without
   * packets has its header. Closing again does nothing.
   *
   * @throws CaptureError if packets that it took could not be written, the reason of `abort` (as rejections)
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * await writer.close();
   * writer.stats().packets; // → 1
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#sink.closeAsync(this.#empty());
      this.#waiter.wake();
    }
    return this.#closing;
  }

  /**
   * As `close`, but at once. Blocks while a pipe is full.
   *
   * @throws CaptureError if packets that it took could not be written, or a flush is under way
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * writer.closeSync();
   * writer.stats().packets; // → 1
   */
  closeSync(): void {
    try {
      this.#sink.close(this.#empty());
    } finally {
      this.#waiter.wake();
    }
  }

  /**
   * Releases what was taken and not written, closes the file as it is, and rejects all waits with `reason`. What the system is
   * reading is released when that ends. Default: `reason` is a CaptureError. Doing it again, or after `close` is through, does
   * nothing.
   *
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer.enqueue(skb);
   * writer.abort(new Error("no time left"));
   * writer.stats(); // → { packets: 0, bytes: 0, dropped: 1 }
   */
  abort(reason: unknown = new CaptureError(this.#sink.name, 0, "an open writer", "an aborted one")): void {
    this.#sink.abort(reason);
    this.#waiter.fail(reason);
  }

  /**
   * `closeSync()`.
   *
   * @throws as `closeSync`
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * writer[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.closeSync();
  }

  /**
   * `close()`; after `abort()`, waits until everything is back.
   *
   * @throws as `close`, but not the reason of `abort`
   * @example
   * const writer = CaptureWriter.open(engine, fresh);
   * await writer[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#sink.aborted ? this.close().catch(() => {}) : this.close());
  }

  /** What tells a capture without packets its link type. */
  #empty(): PacketRecord {
    const record = new PacketRecord();
    record.linkType = this.#linkType;
    return record;
  }
}

describes(CaptureWriter, "CaptureWriter", (writer) => ({ ...writer.stats() }));
