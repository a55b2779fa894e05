/// <reference lib="esnext.disposable" preserve="true" />
// Outbox: what senders to sockets and to streams have in common. Packets are taken while there is room.

import type { Burst } from "../burst.js";
import { checkInteger } from "../check.js";
import { describes } from "../describe.js";
import { checkOpen, eachTaken, mark, refused, unmark } from "../driver.js";
import type { Engine } from "../engine.js";
import { HeldSkbError } from "../errors.js";
import type { Skb } from "../skb.js";
import type { SkbArray } from "../staging.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import { TransportError } from "./errors.js";
import { EventWaiter, type Look } from "./event-waiter.js";
import { Share } from "./share.js";
import type { Transmitter } from "./transmitter.js";

/**
 * The part of `UdpSender`, `StreamSender`, `WebSocketSender` and `WebStreamSender` that is the same: packets go in while there is
 * room, and each comes back to the pool when it is sent or has failed.
 *
 * @example
 * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
 * sender.enqueue(skb); // → true
 * skb.alive; // → false
 * await sender.close();
 */
export abstract class Outbox implements Transmitter {
  /** @internal */
  readonly _engine: Engine;
  /** @internal */
  readonly _waiters: EventWaiter;
  /** What is in flight, and how much may be: of packets or bytes, as `_cost` counts. @internal */
  _used = 0;
  /** Packets on their way; those that went, and the bytes of them; those that never will. @internal */
  _inFlight = 0;
  /** @internal */
  _sent = 0;
  /** @internal */
  _bytes = 0;
  /** @internal */
  _failed = 0;
  /** Why nothing is sent any more. */
  #failure: { readonly reason: unknown } | null = null;
  #aborted = false;
  #closing: Promise<void> | undefined;
  /** Whether that has resolved, or rejected. */
  #closed = false;
  #settled: (() => void) | undefined;
  /** @internal */
  readonly _capacity: number;
  /** What the packet cost that was offered last: so many of its like can be sent at once. */
  #lastCost = 0;
  /** Handles of a burst that is looked at. */
  readonly #seen: number[] = [];
  readonly #share = new Share(() => this._waiters.wake());
  /** What the packet costs that was refused last, so that whoever waits does not wait for less. @internal */
  _wanted = 0;

  /** @internal */
  constructor(engine: Engine, capacity: number) {
    this._engine = engine;
    this._capacity = capacity;
    this._waiters = new EventWaiter(engine, () =>
      Math.max(1, Math.floor((this._capacity - this._load) / Math.max(this.#lastCost, 1))),
    );
  }

  /** What is taken of the capacity. @internal */
  get _load(): number {
    return this._used;
  }

  /** What the packet takes of the capacity. @internal */
  abstract _cost(skb: Skb): number;
  /** Takes a packet, whose object ends, and sends it. @internal */
  abstract _take(skb: Skb, cost: number): void;
  /** Nothing more will come: sends what is held, and ends what it is sent to behind that. @internal */
  abstract _end(): void;
  /** Gives back what is held, and destroys what it is sent to, which is to call back for the rest, or never to touch it again. @internal */
  abstract _destroy(reason: unknown): void;

  /** Looks whether what it is sent to has failed without a word. @internal */
  _look(): void {}

  /** Whether nothing is left to wait for before the outbox is closed. @internal */
  _isSettled(): boolean {
    return this._inFlight === 0;
  }

  /** Whether a failure has cost anything. @internal */
  _hasLost(): boolean {
    return true;
  }

  /** Lets go of what it was sent to. @internal */
  _leave(): void | Promise<void> {}

  /**
   * Why the outbox does not take this packet, whatever room there is; null if it does.
   * @internal
   */
  _refusal(skb: Skb): Error | null {
    const error = refused(this._engine, "skb", skb);
    if (error !== null) return error;
    const { users } = skb;
    return users > 1 ? new HeldSkbError(users) : null;
  }

  /**
   * Sends a packet. Takes it and returns true; or returns false if as much is in flight as may be, or others should have
   * their turn of the event loop after so many packets, and the packet stays yours. It is released, and memory lent to it comes
   * back, once its bytes have been handed over.
   *
   * @throws TransportError after `close()` or a failure, HeldSkbError if somebody else holds it through `get()`,
   * StaleSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError; the packet stays yours
   * @example
   * const sender = new StreamSender(engine, createWriteStream(path), { inFlight: 100 });
   * sender.enqueue(skb); // → true
   * sender.enqueue(other); // → false
   * other.alive; // → true
   */
  enqueue(skb: Skb): boolean {
    this.#check();
    const error = this._refusal(skb);
    if (error !== null) throw error;
    return this.#offer(skb);
  }

  /**
   * Sends `skbs[0]` to `skbs[count - 1]`, in order, as many as there is room for. Takes those, and returns how many; the
   * rest stay yours. Default: `count` is `skbs.length`.
   *
   * @throws as `enqueue`, for whichever packet; all stay yours
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * sender.enqueueBurst([skb, other]); // → 2
   */
  enqueueBurst(skbs: SkbArray | Burst, count?: number): number {
    return eachTaken(this._engine, skbs, count, (those, total) => this.#enqueueAll(those, total));
  }

  #enqueueAll(skbs: SkbArray, total: number): number {
    this.#check();
    const error = this.#firstRefusal(skbs, total);
    if (error !== null) throw error;
    let done = 0;
    // Sending one may run callbacks, which may do anything to the next: that one is the next call's to report.
    const runsOthers = this._runsOthers();
    while (done < total && !this._isOver()) {
      const skb = skbs[done] as Skb;
      if (done > 0 && runsOthers && this._refusal(skb) !== null) break;
      if (!this.#offer(skb)) break;
      done++;
    }
    return done;
  }

  #firstRefusal(skbs: SkbArray, n: number): Error | null {
    const handles = this.#seen;
    let error: Error | null = null;
    let i = 0;
    for (; i < n; i++) {
      const skb = skbs[i] as Skb;
      error = this._refusal(skb);
      if (error !== null) break;
      handles[i] = mark(skb);
    }
    while (--i >= 0) unmark(skbs[i] as Skb, handles[i] as number);
    return error;
  }

  #offer(skb: Skb): boolean {
    const cost = this._cost(skb);
    this.#lastCost = cost;
    // What is larger than all there is goes alone.
    const load = this._load;
    if ((load !== 0 && load + cost > this._capacity) || this.#share.spent) {
      this._wanted = cost;
      return false;
    }
    this._wanted = 0;
    this._used += cost;
    this.#share.take(skb.length);
    this._take(skb, cost);
    return true;
  }

  /** Whether sending a packet may run what is not ours, which may do anything to the next one. @internal */
  _runsOthers(): boolean {
    return true;
  }

  /** Gives room back for what is no longer in flight. @internal */
  _free(cost: number): void {
    this._used -= cost;
    this._waiters.wake();
  }

  /**
   * Waits until there is room for `room` more, packets or bytes as the sender counts, or nothing is in flight: `ready`; until
   * there will never be: `ended`; or `timed-out`; or, with `completions`, until callbacks of ubufs were run: `completed`.
   * Keeps Node's event loop alive meanwhile. Default: `room` is half of what may be in flight, or what the packet
   * that was refused last needs, if that is more.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const sender = new StreamSender(engine, createWriteStream(path), { inFlight: 100 });
   * sender.enqueue(skb);
   * while (!sender.enqueue(other)) await sender.waitWritableAsync();
   * other.alive; // → false
   */
  async waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    const asked = room === undefined ? this._wanted : checkInteger("room", room, 1, this._capacity);
    const wanted = room === undefined ? Math.max(asked, Math.ceil(this._capacity / 2)) : asked;
    const look: Look = () => {
      if (this._isOver()) return "ended";
      if (this.#share.spent) return null;
      const load = this._load;
      return load === 0 || load + wanted <= this._capacity ? "ready" : null;
    };
    const waited = this._waiters.wait(look, wanted, options);
    this._awaited();
    return waited;
  }

  /** Told when somebody waits for room. @internal */
  _awaited(): void {}

  #check(): void {
    checkOpen(this._engine);
    if (!this._isOver()) return;
    if (this.#closing !== undefined && !this.#aborted)
      throw new TransportError("sender", "an open one", "a closed one");
    throw this.#failure?.reason;
  }

  /** Whether nothing is sent any more. @internal */
  _isOver(): boolean {
    if (this.#failure === null) this._look();
    return this.#failure !== null || this.#closing !== undefined;
  }

  // ─── The end ─────────────────────────────────────────────────────────────────────────────────────────

  /** Whether it has failed. @internal */
  get _isFailed(): boolean {
    return this.#failure !== null;
  }

  /** Whether `close` was called. @internal */
  get _isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether `abort` was. @internal */
  get _isAborted(): boolean {
    return this.#aborted;
  }

  /** Nothing is sent any more: `got` instead of a stream or socket that takes packets. Does nothing the second time. @internal */
  _fail(what: string, got: string, cause?: unknown): void {
    if (this.#failure !== null) return;
    const options = cause == null ? undefined : { cause };
    this.#failure = { reason: new TransportError(what, "one that takes packets", got, options) };
  }

  /** A packet, or several, has gone or failed, and so many bytes with it. @internal */
  _count(packets: number, bytes: number, failed: boolean): void {
    this._inFlight -= packets;
    if (failed) this._failed += packets;
    else {
      this._sent += packets;
      this._bytes += bytes;
    }
  }

  /** Goes on with closing if nothing is left to wait for. To be called whenever that may be so. @internal */
  _settle(): void {
    if (this._isSettled()) this.#settled?.();
  }

  /**
   * Takes nothing any more, and resolves when all that was taken has gone, and the socket or stream has ended. Closing again does
   * nothing.
   *
   * @throws TransportError if not all of it has gone, or the reason of `abort` (as rejections)
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * sender.enqueue(skb);
   * await sender.close();
   * sender.stats().sent; // → 1
   */
  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  async #shut(): Promise<void> {
    // Not before `#closing` is set, which is what those who wait look at.
    await null;
    this._waiters.wake();
    if (!this.#aborted) this._end();
    while (!this._isSettled())
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    await this._leave();
    this.#closed = true;
    if (this.#failure !== null && (this.#aborted || this._hasLost())) throw this.#failure.reason;
  }

  /**
   * Gives everything back now: what has not gone is released, waits and `close` reject with `reason`, and the socket or stream is
   * destroyed. A peer that does not read cannot hold it up. Bytes that the system is still reading come back when that ends.
   * Default: `reason` is a TransportError. Does nothing once closed, nor the second time.
   *
   * @example
   * const sender = new StreamSender(engine, createWriteStream(path));
   * sender.enqueueBurst([skb, other]);
   * sender.abort(new Error("no time left"));
   * await sender.close().catch((error) => error.message); // → "no time left"
   * sender.stats().failed; // → 2
   */
  abort(reason: unknown = new TransportError("sender", "an open one", "an aborted one")): void {
    if (this.#aborted || this.#closed) return;
    this.#aborted = true;
    this.#failure ??= { reason };
    // Before anything wakes them.
    this._waiters.fail(reason);
    this._destroy(reason);
    this._settle();
    this.close().catch(() => {});
  }

  /**
   * `close()`; after `abort()`, waits until everything is back.
   *
   * @throws as `close`, but not the reason of `abort`
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * await sender[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#aborted ? this.close().catch(() => {}) : this.close());
  }
}

describes(Outbox, undefined, (outbox) => ({
  inFlight: outbox._used,
  most: outbox._capacity,
  ended: outbox._isOver(),
}));
