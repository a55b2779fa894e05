// Numbers for the statistics: what the arena has, and where free objects are. Exact while no other thread runs.

import {
  arena,
  bitmap,
  bitmapWords,
  exchange,
  pageCount,
  skbCount,
  threadBlocks,
  threadCount,
  ubufCount,
} from "./arena";
import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASSES,
  COUNT_GIVEN,
  COUNT_TAKEN,
  ERROR_LIMIT,
  HEADER_CARVED_SKBS,
  HEADER_CARVED_UBUFS,
  HEADER_SLAB_FREE,
  MAGAZINE_COUNT,
  MAGAZINE_SHIFT,
  THREAD_BYTES,
  THREAD_COUNTERS,
  THREAD_MAGAZINES,
  THREAD_STATE,
  THREAD_WAKE,
} from "./layout";
import { atomicLoad32, wrapAdd, wrapSub } from "./memory";

// Other threads' blocks are read atomically only so that no read is torn; the values may be old.
function blockOf(number: u32): u32 {
  return threadBlocks + (number - 1) * THREAD_BYTES;
}

export function threads(): u32 {
  return threadCount;
}
/** State of thread `number` (1..): THREAD_FREE or THREAD_LIVE. */
export function threadState(number: u32): u32 {
  return atomicLoad32(blockOf(number) + THREAD_STATE);
}
/** ASLEEP while thread `number` sleeps, or is about to. */
export function threadAsleep(number: u32): u32 {
  return atomicLoad32(blockOf(number) + THREAD_WAKE);
}
/** One of the COUNT_ counters of thread `number`. */
export function counter(number: u32, which: u32): u32 {
  return atomicLoad32(blockOf(number) + THREAD_COUNTERS + (which << 2));
}
/** Objects of a class in the magazines of thread `number`. A dressed skb counts as a struct, and as a head of its class. */
export function inMagazine(number: u32, kind: u32): u32 {
  let sum = countIn(number, kind);
  if (kind < CLASS_PAGE) sum += countIn(number, CLASS_DRESSED + kind - CLASS_HEADS);
  else if (kind === CLASS_SKB) {
    for (let dressed = CLASS_DRESSED; dressed < CLASSES; dressed++) sum += countIn(number, dressed);
  }
  return sum;
}
function countIn(number: u32, kind: u32): u32 {
  return atomicLoad32(blockOf(number) + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT) + MAGAZINE_COUNT);
}
/** Objects of a class in the depots; while others exchange, a moment ago, and off by what is in their hands. */
export function inDepot(kind: u32): u32 {
  let sum = putIn(kind);
  if (kind < CLASS_PAGE) sum = wrapAdd(sum, putIn(CLASS_DRESSED + kind - CLASS_HEADS));
  else if (kind === CLASS_SKB) {
    for (let dressed = CLASS_DRESSED; dressed < CLASSES; dressed++) sum = wrapAdd(sum, putIn(dressed));
  }
  return sum;
}
/** What was put into one depot, less what was taken. */
function putIn(kind: u32): u32 {
  let sum: u32 = 0;
  for (let number: u32 = 1; number <= threadCount; number++) {
    sum = wrapAdd(sum, counter(number, COUNT_GIVEN + kind));
    sum = wrapSub(sum, counter(number, COUNT_TAKEN + kind));
  }
  return sum;
}
export function inSlabs(headClass: u32): u32 {
  return atomicLoad32(arena + HEADER_SLAB_FREE + (headClass << 2));
}
/** Objects that a thread can hide, of each class. */
export function magazineMost(): u32 {
  return exchange << 1;
}
export function totalPages(): u32 {
  return pageCount;
}
export function totalSkbs(): u32 {
  return skbCount - ERROR_LIMIT;
}
export function totalUbufs(): u32 {
  return ubufCount - ERROR_LIMIT;
}
/** Skbs that were never used. */
export function freshSkbs(): u32 {
  return skbCount - atomicLoad32(arena + HEADER_CARVED_SKBS);
}
export function freshUbufs(): u32 {
  return ubufCount - atomicLoad32(arena + HEADER_CARVED_UBUFS);
}
/** Pages whose bit is set. */
export function freePages(): u32 {
  let n: u32 = 0;
  for (let w: u32 = 0; w < bitmapWords; w++) {
    for (let bits = atomicLoad32(bitmap + (w << 2)); bits !== 0; bits = (bits & (bits - 1)) >>> 0) n += 1;
  }
  return n;
}
