// Why a packet was released (enum skb_drop_reason).

import { REASONS } from "../assembly/layout.js";
import { checkInteger } from "./check.js";

/**
 * Reasons for `skb.release(reason)`. `stats().drops` counts all but `consumed`; 8 to 15 are yours to name.
 *
 * @example
 * skb.release(DropReason.badChecksum);
 * other.release(8);
 * stats(engine).drops[DropReason.badChecksum]; // → 1
 */
export const DropReason = {
  /** Not a drop: the packet did what it was for (consume_skb). The default. */
  consumed: 0,
  /** A drop without further reason (SKB_DROP_REASON_NOT_SPECIFIED). */
  notSpecified: 1,
  /** Nobody listens (SKB_DROP_REASON_NO_SOCKET). */
  noListener: 2,
  /** Shorter or longer than it says (SKB_DROP_REASON_PKT_TOO_SMALL). */
  badLength: 3,
  /** A checksum is wrong (SKB_DROP_REASON_IP_CSUM, TCP_CSUM, UDP_CSUM). */
  badChecksum: 4,
  /** A header is malformed (SKB_DROP_REASON_IP_INHDR). */
  badHeader: 5,
  /** A filter says no (SKB_DROP_REASON_SOCKET_FILTER, NETFILTER_DROP). */
  filtered: 6,
  /** A queue or ring is full (SKB_DROP_REASON_FULL_RING). */
  full: 7,
} as const;

/** One of the constants of the same name, or one of yours. */
export type DropReason = (typeof DropReason)[keyof typeof DropReason] | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;

/** Returns `reason` if it is one. @internal */
export function checkReason(reason: DropReason): DropReason {
  return checkInteger("reason", reason, 0, REASONS - 1) as DropReason;
}
