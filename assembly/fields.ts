// What one packet says of itself: lengths, counts, metadata. Getters return 0 for a stale handle.

import {
  E_RANGE,
  E_SHARED,
  E_STALE,
  KIND_USER,
  OK,
  PAGE_KIND,
  PAGE_SHIFT,
  PAGE_SPAN,
  SHINFO_DATAREF,
  SHINFO_FRAGS,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SKB_BYTES,
  SKB_CB,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HEAD,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_NEXT,
  SKB_PROTOCOL,
  SKB_QUEUE,
  SKB_SECOND_LINE,
  SKB_TRANSPORT_HEADER,
  SKB_USERS,
} from "./layout";
import { atomicLoad32, load16, load32, store16, store32 } from "./memory";
import { entryOf } from "./page";
import {
  fragAddress,
  fragCount,
  fragList,
  fragSize,
  headBytes,
  headroomOf,
  isShared,
  markSecond,
  markShares,
  shinfoOf,
  tailSpace,
} from "./shinfo";
import { skbOf } from "./skb";

export function length(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(skb + SKB_LEN);
}

export function dataLength(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(skb + SKB_DATA_LEN);
}

export function headroom(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : headroomOf(skb);
}

/** skb_tailroom: 0 while anything follows the head. */
export function tailroom(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 || load32(skb + SKB_DATA_LEN) !== 0 ? 0 : tailSpace(skb);
}

/** Address of the first byte. */
export function dataAddress(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(skb + SKB_DATA);
}

export function users(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(skb + SKB_USERS);
}

/** skbs that share the head, this one included. */
export function dataRefs(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : atomicLoad32(shinfoOf(skb) + SHINFO_DATAREF);
}

/** Frags of the packet itself, without those of its frag list. */
export function frags(handle: u32): u32 {
  const skb = skbOf(handle);
  return skb === 0 ? 0 : fragCount(shinfoOf(skb));
}

/** Members of the frag list. */
export function listLength(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return 0;
  let n: u32 = 0;
  for (let m = fragList(shinfoOf(skb)); m !== 0; m = load32(m + SKB_NEXT)) n += 1;
  return n;
}

/**
 * Arena bytes that the packet keeps from being used for anything else: its skb, its head, the whole pages of its
 * frags (of a user frag, which is not the arena's to use, its length), and the same of each list member. What is
 * shared counts in full for everyone who shares it, as in Linux.
 */
export function truesize(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return 0;
  let sum = partSize(skb);
  for (let m = fragList(shinfoOf(skb)); m !== 0; m = load32(m + SKB_NEXT)) sum += partSize(m);
  return sum;
}

function partSize(skb: u32): u32 {
  let sum = SKB_BYTES + headBytes(skb);
  const shinfo = shinfoOf(skb);
  const n = fragCount(shinfo);
  for (let i: u32 = 0; i < n; i++) {
    const entry = entryOf(fragAddress(shinfo, i));
    if (load32(entry + PAGE_KIND) === KIND_USER) sum += fragSize(shinfo, i);
    else sum += load32(entry + PAGE_SPAN) << PAGE_SHIFT;
  }
  return sum;
}

/** The 32-bit field at a SKB_ offset. Trusts the offset. */
export function field(handle: u32, offset: u32): u32 {
  if (DEBUG) assert((offset & 3) === 0 && offset < SKB_BYTES, "the offset is a field's");
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(skb + offset);
}

/** Sets it. Trusts the offset. */
export function setField(handle: u32, offset: u32, value: u32): u32 {
  if (DEBUG)
    assert(
      (offset & 3) === 0 && offset >= SKB_PROTOCOL && offset < SKB_BYTES,
      "the offset is a user's field's",
    );
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (offset >= SKB_SECOND_LINE) markSecond(skb);
  store32(skb + offset, value);
  return OK;
}

/** The 16-bit field at a SKB_ offset. Trusts the offset. */
export function field16(handle: u32, offset: u32): u32 {
  if (DEBUG) assert((offset & 1) === 0 && offset < SKB_BYTES, "the offset is a field's");
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load16(skb + offset);
}

/** Sets it. Trusts the offset. */
export function setField16(handle: u32, offset: u32, value: u32): u32 {
  if (DEBUG) assert(offset === SKB_PROTOCOL || offset === SKB_QUEUE, "the offset is a short field's");
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  store16(skb + offset, value);
  return OK;
}

/** The 32-bit field of the shared info at a SHINFO_ offset. Trusts the offset. */
export function infoField(handle: u32, offset: u32): u32 {
  if (DEBUG) assert((offset & 3) === 0 && offset < SHINFO_FRAGS, "the offset is a field's");
  const skb = skbOf(handle);
  return skb === 0 ? 0 : load32(shinfoOf(skb) + offset);
}

/** Sets it. Trusts the offset. */
export function setInfoField(handle: u32, offset: u32, value: u32): u32 {
  if (DEBUG) assert(offset >= SHINFO_GSO_SIZE && offset <= SHINFO_GSO_TYPE, "the offset is a GSO field's");
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (isShared(skb)) return E_SHARED;
  store32(shinfoOf(skb) + offset, value);
  markShares(skb);
  return OK;
}

/** Address of the skb struct. */
export function skbAddress(handle: u32): u32 {
  return skbOf(handle);
}

/** Address of the cb, to be written through a view; or 0. */
export function cbAddress(handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return 0;
  markSecond(skb);
  return skb + SKB_CB;
}

/** Sets the header offset at a SKB_ offset to a byte counted from `head`. OK, E_STALE or E_RANGE. Trusts the offset. */
export function setHeader(handle: u32, offset: u32, fromHead: u32): u32 {
  if (DEBUG) assert(offset >= SKB_MAC_HEADER && offset <= SKB_TRANSPORT_HEADER, "the offset is a header's");
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (fromHead > load32(skb + SKB_END) - load32(skb + SKB_HEAD)) return E_RANGE;
  markSecond(skb);
  store32(skb + offset, fromHead + 1);
  return OK;
}
