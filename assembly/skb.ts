// skbs: allocation, reference counts, release, and the linear part.

import { skbMask, skbTable, threadNumber } from "./arena";
import { classOf, clearShinfo, giveHead, headBytesFor } from "./head";
import {
  BURST_MOST,
  CLASS_SKB,
  COUNT_ALLOCS,
  COUNT_REASONS,
  COUNT_RELEASES,
  E_EXHAUSTED,
  E_RANGE,
  E_ROOM,
  E_SHARED,
  E_STALE,
  MAX_LENGTH,
  MAX_LINEAR,
  OK,
  PAGE_BYTES,
  REASONS,
  SHINFO_BYTES,
  SHINFO_RESERVED,
  SHINFO_UBUF,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SECOND,
  SKB_SECOND_LINE,
  SKB_SHIFT,
  SKB_USERS,
} from "./layout";
import { giveHeld, held, spaceFor, takeHeld, takeMany } from "./magazine";
import { clear32, load32, store32, storeFour } from "./memory";
import { allocHead, freeSkb, giveSkb, giveSkbs, injecting, retire, takeSkb } from "./pool";
import {
  dropFragsTo,
  fragList,
  headBytes,
  headroomOf,
  isBare,
  isShared,
  linearLength,
  putData,
  setList,
  shinfoOf,
  tailOf,
  tailSpace,
} from "./shinfo";
import { count } from "./thread";
import { isList } from "./trust";
import { putUbuf } from "./ubuf";

/** Address of the skb that the handle names, or 0 if it is stale. The first line of every operation. */
export function skbOf(handle: u32): u32 {
  const skb = skbTable + ((handle & skbMask) << SKB_SHIFT);
  return load32(skb + SKB_HANDLE) === handle ? skb : 0;
}

/** Allocates a linear skb with exactly `headroom` and at least `size` bytes of tailroom. Returns its address, or 0. */
export function newSkb(size: u32, headroom: u32): u32 {
  const skb = makeSkb(headBytesFor(size + headroom), headroom);
  if (skb !== 0) count(COUNT_ALLOCS, 1);
  return skb;
}

/** An skb with a head of `bytes`; counting is the caller's matter. Returns its address, or 0. */
function makeSkb(bytes: u32, headroom: u32): u32 {
  const skb = takeSkb();
  if (skb === 0) return 0;
  const head = allocHead(bytes);
  if (head === 0) {
    giveSkb(skb);
    return 0;
  }
  initSkb(skb, head, bytes, headroom);
  return skb;
}

/** The same from the magazines alone, if they serve. Without a call in it, so that it is inlined. */
function quickSkb(bytes: u32, headroom: u32): u32 {
  if (bytes > PAGE_BYTES || held(CLASS_SKB) === 0 || held(classOf(bytes)) === 0 || injecting()) return 0;
  const skb = takeHeld(CLASS_SKB);
  const head = takeHeld(classOf(bytes));
  clearShinfo(head, bytes);
  initSkb(skb, head, bytes, headroom);
  return skb;
}

/** Makes a free skb and a free head an empty packet. */
function initSkb(skb: u32, head: u32, bytes: u32, headroom: u32): void {
  const second = load32(skb + SKB_SECOND);
  // In the order of the fields: handle, owner, users, shares; next, head, end, data. The rest begins as 0.
  storeFour(skb + SKB_HANDLE, load32(skb + SKB_HANDLE), threadNumber, 1, 0);
  storeFour(skb + SKB_NEXT, 0, head, head + bytes - SHINFO_BYTES, head + headroom);
  store32(head + bytes - SHINFO_BYTES + SHINFO_RESERVED, headroom);
  clear32(skb + SKB_LEN);
  if (second === 0) return;
  clear32(skb + SKB_SECOND_LINE);
  clear32(skb + SKB_SECOND_LINE + 32);
}

/** alloc_skb and skb_reserve. Returns the handle, E_RANGE or E_EXHAUSTED. */
export function alloc(size: u32, headroom: u32): u32 {
  if (size > MAX_LINEAR || headroom > MAX_LINEAR - size) return E_RANGE;
  const bytes = headBytesFor(size + headroom);
  let skb = quickSkb(bytes, headroom);
  if (skb === 0) skb = makeSkb(bytes, headroom);
  if (skb === 0) return E_EXHAUSTED;
  count(COUNT_ALLOCS, 1);
  return load32(skb + SKB_HANDLE);
}

/** Allocates up to `n` skbs (n ≤ BURST_MOST): their handles go to `out`. Returns how many. Trusts the address. */
export function allocBurst(out: u32, n: u32, size: u32, headroom: u32): u32 {
  if (DEBUG) assert(isList(out, n), "the handles lie in the scratch or in pages");
  if (n > BURST_MOST || size > MAX_LINEAR || headroom > MAX_LINEAR - size) return 0;
  const bytes = headBytesFor(size + headroom);
  const kind = bytes <= PAGE_BYTES ? classOf(bytes) : CLASS_SKB;
  let done: u32 = 0;
  while (done < n) {
    let ready = held(CLASS_SKB) < held(kind) ? held(CLASS_SKB) : held(kind);
    if (ready === 0 || bytes > PAGE_BYTES || injecting()) {
      // One the long way, which fills the magazines, or fails.
      const skb = makeSkb(bytes, headroom);
      if (skb === 0) break;
      store32(out + (done << 2), load32(skb + SKB_HANDLE));
      done += 1;
      continue;
    }
    if (ready > n - done) ready = n - done;
    const skbs = takeMany(CLASS_SKB, ready);
    const heads = takeMany(kind, ready);
    // The thread that freed them has their cache lines, so each is asked for before the first is needed: some 5% of
    // what it costs to pass a packet to another thread and get its memory back.
    for (let i: u32 = 0; i < ready; i++) store32(load32(skbs + (i << 2)) + SKB_OWNER, threadNumber);
    for (let i: u32 = 0; i < ready; i++) {
      const skb = load32(skbs + (i << 2));
      const head = load32(heads + (i << 2));
      clearShinfo(head, bytes);
      initSkb(skb, head, bytes, headroom);
      store32(out + ((done + i) << 2), load32(skb + SKB_HANDLE));
    }
    done += ready;
  }
  count(COUNT_ALLOCS, done);
  return done;
}

/** skb_get: one more user, who releases it too. */
export function get(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  store32(skb + SKB_USERS, load32(skb + SKB_USERS) + 1);
  return OK;
}

/** kfree_skb, and consume_skb for reason 0: one user less; with the last, everything the skb held goes. */
export function release(handle: u32, reason: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const users = load32(skb + SKB_USERS);
  if (users > 1) {
    store32(skb + SKB_USERS, users - 1);
    return OK;
  }
  if (reason !== 0 && reason < REASONS) count(COUNT_REASONS + reason, 1);
  if (isPlain(skb)) giveHeld(classOf(headBytes(skb)), load32(skb + SKB_HEAD));
  else if (putData(shinfoOf(skb))) freeData(skb, false);
  count(COUNT_RELEASES, 1);
  if (spaceFor(CLASS_SKB) === 0) {
    giveSkb(skb);
    return OK;
  }
  retire(skb);
  giveHeld(CLASS_SKB, skb);
  return OK;
}

/** Releases the `n` handles at `from`, whose place it uses; stale ones are passed over. Returns how many were good. Trusts the address. */
export function releaseBurst(from: u32, n: u32): u32 {
  if (DEBUG) assert(isList(from, n), "the handles lie in the scratch or in pages");
  if (n > BURST_MOST) return 0;
  let good: u32 = 0;
  let freed: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const skb = skbOf(load32(from + (i << 2)));
    if (skb === 0) continue;
    good += 1;
    const users = load32(skb + SKB_USERS);
    if (users > 1) {
      store32(skb + SKB_USERS, users - 1);
      continue;
    }
    if (isPlain(skb)) giveHeld(classOf(headBytes(skb)), load32(skb + SKB_HEAD));
    else releaseData(skb, false);
    retire(skb);
    // Where the handle was, now that it has been read: the skbs go back together.
    store32(from + (freed << 2), skb);
    freed += 1;
  }
  giveSkbs(from, freed);
  count(COUNT_RELEASES, freed);
  return good;
}

/** Frees an skb and its hold on its data. Takes ownership of it. */
export function releaseSkb(skb: u32): void {
  releaseData(skb, false);
  freeSkb(skb);
}

/** releaseSkb after its bytes were copied elsewhere: that is what its ubufs will say. */
export function releaseCopied(skb: u32): void {
  releaseData(skb, true);
  freeSkb(skb);
}

/** skb_release_data: lets go of the head; the last skb to do so frees it and all that hangs on it. */
export function releaseData(skb: u32, copied: bool): void {
  if (putData(shinfoOf(skb))) freeData(skb, copied);
}

/** Frees a head that nobody shares any more, and all that hangs on it. */
function freeData(skb: u32, copied: bool): void {
  releaseAll(shinfoOf(skb), copied);
  giveHead(load32(skb + SKB_HEAD), headBytes(skb));
}

/** Whether letting go of the data is no more than putting the head into the magazine, which has room for it. */
function isPlain(skb: u32): bool {
  const bytes = headBytes(skb);
  return bytes <= PAGE_BYTES && isBare(skb) && spaceFor(classOf(bytes)) !== 0;
}

/** Lets go of what hangs on a head. */
function releaseAll(shinfo: u32, copied: bool): void {
  dropFragsTo(shinfo, 0);
  // A list's members have no list themselves, so this goes one level deep.
  let member = fragList(shinfo);
  setList(shinfo, 0, 0);
  while (member !== 0) {
    const next = load32(member + SKB_NEXT);
    releaseData(member, copied);
    freeSkb(member);
    member = next;
  }
  const ubuf = load32(shinfo + SHINFO_UBUF);
  if (ubuf !== 0) {
    store32(shinfo + SHINFO_UBUF, 0);
    putUbuf(ubuf, copied);
  }
}

/** skb_reserve: turns tailroom of an empty skb into headroom. OK, E_STALE or E_ROOM. */
export function reserve(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n === 0) return OK;
  if (load32(skb + SKB_LEN) !== 0 || n > tailSpace(skb)) return E_ROOM;
  store32(skb + SKB_DATA, load32(skb + SKB_DATA) + n);
  // A head that others share says what they know; this packet gets its own before it needs room.
  const shinfo = shinfoOf(skb);
  if (!isShared(skb)) store32(shinfo + SHINFO_RESERVED, load32(shinfo + SHINFO_RESERVED) + n);
  return OK;
}

/** skb_put: `n` more bytes at the tail. Returns the address of the first, E_STALE, E_SHARED or E_ROOM. */
export function put(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  const tail = tailOf(skb);
  if (n === 0) return tail;
  if (isShared(skb)) return E_SHARED;
  if (load32(skb + SKB_DATA_LEN) !== 0 || n > tailSpace(skb)) return E_ROOM;
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) + n);
  return tail;
}

/** skb_push: `n` more bytes in front. Returns the address of the first, E_STALE, E_SHARED, E_ROOM or E_RANGE. */
export function push(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n === 0) return load32(skb + SKB_DATA);
  if (isShared(skb)) return E_SHARED;
  if (n > headroomOf(skb)) return E_ROOM;
  if (n > MAX_LENGTH - load32(skb + SKB_LEN)) return E_RANGE;
  const data = load32(skb + SKB_DATA) - n;
  store32(skb + SKB_DATA, data);
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) + n);
  return data;
}

/** skb_pull: `n` linear bytes less in front. OK, E_STALE or E_ROOM. */
export function pull(handle: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (n > linearLength(skb)) return E_ROOM;
  store32(skb + SKB_DATA, load32(skb + SKB_DATA) + n);
  store32(skb + SKB_LEN, load32(skb + SKB_LEN) - n);
  return OK;
}
