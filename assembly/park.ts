// Sleeping until a ring end is ready, or memory free. The protocol is drawn in wake.ts; sleeping itself (Atomics.wait and waitAsync) is
// the face's matter: it needs what `park` returns, and calls `unpark`.

import { thread, threadBlocks, threadCount } from "./arena";
import {
  ASLEEP,
  AWAKE,
  COUNT_PARKS,
  MEMORY,
  THREAD_BYTES,
  THREAD_REMOTE,
  THREAD_SPINS,
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

/**
 * Looks up to `times` times whether one of the ends in the scratch is ready, as for `park`; only once while `most` other threads
 * look for longer. Returns how often it did not look.
 */
export function spin(n: u32, completions: u32, times: u32, most: u32): u32 {
  if (isThere(n, completions)) return times;
  if (times === 1 || !takeSpin(most)) return 0;
  let left = times - 1;
  while (left !== 0 && !isThere(n, completions)) left -= 1;
  leaveSpin();
  return left;
}

function isThere(n: u32, completions: u32): bool {
  return anyReady(n) || (completions !== 0 && atomicLoad32(thread + THREAD_REMOTE) !== 0);
}

/**
 * Whether this thread may spin, so that no more than `most` do: then `leaveSpin` ends it. A thread that spins keeps a core from whoever
 * would bring what it spins for.
 */
export function takeSpin(most: u32): bool {
  // (N) First the own flag, then the others': of two that begin at once at least one sees the other. Then neither may spin, which
  // costs them a sleep.
  atomicStore32(thread + THREAD_SPINS, 1);
  let others: u32 = 0;
  for (let i: u32 = 0; i < threadCount; i++)
    others += atomicLoad32(threadBlocks + i * THREAD_BYTES + THREAD_SPINS);
  if (others <= most) return true;
  leaveSpin();
  return false;
}

export function leaveSpin(): void {
  atomicStore32(thread + THREAD_SPINS, 0);
}
