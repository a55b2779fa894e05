// ubufs: whoever lends memory to a packet is told, once, when it may use it again (ubuf_info).
//
//   live, idle ──attach──▶ live, refs > 0 ──last head lets go──▶ done, on the owner's list ──taken──▶ free
//       └────────────────────────────── cancel ─────────────────────────────────────────────────────▶ free
//
// refs counts the heads that carry the ubuf; a head carries it exactly as long as it has a user frag. The
// step to `done` is taken by one thread, the one whose subtraction reads 1, and never undone: that is why
// the completion comes once.

import { thread, threadBlocks, threadNumber, ubufMask, ubufTable } from "./arena";
import {
  COUNT_COMPLETED_COPIED,
  COUNT_COMPLETED_SENT,
  COUNT_UBUFS,
  E_EXHAUSTED,
  E_STALE,
  E_UBUF,
  OK,
  SHINFO_UBUF,
  THREAD_BYTES,
  THREAD_LOCAL,
  THREAD_REMOTE,
  THREAD_WANTS_COMPLETIONS,
  UBUF_CARRIED,
  UBUF_COPIED,
  UBUF_DESC,
  UBUF_DONE,
  UBUF_HANDLE,
  UBUF_LIVE,
  UBUF_NEXT,
  UBUF_OWNER,
  UBUF_REFS,
  UBUF_SHARING,
  UBUF_SHIFT,
  UBUF_STATE,
} from "./layout";
import {
  atomicAdd32,
  atomicCas32,
  atomicExchange32,
  atomicLoad32,
  atomicOr32,
  atomicStore32,
  atomicSub32,
  load32,
  store32,
} from "./memory";
import { allocUbuf, freeUbufSlot } from "./pool";
import { fragCount, userFrags } from "./shinfo";
import { count } from "./thread";
import { isUbuf } from "./trust";
import { answer } from "./wake";

/** Address of the ubuf that the handle names, or 0. */
export function ubufOf(handle: u32): u32 {
  const ubuf = ubufTable + ((handle & ubufMask) << UBUF_SHIFT);
  return load32(ubuf + UBUF_HANDLE) === handle && atomicLoad32(ubuf + UBUF_STATE) !== 0 ? ubuf : 0;
}

/** Makes a ubuf of this thread. `sharing` is 0 or UBUF_SHARING. Returns its handle, or E_EXHAUSTED. */
export function createUbuf(desc: u32, sharing: u32): u32 {
  const ubuf = allocUbuf();
  if (ubuf === 0) return E_EXHAUSTED;
  store32(ubuf + UBUF_OWNER, threadNumber);
  store32(ubuf + UBUF_DESC, desc);
  store32(ubuf + UBUF_NEXT, 0);
  atomicStore32(ubuf + UBUF_REFS, 0);
  atomicStore32(ubuf + UBUF_STATE, UBUF_LIVE | sharing);
  count(COUNT_UBUFS, 1);
  return load32(ubuf + UBUF_HANDLE);
}

/** Gives up a ubuf that no packet carries and none ever did. Returns OK, E_STALE or E_UBUF. */
export function cancelUbuf(handle: u32): u32 {
  const ubuf = ubufOf(handle);
  if (ubuf === 0) return E_STALE;
  if (!isIdle(ubuf)) return E_UBUF;
  freeUbufSlot(ubuf);
  return OK;
}

function isIdle(ubuf: u32): bool {
  return (atomicLoad32(ubuf + UBUF_STATE) & UBUF_CARRIED) === 0;
}

/** The owner's first or further head carries it. Returns false if it has completed, or is about to. */
export function attachUbuf(ubuf: u32): bool {
  if (isIdle(ubuf)) {
    // Nobody else knows it yet.
    atomicStore32(ubuf + UBUF_REFS, 1);
    atomicOr32(ubuf + UBUF_STATE, UBUF_CARRIED);
    return true;
  }
  let refs = atomicLoad32(ubuf + UBUF_REFS);
  while (refs !== 0) {
    // (L) Not an addition: from 0 on whoever was last is completing it, which cannot be taken back.
    const seen = atomicCas32(ubuf + UBUF_REFS, refs, refs + 1);
    if (seen === refs) return true;
    refs = seen;
  }
  return false;
}

export function mayShare(ubuf: u32): bool {
  return (atomicLoad32(ubuf + UBUF_STATE) & UBUF_SHARING) !== 0;
}

/** Counts one more head that carries it. Trusts that there is one that stays meanwhile. */
export function getUbuf(ubuf: u32): void {
  if (DEBUG) assert(isUbuf(ubuf), "the address is a ubuf's");
  const refs = atomicAdd32(ubuf + UBUF_REFS, 1);
  if (DEBUG) assert(refs !== 0, "a head carries it, and stays");
}

/** One head lets go; the last one completes it. `copied`: because the engine copied the bytes. Trusts the address. */
export function putUbuf(ubuf: u32, copied: bool): void {
  if (DEBUG) assert(isUbuf(ubuf), "the address is a ubuf's");
  // Before the subtraction, so that whoever turns out to be last sees it.
  if (copied) atomicOr32(ubuf + UBUF_STATE, UBUF_COPIED);
  // (L) The subtraction decides who completes it, and synchronises with those of all other heads.
  if (atomicSub32(ubuf + UBUF_REFS, 1) !== 1) return;
  atomicOr32(ubuf + UBUF_STATE, UBUF_DONE);
  const owner = load32(ubuf + UBUF_OWNER);
  if (owner === threadNumber) {
    store32(ubuf + UBUF_NEXT, load32(thread + THREAD_LOCAL));
    store32(thread + THREAD_LOCAL, ubuf);
    return;
  }
  const list = threadBlocks + (owner - 1) * THREAD_BYTES + THREAD_REMOTE;
  let top = atomicLoad32(list);
  while (true) {
    store32(ubuf + UBUF_NEXT, top);
    // (C) Publishes the ubuf: the exchange in takeCompletion synchronises with it. No tag is needed, because the
    // owner takes the whole list, so no thread ever reads the `next` of a ubuf it may not own.
    const seen = atomicCas32(list, top, ubuf);
    if (seen === top) break;
    top = seen;
  }
  answer(threadBlocks + (owner - 1) * THREAD_BYTES + THREAD_WANTS_COMPLETIONS, owner);
}

/** A head that has no user frag left lets go of its ubuf. */
export function settleUbuf(shinfo: u32, copied: bool): void {
  const ubuf = load32(shinfo + SHINFO_UBUF);
  if (ubuf === 0 || userFrags(shinfo, 0, fragCount(shinfo)) !== 0) return;
  store32(shinfo + SHINFO_UBUF, 0);
  putUbuf(ubuf, copied);
}

/** Takes one completed ubuf of this thread off its list. Returns its handle, or 0. */
export function takeCompletion(): u32 {
  let ubuf = load32(thread + THREAD_LOCAL);
  if (ubuf === 0) {
    // (C) One load while there is nothing. The exchange takes the whole list and synchronises with every push.
    if (atomicLoad32(thread + THREAD_REMOTE) === 0) return 0;
    ubuf = atomicExchange32(thread + THREAD_REMOTE, 0);
  }
  store32(thread + THREAD_LOCAL, load32(ubuf + UBUF_NEXT));
  return load32(ubuf + UBUF_HANDLE);
}

/** The user's own number, as given to createUbuf. Trusts the handle. */
export function ubufDesc(handle: u32): u32 {
  if (DEBUG) assert(ubufOf(handle) !== 0, "the handle names a ubuf");
  return load32(ubufOf(handle) + UBUF_DESC);
}

/** Its UBUF_ state bits. 0 for a stale handle. */
export function ubufState(handle: u32): u32 {
  const ubuf = ubufOf(handle);
  return ubuf === 0 ? 0 : atomicLoad32(ubuf + UBUF_STATE);
}

/** Heads that carry it. 0 for a stale handle. */
export function ubufRefs(handle: u32): u32 {
  const ubuf = ubufOf(handle);
  return ubuf === 0 ? 0 : atomicLoad32(ubuf + UBUF_REFS);
}

/** Frees a ubuf that takeCompletion returned; counts its completion. */
export function finishUbuf(handle: u32): void {
  const ubuf = ubufOf(handle);
  if (ubuf === 0) return;
  const copied = (atomicLoad32(ubuf + UBUF_STATE) & UBUF_COPIED) !== 0;
  count(copied ? COUNT_COMPLETED_COPIED : COUNT_COMPLETED_SENT, 1);
  freeUbufSlot(ubuf);
}
