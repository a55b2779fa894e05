// Where a datagram came from, and where it goes: said by the packet itself, in its `cb`.

import { checkInteger } from "../check.js";
import { coreOf, engineOf, heapOf, liveHandle } from "../driver.js";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";
import { copyForm, FROM, familyAt, formOf, hasForm, portAt, TO, textAt, writeForm } from "./address-form.js";

/** One end of a datagram's way. */
export interface UdpAddress {
  /** As Node writes it, the interface of a link-local one included: `fe80::1%eth0`. */
  readonly address: string;
  /** Of the address. */
  readonly family: "IPv4" | "IPv6";
  /** 0..65535. */
  readonly port: number;
}

/** Where to send a datagram: whatever has an address and a port, as a `UdpAddress`, a `UdpSocket` or Node's `RemoteInfo`. */
export interface UdpDestination {
  /** An IPv4 or IPv6 address: no name, which would have to be looked up. */
  readonly address: string;
  /** 1..65535. */
  readonly port: number;
}

/** The address of a packet's cb. @throws StaleSkbError, ArgumentTypeError */
function cbOf(what: string, skb: Skb): number {
  if (!(skb instanceof Skb)) throw new ArgumentTypeError(what, "an Skb", skb);
  return coreOf(engineOf(skb)).cbAddress(liveHandle(skb)) >>> 0;
}

/** Writes where a packet came from into its `cb`. @internal */
export function keepSource(skb: Skb, address: string, port: number): void {
  const form = formOf(address);
  if (form !== null) writeForm(heapOf(engineOf(skb)), cbOf("skb", skb), FROM, form, port);
}

function addressOf(skb: Skb, mark: number): UdpAddress | null {
  const cb = cbOf("skb", skb);
  const heap = heapOf(engineOf(skb));
  if (!hasForm(heap, cb, mark)) return null;
  const family = familyAt(heap, cb) === 4 ? "IPv4" : "IPv6";
  return { address: textAt(heap, cb), family, port: portAt(heap, cb) };
}

/**
 * The sender of the datagram that a packet, or a clone of it, holds, if `UdpSocket` or `UdpReceiver` received it; on any
 * thread. null if not, or if `cb` was written since, as `setDestination` does. Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
 * const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: receiver.port });
 * sender.enqueue(skb);
 * await receiver.waitAsync();
 * const packet = receiver.dequeue();
 * const { address, port } = sourceOf(packet);
 * port === sender.socket.address().port; // → true
 * packet.release();
 */
export function sourceOf(skb: Skb): UdpAddress | null {
  return addressOf(skb, FROM);
}

/**
 * Where a packet goes when a `UdpSocket` sends it, as `setDestination` or `answerTo` said; on any thread. null if nobody has.
 * Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * destinationOf(skb); // → null
 */
export function destinationOf(skb: Skb): UdpAddress | null {
  return addressOf(skb, TO);
}

/**
 * Says where a packet goes when a `UdpSocket` sends it. It stands in the first 48 bytes of `cb`, where the packet's source
 * stood: through rings, on other threads and in clones it stays with the packet. Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentRangeError, ArgumentTypeError; nothing has changed
 * @example
 * setDestination(skb, { address: "192.0.2.7", port: 53 });
 * destinationOf(skb); // → { address: "192.0.2.7", family: "IPv4", port: 53 }
 */
export function setDestination(skb: Skb, destination: UdpDestination): void {
  const cb = cbOf("skb", skb);
  const { address, port } = destination ?? {};
  const form = typeof address === "string" ? formOf(address) : null;
  if (form === null) throw new ArgumentTypeError("address", "an IPv4 or IPv6 address", address);
  writeForm(heapOf(engineOf(skb)), cb, TO, form, checkInteger("port", port, 1, 0xffff));
}

/**
 * Sends `skb` where `received` came from, when a `UdpSocket` sends it: that one's source becomes this one's destination. Both
 * may be the same packet. No text is made or read, so this is what to call for each packet. Borrows both.
 *
 * @throws StaleSkbError, ArgumentTypeError, also if `received` has no source; nothing has changed
 * @example
 * const server = await UdpSocket.open(engine, { host: "127.0.0.1", port: 0 });
 * const client = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port: server.port } });
 * client.enqueue(skb);
 * await server.waitAsync();
 * const request = server.dequeue();
 * answerTo(request, request);
 * server.enqueue(request);
 * await client.waitAsync();
 * client.dequeue().length; // → 100
 */
export function answerTo(skb: Skb, received: Skb): void {
  const cb = cbOf("skb", skb);
  const source = cbOf("received", received);
  const heap = heapOf(engineOf(received));
  if (!hasForm(heap, source, FROM))
    throw new ArgumentTypeError("received", "a packet that has a source", received);
  copyForm(heap, source, heapOf(engineOf(skb)), cb, TO);
}
