// Pages: the bitmap of free ones, reference counts, and runs of neighbouring pages.
//
// A free page is in exactly one place: its bit in the bitmap is set, or it is in a magazine, a depot, or the
// hands of one thread. Single pages are taken from the low end of the bitmap and runs from the high end, so
// that long-lived single pages do not sit in the middle of what could be a run.

import { arena, bitmap, bitmapWords, exchange, firstPage, pageCount, pageTable, threadNumber } from "./arena";
import {
  CLASS_PAGE,
  HEADER_CLAIMS,
  HEADER_RETURNS,
  HEADER_RUN_FREED,
  HEADER_RUNS_PASSED,
  KIND_FREE,
  KIND_TAIL,
  LINK_PAGE,
  PAGE_ENTRY_SHIFT,
  PAGE_KIND,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SHIFT,
  PAGE_SPAN,
} from "./layout";
import { give, take, takeToDrain } from "./magazine";
import {
  atomicAdd32,
  atomicCas32,
  atomicLoad32,
  atomicOr32,
  atomicStore32,
  atomicSub32,
  leadingZeros,
  load32,
  spinWhile,
  store32,
} from "./memory";
import { isEntry, isInPages } from "./trust";
import { answerMemory } from "./wanted";

const ALL_BITS: u32 = 0xffffffff;
const HIGHEST_BIT: u32 = 0x80000000;
const NO_PAGE: u32 = 0xffffffff;

// Where this thread looked last; only a hint, so each thread may have its own.
let singleHint: u32 = 0;

export function entryAt(index: u32): u32 {
  if (DEBUG) assert(index < pageCount, "there is such a page");
  return pageTable + (index << PAGE_ENTRY_SHIFT);
}

/** Table entry of the page, or of the run's first page, that holds the byte at `address`. */
export function entryOf(address: u32): u32 {
  if (DEBUG) assert(isInPages(address, 0), "the address is in a page");
  const entry = entryAt((address - firstPage) >>> PAGE_SHIFT);
  if (load32(entry + PAGE_KIND) !== KIND_TAIL) return entry;
  return entry - (load32(entry + PAGE_SPAN) << PAGE_ENTRY_SHIFT);
}

/** Address of the first byte of the page whose entry this is. */
export function pageAddress(entry: u32): u32 {
  if (DEBUG) assert(isEntry(entry, 1), "the address is an entry's");
  return firstPage + ((((entry - pageTable) >>> PAGE_ENTRY_SHIFT) << PAGE_SHIFT) >>> 0);
}

/** Takes a single page as a run of a kind, with one reference. Returns its entry, or 0. */
export function takePage(kind: u32): u32 {
  let entry = take(CLASS_PAGE, LINK_PAGE);
  if (entry === 0) {
    if (!fillFromBitmap()) return 0;
    entry = take(CLASS_PAGE, LINK_PAGE);
  }
  markRun(entry, 1, kind);
  return entry;
}

/** Moves up to a chain of pages, all from one word of the bitmap, to this thread's magazine. */
function fillFromBitmap(): bool {
  let w = singleHint;
  for (let looked: u32 = 0; looked < bitmapWords; looked++) {
    if (w >= bitmapWords) w = 0;
    const word = bitmap + (w << 2);
    let bits = atomicLoad32(word);
    while (bits !== 0) {
      let taken = bits;
      while (bitCount(taken) > exchange) taken = clearHighest(taken);
      // (M) The CAS takes the pages: a bit is cleared by exactly one thread. It synchronises with setBits.
      const seen = atomicCas32(word, bits, (bits ^ taken) >>> 0);
      if (seen === bits) {
        singleHint = w;
        while (taken !== 0) {
          const bit = 31 - leadingZeros(taken);
          give(CLASS_PAGE, LINK_PAGE, entryAt((w << 5) + bit));
          taken = clearHighest(taken);
        }
        return true;
      }
      bits = seen;
    }
    w += 1;
  }
  return false;
}

function bitCount(bits: u32): u32 {
  let n: u32 = 0;
  for (let b = bits; b !== 0; b = (b & (b - 1)) >>> 0) n += 1;
  return n;
}

function clearHighest(bits: u32): u32 {
  return (bits ^ (HIGHEST_BIT >>> leadingZeros(bits))) >>> 0;
}

/** Makes `n` pages one run of a kind, with one reference. Trusts that they are the caller's. */
function markRun(entry: u32, n: u32, kind: u32): void {
  if (DEBUG) assert(isFree(entry, n), "nobody uses the pages");
  store32(entry + PAGE_OWNER, threadNumber);
  store32(entry + PAGE_SPAN, n);
  store32(entry + PAGE_KIND, kind);
  atomicStore32(entry + PAGE_REFS, 1);
  for (let i: u32 = 1; i < n; i++) {
    const tail = entry + (i << PAGE_ENTRY_SHIFT);
    store32(tail + PAGE_SPAN, i);
    store32(tail + PAGE_KIND, KIND_TAIL);
  }
}

// Where to look for a run first. Both are only hints, for all threads; the last look is at everything.
//
//   low end                     found         freed       high end
//   │ never used, or long ago   │ runs in use   │ hole      │
//
// Where a run was freed comes first: it was used before, so it need not be touched for the first time. But many runs may
// be in use below, so that look is a short one, and is not made again before another run is freed. Else the search goes on
// where it last found one. So many runs are not all passed for each one more.

/** Pages below the end of a freed run that are looked at, beyond those wanted: 1 MiB of neighbours may have come after it. */
const FREED_LOOK: u32 = 256;

/** Whether `n` pages from an entry on are marked free. */
function isFree(entry: u32, n: u32): bool {
  if (!isEntry(entry, n)) return false;
  for (let i: u32 = 0; i < n; i++) {
    if (load32(entry + (i << PAGE_ENTRY_SHIFT) + PAGE_KIND) !== KIND_FREE) return false;
  }
  return true;
}

/** Takes `n` neighbouring pages (n ≥ 1) as one run of a kind. Returns the first one's entry, or 0. */
export function takeRun(n: u32, kind: u32): u32 {
  const first = findRun(n);
  if (first === NO_PAGE) return 0;
  const entry = entryAt(first);
  markRun(entry, n, kind);
  return entry;
}

/** Takes the bits of `n` neighbouring pages. Returns the first one, or NO_PAGE. */
function findRun(n: u32): u32 {
  const freed = atomicLoad32(arena + HEADER_RUN_FREED);
  if (freed !== 0) {
    const look = n + FREED_LOOK;
    const first = claimRun(freed < look ? 0 : freed - look, freed, n);
    // Fails if another thread has freed one above meanwhile, or looked: its hint is newer.
    atomicCas32(arena + HEADER_RUN_FREED, freed, first === NO_PAGE ? 0 : first);
    if (first !== NO_PAGE) return first;
  }
  const passed = atomicLoad32(arena + HEADER_RUNS_PASSED);
  let first = claimRun(0, pageCount - passed, n);
  if (first === NO_PAGE && passed !== 0) first = claimRun(0, pageCount, n);
  if (first !== NO_PAGE) atomicStore32(arena + HEADER_RUNS_PASSED, pageCount - first);
  return first;
}

/** Lets the next search for a run begin at page `end`, before which one was freed, if it would have begun below. */
function hintFreed(end: u32): void {
  let freed = atomicLoad32(arena + HEADER_RUN_FREED);
  while (freed < end) {
    const seen = atomicCas32(arena + HEADER_RUN_FREED, freed, end);
    if (seen === freed) return;
    freed = seen;
  }
}

/** Takes the bits of the highest `n` neighbouring pages that are free in [floor, top). Returns the first one, or NO_PAGE. */
function claimRun(floor: u32, top: u32, n: u32): u32 {
  let below = top; // pages [below, below + length) are free, as far as we saw
  let length: u32 = 0;
  while (below > floor) {
    const page = below - 1;
    const bits = atomicLoad32(bitmap + ((page >>> 5) << 2));
    if ((page & 31) === 31 && bits === 0) {
      // May go below the floor, to where no page is looked at.
      below -= 32;
      length = 0;
      continue;
    }
    below = page;
    length = ((bits >>> (page & 31)) & 1) !== 0 ? length + 1 : 0;
    if (length === n) {
      if (claimBits(below, n)) return below;
      // Somebody was faster with one of them: look at all of them again, the rest may still do.
      below += n;
      length = 0;
    }
  }
  return NO_PAGE;
}

/** The bits of pages [first, end) that lie in the word of page `first`. */
function maskFrom(first: u32, end: u32): u32 {
  const low = first & 31;
  const most: u32 = 32 - low;
  const n = end - first < most ? end - first : most;
  return ((ALL_BITS >>> (32 - n)) << low) >>> 0;
}

function nextWord(page: u32): u32 {
  return ((page >>> 5) + 1) << 5;
}

/** Takes the bits of a run, or none. */
function claimBits(first: u32, n: u32): bool {
  const end = first + n;
  if (nextWord(first) >= end) return clearBits(first, end);
  // A claim over several words that fails puts back what it took, which others miss meanwhile. This tells them.
  atomicAdd32(arena + HEADER_CLAIMS, 1);
  const claimed = clearBits(first, end);
  atomicSub32(arena + HEADER_CLAIMS, 1);
  return claimed;
}

/** If other threads are claiming runs: waits until one of them has or has not, and says so. */
export function awaitClaims(): bool {
  const claims = atomicLoad32(arena + HEADER_CLAIMS);
  if (claims === 0) return false;
  spinWhile(arena + HEADER_CLAIMS, claims);
  return atomicLoad32(arena + HEADER_CLAIMS) !== claims;
}

/** Clears bits [first, end), word by word; if one is gone, sets those it cleared again. */
function clearBits(first: u32, end: u32): bool {
  for (let at = first; at < end; at = nextWord(at)) {
    const word = bitmap + ((at >>> 5) << 2);
    const mask = maskFrom(at, end);
    let bits = atomicLoad32(word);
    while (true) {
      if ((bits & mask) >>> 0 !== mask) {
        setBits(first, at);
        return false;
      }
      const seen = atomicCas32(word, bits, (bits ^ mask) >>> 0);
      if (seen === bits) break;
      bits = seen;
    }
  }
  return true;
}

/**
 * Counts something that is about to be put into the bitmap, or into a slab's slots. Before it is there: whoever looked
 * for it too early, and then finds this changed, looks again (pool.ts).
 */
export function countReturn(): void {
  atomicAdd32(arena + HEADER_RETURNS, 1);
}

/**
 * Counts it once more now that it is there, and wakes who waits for memory: whoever begins to wait later than that, but looked
 * for it too early, finds this changed.
 */
export function tellReturn(): void {
  countReturn();
  answerMemory();
}

/** Sets the bits of pages [first, end): they are anybody's from here on. */
function setBits(first: u32, end: u32): void {
  countReturn();
  for (let at = first; at < end; at = nextWord(at)) {
    // (M) Publishes what freeRun wrote: whoever clears the bits reads the entries as free.
    atomicOr32(bitmap + ((at >>> 5) << 2), maskFrom(at, end));
  }
  tellReturn();
}

/**
 * Adds a reference to a run. Trusts that there is one that stays meanwhile: the caller's, or that of a head which
 * the caller shares with others. Because of the latter the addition is atomic even if the count reads 1.
 */
export function getPage(entry: u32): void {
  if (DEBUG) assert(isEntry(entry, 1), "the address is an entry's");
  const refs = atomicAdd32(entry + PAGE_REFS, 1);
  if (DEBUG) assert(refs !== 0, "there is a reference that stays");
}

/** Drops the caller's reference; the last one frees the run. Trusts that there is one. */
export function putPage(entry: u32): void {
  if (DEBUG) assert(isEntry(entry, 1) && load32(entry + PAGE_KIND) !== KIND_FREE, "the run is in use");
  // (L) Reading 1 means that the reference is ours alone. Otherwise the subtraction decides who was last, and
  // synchronises with the subtractions before it: all their reads of the page are over.
  if (atomicLoad32(entry + PAGE_REFS) !== 1 && atomicSub32(entry + PAGE_REFS, 1) !== 1) return;
  const n = load32(entry + PAGE_SPAN);
  atomicStore32(entry + PAGE_REFS, 0);
  if (n === 1) {
    store32(entry + PAGE_KIND, KIND_FREE);
    give(CLASS_PAGE, LINK_PAGE, entry);
  } else {
    freeRun(entry, n);
  }
}

/** References on a run. */
export function pageRefs(entry: u32): u32 {
  return atomicLoad32(entry + PAGE_REFS);
}

function freeRun(entry: u32, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store32(entry + (i << PAGE_ENTRY_SHIFT) + PAGE_KIND, KIND_FREE);
  const first = (entry - pageTable) >>> PAGE_ENTRY_SHIFT;
  setBits(first, first + n);
  hintFreed(first + n);
}

/** Gives a page that is in nobody's chain, a slab's that became empty, to the bitmap. Trusts that it is the caller's. */
export function freeToBitmap(entry: u32): void {
  if (DEBUG) assert(isEntry(entry, 1) && load32(entry + PAGE_KIND) !== KIND_FREE, "the page is in use");
  atomicStore32(entry + PAGE_REFS, 0);
  freeRun(entry, 1);
}

/** Moves every free page that this thread can get at to the bitmap, where runs are made of them. */
export function drainPages(): void {
  for (let page = takeToDrain(CLASS_PAGE, LINK_PAGE); page !== 0; page = takeToDrain(CLASS_PAGE, LINK_PAGE))
    freeRun(page, 1);
  // These lie below those that were never used, whose first touch costs more than all the rest of an allocation.
  singleHint = 0;
}
