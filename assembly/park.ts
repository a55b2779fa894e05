// Sleeping until a ring end is ready, or memory free. The protocol is drawn in wake.ts; sleeping itself (Atomics.wait and waitAsync) is
// the face's matter: it needs what `park` returns, and calls `unpark`.

import { thread } from "./arena";
import {
  ASLEEP,
  AWAKE,
  COUNT_PARKS,
  MEMORY,
  THREAD_REMOTE,
  THREAD_WAKE,
  THREAD_WANTS_COMPLETIONS,
} from "./layout";
import { flushMagazines } from "./magazine";
import { atomicLoad32, atomicStore32, load32 } from "./memory";
import { mayAllocate } from "./pool";
import { askRing, isReady } from "./ring";
import { count, scratch } from "./thread";
import { askMemory } from "./wanted";

/**
 * Prepares to sleep until one of `n` ring ends is ready, or, if `completions`, another thread completes a ubuf of this
 * one. The scratch has a pair for each end: the ring, and how many free slots are wanted, 0 for packets. This thread
 * must have the ends. MEMORY in place of a ring waits until the last allocation that failed may succeed. Returns the address to
 * sleep at while it holds ASLEEP, or 0 if something is ready.
 */
export function park(n: u32, completions: u32): u32 {
  // What a sleeping thread keeps to itself nobody else can allocate.
  flushMagazines();
  const pairs = scratch();
  atomicStore32(thread + THREAD_WAKE, ASLEEP);
  for (let i: u32 = 0; i < n; i++) {
    const ring = load32(pairs + (i << 3));
    if (ring === MEMORY) askMemory();
    else askRing(ring, load32(pairs + (i << 3) + 4));
  }
  if (completions !== 0) atomicStore32(thread + THREAD_WANTS_COMPLETIONS, 1);
  if (anyReady(n) || (completions !== 0 && atomicLoad32(thread + THREAD_REMOTE) !== 0)) {
    unpark();
    return 0;
  }
  count(COUNT_PARKS, 1);
  return thread + THREAD_WAKE;
}

/** After sleeping. */
export function unpark(): void {
  atomicStore32(thread + THREAD_WAKE, AWAKE);
}

function anyReady(n: u32): bool {
  const pairs = scratch();
  for (let i: u32 = 0; i < n; i++) {
    const ring = load32(pairs + (i << 3));
    if (ring === MEMORY ? mayAllocate() : isReady(ring, load32(pairs + (i << 3) + 4))) return true;
  }
  return false;
}

/** Looks up to `times` times whether one of the ends in the scratch is ready, as for `park`. Returns how often it did not look. */
export function spin(n: u32, completions: u32, times: u32): u32 {
  for (let left = times; left !== 0; left--) {
    if (anyReady(n) || (completions !== 0 && atomicLoad32(thread + THREAD_REMOTE) !== 0)) return left;
  }
  return 0;
}
