// What is found behind IPv4 headers, and of fragments, in packets that are built byte by byte here.

import { describe, expect, it } from "vitest";
import { Verdict } from "../../cli/look.js";
import {
  type Bytes,
  type Ends,
  ethernet,
  filler,
  flipped,
  fragments4,
  fragments6,
  icmp,
  ipv4,
  ipv6,
  join,
  tcp,
  u16,
  u32,
  udp,
  V4,
  V6,
} from "./frames.js";
import { looking } from "./seen.js";

const { good, bad, unverifiable } = Verdict;

const link = looking();

describe("IPv4", () => {
  const frame = (protocol: number, payload: ArrayLike<number>, options?: Parameters<typeof ipv4>[2]) =>
    ethernet(0x0800, ipv4(protocol, payload, options));

  it("finds what TCP has, and verifies every bit of it", () => {
    const bytes = frame(6, tcp(V4, filler(101), { options: [1, 1, 1, 0] }), { options: Array(40).fill(1) });
    expect(link(bytes)).toMatchObject({
      ...{ protocol: 0x0800, networkOffset: 14, ipVersion: 4, ipProtocol: 6, isFragment: false },
      ...{
        transportOffset: 74,
        sourcePort: 4321,
        destinationPort: 80,
        payloadOffset: 98,
        payloadLength: 101,
      },
      ...{ networkChecksum: good, transportChecksum: good, checksum: good, partial: false },
      addresses: [0x0a010203, 0, 0, 0, 0xc0a80908, 0, 0, 0],
    });
    for (let at = 14; at < bytes.length; at++) {
      const seen = link(flipped(bytes, at));
      if (at >= 74) expect(seen, `byte ${at}`).toMatchObject({ networkChecksum: good, checksum: bad });
      else if (at > 14) expect(seen, `byte ${at}`).toMatchObject({ networkChecksum: bad, checksum: bad });
    }
  });

  it.each([
    ["UDP", 17, udp(V4), { sourcePort: 5353, destinationPort: 53 }],
    ["ICMP", 1, icmp(), { sourcePort: -1, destinationPort: -1 }],
    ["IGMP", 2, icmp(), { sourcePort: -1 }],
  ])("verifies %s", (_, protocol, payload, wanted) => {
    const bytes = frame(protocol, payload);
    const offsets = { transportOffset: 34, payloadOffset: 42, payloadLength: payload.length - 8 };
    expect(link(bytes)).toMatchObject({ ...wanted, ...offsets, transportChecksum: good, checksum: good });
    for (const at of [34, 36, 44, bytes.length - 1]) {
      expect(link(flipped(bytes, at))).toMatchObject({ transportChecksum: bad, checksum: bad });
    }
  });

  it("does not sum up the padding behind", () => {
    for (const payload of [tcp(V4, filler(1)), tcp(V4, [])]) {
      const bytes = join(frame(6, payload), filler(9));
      expect(link(bytes)).toMatchObject({ checksum: good, payloadLength: payload.length - 20 });
    }
  });

  it("sums up as much as UDP says", () => {
    const payload = join(udp(V4, filler(33), { length: 30 }));
    expect(link(frame(17, payload))).toMatchObject({ checksum: good, payloadLength: 22 });
    const long = frame(17, udp(V4, filler(33), { length: 42 }));
    expect(link(long)).toMatchObject({ checksum: unverifiable, payloadLength: 33 });
    const short = frame(17, udp(V4, filler(33), { length: 7, covered: 41 }));
    expect(link(short)).toMatchObject({ checksum: unverifiable, networkChecksum: good });
    const none = frame(17, udp(V4, filler(33), { length: 0, covered: 41 }));
    expect(link(none)).toMatchObject({ checksum: unverifiable, payloadOffset: 42 });
  });

  it("does not know what is left out, cut off, or of an unknown protocol", () => {
    const without = frame(17, join(udp(V4).subarray(0, 6), [0, 0], filler(33)));
    const whole = frame(6, tcp(V4));
    const known = { networkChecksum: good, transportChecksum: unverifiable, checksum: unverifiable };
    expect(link(without)).toMatchObject({ ...known, sourcePort: 5353, payloadLength: 33 });
    expect(link(whole.subarray(0, whole.length - 1), 1, whole.length)).toMatchObject(known);
    // IP says that there is more, whatever the capture says.
    expect(link(whole.subarray(0, whole.length - 1))).toMatchObject(known);
    expect(link(frame(6, tcp(V4).subarray(0, 19)))).toMatchObject({ ...known, payloadOffset: 34 });
    expect(link(frame(47, filler(50)))).toMatchObject({ ...known, transportOffset: 34, payloadOffset: 34 });
    // ICMP for IPv6 is none for IPv4.
    expect(link(frame(58, icmp()))).toMatchObject(known);
    expect(link(frame(59, []))).toMatchObject(known);
    const sctp = frame(132, join(u16(7), u16(8), filler(40)));
    expect(link(sctp)).toMatchObject({ ...known, sourcePort: 7, destinationPort: 8, payloadOffset: 46 });
    // What is all here can be verified, even if a trailer behind it has been cut off.
    expect(link(whole, 1, whole.length + 10)).toMatchObject({ checksum: good });
    // A header that is wrong is wrong, whatever it carries.
    expect(link(flipped(frame(47, filler(50)), 22))).toMatchObject({
      transportChecksum: unverifiable,
      checksum: bad,
    });
  });

  it.each([
    ["another version", { version: 6 }],
    ["a header too short", { words: 4 }],
  ])("does not believe %s", (_, options) => {
    const seen = link(frame(6, tcp(V4), options));
    expect(seen).toMatchObject({ ipVersion: 0, ipProtocol: -1, checksum: unverifiable, payloadOffset: 14 });
  });

  it("does not believe a header or length that does not fit", () => {
    // The header is longer than the packet; its first part can be read.
    const long = frame(17, [], { words: 15 });
    expect(link(long)).toMatchObject({
      ipVersion: 4,
      ipProtocol: 17,
      checksum: unverifiable,
      transportOffset: -1,
    });
    expect(link(long.subarray(0, 33))).toMatchObject({ ipVersion: 0, checksum: unverifiable });
    const short = frame(6, tcp(V4), { total: 19 });
    expect(link(short)).toMatchObject({ payloadLength: 0, transportChecksum: unverifiable });
    // A TCP header of 16 bytes, and one that is longer than the segment.
    for (const words of [4, 15]) {
      const bytes = frame(6, tcp(V4, filler(20)));
      bytes[46] = words << 4;
      expect(link(bytes)).toMatchObject({
        transportOffset: 34,
        payloadOffset: 34,
        payloadLength: 40,
        checksum: bad,
      });
    }
  });

  it("takes packets that do not say their length (BIG TCP)", () => {
    const payload = filler(80_000);
    const bytes = frame(6, tcp(V4, payload), { total: 0 });
    const wanted = { payloadOffset: 54, payloadLength: 80_000, sourcePort: 4321 };
    expect(link(bytes)).toMatchObject({ ...wanted, checksum: good, partial: false });
    expect(link(flipped(bytes, 70_000))).toMatchObject({ ...wanted, checksum: unverifiable, partial: false });
    expect(link(bytes, 1, bytes.length + 1)).toMatchObject({ checksum: unverifiable });
    // A capture's length that is less than what it holds cannot be.
    expect(link(bytes, 1, 0)).toMatchObject({ ...wanted, checksum: good });
  });

  it("tells what is left for the device from other wrong checksums", () => {
    for (const total of [-1, 0]) {
      const segment = tcp(V4, filler(500));
      segment.set(u16(pseudoSum(join(V4.source, V4.destination, u32(segment.length), u32(6)))), 16);
      const bytes = frame(6, segment, { total });
      expect(link(bytes)).toMatchObject({ partial: true, checksum: total === 0 ? unverifiable : bad });
      const other = { partial: false, checksum: total === 0 ? unverifiable : bad };
      expect(link(flipped(bytes, 34 + 16))).toMatchObject(other);
    }
    // So that the sum has a carry, which makes one more.
    const ends = { source: [255, 255, 255, 255], destination: [0, 0, 253, 243] };
    const segment = tcp(ends, filler(500));
    segment.set(u16(pseudoSum(join(ends.source, ends.destination, u32(520), u32(6)))), 16);
    expect(link(frame(6, segment, { ends }))).toMatchObject({ partial: true, checksum: bad });
    const datagram = udp(V4, filler(500));
    datagram.set(u16(pseudoSum(join(V4.source, V4.destination, u32(508), u32(17)))), 6);
    expect(link(frame(17, datagram))).toMatchObject({ partial: true, checksum: bad });
  });
});

/** Ones'-complement sum by remainder: 65536 ≡ 1 (mod 65535). */
function pseudoSum(bytes: Bytes): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] as number) * 256 + (bytes[i + 1] as number);
  return sum % 65535 || 65535;
}

describe("source routes", () => {
  // The pseudo header has the address at the end of the route, where the packet goes at last.
  const final = { source: V4.source, destination: [10, 9, 8, 7] };
  const route = (type: number, pointer: number): number[] => [type, 11, pointer, 10, 5, 5, 5, 10, 9, 8, 7, 0];

  it.each([131, 137])("that are under way end elsewhere: option %i", (type) => {
    const frame = (options: number[], ends: Ends): Bytes => ethernet(0x0800, ipv4(6, tcp(ends), { options }));
    for (const pointer of [4, 8]) {
      expect(link(frame(route(type, pointer), final)).transportChecksum).toBe(Verdict.good);
      expect(
        link(frame([1, 1, 7, 7, 4, 0, 0, 0, 0, ...route(type, pointer), 1, 0, 0], final)).transportChecksum,
      ).toBe(Verdict.good);
      expect(link(frame(route(type, pointer), V4)).transportChecksum).toBe(Verdict.bad);
    }
    // At its end, or none at all: the address is the packet's own.
    for (const pointer of [12, 0, 6, 255])
      expect(link(frame(route(type, pointer), V4)).transportChecksum).toBe(Verdict.good);
    // Behind the end of the options, or in one that is longer than they are.
    expect(link(frame([0, ...route(type, 4).slice(0, 11)], V4)).transportChecksum).toBe(Verdict.good);
    expect(link(frame([type, 12 + 1, 4, ...new Array(9).fill(5)], V4)).transportChecksum).toBe(Verdict.good);
  });
});

describe("fragments", () => {
  it.each([
    ["IPv4", fragments4(17, udp(V4, filler(3000)), 1400), 34],
    ["IPv6", fragments6(17, udp(V6, filler(3000)), 1400), 62],
  ])("of %s", (_, pieces, transportOffset) => {
    const seen = pieces.map((bytes) => link(bytes));
    expect(seen).toHaveLength(3);
    for (const [i, piece] of seen.entries()) {
      const wanted = { isFragment: true, fragmentOffset: 1400 * i, ipProtocol: 17, checksum: unverifiable };
      expect(piece).toMatchObject(wanted);
      expect([piece.hash, piece.flowHigh]).toEqual([seen[0]?.hash, seen[0]?.flowHigh]);
    }
    expect(seen[0]).toMatchObject({ transportOffset, sourcePort: 5353, payloadLength: 1392 });
    expect(seen[2]).toMatchObject({ transportOffset: -1, sourcePort: -1, payloadLength: 208 });
    expect(seen[2]?.payloadOffset).toBe(transportOffset);
  });

  it("go the same way, even if the first could tell more", () => {
    const datagram = join([17, 0, 1, 4, 0, 0, 0, 0], udp(V6, filler(3000)));
    const seen = fragments6(60, datagram, 1400).map((bytes) => link(bytes));
    expect(
      new Set(seen.map(({ hash, flowHigh, ipProtocol }) => `${hash} ${flowHigh} ${ipProtocol}`)).size,
    ).toBe(1);
  });

  it("may lie far behind", () => {
    const four = ethernet(0x0800, ipv4(17, filler(9), { fragment: 0x1fff }));
    expect(link(four)).toMatchObject({ isFragment: true, fragmentOffset: 65528 });
    const six = ethernet(0x86dd, ipv6(44, join([17, 0, ...u16(0xfff8), ...u32(1)], filler(9))));
    expect(link(six)).toMatchObject({ isFragment: true, fragmentOffset: 65528 });
  });

  it("are not what is merely not to be fragmented", () => {
    const four = ethernet(0x0800, ipv4(6, tcp(V4), { fragment: 0x4000 }));
    expect(link(four)).toMatchObject({ isFragment: false, fragmentOffset: 0, checksum: good });
    // A fragment that is all of it, with whatever in its reserved fields.
    const six = ethernet(0x86dd, ipv6(44, join([6, 0xff, ...u16(6), ...u32(1)], tcp(V6))));
    expect(link(six)).toMatchObject({
      isFragment: false,
      ipProtocol: 6,
      transportOffset: 62,
      checksum: good,
    });
  });

  it("do not have their zero checksums judged", () => {
    const [first] = fragments6(17, join(udp(V6).subarray(0, 6), [0, 0], filler(3000)), 1400);
    expect(link(first as Bytes)).toMatchObject({ sourcePort: 5353, checksum: unverifiable });
  });
});
