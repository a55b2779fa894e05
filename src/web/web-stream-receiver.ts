/// <reference lib="esnext.disposable" preserve="true" />
// WebStreamReceiver: packets out of a ReadableStream of bytes, or of datagrams.

import { MAX_LINEAR, PAGE_BYTES } from "../../assembly/layout.js";
import { bufferOf, checkInteger, checkOptions, type Names } from "../check.js";
import { checkEngine } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import { bytesOf } from "../io/bytes.js";
import { codeOf } from "../io/errors.js";
import { Chunks } from "../io/receive-chunks.js";
import {
  checkStreamOptions,
  STREAM_OPTIONS,
  StreamInbox,
  type StreamReceiverOptions,
  streamFailure,
} from "../io/stream-inbox.js";
import { Loop } from "../turns.js";

/** How a stream is read. */
export interface WebStreamReceiverOptions extends StreamReceiverOptions {
  /**
   * Bytes of the pages that a byte stream is copied to at a time, 4096..131072. Default: 65536. A packet keeps all of its
   * chunk from other use.
   */
  chunk?: number;
}

const RECEIVER_OPTIONS: Names<WebStreamReceiverOptions> = { ...STREAM_OPTIONS, chunk: true };

type Reader = ReadableStreamDefaultReader<Uint8Array> | ReadableStreamBYOBReader;

/**
 * Reads packets from a ReadableStream of bytes: a response's body, a stream or the datagrams of WebTransport, what Node's
 * `Readable.toWeb` gives. Bytes are copied once. Without framing each chunk that the stream gives makes a packet, as datagrams
 * must. With framing, a byte stream is read into one buffer again and again (BYOB) and from there copied to pages that packets
 * share; of other streams each packet gets a copy of its part of their chunks.
 *
 * Nobody reads while `backlog` bytes wait, or while the pool is exhausted; it goes on by itself when there is room again. What
 * is wrong with the stream, TransportError or FramingError, comes out of `dequeue` after all packets before it.
 *
 * @example
 * const receiver = new WebStreamReceiver(engine, new Response(payload).body);
 * for await (const packet of receiver) packet.release();
 * receiver.stats().bytes; // → 100
 */
export class WebStreamReceiver extends StreamInbox {
  /** Whether the stream is read into a buffer of the receiver. */
  readonly byob: boolean;
  readonly #reader: Reader;
  readonly #chunks: Chunks | null;
  readonly #loop = new Loop();
  /** Given to the stream while it reads. */
  #buffer: ArrayBufferLike | null = null;
  #pulling = false;
  #cancelled: Promise<void> | undefined;

  /**
   * Makes a receiver for a stream, and locks it. Takes the stream: `close()` cancels it.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError
   * @example
   * new WebStreamReceiver(engine, new Response(payload).body, { framing: "length16" }).byob; // → true
   * new WebStreamReceiver(engine, new TransformStream().readable, { framing: "length16" }).byob; // → false
   */
  constructor(engine: Engine, readable: ReadableStream<Uint8Array>, options?: WebStreamReceiverOptions) {
    checkEngine(engine);
    const given = checkOptions(options, RECEIVER_OPTIONS);
    checkStreamOptions(given);
    const size = checkInteger("chunk", given.chunk ?? 65536, PAGE_BYTES, MAX_LINEAR);
    if (typeof readable?.getReader !== "function")
      throw new ArgumentTypeError("readable", "a ReadableStream", readable);
    if (readable.locked)
      throw new ArgumentTypeError("readable", "one that nobody else reads", "a locked one");
    super(engine, given);
    const byob = (given.framing ?? "none") === "none" ? null : byobReaderOf(readable);
    this.byob = byob !== null;
    this.#reader = byob ?? readable.getReader();
    this.#chunks = byob === null ? null : new Chunks(engine, size);
    if (this._mayRead()) this.#pull();
  }

  /** @internal */
  override get _gone(): Promise<unknown> {
    return this.#cancelled ?? Promise.resolve();
  }

  // ─── From the stream ─────────────────────────────────────────────────────────────────────────────────

  #pull(): void {
    if (this.#pulling || this._over) return;
    this.#pulling = true;
    this.#read().then(
      ({ done, value }) => {
        this.#pulling = false;
        this.#take(done, value);
      },
      (error: unknown) => {
        this.#pulling = false;
        this.#end(streamFailure(codeOf(error), error));
      },
    );
  }

  #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const reader = this.#reader;
    if (this.#chunks === null) return (reader as ReadableStreamDefaultReader<Uint8Array>).read();
    const place = this.#chunks.place();
    const buffer = this.#buffer ?? new ArrayBuffer(MAX_LINEAR);
    this.#buffer = null;
    return (reader as ReadableStreamBYOBReader).read(
      new Uint8Array(buffer as ArrayBuffer, 0, Math.min(place.length, buffer.byteLength)),
    );
  }

  #take(done: boolean, value: unknown): void {
    if (!this._isOpen()) return;
    if (done) {
      this.#end(null);
      return;
    }
    const bytes = bytesOf(value);
    if (bytes === null) {
      this._breakOff(streamFailure(typeof value === "string" ? "text" : "what is no Uint8Array", null));
      return;
    }
    if (this.#chunks === null) this._pushBytes(bytes);
    else {
      this.#buffer = bufferOf(value as Uint8Array);
      this._push(this.#chunks.fill(bytes), bytes.length);
    }
    if (!this._mayRead()) return;
    // A stream that always has something, be it nothing, would keep everybody else from the event loop.
    const due = this.#loop.due();
    if (due === undefined) this.#pull();
    else void due.then(() => this.#pull());
  }

  #end(error: ReturnType<typeof streamFailure> | null): void {
    this.#chunks?.release();
    this._stop(error);
  }

  /** @internal */
  override _supply(): boolean {
    return this.#chunks?.refill() !== false;
  }

  /** @internal */
  override _resume(): void {
    this.#pull();
  }

  /** @internal */
  override _destroy(now: boolean): void {
    this._drop();
    this.#chunks?.release();
    // How a stream fails that nobody reads any more is of no interest, and it may take its time.
    this.#cancelled ??= this.#reader.cancel().catch(() => {});
    if (now) this.#cancelled = Promise.resolve();
  }
}

/** A reader that brings its own buffer; null if the stream is not one of bytes. */
function byobReaderOf(readable: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | null {
  try {
    return readable.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}
