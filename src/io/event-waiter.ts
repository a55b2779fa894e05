// EventWaiter: promises that resolve when a socket or stream is ready, which its events tell: what the engine's Waiter is for rings.

import { onAbort } from "../abort.js";
import { checkOpen, deliver, waitOf } from "../driver.js";
import type { Engine } from "../engine.js";
import { atOnce, nextTurn, soon } from "../turns.js";
import { checkWait, type WaitOptions, type Wakeup } from "../wait.js";
import { drop, hold, TIMER_MOST } from "./keep-alive.js";

/** Looks at what is waited for: `ready`; `ended` if it never will be; null for neither yet. */
export type Look = () => "ready" | "ended" | null;

interface Pending {
  readonly look: Look;
  readonly need: number;
  readonly deadline: number;
  readonly resolve: (wakeup: Wakeup | Promise<Wakeup>) => void;
  readonly reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Ends that it is told of its signal, and that the engine waits for completions. */
  unlisten: () => void;
  stop: () => void;
}

/** Groups that are kept when they are empty, so that who waits again and again makes none. Senders wait for few kinds of room. */
const GROUPS_KEPT = 4;

/** What a wait without options is. */
const FOREVER = checkWait(undefined, []);
const nothing = (): void => {};
/** Has those who are woken go on at once. */
export const itself = (wakeup: Wakeup): Wakeup => wakeup;

/** The waits for one socket or stream. */
export class EventWaiter {
  readonly #engine: Engine;
  readonly #most: () => number;
  /** Those who need the same, in the order in which they came: what is not enough for one is for none of them. */
  readonly #groups = new Map<number, Set<Pending>>();
  /** How many there are in all of them. */
  #waiting = 0;
  /** When the last of them came. */
  #since = 0;
  #again = false;

  /**
   * `most`: how many can use what there is. Who is woken in vain waits again, so that to wake all for what one takes would cost
   * each of them as many wake-ups as there are others.
   */
  constructor(engine: Engine, most: () => number) {
    this.#engine = engine;
    this.#most = most;
  }

  /** Whether somebody waits. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /**
   * Waits until `look` says something, which is the same for all who `need` the same.
   *
   * @throws ArgumentTypeError, ArgumentRangeError, EngineClosedError, the reason of a signal that is aborted (as rejections)
   */
  wait(look: Look, need: number, options: WaitOptions | undefined): Promise<Wakeup> {
    // An async function would make a promise more.
    try {
      return this.#wait(look, need, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #wait(look: Look, need: number, options: WaitOptions | undefined): Promise<Wakeup> {
    checkOpen(this.#engine);
    const { timeout, signal, completions } = options === undefined ? FOREVER : checkWait(options, []);
    if (completions && deliver(this.#engine) > 0) return atOnce("completed");
    const now = look();
    if (now !== null) return atOnce(now);
    if (timeout === 0) return atOnce("timed-out");
    return new Promise((resolve, reject) => {
      this.#since = performance.now();
      const deadline = this.#since + timeout;
      const one: Pending = {
        look,
        need,
        deadline,
        resolve,
        reject,
        timer: undefined,
        unlisten: nothing,
        stop: nothing,
      };
      if (signal !== undefined)
        one.unlisten = onAbort(signal, () => {
          this.#forget(one);
          reject(signal.reason);
        });
      const others = this.#groups.get(need);
      if (others === undefined) this.#groups.set(need, new Set([one]));
      else others.add(one);
      this.#waiting++;
      if (deadline === Number.POSITIVE_INFINITY) hold();
      else this.#setTimer(one);
      if (completions) this.#listen(one);
    });
  }

  /** For how many milliseconds somebody has waited; -1 if nobody does. */
  get waited(): number {
    return this.#waiting > 0 ? performance.now() - this.#since : -1;
  }

  /**
   * Ends the waits that have taken long enough. To be called after everything that somebody may be waiting for. `as` is `itself`
   * where the event loop has just turned.
   */
  wake(as: (wakeup: Wakeup) => Wakeup | Promise<Wakeup> = soon): void {
    if (this.#waiting === 0) return;
    let left = this.#most();
    for (const group of this.#groups.values()) {
      for (const one of group) {
        const now = one.look();
        if (now === null) break;
        if (now === "ready" && left-- <= 0) {
          this.#wakeAgain();
          break;
        }
        // What woke it may be but a promise that was ready.
        this.#end(one, now, as);
      }
    }
  }

  /** Who was woken need not take what there is: then it is for others. */
  #wakeAgain(): void {
    if (this.#again) return;
    this.#again = true;
    void nextTurn().then(() => {
      this.#again = false;
      this.wake(itself);
    });
  }

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
    const stopper = new AbortController();
    one.stop = () => stopper.abort();
    const wait = checkWait({ completions: true, signal: stopper.signal }, []);
    waitOf(this.#engine, wait).then(
      (woken) => {
        if (this.#waits(one)) this.#end(one, woken);
      },
      (error: unknown) => {
        if (!this.#waits(one)) return;
        this.#forget(one);
        one.reject(error);
      },
    );
  }

  /** Rejects all who wait. */
  fail(reason: unknown): void {
    for (const group of this.#groups.values()) {
      for (const one of group) {
        this.#forget(one);
        one.reject(reason);
      }
    }
  }

  #waits(one: Pending): boolean {
    return this.#groups.get(one.need)?.has(one) === true;
  }

  #end(one: Pending, wakeup: Wakeup, as: (wakeup: Wakeup) => Wakeup | Promise<Wakeup> = soon): void {
    this.#forget(one);
    one.resolve(as(wakeup));
  }

  #forget(one: Pending): void {
    const group = this.#groups.get(one.need);
    if (group?.delete(one) !== true) return;
    this.#waiting--;
    if (one.timer === undefined) drop();
    else clearTimeout(one.timer);
    one.unlisten();
    one.stop();
    if (group.size === 0 && this.#groups.size > GROUPS_KEPT) this.#groups.delete(one.need);
  }
}
