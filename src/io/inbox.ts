/// <reference lib="esnext.disposable" preserve="true" />
// Inbox: what receivers from sockets and from streams have in common. Packets wait in it to be taken out.

import { checkReuse } from "../check.js";
import { describes } from "../describe.js";
import { checkOpen, putEach } from "../driver.js";
import type { Engine } from "../engine.js";
import { type PacketsOptions, packetsOf } from "../iteration.js";
import { DropReason } from "../reason.js";
import type { DequeueOptions } from "../ring.js";
import type { Skb } from "../skb.js";
import type { Packets } from "../staging.js";
import type { WaitOptions, Wakeup } from "../wait.js";
import { TransportError } from "./errors.js";
import { EventWaiter, itself, type Look } from "./event-waiter.js";
import { Fifo } from "./fifo.js";
import { letGo } from "./packets.js";

/** Milliseconds between packets that come close one behind the other: more than the system takes for one, far less than a turn. */
const CLOSE_MS = 0.05;

/**
 * The part of `UdpReceiver`, `StreamReceiver`, `WebSocketReceiver` and `WebStreamReceiver` that is the same: what came in waits
 * to be taken out, as in a ring.
 *
 * @example
 * const receiver = await UdpReceiver.open(engine, { port: 0 });
 * receiver.dequeue(); // → null
 * await receiver.close();
 * receiver.ended; // → true
 */
export abstract class Inbox {
  /** @internal */
  readonly _engine: Engine;
  readonly #queue = new Fifo<Skb>();
  readonly #waiters: EventWaiter;
  #over = false;
  /** What ended it, if that was no good end. */
  #failure: { readonly reason: unknown } | null = null;
  #closing: Promise<void> | undefined;
  readonly #look: Look = () => {
    if (this.#queue.length > 0 || this.#failure !== null) return "ready";
    return this.#over ? "ended" : null;
  };

  /** @internal */
  constructor(engine: Engine) {
    this._engine = engine;
    // What ended it is for all to see.
    this.#waiters = new EventWaiter(engine, () =>
      this.#over ? Number.POSITIVE_INFINITY : this.#queue.length,
    );
  }

  /** Packets that wait to be taken out. */
  get size(): number {
    return this.#queue.length;
  }

  /** Whether nothing comes any more, all was taken out, and it ended well. */
  get ended(): boolean {
    return this.#over && this.#queue.length === 0 && this.#failure === null;
  }

  /** Puts a packet in, which is the inbox's now. @internal */
  _put(skb: Skb): void {
    this.#queue.push(skb);
    this.#waiters.wake();
  }

  /**
   * The same of a packet that an event of its own brings. Who waits is woken now; or, if they had only just taken one, with the end
   * of the event loop's turn, so that they have all to take that come in it. Returns whether `_turned` is to be called then: to be
   * told of a turn costs as much as some packets, so that it is worth it only for more than one. @internal
   */
  _putOne(skb: Skb): boolean {
    this.#queue.push(skb);
    const { waited } = this.#waiters;
    if (waited > CLOSE_MS) this.#waiters.wake(itself);
    return waited >= 0 && waited <= CLOSE_MS;
  }

  /** Wakes who waits. @internal */
  _turned(): void {
    this.#waiters.wake(itself);
  }

  /** Nothing comes any more. Whoever has taken all out is told the error, if there is one. @internal */
  _finish(error: Error | null): void {
    if (this.#over) return;
    this.#over = true;
    if (error !== null) this.#failure = { reason: error };
    this.#waiters.wake();
  }

  /** Whether nothing comes any more. @internal */
  get _over(): boolean {
    return this.#over;
  }

  /** Told when there is a packet less. @internal */
  _taken(_skb: Skb): void {}

  /**
   * Reads no more, whatever there still is, and closes what is read; `now` without waiting for a peer. May be called again.
   * @internal
   */
  abstract _destroy(now: boolean): void;

  /** When that is closed. @internal */
  abstract readonly _gone: Promise<unknown>;

  /**
   * Takes the oldest packet out. Returns an owned one; or null if there is none, for now or, if `ended`, for ever.
   *
   * @throws TransportError or FramingError for what ended the stream, after all that came before it; the reason of `abort`;
   * EngineClosedError
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * receiver.dequeue(); // → null
   */
  dequeue(): Skb | null {
    checkOpen(this._engine);
    const skb = this.#queue.shift();
    if (skb !== undefined) {
      this._taken(skb);
      return skb;
    }
    if (this.#failure !== null) throw this.#failure.reason;
    return null;
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on. Returns how many; the rest of `out` stays as it is. Default: `count` is
   * `out.length`; for more, `out` grows. There are `Skb` objects already, so that `reuse` saves nothing.
   *
   * @throws as `dequeue`, if there is no packet before it; ArgumentTypeError, ArgumentRangeError
   * @example
   * const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
   * sender.enqueueBurst([skb, other]);
   * while (receiver.size < 2) await sleep(1);
   * const burst = new Array(32);
   * receiver.dequeueBurst(burst); // → 2
   * engine.releaseBurst(burst, 2);
   */
  dequeueBurst(out: Packets, count?: number, options?: DequeueOptions): number {
    checkReuse(options);
    return putEach(
      this._engine,
      out,
      count,
      () => this.dequeue(),
      () => this.#queue.length > 0,
    );
  }

  /**
   * Waits until there is a packet, or an error that `dequeue` throws: `ready`; until there will never be one: `ended`; or
   * `timed-out`; or, with `completions`, until callbacks of ubufs were run: `completed`. Keeps Node's event loop alive
   * meanwhile.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, EngineClosedError, the reason of `signal` or `abort` (as rejections)
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * await receiver.waitAsync({ timeout: 1 }); // → "timed-out"
   */
  waitAsync(options?: WaitOptions): Promise<Wakeup> {
    return this.#waiters.wait(this.#look, 0, options);
  }

  /**
   * The packets as they come, until there will never be one. Each is an owned one. Breaking out of the loop leaves the rest
   * where they are.
   *
   * @throws as `dequeue`; TimeoutError if none came for `timeout` milliseconds; the reason of `signal`; ArgumentTypeError,
   * ArgumentRangeError
   * @example
   * const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
   * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
   * sender.enqueue(skb);
   * for await (const packet of receiver.packets({ timeout: 5000 })) {
   *   packet.release();
   *   await receiver.close();
   * }
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return packetsOf(this, options);
  }

  /**
   * `packets()` without options.
   *
   * @throws as `dequeue`
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * await receiver.close();
   * for await (const packet of receiver) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  /**
   * Receives nothing any more, and closes what is read, in both directions. What is there can still be taken out; then the
   * receiver has ended. Resolves when that is closed. Closing again does nothing.
   *
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * await receiver.close();
   * await receiver.waitAsync(); // → "ended"
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this._finish(null);
      this._destroy(false);
      await this._gone;
    })();
    return this.#closing;
  }

  /**
   * Gives everything back now: closes it, and releases what is there. Waits, and calls from then on, fail with `reason`. Once it
   * is closed, or has come to its end, it only releases what is there. Default: `reason` is a TransportError.
   *
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * const waiting = receiver.waitAsync().catch((error) => error.message);
   * receiver.abort(new Error("no time left"));
   * await waiting; // → "no time left"
   */
  abort(reason: unknown = new TransportError("receiver", "an open one", "an aborted one")): void {
    if (!this.#over) this.#failure = { reason };
    this.#over = true;
    // Before anything wakes them.
    this.#waiters.fail(reason);
    for (let skb = this.#queue.shift(); skb !== undefined; skb = this.#queue.shift()) {
      if (!this._engine.closed) this._taken(skb);
      letGo(skb, DropReason.notSpecified);
    }
    this._destroy(true);
    void this.close();
  }

  /**
   * `abort()`.
   *
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * receiver[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.abort();
  }

  /**
   * `abort()`, and waits until all is closed.
   *
   * @example
   * const receiver = await UdpReceiver.open(engine, { port: 0 });
   * await receiver[Symbol.asyncDispose]();
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.close();
  }
}

describes(Inbox, undefined, ({ size, ended }) => ({ size, ended }));
