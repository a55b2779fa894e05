/// <reference lib="esnext.disposable" preserve="true" />
// WebStreamSender: packets into a WritableStream of bytes, or of datagrams.

import { MAX_LENGTH } from "../../assembly/layout.js";
import { checkInteger, checkOneOf, checkOptions, type Names, U32_MOST } from "../check.js";
import { checkEngine, takeAs } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import { codeOf } from "../io/errors.js";
import { Fifo } from "../io/fifo.js";
import { checkFraming, type Framing, headerBytes, longestPacket, writeHeader } from "../io/framing.js";
import { Outbox } from "../io/outbox.js";
import { letGo } from "../io/packets.js";
import { DropReason } from "../reason.js";
import type { Skb } from "../skb.js";

/** Bytes up to which packets behind their lengths share a chunk: a chunk costs a promise or more. */
const CHUNK = 64 * 1024;

/** How a stream is written. */
export interface WebStreamSenderOptions {
  /** Bytes that may be on their way at a time, 1..2^32-1; a longer packet goes alone. Default: 1 MiB. */
  inFlight?: number;
  /** What is in front of each packet. With `none` each packet is one chunk, as datagrams must be. Default: `none`. */
  framing?: Framing;
  /** Bytes of the longest packet that is taken: for datagrams what the transport says. Default: what the framing allows. */
  longest?: number;
  /** Whether `close()` closes the stream. Default: true. */
  end?: boolean;
}

const SENDER_OPTIONS: Names<WebStreamSenderOptions> = {
  inFlight: true,
  framing: true,
  longest: true,
  end: true,
};

/** What happened to packets since the sender was made. Bytes include the lengths that framing adds. */
export interface WebStreamSenderStats {
  /** Packets that the stream took. */
  readonly sent: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Packets that it did not take, or may not have taken, because it failed. */
  readonly failed: number;
  /** Packets on their way. */
  readonly inFlight: number;
  /** Bytes of them. */
  readonly inFlightBytes: number;
}

/**
 * Writes packets to a WritableStream of bytes: of WebTransport, of Node's `Writable.toWeb`, of a TransformStream. Such a stream
 * may keep what it gets, and most take no shared memory, so each packet is copied once and then released. It is copied when
 * the stream asks for more, and lies in the pool until then. For WebTransport's datagrams give `datagrams.writable`, and as
 * `longest` its `maxDatagramSize`.
 *
 * When the stream fails or is aborted, packets that it has not taken are released, `enqueue` throws TransportError, and waits
 * end.
 *
 * @example
 * const { readable, writable } = new TransformStream();
 * const sender = new WebStreamSender(engine, writable, { framing: "length16" });
 * const receiver = new WebStreamReceiver(engine, readable, { framing: "length16" });
 * sender.enqueueBurst([skb, other]); // → 2
 * await receiver.waitAsync(); // → "ready"
 * receiver.dequeue().length; // → 100
 * await sender.close();
 */
export class WebStreamSender extends Outbox {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #header: number;
  readonly #longest: number;
  readonly #ends: boolean;
  /** Taken, and not copied yet. */
  readonly #held = new Fifo<Skb>();
  #pumping = false;
  /** Whether the stream is being closed, and is. */
  #ending = false;
  #finished = false;

  /**
   * Makes a sender for a stream, and locks it.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError
   * @example
   * const { writable } = new TransformStream();
   * const sender = new WebStreamSender(engine, writable);
   * writable.locked; // → true
   */
  constructor(engine: Engine, writable: WritableStream<Uint8Array>, options?: WebStreamSenderOptions) {
    const {
      inFlight = 1024 * 1024,
      framing = "none",
      longest,
      end = true,
    } = checkOptions(options, SENDER_OPTIONS);
    super(checkEngine(engine), checkInteger("inFlight", inFlight, 1, U32_MOST));
    this.#header = headerBytes(checkFraming(framing));
    this.#longest = Math.min(
      longest === undefined ? MAX_LENGTH : checkInteger("longest", longest, 0, MAX_LENGTH),
      longestPacket(framing),
    );
    this.#ends = checkOneOf("end", end, [true, false]);
    if (typeof writable?.getWriter !== "function")
      throw new ArgumentTypeError("writable", "a WritableStream", writable);
    if (writable.locked)
      throw new ArgumentTypeError("writable", "one that nobody else writes to", "a locked one");
    this.#writer = writable.getWriter();
    this.#writer.closed.then(
      () => this.#fail("one that has ended"),
      (error) => this.#fail(codeOf(error), error),
    );
    // What it rejects with, `closed` rejects with, too.
    this.#writer.ready.catch(() => {});
  }

  /**
   * What happened so far.
   *
   * @example
   * const { readable, writable } = new TransformStream();
   * const sender = new WebStreamSender(engine, writable, { framing: "length32" });
   * sender.enqueue(skb);
   * sender.stats().inFlightBytes; // → 104
   * const [{ value }] = await Promise.all([readable.getReader().read(), sender.close()]);
   * value.length; // → 104
   * sender.stats(); // → { sent: 1, bytes: 104, failed: 0, inFlight: 0, inFlightBytes: 0 }
   */
  stats(): WebStreamSenderStats {
    return {
      sent: this._sent,
      bytes: this._bytes,
      failed: this._failed,
      inFlight: this._inFlight,
      inFlightBytes: this._used,
    };
  }

  /** Closes the stream when all is through. @internal */
  override _end(): void {
    if (!this.#ends || this.#ending || this._inFlight > 0 || this._isFailed) return;
    this.#ending = true;
    this.#writer
      .close()
      .catch((error: unknown) => this.#fail(codeOf(error), error, true))
      .then(() => {
        this.#finished = true;
        this._settle();
      });
  }

  /** @internal */
  override _destroy(reason: unknown): void {
    this.#drop();
    this.#writer.abort(reason).catch(() => {});
  }

  /** @internal */
  override _isSettled(): boolean {
    return this._inFlight === 0 && (this._isFailed || !this.#ends || this.#finished);
  }

  /** @internal */
  override _leave(): void {
    this.#writer.releaseLock();
  }

  // ─── Into the stream ─────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  override _refusal(skb: Skb): Error | null {
    const error = super._refusal(skb);
    if (error !== null || skb.length <= this.#longest) return error;
    return new ArgumentRangeError("length", `0..${this.#longest}`, skb.length);
  }

  /** @internal */
  override _cost(skb: Skb): number {
    return skb.length + this.#header;
  }

  /** @internal */
  override _take(skb: Skb): void {
    this._inFlight++;
    this.#held.push(takeAs(skb));
    if (!this.#pumping) void this.#pump();
  }

  /** Writes what is held, as the stream asks for it. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    // Not at once, so that small packets that come together go together.
    await null;
    try {
      while (this.#held.length > 0 && !this._isFailed) {
        await this.#writer.ready;
        if (this._engine.closed) this.#fail("packets of a closed engine");
        else if (!this._isFailed) this.#write();
      }
    } catch (error) {
      this.#fail(codeOf(error), error);
    }
    this.#pumping = false;
  }

  /** Writes one chunk. */
  #write(): void {
    let packets = 0;
    let bytes = 0;
    for (let next = this.#held.peek(); next !== undefined; next = this.#held.at(packets)) {
      const cost = this._cost(next);
      if (packets > 0 && (this.#header === 0 || bytes + cost > CHUNK)) break;
      bytes += cost;
      packets++;
    }
    // Before they are taken: there may be no memory for it.
    const chunk = new Uint8Array(bytes);
    const skbs = Array.from({ length: packets }, () => this.#held.shift() as Skb);
    let at = 0;
    for (const skb of skbs) {
      const body = chunk.subarray(at + this.#header, at + this._cost(skb));
      writeHeader(chunk.subarray(at), this.#header, body.length);
      skb.copyBits(0, body);
      at += this.#header + body.length;
    }
    for (const skb of skbs) letGo(skb, DropReason.consumed);
    this.#writer.write(chunk).then(
      () => this.#done(skbs.length, bytes),
      (error: unknown) => this.#fail(codeOf(error), error),
    );
    // While a write does not end, `closed` does not tell that the stream fails.
    this.#writer.ready.catch((error: unknown) => this.#fail(codeOf(error), error));
  }

  // ─── What becomes of it ──────────────────────────────────────────────────────────────────────────────

  #done(packets: number, bytes: number): void {
    if (this._isFailed) return;
    this._count(packets, bytes, false);
    this._free(bytes);
    if (this._isClosing) this._end();
    this._settle();
  }

  #fail(got: string, error?: unknown, atEnd = false): void {
    // When all is through, the stream's end is no failure.
    if (this._isFailed || (!atEnd && this._isClosing && this._inFlight === 0)) return;
    this._fail("stream", got, error);
    this.#drop();
  }

  #drop(): void {
    for (let skb = this.#held.shift(); skb !== undefined; skb = this.#held.shift())
      letGo(skb, DropReason.notSpecified);
    // A stream that fails need not say any more what became of what it has.
    this._count(this._inFlight, 0, true);
    this._free(this._used);
    this._settle();
  }
}
