// What functions trust their callers with, as questions for their assertions: `if (DEBUG) assert(isSkb(skb), "why")`. DEBUG is a
// constant of the build: false in the product, where nothing of this is compiled. Arithmetic only: an assertion that
// read what other threads write would be one more access of the protocol that it watches.

import {
  firstPage,
  pageCount,
  pageTable,
  ringCount,
  ringTable,
  skbCount,
  skbTable,
  thread,
  threadCount,
  ubufCount,
  ubufTable,
} from "./arena";
import {
  BURST_MOST,
  CLASSES,
  ERROR_LIMIT,
  PAGE_ENTRY_SHIFT,
  PAGE_SHIFT,
  RING_SHIFT,
  SHINFO_BYTES,
  SKB_SHIFT,
  STAGING,
  THREAD_SCRATCH,
  UBUF_SHIFT,
} from "./layout";
import { load32 } from "./memory";

/** Whether `address` is that of an entry of a table, from number `first` to before number `end`. */
function isIn(table: u32, shift: u32, first: u32, end: u32, address: u32): bool {
  if (address < table || (address - table) >>> shift < first || (address - table) >>> shift >= end)
    return false;
  return (((address - table) >>> shift) << shift) >>> 0 === address - table;
}

/** An skb struct that can be given out. */
export function isSkb(address: u32): bool {
  return isIn(skbTable, SKB_SHIFT, ERROR_LIMIT, skbCount, address);
}

/** A ubuf that can be given out. */
export function isUbuf(address: u32): bool {
  return isIn(ubufTable, UBUF_SHIFT, ERROR_LIMIT, ubufCount, address);
}

/** An entry of the ring table. */
export function isRing(address: u32): bool {
  return isIn(ringTable, RING_SHIFT, 0, ringCount, address);
}

/** An entry of the page table, that of the first of `n` pages. */
export function isEntry(address: u32, n: u32): bool {
  return n !== 0 && n <= pageCount && isIn(pageTable, PAGE_ENTRY_SHIFT, 0, pageCount - n + 1, address);
}

/** Bytes of pages. */
export function isInPages(address: u32, n: u32): bool {
  if (address < firstPage) return false;
  const end = (pageCount << PAGE_SHIFT) >>> 0;
  return address - firstPage <= end && n <= end - (address - firstPage);
}

/** Where a list of `n` handles can be: in this thread's scratch, or in pages. */
export function isList(address: u32, n: u32): bool {
  const inScratch =
    address >= thread + THREAD_SCRATCH && address + (n << 2) <= thread + THREAD_SCRATCH + STAGING;
  return n > BURST_MOST || inScratch || isInPages(address, n << 2);
}

/** Where the shared info of a head can be. */
export function isShinfo(address: u32): bool {
  return (address & 3) === 0 && isInPages(address, SHINFO_BYTES);
}

/** A class of pooled objects. */
export function isClass(kind: u32): bool {
  return kind < CLASSES;
}

/** The number of a thread that there can be. */
export function isThread(number: u32): bool {
  return number !== 0 && number <= threadCount;
}

/** Whether this instance acts as a thread: it has claimed a block, and not freed it. */
export function hasJoined(): bool {
  return thread !== 0;
}

/** Whether `n` bytes from `from` on are 0. */
export function isZero(from: u32, n: u32): bool {
  for (let at = from; at < from + n; at += 4) {
    if (load32(at) !== 0) return false;
  }
  return true;
}
