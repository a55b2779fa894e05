// IPv4 and IPv6 headers, and those between IPv6 and what it carries (ip_rcv_core, ip6_rcv_core, ipv6_skip_exthdr).

import type { Look, Packet } from "./look.js";
import { NO_NEXT_HEADER, readTransport, SUM_OF_RIGHT, Verdict } from "./transport.js";

// RFC 791, 3.1. Lengths in bytes.
const IPV4_BYTES = 20;
const MORE_AND_OFFSET = 0x3fff;
const FRAGMENT_OFFSET = 0x1fff;
const FRAGMENT_UNIT = 8;

// Options of IPv4 (RFC 791, 3.1). Those that are not one byte long have their length in the second.
const END_OF_OPTIONS = 0;
const NO_OPERATION = 1;
const LOOSE_ROUTE = 131;
const STRICT_ROUTE = 137;
/** Type, length and pointer, and one address. */
const ROUTE_LEAST = 7;
const IPV4_ADDRESS_BYTES = 4;
/** Counts from 1 on: of the first address. All others are multiples of 4, too. */
const POINTER_LEAST = 4;

// RFC 8200, 3 and 4.5.
const IPV6_BYTES = 40;
const IPV6_ADDRESSES_AT = 8;
const IPV6_ADDRESS_BYTES = 16;
const IPV6_MORE_AND_OFFSET = 0xfff9;
const IPV6_FRAGMENT_OFFSET = 0xfff8;

// Extension headers (IANA, Protocol Numbers). None is shorter than 8 bytes.
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
const EXTENSION_BYTES = 8;
/** MAX_FLOW_DISSECT_HDRS; each one costs a read, and 64 KiB of the shortest would be 8192 of them. */
const EXTENSIONS_MOST = 15;

// Routing types that say where the final destination stands (IANA, IPv6 Routing Types).
const SOURCE_ROUTE = 0; // RFC 2460
const MOBILE_ROUTE = 2; // RFC 6275
const SEGMENT_ROUTE = 4; // RFC 8754
const ROUTE_ADDRESSES_AT = 8;

// Options of the hop-by-hop header.
const PAD1 = 0; // RFC 8200, 4.2
const JUMBO_PAYLOAD = 0xc2; // RFC 2675, 2
/** Options that are searched for the jumbo payload: IP6_DEFAULT_MAX_HBH_OPTS_CNT. */
const OPTIONS_MOST = 8;

/**
 * Reads the IPv4 header at `at` and what is behind it.
 *
 * @param length bytes of the packet that are here
 * @param original bytes that it had when it was captured, at least `length`
 */
export function readIpv4(skb: Packet, at: number, length: number, original: number, into: Look): void {
  into.networkChecksum = Verdict.unverifiable;
  if (length - at < IPV4_BYTES) return;
  const first = skb.readU32(at);
  const header = ((first >>> 24) & 15) * 4;
  if (first >>> 28 !== 4 || header < IPV4_BYTES) return;
  const second = skb.readU32(at + 4);
  const source = skb.readU32(at + 12);
  const destination = skb.readU32(at + 16);
  into.ipVersion = 4;
  into.ipProtocol = skb.readU8(at + 9);
  into.addresses[0] = source;
  into.addresses[4] = destination;
  into.isFragment = (second & MORE_AND_OFFSET) !== 0;
  into.fragmentOffset = (second & FRAGMENT_OFFSET) * FRAGMENT_UNIT;
  const start = at + header;
  if (start > length) return;
  into.networkChecksum = skb.checksum(at, header) === SUM_OF_RIGHT ? Verdict.good : Verdict.bad;
  const total = first & 0xffff;
  // BIG TCP and other segmentation offloads: the field is too short for the length, or was left to the device.
  const stated = total !== 0;
  const wanted = stated ? at + total : original;
  const end = Math.max(start, Math.min(wanted, length));
  const final = header === IPV4_BYTES ? -1 : sourceRouted(skb, at + IPV4_BYTES, start);
  const last = final === -1 ? destination : skb.readU32(final);
  const addressSum = (source >>> 16) + (source & 0xffff) + (last >>> 16) + (last & 0xffff);
  readTransport(skb, start, end, wanted === end, stated, addressSum, into);
}

/**
 * Where the options from `at` to `end` have the address that the pseudo header is made with, if the packet is on a source route
 * that is not at its end; -1 if it is not.
 */
function sourceRouted(skb: Packet, at: number, end: number): number {
  for (let option = at; end - option > 1; ) {
    const type = skb.readU8(option);
    if (type === END_OF_OPTIONS) return -1;
    if (type === NO_OPERATION) {
      option++;
      continue;
    }
    const length = skb.readU8(option + 1);
    if (length < 2 || length > end - option) return -1;
    if ((type === LOOSE_ROUTE || type === STRICT_ROUTE) && length >= ROUTE_LEAST) {
      const pointer = skb.readU8(option + 2);
      return pointer >= POINTER_LEAST && pointer % 4 === 0 && pointer < length
        ? option + length - IPV4_ADDRESS_BYTES
        : -1;
    }
    option += length;
  }
  return -1;
}

/** Reads the IPv6 header at `at` and what is behind it. See `readIpv4`. */
export function readIpv6(skb: Packet, at: number, length: number, original: number, into: Look): void {
  into.transportChecksum = Verdict.unverifiable;
  if (length - at < IPV6_BYTES) return;
  if (skb.readU8(at) >>> 4 !== 6) return;
  into.ipVersion = 6;
  for (let i = 0; i < 8; i++) into.addresses[i] = skb.readU32(at + IPV6_ADDRESSES_AT + i * 4);
  const word = skb.readU32(at + 4);
  const payload = word >>> 16;
  let next = (word >>> 8) & 0xff;
  let offset = at + IPV6_BYTES;
  let stated = true;
  let wanted = offset + payload;
  if (payload === 0 && next !== NO_NEXT_HEADER) {
    const jumbo = next === HOP_BY_HOP ? jumboLength(skb, offset, length) : 0;
    stated = jumbo !== 0;
    wanted = stated ? offset + jumbo : original;
  }
  const end = Math.min(wanted, length);
  let verifiable = wanted === end;
  let finalAt = at + IPV6_ADDRESSES_AT + IPV6_ADDRESS_BYTES;
  for (let i = 0; isExtension(next) && !into.isFragment; i++) {
    into.ipProtocol = next;
    into.payloadOffset = offset;
    into.payloadLength = end - offset;
    if (i === EXTENSIONS_MOST || end - offset < EXTENSION_BYTES) return;
    const start = skb.readU32(offset);
    const bytes = extensionBytes(next, (start >>> 16) & 0xff);
    if (bytes > end - offset) return;
    if (next === FRAGMENT) {
      // One with neither an offset nor more to come is the whole datagram (RFC 6946).
      into.isFragment = (start & IPV6_MORE_AND_OFFSET) !== 0;
      into.fragmentOffset = start & IPV6_FRAGMENT_OFFSET;
    } else if (next === ROUTING && (start & 0xff) !== 0) {
      finalAt = finalDestination((start >>> 8) & 0xff, offset, bytes);
      if (finalAt === -1) verifiable = false;
    }
    next = start >>> 24;
    offset += bytes;
  }
  into.ipProtocol = next;
  let addressSum = 0;
  if (verifiable) {
    addressSum =
      skb.checksum(at + IPV6_ADDRESSES_AT, IPV6_ADDRESS_BYTES) + skb.checksum(finalAt, IPV6_ADDRESS_BYTES);
  }
  readTransport(skb, offset, end, verifiable, stated, addressSum, into);
}

function isExtension(next: number): boolean {
  return (
    next === HOP_BY_HOP ||
    next === ROUTING ||
    next === FRAGMENT ||
    next === AUTHENTICATION ||
    next === DESTINATION_OPTIONS
  );
}

/** Bytes of an extension header whose length field says `length`. */
function extensionBytes(next: number, length: number): number {
  if (next === FRAGMENT) return EXTENSION_BYTES;
  if (next === AUTHENTICATION) return (length + 2) * 4; // RFC 4302, 2.2
  return (length + 1) * 8;
}

/**
 * Where a routing header with segments left has the address that the pseudo header is made with (RFC 8200, 8.1);
 * -1 if that is not known.
 */
function finalDestination(type: number, offset: number, bytes: number): number {
  if (bytes < ROUTE_ADDRESSES_AT + IPV6_ADDRESS_BYTES) return -1;
  if (type === SOURCE_ROUTE) return offset + bytes - IPV6_ADDRESS_BYTES;
  // It has one address, and no room for more (RFC 6275, 6.4.1): of one that has, nobody knows which is meant.
  if (type === MOBILE_ROUTE)
    return bytes === ROUTE_ADDRESSES_AT + IPV6_ADDRESS_BYTES ? offset + ROUTE_ADDRESSES_AT : -1;
  // The segments stand last to first.
  return type === SEGMENT_ROUTE ? offset + ROUTE_ADDRESSES_AT : -1;
}

/** What the hop-by-hop header at `at` says of the bytes behind the IPv6 header; 0 if it does not. */
function jumboLength(skb: Packet, at: number, length: number): number {
  if (length - at < EXTENSION_BYTES) return 0;
  const end = Math.min(at + extensionBytes(HOP_BY_HOP, skb.readU8(at + 1)), length);
  let option = at + 2;
  for (let i = 0; i < OPTIONS_MOST && end - option >= 6; i++) {
    const type = skb.readU8(option);
    if (type === PAD1) {
      option++;
      continue;
    }
    if (type === JUMBO_PAYLOAD) {
      const jumbo = skb.readU32(option + 2);
      // What fits the ordinary field is no jumbo payload (RFC 2675, 3).
      return jumbo > 0xffff ? jumbo : 0;
    }
    option += 2 + skb.readU8(option + 1);
  }
  return 0;
}
