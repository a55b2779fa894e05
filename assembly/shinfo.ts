// The shared info at the end of a head: how many skbs share it, its frags, its frag list, its ubuf.
//
// Whoever changes anything in here must be alone with it: dataref 1. Functions take the address of the shared
// info, or of the skb, and trust it.

import {
  FRAG_ADDRESS,
  FRAG_SHIFT,
  FRAG_SIZE,
  KIND_USER,
  MAX_FRAGS,
  MAX_LENGTH,
  PAGE_KIND,
  SHINFO_BYTES,
  SHINFO_DATAREF,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_FRAGS,
  SHINFO_GSO_SEGS,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_RESERVED_SHIFT,
  SKB_SECOND,
  SKB_SHARES,
} from "./layout";
import { atomicAdd32, atomicLoad32, atomicSub32, copy, load32, store32 } from "./memory";
import { entryOf, getPage, putPage } from "./page";
import { isInPages, isShinfo, isSkb } from "./trust";

export function shinfoOf(skb: u32): u32 {
  if (DEBUG) assert(isSkb(skb), "the address is an skb's");
  return load32(skb + SKB_END);
}

/** Says that the second line of the struct is written to. */
export function markSecond(skb: u32): void {
  store32(skb + SKB_SECOND, (load32(skb + SKB_SECOND) | 1) >>> 0);
}

/** Says that from here on the shared info must be looked at. */
export function markShares(skb: u32): void {
  store32(skb + SKB_SHARES, 1);
}

/** Whether a GSO field is set, so that the shared info must be looked at. */
export function hasGso(shinfo: u32): bool {
  return (
    (load32(shinfo + SHINFO_GSO_SIZE) |
      load32(shinfo + SHINFO_GSO_SEGS) |
      load32(shinfo + SHINFO_GSO_TYPE)) !==
    0
  );
}

/** skb_cloned: another skb refers to the same head. */
export function isShared(skb: u32): bool {
  return load32(skb + SKB_SHARES) !== 0 && atomicLoad32(shinfoOf(skb) + SHINFO_DATAREF) !== 1;
}

/** Whether the head is one skb's alone and nothing hangs on it: the common case of a release. */
export function isBare(skb: u32): bool {
  return (load32(skb + SKB_SHARES) | load32(skb + SKB_DATA_LEN)) === 0;
}

/**
 * Adds an skb to those that share the data. `sole`: the caller's skb is its thread's alone. Not so for a member of a
 * frag list, which is everyone's who shares the list's head.
 */
export function getData(shinfo: u32, sole: bool): void {
  if (DEBUG) assert(isShinfo(shinfo), "the address is a shared info's");
  // Reading 1, a sole caller is alone with the head: no other thread can change the count, and a plain store does.
  if (sole && atomicLoad32(shinfo + SHINFO_DATAREF) === 1) store32(shinfo + SHINFO_DATAREF, 2);
  else {
    const refs = atomicAdd32(shinfo + SHINFO_DATAREF, 1);
    if (DEBUG) assert(refs !== 0, "an skb has the data");
  }
}

/** Takes an skb off those that share the data. Returns whether it was the last, which then owns the head. */
export function putData(shinfo: u32): bool {
  if (DEBUG) assert(isShinfo(shinfo), "the address is a shared info's");
  // (L) As above. Otherwise the subtraction decides who was last, and synchronises with all those before it: what
  // the others read or wrote in the data is over.
  return atomicLoad32(shinfo + SHINFO_DATAREF) === 1 || atomicSub32(shinfo + SHINFO_DATAREF, 1) === 1;
}

/** skb_headlen: bytes in the head. */
export function linearLength(skb: u32): u32 {
  return load32(skb + SKB_LEN) - load32(skb + SKB_DATA_LEN);
}

export function tailOf(skb: u32): u32 {
  return load32(skb + SKB_DATA) + linearLength(skb);
}

export function headroomOf(skb: u32): u32 {
  return load32(skb + SKB_DATA) - load32(skb + SKB_HEAD);
}

/** Bytes between tail and end, also where frags follow. */
export function tailSpace(skb: u32): u32 {
  return load32(skb + SKB_END) - tailOf(skb);
}

/** Headroom that was asked for. */
export function reservedOf(skb: u32): u32 {
  return load32(skb + SKB_SECOND) >>> SKB_RESERVED_SHIFT;
}

export function setReserved(skb: u32, n: u32): void {
  store32(skb + SKB_SECOND, ((n << SKB_RESERVED_SHIFT) | (load32(skb + SKB_SECOND) & 1)) >>> 0);
}

/** Bytes of the head with its shared info: what was asked of `takeHead`. */
export function headBytes(skb: u32): u32 {
  return load32(skb + SKB_END) + SHINFO_BYTES - load32(skb + SKB_HEAD);
}

/** Grows the part behind the head. Trusts that no more are added than a packet can have. */
export function addData(skb: u32, n: u32): void {
  if (DEBUG) assert(n <= MAX_LENGTH - load32(skb + SKB_LEN), "a packet has no more");
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) + n);
  store32(skb + SKB_DATA_LEN, load32(skb + SKB_DATA_LEN) + n);
}

/** Shrinks it. Trusts that it has as many. */
export function dropData(skb: u32, n: u32): void {
  if (DEBUG) assert(n <= load32(skb + SKB_DATA_LEN), "as many bytes are behind the head");
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) - n);
  store32(skb + SKB_DATA_LEN, load32(skb + SKB_DATA_LEN) - n);
}

export function fragCount(shinfo: u32): u32 {
  if (DEBUG) assert(isShinfo(shinfo), "the address is a shared info's");
  return load32(shinfo + SHINFO_FRAG_COUNT);
}

export function fragAddress(shinfo: u32, i: u32): u32 {
  if (DEBUG) assert(isShinfo(shinfo) && i < MAX_FRAGS, "there is such an entry");
  return load32(shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT) + FRAG_ADDRESS);
}

export function fragSize(shinfo: u32, i: u32): u32 {
  if (DEBUG) assert(isShinfo(shinfo) && i < MAX_FRAGS, "there is such an entry");
  return load32(shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT) + FRAG_SIZE);
}

/** Points a frag somewhere. References are the caller's matter. */
export function setFrag(shinfo: u32, i: u32, address: u32, size: u32): void {
  if (DEBUG) assert(isShinfo(shinfo) && i < MAX_FRAGS, "there is such an entry");
  store32(shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT) + FRAG_ADDRESS, address);
  store32(shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT) + FRAG_SIZE, size);
}

/** Appends a frag; takes over one reference on its page. Trusts that there is room for it. */
export function pushFrag(shinfo: u32, address: u32, size: u32): void {
  const n = fragCount(shinfo);
  if (DEBUG) assert(n < MAX_FRAGS, "there is room for a frag");
  if (DEBUG) assert(isInPages(address, size), "a frag lies in pages");
  setFrag(shinfo, n, address, size);
  store32(shinfo + SHINFO_FRAG_COUNT, n + 1);
}

/** Appends to `to` the frags of `from` from index `first` on. References are the caller's matter. Trusts that there is room. */
export function copyFrags(to: u32, from: u32, first: u32): void {
  const n = fragCount(from) - first;
  const at = fragCount(to);
  if (DEBUG) assert(at + n <= MAX_FRAGS, "there is room for the frags");
  const source = from + SHINFO_FRAGS + (first << FRAG_SHIFT);
  copy(to + SHINFO_FRAGS + (at << FRAG_SHIFT), source, n << FRAG_SHIFT);
  store32(to + SHINFO_FRAG_COUNT, at + n);
}

/** Adds a reference to the page of each frag from index `first` on. */
export function getFrags(shinfo: u32, first: u32): void {
  const n = fragCount(shinfo);
  for (let i = first; i < n; i++) getPage(entryOf(fragAddress(shinfo, i)));
}

/** Drops the last frags, down to `keep` of them. The entry goes first, then its page: no entry ever names a free page. */
export function dropFragsTo(shinfo: u32, keep: u32): void {
  let n = fragCount(shinfo);
  while (n > keep) {
    n -= 1;
    store32(shinfo + SHINFO_FRAG_COUNT, n);
    putPage(entryOf(fragAddress(shinfo, n)));
  }
}

/** Removes the first `n` entries; their references are the caller's matter. Trusts that there are as many. */
export function removeFrags(shinfo: u32, n: u32): void {
  if (DEBUG) assert(n <= fragCount(shinfo), "there are as many");
  if (n === 0) return;
  const left = fragCount(shinfo) - n;
  const frags = shinfo + SHINFO_FRAGS;
  copy(frags, frags + (n << FRAG_SHIFT), left << FRAG_SHIFT);
  store32(shinfo + SHINFO_FRAG_COUNT, left);
}

/** Removes `n` bytes from the front of the frags. Returns how many it could not: those lie behind the frags. */
export function eatFrags(shinfo: u32, n: u32): u32 {
  const most = fragCount(shinfo);
  let first: u32 = 0;
  while (first < most && n !== 0) {
    const size = fragSize(shinfo, first);
    if (size > n) {
      setFrag(shinfo, first, fragAddress(shinfo, first) + n, size - n);
      n = 0;
    } else {
      const entry = entryOf(fragAddress(shinfo, first));
      setFrag(shinfo, first, 0, 0);
      putPage(entry);
      n -= size;
      first += 1;
    }
  }
  removeFrags(shinfo, first);
  return n;
}

/** Bytes in the frags, without the frag list. */
export function fragBytes(shinfo: u32): u32 {
  let sum: u32 = 0;
  const n = fragCount(shinfo);
  for (let i: u32 = 0; i < n; i++) sum += fragSize(shinfo, i);
  return sum;
}

export function isUserFrag(shinfo: u32, i: u32): bool {
  return load32(entryOf(fragAddress(shinfo, i)) + PAGE_KIND) === KIND_USER;
}

/** User frags in [first, end). */
export function userFrags(shinfo: u32, first: u32, end: u32): u32 {
  let n: u32 = 0;
  for (let i = first; i < end; i++) {
    if (isUserFrag(shinfo, i)) n += 1;
  }
  return n;
}

export function fragList(shinfo: u32): u32 {
  if (DEBUG) assert(isShinfo(shinfo), "the address is a shared info's");
  return load32(shinfo + SHINFO_FRAG_LIST);
}

/** Appends skbs, linked by `next` from `first` to `last`, to the frag list. Takes ownership of them. */
export function pushList(shinfo: u32, first: u32, last: u32): void {
  if (DEBUG) assert(isSkb(first) && isSkb(last), "members are skbs");
  if (fragList(shinfo) === 0) store32(shinfo + SHINFO_FRAG_LIST, first);
  else store32(load32(shinfo + SHINFO_FRAG_LIST_TAIL) + SKB_NEXT, first);
  store32(shinfo + SHINFO_FRAG_LIST_TAIL, last);
}

/** Makes `first` to `last` the whole frag list; 0 and 0 empty it. */
export function setList(shinfo: u32, first: u32, last: u32): void {
  store32(shinfo + SHINFO_FRAG_LIST, first);
  store32(shinfo + SHINFO_FRAG_LIST_TAIL, last);
}
