// Cutting packets apart and putting them together, without copying what lies in frags.

import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_FRAGS,
  E_HELD,
  E_RANGE,
  E_SHARED,
  E_STALE,
  MAX_FRAGS,
  MAX_LENGTH,
  NOT_DONE,
  OK,
  OWNER_LIST,
  SHINFO_CLEARED,
  SHINFO_DATAREF,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_UBUF,
  SKB_BYTES,
  SKB_CB,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_NEXT,
  SKB_OWNER,
  SKB_PROTOCOL,
  SKB_SECOND,
  SKB_USERS,
} from "./layout";
import { atomicStore32, copy, fill, load32, store32 } from "./memory";
import { entryOf, getPage, putPage } from "./page";
import { moveDown, ownHead, twinHeadroom } from "./rehead";
import {
  addData,
  copyFrags,
  dropData,
  fragAddress,
  fragBytes,
  fragCount,
  fragList,
  fragSize,
  getFrags,
  isShared,
  linearLength,
  markShares,
  pushFrag,
  pushList,
  removeFrags,
  setFrag,
  setList,
  setReserved,
  shinfoOf,
  tailOf,
  tailSpace,
  userFrags,
} from "./shinfo";
import { newSkb, releaseCopied, releaseSkb, skbOf } from "./skb";
import { count } from "./thread";
import { getUbuf, mayShare } from "./ubuf";
import { copyOut } from "./walk";
import { carriesUbuf, makeEntries, orphanHead } from "./zerocopy";

/**
 * skb_split: cuts the packet to `at` bytes and returns a second one with the rest, with headroom for the same headers and the
 * metadata. Bytes of the head are copied, frags move. Returns the handle, E_STALE, E_RANGE or E_EXHAUSTED.
 */
export function split(handle: u32, at: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (at > load32(skb + SKB_LEN)) return E_RANGE;
  let rest = splitSkb(skb, at);
  if (rest === 0 && makeEntries(skb)) rest = splitSkb(skb, at);
  return rest === 0 ? E_EXHAUSTED : load32(rest + SKB_HANDLE);
}

/** Returns the address of the second part, or 0. */
function splitSkb(skb: u32, at: u32): u32 {
  const linear = linearLength(skb);
  const inHead = at < linear ? linear - at : 0;
  const rest = newSkb(inHead, twinHeadroom(skb, inHead));
  if (rest === 0) return 0;
  if (load32(skb + SKB_DATA_LEN) !== 0 && !splitData(skb, rest, at < linear ? 0 : at - linear)) {
    releaseSkb(rest);
    return 0;
  }
  copy(load32(rest + SKB_DATA), tailOf(skb) - inHead, inHead);
  count(COUNT_BYTES_COPIED, inHead);
  store32(rest + SKB_LEN, load32(rest + SKB_LEN) + inHead);
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) - inHead);
  // Header offsets are the first part's: its headers are not in the second.
  copy(rest + SKB_PROTOCOL, skb + SKB_PROTOCOL, SKB_MAC_HEADER - SKB_PROTOCOL);
  copy(rest + SKB_CB, skb + SKB_CB, SKB_BYTES - SKB_CB);
  store32(rest + SKB_SECOND, load32(skb + SKB_SECOND));
  return rest;
}

/** Moves everything behind the head, from byte `at` of it on, to `rest`. Returns false, nothing changed, if it cannot. */
function splitData(skb: u32, rest: u32, at: u32): bool {
  if (ownHead(skb) !== OK) return false;
  const from = shinfoOf(skb);
  const to = shinfoOf(rest);
  let n = fragCount(from);
  let i: u32 = 0;
  let cut = at;
  while (i < n && fragSize(from, i) <= cut) {
    cut -= fragSize(from, i);
    i += 1;
  }
  // `i` is the first frag with bytes for `rest`, and `cut` how many of its bytes stay. Both sides would carry
  // the ubuf if both have user frags.
  const ubuf = load32(from + SHINFO_UBUF);
  const staying = userFrags(from, 0, i < n && cut !== 0 ? i + 1 : i);
  const moving = userFrags(from, i, n);
  if (ubuf !== 0 && staying !== 0 && moving !== 0 && !mayShare(ubuf)) {
    if (orphanHead(skb) !== OK) return false;
    // The copies may be in more frags than the user's bytes were.
    n = fragCount(from);
    i = 0;
    cut = at;
    while (i < n && fragSize(from, i) <= cut) {
      cut -= fragSize(from, i);
      i += 1;
    }
  }
  let list = fragList(from);
  let before: u32 = 0; // the last member that stays
  if (i === n) {
    while (list !== 0 && load32(list + SKB_LEN) <= cut) {
      cut -= load32(list + SKB_LEN);
      before = list;
      list = load32(list + SKB_NEXT);
    }
    if (list !== 0 && cut !== 0) {
      const second = splitSkb(list, cut);
      if (second === 0) return false;
      store32(second + SKB_OWNER, OWNER_LIST);
      markShares(second);
      store32(second + SKB_NEXT, load32(list + SKB_NEXT));
      store32(list + SKB_NEXT, second);
      if (load32(from + SHINFO_FRAG_LIST_TAIL) === list) store32(from + SHINFO_FRAG_LIST_TAIL, second);
      before = list;
      list = second;
    }
  }
  // Nothing fails from here on.
  const moved = load32(skb + SKB_DATA_LEN) - at;
  if (list !== 0) {
    markShares(rest);
    setList(to, list, load32(from + SHINFO_FRAG_LIST_TAIL));
    setList(from, before === 0 ? 0 : fragList(from), before);
    if (before !== 0) store32(before + SKB_NEXT, 0);
  }
  if (i < n) {
    copyFrags(to, from, i);
    store32(from + SHINFO_FRAG_COUNT, i);
    if (cut !== 0) {
      // The frag in the middle is in both now.
      getPage(entryOf(fragAddress(to, 0)));
      pushFrag(from, fragAddress(to, 0), cut);
      setFrag(to, 0, fragAddress(to, 0) + cut, fragSize(to, 0) - cut);
    }
    shareUbuf(from, to);
  }
  addData(rest, moved);
  dropData(skb, moved);
  return true;
}

/** After user frags went from one head to another: each carries the ubuf exactly if it has one. */
function shareUbuf(from: u32, to: u32): void {
  const ubuf = load32(from + SHINFO_UBUF);
  if (ubuf === 0 || userFrags(to, 0, fragCount(to)) === 0) return;
  store32(to + SHINFO_UBUF, ubuf);
  if (userFrags(from, 0, fragCount(from)) !== 0) getUbuf(ubuf);
  else store32(from + SHINFO_UBUF, 0);
}

/** Whether two frags are neighbours in one run of pages, so that they can be one. */
function adjoin(shinfo: u32, i: u32, address: u32): bool {
  const first = fragAddress(shinfo, i);
  return first + fragSize(shinfo, i) === address && entryOf(first) === entryOf(address);
}

/**
 * skb_shift: moves the first `n` bytes of `from`, which must lie in frags, to the end of the packet. OK, or
 * NOT_DONE if that needs a copy, a ubuf, a frag list or more entries than there are; E_STALE, E_RANGE, E_EXHAUSTED.
 */
export function shift(handle: u32, source: u32, n: u32): u32 {
  const skb = skbOf(handle);
  const from = skbOf(source);
  if (skb === 0 || from === 0) return E_STALE;
  if (n > load32(from + SKB_LEN)) return E_RANGE;
  if (skb === from || n > MAX_LENGTH - load32(skb + SKB_LEN)) return NOT_DONE;
  if (n === 0) return OK;
  if (linearLength(from) !== 0 || hasMore(skb) || hasMore(from)) return NOT_DONE;
  const needed = fragsFor(shinfoOf(skb), shinfoOf(from), n);
  if (fragCount(shinfoOf(skb)) + needed > MAX_FRAGS) return NOT_DONE;
  const ownedTo = ownHead(skb);
  if (ownedTo !== OK) return ownedTo;
  const ownedFrom = ownHead(from);
  if (ownedFrom !== OK) return ownedFrom;
  moveFrags(shinfoOf(skb), shinfoOf(from), n);
  addData(skb, n);
  dropData(from, n);
  return OK;
}

/** A frag list or a ubuf: what keeps two packets from being joined frag by frag. */
function hasMore(skb: u32): bool {
  const shinfo = shinfoOf(skb);
  return fragList(shinfo) !== 0 || load32(shinfo + SHINFO_UBUF) !== 0;
}

/** Entries that the first `n` bytes of the frags of `from` need at the end of those of `to`. */
function fragsFor(to: u32, from: u32, n: u32): u32 {
  let i: u32 = 0;
  let rest = n;
  while (rest !== 0) {
    const size = fragSize(from, i);
    rest -= size < rest ? size : rest;
    i += 1;
  }
  const last = fragCount(to);
  return last !== 0 && i !== 0 && adjoin(to, last - 1, fragAddress(from, 0)) ? i - 1 : i;
}

/** Moves the first `n` bytes of frags. Both heads are the caller's alone. */
function moveFrags(to: u32, from: u32, n: u32): void {
  let rest = n;
  let i: u32 = 0;
  let gone: u32 = 0; // entries whose reference went along
  while (rest !== 0) {
    const address = fragAddress(from, i);
    const size = fragSize(from, i);
    const part = size < rest ? size : rest;
    const last = fragCount(to);
    if (last !== 0 && adjoin(to, last - 1, address)) {
      setFrag(to, last - 1, fragAddress(to, last - 1), fragSize(to, last - 1) + part);
      if (part === size) putPage(entryOf(address));
    } else {
      pushFrag(to, address, part);
      if (part !== size) getPage(entryOf(address));
    }
    if (part === size) gone += 1;
    else setFrag(from, i, address + part, size - part);
    rest -= part;
    i += 1;
  }
  removeFrags(from, gone);
}

/**
 * skb_try_coalesce: appends `source` to the packet and releases it, by copying into the tailroom or by taking its
 * frags. OK, or NOT_DONE where that needs an allocation; E_STALE, E_HELD. On anything but OK it stays as it was.
 */
export function tryCoalesce(handle: u32, source: u32): u32 {
  const skb = skbOf(handle);
  const from = skbOf(source);
  if (skb === 0 || from === 0) return E_STALE;
  if (load32(from + SKB_USERS) > 1) return E_HELD;
  const n = load32(from + SKB_LEN);
  if (skb === from || isShared(skb) || n > MAX_LENGTH - load32(skb + SKB_LEN)) return NOT_DONE;
  if (load32(skb + SKB_DATA_LEN) === 0 && (n <= tailSpace(skb) || moveDown(skb, n))) {
    copyOut(from, 0, n, tailOf(skb));
    count(COUNT_BYTES_COPIED, n);
    store32(skb + SKB_LEN, load32(skb + SKB_LEN) + n);
    releaseCopied(from);
    return OK;
  }
  if (linearLength(from) !== 0 || hasMore(skb) || hasMore(from)) return NOT_DONE;
  const to = shinfoOf(skb);
  const first = fragCount(to);
  if (first + fragCount(shinfoOf(from)) > MAX_FRAGS) return NOT_DONE;
  copyFrags(to, shinfoOf(from), 0);
  // If `from` is alone with its frags they change hands; the release below then finds none.
  if (isShared(from)) getFrags(to, first);
  else store32(shinfoOf(from) + SHINFO_FRAG_COUNT, 0);
  addData(skb, n);
  releaseSkb(from);
  return OK;
}

/**
 * Appends a packet to the frag list. Takes ownership of it; what it has in a frag list of its own becomes its
 * neighbour, so that lists never nest. OK, E_STALE, E_HELD, E_SHARED, E_RANGE, or E_FRAGS for the packet itself.
 */
export function addFragList(handle: u32, source: u32): u32 {
  const skb = skbOf(handle);
  const member = skbOf(source);
  if (skb === 0 || member === 0) return E_STALE;
  if (skb === member) return E_FRAGS;
  if (load32(member + SKB_USERS) > 1) return E_HELD;
  const n = load32(member + SKB_LEN);
  if (n > MAX_LENGTH - load32(skb + SKB_LEN)) return E_RANGE;
  const inner = shinfoOf(member);
  if (isShared(skb) || (fragList(inner) !== 0 && isShared(member))) return E_SHARED;
  let last = member;
  if (fragList(inner) !== 0) {
    const own = linearLength(member) + fragBytes(inner);
    dropData(member, n - own);
    store32(member + SKB_NEXT, fragList(inner));
    last = load32(inner + SHINFO_FRAG_LIST_TAIL);
    setList(inner, 0, 0);
  } else {
    store32(member + SKB_NEXT, 0);
  }
  store32(member + SKB_OWNER, OWNER_LIST);
  // Whoever comes to share the list's head has a hold on the member, too.
  markShares(member);
  markShares(skb);
  pushList(shinfoOf(skb), member, last);
  addData(skb, n);
  return OK;
}

/**
 * skb_recycle_check: makes the skb as it was when it was allocated, if nobody else has a hold on it or its data
 * and the head has room for `size` bytes. OK, NOT_DONE or E_STALE.
 */
export function recycle(handle: u32, size: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const shinfo = shinfoOf(skb);
  const room = shinfo - load32(skb + SKB_HEAD);
  if (load32(skb + SKB_USERS) !== 1 || isShared(skb) || size > room || carriesUbuf(skb)) return NOT_DONE;
  if (load32(skb + SKB_DATA_LEN) !== 0 || fragList(shinfo) !== 0) return NOT_DONE;
  fill(shinfo, 0, SHINFO_CLEARED);
  atomicStore32(shinfo + SHINFO_DATAREF, 1);
  setReserved(skb, 0);
  store32(skb + SKB_DATA, load32(skb + SKB_HEAD));
  store32(skb + SKB_LEN, 0);
  fill(skb + SKB_PROTOCOL, 0, SKB_BYTES - SKB_PROTOCOL);
  return OK;
}
