/// <reference lib="esnext.disposable" preserve="true" />
// StreamSender: packets into a stream of bytes.

import { Writable } from "node:stream";
import { checkInteger, checkOneOf, checkOptions, type Names, U32_MOST } from "../check.js";
import { checkEngine, takeAs } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import { codeOf, TransportError } from "../io/errors.js";
import { checkFraming, type Framing, headerBytes, longestPacket } from "../io/framing.js";
import { Outbox } from "../io/outbox.js";
import { letGo } from "../io/packets.js";
import { DropReason } from "../reason.js";
import type { Skb } from "../skb.js";
import { isDoneWhenCalled, isStandard } from "./lending.js";
import { copied, FULL, gathered, type Parcel } from "./parcel.js";

/** How a stream is sent. */
export interface StreamSenderOptions {
  /** Bytes that may be on their way at a time, 1..2^32-1; a longer packet goes alone. Default: 1 MiB. */
  inFlight?: number;
  /** What is in front of each packet. Default: `none`. */
  framing?: Framing;
  /**
   * Whether the stream gets copies. `auto`: unless it is one of Node's that is known to have done with the bytes
   * when it calls back (sockets, files, standard output). `false` vouches that this one has, or else when it emits `close`.
   * Default: `auto`.
   */
  copy?: "auto" | boolean;
  /** Whether `close()` ends the stream. Default: true, but false for standard output and error. */
  end?: boolean;
}

const SENDER_OPTIONS: Names<StreamSenderOptions> = { inFlight: true, framing: true, copy: true, end: true };

/** What happened to packets since the sender was made. Bytes include the lengths that framing adds. */
export interface StreamSenderStats {
  /** Packets that the stream took. */
  readonly sent: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Packets that may not have been taken, because the stream failed or was destroyed. */
  readonly failed: number;
  /** Packets on their way. */
  readonly inFlight: number;
  /** Bytes of them. */
  readonly inFlightBytes: number;
}

/**
 * Writes packets to a socket, a file, a pipe or any other stream. What is enqueued in one turn of the event loop goes to the stream
 * together, up to 64 KiB at a time, by one `writev` if it can; the system reads the bytes where they lie, and each packet is
 * released when the stream has called back for its last byte. A stream that may keep what it gets, such as a PassThrough, gets
 * copies, and the packets are released at once.
 *
 * When the stream fails or is destroyed, packets are released as soon as nobody reads them any more, `enqueue` throws
 * TransportError, and waits end. The stream's errors come out here; it needs no listener of its own.
 *
 * @example
 * const sender = new StreamSender(engine, createWriteStream(path), { framing: "length16" });
 * sender.enqueueBurst([skb, other]); // → 2
 * await sender.close();
 * readFileSync(path).length; // → 204
 */
export class StreamSender extends Outbox {
  /** Whether the stream gets copies. */
  readonly copies: boolean;
  readonly #stream: Writable;
  readonly #header: number;
  readonly #longest: number;
  readonly #ends: boolean;
  /** Whether `close` of the stream says that it has done with what is lent to it. */
  readonly #trusted: boolean;
  /** Taken in this turn of the event loop, and what they cost. */
  #fresh: Skb[] = [];
  #freshBytes = 0;
  /** Whether they will be written when the event loop turns, and whether some are being written. */
  #scheduled = false;
  #flushing = false;
  readonly #written = new Set<Parcel>();
  readonly #listeners: readonly (readonly [string, (error: Error) => void])[] = [
    ["error", (error) => this.#fail(codeOf(error), error)],
    ["finish", () => this.#finish()],
    ["close", () => this.#gone()],
  ];
  #finished = false;

  /**
   * Makes a sender for a stream. Borrows the stream; nobody else should write to it meanwhile.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError
   * @example
   * new StreamSender(engine, createWriteStream(path)).copies; // → false
   * new StreamSender(engine, new PassThrough()).copies; // → true
   */
  constructor(engine: Engine, stream: Writable, options?: StreamSenderOptions) {
    const {
      inFlight = 1024 * 1024,
      framing = "none",
      copy = "auto",
      end,
    } = checkOptions(options, SENDER_OPTIONS);
    super(checkEngine(engine), checkInteger("inFlight", inFlight, 1, U32_MOST));
    if (typeof stream?.write !== "function" || typeof stream.on !== "function")
      throw new ArgumentTypeError("stream", "a Writable", stream);
    this.#header = headerBytes(checkFraming(framing));
    this.#longest = longestPacket(framing);
    this.#ends = checkOneOf("end", end ?? !isStandard(stream), [true, false]);
    const done = isDoneWhenCalled(stream);
    this.copies = checkOneOf("copy", copy, ["auto", true, false]) === "auto" ? !done : copy === true;
    this.#trusted = !this.copies && !done;
    this.#stream = stream;
    for (const [event, listener] of this.#listeners) stream.on(event, listener);
  }

  /**
   * What happened so far.
   *
   * @example
   * const sender = new StreamSender(engine, createWriteStream(path), { framing: "length32" });
   * sender.enqueue(skb);
   * sender.stats().inFlightBytes; // → 104
   * await sender.close();
   * sender.stats(); // → { sent: 1, bytes: 104, failed: 0, inFlight: 0, inFlightBytes: 0 }
   */
  stats(): StreamSenderStats {
    return {
      sent: this._sent,
      bytes: this._bytes,
      failed: this._failed,
      inFlight: this._inFlight,
      inFlightBytes: this._used,
    };
  }

  /** @internal */
  override _end(): void {
    this.#flush();
    if (this.#ends && !this.#isBroken()) this.#stream.end();
  }

  /** @internal */
  override _destroy(reason: unknown): void {
    const error =
      reason instanceof Error ? reason : new TransportError("stream", "an open one", "an aborted one");
    this.#giveBack();
    this.#stream.destroy?.(error);
  }

  /** @internal */
  override _isSettled(): boolean {
    if (this._inFlight > 0) return false;
    if (this.#finished || !this.#ends || this._isAborted) return true;
    const { writableEnded, destroyed, errored } = this.#stream;
    const finishing = writableEnded && !destroyed && errored == null;
    return this._isFailed && !finishing;
  }

  /** @internal */
  override _hasLost(): boolean {
    return !this.#finished || this._failed > 0;
  }

  /** @internal */
  override _leave(): void {
    // A stream that goes on is its owner's again, and so are its errors.
    if (!this.#ends && !this._isAborted)
      for (const [event, listener] of this.#listeners) this.#stream.off(event, listener);
  }

  // ─── Into the stream ─────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  override _refusal(skb: Skb): Error | null {
    const error = super._refusal(skb);
    if (error !== null || skb.length <= this.#longest) return error;
    return new ArgumentRangeError("length", `0..${this.#longest} (what framing can tell)`, skb.length);
  }

  /** @internal */
  override _cost(skb: Skb): number {
    return skb.length + this.#header;
  }

  /** @internal */
  override _look(): void {
    const { writable, destroyed, errored } = this.#stream;
    if (writable === false) this.#fail(destroyed ? "a destroyed one" : "one that has ended", errored ?? null);
  }

  #isBroken(): boolean {
    if (!this._isFailed) this._look();
    return this._isFailed;
  }

  /** @internal */
  override _take(given: Skb, cost: number): void {
    const skb = takeAs(given);
    this._inFlight++;
    this.#freshBytes += cost;
    this.#fresh.push(skb);
    // As many as make a parcel at once: the system may have room for them that this sender has not.
    if (this.#freshBytes >= Math.min(FULL, this._capacity / 2) && !this.#flushing) {
      this.#flush();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this._engine.closed) this.#fail("packets of a closed engine", null);
    if (this.#fresh.length === 0 || this.#isBroken()) return;
    let parcels: Parcel[];
    try {
      parcels = this.copies
        ? copied(this.#fresh, this.#header)
        : gathered(this._engine, this.#fresh, this.#header);
    } catch (error) {
      // There is no memory for copies.
      this.#fail(codeOf(error), error as Error);
      return;
    }
    const fresh = this.#takeFresh();
    for (const parcel of parcels) this.#written.add(parcel);
    // What is let go meanwhile may bring more, which waits for the next turn: else this would call itself for ever.
    this.#flushing = true;
    try {
      this.#stream.cork?.();
      for (const parcel of parcels) this.#write(parcel);
      this.#stream.uncork?.();
    } catch (error) {
      // Thrown by somebody's own `write`. Such a stream calls nobody back any more.
      this.#fail(codeOf(error), error as Error);
      this.#stream.destroy?.(error as Error);
    }
    if (this.copies) for (const skb of fresh) letGo(skb, DropReason.consumed);
    if (this.#hasTaken()) this.#settleParcels(false);
    this.#flushing = false;
  }

  /** Whether the stream has done with all it got, and will only say so later. */
  #hasTaken(): boolean {
    const stream = this.#stream;
    return (
      stream instanceof Writable &&
      !stream.writableObjectMode &&
      stream.writableLength === 0 &&
      !stream.writableEnded &&
      !stream.destroyed &&
      stream.errored === null
    );
  }

  #takeFresh(): Skb[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#freshBytes = 0;
    return fresh;
  }

  #write(parcel: Parcel): void {
    parcel.pending = Math.max(parcel.views.length, 1);
    const done = (error?: Error | null): void => this.#wrote(parcel, error ?? null);
    // Packets of no bytes.
    if (parcel.views.length === 0) done();
    for (const view of parcel.views) this.#stream.write(view, done);
  }

  // ─── What becomes of it ──────────────────────────────────────────────────────────────────────────────

  #wrote(parcel: Parcel, error: Error | null): void {
    parcel.error ??= error;
    if (--parcel.pending > 0 || !this.#written.delete(parcel)) return;
    // A socket that is destroyed calls back without an error.
    const failed = parcel.error !== null || this.#stream.destroyed === true;
    this.#done(parcel.skbs, parcel.bytes, failed, !this.copies);
  }

  #done(skbs: readonly Skb[], bytes: number, failed: boolean, lent: boolean): void {
    this._count(skbs.length, bytes, failed);
    // Before callbacks look at it.
    this._free(bytes);
    if (lent) for (const skb of skbs) letGo(skb, failed ? DropReason.notSpecified : DropReason.consumed);
    this._settle();
  }

  #finish(): void {
    this.#finished = true;
    if (!this._isClosing) this.#fail("one that has ended", null);
    this._settle();
  }

  #gone(): void {
    if (!this.#finished) this.#fail("a closed one", this.#stream.errored ?? null);
    // What is not known to call back in the end may have done so for the last time.
    if (this.#trusted) setImmediate(() => this.#settleParcels(true));
    this._settle();
  }

  #fail(got: string, error: Error | null): void {
    if (this._isFailed || (this.#finished && this._isClosing)) return;
    this._fail("stream", got, error);
    this.#giveBack();
  }

  /** What the stream has not got, or has copies of, nobody reads. */
  #giveBack(): void {
    const bytes = this.#freshBytes;
    this.#done(this.#takeFresh(), bytes, true, true);
    if (this.copies) this.#settleParcels(true);
  }

  /** Waits for no more callbacks. */
  #settleParcels(failed: boolean): void {
    for (const parcel of this.#written) {
      this.#written.delete(parcel);
      this.#done(parcel.skbs, parcel.bytes, failed, !this.copies);
    }
  }
}
