// Zero copy: frags that point into memory a user lent, and copying them when somebody would keep them longer
// than was agreed (skb_copy_ubufs, skb_orphan_frags).

import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_FRAGS,
  E_RANGE,
  E_SHARED,
  E_STALE,
  E_UBUF,
  FRAG_ADDRESS,
  FRAG_SHIFT,
  FRAG_SIZE,
  KIND_FRAG,
  KIND_USER,
  MAX_FRAGS,
  MAX_LENGTH,
  OK,
  OWNER_LIST,
  PAGE_BYTES,
  PAGE_KIND,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SHIFT,
  PAGE_SPAN,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_FRAGS,
  SHINFO_UBUF,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
} from "./layout";
import { atomicLoad32, copy, load32, store32 } from "./memory";
import { entryOf, getPage, pageAddress, pageRefs, putPage } from "./page";
import { allocPages, allocUpTo, exhausted, linkPages, nextPages, putPages, SHORT_OF_RUN } from "./pool";
import { ownHead } from "./rehead";
import {
  addData,
  dropData,
  fragAddress,
  fragCount,
  fragList,
  fragSize,
  isShared,
  isUserFrag,
  markShares,
  pushFrag,
  setList,
  shinfoOf,
} from "./shinfo";
import { newSkb, releaseSkb, skbOf } from "./skb";
import { count, scratch } from "./thread";
import { attachUbuf, mayShare, putUbuf, ubufOf } from "./ubuf";

/** Allocates a user region of `pages` pages. Returns its address, or E_EXHAUSTED. */
export function createRegion(pages: u32): u32 {
  const entry = allocPages(pages, KIND_USER);
  return entry === 0 ? E_EXHAUSTED : pageAddress(entry);
}

/** The region's owner lets go of it; its pages are free once no frag points into them. Trusts the address. */
export function releaseRegion(address: u32): void {
  const entry = entryOf(address);
  if (DEBUG) assert(isRegion(entry, address), "the address is a region's");
  // Says that the region's own reference is gone; the frags' may remain.
  store32(entry + PAGE_OWNER, 0);
  putPage(entry);
}

/** Whether a user region that its owner still has begins at `address`, whose entry this is. */
function isRegion(entry: u32, address: u32): bool {
  if (load32(entry + PAGE_KIND) !== KIND_USER || load32(entry + PAGE_OWNER) === 0) return false;
  return pageAddress(entry) === address;
}

/** Frags that point into a region that its owner still has. Trusts the address. */
export function regionFrags(address: u32): u32 {
  if (DEBUG) assert(isRegion(entryOf(address), address), "the address is a region's");
  return atomicLoad32(entryOf(address) + PAGE_REFS) - 1;
}

/**
 * Appends bytes [offset, offset + n) of a user region as a frag; the head carries the ubuf from here on.
 * OK, or E_STALE, E_UBUF, E_SHARED, E_FRAGS or E_RANGE, and nothing changed. Trusts the region's address.
 */
export function addUserFrag(handle: u32, region: u32, offset: u32, n: u32, ubufHandle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const ubuf = ubufOf(ubufHandle);
  if (ubuf === 0) return E_UBUF;
  const entry = entryOf(region);
  if (DEBUG) assert(isRegion(entry, region), "the address is a region's");
  const bytes = (load32(entry + PAGE_SPAN) << PAGE_SHIFT) >>> 0;
  if (offset > bytes || n > bytes - offset || n > MAX_LENGTH - load32(skb + SKB_LEN)) return E_RANGE;
  if (n === 0) return OK;
  if (isShared(skb)) return E_SHARED;
  const shinfo = shinfoOf(skb);
  const carried = load32(shinfo + SHINFO_UBUF);
  if (carried !== 0 && carried !== ubuf) return E_UBUF;
  // A frag behind the frag list would come before it in the packet.
  if (fragCount(shinfo) >= MAX_FRAGS || fragList(shinfo) !== 0) return E_FRAGS;
  if (carried === 0) {
    if (!attachUbuf(ubuf)) return E_UBUF;
    store32(shinfo + SHINFO_UBUF, ubuf);
  }
  getPage(entry);
  pushFrag(shinfo, region + offset, n);
  addData(skb, n);
  return OK;
}

/** Whether the packet, or a member of its frag list, carries a ubuf. */
export function carriesUbuf(skb: u32): bool {
  const shinfo = shinfoOf(skb);
  if (load32(shinfo + SHINFO_UBUF) !== 0) return true;
  for (let m = fragList(shinfo); m !== 0; m = load32(m + SKB_NEXT)) {
    if (load32(shinfoOf(m) + SHINFO_UBUF) !== 0) return true;
  }
  return false;
}

/** 1 if the packet carries a ubuf, else 0. */
export function zeroCopy(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb !== 0 && carriesUbuf(skb) ? 1 : 0;
}

/** skb_copy_ubufs: copies all user frags into pool pages and lets the ubufs go. OK, E_STALE or E_EXHAUSTED. */
export function copyUbufs(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  return copyUserFrags(skb, true);
}

/** Before a packet is shared: copies the user frags of every ubuf that does not allow it. OK or E_EXHAUSTED. */
export function orphanFrags(skb: u32): u32 {
  return copyUserFrags(skb, false);
}

/** Whether the copies of the last `orphanInPlace` that failed were more frags than a head has entries. */
let crowded: u32 = 0; // 0 or 1

/** The same without a longer frag list. OK, or E_EXHAUSTED, also where the copies are more frags than a head has entries. */
export function orphanInPlace(skb: u32): u32 {
  crowded = 0;
  if (!carriesUbuf(skb)) return OK;
  const status = prepareCopies(skb, false, false);
  if (status === OK) makeCopies(skb, false);
  return status;
}

/** The same for a packet without its frag list, which is not going to be shared. */
export function orphanHead(skb: u32): u32 {
  const shinfo = shinfoOf(skb);
  const list = fragList(shinfo);
  const last = load32(shinfo + SHINFO_FRAG_LIST_TAIL);
  setList(shinfo, 0, 0);
  const status = orphanInPlace(skb);
  setList(shinfoOf(skb), list, last);
  return status;
}

/**
 * After an operation has failed that had no place for copies but a head's entries: makes them, with a longer frag list. Returns
 * whether that was why it failed, and the operation is worth another try.
 */
export function makeEntries(skb: u32): bool {
  if (crowded === 0) return false;
  crowded = 0;
  return orphanFrags(skb) === OK;
}

/** Whether the user frags of this head are to be copied: all of them, or those that may not be shared. */
function mustCopy(shinfo: u32, all: bool): bool {
  const ubuf = load32(shinfo + SHINFO_UBUF);
  return ubuf !== 0 && (all || !mayShare(ubuf));
}

/** A bit for each frag of the head that is to be copied. */
function lentFrags(shinfo: u32, all: bool): u32 {
  if (!mustCopy(shinfo, all)) return 0;
  let which: u32 = 0;
  const n = fragCount(shinfo);
  for (let i: u32 = 0; i < n; i++) {
    if (isUserFrag(shinfo, i)) which |= 1 << i;
  }
  return which;
}

/** A bit for each frag of the head in pool pages to which others refer as well. */
function sharedFrags(shinfo: u32): u32 {
  let which: u32 = 0;
  const n = fragCount(shinfo);
  for (let i: u32 = 0; i < n; i++) {
    const entry = entryOf(fragAddress(shinfo, i));
    if (load32(entry + PAGE_KIND) === KIND_FRAG && pageRefs(entry) !== 1) which |= 1 << i;
  }
  return which;
}

/**
 * Copies the frags of a part of the packet, which is alone with its head, whose pages others refer to as well. OK or E_EXHAUSTED,
 * and nothing changed.
 */
export function ownFrags(skb: u32, part: u32): u32 {
  // Asked once: others may let go of their pages meanwhile.
  const which = sharedFrags(shinfoOf(part));
  if (which === 0) return OK;
  copies = 0;
  spills = 0;
  lastCopy = 0;
  if (!preparePart(shinfoOf(part), which, true)) return dropCopies();
  copyPart(skb, part, which);
  return OK;
}

function copyUserFrags(skb: u32, all: bool): u32 {
  if (!carriesUbuf(skb)) return OK;
  const status = prepareCopies(skb, all, true);
  if (status === OK) makeCopies(skb, all);
  return status;
}

// First everything is allocated, then nothing can fail. What was allocated waits here until it is used or freed, which is
// before the operation ends.

/** A chain of pages, in the order of the bytes that they are for. */
let copies: u32 = 0;
let lastCopy: u32 = 0;
/** Members for what does not fit the frag table, linked by `next`: copies may need more frags than there were. */
let spills: u32 = 0;

/**
 * Allocates what `makeCopies` needs. The pages need not lie together: a frag becomes several, and if those are more than a head
 * has entries, and `spill` says that the frag list may grow, what is left of them goes into members behind. OK or E_EXHAUSTED.
 */
export function prepareCopies(skb: u32, all: bool, spill: bool): u32 {
  copies = 0;
  spills = 0;
  lastCopy = 0;
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    if (!preparePart(shinfoOf(part), lentFrags(shinfoOf(part), all), spill)) return dropCopies();
  }
  // What others share keeps its user frags for them: this packet gets heads of its own, same bytes, same frags, its
  // own first, because the frag list hangs on that. It changes nothing the user could see, so it need not be undone if a later one fails.
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    const copied = part === skb ? copies !== 0 : mustCopy(shinfoOf(part), all);
    if (copied && ownHead(part) !== OK) return dropCopies();
  }
  return OK;
}

/** Allocates for the frags of one head of which `which` has a bit. Returns whether there was enough. */
function preparePart(shinfo: u32, which: u32, spill: bool): bool {
  const n = fragCount(shinfo);
  let entries = n;
  for (let i: u32 = 0; i < n; i++) {
    if (((which >>> i) & 1) === 0) continue;
    let left = (fragSize(shinfo, i) + PAGE_BYTES - 1) >>> PAGE_SHIFT;
    let most = left;
    entries -= 1;
    while (left !== 0) {
      const entry = allocUpTo(left < most ? left : most, KIND_FRAG);
      if (entry === 0) return false;
      linkPages(lastCopy, entry);
      if (lastCopy === 0) copies = entry;
      lastCopy = entry;
      // What there was not at once there will hardly be for the rest.
      most = load32(entry + PAGE_SPAN);
      left -= most;
      entries += 1;
    }
  }
  if (entries > MAX_FRAGS && !spill) {
    crowded = 1;
    return exhausted(SHORT_OF_RUN) !== 0;
  }
  while (entries > MAX_FRAGS) {
    const member = newSkb(0, 0);
    if (member === 0) return false;
    store32(member + SKB_NEXT, spills);
    spills = member;
    entries -= entries - MAX_FRAGS < MAX_FRAGS ? entries - MAX_FRAGS : MAX_FRAGS;
  }
  return true;
}

/** Frees what `prepareCopies` has allocated. Returns E_EXHAUSTED, as who calls it does. */
export function dropCopies(): u32 {
  putPages(copies);
  copies = 0;
  while (spills !== 0) {
    const member = spills;
    spills = load32(member + SKB_NEXT);
    releaseSkb(member);
  }
  return E_EXHAUSTED;
}

/** Members by which `makeCopies` will lengthen the frag list. */
export function spillCount(): u32 {
  let n: u32 = 0;
  for (let member = spills; member !== 0; member = load32(member + SKB_NEXT)) n += 1;
  return n;
}

/** Copies the user frags for which `prepareCopies` has allocated, and lets their ubufs go. */
export function makeCopies(skb: u32, all: bool): void {
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    const shinfo = shinfoOf(part);
    const which = lentFrags(shinfo, all);
    if (which === 0) continue;
    copyPart(skb, part, which);
    const ubuf = load32(shinfo + SHINFO_UBUF);
    store32(shinfo + SHINFO_UBUF, 0);
    putUbuf(ubuf, true);
  }
}

function nextPart(skb: u32, part: u32): u32 {
  return part === skb ? fragList(shinfoOf(skb)) : load32(part + SKB_NEXT);
}

/** Copies the frags of one head, the packet's own or a member's, of which `which` has a bit. */
function copyPart(skb: u32, part: u32, which: u32): void {
  const shinfo = shinfoOf(part);
  const n = fragCount(shinfo);
  const frags = shinfo + SHINFO_FRAGS;
  const before = scratch();
  copy(before, frags, n << FRAG_SHIFT);
  store32(shinfo + SHINFO_FRAG_COUNT, 0);
  let last = part; // where the next frag goes: the part itself, then the members behind it
  for (let i: u32 = 0; i < n; i++) {
    let from = load32(before + (i << FRAG_SHIFT) + FRAG_ADDRESS);
    let left = load32(before + (i << FRAG_SHIFT) + FRAG_SIZE);
    if (((which >>> i) & 1) === 0) {
      last = appendFrag(skb, part, last, from, left);
      continue;
    }
    count(COUNT_BYTES_COPIED, left);
    while (left !== 0) {
      const entry = copies;
      copies = nextPages(entry);
      const room = load32(entry + PAGE_SPAN) << PAGE_SHIFT;
      const some = left < room ? left : room;
      copy(pageAddress(entry), from, some);
      last = appendFrag(skb, part, last, pageAddress(entry), some);
      from += some;
      left -= some;
    }
  }
  // Only now that no frag names them. Who lets go of a ubuf does so after this.
  for (let i: u32 = 0; i < n; i++) {
    if (((which >>> i) & 1) !== 0) putPage(entryOf(load32(before + (i << FRAG_SHIFT) + FRAG_ADDRESS)));
  }
}

/** Appends a frag to `last`, or, if its table is full, to a new member behind it. Returns where it went. Bytes do not change. */
function appendFrag(skb: u32, part: u32, last: u32, address: u32, n: u32): u32 {
  let to = last;
  if (fragCount(shinfoOf(to)) === MAX_FRAGS) {
    to = spills;
    spills = load32(to + SKB_NEXT);
    insertMember(skb, last, to);
  }
  pushFrag(shinfoOf(to), address, n);
  if (to === part) return to;
  addData(to, n);
  if (part !== skb) dropData(part, n);
  return to;
}

/** Puts a member into the frag list of `skb`: behind the member `after`, or, if that is the packet itself, in front. */
function insertMember(skb: u32, after: u32, member: u32): void {
  const list = shinfoOf(skb);
  const next = after === skb ? fragList(list) : load32(after + SKB_NEXT);
  store32(member + SKB_OWNER, OWNER_LIST);
  markShares(member);
  markShares(skb);
  store32(member + SKB_NEXT, next);
  if (after === skb) store32(list + SHINFO_FRAG_LIST, member);
  else store32(after + SKB_NEXT, member);
  if (next === 0) store32(list + SHINFO_FRAG_LIST_TAIL, member);
}
