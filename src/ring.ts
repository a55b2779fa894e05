/// <reference lib="esnext.disposable" preserve="true" />
// Ring: packets from one thread to another.

import {
  BURST_FAILED,
  BURST_MOST,
  CONSUMES,
  E_CLOSED,
  E_RINGS,
  E_ROLE,
  E_STALE,
  ERROR_LIMIT,
  OK,
  PRODUCES,
  RING_MOST,
} from "../assembly/layout.js";
import type { Burst } from "./burst.js";
import { checkInteger, checkOptions, checkReuse, type Names, U32_MOST } from "./check.js";
import { describes } from "./describe.js";
import { GIVEN_AWAY } from "./ended.js";
import { checkEngine, type Engine } from "./engine.js";
import { EngineClosedError, PoolExhaustedError, RingClosedError, RingRoleError } from "./errors.js";
import { type PacketsOptions, packetsOf } from "./iteration.js";
import { refusal } from "./refusal.js";
import type { Skb } from "./skb.js";
import {
  burstOf,
  checkOut,
  checkScratch,
  isArray,
  type Packets,
  read,
  type SkbArray,
  stage,
  unload,
  unstage,
} from "./staging.js";
import { checkToken, type RingToken } from "./token.js";
import { checkWait, type End, type WaitOptions, type Wakeup, type Woken } from "./wait.js";

/** What a ring is made with. */
export interface RingOptions {
  /** Packets that the ring holds, 1..2^20, rounded up to a power of two. Default: 1024. */
  capacity?: number;
}

/** @internal */
export const RING_OPTIONS: Names<RingOptions> = { capacity: true };

/** How packets are taken out. */
export interface DequeueOptions {
  /** As for `engine.allocBurst`: `Skb` objects in the array that have ended are used again. Default: false. */
  reuse?: boolean;
}

/** The next power of two from `capacity` on. @throws ArgumentRangeError, ArgumentTypeError */
export function checkCapacity(capacity = 1024): number {
  return 2 ** Math.ceil(Math.log2(checkInteger("capacity", capacity, 1, RING_MOST)));
}

/**
 * A bounded queue of packets from one thread to another (rte_ring). Made on one thread, opened on the other by
 * `Ring.attach`. A packet in it belongs to the ring, not to a thread. The first thread to enqueue is the producer,
 * the first to dequeue the consumer, until they release the ring.
 *
 * @example
 * const ring = new Ring(engine, { capacity: 64 });
 * ring.enqueue(skb); // → true
 * skb.alive; // → false
 * const packet = ring.dequeue();
 * packet.length; // → 100
 * packet.release();
 */
export class Ring {
  /** Packets that it holds at most. */
  readonly capacity: number;
  /** @internal */
  readonly _engine: Engine;
  /** 0 when this object has ended. @internal */
  _address: number;
  /** Which ends were used by way of this object: PRODUCES, CONSUMES. @internal */
  _ends = 0;

  /**
   * Makes a ring. Returns an owned one.
   *
   * @throws PoolExhaustedError, EngineClosedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const ring = new Ring(engine, { capacity: 100 });
   * ring.capacity; // → 128
   */
  constructor(engine: Engine, options?: RingOptions);
  /** @internal */
  constructor(engine: Engine, options: undefined, address: number);
  constructor(engine: Engine, options?: RingOptions, address?: number) {
    this._engine = checkEngine(engine);
    this._address =
      address ?? createRing(engine, checkCapacity(checkOptions(options, RING_OPTIONS).capacity));
    if (this._address === 0)
      throw new PoolExhaustedError("ring", "0 (all that `rings` made room for are in use)");
    this.capacity = engine._core.ringCapacity(this._address);
    engine._parts.add(this);
  }

  /**
   * Opens a ring that another thread made. Returns an owned one.
   *
   * @throws TokenError, RingClosedError if nobody has the ring any more, EngineClosedError, ArgumentTypeError
   * @example
   * const ring = new Ring(engine);
   * const other = Ring.attach(engine, ring.share());
   * other.enqueue(skb);
   * ring.size; // → 1
   */
  static attach(engine: Engine, token: RingToken): Ring {
    const { _core: core, _identity: identity } = checkEngine(engine);
    const { index, generation } = checkToken("ring", token, identity);
    const address = core.joinRing(index, generation) >>> 0;
    if (address === E_STALE) throw new RingClosedError("one that is gone");
    return new Ring(engine, undefined, address);
  }

  // ─── State ───────────────────────────────────────────────────────────────────────────────────────────

  /** Packets in the ring now; while others use it, a moment ago. @throws RingClosedError after `release()` */
  get size(): number {
    return this._engine._core.ringSize(this._live());
  }

  /** Whether `close()` was called, on whichever thread. @throws RingClosedError after `release()` */
  get closed(): boolean {
    return this._engine._core.ringState(this._live()) !== OK;
  }

  /** Whether it is closed and has no packet any more. @throws RingClosedError after `release()` */
  get ended(): boolean {
    return this.closed && this.size === 0;
  }

  // ─── Producer ────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Gives a packet to the ring. Takes it and returns true; or returns false if the ring is full, and the packet stays
   * yours.
   *
   * @throws RingClosedError, RingRoleError, HeldSkbError if somebody else holds it through `get()`, StaleSkbError,
   * QueuedSkbError, ForeignSkbError, ArgumentTypeError; the packet stays yours
   * @example
   * const ring = new Ring(engine, { capacity: 1 });
   * ring.enqueue(skb); // → true
   * ring.enqueue(other); // → false
   * other.alive; // → true
   */
  enqueue(skb: Skb): boolean {
    const engine = this._engine;
    const ring = this._use(PRODUCES);
    const error = engine._refusal("skb", skb);
    if (error !== null) throw error;
    engine._heap.handles[engine._scratch >>> 2] = skb._handle;
    const result = engine._core.enqueueBurst(ring, engine._scratch, 1);
    if (result >= BURST_FAILED) throw this._refusal(result - BURST_FAILED, "producer", skb);
    if (result === 1) skb._end(GIVEN_AWAY);
    if (!engine.shared) engine._waiter.kick();
    return result === 1;
  }

  /**
   * Gives `skbs[0]` to `skbs[count - 1]` to the ring, in order, as many as there is room for (rte_ring_enqueue_burst).
   * Takes those, and returns how many; the rest stay yours, those of a `Burst` as its first. Default: `count` is `skbs.length`.
   *
   * @throws as `enqueue`; all packets stay yours
   * @example
   * const ring = new Ring(engine);
   * ring.enqueueBurst([skb, other]); // → 2
   * ring.size; // → 2
   */
  enqueueBurst(skbs: SkbArray | Burst, count?: number): number {
    if (!isArray(skbs)) return this.#enqueue(burstOf(this._engine, "skbs", skbs), count);
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    // What is read before may run code of the user's, which may release the ring.
    const own = read(skbs, total);
    const ring = this._use(PRODUCES);
    const engine = this._engine;
    let done = 0;
    while (done < total) {
      const some = Math.min(total - done, BURST_MOST);
      const taken = this.#some(engine, ring, own, done, some);
      done += taken;
      if (taken !== some) break;
    }
    if (!engine.shared) engine._waiter.kick();
    return done;
  }

  #enqueue(burst: Burst, count: number | undefined): number {
    const engine = this._engine;
    const result = burst._enqueue(this._use(PRODUCES), burst._some(count));
    if (result >= BURST_FAILED) throw this._refusal(result - BURST_FAILED, "producer", burst._held());
    if (!engine.shared) engine._waiter.kick();
    return result;
  }

  #some(engine: Engine, ring: number, own: readonly Skb[], at: number, n: number): number {
    // What the burst before this one took is gone, so a bad packet in this one is the next call's to report.
    const error = stage(engine, own, at, n, GIVEN_AWAY);
    if (error !== null) {
      if (at === 0) throw error;
      return 0;
    }
    const result = engine._core.enqueueBurst(ring, engine._scratch, n);
    if (result === n) return n;
    const taken = result < BURST_FAILED ? result : 0;
    unstage(engine, own, at + taken, n - taken, taken);
    if (result >= BURST_FAILED && at === 0)
      throw this._refusal(result - BURST_FAILED, "producer", heldOf(own, at, n));
    return taken;
  }

  // ─── Consumer ────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes the oldest packet out. Returns an owned one; or null if there is none, for now or, if `ended`, for ever.
   *
   * @throws RingRoleError, RingClosedError after `release()`
   * @example
   * const ring = new Ring(engine);
   * ring.dequeue(); // → null
   */
  dequeue(): Skb | null {
    const engine = this._engine;
    const result = engine._core.dequeueBurst(this._use(CONSUMES), engine._scratch, 1);
    if (result === 1) {
      if (!engine.shared) engine._waiter.kick();
      return engine._wrap(engine._heap.handles[engine._scratch >>> 2] as number);
    }
    if (result >= BURST_FAILED && result !== BURST_FAILED + E_CLOSED)
      throw this._refusal(result - BURST_FAILED, "consumer", null);
    return null;
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on (rte_ring_dequeue_burst). Returns how many; the rest of `out`
   * stays as it is. `count`: Default: `out.length`; for more, `out` grows. Into a `Burst` they go behind those that are there, by
   * default as many as there is room for.
   *
   * @throws RingRoleError, RingClosedError after `release()`, ArgumentTypeError, ArgumentRangeError
   * @example
   * const ring = new Ring(engine);
   * ring.enqueueBurst([skb, other]);
   * const burst = new Array(32);
   * const n = ring.dequeueBurst(burst);
   * n; // → 2
   * engine.releaseBurst(burst, n);
   */
  dequeueBurst(out: Packets, count?: number, options?: DequeueOptions): number {
    const reuse = checkReuse(options);
    if (!Array.isArray(out)) {
      const burst = burstOf(this._engine, "out", out);
      return this._dequeueInto(burst, burst._more(count));
    }
    const most = checkInteger("count", count ?? out.length, 0, U32_MOST);
    checkOut(out, most);
    return this._dequeue(out, 0, most, reuse);
  }

  /** As dequeueBurst, into `out[at]` and on. @internal */
  _dequeue(out: (Skb | null | undefined)[], at: number, count: number, reuse: boolean): number {
    const engine = this._engine;
    const ring = this._use(CONSUMES);
    let done = 0;
    // A setter of `out` may have released the ring.
    while (done < count && this._address === ring) {
      const ask = Math.min(count - done, BURST_MOST);
      const n = engine._core.dequeueBurst(ring, engine._scratch, ask);
      if (n >= BURST_FAILED) {
        if (n === BURST_FAILED + E_CLOSED) break;
        throw this._refusal(n - BURST_FAILED, "consumer", null);
      }
      unload(engine, out, at + done, n, reuse);
      done += n;
      if (n < ask) break;
    }
    if (!engine.shared) engine._waiter.kick();
    return done;
  }

  /** As dequeueBurst. @internal */
  _dequeueInto(burst: Burst, count: number): number {
    const engine = this._engine;
    const result = burst._dequeue(this._use(CONSUMES), count);
    if (result >= BURST_FAILED) {
      if (result === BURST_FAILED + E_CLOSED) return 0;
      throw this._refusal(result - BURST_FAILED, "consumer", null);
    }
    if (!engine.shared) engine._waiter.kick();
    return result;
  }

  // ─── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Blocks this thread until there is a packet: `ready`; until there will never be one: `ended`; until callbacks of ubufs
   * were run, if `completions` is set: `completed`; or until `timed-out`. For workers; what this thread keeps in its
   * magazines goes to the others meanwhile.
   *
   * @throws RingRoleError, RingClosedError after `release()`, UnsupportedError on a thread that must not block
   * @example
   * const ring = new Ring(engine);
   * ring.enqueue(skb);
   * ring.wait(); // → "ready"
   * ring.dequeue().release();
   * ring.wait({ timeout: 1 }); // → "timed-out"
   * ring.close();
   * ring.wait(); // → "ended"
   */
  wait(options?: WaitOptions): Wakeup {
    const wait = checkWait(options, [this._consumerEnd()]);
    return this.#why(this._engine._sleeper.block(wait), 0);
  }

  /**
   * As `wait`, but returns a promise instead of blocking. Keeps Node's event loop alive until it settles.
   *
   * @throws as `wait`, as rejections
   * @example
   * const ring = new Ring(engine);
   * ring.enqueue(skb);
   * await ring.waitAsync(); // → "ready"
   */
  async waitAsync(options?: WaitOptions): Promise<Wakeup> {
    const wait = checkWait(options, [this._consumerEnd()]);
    return this.#why(await this._engine._waiter.wait(wait), 0);
  }

  /**
   * Blocks this thread until the ring has room for `room` packets, or is closed: `ended`. Else as `wait`. `room` is half of
   * the capacity by default: being woken costs as much as hundreds of packets, so let it be for many.
   *
   * @throws RingRoleError, RingClosedError after `release()`, UnsupportedError, ArgumentRangeError
   * @example
   * const ring = new Ring(engine, { capacity: 2 });
   * ring.waitWritable(2); // → "ready"
   * ring.enqueue(skb);
   * ring.waitWritable(2, { timeout: 1 }); // → "timed-out"
   */
  waitWritable(room = this._half, options?: WaitOptions): Wakeup {
    const wait = checkWait(options, [this._producerEnd(room)]);
    return this.#why(this._engine._sleeper.block(wait), room);
  }

  /**
   * As `waitWritable`, but returns a promise instead of blocking. Keeps Node's event loop alive until it settles.
   *
   * @throws as `waitWritable`, as rejections
   * @example
   * const ring = new Ring(engine);
   * await ring.waitWritableAsync(); // → "ready"
   */
  async waitWritableAsync(room = this._half, options?: WaitOptions): Promise<Wakeup> {
    const wait = checkWait(options, [this._producerEnd(room)]);
    return this.#why(await this._engine._waiter.wait(wait), room);
  }

  /**
   * The packets as they come, until the ring has ended. Each is an owned one. Breaking out of the loop leaves the rest in
   * the ring.
   *
   * @throws RingRoleError, RingClosedError after `release()`; TimeoutError if none came for `timeout` milliseconds; the reason
   * of `signal`; ArgumentTypeError, ArgumentRangeError
   * @example
   * const ring = new Ring(engine);
   * ring.enqueueBurst([skb, other]);
   * ring.close();
   * let n = 0;
   * for await (const packet of ring.packets({ timeout: 1000 })) {
   *   packet.release();
   *   n++;
   * }
   * n; // → 2
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return packetsOf(this, options);
  }

  /**
   * `packets()` without options.
   *
   * @throws as `packets`
   * @example
   * const ring = new Ring(engine);
   * ring.enqueue(skb);
   * ring.close();
   * for await (const packet of ring) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  // ─── Life ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Closes the ring for both sides, whoever calls it: nothing is enqueued from here on, the consumer drains what is left
   * and then sees the end. Closing again does nothing.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const ring = new Ring(engine);
   * ring.close();
   * ring.ended; // → true
   */
  close(): void {
    this._engine._core.closeRing(this._live());
    if (!this._engine.shared) this._engine._waiter.kick();
  }

  /**
   * Closes the ring, and rejects with `reason` what waits by way of this object. If this object took packets out, what is in the
   * ring is released; else it has gone to the consumer, who drains it. Default: `reason` is a RingClosedError. Does nothing after
   * `release()`.
   *
   * @example
   * const ring = new Ring(engine);
   * const waiting = ring.waitAsync().catch((error) => error.message);
   * ring.abort(new Error("no time left"));
   * await waiting; // → "no time left"
   */
  abort(reason: unknown = new RingClosedError("an aborted one")): void {
    if (this._address === 0 || this._engine.closed) return;
    this._engine._waiter.forget(this, reason);
    this.close();
    if (!this._has(CONSUMES)) return;
    // A completion may release the ring, or close the engine.
    while (this._address !== 0 && !this._engine.closed) {
      const skb = this.dequeue();
      if (skb === null) return;
      skb.release();
    }
  }

  /**
   * What another thread needs to open the ring with `Ring.attach`. Send it with `postMessage`. It is good while
   * anybody has the ring.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const ring = new Ring(engine);
   * Ring.attach(engine, ring.share()).capacity; // → 1024
   */
  share(): RingToken {
    const address = this._live();
    const { _core: core, _identity: identity } = this._engine;
    return {
      skbuff: "ring",
      identity,
      index: core.ringIndex(address),
      generation: core.ringGeneration(address),
    };
  }

  /**
   * Gives up this object's part in the ring. An end that no other object of this thread has used is free for another
   * thread then. Does not close it. With the last part, of all threads, the ring is freed, and packets that are
   * still in it are released. What waits by way of this object is rejected, what waits by way of others goes on. Doing it
   * again does nothing.
   *
   * @example
   * const ring = new Ring(engine);
   * ring.enqueue(skb);
   * ring.release();
   * stats(engine).skbs.used; // → 1
   */
  release(): void {
    if (this._address === 0 || this._engine.closed) return;
    const address = this._address;
    this._engine._waiter.forget(this, new RingClosedError("one that was released"));
    this._address = 0;
    leaveRing(this._engine, this, address);
    if (this._engine._lent !== 0) this._engine._deliver();
  }

  /**
   * `abort()` if this object took packets out, else `close()` if it put packets in; then `release()`.
   *
   * @example
   * const ring = new Ring(engine);
   * const there = Ring.attach(engine, ring.share());
   * ring.enqueue(skb);
   * ring[Symbol.dispose]();
   * for await (const packet of there) packet.release(); // one packet, then the end
   */
  [Symbol.dispose](): void {
    if (this._address === 0 || this._engine.closed) return;
    if (this._has(CONSUMES)) this.abort();
    else if (this._has(PRODUCES)) this.close();
    this.release();
  }

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** @internal */
  _live(): number {
    if (this._address === 0 || this._engine.closed) throw this._ended();
    return this._address;
  }

  /** Its address, for something that takes an end of it, or tries to. @internal */
  _use(end: number): number {
    const address = this._live();
    checkScratch(this._engine);
    if ((this._ends & end) === 0) {
      this._ends |= end;
      const users = endsOf(this._engine);
      users.set(address + end, (users.get(address + end) ?? 0) + 1);
    }
    return address;
  }

  /** Whether this object has used an end that is this thread's. @internal */
  _has(end: number): boolean {
    if ((this._ends & end) === 0) return false;
    const core = this._engine._core;
    return (end === CONSUMES ? core.takeConsumer(this._address) : core.takeProducer(this._address)) !== 0;
  }

  /** @internal */
  _ended(): Error {
    return this._engine.closed ? new EngineClosedError() : new RingClosedError("one that was released");
  }

  /** @internal */
  _consumerEnd(): End {
    const ring = this._use(CONSUMES);
    if (this._engine._core.takeConsumer(ring) === 0) throw this._refusal(E_ROLE, "consumer", null);
    return { of: this, ring, room: 0 };
  }

  /** @internal */
  _producerEnd(room: number): End {
    const ring = this._use(PRODUCES);
    checkInteger("room", room, 1, this.capacity);
    if (this._engine._core.takeProducer(ring) === 0) throw this._refusal(E_ROLE, "producer", null);
    return { of: this, ring, room };
  }

  /** Only the ring's end: more room than there ever is. @internal */
  _closingEnd(): End {
    return { ...this._producerEnd(1), room: this.capacity + 1 };
  }

  /** The room that is waited for if nobody says. @internal */
  get _half(): number {
    return Math.ceil(this.capacity / 2);
  }

  /** The error for a status of the core. @internal */
  _refusal(status: number, role: "producer" | "consumer", skb: Skb | null): Error {
    const core = this._engine._core;
    if (status === E_CLOSED) return new RingClosedError("a closed one");
    if (status !== E_ROLE) return refusal(this._engine, status, skb);
    const thread = role === "producer" ? core.ringProducer(this._address) : core.ringConsumer(this._address);
    return new RingRoleError(role, thread);
  }

  /** What a wait for `room` means to whoever waited. */
  #why(woken: Woken, room: number): Wakeup {
    if (woken !== "ready") return woken;
    return (room === 0 ? this.ended : this.closed) ? "ended" : "ready";
  }
}

/** Makes a ring of a capacity that is a power of two. Returns its address, or 0 if all that there can be are in use. */
export function createRing(engine: Engine, capacity: number): number {
  const address = engine._core.createRing(capacity) >>> 0;
  if (address === E_RINGS) return 0;
  if (address < ERROR_LIMIT) throw refusal(engine, address, null);
  return address;
}

/** How many objects of this thread use an end of a ring, by the ring's address plus PRODUCES or CONSUMES; for each engine. */
const ends = new WeakMap<Engine, Map<number, number>>();

function endsOf(engine: Engine): Map<number, number> {
  let those = ends.get(engine);
  if (those === undefined) {
    those = new Map();
    ends.set(engine, those);
  }
  return those;
}

/** An object of a ring has ended. The ends that it was the last to use go with it. */
function leaveRing(engine: Engine, ring: Ring, address: number): void {
  engine._parts.delete(ring);
  const users = endsOf(engine);
  let left = 0;
  for (const end of [PRODUCES, CONSUMES]) {
    if ((ring._ends & end) === 0) continue;
    const others = (users.get(address + end) ?? 0) - 1;
    if (others > 0) users.set(address + end, others);
    else {
      users.delete(address + end);
      left |= end;
    }
  }
  engine._core.leaveRing(address, left);
}

/** The packet for which a burst was refused: the first that somebody else holds. */
export function heldOf(skbs: readonly Skb[], at: number, n: number): Skb | null {
  for (let i = at; i < at + n; i++) {
    if ((skbs[i]?.users ?? 0) > 1) return skbs[i] ?? null;
  }
  return skbs[at] ?? null;
}

describes(Ring, "Ring", ({ capacity, size, closed }) => ({ capacity, size, closed }));
