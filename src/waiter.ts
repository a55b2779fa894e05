// Waiting: until a ring has packets or room, or a ubuf completes on another thread. One for each engine, since a thread
// sleeps on one word whatever it waits for; assembly/wake.ts draws the protocol.

import { checkOneOf, checkOptions, type Names } from "./check.js";
import type { Engine } from "./engine.js";
import { ArgumentRangeError, ArgumentTypeError, UnsupportedError } from "./errors.js";
import { atOnce } from "./turns.js";

/** An end of a ring, and what is waited for there. */
export interface End {
  /** The object that was asked to wait. */
  readonly of: object;
  /** Address of the ring. */
  readonly ring: number;
  /** Free slots to wait for; 0 waits for packets. */
  readonly room: number;
}

/** How long to wait, and how. */
export interface WaitOptions {
  /** Milliseconds to wait at most. Default: no limit. */
  timeout?: number;
  /**
   * Whether to look for up to some 100 microseconds (500 in the JS core) before sleeping, less if that was in vain
   * lately: what comes soon is found in a hundredth of the time, for the price of the CPU's. Only for waits that block.
   * Default: true.
   * Default: true.
   * Default: true.
   * Default: true.
   * Default: true.
   */
  spin?: boolean;
  /** Whether callbacks of ubufs that complete meanwhile are run, and end the wait. Default: false. */
  completions?: boolean;
}

const WAIT_OPTIONS: Names<WaitOptions> = { timeout: true, spin: true, completions: true };

/** What is waited for, and how long. */
export interface Wait {
  readonly ends: readonly End[];
  /** Milliseconds. */
  readonly timeout: number;
  /** Whether to look a while before sleeping. */
  readonly spin: boolean;
  /** Whether callbacks of ubufs are run meanwhile, and end it. */
  readonly completions: boolean;
}

/** Why a wait ended. `ready` says that an end is ready, or will never be. */
export type Woken = "ready" | "completed" | "timed-out";

interface Pending extends Wait {
  readonly deadline: number;
  readonly resolve: (woken: Woken | Promise<Woken>) => void;
  readonly reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

// Spinning finds a packet that comes soon for a hundredth of what sleeping and being woken costs (14 to 50 us).
// The budget, in looks of some 6 ns (30 in the JS core), doubles when it was well spent, or when a little more of it would have spared a short
// sleep; after a long sleep it halves.
const SPIN_MOST = 16384;
const SPIN_LEAST = 256;
/** Milliseconds: whoever slept less would rather have spun. */
const SHORT_SLEEP_MS = 0.2;
/** Pairs that fit the scratch. Ends beyond are looked at every RECHECK_MS. */
const ENDS_MOST = 256;
/** Milliseconds after which a sleeper looks for itself, whatever happened to its wake-up. */
const RECHECK_MS = 1000;
/** Milliseconds: the longest that a timer can be set to. */
const TIMER_MOST = 2 ** 31 - 1;
/** Milliseconds that the event loop is kept alive after the last wait, in case there is another one. */
const LINGER_MS = 20;

export class Waiter {
  readonly #engine: Engine;
  /** Address of the pairs that the core's `spin` and `park` read. */
  readonly #pairs: number;
  #spins = SPIN_MOST;
  readonly #pending = new Set<Pending>();
  /** Where a promise of `sleepAsync` is outstanding; 0 if there is none. */
  #armed = 0;
  /** What this thread has asked to be woken for since it was woken last: ends, each with the least room; completions. */
  readonly #asked = new Map<number, number>();
  #listens = false;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  /** Tests make it a minute: a wake-up that was lost then takes that long, which no slow machine does. */
  recheckMs = RECHECK_MS;
  #lingers = false;

  constructor(engine: Engine, pairs: number) {
    this.#engine = engine;
    this.#pairs = pairs;
  }

  // ─── Blocking ────────────────────────────────────────────────────────────────────────────────────────

  /** Blocks this thread until something is ready. @throws UnsupportedError where it must not be blocked */
  block(wait: Wait): Woken {
    const { timeout, completions } = wait;
    // Without a limit nobody need look at the clock, which costs as much as a packet.
    const limited = timeout !== Number.POSITIVE_INFINITY;
    const deadline = limited ? performance.now() + timeout : timeout;
    for (;;) {
      if (completions && this.#engine._deliver(true) > 0) return "completed";
      if (this.#spin(wait, timeout === 0 || !wait.spin ? 1 : this.#spins)) {
        if (!completions || this.#isReady(wait)) return "ready";
        continue;
      }
      const left = limited ? deadline - performance.now() : timeout;
      if (left <= 0) return "timed-out";
      this.#sleep(wait, Math.min(left, this.recheckMs));
    }
  }

  #spin(wait: Wait, times: number): boolean {
    const found = this.#engine._core.spin(this.#put(wait.ends), wait.completions ? 1 : 0, times) !== 0;
    if (found && times !== 1) this.#spins = Math.min(times * 2, SPIN_MOST);
    return found;
  }

  #sleep(wait: Wait, ms: number): void {
    const { _core: core, _heap: heap } = this.#engine;
    const word = core.park(this.#put(wait.ends), wait.completions ? 1 : 0) >>> 0;
    const start = performance.now();
    try {
      if (word !== 0) heap.sleep(word, ms);
    } catch {
      throw new UnsupportedError(
        "wait",
        "a thread that may block, and shared memory (else use waitAsync)",
        "another",
      );
    } finally {
      core.unpark();
      // Who waits without blocking slept on the same word, and nobody wakes a word that says awake: let it look.
      if (this.#armed !== 0) heap.wake(this.#armed);
    }
    this.#spins =
      performance.now() - start < SHORT_SLEEP_MS
        ? Math.min(this.#spins * 2, SPIN_MOST)
        : Math.max(this.#spins >>> 1, SPIN_LEAST);
  }

  // ─── Not blocking ────────────────────────────────────────────────────────────────────────────────────

  /** Waits without blocking. Keeps Node's event loop alive meanwhile. */
  wait(wait: Wait): Promise<Woken> {
    if (wait.completions && this.#engine._deliver() > 0) return atOnce("completed");
    if (this.#isReady(wait)) return atOnce("ready");
    if (wait.timeout === 0) return atOnce("timed-out");
    return new Promise((resolve, reject) => {
      const finite = wait.timeout !== Number.POSITIVE_INFINITY;
      const deadline = finite ? performance.now() + wait.timeout : wait.timeout;
      const { ends, timeout, spin, completions } = wait;
      // By name: an object that begins with what another one has is made the slow way.
      const one: Pending = { ends, timeout, spin, completions, deadline, resolve, reject, timer: undefined };
      this.#pending.add(one);
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
        if (!this.#pending.has(one)) return;
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
    if (this.#pending.size > 0) queueMicrotask(() => this.#settle(atOnce));
  }

  /** Callbacks of ubufs were run, by whatever this thread did: who waits for that has it. */
  delivered(): void {
    for (const one of this.#pending) {
      if (!one.completions) continue;
      this.#end(one);
      one.resolve(atOnce("completed"));
    }
    this.#rest();
  }

  /** Rejects who waits by way of `object`, which has ended; null rejects all. */
  forget(object: object | null, error: Error): void {
    for (const one of this.#pending) {
      if (object !== null && one.ends.every((end) => end.of !== object)) continue;
      this.#end(one);
      one.reject(error);
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
    let completions = this.#engine._lent > 0;
    const news = new Map<number, End>();
    for (const wait of waits) {
      completions ||= wait.completions;
      for (const end of wait.ends) {
        // Rings lie 256 bytes apart. A ring remembers one wish for room, of several the least: whoever wants more looks then, and
        // asks again.
        const key = end.ring + (end.room === 0 ? 0 : 1);
        if (end.room >= (this.#asked.get(key) ?? Number.POSITIVE_INFINITY)) continue;
        this.#asked.set(key, end.room);
        news.set(key, end);
      }
    }
    const listen = completions && !this.#listens;
    if (news.size === 0 && !listen) return;
    this.#listens ||= listen;
    const word = core.park(this.#put([...news.values()]), listen ? 1 : 0) >>> 0;
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
   * Looks who has waited long enough, and goes on waiting for the others. `as` is `atOnce` where the event loop has not
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
    for (const one of this.#pending) {
      if (!this.#isReady(one)) continue;
      this.#end(one);
      one.resolve(as("ready"));
    }
    this.#rest();
    this.#arm(this.#pending);
  }

  #end(one: Pending): void {
    this.#pending.delete(one);
    if (one.timer !== undefined) clearTimeout(one.timer);
  }

  // A promise of Atomics.waitAsync keeps no event loop alive, a timer does: it also is the look at what nobody told us.
  // It outlives the wait for a moment, because making one costs more than all the rest of a wait.

  #stay(): void {
    this.#keepAlive ??= setInterval(() => this.#settle(), this.recheckMs);
  }

  #rest(): void {
    if (this.#pending.size > 0 || this.#keepAlive === undefined || this.#lingers) return;
    this.#lingers = true;
    setTimeout(() => {
      this.#lingers = false;
      if (this.#pending.size > 0) return;
      clearInterval(this.#keepAlive);
      this.#keepAlive = undefined;
    }, LINGER_MS);
  }

  // ─── Both ────────────────────────────────────────────────────────────────────────────────────────────

  #isReady({ ends }: Wait): boolean {
    return this.#engine._core.spin(this.#put(ends), 0, 1) !== 0;
  }

  /** Passes the ends to the core. Returns how many. */
  #put(ends: readonly End[]): number {
    const heap = this.#engine._heap;
    let at = 0;
    for (const { ring, room } of ends) {
      if (at === ENDS_MOST) break;
      heap.setWord(this.#pairs + at * 8, ring);
      heap.setWord(this.#pairs + at * 8 + 4, room);
      at++;
    }
    return at;
  }
}

/** The settings of a wait, checked. @throws ArgumentTypeError, ArgumentRangeError */
export function checkWait(
  options: WaitOptions | undefined,
  ends: readonly End[],
  names: Partial<Names<WaitOptions>> = WAIT_OPTIONS,
): Wait {
  const {
    timeout = Number.POSITIVE_INFINITY,
    spin = true,
    completions = false,
  } = checkOptions(options, names as Names<WaitOptions>);
  if (typeof timeout !== "number") throw new ArgumentTypeError("timeout", "milliseconds", timeout);
  if (!(timeout >= 0)) throw new ArgumentRangeError("timeout", "0 or more milliseconds", timeout);
  checkOneOf("spin", spin, [true, false]);
  return { ends, timeout, spin, completions: checkOneOf("completions", completions, [true, false]) };
}
