// A part of a packet as a packet of its own, without copying what lies in frags.

import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_LINEAR,
  E_RANGE,
  E_STALE,
  MAX_LINEAR,
  MAX_ROOM,
  OK,
  OWNER_LIST,
  SHINFO_UBUF,
  SKB_BYTES,
  SKB_CB,
  SKB_DATA,
  SKB_HANDLE,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_NEXT,
  SKB_OWNER,
  SKB_PROTOCOL,
  SKB_SECOND,
} from "./layout";
import { copy, load32, store32 } from "./memory";
import { entryOf, getPage } from "./page";
import {
  addData,
  fragAddress,
  fragBytes,
  fragCount,
  fragList,
  fragSize,
  linearLength,
  markSecond,
  markShares,
  pushFrag,
  pushList,
  shinfoOf,
  userFrags,
} from "./shinfo";
import { newSkb, releaseSkb, skbOf } from "./skb";
import { count } from "./thread";
import { getUbuf } from "./ubuf";
import { inRange } from "./walk";
import { carriesUbuf, makeEntries, orphanInPlace } from "./zerocopy";

/**
 * pskb_extract: a packet of bytes [offset, offset + n), with `headroom` in front and the metadata, header offsets aside.
 * What lies in frags is shared, what lies in heads is copied into heads. Lent bytes are shared or copied first, as their
 * ubuf says, unless the range ends in the head. Returns the handle, E_STALE, E_RANGE, E_LINEAR or E_EXHAUSTED.
 */
export function extract(handle: u32, offset: u32, n: u32, headroom: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n) || headroom > MAX_LINEAR) return E_RANGE;
  const inHead = overlap(offset, n, 0, linearLength(skb));
  if (inHead > MAX_ROOM - headroom) return E_LINEAR;
  // First everything is allocated, then nothing can fail but the copying of lent bytes, which changes nothing if it does.
  const part = newSkb(inHead, headroom);
  if (part === 0) return E_EXHAUSTED;
  const mine = linearLength(skb) + fragBytes(shinfoOf(skb));
  if (!allocMembers(skb, part, offset, n, mine) || !mayTake(skb, inHead === n)) {
    releaseSkb(part);
    return makeEntries(skb) ? extract(handle, offset, n, headroom) : E_EXHAUSTED;
  }
  copy(part + SKB_PROTOCOL, skb + SKB_PROTOCOL, SKB_MAC_HEADER - SKB_PROTOCOL);
  if ((load32(skb + SKB_SECOND) & 1) !== 0) {
    copy(part + SKB_CB, skb + SKB_CB, SKB_BYTES - SKB_CB);
    markSecond(part);
  }
  takeRange(skb, part, offset, overlap(offset, n, 0, mine));
  let at = mine;
  let taker = fragList(shinfoOf(part));
  for (let m = fragList(shinfoOf(skb)); taker !== 0; m = load32(m + SKB_NEXT)) {
    const bytes = load32(m + SKB_LEN);
    const some = overlap(offset, n, at, bytes);
    if (some !== 0) {
      takeRange(m, taker, offset > at ? offset - at : 0, some);
      addData(part, some);
      taker = load32(taker + SKB_NEXT);
    }
    at += bytes;
  }
  return load32(part + SKB_HANDLE);
}

/** Bytes of [offset, offset + n) that lie in [start, start + bytes). */
function overlap(offset: u32, n: u32, start: u32, bytes: u32): u32 {
  const from = offset > start ? offset : start;
  const end = offset + n < start + bytes ? offset + n : start + bytes;
  return end > from ? end - from : 0;
}

/** Gives `part` an empty member for each in the frag list of `skb` that has bytes of the range. */
function allocMembers(skb: u32, part: u32, offset: u32, n: u32, start: u32): bool {
  let at = start;
  for (let m = fragList(shinfoOf(skb)); m !== 0 && at < offset + n; m = load32(m + SKB_NEXT)) {
    const bytes = load32(m + SKB_LEN);
    if (overlap(offset, n, at, bytes) !== 0) {
      const taker = newSkb(overlap(offset, n, at, linearLength(m)), 0);
      if (taker === 0) return false;
      store32(taker + SKB_OWNER, OWNER_LIST);
      markShares(taker);
      markShares(part);
      pushList(shinfoOf(part), taker, taker);
    }
    at += bytes;
  }
  return true;
}

/** Whether frags may be shared now, lent ones copied before where they must be; nothing is asked for bytes of the head. */
function mayTake(skb: u32, headOnly: bool): bool {
  return headOnly || !carriesUbuf(skb) || orphanInPlace(skb) === OK;
}

/**
 * Puts bytes [offset, offset + n) of an skb, its frag list aside, into an empty one, whose head has room for those of the
 * head. It has an entry for each frag, because `skb` had no more.
 */
function takeRange(skb: u32, part: u32, offset: u32, n: u32): void {
  const linear = linearLength(skb);
  const inHead = overlap(offset, n, 0, linear);
  // Even where nothing is copied, both addresses have to be in memory.
  if (inHead !== 0) {
    copy(load32(part + SKB_DATA), load32(skb + SKB_DATA) + offset, inHead);
    count(COUNT_BYTES_COPIED, inHead);
    store32(part + SKB_LEN, inHead);
  }
  if (inHead === n) return;
  const from = shinfoOf(skb);
  const to = shinfoOf(part);
  const most = fragCount(from);
  let at = linear;
  for (let i: u32 = 0; i < most && at < offset + n; i++) {
    const size = fragSize(from, i);
    const some = overlap(offset, n, at, size);
    if (some !== 0) {
      const address = fragAddress(from, i) + (offset > at ? offset - at : 0);
      getPage(entryOf(address));
      pushFrag(to, address, some);
    }
    at += size;
  }
  addData(part, n - inHead);
  const ubuf = load32(from + SHINFO_UBUF);
  if (ubuf === 0 || userFrags(to, 0, fragCount(to)) === 0) return;
  getUbuf(ubuf);
  store32(to + SHINFO_UBUF, ubuf);
}
