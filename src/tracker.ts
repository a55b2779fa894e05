// What an engine tells of its packets to who wants to know where they come from: `debug` of "skbuff/inspect".

import type { SkbReference } from "./skb/reference.js";

/** An skb whose last Skb object was garbage-collected before it was released. */
export interface Leak {
  /** The skb's handle. */
  readonly handle: number;
  /** Stack of the call that made the object. */
  readonly allocatedAt: string;
}

/** What `debug` of "skbuff/inspect" is. */
export type Debugging = (onLeak: (leak: Leak) => void) => object;

/** What that returns: it is told of each Skb object that gets a reference, and loses it. */
export interface Tracker {
  born(skb: SkbReference, handle: number): void;
  died(skb: SkbReference): void;
  /** It did not die after all. */
  revived(skb: SkbReference): void;
  of(skb: SkbReference): { allocatedAt: string; releasedAt: string | undefined } | undefined;
  /** Where the oldest reference to the packet that is still out was made. */
  allocatedAt(handle: number): string | undefined;
}
