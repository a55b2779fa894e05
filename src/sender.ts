/// <reference lib="esnext.disposable" preserve="true" />
// Sender: one producer's place in a mesh.

import { BURST_FAILED, BURST_MOST, E_CLOSED, E_ROLE, PRODUCES } from "../assembly/layout.js";
import type { Burst } from "./burst.js";
import { checkInteger } from "./check.js";
import { describes } from "./describe.js";
import { GIVEN_AWAY } from "./ended.js";
import type { Engine } from "./engine.js";
import { ArgumentTypeError } from "./errors.js";
import { heldOf, type Ring } from "./ring.js";
import type { Skb } from "./skb.js";
import { burstOf, checkScratch, type Packets, read, stage, unstage } from "./staging.js";
import { checkWait, countdown, type Wait, type WaitOptions, type Wakeup, type Woken } from "./wait.js";

/**
 * One producer's place in a mesh.
 *
 * @example
 * const mesh = new Mesh(engine, 1, 2, { spread: "in-turn" });
 * const sender = mesh.sender(0);
 * sender.enqueueBurst([skb, other]); // → 2
 * mesh.receiver(0).size; // → 1
 */
export class Sender {
  readonly #engine: Engine;
  readonly #rings: readonly Ring[];
  /** With `in-turn`, whose turn it is; else as many as there are. */
  #turn: number;
  readonly #inTurn: boolean;
  /** The rings that refused packets of the last burst because of their hash. */
  #full: Ring[] = [];

  /** @internal */
  constructor(engine: Engine, rings: readonly Ring[], inTurn: boolean) {
    this.#engine = engine;
    this.#rings = rings;
    this.#inTurn = inTurn;
    this.#turn = inTurn ? 0 : rings.length;
  }

  /** Whether any of its rings was closed, on whichever thread: it takes no more packets. @throws RingClosedError after `release()` */
  get closed(): boolean {
    return this.#rings.some((ring) => ring.closed);
  }

  /**
   * Gives a packet to a receiver. Takes it and returns true; or returns false if the ring for it is full, and the packet
   * stays yours.
   *
   * @throws as `ring.enqueue`
   * @example
   * const mesh = new Mesh(engine, 1, 2);
   * mesh.sender(0).enqueue(skb); // → true
   */
  enqueue(skb: Skb): boolean {
    return this.#give([skb]) === 0;
  }

  /**
   * Gives `skbs[0]` to `skbs[count - 1]` to their receivers, as many as there is room for. Takes those, and returns how
   * many. The others stay yours and are then the first of the array, in the order they had: so it must not be frozen.
   *
   * @throws as `ring.enqueueBurst`; all packets stay yours. What is wrong behind the first 256 is thrown by the next call
   * @example
   * const mesh = new Mesh(engine, 1, 1, { capacity: 1 });
   * const burst = [skb, other];
   * mesh.sender(0).enqueueBurst(burst); // → 1
   * burst[0] === other; // → true
   */
  enqueueBurst(skbs: Packets, count?: number): number {
    if (!Array.isArray(skbs)) return this.#enqueue(burstOf(this.#engine, "skbs", skbs), count);
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    if (total > 0 && Object.isFrozen(skbs)) throw unwritable(skbs);
    const own = read(skbs, total);
    const left = this.#give(own);
    if (left > 0 && left < total) {
      try {
        for (let i = 0; i < total; i++) skbs[i] = own[i];
      } catch {
        throw unwritable(skbs);
      }
    }
    return total - left;
  }

  /** Gives what `read` has returned. Returns how many were refused: those are the first of it then. */
  #give(own: Skb[]): number {
    const total = own.length;
    this.#use();
    if (this.#full.length > 0) this.#full = [];
    let left = 0; // [0, left) were refused; [left, at) were taken
    for (let at = 0; at < total; at += BURST_MOST) {
      const n = Math.min(total - at, BURST_MOST);
      const error = stage(this.#engine, own, at, n, GIVEN_AWAY);
      if (error !== null) {
        if (at === 0) throw error;
        left = keep(own, left, at, total);
        break;
      }
      // Behind one that was refused, no packet of the same flow may overtake it.
      if (left > 0 && !this.#inTurn) {
        unstage(this.#engine, own, at, n, 0);
        left = keep(own, left, at, total);
        break;
      }
      const kept = this.#scatter(own, left, at, n);
      if (kept === null) {
        left = keep(own, left, at, total);
        break;
      }
      left = kept;
    }
    if (!this.#engine.shared) this.#engine._waiter.kick();
    return left;
  }

  /** The handles go through the scratch, where the core says which it took. */
  #enqueue(burst: Burst, count: number | undefined): number {
    const engine = this.#engine;
    const n = burst._some(count);
    this.#use();
    if (this.#full.length > 0) this.#full = [];
    burst._stage(n);
    const result = engine._core.scatter(n, this.#rings.length, this.#turn);
    if (result >= BURST_FAILED) throw this.#refusal(result - BURST_FAILED, burst._held());
    if (this.#inTurn) this.#turn = (this.#turn + result) % this.#rings.length;
    if (result > 0) burst._keep(n, result);
    if (!this.#inTurn) for (let i = 0; i < n - result; i++) this.#refusedBy(burst.hashOf(i));
    if (!engine.shared) engine._waiter.kick();
    return result;
  }

  /** Sends those in [at, at + n); returns where those that were refused now end, or null if something is wrong with one. */
  #scatter(own: Skb[], left: number, at: number, n: number): number | null {
    const { _core: core, _heap: heap, _scratch: scratch } = this.#engine;
    const result = core.scatter(n, this.#rings.length, this.#turn);
    if (result >= BURST_FAILED) {
      unstage(this.#engine, own, at, n, 0);
      if (at === 0) throw this.#refusal(result - BURST_FAILED, heldOf(own, at, n));
      // Nothing behind it is sent either, so that the next call finds it, and says what is wrong.
      return null;
    }
    if (this.#inTurn) this.#turn = (this.#turn + result) % this.#rings.length;
    if (result === n) return left;
    for (let i = 0; i < n; i++) {
      const handle = heap.handles[(scratch >>> 2) + i] as number;
      if (handle === 0) continue;
      const skb = own[at + i] as Skb;
      skb._handle = handle;
      this.#engine._debug?.revived(skb);
      if (!this.#inTurn) this.#refusedBy(skb.hash);
      swap(own, left++, at + i);
    }
    return left;
  }

  /** Remembers which ring had no room for a packet of this hash. */
  #refusedBy(hash: number): void {
    const ring = this.#rings[this.#engine._core.targetOf(hash, this.#rings.length)] as Ring;
    if (!this.#full.includes(ring)) this.#full.push(ring);
  }

  /** Tells the core whose rings it is to choose from. */
  #use(): void {
    checkScratch(this.#engine);
    if (this.#engine._targets === this) return;
    for (const [i, ring] of this.#rings.entries()) this.#engine._core.setTarget(i, ring._use(PRODUCES));
    this.#engine._targets = this;
  }

  #refusal(status: number, skb: Skb | null): Error {
    const ring = this.#rings.find((one) =>
      status === E_CLOSED
        ? one.closed
        : status === E_ROLE && one._engine._core.takeProducer(one._live()) === 0,
    );
    return (ring ?? (this.#rings[0] as Ring))._refusal(status, "producer", skb);
  }

  /**
   * Blocks this thread until packets can be sent, or one of the receivers has closed: `ended`. In turn: until one ring has
   * room for `room` packets. By hash: until one of those has that refused packets of the last `enqueueBurst`; if none
   * did, until each of them has, since the next packet may be for any. So a receiver that stalls holds up its own flows
   * only. Else as `ring.waitWritable`.
   *
   * @throws as `ring.waitWritable`
   * @example
   * const sender = new Mesh(engine, 1, 2).sender(0);
   * sender.waitWritable(); // → "ready"
   */
  waitWritable(room?: number, options?: WaitOptions): Wakeup {
    const waits = this.#waits(room, options);
    let next = waits.next();
    while (next.done !== true) next = waits.next(this.#engine._sleeper.block(next.value));
    return next.value;
  }

  /**
   * As `waitWritable`, but returns a promise instead of blocking.
   *
   * @throws as `ring.waitWritableAsync`
   * @example
   * const sender = new Mesh(engine, 1, 2).sender(0);
   * await sender.waitWritableAsync(); // → "ready"
   */
  async waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    const waits = this.#waits(room, options);
    let next = waits.next();
    while (next.done !== true) next = waits.next(await this.#engine._waiter.wait(next.value));
    return next.value;
  }

  /** What to wait for, one after the other; each is answered with why it ended. Returns what that means. */
  *#waits(room: number | undefined, options: WaitOptions | undefined): Generator<Wait, Wakeup, Woken> {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    const one = this.#inTurn || this.#full.length > 0;
    for (;;) {
      const short = this.#rings.filter((ring) => ring.capacity - ring.size < (room ?? ring._half));
      // The others are waited for, too, but only for their end, of which this is one as well.
      const wanted = this.#inTurn || short.length === 0 ? this.#rings : one ? this.#full : short.slice(0, 1);
      const ends = this.#rings.map((ring) =>
        wanted.includes(ring) ? ring._producerEnd(room ?? ring._half) : ring._closingEnd(),
      );
      const woken = yield { ...given, ends, timeout: left() };
      if (woken !== "ready") return woken;
      if (this.closed) return "ended";
      if (one || short.length <= 1) return "ready";
    }
  }

  /**
   * Closes this sender's rings: the receivers drain them, and end when all their senders are closed.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * mesh.receiver(0).ended; // → true
   */
  close(): void {
    for (const ring of this.#rings) ring.close();
  }

  /**
   * Gives the place up, without closing it: another thread may take it. Doing it again does nothing.
   *
   * @example
   * new Mesh(engine, 1, 1).sender(0).release();
   */
  release(): void {
    if (this.#engine._targets === this) this.#engine._targets = null;
    for (const ring of this.#rings) ring.release();
  }

  /**
   * Closes this sender's rings, and rejects with `reason` what waits by way of it. What is in the rings has gone to the receivers.
   * Default: `reason` is a RingClosedError.
   *
   * @example
   * const sender = new Mesh(engine, 1, 1).sender(0);
   * sender.abort();
   * sender.closed; // → true
   */
  abort(reason?: unknown): void {
    for (const ring of this.#rings) ring.abort(reason);
  }

  /**
   * `close()`, so that receivers end, then `release()`.
   *
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const receiver = mesh.receiver(0);
   * mesh.sender(0)[Symbol.dispose]();
   * receiver.ended; // → true
   */
  [Symbol.dispose](): void {
    // Closing is not for whoever has released it.
    if (this.#rings.some((ring) => ring._address !== 0) && !this.#engine.closed) this.close();
    this.release();
  }
}

/** Moves those in [at, end), which stay the caller's, in front of those that were taken. */
function keep(own: Skb[], left: number, at: number, end: number): number {
  let to = left;
  for (let i = at; i < end; i++) swap(own, to++, i);
  return to;
}

function unwritable(skbs: unknown): Error {
  return new ArgumentTypeError("skbs", "an array that can be written", skbs);
}

function swap<T>(array: T[], i: number, j: number): void {
  if (i === j) return;
  const a = array[i] as T;
  array[i] = array[j] as T;
  array[j] = a;
}

describes(Sender, "Sender", ({ closed }) => ({ closed }));
