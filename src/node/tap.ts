/// <reference lib="esnext.disposable" preserve="true" />
// Tap: sees what is transmitted, and writes it to a capture file on a worker of its own.

import { MAX_LENGTH } from "../../assembly/layout.js";
import { checkInteger, checkOptions, type Names } from "../check.js";
import { describes } from "../describe.js";
import { checkEngine, checkOpen, ownHandle } from "../driver.js";
import type { Engine } from "../engine.js";
import { PoolExhaustedError, RingClosedError } from "../errors.js";
import { checkTransmitter, type Transmitter } from "../io/transmitter.js";
import { Ring } from "../ring.js";
import type { Skb } from "../skb.js";
import { atOnce } from "../turns.js";
import { checkWait, type WaitOptions, type Wakeup } from "../wait.js";
import { CaptureFile } from "./capture-file.js";
import { linkTypeOf } from "./capture-note.js";
import { WallClock } from "./clock.js";
import { CaptureError } from "./errors.js";
import { TapWriter } from "./tap-writer.js";
import { Tapped } from "./tapped.js";

/** What a tap is made with. */
export interface TapOptions {
  /**
   * Packets that may wait for the tap's worker, 1..2^20, rounded up to a power of two; what comes on top is dropped. Default:
   * 1024.
   */
  capacity?: number;
  /** Bytes of a packet that are written at most, 1..2^31-1. Default: 262144, which is what tcpdump reads. */
  snapLength?: number;
}

const TAP_OPTIONS: Names<TapOptions> = { capacity: true, snapLength: true };

/** What happened to packets since the tap was opened. */
export interface TapStats {
  /** Packets that were offered: the sum of `written`, `waiting` and all that were `dropped`. */
  readonly offered: number;
  /** Packets that are in the file. While the tap is open, a moment ago. */
  readonly written: number;
  /** Bytes of the file. While the tap is open, a moment ago. */
  readonly bytes: number;
  /** Packets that are on their way to the file. While the tap is open, a moment ago. */
  readonly waiting: number;
  /** Packets that it passed over. */
  readonly dropped: {
    /** Because its worker was behind. */
    readonly full: number;
    /** Because the pool had nothing left for a clone, or for the copy of lent bytes. */
    readonly exhausted: number;
    /** Because the file could not be written, or the tap was closed or aborted. */
    readonly failed: number;
  };
  /** Nanoseconds of a CPU that the worker has used, 0 where the system does not tell. */
  readonly cpu: number;
}

/** A clone to keep, or why there is none. @internal */
export type Twin = Skb | "full" | "exhausted" | "failed";

/**
 * Sees packets on their way out (packet_direct_xmit's dev_queue_xmit_nit: what tcpdump gets). It borrows each, and keeps a
 * clone: bytes of the pool are shared, lent bytes are copied, so that their owner does not wait for the disk. A worker of
 * its own writes pcapng. It never holds up who transmits: when it is behind, it drops and counts.
 *
 * @example
 * const tap = await Tap.open(engine, file);
 * tap.offer(skb); // → true
 * skb.release();
 * (await tap.close()).written; // → 1
 */
export class Tap {
  /** The file, as it was named. */
  readonly file: string;
  /** @internal */
  readonly _engine: Engine;
  readonly #ring: Ring;
  readonly #output: CaptureFile;
  readonly #writer: TapWriter;
  readonly #clock = new WallClock();
  #kept = 0;
  #full = 0;
  #exhausted = 0;
  /** Dropped here, because the worker cannot write; those it has to drop itself are in its report. */
  #late = 0;
  #closing = false;
  #ended: Promise<void> | undefined;
  /** Whether that has resolved. */
  #closed = false;
  #failure: CaptureError | null = null;
  /** The reason, once it was aborted. */
  #aborted: { readonly reason: unknown } | null = null;

  private constructor(engine: Engine, ring: Ring, output: CaptureFile, writer: TapWriter) {
    this._engine = engine;
    this.#ring = ring;
    this.#output = output;
    this.#writer = writer;
    this.file = output.name;
  }

  /**
   * Opens a tap that writes to `file`, which is made, or emptied; or to a descriptor, which stays yours to close. When it
   * resolves, the file is open and the worker stands. A named pipe is waited for when something is written.
   *
   * @throws CaptureError if the file cannot be opened, or this thread has a reader or writer open on it, whatever its path:
   * then it stays as it is; SharedMemoryError if the arena is not in shared memory; ThreadLimitError; UnsupportedError if
   * there is no worker to be had; PoolExhaustedError, ArgumentRangeError, ArgumentTypeError, EngineClosedError (as rejections)
   * @example
   * const tap = await Tap.open(engine, file, { capacity: 4096 });
   * await tap.close();
   */
  static async open(engine: Engine, file: string | number, options?: TapOptions): Promise<Tap> {
    checkEngine(engine);
    const { capacity, snapLength } = checkOptions(options, TAP_OPTIONS);
    if (snapLength !== undefined) checkInteger("snapLength", snapLength, 1, MAX_LENGTH);
    const token = engine.share();
    const output = CaptureFile.open(file, "w");
    let ring: Ring | undefined;
    try {
      ring = new Ring(engine, capacity === undefined ? {} : { capacity });
      const work = { engine: token, ring: ring.share(), snapLength };
      let tap: Tap | null = null;
      const writer = await TapWriter.start(engine, work, (offset, got) => {
        if (tap !== null) tap.#fail(offset, got);
      });
      try {
        checkOpen(engine);
        output.empty();
        tap = new Tap(engine, ring, output, writer);
        writer.write(output.fd < 0 ? output.name : output.fd);
        return tap;
      } catch (error) {
        writer.write(null);
        await writer.gone;
        throw error;
      }
    } catch (error) {
      ring?.release();
      output.abandon();
      throw error;
    }
  }

  /** Packets that `offer` would take now: none once it is closed. */
  get room(): number {
    return this.#closing || this._engine.closed ? 0 : this.#ring.capacity - this.#ring.size;
  }

  /**
   * Shows the tap a packet, which it borrows. Returns whether it will be written. Never waits, and throws only where the
   * packet is none: what cannot be kept is counted.
   *
   * @throws StaleSkbError, ForeignSkbError
   * @example
   * const tap = await Tap.open(engine, file);
   * tap.offer(skb); // → true
   * await tap.close();
   */
  offer(skb: Skb): boolean {
    ownHandle(this._engine, "skb", skb);
    return this._keep(this._twin(skb, this._room()));
  }

  /**
   * A transmitter that shows each packet to the tap as `out` takes it, and else is `out`.
   *
   * @throws ArgumentTypeError
   * @example
   * const tap = await Tap.open(engine, file);
   * const ring = new Ring(engine);
   * tap.on(ring).enqueue(skb); // → true
   * ring.dequeue().release();
   * (await tap.close()).written; // → 1
   */
  on(out: Transmitter): Transmitter {
    return new Tapped(this, checkTransmitter("out", out));
  }

  /**
   * Waits until the tap could take `room` more packets: `ready`; until it never will: `ended`; or `timed-out`; or, with
   * `completions`, until callbacks of ubufs were run: `completed`. For those who would rather wait than have packets passed over.
   * Default: `room` is half of its capacity.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const tap = await Tap.open(engine, file);
   * await tap.waitWritableAsync(); // → "ready"
   * await tap.close();
   */
  async waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    checkOpen(this._engine);
    if (room !== undefined) checkInteger("room", room, 1, this.#ring.capacity);
    checkWait(options, []);
    if (this.#closing) return atOnce("ended");
    return this.#ring.waitWritableAsync(room, options);
  }

  /**
   * Counters.
   *
   * @example
   * const tap = await Tap.open(engine, file);
   * tap.stats().offered; // → 0
   * await tap.close();
   */
  stats(): TapStats {
    const { written, bytes, failed, cpu } = this.#writer.report;
    return {
      offered: this.#kept + this.#full + this.#exhausted + this.#late,
      written,
      bytes,
      waiting: this.#kept - written - failed,
      dropped: { full: this.#full, exhausted: this.#exhausted, failed: failed + this.#late },
      cpu,
    };
  }

  /**
   * Takes no more packets, and waits until all it has are in the file, which a pipe that nobody reads holds up. Closing again does
   * nothing.
   *
   * @throws CaptureError if the file could not be written, the reason of `abort` (as rejections)
   * @example
   * const tap = await Tap.open(engine, file);
   * (await tap.close()).dropped.full; // → 0
   */
  async close(): Promise<TapStats> {
    this.#ended ??= this.#end();
    await this.#ended;
    if (this.#aborted !== null) throw this.#aborted.reason;
    if (this.#failure !== null) throw this.#failure;
    return this.stats();
  }

  /**
   * Gives everything back now: what is not in the file is released, the worker ends, and waits reject with `reason`, and so does
   * `close`. Nobody who does not read can hold it up (but where the system has no /proc, a pipe that was given as a descriptor that
   * blocks); whoever reads the pipe may find half a packet at its end. Default: `reason` is a
   * CaptureError. Does nothing once closed, nor the second time.
   *
   * @example
   * const tap = await Tap.open(engine, file);
   * tap.abort(new Error("no time left"));
   * await tap.close().catch((error) => error.message); // → "no time left"
   */
  abort(reason: unknown = new CaptureError(this.file, 0, "an open tap", "an aborted one")): void {
    if (this.#closed || this.#aborted !== null) return;
    this.#aborted = { reason };
    // Before the ring is closed: the worker writes nothing more that it finds there.
    this.#writer.halt();
    this.#ring.abort(reason);
    this.close().catch(() => {});
  }

  async #end(): Promise<void> {
    this.#closing = true;
    // An engine that was closed by force takes the ring with it, and nobody could tell the worker that this is the end.
    if (this._engine.closed) this.#writer.kill();
    else this.#ring.close();
    await this.#writer.end();
    this.#ring.release();
    const { written, failed, bytes } = this.#writer.report;
    // What a worker had that died.
    const lost = this.#kept - written - failed;
    this.#kept -= lost;
    this.#late += lost;
    try {
      this.#output.close(bytes);
    } catch (error) {
      this.#failure ??= error as CaptureError;
    }
    this.#closed = true;
  }

  /**
   * `close()`; after `abort()`, waits until everything is back.
   *
   * @throws as `close`, but not the reason of `abort`
   * @example
   * const tap = await Tap.open(engine, file);
   * await tap[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#aborted === null ? this.close() : this.close().catch(() => {}));
  }

  /** Packets that it can keep now. @internal */
  _room(): number {
    return this.#failure === null ? this.room : 0;
  }

  /** A clone to keep, if there is `room` for one. Asked first, because the clone of lent bytes is a copy. @internal */
  _twin(skb: Skb, room: number): Twin {
    if (room <= 0) return this.#closing || this.#failure !== null ? "failed" : "full";
    try {
      return skb.clone();
    } catch (error) {
      if (!(error instanceof PoolExhaustedError)) throw error;
      return "exhausted";
    }
  }

  /** Takes a clone, or counts that there is none. Returns whether it is on its way. @internal */
  _keep(twin: Twin): boolean {
    if (typeof twin === "string") {
      this.#drop(twin);
      return false;
    }
    // One that was read from a capture has the time it has there, or none.
    if (twin.timestampMs === 0 && linkTypeOf(twin) === null) twin.timestamp = this.#clock.nanoseconds();
    let refusal: "full" | "failed" = "full";
    try {
      if (this.#ring.enqueue(twin)) {
        this.#kept++;
        return true;
      }
    } catch (error) {
      // Closed by the worker, which cannot write.
      if (!(error instanceof RingClosedError)) throw error;
      refusal = "failed";
    }
    twin.release();
    this.#drop(refusal);
    return false;
  }

  #drop(why: "full" | "exhausted" | "failed"): void {
    if (why === "full") this.#full++;
    else if (why === "exhausted") this.#exhausted++;
    else this.#late++;
  }

  #fail(offset: number, got: string): void {
    this.#failure ??= new CaptureError(this.file, offset, "a file that takes what is written", got);
  }
}

describes(Tap, "Tap", (tap) => {
  const { offered, written, bytes } = tap.stats();
  return { file: tap.file, offered, written, bytes };
});
