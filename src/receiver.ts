/// <reference lib="esnext.disposable" preserve="true" />
// Receiver: one consumer's place in a mesh.

import { CONSUMES } from "../assembly/layout.js";
import { checkInteger, checkReuse, U32_MOST } from "./check.js";
import { describes } from "./describe.js";
import type { Engine } from "./engine.js";
import { ArgumentTypeError } from "./errors.js";
import { type PacketsOptions, packetsOf } from "./iteration.js";
import type { DequeueOptions, Ring } from "./ring.js";
import type { Skb } from "./skb.js";
import { burstOf, checkOut, type Packets } from "./staging.js";
import { checkWait, countdown, type End, type WaitOptions, type Wakeup } from "./wait.js";

/**
 * One consumer's place in a mesh.
 *
 * @example
 * const mesh = new Mesh(engine, 2, 1);
 * mesh.sender(1).enqueue(skb);
 * const receiver = mesh.receiver(0);
 * receiver.wait(); // → "ready"
 * receiver.dequeue().release();
 */
export class Receiver {
  readonly #engine: Engine;
  readonly #rings: readonly Ring[];
  /** The ring that is drained first next time: after the one that was drained last. */
  #next = 0;

  /** @internal */
  constructor(engine: Engine, rings: readonly Ring[]) {
    this.#engine = engine;
    this.#rings = rings;
  }

  /** Packets that wait in all rings; while others use them, a moment ago. @throws RingClosedError after `release()` */
  get size(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.size, 0);
  }

  /** Whether all senders have closed, and all is drained. @throws RingClosedError after `release()` */
  get ended(): boolean {
    return this.#rings.every((ring) => ring.ended);
  }

  /**
   * Takes a packet out, from one sender after the other. Returns an owned one, or null.
   *
   * @throws as `ring.dequeue`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).enqueue(skb);
   * mesh.receiver(0).dequeue().length; // → 100
   */
  dequeue(): Skb | null {
    for (let i = 0; i < this.#rings.length; i++) {
      const skb = this.#turn().dequeue();
      if (skb !== null) return skb;
    }
    return null;
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on. Senders that have packets get an equal share of it. Returns how
   * many; the rest of `out` stays as it is. Default: `count` is `out.length`; for more, `out` grows.
   *
   * @throws as `ring.dequeueBurst`; if there are packets already, the next call throws
   * @example
   * const mesh = new Mesh(engine, 2, 1);
   * mesh.sender(0).enqueue(skb);
   * mesh.sender(1).enqueue(other);
   * const burst = new Array(32);
   * mesh.receiver(0).dequeueBurst(burst); // → 2
   * engine.releaseBurst(burst, 2);
   */
  dequeueBurst(out: Packets, count?: number, options?: DequeueOptions): number {
    const reuse = checkReuse(options);
    const isBurst = !Array.isArray(out);
    const wanted = isBurst
      ? burstOf(this.#engine, "out", out)._more(count)
      : checkInteger("count", count ?? out.length, 0, U32_MOST);
    if (!isBurst) checkOut(out, wanted);
    const share = Math.ceil(wanted / this.#rings.length);
    let done = 0;
    // Twice around: first everybody's share, then what others left of theirs.
    for (let i = 0; i < 2 * this.#rings.length && done < wanted; i++) {
      const ask = i < this.#rings.length ? Math.min(share, wanted - done) : wanted - done;
      const turn = this.#next;
      try {
        const ring = this.#turn();
        done += isBurst ? ring._dequeueInto(out, ask) : ring._dequeue(out, done, ask, reuse);
      } catch (error) {
        // What lies in `out` is the caller's, who has to hear of it; the next call begins here, and throws.
        if (done === 0 || error instanceof ArgumentTypeError) throw error;
        this.#next = turn;
        break;
      }
    }
    return done;
  }

  #turn(): Ring {
    const ring = this.#rings[this.#next] as Ring;
    this.#next = (this.#next + 1) % this.#rings.length;
    return ring;
  }

  /**
   * Blocks this thread until a sender's packet is there, or all have `ended`. As `ring.wait`.
   *
   * @throws as `ring.wait`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * mesh.receiver(0).wait(); // → "ended"
   */
  wait(options?: WaitOptions): Wakeup {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    for (;;) {
      const wait = { ...given, ends: this.#open(), timeout: left() };
      if (wait.ends.length === 0) return "ended";
      const woken = this.#engine._sleeper.block(wait);
      // An end that has closed is ready, too, but brings nothing: the others are still to be waited for.
      if (woken !== "ready" || this.size > 0) return woken;
    }
  }

  /**
   * As `wait`, but returns a promise instead of blocking.
   *
   * @throws as `ring.waitAsync`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).enqueue(skb);
   * await mesh.receiver(0).waitAsync(); // → "ready"
   */
  async waitAsync(options?: WaitOptions): Promise<Wakeup> {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    for (;;) {
      const wait = { ...given, ends: this.#open(), timeout: left() };
      if (wait.ends.length === 0) return "ended";
      const woken = await this.#engine._waiter.wait(wait);
      if (woken !== "ready" || this.size > 0) return woken;
    }
  }

  /** The ends that can still become ready: one that has ended would end every wait at once. */
  #open(): End[] {
    return this.#rings.filter((ring) => !ring.ended).map((ring) => ring._consumerEnd());
  }

  /**
   * The packets as they come, until all senders have ended. Each is an owned one.
   *
   * @throws as `dequeue`; TimeoutError if none came for `timeout` milliseconds; the reason of `signal`; ArgumentTypeError,
   * ArgumentRangeError
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const sender = mesh.sender(0);
   * sender.enqueueBurst([skb, other]);
   * sender.close();
   * for await (const packet of mesh.receiver(0).packets({ timeout: 1000 })) packet.release();
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return packetsOf(this, options);
  }

  /**
   * `packets()` without options.
   *
   * @throws as `packets`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * for await (const packet of mesh.receiver(0)) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  /**
   * Closes this receiver's rings: its senders get RingClosedError from then on.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.receiver(0).close();
   * mesh.sender(0).waitWritable(); // → "ended"
   */
  close(): void {
    for (const ring of this.#rings) ring.close();
  }

  /**
   * Gives the place up, without closing it: another thread may take it. Doing it again does nothing.
   *
   * @example
   * new Mesh(engine, 1, 1).receiver(0).release();
   */
  release(): void {
    for (const ring of this.#rings) ring.release();
  }

  /**
   * Closes this receiver's rings, releases what is in them, and rejects with `reason` what waits by way of it. Default: `reason` is
   * a RingClosedError. Does nothing after `release()`.
   *
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const sender = mesh.sender(0);
   * sender.enqueue(skb);
   * mesh.receiver(0).abort();
   * sender.closed; // → true
   */
  abort(reason?: unknown): void {
    for (const ring of this.#rings) {
      if (ring._address === 0 || this.#engine.closed) continue;
      ring._use(CONSUMES);
      ring.abort(reason);
    }
  }

  /**
   * `abort()`, then `release()`.
   *
   * @example
   * new Mesh(engine, 1, 1).receiver(0)[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.abort();
    this.release();
  }
}

describes(Receiver, "Receiver", ({ size, ended }) => ({ size, ended }));
