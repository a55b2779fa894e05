// Puts packets into the order they were read in: each looker keeps its own, but one may be ahead of another.

import type { Skb } from "skbuff";

/**
 * Gives out packets by their `mark`, which counts from 0 on and begins again at 2^32. What it holds back is bounded by what
 * the rings hold: the one it waits for is on its way.
 */
export class Order {
  readonly #early = new Map<number, Skb>();
  #next = 0;

  /** Packets that wait for an earlier one. */
  get size(): number {
    return this.#early.size;
  }

  /** Takes a packet. Returns those that are due now, at the end of `due`. */
  add(skb: Skb, due: Skb[]): void {
    if (skb.mark !== this.#next) {
      this.#early.set(skb.mark, skb);
      return;
    }
    due.push(skb);
    this.#advance();
    for (let early = this.#early.get(this.#next); early !== undefined; early = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      due.push(early);
      this.#advance();
    }
  }

  /** All that still wait, for one that will not come. */
  rest(): Skb[] {
    const rest = [...this.#early.values()];
    this.#early.clear();
    return rest;
  }

  #advance(): void {
    this.#next = (this.#next + 1) % 2 ** 32;
  }
}
