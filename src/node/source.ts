// Where a datagram came from: kept in the packet's `cb`, so that it stays with the packet through rings and threads.

import { isIPv6, SocketAddress } from "node:net";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";

/** The sender of a datagram. */
export interface Source {
  /** As Node writes it, the interface of a link-local one included: `fe80::1%eth0`. */
  readonly address: string;
  /** Of the address. */
  readonly family: "IPv4" | "IPv6";
  /** 0..65535. */
  readonly port: number;
}

// The first 22 bytes of `cb`, and as many behind them as the zone is long:
//
//      0 mark    2 family    3 length of the zone    4 port    6 address, 16 B    22 zone
const MARK = 0x5d70;
const PORT = 4;
const ADDRESS = 6;
const ZONE = 22;
const ZONE_MOST = 26;

/** Addresses that are kept in this form. A server has the same peers again and again. */
const KNOWN_MOST = 1024;
const known = new Map<string, Uint8Array>();

/** Writes where a packet came from into its `cb`. */
export function keepSource(skb: Skb, address: string, port: number): void {
  let head = known.get(address);
  if (head === undefined) {
    if (known.size === KNOWN_MOST) known.clear();
    head = headOf(address);
    known.set(address, head);
  }
  head[PORT] = port >>> 8;
  head[PORT + 1] = port & 0xff;
  skb.cb.set(head);
}

/**
 * The sender of the datagram that a packet, or a clone of it, holds, if `UdpReceiver` received it; on any thread. null if not,
 * or if `cb` was written since. Borrows the packet.
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
 * // An answer, by the receiver's own socket.
 * receiver.socket.send(packet.segments(), port, address, () => packet.release());
 */
export function sourceOf(skb: Skb): Source | null {
  if (!(skb instanceof Skb)) throw new ArgumentTypeError("skb", "an Skb", skb);
  const { cb } = skb;
  if (word(cb, 0) !== MARK) return null;
  const port = word(cb, PORT);
  if (cb[2] === 4) return { address: cb.subarray(ADDRESS, ADDRESS + 4).join("."), family: "IPv4", port };
  const words = Array.from({ length: 8 }, (_, i) => word(cb, ADDRESS + 2 * i).toString(16));
  const { address } = new SocketAddress({ address: words.join(":"), family: "ipv6" });
  const zone = String.fromCharCode(...cb.subarray(ZONE, ZONE + (cb[3] as number)));
  return { address: zone === "" ? address : `${address}%${zone}`, family: "IPv6", port };
}

function headOf(address: string): Uint8Array {
  const [plain = "", zone = ""] = address.split("%");
  const kept = zone.length <= ZONE_MOST ? zone : "";
  const head = new Uint8Array(ZONE + kept.length);
  head[0] = MARK >>> 8;
  head[1] = MARK & 0xff;
  head[2] = isIPv6(plain) ? 6 : 4;
  head[3] = kept.length;
  head.set(head[2] === 6 ? bytesOf6(plain) : plain.split(".").map(Number), ADDRESS);
  head.set(
    Array.from(kept, (letter) => letter.charCodeAt(0)),
    ZONE,
  );
  return head;
}

/** The 16 bytes of an IPv6 address. */
function bytesOf6(address: string): number[] {
  // The last 32 bits may be written as an IPv4 address.
  const [front = "", back] = address
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
      const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    })
    .split("::");
  const left = front === "" ? [] : front.split(":");
  const right = back === undefined || back === "" ? [] : back.split(":");
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].flatMap((text) => {
    const value = Number.parseInt(text, 16);
    return [value >>> 8, value & 0xff];
  });
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) * 256 + (bytes[at + 1] as number);
}
