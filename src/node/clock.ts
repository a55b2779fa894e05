// The wall clock, finer than `Date.now()` tells it.

/**
 * Milliseconds that the fine clock may be away from the wall clock: whoever sets that, or slews it, is followed from there on.
 * `Date.now()` leaves out up to one of them.
 */
const APART_MS = 2;
/** Milliseconds by which a clock goes back only if somebody has set it. */
const SET_MS = 20;

/**
 * Time since 1970 to the microsecond, within milliseconds of `Date.now()` also after that was set. In between it is as even as
 * `performance.now()`, and goes back only if somebody has set the clock back.
 */
export class WallClock {
  /** What is to be added to `performance.now()`. */
  #offset = Number.NaN;
  #last = 0;

  /** Milliseconds. */
  now(): number {
    const fine = performance.now();
    const wall = Date.now();
    // Not so either while there is no offset.
    if (!(Math.abs(fine + this.#offset - wall) <= APART_MS)) this.#offset = wall - fine;
    const time = fine + this.#offset;
    if (time > this.#last || time < this.#last - SET_MS) this.#last = time;
    return this.#last;
  }

  /** Nanoseconds. */
  nanoseconds(): bigint {
    return BigInt(Math.round(this.now() * 1000)) * 1000n;
  }
}
