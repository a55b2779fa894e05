// Waiter: promises that resolve when a ring has packets or room, or a ubuf completes on another thread. One for each engine, since
// a thread sleeps on one word whatever it waits for; assembly/wake.ts draws the protocol.

import { MEMORY, OK } from "../assembly/layout.js";
import { onAbort } from "./abort.js";
import type { Engine } from "./engine.js";
import { atOnce, nextTurn } from "./turns.js";
import { type End, putEnds, type Wait, type Wakeup, type Woken } from "./wait.js";

interface Pending extends Wait {
  /** What is the same for all who wait for the same. */
  readonly key: number | string;
  readonly deadline: number;
  readonly resolve: (wakeup: Wakeup | Promise<Wakeup>) => void;
  readonly reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Takes back that it is told of its signal. */
  unlisten: () => void;
}

/** Milliseconds after which a sleeper looks for itself, whatever happened to its wake-up. */
const RECHECK_MS = 1000;
/** Milliseconds: the longest that a timer can be set to. */
const TIMER_MOST = 2 ** 31 - 1;
/** Milliseconds that the event loop is kept alive after the last wait, in case there is another one. */
const LINGER_MS = 20;
/** More than the room that anybody can wait for, so that an end is one number. Rings lie 256 bytes apart. */
const ROOM_SHIFT = 2 ** 22;
/** The key of those who wait for nothing but completions. */
const COMPLETIONS = "completions";

export class Waiter {
  readonly #engine: Engine;
  /** Address of the pairs that the core's `spin` and `park` read. */
  readonly #pairs: number;
  /** Those who wait for the same, in the order in which they came: what is not there for one is there for none of them. */
  readonly #groups = new Map<number | string, Set<Pending>>();
  /** Those who wait for completions, too. */
  readonly #hearers = new Set<Pending>();
  /** Where a promise of `sleepAsync` is outstanding; 0 if there is none. */
  #armed = 0;
  /** What this thread has asked to be woken for since it was woken last: ends, each with the least room; completions. */
  readonly #asked = new Map<number, number>();
  #listens = false;
  /** Whether the next turn of the event loop looks again. */
  #again = false;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  /** Tests make it a minute: a wake-up that was lost then takes that long, which no slow machine does. */
  recheckMs = RECHECK_MS;
  #lingers = false;

  constructor(engine: Engine, pairs: number) {
    this.#engine = engine;
    this.#pairs = pairs;
  }

  /** Waits without blocking. Keeps Node's event loop alive meanwhile. */
  wait(wait: Wait): Promise<Woken> {
    return this.#wait(wait) as Promise<Woken>;
  }

  /** Waits for callbacks of ubufs alone: `ended` if none can run any more. */
  waitForCompletions(wait: Wait): Promise<Wakeup> {
    return this.#wait({ ...wait, completions: true }, COMPLETIONS);
  }

  #wait(wait: Wait, key = keyOf(wait.ends)): Promise<Wakeup> {
    // Of several waits in a row this may be a later one.
    if (wait.signal?.aborted === true) return Promise.reject(wait.signal.reason);
    if (wait.completions && this.#engine._deliver() > 0) return atOnce("completed");
    if (this.#isReady(wait)) return atOnce("ready");
    if (wait.timeout === 0) return atOnce("timed-out");
    return new Promise((resolve, reject) => {
      const { ends, timeout, signal, completions, spin } = wait;
      const finite = timeout !== Number.POSITIVE_INFINITY;
      const deadline = finite ? performance.now() + timeout : timeout;
      // By name: an object that begins with what another one has is made the slow way.
      const one: Pending = {
        ends,
        timeout,
        signal,
        completions,
        spin,
        key,
        deadline,
        resolve,
        reject,
        timer: undefined,
        unlisten: onAbort(signal, () => {
          this.#end(one);
          reject(signal?.reason);
          this.#rest();
        }),
      };
      const others = this.#groups.get(key);
      if (others === undefined) this.#groups.set(key, new Set([one]));
      else others.add(one);
      if (completions) this.#hearers.add(one);
      if (finite) this.#setTimer(one);
      this.#stay();
      this.#arm([one]);
    });
  }

  /** Once more if it was early: timers count whole milliseconds, and none is longer than TIMER_MOST. */
  #setTimer(one: Pending): void {
    const left = Math.ceil(one.deadline - performance.now());
    one.timer = setTimeout(
      () => {
        if (this.#engine._lent > 0) this.#engine._deliver();
        if (!this.#waits(one)) return;
        if (performance.now() < one.deadline) this.#setTimer(one);
        else {
          this.#end(one);
          one.resolve(this.#isReady(one) ? "ready" : "timed-out");
          this.#rest();
        }
      },
      Math.min(Math.max(left, 1), TIMER_MOST),
    );
  }

  /** Has completions from other threads delivered by the event loop, also while nobody waits. */
  listen(): void {
    this.#arm([]);
  }

  /** On unshared memory, where nothing notifies: something may have become ready by this thread's own doing. */
  kick(): void {
    if (this.#groups.size > 0) queueMicrotask(() => this.#settle(atOnce));
  }

  /** This thread has slept, on the same word as those who wait here, and nobody wakes a word that says awake. */
  look(): void {
    if (this.#armed !== 0) this.#engine._heap.wake(this.#armed);
  }

  /** Callbacks of ubufs were run, by whatever this thread did: the waits for that are over. */
  delivered(): void {
    for (const one of this.#hearers) {
      this.#end(one);
      one.resolve(atOnce("completed"));
    }
    this.#rest();
  }

  /** No callback can run any more: waits for nothing else are over. */
  nothingLent(): void {
    for (const one of this.#groups.get(COMPLETIONS) ?? []) {
      this.#end(one);
      one.resolve(atOnce("ended"));
    }
    this.#rest();
  }

  /** Rejects all that wait by way of `object`, which has ended; null rejects all. */
  forget(object: object | null, error: unknown): void {
    for (const group of this.#groups.values()) {
      for (const one of group) {
        if (object !== null && one.ends.every((end) => end.of !== object)) continue;
        this.#end(one);
        one.reject(error);
      }
    }
    this.#rest();
  }

  /**
   * Asks to be woken for `waits`, as far as that has not been asked for since this thread was woken last: who begins to wait
   * costs the same however many others do. While there is something that was asked for a promise is outstanding, so that
   * whatever wakes this thread meanwhile has it look for all.
   */
  #arm(waits: Iterable<Wait>): void {
    const { _core: core, _heap: heap } = this.#engine;
    const news = new Map<number, End>();
    for (const wait of waits) {
      for (const end of wait.ends) {
        // Rings lie 256 bytes apart. A ring remembers one wish for room, of several the least: whoever wants more looks then, and
        // asks again.
        const key = end.ring + (end.room === 0 ? 0 : 1);
        if (end.room >= (this.#asked.get(key) ?? Number.POSITIVE_INFINITY)) continue;
        this.#asked.set(key, end.room);
        news.set(key, end);
      }
    }
    const listen = (this.#engine._lent > 0 || this.#hearers.size > 0) && !this.#listens;
    if (news.size === 0 && !listen) return;
    this.#listens ||= listen;
    const word = core.park(putEnds(heap, this.#pairs, [...news.values()]), listen ? 1 : 0) >>> 0;
    if (word === 0) queueMicrotask(() => this.#settle(atOnce));
    else if (this.#armed === 0) {
      const slept = heap.sleepAsync(word);
      if (slept === undefined) return;
      this.#armed = word;
      slept.then(() => {
        this.#armed = 0;
        // Whom its own thread wakes, Firefox goes on with at once, without a turn of the event loop.
        this.#settle(atOnce);
      });
    }
  }

  /**
   * Ends the waits that have taken long enough, and goes on waiting for the others. `as` is `atOnce` where the event loop has not
   * turned since they began to wait.
   */
  #settle(as: (woken: Woken) => Woken | Promise<Woken> = (woken) => woken): void {
    const engine = this.#engine;
    if (engine.closed) return;
    engine._core.unpark();
    this.#asked.clear();
    this.#listens = false;
    if (engine._lent > 0) engine._deliver();
    if (engine.closed) return;
    const waits: Wait[] = [];
    for (const group of this.#groups.values()) {
      const [first] = group;
      if (first === undefined) continue;
      if (!this.#isReady(first)) waits.push(first);
      else if (!this.#wake(group, this.#most(first), as)) this.#lookAgain();
    }
    this.#rest();
    this.#arm(waits);
  }

  /** Wakes the first `most` of a group. Returns whether that was all. */
  #wake(group: Set<Pending>, most: number, as: (woken: Woken) => Woken | Promise<Woken>): boolean {
    let left = most;
    for (const one of group) {
      if (left-- <= 0) return false;
      this.#end(one);
      one.resolve(as("ready"));
    }
    return true;
  }

  /** Who was woken need not take what there is: then it is for others. */
  #lookAgain(): void {
    if (this.#again) return;
    this.#again = true;
    // Those who were woken may themselves be told only with the next turn.
    void nextTurn()
      .then(nextTurn)
      .then(() => {
        this.#again = false;
        this.#settle();
      });
  }

  /**
   * How many can use what there is. Who is woken in vain waits again, so that to wake all for one packet would cost each of
   * them as many wake-ups as there are others.
   */
  #most({ ends }: Wait): number {
    const core = this.#engine._core;
    let n = 0;
    for (const { ring, room } of ends) {
      // Nobody knows who wants how much of it.
      if (ring === MEMORY) return Number.POSITIVE_INFINITY;
      // The end is for all to see.
      if (core.ringState(ring) !== OK) return Number.POSITIVE_INFINITY;
      const size = core.ringSize(ring);
      n += room === 0 ? size : Math.floor((core.ringCapacity(ring) - size) / room);
    }
    return Math.max(n, 1);
  }

  #waits(one: Pending): boolean {
    return this.#groups.get(one.key)?.has(one) === true;
  }

  #end(one: Pending): void {
    const group = this.#groups.get(one.key);
    group?.delete(one);
    if (group?.size === 0) this.#groups.delete(one.key);
    if (one.completions) this.#hearers.delete(one);
    if (one.timer !== undefined) clearTimeout(one.timer);
    one.unlisten();
  }

  // A promise of Atomics.waitAsync keeps no event loop alive, a timer does: it also is the look at what nobody told us.
  // It outlives the wait for a moment, because making one costs more than all the rest of a wait.

  #stay(): void {
    this.#keepAlive ??= setInterval(() => this.#settle(), this.recheckMs);
  }

  #rest(): void {
    if (this.#groups.size > 0 || this.#keepAlive === undefined || this.#lingers) return;
    this.#lingers = true;
    setTimeout(() => {
      this.#lingers = false;
      if (this.#groups.size > 0) return;
      clearInterval(this.#keepAlive);
      this.#keepAlive = undefined;
    }, LINGER_MS);
  }

  #isReady({ ends }: Wait): boolean {
    return this.#engine._core.spin(putEnds(this.#engine._heap, this.#pairs, ends), 0, 1, 0) !== 0;
  }
}

/** The same for all who wait for the same: a number where there is one end, which is most often. */
function keyOf(ends: readonly End[]): number | string {
  const [first] = ends;
  if (ends.length === 1 && first !== undefined) return (first.ring / 256) * ROOM_SHIFT + first.room;
  return ends.map(({ ring, room }) => `${ring} ${room}`).join();
}
