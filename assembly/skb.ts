// skbs: allocation, reference counts, release, and the linear part.

import { skbMask, skbTable, threadNumber } from "./arena";
import { classOf, clearShinfo, dressedClassOf, giveHead, headBytesFor } from "./head";
import {
  BURST_MOST,
  CLASS_DRESSED,
  CLASS_SKB,
  COUNT_ALLOCS,
  COUNT_REASONS,
  COUNT_RELEASES,
  E_EXHAUSTED,
  E_RANGE,
  E_ROOM,
  E_SHARED,
  E_STALE,
  LINK_DRESSED,
  MAX_LENGTH,
  MAX_LINEAR,
  OK,
  PAGE_BYTES,
  REASONS,
  SHINFO_BYTES,
  SHINFO_UBUF,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_MARK,
  SKB_NEXT,
  SKB_OWNER,
  SKB_RESERVED_SHIFT,
  SKB_SECOND,
  SKB_SECOND_LINE,
  SKB_SHIFT,
  SKB_USERS,
} from "./layout";
import { give, giveHeld, giveMany, held, roomAt, spaceFor, take, takeHeld, takeMany } from "./magazine";
import { clear32, load32, store32, storeFour } from "./memory";
import { allocHead, giveSkb, injecting, retire, takeSkb } from "./pool";
import {
  dropFragsTo,
  fragList,
  headBytes,
  headroomOf,
  isBare,
  isShared,
  linearLength,
  putData,
  reservedOf,
  setList,
  setReserved,
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
  // What the thread has comes first, both halves of it or a dressed one; then what the depots have.
  if (bytes <= PAGE_BYTES && !injecting() && (held(CLASS_SKB) === 0 || held(classOf(bytes)) === 0)) {
    const dressed = take(dressedClassOf(bytes), LINK_DRESSED);
    if (dressed !== 0) {
      initSkb(dressed, load32(dressed + SKB_HEAD), bytes, headroom);
      return dressed;
    }
  }
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

/** A dressed one of this thread's magazine, if there is one. Without a call in it, so that it is inlined. */
function quickSkb(bytes: u32, headroom: u32): u32 {
  if (bytes > PAGE_BYTES || held(dressedClassOf(bytes)) === 0 || injecting()) return 0;
  const skb = takeHeld(dressedClassOf(bytes));
  initSkb(skb, load32(skb + SKB_HEAD), bytes, headroom);
  return skb;
}

/** Makes a free skb and a head, free too and clear, an empty packet. */
function initSkb(skb: u32, head: u32, bytes: u32, headroom: u32): void {
  const second = load32(skb + SKB_SECOND) & 1;
  // In the order of the fields: handle, owner, users, shares; next, head, end, data. The rest begins as 0.
  storeFour(skb + SKB_HANDLE, load32(skb + SKB_HANDLE), threadNumber, 1, 0);
  storeFour(skb + SKB_NEXT, 0, head, head + bytes - SHINFO_BYTES, head + headroom);
  storeFour(skb + SKB_LEN, 0, 0, headroom << SKB_RESERVED_SHIFT, 0);
  storeFour(skb + SKB_MARK, 0, 0, 0, 0);
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
  const quick = bytes <= PAGE_BYTES && !injecting();
  const kind = quick ? dressedClassOf(bytes) : CLASS_SKB;
  let done: u32 = 0;
  while (done < n) {
    let ready = quick ? held(kind) : 0;
    if (ready === 0) {
      // One the long way, which fills the magazine, or fails.
      const skb = makeSkb(bytes, headroom);
      if (skb === 0) break;
      store32(out + (done << 2), load32(skb + SKB_HANDLE));
      done += 1;
      continue;
    }
    if (ready > n - done) ready = n - done;
    const skbs = takeMany(kind, ready);
    // The thread that freed them has their cache lines, so each is asked for before the first is needed: some 5% of
    // what it costs to pass a packet to another thread and get its memory back.
    for (let i: u32 = 0; i < ready; i++) store32(load32(skbs + (i << 2)) + SKB_OWNER, threadNumber);
    for (let i: u32 = 0; i < ready; i++) {
      const skb = load32(skbs + (i << 2));
      initSkb(skb, load32(skb + SKB_HEAD), bytes, headroom);
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
  count(COUNT_RELEASES, 1);
  const bytes = headBytes(skb);
  if (bytes > PAGE_BYTES || !isBare(skb) || spaceFor(dressedClassOf(bytes)) === 0) {
    letGo(skb, false);
    return OK;
  }
  // No more than putting it, with its head, into the magazine.
  retire(skb);
  giveHeld(dressedClassOf(bytes), skb);
  return OK;
}

/** Releases the `n` handles at `from`; stale ones are passed over. Returns how many were good. Trusts the address. */
export function releaseBurst(from: u32, n: u32): u32 {
  if (DEBUG) assert(isList(from, n), "the handles lie in the scratch or in pages");
  if (n > BURST_MOST) return 0;
  let good: u32 = 0;
  let freed: u32 = 0;
  // Of the bare ones that follow each other with heads of one size: that size, their class, where in its magazine they go,
  // how many fit there, and how many are there already.
  let bytes: u32 = 0;
  let kind = CLASS_DRESSED;
  let at: u32 = 0;
  let room: u32 = 0;
  let ready: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const skb = skbOf(load32(from + (i << 2)));
    if (skb === 0) continue;
    good += 1;
    const users = load32(skb + SKB_USERS);
    if (users > 1) {
      store32(skb + SKB_USERS, users - 1);
      continue;
    }
    freed += 1;
    if (headBytes(skb) !== bytes) {
      giveMany(kind, ready);
      ready = 0;
      bytes = headBytes(skb);
      kind = bytes <= PAGE_BYTES ? dressedClassOf(bytes) : CLASS_DRESSED;
      room = bytes <= PAGE_BYTES ? spaceFor(kind) : 0;
      at = roomAt(kind);
    }
    if (ready < room && isBare(skb)) {
      retire(skb);
      store32(at + (ready << 2), skb);
      ready += 1;
      continue;
    }
    // May give to the same magazine, so it is looked at anew.
    giveMany(kind, ready);
    ready = 0;
    bytes = 0;
    letGo(skb, false);
  }
  giveMany(kind, ready);
  count(COUNT_RELEASES, freed);
  return good;
}

/** Frees an skb and its hold on its data. Takes ownership of it. */
export function releaseSkb(skb: u32): void {
  count(COUNT_RELEASES, 1);
  letGo(skb, false);
}

/** releaseSkb after its bytes were copied elsewhere: that is what its ubufs will say. */
export function releaseCopied(skb: u32): void {
  count(COUNT_RELEASES, 1);
  letGo(skb, true);
}

/** skb_release_data: lets go of the head; the last skb to do so frees it and all that hangs on it. */
export function releaseData(skb: u32, copied: bool): void {
  if (!putData(shinfoOf(skb))) return;
  releaseAll(shinfoOf(skb), copied);
  giveHead(load32(skb + SKB_HEAD), headBytes(skb));
}

/** Frees an skb. The last one to let go of a head frees all that hangs on it, and keeps it. */
function letGo(skb: u32, copied: bool): void {
  const bytes = headBytes(skb);
  if (bytes > PAGE_BYTES) releaseData(skb, copied);
  else if (putData(shinfoOf(skb))) {
    releaseAll(shinfoOf(skb), copied);
    clearShinfo(load32(skb + SKB_HEAD), bytes);
    retire(skb);
    give(dressedClassOf(bytes), LINK_DRESSED, skb);
    return;
  }
  giveSkb(skb);
}

/** Lets go of what hangs on a head. */
function releaseAll(shinfo: u32, copied: bool): void {
  dropFragsTo(shinfo, 0);
  // A list's members have no list themselves, so this goes one level deep.
  let member = fragList(shinfo);
  setList(shinfo, 0, 0);
  while (member !== 0) {
    const next = load32(member + SKB_NEXT);
    count(COUNT_RELEASES, 1);
    letGo(member, copied);
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
  setReserved(skb, reservedOf(skb) + n);
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
