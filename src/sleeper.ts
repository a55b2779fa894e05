// Sleeper: waits that block the thread. It looks for a while, which finds what comes soon, then sleeps; assembly/wake.ts draws
// the protocol.

import { MAX_THREADS } from "../assembly/layout.js";
import type { Engine } from "./engine.js";
import { UnsupportedError } from "./errors.js";
import { putEnds, type Wait, type Woken } from "./wait.js";

// Spinning finds a packet that comes soon for a hundredth of what sleeping and being woken costs (14 to 50 us).
// The budget, in looks of some 6 ns (30 in the JS core), doubles when it was well spent, or when a little more of it would have spared a short
// sleep; after a long sleep it halves.
const SPIN_MOST = 16384;
const SPIN_LEAST = 256;
/**
 * Threads that may spin at a time: one core is for whoever brings what they spin for. Where nobody tells how many cores there are,
 * all may.
 */
const SPINNERS_MOST = coresKnown() - 1;

/** Milliseconds: whoever slept less would rather have spun. */
const SHORT_SLEEP_MS = 0.2;

export class Sleeper {
  readonly #engine: Engine;
  /** Address of the pairs that the core's `spin` and `park` read. */
  readonly #pairs: number;
  #spins = SPIN_MOST;

  constructor(engine: Engine, pairs: number) {
    this.#engine = engine;
    this.#pairs = pairs;
  }

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
      this.#sleep(wait, Math.min(left, this.#engine._waiter.recheckMs));
    }
  }

  #spin(wait: Wait, times: number): boolean {
    const found =
      this.#engine._core.spin(this.#put(wait), wait.completions ? 1 : 0, times, SPINNERS_MOST) !== 0;
    if (found && times !== 1) this.#spins = Math.min(times * 2, SPIN_MOST);
    return found;
  }

  #isReady(wait: Wait): boolean {
    return this.#engine._core.spin(this.#put(wait), 0, 1, 0) !== 0;
  }

  #sleep(wait: Wait, ms: number): void {
    const { _core: core, _heap: heap } = this.#engine;
    const word = core.park(this.#put(wait), wait.completions ? 1 : 0) >>> 0;
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
      this.#engine._waiter.look();
    }
    this.#spins =
      performance.now() - start < SHORT_SLEEP_MS
        ? Math.min(this.#spins * 2, SPIN_MOST)
        : Math.max(this.#spins >>> 1, SPIN_LEAST);
  }

  #put({ ends }: Wait): number {
    return putEnds(this.#engine._heap, this.#pairs, ends);
  }
}

function coresKnown(): number {
  const { navigator, process } = globalThis as {
    navigator?: { hardwareConcurrency?: number };
    process?: { getBuiltinModule?(id: string): { availableParallelism(): number } };
  };
  // Node has a navigator from 21 on.
  return (
    navigator?.hardwareConcurrency ??
    process?.getBuiltinModule?.("node:os").availableParallelism() ??
    MAX_THREADS + 1
  );
}
