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
  KIND_FRAG,
  KIND_USER,
  MAX_FRAGS,
  MAX_LENGTH,
  OK,
  PAGE_BYTES,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SHIFT,
  PAGE_SPAN,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_UBUF,
  SKB_LEN,
  SKB_NEXT,
} from "./layout";
import { atomicLoad32, copy, load32, store32 } from "./memory";
import { entryOf, getPage, pageAddress, putPage } from "./page";
import { allocPages, linkPages, nextPages, putPages } from "./pool";
import { ownHead } from "./rehead";
import {
  addData,
  fragAddress,
  fragCount,
  fragList,
  fragSize,
  isShared,
  isUserFrag,
  pushFrag,
  setFrag,
  setList,
  shinfoOf,
} from "./shinfo";
import { skbOf } from "./skb";
import { count } from "./thread";
import { attachUbuf, mayShare, putUbuf, ubufOf } from "./ubuf";

/** Allocates a user region of `pages` pages. Returns its address, or E_EXHAUSTED. */
export function createRegion(pages: u32): u32 {
  const entry = allocPages(pages, KIND_USER);
  return entry === 0 ? E_EXHAUSTED : pageAddress(entry);
}

/** The region's owner lets go of it; its pages are free once no frag points into them. Trusts the address. */
export function releaseRegion(address: u32): void {
  const entry = entryOf(address);
  // Says that the region's own reference is gone; the frags' may remain.
  store32(entry + PAGE_OWNER, 0);
  putPage(entry);
}

/** Frags that point into a region that its owner still has. Trusts the address. */
export function regionFrags(address: u32): u32 {
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
  if (isShared(skb)) return E_SHARED;
  const shinfo = shinfoOf(skb);
  const carried = load32(shinfo + SHINFO_UBUF);
  if (carried !== 0 && carried !== ubuf) return E_UBUF;
  // A frag behind the frag list would come before it in the packet.
  if (fragCount(shinfo) >= MAX_FRAGS || fragList(shinfo) !== 0) return E_FRAGS;
  const entry = entryOf(region);
  const bytes = (load32(entry + PAGE_SPAN) << PAGE_SHIFT) >>> 0;
  if (n === 0 || offset > bytes || n > bytes - offset || n > MAX_LENGTH - load32(skb + SKB_LEN))
    return E_RANGE;
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

/** The same for a packet without its frag list, which is not going to be shared. */
export function orphanHead(skb: u32): u32 {
  const shinfo = shinfoOf(skb);
  const list = fragList(shinfo);
  const last = load32(shinfo + SHINFO_FRAG_LIST_TAIL);
  setList(shinfo, 0, 0);
  const status = copyUserFrags(skb, false);
  setList(shinfoOf(skb), list, last);
  return status;
}

/** Whether the user frags of this head are to be copied: all of them, or those that may not be shared. */
function mustCopy(shinfo: u32, all: bool): bool {
  const ubuf = load32(shinfo + SHINFO_UBUF);
  return ubuf !== 0 && (all || !mayShare(ubuf));
}

// First everything is allocated, then nothing can fail: the pages wait in a chain, in the order of the frags
// they will replace.
function copyUserFrags(skb: u32, all: bool): u32 {
  if (!carriesUbuf(skb)) return OK;
  let first: u32 = 0;
  let last: u32 = 0;
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    const shinfo = shinfoOf(part);
    if (!mustCopy(shinfo, all)) continue;
    const n = fragCount(shinfo);
    for (let i: u32 = 0; i < n; i++) {
      if (!isUserFrag(shinfo, i)) continue;
      const entry = allocPages((fragSize(shinfo, i) + PAGE_BYTES - 1) >>> PAGE_SHIFT, KIND_FRAG);
      if (entry === 0) {
        putPages(first);
        return E_EXHAUSTED;
      }
      linkPages(last, entry);
      if (last === 0) first = entry;
      last = entry;
    }
  }
  // What others share keeps its user frags for them: this packet gets heads of its own, same bytes, same frags, its
  // own first, because the frag list hangs on that. It changes nothing the user could see, so it need not be undone if a later one fails.
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    const copies = part === skb ? first !== 0 : mustCopy(shinfoOf(part), all);
    if (copies && ownHead(part) !== OK) {
      putPages(first);
      return E_EXHAUSTED;
    }
  }
  for (let part = skb; part !== 0; part = nextPart(skb, part)) {
    if (mustCopy(shinfoOf(part), all)) first = repoint(shinfoOf(part), first);
  }
  return OK;
}

function nextPart(skb: u32, part: u32): u32 {
  return part === skb ? fragList(shinfoOf(skb)) : load32(part + SKB_NEXT);
}

/** Copies a head's user frags into the pages of the chain; returns what is left of it. */
function repoint(shinfo: u32, chain: u32): u32 {
  const n = fragCount(shinfo);
  let entry = chain;
  for (let i: u32 = 0; i < n; i++) {
    if (!isUserFrag(shinfo, i)) continue;
    const next = nextPages(entry);
    const address = fragAddress(shinfo, i);
    const size = fragSize(shinfo, i);
    copy(pageAddress(entry), address, size);
    count(COUNT_BYTES_COPIED, size);
    // The frag is pointed at the copy before the user's page is put: it never names a page that is free.
    setFrag(shinfo, i, pageAddress(entry), size);
    putPage(entryOf(address));
    entry = next;
  }
  const ubuf = load32(shinfo + SHINFO_UBUF);
  store32(shinfo + SHINFO_UBUF, 0);
  putUbuf(ubuf, true);
  return entry;
}
