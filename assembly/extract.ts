// A part of a packet as a packet of its own, without copying what lies in frags.

import { clone, expandHead } from "./clone";
import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_LINEAR,
  E_RANGE,
  E_STALE,
  ERROR_LIMIT,
  MAX_LINEAR,
  MAX_ROOM,
  OK,
  SHINFO_UBUF,
  SKB_BYTES,
  SKB_CB,
  SKB_DATA,
  SKB_HANDLE,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_PROTOCOL,
  SKB_SECOND,
} from "./layout";
import { copy, load32, store32 } from "./memory";
import { entryOf, getPage } from "./page";
import { trim } from "./resize";
import {
  addData,
  fragCount,
  fragList,
  headroomOf,
  linearLength,
  pushFrag,
  shinfoOf,
  userFrags,
} from "./shinfo";
import { newSkb, release, releaseSkb, skbOf } from "./skb";
import { split } from "./split";
import { count } from "./thread";
import { getUbuf } from "./ubuf";
import { inRange, segment, segmentBytes, step, walk } from "./walk";
import { carriesUbuf, orphanFrags } from "./zerocopy";

/**
 * pskb_extract: a packet of bytes [offset, offset + n), with at least `headroom` in front and the metadata, header offsets
 * aside. What lies in frags is shared, bytes of the head are copied. Lent bytes are shared or copied as their ubuf says.
 * Returns the handle, E_STALE, E_RANGE, E_LINEAR or E_EXHAUSTED.
 */
export function extract(handle: u32, offset: u32, n: u32, headroom: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n) || headroom > MAX_LINEAR) return E_RANGE;
  const linear = linearLength(skb);
  const left = offset < linear ? linear - offset : 0;
  const inHead = left < n ? left : n;
  if (inHead > MAX_ROOM - headroom) return E_LINEAR;
  if (inHead !== n) {
    // Members have heads, which nothing but a clone shares.
    if (fragList(shinfoOf(skb)) !== 0) return extractListed(handle, offset, n, headroom);
    if (carriesUbuf(skb) && orphanFrags(skb) !== OK) return E_EXHAUSTED;
  }
  const part = newSkb(inHead, headroom);
  if (part === 0) return E_EXHAUSTED;
  copy(load32(part + SKB_DATA), load32(skb + SKB_DATA) + offset, inHead);
  count(COUNT_BYTES_COPIED, inHead);
  store32(part + SKB_LEN, inHead);
  copy(part + SKB_PROTOCOL, skb + SKB_PROTOCOL, SKB_MAC_HEADER - SKB_PROTOCOL);
  if (load32(skb + SKB_SECOND) !== 0) {
    copy(part + SKB_CB, skb + SKB_CB, SKB_BYTES - SKB_CB);
    store32(part + SKB_SECOND, 1);
  }
  if (inHead !== n) shareRange(skb, offset + inHead, n - inHead, part);
  return load32(part + SKB_HANDLE);
}

/** Gives `part` frags for a range that lies in the frags of `skb`; there are no more of them than `skb` has. */
function shareRange(skb: u32, offset: u32, n: u32, part: u32): void {
  const to = shinfoOf(part);
  walk(skb, offset, n);
  while (step()) {
    getPage(entryOf(segment));
    pushFrag(to, segment, segmentBytes);
  }
  addData(part, n);
  const ubuf = load32(shinfoOf(skb) + SHINFO_UBUF);
  if (ubuf === 0 || userFrags(to, 0, fragCount(to)) === 0) return;
  getUbuf(ubuf);
  store32(to + SHINFO_UBUF, ubuf);
}

function extractListed(handle: u32, offset: u32, n: u32, headroom: u32): u32 {
  const twin = clone(handle);
  if (twin < ERROR_LIMIT) return twin;
  const part = split(twin, offset);
  release(twin, 0);
  if (part < ERROR_LIMIT) return part;
  let status = trim(part, n);
  const room = headroomOf(skbOf(part));
  if (status === OK && room < headroom) status = expandHead(part, headroom - room, 0);
  if (status === OK) return part;
  releaseSkb(skbOf(part));
  return status;
}
