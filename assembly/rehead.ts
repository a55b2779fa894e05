// Giving an skb another head: for more room, or for one of its own (pskb_expand_head, skb_unclone).

import { giveHead, headBytesFor } from "./head";
import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_LINEAR,
  MAX_ROOM,
  OK,
  OWNER_LIST,
  SHINFO_BYTES,
  SHINFO_CLEARED,
  SHINFO_DATAREF,
  SHINFO_FRAGS,
  SHINFO_GSO_SIZE,
  SHINFO_UBUF,
  SKB_DATA,
  SKB_END,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_MAC_HEADER,
  SKB_NETWORK_HEADER,
  SKB_NEXT,
  SKB_OWNER,
  SKB_TRANSPORT_HEADER,
  SKB_USERS,
} from "./layout";
import { atomicStore32, copy, copy128, load32, store32 } from "./memory";
import { allocHead, allocSkb, freeSkb } from "./pool";
import {
  copyFrags,
  fragList,
  getData,
  getFrags,
  headBytes,
  headroomOf,
  isShared,
  markShares,
  pushList,
  shinfoOf,
  tailOf,
  tailSpace,
} from "./shinfo";
import { releaseData } from "./skb";
import { count } from "./thread";
import { getUbuf } from "./ubuf";

/** Allocates as many skbs as the frag list has members, linked by `next`. Returns the first, or 0. Trusts that it has one. */
export function allocForList(shinfo: u32): u32 {
  let first: u32 = 0;
  for (let m = fragList(shinfo); m !== 0; m = load32(m + SKB_NEXT)) {
    const skb = allocSkb();
    if (skb === 0) {
      freeForList(first);
      return 0;
    }
    store32(skb + SKB_NEXT, first);
    first = skb;
  }
  return first;
}

/** Frees what allocForList returned. */
export function freeForList(first: u32): void {
  let skb = first;
  while (skb !== 0) {
    const next = load32(skb + SKB_NEXT);
    freeSkb(skb);
    skb = next;
  }
}

/** Makes `clone`, which has only its handle, a second skb on the data of `skb`. */
export function shareData(clone: u32, skb: u32, owner: u32): void {
  const handle = load32(clone + SKB_HANDLE);
  // A list's member is marked already, and everybody's who shares the list's head: nobody may write to it.
  if (owner !== OWNER_LIST) markShares(skb);
  copy128(clone, skb);
  store32(clone + SKB_HANDLE, handle);
  store32(clone + SKB_OWNER, owner);
  store32(clone + SKB_USERS, 1);
  store32(clone + SKB_NEXT, 0);
  getData(shinfoOf(skb), owner !== OWNER_LIST);
}

/**
 * Shares everything behind the head of `from` with `to`, whose shared info is new: frags, ubuf, GSO fields, and
 * of the frag list a clone of each member, in the skbs of `spare`. So a list has one head, never two.
 */
export function shareFrags(to: u32, from: u32, spare: u32): void {
  copy(to + SHINFO_GSO_SIZE, from + SHINFO_GSO_SIZE, SHINFO_CLEARED - SHINFO_GSO_SIZE);
  copyFrags(to, from, 0);
  getFrags(to, 0);
  const ubuf = load32(from + SHINFO_UBUF);
  if (ubuf !== 0) {
    getUbuf(ubuf);
    store32(to + SHINFO_UBUF, ubuf);
  }
  let clone = spare;
  for (let m = fragList(from); m !== 0; m = load32(m + SKB_NEXT)) {
    const next = load32(clone + SKB_NEXT);
    shareData(clone, m, OWNER_LIST);
    pushList(to, clone, clone);
    clone = next;
  }
}

/**
 * Gives the skb a head of its own, with `moreHead` bytes of headroom more than now and at least `tail` bytes between
 * tail and end. If others share the old one, what hangs on it is shared with them, as for a clone; else it moves.
 * OK, E_EXHAUSTED or E_LINEAR.
 */
export function replaceHead(skb: u32, moreHead: u32, tail: u32): u32 {
  // The headroom is kept, contents too: header offsets may point into it.
  const from = load32(skb + SKB_HEAD);
  const used = tailOf(skb) - from;
  if (moreHead > MAX_ROOM - used || tail > MAX_ROOM - used - moreHead) return E_LINEAR;
  const old = shinfoOf(skb);
  const bytes = headBytesFor(used + moreHead + tail);
  const head = allocHead(bytes);
  if (head === 0) return E_EXHAUSTED;
  const shared = isShared(skb);
  let spare: u32 = 0;
  if (shared && fragList(old) !== 0) {
    spare = allocForList(old);
    if (spare === 0) {
      giveHead(head, bytes);
      return E_EXHAUSTED;
    }
  }
  copy(head + moreHead, from, used);
  count(COUNT_BYTES_COPIED, used);
  const shinfo = head + bytes - SHINFO_BYTES;
  const data = head + moreHead + headroomOf(skb);
  if (shared) {
    shareFrags(shinfo, old, spare);
    releaseData(skb, false);
  } else {
    copy(shinfo, old, SHINFO_CLEARED);
    atomicStore32(shinfo + SHINFO_DATAREF, 1);
    copy(shinfo + SHINFO_FRAGS, old + SHINFO_FRAGS, SHINFO_BYTES - SHINFO_FRAGS);
    giveHead(from, headBytes(skb));
  }
  store32(skb + SKB_HEAD, head);
  store32(skb + SKB_DATA, data);
  store32(skb + SKB_END, shinfo);
  moveHeader(skb + SKB_MAC_HEADER, moreHead);
  moveHeader(skb + SKB_NETWORK_HEADER, moreHead);
  moveHeader(skb + SKB_TRANSPORT_HEADER, moreHead);
  return OK;
}

/** A head of its own, of the same size, for an skb that shares one. OK or E_EXHAUSTED. */
export function ownHead(skb: u32): u32 {
  return isShared(skb) ? replaceHead(skb, 0, tailSpace(skb)) : OK;
}

function moveHeader(field: u32, by: u32): void {
  const offset = load32(field);
  if (offset !== 0) store32(field, offset + by);
}
