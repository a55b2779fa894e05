// The arena: laying one out in a memory, and finding one that is there. What other modules read from here is
// the same for every thread, except `thread`; each instance has its own copy, so nothing is shared through it.

import {
  E_LAYOUT,
  ERROR_LIMIT,
  EXCHANGE_MOST,
  HANDLE_MASK,
  HEADER_BITMAP,
  HEADER_BLOCK_TABLE,
  HEADER_BLOCKS,
  HEADER_BYTES,
  HEADER_CARVED_BLOCKS,
  HEADER_CARVED_SKBS,
  HEADER_CARVED_UBUFS,
  HEADER_DEPOTS,
  HEADER_EXCHANGE,
  HEADER_FIRST_PAGE,
  HEADER_MAGIC,
  HEADER_PAGE_TABLE,
  HEADER_PAGES,
  HEADER_RING_TABLE,
  HEADER_RINGS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  HEADER_UBUF_TABLE,
  HEADER_UBUFS,
  HEADER_VERSION,
  LAYOUT_VERSION,
  MAGIC,
  MAX_THREADS,
  OK,
  PAGE_BYTES,
  PAGE_ENTRY_SHIFT,
  PAGE_SHIFT,
  RING_SHIFT,
  SKB_SHIFT,
  THREAD_BYTES,
  UBUF_SHIFT,
} from "./layout";
import { atomicLoad32, atomicStore32, fill, leadingZeros, load32, store32 } from "./memory";

export let arena: u32 = 0;
export let depots: u32 = 0;
/** Objects exchanged at once: half of what a magazine holds. */
export let exchange: u32 = 0;
/** Objects in a full magazine. */
export let magazineMost: u32 = 0;

export let blockTable: u32 = 0;
export let blockCount: u32 = 0;
/** log2 of a block's bytes. */
export let blockShift: u32 = 0;

export let threadBlocks: u32 = 0;
export let threadCount: u32 = 0;
/** This thread's block, once `joinAs` has named it. */
export let thread: u32 = 0;
export let threadNumber: u32 = 0;

export let skbTable: u32 = 0;
export let skbCount: u32 = 0;
export let skbMask: u32 = 0;
export let ubufTable: u32 = 0;
export let ubufCount: u32 = 0;
export let ubufMask: u32 = 0;

export let ringTable: u32 = 0;
export let ringCount: u32 = 0;

export let pageTable: u32 = 0;
export let pageCount: u32 = 0;
export let bitmap: u32 = 0;
export let bitmapWords: u32 = 0;
export let firstPage: u32 = 0;

function pagesFor(bytes: u32): u32 {
  return (bytes + PAGE_BYTES - 1) >>> PAGE_SHIFT;
}

/**
 * Lays an arena out at `base` (page-aligned, not 0) over `pages` pages. Trusts that the memory there is zero:
 * what is not written here is never touched before it is used, so that an unused arena costs nothing.
 * `skbs` and `ubufs` are powers of two above ERROR_LIMIT. `batch`, the objects exchanged at once, is at most
 * EXCHANGE_MOST; 0 lets the size decide. Returns OK, or E_LAYOUT if that does not fit or leaves no page.
 */
export function format(
  base: u32,
  pages: u32,
  skbs: u32,
  ubufs: u32,
  threads: u32,
  rings: u32,
  batch: u32,
): u32 {
  if (skbs <= ERROR_LIMIT || ubufs <= ERROR_LIMIT || threads === 0 || threads > MAX_THREADS) return E_LAYOUT;
  if (DEBUG) assert(base !== 0 && (base & (PAGE_BYTES - 1)) === 0, "the arena begins at a page");
  if (DEBUG) assert((skbs & (skbs - 1)) === 0 && (ubufs & (ubufs - 1)) === 0, "handles are masked");
  if (DEBUG) assert(batch <= EXCHANGE_MOST, "two batches fit a magazine");
  if (DEBUG) assert(atomicLoad32(base + HEADER_MAGIC) === 0, "the memory is zero");
  let next = base + HEADER_BYTES;
  let left = pages;
  store32(base + HEADER_THREAD_BLOCKS, next);
  // A thread hides up to two batches of each class from the others: in a small arena let that be little.
  const fair = pages >>> 6;
  const most: u32 = fair < 4 ? 4 : fair > EXCHANGE_MOST ? EXCHANGE_MOST : fair;
  const exchanged = batch !== 0 ? batch : most;
  store32(base + HEADER_EXCHANGE, exchanged);
  // Room for every skb, and every page: if they run out, chains do the same, slower.
  const blocks = ((skbs + pages) << 2) >>> shiftFor(exchanged);
  const tables: u32 =
    1 +
    pagesFor(threads * THREAD_BYTES) +
    pagesFor(skbs << SKB_SHIFT) +
    pagesFor(ubufs << UBUF_SHIFT) +
    pagesFor(rings << RING_SHIFT) +
    pagesFor(blocks << shiftFor(exchanged));
  if (tables >= pages) return E_LAYOUT;
  next += threads * THREAD_BYTES;
  store32(base + HEADER_SKB_TABLE, next);
  next += pagesFor(skbs << SKB_SHIFT) << PAGE_SHIFT;
  store32(base + HEADER_UBUF_TABLE, next);
  next += pagesFor(ubufs << UBUF_SHIFT) << PAGE_SHIFT;
  store32(base + HEADER_RING_TABLE, next);
  next += pagesFor(rings << RING_SHIFT) << PAGE_SHIFT;
  store32(base + HEADER_BLOCK_TABLE, next);
  next += pagesFor(blocks << shiftFor(exchanged)) << PAGE_SHIFT;
  store32(base + HEADER_BLOCKS, blocks);
  left -= tables;
  // The tables are sized for all pages that are left, themselves included: at most one page too many.
  const entries = pagesFor(left << PAGE_ENTRY_SHIFT);
  const bits = pagesFor((left + 7) >>> 3);
  if (entries + bits >= left) return E_LAYOUT;
  store32(base + HEADER_PAGE_TABLE, next);
  next += entries << PAGE_SHIFT;
  store32(base + HEADER_BITMAP, next);
  fill(next, 0xff, (left - entries - bits) >>> 3);
  const map = next;
  next += bits << PAGE_SHIFT;
  left -= entries + bits;
  if ((left & 7) !== 0) store32(map + ((left >>> 5) << 2), partialWord(left & 31));
  store32(base + HEADER_FIRST_PAGE, next);
  store32(base + HEADER_PAGES, left);
  store32(base + HEADER_SKBS, skbs);
  store32(base + HEADER_UBUFS, ubufs);
  store32(base + HEADER_THREADS, threads);
  store32(base + HEADER_RINGS, rings);
  store32(base + HEADER_CARVED_SKBS, ERROR_LIMIT);
  store32(base + HEADER_CARVED_UBUFS, ERROR_LIMIT);
  store32(base + HEADER_CARVED_BLOCKS, 0);
  // Handle 0 is what a dead Skb object holds: slot 0 must never match it.
  store32(load32(base + HEADER_SKB_TABLE), HANDLE_MASK);
  store32(base + HEADER_VERSION, LAYOUT_VERSION);
  // (A) Last: whoever reads MAGIC (attach, on another thread) reads everything above as it is here.
  atomicStore32(base + HEADER_MAGIC, MAGIC);
  return OK;
}

/** log2 of a block's bytes: the next power of two that has room for the link and a batch. */
function shiftFor(batch: u32): u32 {
  return 32 - leadingZeros((batch << 2) + 3);
}

/** The low `n` bits; n is below 32. */
function partialWord(n: u32): u32 {
  return ((1 << n) - 1) >>> 0;
}

/** Finds the arena at `base`. Returns OK or E_LAYOUT. */
export function attach(base: u32): u32 {
  // (A) The magic was stored last: whoever reads it reads all the rest. Nothing of it ever changes.
  if (atomicLoad32(base + HEADER_MAGIC) !== MAGIC || load32(base + HEADER_VERSION) !== LAYOUT_VERSION)
    return E_LAYOUT;
  arena = base;
  depots = base + HEADER_DEPOTS;
  exchange = load32(base + HEADER_EXCHANGE);
  magazineMost = exchange << 1;
  blockTable = load32(base + HEADER_BLOCK_TABLE);
  blockCount = load32(base + HEADER_BLOCKS);
  blockShift = shiftFor(exchange);
  threadBlocks = load32(base + HEADER_THREAD_BLOCKS);
  threadCount = load32(base + HEADER_THREADS);
  skbTable = load32(base + HEADER_SKB_TABLE);
  skbCount = load32(base + HEADER_SKBS);
  skbMask = skbCount - 1;
  ubufTable = load32(base + HEADER_UBUF_TABLE);
  ubufCount = load32(base + HEADER_UBUFS);
  ubufMask = ubufCount - 1;
  ringTable = load32(base + HEADER_RING_TABLE);
  ringCount = load32(base + HEADER_RINGS);
  pageTable = load32(base + HEADER_PAGE_TABLE);
  pageCount = load32(base + HEADER_PAGES);
  bitmap = load32(base + HEADER_BITMAP);
  bitmapWords = (pageCount + 31) >>> 5;
  firstPage = load32(base + HEADER_FIRST_PAGE);
  return OK;
}

/** From here on this instance acts as the thread whose block is at `block`. */
export function joinAs(block: u32, number: u32): void {
  thread = block;
  threadNumber = number;
}
