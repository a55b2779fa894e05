// Waiting without blocking, for what Node tells by callbacks: what the engine's Waiter is for rings.

import type { Engine } from "../engine.js";
import type { Wakeup } from "../ring.js";
import { atOnce } from "../turns.js";
import { checkWait, type WaitOptions } from "../waiter.js";

/** Looks at what is waited for: `ready`; `ended` if it never will be; null for neither yet. */
export type Look = () => "ready" | "ended" | null;

interface Pending {
  readonly look: Look;
  readonly deadline: number;
  readonly resolve: (wakeup: Wakeup | Promise<Wakeup>) => void;
  readonly reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Milliseconds: the longest that a timer can be set to. */
const TIMER_MOST = 2 ** 31 - 1;
/** Milliseconds that the engine is asked at a time to wait for completions: it cannot be told to stop. */
const SLICE_MS = 100;

/** Who waits for one socket or stream. */
export class Waiters {
  readonly #engine: Engine;
  readonly #pending = new Set<Pending>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Waits until `look` says something. @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError */
  wait(look: Look, options: WaitOptions | undefined): Promise<Wakeup> {
    this.#engine._open();
    const { timeout, completions } = checkWait(options, []);
    if (completions && this.#engine._deliver() > 0) return atOnce("completed");
    const now = look();
    if (now !== null) return atOnce(now);
    if (timeout === 0) return atOnce("timed-out");
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + timeout;
      const one: Pending = { look, deadline, resolve, reject, timer: undefined };
      this.#pending.add(one);
      this.#setTimer(one);
      if (completions) this.#listen(one);
    });
  }

  /** Looks who has waited long enough. To be called after everything that somebody may be waiting for. */
  wake(): void {
    for (const one of this.#pending) {
      const now = one.look();
      if (now !== null) this.#end(one, now);
    }
  }

  /** Also for waits without a limit: the timer is what keeps Node's event loop alive. */
  #setTimer(one: Pending): void {
    const left = Math.ceil(one.deadline - performance.now());
    one.timer = setTimeout(
      () => {
        if (performance.now() >= one.deadline) this.#end(one, "timed-out");
        else this.#setTimer(one);
      },
      Math.min(Math.max(left, 1), TIMER_MOST),
    );
  }

  #listen(one: Pending): void {
    const wait = { ends: [], timeout: SLICE_MS, spin: false, completions: true };
    this.#engine._waiter.wait(wait).then(
      (woken) => {
        if (!this.#pending.has(one)) return;
        if (woken === "completed") this.#end(one, woken);
        else this.#listen(one);
      },
      (error: unknown) => {
        if (this.#pending.delete(one)) clearTimeout(one.timer);
        one.reject(error);
      },
    );
  }

  #end(one: Pending, wakeup: Wakeup): void {
    this.#pending.delete(one);
    clearTimeout(one.timer);
    // What woke it may be but a promise that was ready.
    one.resolve(atOnce(wakeup));
  }
}
