// Giving an skb another head: for more room, or for one of its own (pskb_expand_head, skb_unclone).

import { giveHead, headBytesFor } from "./head";
import {
  COUNT_BYTES_COPIED,
  E_EXHAUSTED,
  E_LINEAR,
  MAX_ROOM,
  OK,
  OWNER_LIST,
  PULLED_KEPT,
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
  linearLength,
  markShares,
  pushList,
  reservedOf,
  setReserved,
  shinfoOf,
  tailSpace,
} from "./shinfo";
import { releaseData } from "./skb";
import { count } from "./thread";
import { getUbuf } from "./ubuf";

/** Allocates as many skbs as the frag list has members, and `more`, linked by `next`. Returns the first, or 0. Trusts that it is one. */
export function allocForList(shinfo: u32, more: u32): u32 {
  let n = more;
  for (let m = fragList(shinfo); m !== 0; m = load32(m + SKB_NEXT)) n += 1;
  if (DEBUG) assert(n !== 0, "there are members to allocate for");
  let first: u32 = 0;
  for (; n !== 0; n -= 1) {
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
 * Headroom that the skb must keep: what was asked for, and the bytes pulled last. The rest was made by pulling, and is
 * room like any other.
 */
export function keptHeadroom(skb: u32): u32 {
  const headroom = headroomOf(skb);
  if (headroom <= PULLED_KEPT) return headroom;
  const reserved = reservedOf(skb);
  const kept = reserved > PULLED_KEPT ? reserved : PULLED_KEPT;
  return headroom < kept ? headroom : kept;
}

/** Headroom for another packet with `n` bytes of this one in its head: less than this one's if most of that was made by pulling. */
export function twinHeadroom(skb: u32, n: u32): u32 {
  const headroom = headroomOf(skb);
  const kept = keptHeadroom(skb);
  return headroom - kept >= kept + n ? kept : headroom;
}

/**
 * Gives the skb a head of its own, with so much headroom and at least `tail` bytes between tail and end. If others share the
 * old one, what hangs on it is shared with them, as for a clone; else it moves. OK, E_EXHAUSTED or E_LINEAR.
 */
export function replaceHead(skb: u32, headroom: u32, tail: u32): u32 {
  const linear = linearLength(skb);
  if (headroom > MAX_ROOM - linear || tail > MAX_ROOM - linear - headroom) return E_LINEAR;
  const before = headroomOf(skb);
  const old = shinfoOf(skb);
  const bytes = headBytesFor(headroom + linear + tail);
  const head = allocHead(bytes);
  if (head === 0) return E_EXHAUSTED;
  const shared = isShared(skb);
  let spare: u32 = 0;
  if (shared && fragList(old) !== 0) {
    spare = allocForList(old, 0);
    if (spare === 0) {
      giveHead(head, bytes);
      return E_EXHAUSTED;
    }
  }
  // The headroom's contents, too: header offsets may point into it.
  const kept = before < headroom ? before : headroom;
  copy(head + headroom - kept, load32(skb + SKB_DATA) - kept, kept + linear);
  count(COUNT_BYTES_COPIED, kept + linear);
  const shinfo = head + bytes - SHINFO_BYTES;
  if (shared) {
    shareFrags(shinfo, old, spare);
    releaseData(skb, false);
  } else {
    copy(shinfo, old, SHINFO_CLEARED);
    atomicStore32(shinfo + SHINFO_DATAREF, 1);
    copy(shinfo + SHINFO_FRAGS, old + SHINFO_FRAGS, SHINFO_BYTES - SHINFO_FRAGS);
    giveHead(load32(skb + SKB_HEAD), headBytes(skb));
  }
  if (headroom > before) setReserved(skb, reservedOf(skb) + headroom - before);
  store32(skb + SKB_HEAD, head);
  store32(skb + SKB_END, shinfo);
  setHeadroom(skb, before, headroom);
  return OK;
}

/**
 * More room between tail and end, at least `tail` bytes, in a head of its own. Headroom that was made by pulling is used for
 * it as soon as that spares more bytes than it moves, and before anything is refused: so a packet that grows behind and is
 * pulled in front has a head of at most about twice what it holds, for ever. OK, E_EXHAUSTED or E_LINEAR.
 */
export function makeRoom(skb: u32, tail: u32): u32 {
  const headroom = headroomOf(skb);
  const kept = keptHeadroom(skb);
  const wanted = twinHeadroom(skb, linearLength(skb));
  if (wanted !== headroom && moveDown(skb, tail)) return OK;
  let status = replaceHead(skb, wanted, tail);
  if (status === E_LINEAR && wanted !== kept) {
    if (moveDown(skb, tail)) return OK;
    status = replaceHead(skb, kept, tail);
  }
  return status === E_EXHAUSTED && moveDown(skb, tail) ? OK : status;
}

/**
 * Moves the bytes of a head that is the skb's alone down over headroom that was made by pulling, if that makes `tail`
 * bytes of room behind them. Returns whether it did.
 */
export function moveDown(skb: u32, tail: u32): bool {
  const before = headroomOf(skb);
  const kept = keptHeadroom(skb);
  if (kept === before || isShared(skb) || tail > tailSpace(skb) + before - kept) return false;
  const bytes = kept + linearLength(skb);
  copy(load32(skb + SKB_HEAD), load32(skb + SKB_DATA) - kept, bytes);
  count(COUNT_BYTES_COPIED, bytes);
  setHeadroom(skb, before, kept);
  return true;
}

/** A head of its own, of the same size, for an skb that shares one. OK or E_EXHAUSTED. */
export function ownHead(skb: u32): u32 {
  return isShared(skb) ? replaceHead(skb, headroomOf(skb), tailSpace(skb)) : OK;
}

/** Notes where the bytes are now that the headroom has changed; what a header offset points to moved along, or is gone. */
export function setHeadroom(skb: u32, before: u32, headroom: u32): void {
  store32(skb + SKB_DATA, load32(skb + SKB_HEAD) + headroom);
  moveHeader(skb + SKB_MAC_HEADER, before, headroom);
  moveHeader(skb + SKB_NETWORK_HEADER, before, headroom);
  moveHeader(skb + SKB_TRANSPORT_HEADER, before, headroom);
}

function moveHeader(field: u32, before: u32, headroom: u32): void {
  // Counted from `head`, plus one; 0 is not set.
  const offset = load32(field);
  if (offset === 0 || before === headroom) return;
  store32(field, offset + headroom > before ? offset + headroom - before : 0);
}
