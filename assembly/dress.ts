// Dressed skbs: a packet that is released keeps its head, since the next packet of that size wants both. So allocating and
// releasing are one take and one give, and nothing of the shared info is written but the headroom.
//
//   release ──▶ magazine ◀──▶ depot   of the head's class, as for every object
//                  │ a struct is wanted alone, or a head is, and there is none: undressed
//                  ▼
//               struct to its magazine, head to its own
//
// A dressed skb is a free struct whose `head` and `end` name a free head: dataref 1, nothing hangs on it, no GSO field.
// Only heads of a class; one that is a run of pages goes back at once.

import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_SKB,
  HEAD_CLASSES,
  LINK_DRESSED,
  LINK_SKB,
  SKB_HEAD,
} from "./layout";
import { headLink } from "./link";
import { give, giveToDrain, take, takeToDrain } from "./magazine";
import { load32 } from "./memory";

/** Takes the head of a dressed skb of a head class; the struct is a free one. Returns its address, or 0. */
export function undressHead(headClass: u32): u32 {
  const skb = take(CLASS_DRESSED + headClass, LINK_DRESSED);
  if (skb === 0) return 0;
  // Before the struct is given back: its links lie over this.
  const head = load32(skb + SKB_HEAD);
  give(CLASS_SKB, LINK_SKB, skb);
  return head;
}

/** The same for who takes all heads there are, and flushes the structs in the end. */
export function undressToDrain(headClass: u32): u32 {
  const skb = takeToDrain(CLASS_DRESSED + headClass, LINK_DRESSED);
  if (skb === 0) return 0;
  const head = load32(skb + SKB_HEAD);
  giveToDrain(CLASS_SKB, LINK_SKB, skb);
  return head;
}

/** Takes the struct of a dressed skb of any class; its head is a free one. Returns its address, or 0. */
export function undressSkb(): u32 {
  for (let headClass: u32 = 0; headClass < HEAD_CLASSES; headClass++) {
    const skb = take(CLASS_DRESSED + headClass, LINK_DRESSED);
    if (skb === 0) continue;
    give(CLASS_HEADS + headClass, headLink(headClass), load32(skb + SKB_HEAD));
    return skb;
  }
  return 0;
}
