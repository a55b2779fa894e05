/// <reference lib="esnext.disposable" preserve="true" />
// StreamReceiver: packets out of a stream of bytes.

import { once } from "node:events";
import { connect, type NetConnectOpts, Socket } from "node:net";
import type { Readable } from "node:stream";
import { MAX_LENGTH, MAX_LINEAR, PAGE_BYTES } from "../../assembly/layout.js";
import { checkInteger, checkOptions, U32_MOST } from "../check.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import type { Skb } from "../skb.js";
import { Deframer } from "./deframer.js";
import { codeOf, type FramingError, TransportError } from "./errors.js";
import { checkFraming, type Framing, longestPacket } from "./framing.js";
import { Inbox } from "./inbox.js";
import { checkEngine } from "./packets.js";
import { BufferPiece } from "./piece.js";
import { Chunks } from "./receive-chunks.js";

/** Bytes that a waiting packet counts beside its own: roughly what one of none takes of the arena. */
const PACKET_COST = 512;
/** Milliseconds until a pool that was exhausted is asked again. */
const RETRY_MS = 5;
/** Bytes of a buffer of Node's that become one piece at most. */
const PIECE_MOST = 64 * 1024;

/** How a stream is received. */
export interface StreamReceiverOptions {
  /**
   * Bytes that may wait to be taken out, with 512 more for each packet, 1..2^32-1. While there are more, nothing is read. 1 MiB
   * if not given.
   */
  backlog?: number;
  /** What is in front of each packet. `none` if not given: then each read makes a packet. */
  framing?: Framing;
  /** Bytes of the longest packet that a length in front of it may claim. 1 MiB if not given. */
  longest?: number;
  /** Bytes in front of each packet for headers to come, 0..4096. 0 if not given. */
  headroom?: number;
}

/** Where to connect, and how that stream is received. */
export interface StreamConnectOptions extends StreamReceiverOptions {
  /** Bytes of the pages that are read into, 4096..131072. 65536 if not given. A packet keeps all of its chunk from other use. */
  chunk?: number;
}

/** What happened since the receiver was made. */
export interface StreamReceiverStats {
  /** Packets. */
  readonly received: number;
  /** Bytes of the stream, lengths in front of packets included. */
  readonly bytes: number;
  /** Packets that wait to be taken out. */
  readonly queued: number;
  /** Bytes of them, as `backlog` counts. */
  readonly queuedBytes: number;
  /** How often reading has paused. */
  readonly paused: {
    /** Because of `backlog`. */
    readonly full: number;
    /** Because the pool was exhausted. */
    readonly exhausted: number;
  };
}

/** What came of the stream: all there was, or the error that ended it. */
interface Outcome {
  readonly error: TransportError | null;
}

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
export class StreamReceiver<S extends Readable = Socket> extends Inbox {
  /** The socket, for a `StreamSender` in the other direction; or whatever stream the receiver was made from. */
  readonly socket: S;
  readonly #chunks: Chunks | null;
  readonly #deframer: Deframer;
  readonly #backlog: number;
  readonly #gone: Promise<unknown>;
  #cost = 0;
  #received = 0;
  #bytes = 0;
  #full = 0;
  #exhausted = 0;
  #paused = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #outcome: Outcome | null = null;
  #closing: Promise<void> | undefined;

  private constructor(
    engine: Engine,
    stream: S,
    chunks: Chunks | null,
    options: Partial<StreamReceiverOptions>,
  ) {
    super(engine);
    const { backlog = 1024 * 1024, framing = "none", longest = 1024 * 1024, headroom = 0 } = options;
    this.socket = stream;
    this.#chunks = chunks;
    this.#backlog = backlog;
    this.#deframer = new Deframer(engine, framing, Math.min(longest, longestPacket(framing)), headroom);
    // Others close when they like, or never say so; nothing of theirs is lent.
    this.#gone =
      stream instanceof Socket && !stream.closed
        ? new Promise((resolve) => stream.once("close", resolve))
        : Promise.resolve();
    stream.on("end", () => this.#stop(null));
    stream.on("error", (error) => this.#stop(failure(codeOf(error), error)));
    stream.on("close", () => {
      this.#stop(failure("a closed one", stream.errored ?? null));
      // Nobody reads into it any more.
      this.#chunks?.release();
    });
  }

  /**
   * Connects as `net.connect` does, by TCP or to a Unix socket, to read without a copy. Returns an owned receiver.
   *
   * @throws TransportError if there is no connection, PoolExhaustedError if there is no chunk to begin with,
   * ArgumentRangeError, ArgumentTypeError (as rejections)
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
    const given = checkOptions<StreamConnectOptions>(options);
    checkSettings(given);
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
      const socket = connect({ ...options, onread } as NetConnectOpts);
      opened.receiver = new StreamReceiver(engine, socket, chunks, given);
      await once(socket, "connect");
      return opened.receiver;
    } catch (error) {
      if (opened.receiver === undefined) chunks.release();
      else await opened.receiver.close();
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
    const given = checkOptions(options);
    checkSettings(given);
    const receiver = new StreamReceiver(engine, stream, null, given);
    // An end that has been, and which nobody tells again.
    if (stream.readableEnded) receiver.#stop(null);
    else if (stream.destroyed) receiver.#stop(failure("a destroyed one", stream.errored ?? null));
    else {
      stream.on("data", (bytes) => receiver.#copy(bytes));
      // One that was paused before goes on.
      stream.resume();
    }
    return receiver;
  }

  /**
   * What happened so far.
   *
   * @example
   * const receiver = StreamReceiver.from(engine, new PassThrough().end(payload));
   * await receiver.waitAsync();
   * receiver.stats().queuedBytes; // → 612
   */
  stats(): StreamReceiverStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      queued: this.size,
      queuedBytes: this.#cost,
      paused: { full: this.#full, exhausted: this.#exhausted },
    };
  }

  /**
   * Destroys the stream, in both directions: close a sender before. Packets that are there can still be taken out; then the
   * receiver has ended. Resolves when a socket is closed. Closing again does nothing.
   *
   * @example
   * const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port });
   * await receiver.close();
   * await receiver.waitAsync(); // → "ended"
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#breakOff(null);
      await this.#gone;
    })();
    return this.#closing;
  }

  // ─── From the stream ─────────────────────────────────────────────────────────────────────────────────

  /** Node has read `n` bytes into the chunk. Returns whether it may go on. */
  #read(n: number): boolean {
    if (!this.#isOpen()) return false;
    this.#bytes += n;
    this.#deframer.push((this.#chunks as Chunks).read(n));
    this.#digest();
    return this.#mayRead();
  }

  /** Node has read bytes into a buffer of its own. */
  #copy(bytes: unknown): void {
    if (!this.#isOpen()) return;
    if (!(bytes instanceof Uint8Array)) {
      this.#breakOff(failure(typeof bytes === "string" ? "text" : "what is no Uint8Array", null));
      return;
    }
    this.#bytes += bytes.length;
    for (let at = 0; at < bytes.length; at += PIECE_MOST)
      this.#deframer.push(new BufferPiece(this._engine, bytes.subarray(at, at + PIECE_MOST)));
    this.#digest();
    if (!this.#mayRead()) this.socket.pause();
  }

  #isOpen(): boolean {
    // An engine that was closed by force takes no packets: nobody could get at them.
    if (this._engine.closed) this.#breakOff(null);
    return !this._over;
  }

  /** Makes packets of what is there, as many as may wait. */
  #digest(): void {
    try {
      while (!this._over && this.#cost < this.#backlog) {
        const next = this.#deframer.next();
        if (next === "memory") {
          this.#starve();
          return;
        }
        if (next === "bytes") {
          if (this.#outcome !== null) this.#finish(this.#outcome.error ?? this.#deframer.end());
          return;
        }
        this.#received++;
        this.#cost += costOf(next);
        this._put(next);
      }
    } catch (error) {
      this.#breakOff(error as FramingError);
    }
  }

  /** @internal */
  override _taken(skb: Skb): void {
    this.#cost -= costOf(skb);
    this.#goOn();
  }

  // ─── Pausing ─────────────────────────────────────────────────────────────────────────────────────────

  /** Whether there is room for what would be read. Counts why not. */
  #mayRead(): boolean {
    if (this._over) return false;
    if (this.#cost < this.#backlog && this.#retry === undefined && this.#chunks?.refill() === false)
      this.#starve();
    if (this.#retry === undefined && this.#cost < this.#backlog) return true;
    if (!this.#paused) {
      if (this.#retry === undefined) this.#full++;
      else this.#exhausted++;
    }
    this.#paused = true;
    return false;
  }

  /** Asks the pool again in a while: nobody tells when there is memory. */
  #starve(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      if (this.#isOpen()) this.#goOn();
    }, RETRY_MS);
  }

  /** Makes packets of what was kept back, and reads again when half of the backlog is free. */
  #goOn(): void {
    if (this._over || this.#retry !== undefined) return;
    this.#digest();
    if (!this.#paused || this.#cost > this.#backlog / 2 || !this.#mayRead()) return;
    this.#paused = false;
    if (this.#outcome === null) this.socket.resume();
  }

  // ─── The end ─────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing comes from the stream any more; what came is still to be given out. */
  #stop(error: TransportError | null): void {
    if (this.#outcome !== null || this._over) return;
    this.#outcome = { error };
    if (this.#isOpen()) this.#goOn();
  }

  /** Nothing is given out any more but what waits already. */
  #finish(error: TransportError | FramingError | null): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#deframer.drop();
    this._finish(error);
  }

  /** The same, and what the stream still has is of no interest. */
  #breakOff(error: TransportError | FramingError | null): void {
    this.#finish(error);
    this.socket.destroy();
  }
}

function costOf(skb: Skb): number {
  return skb.length + PACKET_COST;
}

function failure(got: string, error: Error | null): TransportError {
  return new TransportError("stream", "bytes or the end", got, error === null ? undefined : { cause: error });
}

/** @throws ArgumentRangeError, ArgumentTypeError */
function checkSettings({ backlog, framing, longest, headroom }: Partial<StreamReceiverOptions>): void {
  if (backlog !== undefined) checkInteger("backlog", backlog, 1, U32_MOST);
  if (framing !== undefined) checkFraming(framing);
  if (longest !== undefined) checkInteger("longest", longest, 0, MAX_LENGTH);
  if (headroom !== undefined) checkInteger("headroom", headroom, 0, PAGE_BYTES);
}
