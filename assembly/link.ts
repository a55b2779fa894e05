// Where the links of a free object are, by its class.

import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  HEAD_CLASS_SHIFT,
  LINK_DRESSED,
  LINK_PAGE,
  LINK_SHINFO,
  LINK_SKB,
  LINK_UBUF,
  SHINFO_BYTES,
  SMALLEST_HEAD,
} from "./layout";

export function classBytes(headClass: u32): u32 {
  return headClass === 0 ? SMALLEST_HEAD : (1 << (headClass + HEAD_CLASS_SHIFT)) >>> 0;
}

/** Where a head's links are while it is free: in its shared info, which no view of packet bytes reaches. */
export function headLink(headClass: u32): u32 {
  return classBytes(headClass) - SHINFO_BYTES + LINK_SHINFO;
}

/** The same for any class. */
export function linkOf(kind: u32): u32 {
  if (kind < CLASS_PAGE) return headLink(kind - CLASS_HEADS);
  if (kind >= CLASS_DRESSED) return LINK_DRESSED;
  return kind === CLASS_PAGE ? LINK_PAGE : kind === CLASS_SKB ? LINK_SKB : LINK_UBUF;
}
