/// <reference lib="esnext.disposable" preserve="true" />
// WebStreamSender: packets into a WritableStream of bytes, or of datagrams.

import { MAX_LENGTH } from "../../assembly/layout.js";
import { checkInteger, checkOneOf, checkOptions, type Names, U32_MOST } from "../check.js";
import { checkEngine } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import { codeOf, TransportError } from "../io/errors.js";
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
  /** Packets that it did not take, or of which nobody knows, because it failed. */
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
  #inFlight = 0;
  #sent = 0;
  #bytes = 0;
  #failed = 0;
  #failure: TransportError | null = null;
  #closing: Promise<void> | undefined;
  #settled: (() => void) | undefined;
  #unlocked = false;

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
      sent: this.#sent,
      bytes: this.#bytes,
      failed: this.#failed,
      inFlight: this.#inFlight,
      inFlightBytes: this._used,
    };
  }

  /**
   * Takes nothing any more, writes what was taken, closes the stream, or unlocks it with `end: false`, and resolves when the
   * stream has taken everything. Closing again does nothing.
   *
   * @throws TransportError (as a rejection) if the stream failed
   * @example
   * const { readable, writable } = new TransformStream();
   * const sender = new WebStreamSender(engine, writable);
   * sender.enqueue(skb);
   * const [text] = await Promise.all([new Response(readable).arrayBuffer(), sender.close()]);
   * text.byteLength; // → 100
   */
  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  async #shut(): Promise<void> {
    // Not before `#closing` is set, which is what those who wait look at.
    await null;
    this._waiters.wake();
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
    if (this.#failure === null && this.#ends) {
      const closed = this.#writer.close().catch((error: unknown) => this.#fail(codeOf(error), error, true));
      const aborted = new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
      await Promise.race([closed, aborted]);
    }
    this.#writer.releaseLock();
    this.#unlocked = true;
    if (this.#failure !== null) throw this.#failure;
  }

  /**
   * Aborts the stream, as one that failed: for streams that do not end with what they belong to, as the datagrams of a
   * WebTransport whose session is closed. `reason` is the cause of the TransportError. Does nothing when the sender is closed.
   *
   * @example
   * const { writable } = new TransformStream();
   * const sender = new WebStreamSender(engine, writable);
   * sender.enqueueBurst([skb, other]);
   * sender.abort();
   * sender.stats().failed; // → 2
   * await sender.close().catch((error) => error.code); // → "ERR_SKB_TRANSPORT"
   */
  abort(reason?: unknown): void {
    if (this.#unlocked) return;
    this.#fail("an aborted one", reason, true);
    this.#writer.abort(reason).catch(() => {});
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
  override _ended(): Error | null {
    if (this.#closing !== undefined) return new TransportError("sender", "an open one", "a closed one");
    return this.#failure;
  }

  /** @internal */
  override _send(skb: Skb): void {
    this.#inFlight++;
    this.#held.push(skb);
    if (!this.#pumping) void this.#pump();
  }

  /** Writes what is held, as the stream asks for it. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    // Not at once, so that small packets that come together go together.
    await null;
    try {
      while (this.#held.length > 0 && this.#failure === null) {
        await this.#writer.ready;
        if (this._engine.closed) this.#fail("packets of a closed engine");
        else if (this.#failure === null) this.#write();
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
      () => this.#end(skbs.length, bytes),
      (error: unknown) => this.#fail(codeOf(error), error),
    );
    // While a write does not end, `closed` does not tell that the stream fails.
    this.#writer.ready.catch((error: unknown) => this.#fail(codeOf(error), error));
  }

  // ─── What becomes of it ──────────────────────────────────────────────────────────────────────────────

  #end(packets: number, bytes: number): void {
    if (this.#failure !== null) return;
    this.#inFlight -= packets;
    this.#sent += packets;
    this.#bytes += bytes;
    this._free(bytes);
    if (this.#inFlight === 0) this.#settled?.();
  }

  #fail(got: string, error?: unknown, atEnd = false): void {
    // When all is through, the stream's end is no failure.
    if (this.#failure !== null || (!atEnd && this.#closing !== undefined && this.#inFlight === 0)) return;
    const options = error === undefined ? undefined : { cause: error };
    this.#failure = new TransportError("stream", "one that takes packets", got, options);
    for (let skb = this.#held.shift(); skb !== undefined; skb = this.#held.shift())
      letGo(skb, DropReason.notSpecified);
    // A stream that fails need not say any more what became of what it has.
    this.#failed += this.#inFlight;
    this.#inFlight = 0;
    this._free(this._used);
    this.#settled?.();
  }
}
