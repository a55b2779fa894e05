// Where a datagram came from, and where one is to go: kept in the packet's `cb`, so that it stays with the packet through rings and
// threads.

import { isIP, isIPv6, SocketAddress } from "node:net";
import { SKB_CB } from "../../assembly/layout.js";
import { checkInteger, checkString } from "../check.js";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";

/** Where a datagram came from, or is to go. */
export interface DatagramAddress {
  /** As Node writes it, the interface of a link-local one included: `fe80::1%eth0`. */
  readonly address: string;
  /** Of the address. */
  readonly family: "IPv4" | "IPv6";
  /** 0..65535. */
  readonly port: number;
}

// The first 22 bytes of `cb`, and as many behind them as the zone is long. There is one address: who says where a packet is to go
// says no more where it came from.
//
//      0 mark, whether it is the source or the destination    2 family    3 length of the zone    4 port    6 address, 16 B
//     22 zone
const SOURCE = 0x5d70;
const DESTINATION = 0x5d71;
const FAMILY = 2;
const ZONE_LENGTH = 3;
const PORT = 4;
const ADDRESS = 6;
const ZONE = 22;
const ZONE_MOST = 26;

/** Addresses that are kept in both forms, so that who has the same peers again and again need not read or write text. */
const KNOWN_MOST = 1024;
const bytesOfText = new Map<string, Uint8Array>();
const textOfBytes = new Map<string, string>();

/** Writes where a packet came from into its `cb`. */
export function keepSource(skb: Skb, address: string, port: number): void {
  keep(skb, SOURCE, address, port);
}

function keep(skb: Skb, mark: number, address: string, port: number): void {
  let head = bytesOfText.get(address);
  if (head === undefined) {
    if (bytesOfText.size === KNOWN_MOST) bytesOfText.clear();
    head = headOf(address);
    bytesOfText.set(address, head);
  }
  head[1] = mark & 0xff;
  head[PORT] = port >>> 8;
  head[PORT + 1] = port & 0xff;
  skb.cb.set(head);
}

/**
 * The sender of the datagram that a packet, or a clone of it, holds, if a socket of `skbuff/node` received it; on any thread. null if
 * not, or if `cb` was written since, by `setDestination` too. Borrows the packet.
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
 */
export function sourceOf(skb: Skb): DatagramAddress | null {
  return addressOf(skb, SOURCE);
}

/**
 * Where a packet is to go, if `setDestination` said so; on any thread. null if not, or if `cb` was written since. Borrows the
 * packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * setDestination(skb, { address: "::1", port: 5000 });
 * destinationOf(skb); // → { address: "::1", family: "IPv6", port: 5000 }
 */
export function destinationOf(skb: Skb): DatagramAddress | null {
  return addressOf(skb, DESTINATION);
}

/**
 * Says where a packet is to go when a `UdpSocket` sends it; on any thread. `to`: an IP address and a port; or a packet that was
 * received, perhaps this one, whose source is meant, which costs a copy of a few bytes. Uses `cb`. Borrows the packets.
 *
 * @throws StaleSkbError, ArgumentTypeError, ArgumentRangeError
 * @example
 * const socket = await UdpSocket.open(engine, { host: "127.0.0.1", port: 0 });
 * setDestination(skb, { address: "127.0.0.1", port: socket.port });
 * socket.enqueue(skb);
 * await socket.waitAsync();
 * const packet = socket.dequeue();
 * setDestination(packet, packet);
 * socket.enqueue(packet); // → true
 * await socket.close();
 */
export function setDestination(
  skb: Skb,
  to: { readonly address: string; readonly port: number } | Skb,
): void {
  checkSkb(skb);
  if (to instanceof Skb) {
    const { cb } = to;
    if (word(cb, 0) !== SOURCE) throw new ArgumentTypeError("to", "a packet with a source", "one without");
    if (to !== skb) skb.cb.set(cb);
    skb.cb[1] = DESTINATION & 0xff;
    return;
  }
  const address = checkString("address", to?.address);
  if (!bytesOfText.has(address) && isIP(address) === 0)
    throw new ArgumentTypeError("address", "an IP address", address);
  keep(skb, DESTINATION, address, checkInteger("port", to.port, 1, 0xffff));
}

/** Whether a packet says where it is to go. Trusts that it is alive. */
export function hasDestination(skb: Skb): boolean {
  const { _core: core, _heap: heap } = skb._engine;
  // The mark's bytes, of which the first is the lower one.
  const mark = heap.word((core.skbAddress(skb._handle) >>> 0) + SKB_CB) & 0xffff;
  return mark === (DESTINATION >>> 8) + ((DESTINATION & 0xff) << 8);
}

function checkSkb(skb: Skb): void {
  if (!(skb instanceof Skb)) throw new ArgumentTypeError("skb", "an Skb", skb);
}

function addressOf(skb: Skb, mark: number): DatagramAddress | null {
  checkSkb(skb);
  const { cb } = skb;
  if (word(cb, 0) !== mark) return null;
  const family = cb[FAMILY] === 4 ? "IPv4" : "IPv6";
  return { address: textOf(cb), family, port: word(cb, PORT) };
}

function textOf(cb: Uint8Array): string {
  const key = String.fromCharCode(
    cb[FAMILY] as number,
    ...cb.subarray(ADDRESS, ZONE + Math.min(cb[ZONE_LENGTH] as number, ZONE_MOST)),
  );
  let text = textOfBytes.get(key);
  if (text === undefined) {
    if (textOfBytes.size === KNOWN_MOST) textOfBytes.clear();
    text = format(cb);
    textOfBytes.set(key, text);
  }
  return text;
}

function format(cb: Uint8Array): string {
  if (cb[FAMILY] === 4) return cb.subarray(ADDRESS, ADDRESS + 4).join(".");
  const words = Array.from({ length: 8 }, (_, i) => word(cb, ADDRESS + 2 * i).toString(16));
  const { address } = new SocketAddress({ address: words.join(":"), family: "ipv6" });
  const zone = String.fromCharCode(...cb.subarray(ZONE, ZONE + (cb[ZONE_LENGTH] as number)));
  return zone === "" ? address : `${address}%${zone}`;
}

function headOf(address: string): Uint8Array {
  const [plain = "", zone = ""] = address.split("%");
  const kept = zone.length <= ZONE_MOST ? zone : "";
  const head = new Uint8Array(ZONE + kept.length);
  head[0] = SOURCE >>> 8;
  head[FAMILY] = isIPv6(plain) ? 6 : 4;
  head[ZONE_LENGTH] = kept.length;
  head.set(head[FAMILY] === 6 ? bytesOf6(plain) : plain.split(".").map(Number), ADDRESS);
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
