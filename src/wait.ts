// A wait: what is waited for, how long, and why it ended. sleeper.ts blocks for it, waiter.ts makes a promise of it.

import type { AbortSignalLike } from "./abort.js";
import { checkBoolean, checkOptions, type Names } from "./check.js";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.js";

/**
 * Why a wait ended. `ready`: there is what was waited for. `ended`: there will never be. `timed-out`: not within `timeout`.
 * `completed`, with `completions` only: callbacks of ubufs were run.
 */
export type Wakeup = "ready" | "ended" | "timed-out" | "completed";

/** The same of a look at rings alone, to which an end that will never be ready is ready. */
export type Woken = Exclude<Wakeup, "ended">;

/** How long to wait, and how. */
export interface WaitOptions {
  /** Milliseconds to wait at most. Default: no limit. */
  timeout?: number;
  /**
   * Ends the wait when it is aborted: the wait rejects with its reason, and nothing is taken. A wait that blocks looks at it
   * once, before it begins. Default: none.
   */
  signal?: AbortSignalLike;
  /** Whether callbacks of ubufs that complete meanwhile are run, and end the wait. Default: false. */
  completions?: boolean;
  /**
   * Whether to look for up to some 100 microseconds (500 in the JS core) before sleeping, less if that was in vain
   * lately: what comes soon is found in a hundredth of the time, at the cost of CPU time. Only for waits that block.
   * Default: true.
   */
  spin?: boolean;
}

/** The names of them all. */
export const WAIT_OPTIONS: Names<WaitOptions> = {
  timeout: true,
  signal: true,
  completions: true,
  spin: true,
};
/** Without `completions`, which are what an engine waits for. */
export const ENGINE_WAIT_OPTIONS: Names<Omit<WaitOptions, "completions">> = {
  timeout: true,
  signal: true,
  spin: true,
};

/** An end of a ring, and what is waited for there. */
export interface End {
  /** The object that was asked to wait. */
  readonly of: object;
  /** Address of the ring, or MEMORY. */
  readonly ring: number;
  /** Free slots to wait for; 0 waits for packets. */
  readonly room: number;
}

/** What is waited for, and how long. */
export interface Wait {
  readonly ends: readonly End[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignalLike | undefined;
  /** Whether callbacks of ubufs are run meanwhile, and end it. */
  readonly completions: boolean;
  /** Whether to look a while before sleeping. */
  readonly spin: boolean;
}

/** Pairs that fit the scratch. Ends beyond are looked at when a sleeper looks for itself. */
const ENDS_MOST = 256;

/** Passes ends to the core: pairs of an address and the room wanted, from `pairs` on. Returns how many. */
export function putEnds(
  heap: { setWord(address: number, value: number): void },
  pairs: number,
  ends: readonly End[],
): number {
  let at = 0;
  for (const { ring, room } of ends) {
    if (at === ENDS_MOST) break;
    heap.setWord(pairs + at * 8, ring);
    heap.setWord(pairs + at * 8 + 4, room);
    at++;
  }
  return at;
}

/** The settings of a wait, checked. @throws ArgumentTypeError, ArgumentRangeError, the reason of a signal that is aborted */
export function checkWait(
  options: WaitOptions | undefined,
  ends: readonly End[],
  names: Partial<Names<WaitOptions>> = WAIT_OPTIONS,
): Wait {
  const {
    timeout = Number.POSITIVE_INFINITY,
    signal,
    completions = false,
    spin = true,
  } = checkOptions(options, names as Names<WaitOptions>);
  checkTimeout(timeout);
  checkSignal(signal);
  checkBoolean("completions", completions);
  checkBoolean("spin", spin);
  if (signal?.aborted === true) throw signal.reason;
  return { ends, timeout, signal, completions, spin };
}

/** Returns `timeout` if it is one. @throws ArgumentTypeError, ArgumentRangeError */
export function checkTimeout(timeout: number): number {
  if (typeof timeout !== "number") throw new ArgumentTypeError("timeout", "milliseconds", timeout);
  if (!(timeout >= 0)) throw new ArgumentRangeError("timeout", "0 or more milliseconds", timeout);
  return timeout;
}

/** Returns `signal` if it is an AbortSignal, of any realm, or undefined. @throws ArgumentTypeError */
export function checkSignal(signal: AbortSignalLike | undefined): AbortSignalLike | undefined {
  if (signal === undefined) return signal;
  if (typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function") return signal;
  throw new ArgumentTypeError("signal", "an AbortSignal", signal);
}

/** What is left of the timeout of several waits in a row, in milliseconds. */
export function countdown(timeout: number): () => number {
  const deadline = performance.now() + timeout;
  return () => Math.max(deadline - performance.now(), 0);
}
