/// <reference lib="esnext.disposable" preserve="true" />
// Tap: sees what is transmitted, and writes it to a capture file on a worker of its own.

import { Worker } from "node:worker_threads";
import { checkInteger, checkOptions, U32_MOST } from "../check.js";
import type { Engine } from "../engine.js";
import { PoolExhaustedError, RingClosedError } from "../errors.js";
import type { Transmitter } from "../io/transmitter.js";
import type { Ring, Wakeup } from "../ring.js";
import type { Skb } from "../skb.js";
import type { EngineToken, RingToken } from "../token.js";
import type { WaitOptions } from "../waiter.js";
import { linkTypeOf } from "./capture-note.js";
import { CaptureError } from "./errors.js";

/** What a tap is made with. */
export interface TapOptions {
  /** Packets that may wait for the tap's worker, rounded up to a power of two; what comes on top is dropped. 1024 if not given. */
  capacity?: number;
  /** Bytes of a packet that are written at most; 262144 if not given, which is what tcpdump reads. */
  snapLength?: number;
}

/** What happened to packets since the tap was opened. */
export interface TapStats {
  /** Packets that were offered. */
  readonly offered: number;
  /** Packets that are in the file. While the tap is open, a moment ago. */
  readonly written: number;
  /** Bytes of the file. While the tap is open, a moment ago. */
  readonly bytes: number;
  /** Packets that it passed over. */
  readonly dropped: {
    /** Because its worker was behind. */
    readonly full: number;
    /** Because the pool had nothing left for a clone, or for the copy of lent bytes. */
    readonly exhausted: number;
    /** Because the file could not be written. */
    readonly failed: number;
  };
  /** Nanoseconds of a CPU that the worker has used, 0 where the system does not tell. */
  readonly cpu: number;
}

/** What the worker is started with. */
export interface TapWork {
  readonly engine: EngineToken;
  readonly ring: RingToken;
  readonly file: string | number;
  readonly snapLength: number | undefined;
}

/** What the worker says: how far it is, and at its end what went wrong. */
export interface TapReport {
  readonly written: number;
  readonly bytes: number;
  readonly failed: number;
  readonly cpu: number;
  readonly ended: boolean;
  /** What the file could not be written for, and how long it was then, in bytes. */
  readonly error: { readonly offset: number; readonly got: string } | null;
}

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
  readonly #engine: Engine;
  readonly #ring: Ring;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #report: TapReport = { written: 0, bytes: 0, failed: 0, cpu: 0, ended: false, error: null };
  #offered = 0;
  #full = 0;
  #exhausted = 0;
  /** Dropped here, because the worker cannot write; those it has to drop itself are in its report. */
  #late = 0;
  #closing = false;
  #failure: CaptureError | null = null;

  private constructor(engine: Engine, ring: Ring, file: string | number, work: TapWork) {
    this.#engine = engine;
    this.#ring = ring;
    this.file = typeof file === "number" ? `fd ${file}` : file;
    this.#worker = new Worker(new URL("./tap-worker.js", import.meta.url), { workerData: work });
    this.#ended = new Promise((resolve) => {
      this.#worker.on("message", (report: TapReport) => {
        this.#report = report;
        if (report.error !== null) this.#fail(report.error.offset, report.error.got);
      });
      this.#worker.on("error", (cause) => {
        this.#fail(0, String(cause));
      });
      this.#worker.on("exit", () => {
        if (!this.#report.ended) this.#fail(this.#report.bytes, "a worker that died");
        resolve();
      });
    });
    // Who only transmits may end without closing the tap; an open tap is no reason to stay.
    this.#worker.unref();
  }

  /**
   * Opens a tap that writes to `file`, which is made, or emptied; or to a descriptor, which stays yours to close.
   *
   * @throws SharedMemoryError if the arena is not in shared memory; PoolExhaustedError, ArgumentRangeError (as rejections)
   * @example
   * const tap = await Tap.open(engine, file, { capacity: 4096 });
   * await tap.close();
   */
  static async open(engine: Engine, file: string | number, options?: TapOptions): Promise<Tap> {
    const { capacity, snapLength } = checkOptions(options);
    if (snapLength !== undefined) checkInteger("snapLength", snapLength, 1, U32_MOST);
    const token = engine.share();
    const ring = engine.ring(capacity === undefined ? {} : { capacity });
    return new Tap(engine, ring, file, { engine: token, ring: ring.share(), file, snapLength });
  }

  /** Packets that `offer` would take now. @throws RingClosedError after `close()` */
  get room(): number {
    return this.#ring.capacity - this.#ring.size;
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
    this.#engine._own("skb", skb);
    const twin = this._twin(skb);
    return twin !== null && this._keep(twin);
  }

  /**
   * A transmitter that shows each packet to the tap as `out` takes it, and else is `out`.
   *
   * @example
   * const tap = await Tap.open(engine, file);
   * const ring = engine.ring();
   * tap.on(ring).enqueue(skb); // → true
   * ring.dequeue().release();
   * (await tap.close()).written; // → 1
   */
  on(out: Transmitter): Transmitter {
    return new Tapped(this, out);
  }

  /**
   * Waits until the tap could take `room` more packets, half of its capacity if not given: for who would rather wait than
   * have packets passed over.
   *
   * @throws RingClosedError after `close()`
   * @example
   * const tap = await Tap.open(engine, file);
   * await tap.waitWritableAsync(); // → "ready"
   * await tap.close();
   */
  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
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
    const { written, bytes, failed, cpu } = this.#report;
    return {
      offered: this.#offered,
      written,
      bytes,
      dropped: { full: this.#full, exhausted: this.#exhausted, failed: failed + this.#late },
      cpu,
    };
  }

  /**
   * Takes no more packets, and waits until all it has are in the file. Closing again does nothing.
   *
   * @throws CaptureError if the file could not be written (as a rejection)
   * @example
   * const tap = await Tap.open(engine, file);
   * (await tap.close()).dropped.full; // → 0
   */
  async close(): Promise<TapStats> {
    if (!this.#closing) {
      this.#closing = true;
      this.#worker.ref();
      this.#ring.close();
    }
    await this.#ended;
    this.#ring.release();
    if (this.#failure !== null) throw this.#failure;
    return this.stats();
  }

  /**
   * `close()`.
   *
   * @throws CaptureError as `close` (as a rejection)
   * @example
   * const tap = await Tap.open(engine, file);
   * await tap[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A clone to keep, if there is room for one. @internal */
  _twin(skb: Skb): Skb | null {
    this.#offered++;
    if (this.#closing || this.#failure !== null) {
      this.#late++;
      return null;
    }
    // Looked at first, because the clone of lent bytes is a copy.
    if (this.room === 0) {
      this.#full++;
      return null;
    }
    try {
      return skb.clone();
    } catch (error) {
      if (!(error instanceof PoolExhaustedError)) throw error;
      this.#exhausted++;
      return null;
    }
  }

  /** Takes a clone. Returns whether it is on its way. @internal */
  _keep(twin: Skb): boolean {
    // One that was read from a capture has the time it has there, or none.
    if (twin.timestamp === 0 && linkTypeOf(twin) === null) twin.timestampNanoseconds = now();
    try {
      if (this.#ring.enqueue(twin)) return true;
      this.#full++;
    } catch (error) {
      // Closed by the worker, which cannot write.
      if (!(error instanceof RingClosedError)) throw error;
      this.#late++;
    }
    twin.release();
    return false;
  }

  /** What was offered and then not transmitted was not offered. @internal */
  _forget(twin: Skb): void {
    twin.release();
    this.#offered--;
  }

  #fail(offset: number, got: string): void {
    this.#failure ??= new CaptureError(this.file, offset, "to write there", got);
  }
}

/** A transmitter with a tap on it. */
class Tapped implements Transmitter {
  readonly #tap: Tap;
  readonly #out: Transmitter;

  constructor(tap: Tap, out: Transmitter) {
    this.#tap = tap;
    this.#out = out;
  }

  enqueue(skb: Skb): boolean {
    return this.enqueueBurst([skb], 1) === 1;
  }

  enqueueBurst(skbs: (Skb | null | undefined)[], count = skbs.length): number {
    // Once taken, a packet is gone, so it is cloned before; and as some transmitters put what they refused in front, what
    // became of each is asked of the packet itself.
    const before = skbs.slice(0, count);
    const twins = before.map((skb) => (skb?.alive === true ? this.#tap._twin(skb) : null));
    try {
      return this.#out.enqueueBurst(skbs, count);
    } finally {
      for (const [i, twin] of twins.entries()) {
        if (twin === null) continue;
        if (before[i]?.alive === true) this.#tap._forget(twin);
        else this.#tap._keep(twin);
      }
    }
  }

  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    return this.#out.waitWritableAsync(room, options);
  }
}

/** Nanoseconds since 1970. */
function now(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}
