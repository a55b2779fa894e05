/// <reference lib="esnext.disposable" preserve="true" />
// WebSocketReceiver: the binary messages that come from a WebSocket, a packet each.

import { MAX_LENGTH, PAGE_BYTES } from "../../assembly/layout.js";
import { checkFunction, checkInteger, checkOptions, type Names, U32_MOST } from "../check.js";
import { checkEngine } from "../driver.js";
import type { Engine } from "../engine.js";
import { bytesOf, bytesOfBuffer } from "../io/bytes.js";
import { TransportError } from "../io/errors.js";
import { Inbox } from "../io/inbox.js";
import { packetOfParts } from "../io/packets.js";
import type { Skb } from "../skb.js";
import {
  breakOff,
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
   * dropped: a WebSocket cannot be told to wait. Default: 1 MiB.
   */
  backlog?: number;
  /** Bytes of the longest message that becomes a packet; longer ones are dropped. Default: 1 MiB. */
  longest?: number;
  /** Bytes in front of each packet for headers to come, 0..4096. Default: 0. */
  headroom?: number;
  /** Called with each text message. Default: a text message ends the receiver with TransportError. */
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
 * A socket that breaks off, or that the peer closes with a code other than 1000, 1001 or none, shows as TransportError, which
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
  /** @internal */
  override readonly _gone: Promise<void>;
  #resolve = (): void => {};
  /** What is read of a blob, and of what came behind it. */
  #reading: Promise<void> | null = null;
  #cause: unknown;
  #cost = 0;
  #received = 0;
  #bytes = 0;
  #full = 0;
  #exhausted = 0;
  #tooLong = 0;

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
    this._gone = new Promise((resolve) => {
      this.#resolve = resolve;
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
          async (event: Closed) => {
            if (this.#reading !== null) await this.#reading;
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

  /** @internal */
  override _destroy(now: boolean): void {
    if (now) {
      breakOff(this.socket);
      this.#resolve();
    } else this.socket.close();
  }

  #receive(data: unknown): void {
    if (!this.#isOpen()) return;
    if (typeof data === "string") {
      if (this.#reading === null) this.#read(data);
      else this.#behind(() => this.#read(data));
      return;
    }
    const blob = isBlob(data) ? data : null;
    const parts = blob === null ? partsOf(data) : [];
    if (parts === null) {
      this.#breakOff(new TransportError("message", "an ArrayBuffer", data));
      return;
    }
    const n = blob?.size ?? parts.reduce((sum, part) => sum + part.length, 0);
    if (n > this.#longest) this.#tooLong++;
    else if (this.#cost >= this.#backlog) this.#full++;
    else if (blob === null && this.#reading === null) this.#keep(parts, n);
    else {
      this.#cost += costOf(n);
      this.#behind(async () => {
        const bytes = blob === null ? parts : [new Uint8Array(await blob.arrayBuffer())];
        this.#cost -= costOf(n);
        if (this.#isOpen()) this.#keep(bytes, n);
      });
    }
  }

  /** An engine that was closed by force takes no packets: nobody could get at them. */
  #isOpen(): boolean {
    if (this._engine.closed) this.#breakOff(null);
    return !this._over;
  }

  #read(text: string): void {
    if (this.#onText !== undefined) this.#onText(text);
    else this.#breakOff(new TransportError("message", "a binary one", "text"));
  }

  #keep(parts: readonly Uint8Array[], n: number): void {
    const skb = packetOfParts(this._engine, parts, this.#headroom);
    if (skb === null) {
      this.#exhausted++;
      return;
    }
    this.#received++;
    this.#bytes += n;
    this.#cost += costOf(n);
    this._put(skb);
  }

  /** Does something when the blobs that came before have been read, which takes a while. */
  #behind(run: () => unknown): void {
    const reading = (this.#reading ?? Promise.resolve())
      .then(run)
      .catch((error: unknown) => {
        this.#cause ??= error;
        this.#breakOff(this.#failure("a message that cannot be read"));
      })
      .then(() => {
        if (this.#reading === reading) this.#reading = null;
      });
    this.#reading = reading;
  }

  /** @internal */
  override _taken(skb: Skb): void {
    this.#cost -= costOf(skb.length);
  }

  #failure(got: string): TransportError {
    const options = this.#cause == null ? undefined : { cause: this.#cause };
    return new TransportError("socket", "messages or the end", got, options);
  }

  #breakOff(error: TransportError | null): void {
    this._finish(error);
    this._destroy(false);
  }
}

function costOf(n: number): number {
  return n + PACKET_COST;
}

/** A Blob, of any realm. */
interface BlobLike {
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

function isBlob(data: unknown): data is BlobLike {
  const { arrayBuffer, size } = Object(data) as Partial<BlobLike>;
  return typeof arrayBuffer === "function" && typeof size === "number";
}

/** The bytes of a message, which lie in several places if `ws` was told so; null if they cannot be got at. */
function partsOf(data: unknown): Uint8Array[] | null {
  if (!Array.isArray(data)) {
    const bytes = bytesOf(data) ?? bytesOfBuffer(data);
    return bytes === null ? null : [bytes];
  }
  const parts = data.map(bytesOf);
  return parts.includes(null) ? null : (parts as Uint8Array[]);
}
