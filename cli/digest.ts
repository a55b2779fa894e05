// A digest of packets in order, so that two runs of them can be compared without having both.

import { createHash, type Hash } from "node:crypto";
import type { Skb } from "skbuff";

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
