// A fresh arena for each test, packets whose bytes say where they belong, and the question whether all came back.

import { attach, format, joinAs, thread, threadNumber } from "../arena";
import {
  addPageFrag,
  addUserFrag,
  alloc,
  checksum,
  claimThread,
  copyBits,
  counter,
  createRegion,
  dataAddress,
  dataLength,
  dataRefs,
  frags,
  freePages,
  freshSkbs,
  freshUbufs,
  headroom,
  inDepot,
  inSlabs,
  length,
  listLength,
  put,
  releaseRegion,
  tailroom,
  totalPages,
  totalSkbs,
  totalUbufs,
  truesize,
  users,
  zeroCopy,
} from "../index";
import {
  CLASS_SKB,
  CLASS_UBUF,
  COUNT_BYTES_COPIED,
  ERROR_LIMIT,
  HEAD_CLASSES,
  OK,
  PAGE_BYTES,
  THREAD_BYTES,
} from "../layout";
import { flushMagazines } from "../magazine";
import { fill, load8, store8 } from "../memory";
import { entryOf, pageRefs } from "../page";
import { failAllocation } from "../pool";

/** Above everything that the tests' own allocator will ever reach. */
export const BASE: u32 = 0x1000000;
/** Memory that is no arena's: to copy packets from and to. */
export const STAGE_IN: u32 = 0xc00000;
export const STAGE_OUT: u32 = 0xe00000;

let firstBlock: u32 = 0;

/** Lays out an arena of `pages` pages, tables included, and joins it as thread 1. */
export function freshWith(pages: u32, skbs: u32, ubufs: u32, threads: u32, chain: u32): u32 {
  failAllocation(0);
  fill(BASE, 0, pages * PAGE_BYTES);
  const status = format(BASE, pages, skbs, ubufs, threads, 4, chain);
  if (status !== OK) return status;
  attach(BASE);
  claimThread();
  firstBlock = thread;
  return OK;
}

/** A 2 MiB arena of two threads: small enough to use up, chains of 8 objects. */
export function fresh(): void {
  freshWith(512, 256, 128, 2, 8);
}

/** From here on the tests act as thread `number`. */
export function actAs(number: u32): void {
  joinAs(firstBlock + (number - 1) * THREAD_BYTES, number);
}

/**
 * How many pages, skbs and ubufs are in use, once every hidden free one is out: 0 says that everything came back.
 * A page that holds a single head counts as in use.
 */
export function inUse(): u32 {
  const me = threadNumber;
  actAs(2);
  flushMagazines();
  actAs(me);
  flushMagazines();
  // A run of all pages is there only if every other page is; either way, looking for it reclaims.
  const all = createRegion(totalPages());
  if (all >= ERROR_LIMIT) releaseRegion(all);
  let slots: u32 = 0;
  for (let c: u32 = 0; c < HEAD_CLASSES; c++) slots += inSlabs(c);
  const pages = totalPages() - freePages();
  if (pages === 0 && slots !== 0) return 0xffff;
  const skbs = totalSkbs() - freshSkbs() - inDepot(CLASS_SKB);
  const ubufs = totalUbufs() - freshUbufs() - inDepot(CLASS_UBUF);
  return (pages << 16) + (skbs << 8) + ubufs;
}

/** References on the page or run that holds the byte at `address`. */
export function refsAt(address: u32): u32 {
  return pageRefs(entryOf(address));
}

export function bytesCopied(): u32 {
  return counter(threadNumber, COUNT_BYTES_COPIED);
}

/** The byte that belongs at place `i`; its period of 257 * 251 shows a shift by any round number. */
export function byteAt(i: u32): u32 {
  return ((i % 251) + 3 * (i % 257)) & 0xff;
}

/** Writes the bytes of places [at, at + n) to `p`. */
export function paint(p: u32, at: u32, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store8(p + i, byteAt(at + i));
}

/** A linear packet that holds places [at, at + n). */
export function packet(n: u32, room: u32, at: u32): u32 {
  const h = alloc(n, room);
  paint(put(h, n), at, n);
  return h;
}

/** Appends `n` bytes in a page frag to a packet that starts at place `at`. */
export function grow(h: u32, n: u32, at: u32): u32 {
  const before = length(h);
  const p = addPageFrag(h, n);
  if (p >= ERROR_LIMIT) paint(p, at + before, n);
  return p;
}

/** Appends `n` bytes of a user region to a packet that starts at place `at`. */
export function lend(h: u32, region: u32, offset: u32, n: u32, ubuf: u32, at: u32): u32 {
  paint(region + offset, at + length(h), n);
  return addUserFrag(h, region, offset, n, ubuf);
}

/** How many bytes of the packet, which should start at place `at`, are wrong. */
export function wrong(h: u32, at: u32): u32 {
  const n = length(h);
  fill(STAGE_OUT, 0xee, n);
  if (copyBits(h, 0, n, STAGE_OUT) !== OK) return 0xffffffff;
  return wrongAt(STAGE_OUT, at, n);
}

/** How many of the `n` bytes at `p` are not those of places [at, at + n). */
export function wrongAt(p: u32, at: u32, n: u32): u32 {
  let bad: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    if (load8(p + i) !== byteAt(at + i)) bad += 1;
  }
  return bad;
}

/** One number for what a packet says of itself, so that "as before" is one comparison. */
export function digest(h: u32): u32 {
  let d: u32 = length(h);
  d = d * 31 + dataLength(h);
  d = d * 31 + frags(h);
  d = d * 31 + listLength(h);
  d = d * 31 + headroom(h);
  d = d * 31 + tailroom(h);
  d = d * 31 + users(h);
  d = d * 31 + zeroCopy(h);
  d = d * 31 + truesize(h);
  return d * 31 + checksum(h, 0, length(h));
}

/** The same with where the bytes lie and who shares them: nothing at all has happened. */
export function exactDigest(h: u32): u32 {
  return (digest(h) * 31 + dataAddress(h)) * 31 + dataRefs(h);
}

/** Whether a result of the core is a status other than OK. */
export function isError(result: u32): bool {
  return result !== OK && result < ERROR_LIMIT;
}

/** Failed allocations that the last sweep went through. */
export let sweptFailures: u32 = 0;

/**
 * Lets the first, second, third ... allocation of an operation fail, each time on a new packet, until none is left to
 * fail. Returns how often the operation did not fail, changed the packet or kept something.
 */
export function sweep(build: () => u32, operate: (h: u32) => u32, clean: (h: u32) => void): u32 {
  let violations: u32 = 0;
  sweptFailures = 0;
  for (let nth: u32 = 1; nth < 64; nth++) {
    const h = build();
    const before = digest(h);
    const used = inUse();
    failAllocation(nth);
    const status = operate(h);
    const left = failAllocation(0);
    if (left !== 0) {
      if (isError(status)) violations += 1;
      clean(h);
      return violations;
    }
    sweptFailures += 1;
    if (!isError(status) || digest(h) !== before || inUse() !== used) violations += 1;
    clean(h);
  }
  return violations + 1000;
}
