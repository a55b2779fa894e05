// What all that send packets have in common: rings, senders of a mesh, sockets, streams.

import { ArgumentTypeError } from "../errors.js";
import type { Skb } from "../skb.js";
import type { Packets } from "../staging.js";
import type { WaitOptions, Wakeup } from "../wait.js";

/**
 * Takes packets until it is full, and says when there is room again. `Ring`, `Sender`, `UdpSocket`, `StreamSender` and
 * `CaptureWriter` are transmitters, so that a producer of packets need not know where they go.
 *
 * @example
 * async function send(transmitter, packet) {
 *   while (!transmitter.enqueue(packet)) await transmitter.waitWritableAsync();
 * }
 * await send(new Ring(engine), skb);
 * await send(await UdpSender.open(engine, { host: "127.0.0.1", port }), other);
 */
export interface Transmitter {
  /** Takes the packet and returns true; or returns false if there is no room, and the packet stays the caller's. */
  enqueue(skb: Skb): boolean;
  /** Takes as many as there is room for, and returns how many. The others stay the caller's. */
  enqueueBurst(skbs: Packets, count?: number): number;
  /** Waits until there is room, or there will never be any. Default: `room` is as much as makes a wait worth its cost. */
  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup>;
}

/** Returns `value` if packets can be sent by it. @throws ArgumentTypeError */
export function checkTransmitter<T extends Transmitter>(what: string, value: T): T {
  if (typeof value?.enqueue === "function" && typeof value.waitWritableAsync === "function") return value;
  throw new ArgumentTypeError(what, "a ring or sender", value);
}
