/// <reference lib="esnext.disposable" preserve="true" />
// WebSocketReceiver: the binary messages that come from a WebSocket, a packet each.

import { MAX_LENGTH, PAGE_BYTES } from "../../assembly/layout.js";
import { checkFunction, checkInteger, checkOptions, type Names, U32_MOST } from "../check.js";
import type { Engine } from "../engine.js";
import { TransportError } from "../io/errors.js";
import { Inbox } from "../io/inbox.js";
import { checkEngine, longPacketOf } from "../io/packets.js";
import type { Skb } from "../skb.js";
import {
  CLOSED,
  type Closed,
  checkSocket,
  closing,
  endedWell,
  listen,
  type WebSocketLike,
} from "./web-socket.js";

/** Bytes that a waiting packet counts beside its own: roughly what one of none takes of the arena. */
const PACKET_COST = 512;

/** How messages are received. */
export interface WebSocketReceiverOptions {
  /**
   * Bytes that may wait to be taken out, with 512 more for each packet, 1..2^32-1. Messages that come while there are more are
   * dropped: a WebSocket cannot be told to wait. 1 MiB if not given.
   */
  backlog?: number;
  /** Bytes of the longest message that becomes a packet; longer ones are dropped. 1 MiB if not given. */
  longest?: number;
  /** Bytes in front of each packet for headers to come, 0..4096. 0 if not given. */
  headroom?: number;
  /** Told of each text message. If not given, one ends the receiver with TransportError. */
  onText?: (text: string) => void;
}

const RECEIVER_OPTIONS: Names<WebSocketReceiverOptions> = {
  backlog: true,
  longest: true,
  headroom: true,
  onText: true,
};

/** What happened to messages since the receiver was made. */
export interface WebSocketReceiverStats {
  /** Messages that became packets. */
  readonly received: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Messages that did not. */
  readonly dropped: {
    /** Because of `backlog`. */
    readonly full: number;
    /** Because the pool was exhausted. */
    readonly exhausted: number;
    /** Because of `longest`. */
    readonly tooLong: number;
  };
  /** Packets that wait to be taken out. */
  readonly queued: number;
  /** Bytes of them, as `backlog` counts. */
  readonly queuedBytes: number;
}

/**
 * Receives binary messages. The socket has each in a buffer of its own, whose bytes are copied once, into the packet. What
 * comes while `backlog` bytes wait, or while the pool is exhausted, is dropped and counted.
 *
 * A socket that breaks off, or that the peer closes with another code than 1000, 1001 or none, shows as TransportError, which
 * comes out of `dequeue` after all packets before it.
 *
 * @example
 * const receiver = new WebSocketReceiver(engine, new WebSocket(url), { headroom: 64 });
 * const sender = new WebSocketSender(engine, receiver.socket, { end: false });
 * sender.enqueue(skb); // the peer sends back what it gets
 * await receiver.waitAsync(); // → "ready"
 * receiver.dequeue().length; // → 100
 * await sender.close();
 * await receiver.close();
 */
export class WebSocketReceiver<W extends WebSocketLike = WebSocketLike> extends Inbox {
  /** The socket, for a `WebSocketSender` in the other direction. */
  readonly socket: W;
  readonly #backlog: number;
  readonly #longest: number;
  readonly #headroom: number;
  readonly #onText: ((text: string) => void) | undefined;
  readonly #gone: Promise<void>;
  #cause: unknown;
  #cost = 0;
  #received = 0;
  #bytes = 0;
  #full = 0;
  #exhausted = 0;
  #tooLong = 0;
  #closing: Promise<void> | undefined;

  /**
   * Makes a receiver for a socket, open or yet to be. Takes what comes from it; sets its `binaryType` to `arraybuffer`
   * where it is `blob`.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError
   * @example
   * const receiver = new WebSocketReceiver(engine, new WebSocket(url), { backlog: 65536 });
   * receiver.size; // → 0
   * await receiver.close();
   */
  constructor(engine: Engine, socket: W, options?: WebSocketReceiverOptions) {
    const given = checkOptions(options, RECEIVER_OPTIONS);
    const { backlog = 1024 * 1024, longest = 1024 * 1024, headroom = 0, onText } = given;
    super(checkEngine(engine));
    this.socket = checkSocket(socket);
    this.#backlog = checkInteger("backlog", backlog, 1, U32_MOST);
    this.#longest = checkInteger("longest", longest, 0, MAX_LENGTH);
    this.#headroom = checkInteger("headroom", headroom, 0, PAGE_BYTES);
    this.#onText = checkFunction("onText", onText);
    if (socket.binaryType === "blob") socket.binaryType = "arraybuffer";
    this.#gone = new Promise((resolve) => {
      listen(socket, [
        ["message", (event: { data: unknown }) => this.#receive(event.data)],
        [
          "error",
          (event: { error?: unknown }) => {
            this.#cause ??= event.error;
          },
        ],
        [
          "close",
          (event: Closed) => {
            this._finish(endedWell(event) ? null : this.#failure(closing(event)));
            resolve();
          },
        ],
      ]);
      if (socket.readyState === CLOSED) {
        this._finish(this.#failure("a closed one"));
        resolve();
      }
    });
  }

  /**
   * What happened so far.
   *
   * @example
   * const receiver = new WebSocketReceiver(engine, new WebSocket(url));
   * receiver.stats().dropped; // → { full: 0, exhausted: 0, tooLong: 0 }
   * await receiver.close();
   */
  stats(): WebSocketReceiverStats {
    return {
      received: this.#received,
      bytes: this.#bytes,
      dropped: { full: this.#full, exhausted: this.#exhausted, tooLong: this.#tooLong },
      queued: this.size,
      queuedBytes: this.#cost,
    };
  }

  /**
   * Closes the socket, in both directions: close a sender before. What is there can still be taken out; then the receiver has
   * ended. Resolves when the socket is closed. Closing again does nothing.
   *
   * @example
   * const receiver = new WebSocketReceiver(engine, new WebSocket(url));
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

  #receive(data: unknown): void {
    // An engine that was closed by force takes no packets: nobody could get at them.
    if (this._engine.closed) this.#breakOff(null);
    if (this._over) return;
    if (typeof data === "string") {
      if (this.#onText !== undefined) this.#onText(data);
      else this.#breakOff(new TransportError("message", "a binary one", "text"));
      return;
    }
    const bytes = bytesOf(data);
    if (bytes === null) this.#breakOff(new TransportError("message", "an ArrayBuffer", data));
    else if (bytes.length > this.#longest) this.#tooLong++;
    else if (this.#cost >= this.#backlog) this.#full++;
    else this.#keep(bytes);
  }

  #keep(bytes: Uint8Array): void {
    const skb = longPacketOf(this._engine, bytes, this.#headroom);
    if (skb === null) {
      this.#exhausted++;
      return;
    }
    this.#received++;
    this.#bytes += bytes.length;
    this.#cost += costOf(skb);
    this._put(skb);
  }

  /** @internal */
  override _taken(skb: Skb): void {
    this.#cost -= costOf(skb);
  }

  #failure(got: string): TransportError {
    const options = this.#cause == null ? undefined : { cause: this.#cause };
    return new TransportError("socket", "messages or the end", got, options);
  }

  #breakOff(error: TransportError | null): void {
    this._finish(error);
    this.socket.close();
  }
}

function costOf(skb: Skb): number {
  return skb.length + PACKET_COST;
}

/** The bytes of a message; null if they cannot be got at. */
function bytesOf(data: unknown): Uint8Array | null {
  if (data instanceof Uint8Array) return data;
  // Also one of another realm.
  const isBuffer = Object.prototype.toString.call(data) === "[object ArrayBuffer]";
  return isBuffer ? new Uint8Array(data as ArrayBuffer) : null;
}
