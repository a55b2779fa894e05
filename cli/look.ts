// What `skbuff replay` does with every packet: finds its headers, verifies its checksums, and hashes its flow
// (__skb_flow_dissect, nf_checksum, skb_get_hash_symmetric).

import { hashFlow } from "./flow.js";
import { readIpv4, readIpv6 } from "./ip.js";
import { Verdict } from "./transport.js";

export { Verdict };

/** What is used of an `Skb`: numbers at offsets, and sums. Where its bytes lie does not matter. */
export interface Packet {
  readonly length: number;
  readU8(offset: number): number;
  readU16(offset: number): number;
  readU32(offset: number): number;
  checksum(offset: number, n: number): number;
  protocol: number;
  hash: number;
}

// Link types of capture files (tcpdump.org/linktypes.html).
const LINK_NULL = 0;
/** What a packet is taken for that says nothing of itself. */
export const ETHERNET = 1;
const LINK_RAW = 101;
/** DLT_RAW, as files have it from before LINK_RAW was assigned; OpenBSD has a number of its own. */
const LINK_RAW_BSD = 12;
const LINK_RAW_OPENBSD = 14;
const LINK_LOOP = 108;
const LINK_LINUX_SLL = 113;
const LINK_IPV4 = 228;
const LINK_IPV6 = 229;
const LINK_LINUX_SLL2 = 276;

// Bytes of link headers, and where they have the EtherType.
const ETHERNET_BYTES = 14;
const ETHERNET_TYPE_AT = 12;
const LOOPBACK_BYTES = 4;
const SLL_BYTES = 16;
const SLL_TYPE_AT = 14;
const SLL2_BYTES = 20;
const SLL2_TYPE_AT = 0;
const VLAN_BYTES = 4;

// EtherTypes (IANA, IEEE 802 Numbers; if_ether.h).
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLAN = 0x8100;
const SERVICE_VLAN = 0x88a8;
const QINQ_VLAN = 0x9100;
/** Below it is not a type but the length of an 802.3 frame (ETH_P_802_3_MIN), which Linux calls ETH_P_802_2. */
const TYPE_LEAST = 0x0600;
const LLC = 0x0004;

// Address families of those who write loopback headers: IPv6 has a number of its own in each.
const AF_INET = 2;
const AF_INET6_LINUX = 10;
const AF_INET6_NETBSD = 24;
const AF_INET6_FREEBSD = 28;
const AF_INET6_DARWIN = 30;

/** More tags than any network has; a packet may be made of nothing but tags. */
const VLAN_TAGS_MOST = 8;

/**
 * What was found in a packet. One object is reused for all packets. Offsets are bytes from the first byte of the
 * packet, and never beyond its end; -1 stands for what was not found. Headers inside tunnels are not looked for: what
 * is behind GRE, or behind UDP, is payload.
 */
export class Look {
  /** VLAN tags in front of the network header. */
  vlanTags = 0;
  /** VLAN of the outermost tag, or -1. */
  vlanId = -1;
  /** EtherType behind all VLAN tags; 4 for an 802.3 frame with a length instead; 0 if nothing was found. */
  protocol = 0;
  /** Where that protocol's header starts. */
  networkOffset = -1;
  /** 4 or 6; 0 if it is not IP, or not enough of an IP header. */
  ipVersion = 0;
  /** What IP carries. Behind extension headers, but not beyond a fragment header, so that all fragments say the same. */
  ipProtocol = -1;
  /** Whether this is only a part of a datagram. */
  isFragment = false;
  /** Where in the datagram this part belongs, in bytes. */
  fragmentOffset = 0;
  /** Where the header behind IP's starts. Only the first fragment has one. */
  transportOffset = -1;
  /** Of TCP, UDP and SCTP. */
  sourcePort = -1;
  /** Of TCP, UDP and SCTP. */
  destinationPort = -1;
  /** Where the last header ends that was found. */
  payloadOffset = -1;
  /** Bytes from there on that are here and belong to the packet: padding of short Ethernet frames does not. */
  payloadLength = 0;
  /** Of the IPv4 header. */
  networkChecksum: Verdict = Verdict.none;
  /** Of TCP, UDP, ICMP, ICMPv6 and IGMP. */
  transportChecksum: Verdict = Verdict.none;
  /** Of both: the larger one. */
  checksum: Verdict = Verdict.none;
  /**
   * Whether a checksum that is not right is what Linux leaves for the device to complete (CHECKSUM_PARTIAL): captured
   * at its sender, the packet was whole on the wire. It counts as bad all the same, for that is what is in it.
   */
  partial = false;
  /** Flow hash, 32 bits, never 0 if anything was found; both directions have the same. */
  hash = 0;
  /** 32 bits more of the flow: with `hash` enough to tell flows apart by. */
  flowHigh = 0;
  /**
   * Source in words 0..3, destination in words 4..7: all of them in IPv6, the first of each in IPv4. Of what is not IP
   * over Ethernet, the link addresses: 4 bytes, and 2.
   */
  readonly addresses = new Uint32Array(8);
}

/**
 * Looks at a packet, and sets its `protocol` and `hash`. Any bytes will do: what is cut off or malformed is not found.
 * Nothing is allocated.
 *
 * @param linkType of the capture file; nothing is found behind one that is not known
 * @param originalLength bytes that the packet had before it was cut for the file
 */
export function look(skb: Packet, linkType: number, originalLength: number, into: Look): void {
  clear(into);
  const length = skb.length;
  const behindLink = readLink(skb, length, linkType, into);
  if (behindLink !== -1) {
    const at = readTags(skb, behindLink, length, into);
    into.networkOffset = at;
    into.payloadOffset = at;
    into.payloadLength = length - at;
    const original = Math.max(originalLength, length);
    if (into.protocol === IPV4) readIpv4(skb, at, length, original, into);
    else if (into.protocol === IPV6) readIpv6(skb, at, length, original, into);
    into.checksum = Math.max(into.networkChecksum, into.transportChecksum);
    hashFlow(into, addressWords(skb, linkType, into));
  }
  skb.protocol = into.protocol;
  skb.hash = into.hash;
}

function clear(into: Look): void {
  into.vlanTags = 0;
  into.vlanId = -1;
  into.protocol = 0;
  into.networkOffset = -1;
  into.ipVersion = 0;
  into.ipProtocol = -1;
  into.isFragment = false;
  into.fragmentOffset = 0;
  into.transportOffset = -1;
  into.sourcePort = -1;
  into.destinationPort = -1;
  into.payloadOffset = -1;
  into.payloadLength = 0;
  into.networkChecksum = Verdict.none;
  into.transportChecksum = Verdict.none;
  into.checksum = Verdict.none;
  into.partial = false;
  into.hash = 0;
  into.flowHigh = 0;
  for (let i = 0; i < 8; i++) into.addresses[i] = 0;
}

/** Sets the EtherType. Returns where what it speaks of starts; -1 if there is none. */
function readLink(skb: Packet, length: number, linkType: number, into: Look): number {
  switch (linkType) {
    case ETHERNET:
      if (length < ETHERNET_BYTES) return -1;
      into.protocol = typeOrLength(skb.readU16(ETHERNET_TYPE_AT));
      return ETHERNET_BYTES;
    case LINK_NULL:
    case LINK_LOOP:
      if (length < LOOPBACK_BYTES) return -1;
      into.protocol = typeOfFamily(skb.readU32(0));
      return into.protocol === 0 ? -1 : LOOPBACK_BYTES;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
      if (length < 1) return -1;
      into.protocol = typeOfVersion(skb.readU8(0) >>> 4);
      return into.protocol === 0 ? -1 : 0;
    case LINK_IPV4:
      into.protocol = IPV4;
      return 0;
    case LINK_IPV6:
      into.protocol = IPV6;
      return 0;
    case LINK_LINUX_SLL:
      if (length < SLL_BYTES) return -1;
      into.protocol = skb.readU16(SLL_TYPE_AT);
      return SLL_BYTES;
    case LINK_LINUX_SLL2:
      if (length < SLL2_BYTES) return -1;
      into.protocol = skb.readU16(SLL2_TYPE_AT);
      return SLL2_BYTES;
    default:
      return -1;
  }
}

/** Takes the VLAN tags off the EtherType. Returns where the header behind them starts. */
function readTags(skb: Packet, behindLink: number, length: number, into: Look): number {
  let at = behindLink;
  while (isTag(into.protocol) && into.vlanTags < VLAN_TAGS_MOST && length - at >= VLAN_BYTES) {
    const word = skb.readU32(at);
    if (into.vlanTags === 0) into.vlanId = (word >>> 16) & 0xfff;
    into.protocol = typeOrLength(word & 0xffff);
    into.vlanTags++;
    at += VLAN_BYTES;
  }
  return at;
}

/** Words that each address has. */
function addressWords(skb: Packet, linkType: number, into: Look): number {
  if (into.ipVersion !== 0) return into.ipVersion === 4 ? 1 : 4;
  if (linkType !== ETHERNET) return 0;
  const { addresses } = into;
  const middle = skb.readU32(4);
  addresses[4] = skb.readU32(0);
  addresses[5] = middle >>> 16;
  addresses[0] = ((middle & 0xffff) << 16) | skb.readU16(8);
  addresses[1] = skb.readU16(10);
  return 2;
}

function isTag(type: number): boolean {
  return type === VLAN || type === SERVICE_VLAN || type === QINQ_VLAN;
}

function typeOrLength(value: number): number {
  return value < TYPE_LEAST ? LLC : value;
}

function typeOfVersion(version: number): number {
  if (version === 4) return IPV4;
  return version === 6 ? IPV6 : 0;
}

/** The EtherType of an address family, which whoever wrote it may have written in either byte order. */
function typeOfFamily(value: number): number {
  const family = (value & 0xffff) === 0 ? (value >>> 24) | ((value >>> 8) & 0xff00) : value;
  switch (family) {
    case AF_INET:
      return IPV4;
    case AF_INET6_LINUX:
    case AF_INET6_NETBSD:
    case AF_INET6_FREEBSD:
    case AF_INET6_DARWIN:
      return IPV6;
    default:
      return 0;
  }
}
