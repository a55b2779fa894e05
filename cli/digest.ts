// Digests of packets in order, so that two runs of them can be compared without having both.

import { createHash, type Hash } from "node:crypto";
import type { Skb } from "skbuff";
import { linkTypeOf, originalLengthOf, timeOf } from "skbuff/node";

/** Of packets' bytes. */
export class Digest {
  readonly #hash: Hash = createHash("sha256");
  readonly #length = new Uint32Array(1);

  /** Adds a packet, which it borrows: its length, because borders count, and its bytes. */
  add(skb: Skb): void {
    this.#length[0] = skb.length;
    this.#hash.update(this.#length);
    for (const segment of skb.segments()) this.#hash.update(segment);
  }

  hex(): string {
    return this.#hash.digest("hex");
  }
}

/** What a chain of no packets comes to. */
export const NO_PACKETS = "";

/**
 * Of packets and all that a capture says of them, one link for each: so that it can be said for any number of them while
 * nobody knows yet which will be the last. Returns the next link; borrows the packet.
 */
export function chained(before: string, skb: Skb): string {
  const hash = createHash("sha256").update(before);
  hash.update(`${skb.length} ${onWire(skb)} ${linkTypeOf(skb)} ${timeOf(skb) ?? 0n}\n`);
  for (const segment of skb.segments()) hash.update(segment);
  return hash.digest("hex");
}

/** Bytes that a packet had on the wire: never less than were captured of it, whatever the capture says. */
export function onWire(skb: Skb): number {
  return Math.max(originalLengthOf(skb), skb.length);
}
