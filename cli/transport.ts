// The header behind IP's, and the checksum over what IP carries (skb_checksum_help, nf_checksum).

import type { Look, Packet } from "./look.js";

/**
 * What became of a checksum. In the order of what matters more: of a packet's checksums the largest speaks for all.
 */
export const Verdict = {
  /** There is none to verify. */
  none: 0,
  /** Every checksum is right. */
  good: 1,
  /** What it covers is not all here, or is not known here, or the sender left it out. */
  unverifiable: 2,
  /** One is wrong. */
  bad: 3,
} as const;

/** 0..3; see the constants of the same name. */
export type Verdict = number;

// IANA, Protocol Numbers.
const ICMP = 1;
const IGMP = 2;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
/** No Next Header for IPv6 (RFC 8200, 4.7). */
export const NO_NEXT_HEADER = 59;
const SCTP = 132;

// Shortest headers, in bytes.
const ICMP_BYTES = 8; // RFC 792, and what all messages of RFC 4443 and RFC 4861 have
const IGMP_BYTES = 8; // RFC 2236
const TCP_BYTES = 20; // RFC 9293
const UDP_BYTES = 8; // RFC 768
const SCTP_BYTES = 12; // RFC 9260
const PORTS_BYTES = 4; // the same in TCP, UDP and SCTP

const TCP_OFFSET_AT = 12;
const TCP_CHECKSUM_AT = 16;
const UDP_LENGTH_AT = 4;
const UDP_CHECKSUM_AT = 6;

/** Every Internet checksum is over bytes whose sum, with the checksum in it, is this (RFC 1071). */
export const SUM_OF_RIGHT = 0xffff;

/**
 * Finds ports and payload in the bytes from `at` to `end`, and verifies what they have of a checksum.
 *
 * @param verifiable whether those bytes are all that the checksum covers, and `addressSum` is right
 * @param stated whether IP says how long it is; otherwise `end` is a guess
 * @param addressSum the addresses' part of the pseudo header, summed up but not folded
 */
export function readTransport(
  skb: Packet,
  at: number,
  end: number,
  verifiable: boolean,
  stated: boolean,
  addressSum: number,
  into: Look,
): void {
  const bytes = end - at;
  const whole = verifiable && !into.isFragment;
  into.payloadOffset = at;
  into.payloadLength = bytes;
  into.transportChecksum = Verdict.unverifiable;
  if (into.fragmentOffset !== 0) return;
  into.transportOffset = at;
  let covered = bytes;
  let pseudo = 0;
  let checksumAt = -1;
  switch (into.ipProtocol) {
    case TCP: {
      readPorts(skb, at, bytes, into);
      if (bytes < TCP_BYTES) return;
      const header = (skb.readU8(at + TCP_OFFSET_AT) >>> 4) * 4;
      if (header >= TCP_BYTES && header <= bytes) skipHeader(header, into);
      checksumAt = TCP_CHECKSUM_AT;
      break;
    }
    case UDP: {
      readPorts(skb, at, bytes, into);
      if (bytes < UDP_BYTES) return;
      const word = skb.readU32(at + UDP_LENGTH_AT);
      const length = word >>> 16;
      skipHeader(UDP_BYTES, into);
      // Longer than its field can say (RFC 2675, 4).
      const jumbo = length === 0 && bytes > 0xffff;
      if (!jumbo) {
        if (length < UDP_BYTES) return;
        // Behind the datagram there may be more of IP's: options (RFC 9868), or rubbish.
        into.payloadLength = Math.min(length, bytes) - UDP_BYTES;
        if (length > bytes) return;
        covered = length;
      }
      if ((word & 0xffff) === 0) {
        // Left out. IPv6 does not allow that (RFC 8200, 8.1), but for tunnels that say so (RFC 6935).
        if (into.ipVersion === 6 && whole) into.transportChecksum = Verdict.bad;
        return;
      }
      checksumAt = UDP_CHECKSUM_AT;
      break;
    }
    case ICMP:
    case IGMP:
      if (into.ipVersion !== 4) return;
      if (bytes < (into.ipProtocol === ICMP ? ICMP_BYTES : IGMP_BYTES)) return;
      skipHeader(into.ipProtocol === ICMP ? ICMP_BYTES : IGMP_BYTES, into);
      break;
    case ICMPV6:
      if (into.ipVersion !== 6 || bytes < ICMP_BYTES) return;
      skipHeader(ICMP_BYTES, into);
      break;
    case SCTP:
      // Its checksum is a CRC32c (RFC 9260, 6.8), which is not looked at.
      readPorts(skb, at, bytes, into);
      if (bytes >= SCTP_BYTES) skipHeader(SCTP_BYTES, into);
      return;
    case NO_NEXT_HEADER:
      if (into.ipVersion === 6) into.transportChecksum = Verdict.none;
      return;
    default:
      return;
  }
  if (!whole) return;
  if (checksumAt !== -1 || into.ipVersion === 6) {
    pseudo = fold(addressSum + (covered >>> 16) + (covered & 0xffff) + into.ipProtocol);
  }
  if (fold(pseudo + skb.checksum(at, covered)) === SUM_OF_RIGHT) {
    into.transportChecksum = Verdict.good;
    return;
  }
  // Linux leaves the rest of the sum to the device (CHECKSUM_PARTIAL), and who captures before it sees what it left.
  if (checksumAt !== -1) into.partial = skb.readU16(at + checksumAt) === pseudo;
  // What does not say its length (BIG TCP) was never meant for a wire: a device would have cut it up, and given each
  // piece its checksum. Nobody has computed this one, so it cannot be wrong.
  if (stated) into.transportChecksum = Verdict.bad;
}

/** Adds the carries back in, of a sum of up to 65536 words of 16 bits. */
function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

function readPorts(skb: Packet, at: number, bytes: number, into: Look): void {
  if (bytes < PORTS_BYTES) return;
  const word = skb.readU32(at);
  into.sourcePort = word >>> 16;
  into.destinationPort = word & 0xffff;
}

function skipHeader(header: number, into: Look): void {
  into.payloadOffset += header;
  into.payloadLength -= header;
}
