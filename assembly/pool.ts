// Allocation as the rest of the core sees it. What is not found at once is looked for once more after this
// thread's hidden objects, and those of all depots, have been put back where anybody can use them.

import { arena, exchange, pageCount, skbCount, skbTable, ubufCount, ubufTable } from "./arena";
import { undressSkb } from "./dress";
import { drainHeads, takeHead } from "./head";
import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  CLASSES,
  COUNT_ALLOCS,
  COUNT_EXHAUSTED,
  COUNT_RECLAIMS,
  COUNT_RELEASES,
  HANDLE_MASK,
  HEADER_CARVED_SKBS,
  HEADER_CARVED_UBUFS,
  HEADER_RETURNS,
  LINK_NEXT,
  LINK_PAGE,
  LINK_SKB,
  LINK_UBUF,
  PAGE_BYTES,
  SKB_HANDLE,
  SKB_SHIFT,
  UBUF_FREE,
  UBUF_HANDLE,
  UBUF_SHIFT,
  UBUF_STATE,
} from "./layout";
import { changes, give, take } from "./magazine";
import { atomicCas32, atomicLoad32, atomicStore32, load32, store32, storeFour, wrapAdd } from "./memory";
import { awaitClaims, drainPages, putPage, takePage, takeRun } from "./page";
import { count } from "./thread";
import { isSkb, isUbuf } from "./trust";

/** What the last failed allocation wanted: a class, or SHORT_OF_RUN. */
let wanted: u32 = 14;
export const SHORT_OF_RUN: u32 = 13;
/** No allocation has failed yet. */
const SHORT_OF_NOTHING: u32 = 14;
/** What `changes` or `returned` said before that allocation looked for the last time. */
let noted: u32 = 0;

// Failure injection: allocations until the one that fails; 0 while there is none to fail.
let failing: u32 = 0;

/** Lets the `nth` allocation from now fail (1 is the next); 0 lets none. Returns what was left. */
export function failAllocation(nth: u32): u32 {
  const left = failing;
  failing = nth;
  return left;
}

/** What the last failed allocation was short of: a class of layout.ts, or SHORT_OF_RUN. */
export function shortOf(): u32 {
  return wanted;
}

/** Whether an allocation is to fail, so that fast paths stand aside. */
export function injecting(): bool {
  return failing !== 0;
}

function mustFail(): bool {
  if (failing === 0) return false;
  failing -= 1;
  return failing === 0;
}

/** Notes and counts what there was none of. Returns 0. */
export function exhausted(what: u32): u32 {
  wanted = what;
  count(COUNT_EXHAUSTED, 1);
  return 0;
}

/** Gathers the free heads that this thread can get at into pages, and the free pages in the bitmap. */
function reclaimPages(): void {
  count(COUNT_RECLAIMS, 1);
  drainHeads();
  drainPages();
}

// Objects move from place to place while a thread looks through the places: one that was free all the time can be
// missed. So every batch is counted when, or before, it is put somewhere, and whoever found nothing looks again if
// anything was counted while it looked. If nothing was, then what it missed was, when it began to look, in the hands of
// running threads: a batch each, or in their magazines. That is all that an exhausted pool can still have.

/** Changes when a page, or a head, is put where every thread finds it. */
function returned(): u32 {
  let sum = atomicLoad32(arena + HEADER_RETURNS);
  for (let kind = CLASS_HEADS; kind <= CLASS_PAGE; kind++) sum = wrapAdd(sum, changes(kind));
  return wrapAdd(sum, dressed());
}

/** Changes when dressed skbs are put where every thread finds them. */
function dressed(): u32 {
  let sum: u32 = 0;
  for (let kind = CLASS_DRESSED; kind < CLASSES; kind++) sum = wrapAdd(sum, changes(kind));
  return sum;
}

/** Changes when an skb is. */
function returnedSkbs(): u32 {
  return wrapAdd(changes(CLASS_SKB), dressed());
}

/** Whether the last allocation that failed may succeed now: what it was short of was freed, or moved, since it looked. */
export function mayAllocate(): bool {
  if (wanted === SHORT_OF_NOTHING) return true;
  if (wanted === CLASS_SKB) return returnedSkbs() !== noted;
  return (wanted === CLASS_UBUF ? changes(wanted) : returned()) !== noted;
}

/** What `returned` says at a moment when nobody has pages in hand for a run that it may not get. */
function beforeLooking(): u32 {
  let sum = returned();
  // After the sum: a claim that begins later, and fails, counts what it gives back later, too.
  while (awaitClaims()) sum = returned();
  return sum;
}

/** Returns a head of exactly `bytes`, or 0. */
export function allocHead(bytes: u32): u32 {
  if (!mustFail()) {
    let head = takeHead(bytes);
    while (head === 0) {
      reclaimPages();
      const before = beforeLooking();
      head = takeHead(bytes);
      if (head === 0 && !awaitClaims() && returned() === before) {
        noted = before;
        break;
      }
    }
    if (head !== 0) return head;
  }
  return exhausted(bytes > PAGE_BYTES ? SHORT_OF_RUN : CLASS_HEADS);
}

/** Returns the entry of a run of `n` pages, or of a single page, of a kind; or 0. */
export function allocPages(n: u32, kind: u32): u32 {
  if (mustFail()) return exhausted(n === 1 ? CLASS_PAGE : SHORT_OF_RUN);
  if (n === 0 || n > pageCount) return exhausted(SHORT_OF_RUN);
  let entry = takePages(n, kind);
  while (entry === 0) {
    reclaimPages();
    const before = beforeLooking();
    entry = takePages(n, kind);
    if (entry === 0 && !awaitClaims() && returned() === before) {
      noted = before;
      return exhausted(n === 1 ? CLASS_PAGE : SHORT_OF_RUN);
    }
  }
  return entry;
}

/**
 * Returns the entry of a run of `n` pages, or of as many as there are in one place; or 0 if there is no page at all. For bytes
 * that need not lie together.
 */
export function allocUpTo(n: u32, kind: u32): u32 {
  if (n === 1) return allocPages(1, kind);
  if (mustFail()) return exhausted(SHORT_OF_RUN);
  let entry = takeRun(n, kind);
  if (entry !== 0) return entry;
  reclaimPages();
  for (let some = n; entry === 0 && some > 1; some >>>= 1) entry = takeRun(some, kind);
  return entry !== 0 ? entry : allocPages(1, kind);
}

function takePages(n: u32, kind: u32): u32 {
  return n === 1 ? takePage(kind) : takeRun(n, kind);
}

// What an operation allocates before it changes anything waits in a list, linked like a magazine's.

/** Puts `entry` behind `last` (0: the list is empty) as the end of a list of pages. */
export function linkPages(last: u32, entry: u32): void {
  store32(entry + LINK_PAGE + LINK_NEXT, 0);
  if (last !== 0) store32(last + LINK_PAGE + LINK_NEXT, entry);
}

export function nextPages(entry: u32): u32 {
  return load32(entry + LINK_PAGE + LINK_NEXT);
}

/** Frees a list of pages that turned out not to be needed. */
export function putPages(first: u32): void {
  let entry = first;
  while (entry !== 0) {
    const next = nextPages(entry);
    putPage(entry);
    entry = next;
  }
}

/** Takes up to a chain of table slots that were never used. Returns the first one's index, or 0. */
function carve(cursor: u32, total: u32): u32 {
  while (true) {
    const first = atomicLoad32(arena + cursor);
    if (first >= total) return 0;
    const end = total - first < exchange ? total : first + exchange;
    // Each slot is carved once: the CAS moves the cursor past those that are ours now.
    if (atomicCas32(arena + cursor, first, end) === first) return first;
  }
}

function carvedEnd(first: u32, total: u32): u32 {
  return total - first < exchange ? total : first + exchange;
}

/** Returns the address of an skb of which only the handle is set; or 0. */
export function allocSkb(): u32 {
  const skb = takeSkb();
  if (skb !== 0) count(COUNT_ALLOCS, 1);
  return skb;
}

/** Frees an skb struct. Takes ownership of it; its data must be gone. */
export function freeSkb(skb: u32): void {
  giveSkb(skb);
  count(COUNT_RELEASES, 1);
}

/** As allocSkb; counting is the caller's matter. */
export function takeSkb(): u32 {
  if (mustFail()) return exhausted(CLASS_SKB);
  let skb = takeFree();
  while (skb === 0) {
    const before = returnedSkbs();
    const first = carve(HEADER_CARVED_SKBS, skbCount);
    if (first === 0) {
      skb = takeFree();
      if (skb === 0 && returnedSkbs() === before) {
        noted = before;
        return exhausted(CLASS_SKB);
      }
      continue;
    }
    for (let i = carvedEnd(first, skbCount) - 1; i >= first; i--) {
      const fresh = skbTable + (i << SKB_SHIFT);
      store32(fresh + SKB_HANDLE, i);
      give(CLASS_SKB, LINK_SKB, fresh);
    }
    skb = take(CLASS_SKB, LINK_SKB);
  }
  return skb;
}

/** Takes an skb struct that is free, one with a head if there is no other. */
function takeFree(): u32 {
  const skb = take(CLASS_SKB, LINK_SKB);
  return skb !== 0 ? skb : undressSkb();
}

/** As freeSkb; counting is the caller's matter. */
export function giveSkb(skb: u32): void {
  retire(skb);
  give(CLASS_SKB, LINK_SKB, skb);
}

/** Ends the life of an skb struct, short of putting it where free ones are. Trusts the address. */
export function retire(skb: u32): void {
  if (DEBUG) assert(isSkb(skb), "the address is an skb's");
  // The next generation of this slot: the handle that was given out matches nothing from here on.
  storeFour(skb + SKB_HANDLE, (load32(skb + SKB_HANDLE) + skbCount) & HANDLE_MASK, 0, 0, 0);
}

/** Returns the address of a ubuf, its handle set; or 0. */
export function allocUbuf(): u32 {
  if (mustFail()) return exhausted(CLASS_UBUF);
  let ubuf = take(CLASS_UBUF, LINK_UBUF);
  while (ubuf === 0) {
    const before = changes(CLASS_UBUF);
    const first = carve(HEADER_CARVED_UBUFS, ubufCount);
    if (first === 0) {
      ubuf = take(CLASS_UBUF, LINK_UBUF);
      if (ubuf === 0 && changes(CLASS_UBUF) === before) {
        noted = before;
        return exhausted(CLASS_UBUF);
      }
      continue;
    }
    for (let i = carvedEnd(first, ubufCount) - 1; i >= first; i--) {
      const fresh = ubufTable + (i << UBUF_SHIFT);
      store32(fresh + UBUF_HANDLE, i);
      give(CLASS_UBUF, LINK_UBUF, fresh);
    }
    ubuf = take(CLASS_UBUF, LINK_UBUF);
  }
  return ubuf;
}

/** Frees a ubuf. Takes ownership of it. Trusts the address. */
export function freeUbufSlot(ubuf: u32): void {
  if (DEBUG) assert(isUbuf(ubuf), "the address is a ubuf's");
  store32(ubuf + UBUF_HANDLE, (load32(ubuf + UBUF_HANDLE) + ubufCount) & HANDLE_MASK);
  atomicStore32(ubuf + UBUF_STATE, UBUF_FREE);
  give(CLASS_UBUF, LINK_UBUF, ubuf);
}
