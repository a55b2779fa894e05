/// <reference lib="esnext.disposable" preserve="true" />
// StreamReceiver: packets out of a stream of bytes.

import { once } from "node:events";
import { type NetConnectOpts, Socket, type SocketConnectOpts } from "node:net";
import type { Readable } from "node:stream";
import { MAX_LINEAR, PAGE_BYTES } from "../../assembly/layout.js";
import { checkInteger, checkOptions, checkSomeOptions, checkString, type Names } from "../check.js";
import { checkEngine, checkOpen } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import { bytesOf } from "../io/bytes.js";
import { codeOf, TransportError } from "../io/errors.js";
import { Chunks } from "../io/receive-chunks.js";
import {
  checkStreamOptions,
  STREAM_OPTIONS,
  StreamInbox,
  type StreamReceiverOptions,
  streamFailure,
} from "../io/stream-inbox.js";

/** Where to connect, and how that stream is received. */
export interface StreamConnectOptions extends StreamReceiverOptions {
  /** Bytes of the pages that are read into, 4096..131072. Default: 65536. A packet keeps all of its chunk from other use. */
  chunk?: number;
}

const CONNECT_OPTIONS: Names<StreamConnectOptions> = { ...STREAM_OPTIONS, chunk: true };

/**
 * Reads packets from a socket or any other stream. What `connect` makes reads right into pages of the pool, without a copy:
 * packets share them. What `from` makes gets Node's buffers, whose bytes are copied once, into the packets.
 *
 * Nobody reads while `backlog` bytes wait, or while the pool is exhausted; it goes on by itself when there is room again. What
 * is wrong with the stream, TransportError or FramingError, comes out of `dequeue` after all packets before it.
 *
 * @example
 * const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port, framing: "length16" });
 * const sender = new StreamSender(engine, receiver.socket, { framing: "length16" });
 * sender.enqueueBurst([skb, other]);
 * await sender.close(); // the peer sends back what it gets
 * let bytes = 0;
 * for await (const packet of receiver) {
 *   bytes += packet.length;
 *   packet.release();
 * }
 * bytes; // → 200
 */
export class StreamReceiver<S extends Readable = Socket> extends StreamInbox {
  /** The socket, for a `StreamSender` in the other direction; or whatever stream the receiver was made from. */
  readonly socket: S;
  readonly #chunks: Chunks | null;
  /** @internal */
  override readonly _gone: Promise<unknown>;

  private constructor(
    engine: Engine,
    stream: S,
    chunks: Chunks | null,
    options: Partial<StreamReceiverOptions>,
  ) {
    super(engine, options);
    this.socket = stream;
    this.#chunks = chunks;
    // Others close when they like, or never say so; nothing of theirs is lent.
    this._gone =
      stream instanceof Socket && !stream.closed
        ? new Promise((resolve) => stream.once("close", resolve))
        : Promise.resolve();
    stream.on("end", () => this._stop(null));
    stream.on("error", (error) => this._stop(streamFailure(codeOf(error), error)));
    stream.on("close", () => {
      this._stop(streamFailure("a closed one", stream.errored ?? null));
      // Nobody reads into it any more.
      this.#chunks?.release();
    });
  }

  /**
   * Connects as `net.connect` does, by TCP or to a Unix socket, to read without a copy. Returns an owned receiver.
   *
   * @throws TransportError if there is no connection, PoolExhaustedError if there is no chunk to begin with,
   * ArgumentRangeError, ArgumentTypeError, EngineClosedError (as rejections)
   * @example
   * const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port, chunk: 16384 });
   * receiver.socket.write("ping");
   * await receiver.waitAsync(); // → "ready"
   * receiver.dequeue().length; // → 4
   */
  static async connect(
    engine: Engine,
    options: NetConnectOpts & StreamConnectOptions,
  ): Promise<StreamReceiver> {
    checkEngine(engine);
    const given = checkSomeOptions<StreamConnectOptions>(options, CONNECT_OPTIONS);
    checkStreamOptions(given);
    checkPlace(options);
    const chunks = new Chunks(engine, checkInteger("chunk", given.chunk ?? 65536, PAGE_BYTES, MAX_LINEAR));
    chunks.demand();
    const opened: { receiver?: StreamReceiver } = {};
    try {
      const onread = {
        buffer: () => chunks.place(),
        callback: (n: number) => {
          const { receiver } = opened;
          return receiver === undefined ? false : receiver.#read(n);
        },
      };
      // What net.connect does; but a socket that cannot be connected is ours to destroy.
      const socket = new Socket({ ...options, onread } as object);
      opened.receiver = new StreamReceiver(engine, socket, chunks, given);
      if (options.timeout !== undefined) socket.setTimeout(options.timeout);
      socket.connect(options as SocketConnectOpts);
      await once(socket, "connect");
      checkOpen(engine);
      return opened.receiver;
    } catch (error) {
      if (opened.receiver === undefined) chunks.release();
      else await opened.receiver.close();
      checkOpen(engine);
      // What Node says of an argument, not of the connection.
      if (error instanceof TypeError || error instanceof RangeError)
        throw new ArgumentTypeError("options", "what net.connect takes", error.message);
      throw new TransportError("socket", "a connection", codeOf(error), { cause: error });
    }
  }

  /**
   * Makes a receiver of a socket that was accepted, a file, a pipe, or any other stream of bytes. Takes the stream: nobody
   * else should read from it, and `close()` destroys it.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError
   * @example
   * const receiver = StreamReceiver.from(engine, new PassThrough().end(payload));
   * for await (const packet of receiver) packet.release();
   * receiver.stats().bytes; // → 100
   */
  static from<S extends Readable>(
    engine: Engine,
    stream: S,
    options?: StreamReceiverOptions,
  ): StreamReceiver<S> {
    checkEngine(engine);
    if (typeof stream?.on !== "function" || typeof stream.resume !== "function")
      throw new ArgumentTypeError("stream", "a Readable", stream);
    const given = checkOptions(options, STREAM_OPTIONS);
    checkStreamOptions(given);
    const receiver = new StreamReceiver(engine, stream, null, given);
    // An end that has been, and which nobody tells again.
    if (stream.readableEnded) receiver._stop(null);
    else if (stream.destroyed) receiver._stop(streamFailure("a destroyed one", stream.errored ?? null));
    else {
      stream.on("data", (bytes) => receiver.#copy(bytes));
      // One that was paused before goes on.
      stream.resume();
    }
    return receiver;
  }

  // ─── From the stream ─────────────────────────────────────────────────────────────────────────────────

  /** Node has read `n` bytes into the chunk. Returns whether it may go on. */
  #read(n: number): boolean {
    if (!this._isOpen()) return false;
    this._push((this.#chunks as Chunks).read(n), n);
    return this._mayRead();
  }

  /** Node has read bytes into a buffer of its own. */
  #copy(chunk: unknown): void {
    if (!this._isOpen()) return;
    const bytes = bytesOf(chunk);
    if (bytes === null) {
      this._breakOff(streamFailure(typeof chunk === "string" ? "text" : "what is no Uint8Array", null));
      return;
    }
    this._pushBytes(bytes);
    if (!this._mayRead()) this.socket.pause();
  }

  /** @internal */
  override _supply(): boolean {
    return this.#chunks?.refill() !== false;
  }

  /** @internal */
  override _resume(): void {
    this.socket.resume();
  }

  /** @internal */
  override _destroy(): void {
    this._drop();
    this.socket.destroy();
  }
}

/** Checks what says where to connect: a path, or a port. @throws ArgumentTypeError, ArgumentRangeError */
function checkPlace(options: { path?: unknown; host?: unknown; port?: unknown } | undefined): void {
  const { path, host, port } = options ?? {};
  if (path !== undefined) {
    checkString("path", path as string);
    return;
  }
  if (host !== undefined) checkString("host", host as string);
  // Node takes digits, too.
  const digits = typeof port === "string" && /^\d+$/.test(port);
  checkInteger("port", (digits ? Number(port) : port) as number, 0, 0xffff);
}
