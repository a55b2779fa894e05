// Second packets with the same bytes: clones share them, copies have their own, copyHead is in between.

import { threadNumber } from "./arena";
import {
  CLASS_SKB,
  COUNT_ALLOCS,
  COUNT_BYTES_COPIED,
  COUNT_CLONES,
  COUNT_COPIES,
  E_EXHAUSTED,
  E_LINEAR,
  E_STALE,
  MAX_LINEAR,
  MAX_ROOM,
  OK,
  SHINFO_CLEARED,
  SHINFO_GSO_SIZE,
  SKB_BYTES,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SECOND,
  SKB_USERS,
} from "./layout";
import { held, takeHeld } from "./magazine";
import { copy, load32, store32 } from "./memory";
import { freeSkb, injecting, takeSkb } from "./pool";
import {
  allocForList,
  keptHeadroom,
  ownHead,
  replaceHead,
  setHeadroom,
  shareData,
  shareFrags,
  twinHeadroom,
} from "./rehead";
import { fragList, hasGso, headroomOf, linearLength, markShares, shinfoOf, tailSpace } from "./shinfo";
import { newSkb, releaseData, releaseSkb, skbOf } from "./skb";
import { count } from "./thread";
import { copyOut } from "./walk";
import {
  carriesUbuf,
  dropCopies,
  makeCopies,
  orphanFrags,
  ownFrags,
  prepareCopies,
  spillCount,
} from "./zerocopy";

/** skb_clone. Returns the handle, E_STALE or E_EXHAUSTED. */
export function clone(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const twin = held(CLASS_SKB) !== 0 && !injecting() ? takeHeld(CLASS_SKB) : takeSkb();
  if (twin === 0) return E_EXHAUSTED;
  count(COUNT_ALLOCS, 1);
  if (carriesUbuf(skb) && orphanFrags(skb) !== OK) {
    freeSkb(twin);
    return E_EXHAUSTED;
  }
  shareData(twin, skb, threadNumber);
  count(COUNT_CLONES, 1);
  return load32(twin + SKB_HANDLE);
}

/** Copies what describes a packet; header offsets, and the headroom asked for, as they are with its headroom. */
function copyMetadata(to: u32, from: u32): void {
  copy(to + SKB_SECOND, from + SKB_SECOND, SKB_BYTES - SKB_SECOND);
}

/** skb_copy: a linear packet with bytes of its own. Returns the handle, E_STALE, E_LINEAR or E_EXHAUSTED. */
export function copySkb(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const n = load32(skb + SKB_LEN);
  if (n > MAX_ROOM) return E_LINEAR;
  const before = headroomOf(skb);
  // What was made by pulling is left behind before anything is refused.
  const headroom = before > MAX_ROOM - n ? keptHeadroom(skb) : twinHeadroom(skb, n);
  if (headroom > MAX_ROOM - n) return E_LINEAR;
  const twin = newSkb(n, headroom);
  if (twin === 0) return E_EXHAUSTED;
  // The headroom too: header offsets may point into it.
  const linear = headroom + linearLength(skb);
  const head = load32(twin + SKB_HEAD);
  copy(head, load32(skb + SKB_DATA) - headroom, linear);
  if (load32(skb + SKB_DATA_LEN) !== 0) copyOut(skb, linear - headroom, n + headroom - linear, head + linear);
  store32(twin + SKB_LEN, n);
  copyMetadata(twin, skb);
  setHeadroom(twin, before, headroom);
  copyInfo(shinfoOf(twin), shinfoOf(skb));
  if (hasGso(shinfoOf(twin))) markShares(twin);
  count(COUNT_COPIES, 1);
  count(COUNT_BYTES_COPIED, n);
  return load32(twin + SKB_HANDLE);
}

/** What the shared info says of the packet, without what hangs on it. */
function copyInfo(to: u32, from: u32): void {
  copy(to + SHINFO_GSO_SIZE, from + SHINFO_GSO_SIZE, SHINFO_CLEARED - SHINFO_GSO_SIZE);
}

/** pskb_copy: a head of its own, everything behind it shared. Returns the handle, E_STALE or E_EXHAUSTED. */
export function copyHead(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const linear = linearLength(skb);
  const headroom = twinHeadroom(skb, linear);
  const twin = newSkb(linear, headroom);
  if (twin === 0) return E_EXHAUSTED;
  const lent = carriesUbuf(skb);
  if (lent && prepareCopies(skb, false, true) !== OK) {
    releaseSkb(twin);
    return E_EXHAUSTED;
  }
  const more: u32 = lent ? spillCount() : 0;
  let spare: u32 = 0;
  if (fragList(shinfoOf(skb)) !== 0 || more !== 0) {
    spare = allocForList(shinfoOf(skb), more);
    if (spare === 0) {
      if (lent) dropCopies();
      releaseSkb(twin);
      return E_EXHAUSTED;
    }
    markShares(twin);
  }
  if (lent) makeCopies(skb, false);
  const shinfo = shinfoOf(skb);
  copy(load32(twin + SKB_HEAD), load32(skb + SKB_DATA) - headroom, headroom + linear);
  store32(twin + SKB_LEN, load32(skb + SKB_LEN));
  store32(twin + SKB_DATA_LEN, load32(skb + SKB_DATA_LEN));
  copyMetadata(twin, skb);
  setHeadroom(twin, headroomOf(skb), headroom);
  shareFrags(shinfoOf(twin), shinfo, spare);
  if (hasGso(shinfoOf(twin))) markShares(twin);
  count(COUNT_COPIES, 1);
  count(COUNT_BYTES_COPIED, linear);
  return load32(twin + SKB_HANDLE);
}

/** pskb_expand_head: more headroom and tailroom, in a head of its own. OK, E_STALE, E_LINEAR or E_EXHAUSTED. */
export function expandHead(handle: u32, moreHead: u32, moreTail: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (moreHead > MAX_LINEAR || moreTail > MAX_LINEAR) return E_LINEAR;
  // Both are at most 128 KiB, so that no sum wraps.
  return replaceHead(skb, headroomOf(skb) + moreHead, tailSpace(skb) + moreTail);
}

/**
 * Makes every byte that the packet shares with another one its own (skb_unclone and skb_cow_data): the head,
 * the frags in pool pages, the members of the frag list. Lent bytes stay lent. OK, E_STALE or E_EXHAUSTED.
 */
export function unclone(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const status = ownPart(skb, skb);
  if (status !== OK) return status;
  for (let m = fragList(shinfoOf(skb)); m !== 0; m = load32(m + SKB_NEXT)) {
    const memberStatus = ownPart(skb, m);
    if (memberStatus !== OK) return memberStatus;
  }
  return OK;
}

function ownPart(skb: u32, part: u32): u32 {
  const status = ownHead(part);
  return status === OK ? ownFrags(skb, part) : status;
}

/** skb_morph: `handle` becomes a clone of `from`, in place. OK, E_STALE or E_EXHAUSTED. */
export function morph(handle: u32, from: u32): u32 {
  const skb = skbOf(handle);
  const source = skbOf(from);
  if (skb === 0 || source === 0) return E_STALE;
  if (skb === source) return OK;
  const status = orphanFrags(source);
  if (status !== OK) return status;
  const users = load32(skb + SKB_USERS);
  releaseData(skb, false);
  shareData(skb, source, load32(skb + SKB_OWNER));
  store32(skb + SKB_USERS, users);
  return OK;
}
