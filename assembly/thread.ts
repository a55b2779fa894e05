// Thread blocks: what one thread keeps in the arena for itself. Only its own thread writes to a block, but for
// the line of remote completions and waking.

import { joinAs, thread, threadBlocks, threadCount, threadNumber } from "./arena";
import {
  AWAKE,
  CLASSES,
  E_THREADS,
  MAGAZINE_COUNT,
  MAGAZINE_SHIFT,
  OK,
  THREAD_BYTES,
  THREAD_COUNTERS,
  THREAD_FREE,
  THREAD_LEFT,
  THREAD_LIVE,
  THREAD_LOCAL,
  THREAD_MAGAZINES,
  THREAD_NUMBER,
  THREAD_SCRATCH,
  THREAD_SPINS,
  THREAD_STATE,
  THREAD_WAKE,
} from "./layout";
import { atomicCas32, atomicStore32, load32, store32, wrapAdd } from "./memory";
import { hasJoined } from "./trust";

/** Takes a free thread block for this instance. Returns OK, or E_THREADS if every one is taken. */
export function claimThread(): u32 {
  for (let i: u32 = 0; i < threadCount; i++) {
    const block = threadBlocks + i * THREAD_BYTES;
    // (T) The CAS is the claim: of two threads that see the block free, one gets it.
    if (atomicCas32(block + THREAD_STATE, THREAD_FREE, THREAD_LIVE) === THREAD_FREE) {
      store32(block + THREAD_NUMBER, i + 1);
      joinAs(block, i + 1);
      return OK;
    }
  }
  return E_THREADS;
}

/** This thread's number. */
export function threadSelf(): u32 {
  return threadNumber;
}

/** How many ubufs whoever had this block before has left to this thread, to be finished when they complete. */
export function inherited(): u32 {
  return load32(thread + THREAD_LEFT);
}

/**
 * Gives this thread's block to whoever claims it next. Trusts that nothing is in it: no completion, no object in a magazine. Packets
 * may carry `left` ubufs of it: their completions are the next one's to take.
 */
export function freeThread(left: u32): void {
  if (DEBUG) assert(hasJoined() && isEmpty(), "nothing is in the block");
  store32(thread + THREAD_LEFT, left);
  // It may have been about to sleep, or stopped while it spun; whoever has the block next is awake.
  atomicStore32(thread + THREAD_WAKE, AWAKE);
  atomicStore32(thread + THREAD_SPINS, 0);
  // (T) Publishes what this thread has left: the CAS of whoever claims the block synchronises with it.
  atomicStore32(thread + THREAD_STATE, THREAD_FREE);
  joinAs(0, 0);
}

/** Whether this thread has nothing in a magazine, and no completion of its own. */
function isEmpty(): bool {
  for (let kind: u32 = 0; kind < CLASSES; kind++) {
    if (load32(thread + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT) + MAGAZINE_COUNT) !== 0) return false;
  }
  return load32(thread + THREAD_LOCAL) === 0;
}

/** Address of this thread's scratch, for what is passed in and out in bulk. */
export function scratch(): u32 {
  if (DEBUG) assert(hasJoined(), "a thread has a scratch");
  return thread + THREAD_SCRATCH;
}

/** Adds to one of this thread's counters. */
export function count(counter: u32, by: u32): void {
  if (DEBUG) assert(hasJoined(), "a thread counts");
  const p = thread + THREAD_COUNTERS + (counter << 2);
  store32(p, wrapAdd(load32(p), by));
}
