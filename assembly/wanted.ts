// Memory that a thread waits for, because an allocation failed. The protocol is drawn in wake.ts: what is brought here is
// anything that is put where every thread finds it, and the flag is one for all (HEADER_MEMORY_WANTED) and one for each
// thread, since whoever frees something does not know who waits.
//
// Most of what is freed goes into the magazine of whoever frees it, where nobody else finds it. So who waits also asks all
// threads: it marks their magazines, on the line that a give writes anyway, and a marked magazine counts as full. A give that
// finds it so gives everything to the depots (magazine.ts). That goes on for as many gives as a batch has: one operation
// frees several things, and the waiter may need the last of them. What a thread freed before it was asked, or at that
// moment, follows when it next gives something, sleeps or leaves.

import { arena, exchange, thread, threadBlocks, threadCount } from "./arena";
import {
  CLASSES,
  HEADER_MEMORY_WANTED,
  MAGAZINE_ASKED,
  MAGAZINE_ASKS,
  MAGAZINE_SHIFT,
  THREAD_BYTES,
  THREAD_FREE,
  THREAD_MAGAZINES,
  THREAD_STATE,
  THREAD_WANTS_MEMORY,
} from "./layout";
import { atomicLoad32, atomicStore32 } from "./memory";
import { answer } from "./wake";

// Gives since this thread was asked, or last looked whether anybody still waits.
let shared: u32 = 0;

/** Asks to be woken when memory was freed where every thread finds it, and all threads not to keep any to themselves. */
export function askMemory(): void {
  atomicStore32(thread + THREAD_WANTS_MEMORY, 1);
  atomicStore32(arena + HEADER_MEMORY_WANTED, 1);
  for (let i: u32 = 0; i < threadCount; i++) {
    const block = threadBlocks + i * THREAD_BYTES;
    if (atomicLoad32(block + THREAD_STATE) !== THREAD_FREE) markMagazines(block, MAGAZINE_ASKED);
  }
}

/** Wakes those who wait for memory. Call it after some was put where every thread finds it. */
export function answerMemory(): void {
  if (atomicLoad32(arena + HEADER_MEMORY_WANTED) === 0) return;
  // Before the flags: whoever sets its flag after we have passed it sets this one later.
  atomicStore32(arena + HEADER_MEMORY_WANTED, 0);
  for (let i: u32 = 0; i < threadCount; i++)
    answer(threadBlocks + i * THREAD_BYTES + THREAD_WANTS_MEMORY, i + 1);
}

/** After a give that was asked to share: from time to time, looks whether anybody still waits. */
export function settleMagazines(): void {
  shared += 1;
  if (shared < exchange) return;
  shared = 0;
  markMagazines(thread, 0);
  // After the marks: whoever marked them before has set this before, and is marked again.
  if (atomicLoad32(arena + HEADER_MEMORY_WANTED) !== 0) markMagazines(thread, MAGAZINE_ASKED);
}

function markMagazines(block: u32, mark: u32): void {
  for (let kind: u32 = 0; kind < CLASSES; kind++)
    atomicStore32(block + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT) + MAGAZINE_ASKS, mark);
}
