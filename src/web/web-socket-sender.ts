/// <reference lib="esnext.disposable" preserve="true" />
// WebSocketSender: packets into a WebSocket, a binary message each.

import { checkInteger, checkOneOf, checkOptions, type Names, U32_MOST } from "../check.js";
import { checkEngine, takeAs } from "../driver.js";
import type { Engine } from "../engine.js";
import { codeOf } from "../io/errors.js";
import { Fifo } from "../io/fifo.js";
import { Outbox } from "../io/outbox.js";
import { letGo } from "../io/packets.js";
import { DropReason } from "../reason.js";
import type { Skb } from "../skb.js";
import {
  breakOff,
  CLOSED,
  CLOSING,
  type Closed,
  CONNECTING,
  checkSocket,
  closing,
  type Listeners,
  listen,
  unlisten,
  type WebSocketLike,
} from "./web-socket.js";

// No event tells that `bufferedAmount` has fallen, so it is looked at, while it is not 0 and somebody waits for that: soon after it
// moved, less often while it does not.
const LOOK_LEAST_MS = 1;
const LOOK_MOST_MS = 16;

/** How messages are sent. */
export interface WebSocketSenderOptions {
  /** Bytes that may be on their way at a time, 1..2^32-1; a longer packet goes alone. Default: 1 MiB. */
  inFlight?: number;
  /** Whether `close()` closes the socket. Default: true. */
  end?: boolean;
}

const SENDER_OPTIONS: Names<WebSocketSenderOptions> = { inFlight: true, end: true };

/** What happened to packets since the sender was made. */
export interface WebSocketSenderStats {
  /** Packets that the socket took. Whether they arrived is not known. */
  readonly sent: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Packets that it did not take, because it failed or was closed. */
  readonly failed: number;
  /** Packets that wait for the socket to open. */
  readonly waiting: number;
  /** Bytes on their way: of those, and what the socket has not sent yet (`bufferedAmount`). */
  readonly inFlightBytes: number;
}

/**
 * Sends each packet as one binary message. A WebSocket takes no shared memory and may keep what it gets, so each packet is
 * copied once, and released at once; what was taken before the socket is open waits as it is. Takes packets while no more
 * than `inFlight` bytes wait in the socket.
 *
 * When the socket fails or is closed, packets that it has not taken are released, `enqueue` throws TransportError, and waits
 * end. In a hidden page browsers run timers once a second, and room is noticed that often.
 *
 * @example
 * const sender = new WebSocketSender(engine, new WebSocket(url));
 * sender.enqueueBurst([skb, other]); // → 2
 * await sender.close();
 * sender.stats().bytes; // → 200
 */
export class WebSocketSender<W extends WebSocketLike = WebSocketLike> extends Outbox {
  /** The socket. */
  readonly socket: W;
  readonly #ends: boolean;
  /** Taken before the socket was open. */
  readonly #early = new Fifo<Skb>();
  #earlyBytes = 0;
  #lookMs = LOOK_LEAST_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners: Listeners = [
    ["open", () => this.#open()],
    ["error", (event: { error?: unknown }) => this.#failing(event.error)],
    ["close", (event: Closed) => this.#gone(event)],
  ];
  #cause: unknown;
  /** Whether the socket was closed, and whether all it had got went out. */
  #closed = false;
  #clean = false;

  /**
   * Makes a sender for a socket, open or yet to be. Borrows the socket.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError
   * @example
   * const sender = new WebSocketSender(engine, new WebSocket(url), { inFlight: 65536 });
   * sender.enqueue(skb); // → true
   * sender.stats().waiting; // → 1
   */
  constructor(engine: Engine, socket: W, options?: WebSocketSenderOptions) {
    const { inFlight = 1024 * 1024, end = true } = checkOptions(options, SENDER_OPTIONS);
    super(checkEngine(engine), checkInteger("inFlight", inFlight, 1, U32_MOST));
    this.socket = checkSocket(socket);
    this.#ends = checkOneOf("end", end, [true, false]);
    this.#closed = socket.readyState === CLOSED;
    listen(socket, this.#listeners);
  }

  /**
   * What happened so far.
   *
   * @example
   * const sender = new WebSocketSender(engine, new WebSocket(url));
   * sender.enqueue(skb);
   * sender.stats().inFlightBytes; // → 100
   * await sender.close();
   * sender.stats(); // → { sent: 1, bytes: 100, failed: 0, waiting: 0, inFlightBytes: 0 }
   */
  stats(): WebSocketSenderStats {
    return {
      sent: this._sent,
      bytes: this._bytes,
      failed: this._failed,
      waiting: this.#early.length,
      inFlightBytes: this.#closed ? 0 : this.#earlyBytes + this.socket.bufferedAmount,
    };
  }

  /** Closes the socket if it is time. It sends what it has before. @internal */
  override _end(): void {
    if (!this._isClosing) return;
    this.#look();
    if (!this.#ends || this.#early.length > 0) return;
    if (this.socket.readyState < CLOSING) this.socket.close();
  }

  /** @internal */
  override _destroy(): void {
    this.#dropEarly();
    breakOff(this.socket);
  }

  /** @internal */
  override _isSettled(): boolean {
    if (this.#closed || this._isAborted) return true;
    return !this.#ends && (this._isFailed || this._load === 0);
  }

  /** @internal */
  override _hasLost(): boolean {
    return !this.#clean || this._failed > 0;
  }

  /** @internal */
  override _leave(): void {
    clearTimeout(this.#timer);
    unlisten(this.socket, this.#listeners);
    // What an aborted one says in the end is of no interest, but a listener it needs.
    if (this._isAborted) listen(this.socket, [["error", () => {}]]);
  }

  // ─── Into the socket ─────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  override get _load(): number {
    return this.#earlyBytes + this.socket.bufferedAmount;
  }

  /** @internal */
  override _cost(skb: Skb): number {
    return skb.length;
  }

  /** @internal */
  override _look(): void {
    // The event may still be to come.
    if (this.socket.readyState >= CLOSING) this.#fail("a closed one");
  }

  /** @internal */
  override _take(given: Skb, cost: number): void {
    const skb = takeAs(given);
    // The socket keeps the account.
    this._used = 0;
    if (this.socket.readyState !== CONNECTING) {
      this.#hand(skb, cost);
      return;
    }
    this.#early.push(skb);
    this.#earlyBytes += cost;
  }

  #open(): void {
    for (let skb = this.#early.shift(); skb !== undefined; skb = this.#early.shift()) {
      const n = this._engine.closed ? 0 : skb.length;
      this.#earlyBytes -= n;
      this.#hand(skb, n);
    }
    this.#earlyBytes = 0;
    this._waiters.wake();
    this._end();
    this._settle();
  }

  #hand(skb: Skb, n: number): void {
    try {
      this.socket.send(skb.toBytes());
    } catch (error) {
      this._failed++;
      letGo(skb, DropReason.notSpecified);
      this.#cause = error;
      this.#fail(codeOf(error));
      return;
    }
    this._sent++;
    this._bytes += n;
    this.#lookMs = LOOK_LEAST_MS;
    letGo(skb, DropReason.consumed);
    if (this.#isWatched) this.#look();
  }

  // ─── What becomes of it ──────────────────────────────────────────────────────────────────────────────

  /** @internal */
  override _awaited(): void {
    if (this._waiters.busy) this.#look();
  }

  /** Whether somebody wants to know when what is in the socket gets less. */
  get #isWatched(): boolean {
    return this._isClosing || this._waiters.busy;
  }

  #look(): void {
    this.#timer ??= setTimeout(() => {
      const before = this._load;
      this.#timer = undefined;
      const now = this._load;
      this.#lookMs = now < before ? LOOK_LEAST_MS : Math.min(this.#lookMs * 2, LOOK_MOST_MS);
      this._waiters.wake();
      this._settle();
      if (now > 0 && this.#isWatched && !this.#closed && !this._isAborted) this.#look();
    }, this.#lookMs);
  }

  #failing(error: unknown): void {
    this.#cause ??= error;
  }

  #gone(event: Closed): void {
    this.#closed = true;
    this.#clean = event.wasClean && this.socket.bufferedAmount === 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this._isClosing || !this.#clean || this.#early.length > 0) this.#fail(closing(event));
    this._settle();
  }

  #fail(got: string): void {
    this._fail("socket", got, this.#cause);
    this.#dropEarly();
    this._waiters.wake();
    this._settle();
  }

  #dropEarly(): void {
    for (let skb = this.#early.shift(); skb !== undefined; skb = this.#early.shift()) {
      this._failed++;
      letGo(skb, DropReason.notSpecified);
    }
    this.#earlyBytes = 0;
  }
}
