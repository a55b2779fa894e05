/// <reference lib="esnext.disposable" preserve="true" />
// Outbox: what senders to sockets and to streams have in common. Packets are taken while there is room.

import { checkInteger } from "../check.js";
import { describes } from "../describe.js";
import { checkOpen, mark, refused, takeAs, unmark } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError, HeldSkbError } from "../errors.js";
import type { Skb } from "../skb.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import { EventWaiter, type Look } from "./event-waiter.js";
import { Share } from "./share.js";
import type { Transmitter } from "./transmitter.js";

/**
 * The part of `UdpSender`, `StreamSender`, `WebSocketSender` and `WebStreamSender` that is the same: packets go in while there is room, and each comes back to
 * the pool when it is sent or has failed.
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
  /** @internal */
  readonly _capacity: number;
  /** What the packet cost that was offered last: so many of its like can be sent at once. */
  #lastCost = 0;
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
  /** Why nothing is sent any more; null while it is. @internal */
  abstract _ended(): Error | null;
  /** Sends a packet that is the outbox's own now. @internal */
  abstract _send(skb: Skb, cost: number): void;

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
   * their turn of the event loop after so many packets, and the packet stays yours. It is released, and memory lent to it comes back, once its bytes have been handed over.
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
  enqueueBurst(skbs: readonly (Skb | null | undefined)[], count?: number): number {
    if (!Array.isArray(skbs)) throw new ArgumentTypeError("skbs", "an array", skbs);
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    this.#check();
    const error = this.#firstRefusal(skbs, total);
    if (error !== null) throw error;
    let done = 0;
    // Sending one may run callbacks, which may do anything to the next: that one is the next call's to report.
    while (done < total && this._ended() === null) {
      const skb = skbs[done] as Skb;
      if ((done > 0 && this._refusal(skb) !== null) || !this.#offer(skb)) break;
      done++;
    }
    return done;
  }

  #firstRefusal(skbs: readonly (Skb | null | undefined)[], n: number): Error | null {
    const handles: number[] = [];
    let error: Error | null = null;
    for (let i = 0; i < n && error === null; i++) {
      const skb = skbs[i] as Skb;
      error = this._refusal(skb);
      if (error !== null) break;
      handles.push(mark(skb));
    }
    for (const [i, handle] of handles.entries()) unmark(skbs[i] as Skb, handle);
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
    // The caller's object ends here; who sends has one of its own.
    this._send(takeAs(skb), cost);
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
   * Keeps Node's event loop alive meanwhile. `room` is by default half of what may be in flight, or what the packet needs
   * that was refused last if that is more.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError (as rejections)
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
      if (this._ended() !== null) return "ended";
      if (this.#share.spent) return null;
      const load = this._load;
      return load === 0 || load + wanted <= this._capacity ? "ready" : null;
    };
    return this._waiters.wait(look, wanted, options);
  }

  #check(): void {
    checkOpen(this._engine);
    const error = this._ended();
    if (error !== null) throw error;
  }

  /**
   * Takes nothing any more, and resolves when all that was taken is through.
   *
   * @throws TransportError (as a rejection) if not all of it is
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * sender.enqueue(skb);
   * await sender.close();
   * sender.stats().sent; // → 1
   */
  abstract close(): Promise<void>;

  /**
   * `close()`.
   *
   * @throws as `close`
   * @example
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port });
   * await sender[Symbol.asyncDispose]();
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

describes(Outbox, undefined, (outbox) => ({
  inFlight: outbox._used,
  most: outbox._capacity,
  ended: outbox._ended() !== null,
}));
