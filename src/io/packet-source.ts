// What all that give packets have in common: rings, receivers of a mesh, sockets, streams.

import type { Skb } from "../skb.js";
import type { WaitOptions, Wakeup } from "../wait.js";

/** Gives packets out, and says when there are some. `Ring`, `Receiver` and every `Inbox` are packet sources. */
export interface PacketSource {
  /** The oldest packet, an owned one; null if there is none. */
  dequeue(): Skb | null;
  /** Waits until there is one, or will never be. */
  waitAsync(options?: WaitOptions): Promise<Wakeup>;
  /** Takes nothing in any more. What is there can still be taken out. */
  close(): unknown;
}
