// What is found behind IPv6 headers, in packets that are built byte by byte here.

import { describe, expect, it } from "vitest";
import { Verdict } from "../../cli/look.js";
import {
  type Bytes,
  ethernet,
  filler,
  flipped,
  icmp,
  icmpv6,
  ipv6,
  join,
  tcp,
  u32,
  udp,
  V6,
} from "./frames.js";
import { looking } from "./seen.js";

const { none, good, bad, unverifiable } = Verdict;

const link = looking();

describe("IPv6", () => {
  const frame = (next: number, payload: ArrayLike<number>, options?: Parameters<typeof ipv6>[2]) =>
    ethernet(0x86dd, ipv6(next, payload, options));
  /** An extension header of `bytes` bytes that says nothing. */
  const extension = (next: number, bytes = 8) => [
    next,
    bytes / 8 - 1,
    1,
    bytes - 4,
    ...Array(bytes - 4).fill(0),
  ];

  it.each([
    ["TCP", 6, tcp(V6), 20, { sourcePort: 4321, destinationPort: 80 }],
    ["UDP", 17, udp(V6), 8, { sourcePort: 5353, destinationPort: 53 }],
    ["ICMPv6", 58, icmpv6(V6), 8, { sourcePort: -1 }],
  ])("finds and verifies %s", (_, next, payload, header, wanted) => {
    const bytes = frame(next, payload);
    expect(link(bytes)).toMatchObject({
      ...{
        protocol: 0x86dd,
        networkOffset: 14,
        ipVersion: 6,
        ipProtocol: next,
        transportOffset: 54,
        ...wanted,
      },
      ...{ payloadOffset: 54 + header, payloadLength: payload.length - header },
      ...{ networkChecksum: none, transportChecksum: good, checksum: good },
      addresses: [0x20010db8, 0, 0, 0xcafe0001, 0x20010db8, 0xffff0000, 0x80000000, 2],
    });
    for (const at of [22, 37, 38, 53, 54, 56, 60, 65, bytes.length - 1]) {
      if (next === 17 && (at === 58 || at === 59)) continue;
      expect(link(flipped(bytes, at)), `byte ${at}`).toMatchObject({ transportChecksum: bad, checksum: bad });
    }
    expect(link(join(bytes, filler(11)))).toMatchObject({ checksum: good });
    expect(link(bytes.subarray(0, bytes.length - 1))).toMatchObject({ checksum: unverifiable });
  });

  it("goes through extension headers", () => {
    const authentication = [17, 4, ...filler(22)];
    const chain = [
      ...extension(43, 16),
      60,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      ...extension(44, 24),
      51,
      0,
      0,
      0,
      1,
      2,
      3,
      4,
    ];
    const seen = link(frame(0, join(chain, authentication, udp(V6))));
    const wanted = { ipProtocol: 17, transportOffset: 54 + 16 + 8 + 24 + 8 + 24, isFragment: false };
    expect(seen).toMatchObject({ ...wanted, sourcePort: 5353, payloadLength: 33, checksum: good });
    // However it came there, it is the same flow.
    expect(seen.hash).toBe(link(frame(17, udp(V6))).hash);
  });

  it("does not take ICMP for ICMPv6", () => {
    expect(link(frame(1, icmp()))).toMatchObject({ checksum: unverifiable, payloadOffset: 54 });
  });

  it("goes through no more than 15 of them", () => {
    const chain = (n: number) =>
      join(...Array.from({ length: n }, (_, i) => extension(i === n - 1 ? 17 : 60)), udp(V6));
    expect(link(frame(60, chain(15)))).toMatchObject({
      ipProtocol: 17,
      transportOffset: 54 + 120,
      checksum: good,
    });
    expect(link(frame(60, chain(16)))).toMatchObject({
      ...{ ipProtocol: 60, transportOffset: -1, payloadOffset: 54 + 120, checksum: unverifiable },
    });
  });

  it("does not believe a header or length that does not fit", () => {
    const cut = link(frame(60, extension(17, 24).slice(0, 16)));
    expect(cut).toMatchObject({
      ipProtocol: 60,
      transportOffset: -1,
      payloadOffset: 54,
      checksum: unverifiable,
    });
    expect(link(frame(60, [17, 0, 0]))).toMatchObject({
      ipProtocol: 60,
      payloadLength: 3,
      checksum: unverifiable,
    });
    expect(link(frame(6, tcp(V6), { version: 4 }))).toMatchObject({ ipVersion: 0, checksum: unverifiable });
    expect(link(frame(6, tcp(V6)).subarray(0, 53))).toMatchObject({ ipVersion: 0, checksum: unverifiable });
  });

  it.each([
    ["source route", 0, (far: number[]) => [...filler(16), ...far], good],
    ["mobile route", 2, (far: number[]) => far, good],
    ["segment route", 4, (far: number[]) => [...far, ...filler(16)], good],
    ["unknown route", 99, (far: number[]) => far, unverifiable],
    ["route without an address", 0, () => [], unverifiable],
  ])("verifies with the end of a %s", (_, type, list, verdict) => {
    const far = V6.destination.map((byte) => byte ^ 0x77);
    const payload = tcp({ source: V6.source, destination: far });
    const addresses = list(far);
    const route = (left: number) =>
      join([6, addresses.length / 8, type, left, 0, 0, 0, 0], addresses, payload);
    expect(link(frame(43, route(1)))).toMatchObject({ ipProtocol: 6, sourcePort: 4321, checksum: verdict });
    // Once it is there, the address is where it belongs.
    const there = { source: V6.source, destination: far };
    expect(link(frame(43, route(0), { ends: there }))).toMatchObject({ checksum: good });
  });

  it("knows that nothing follows", () => {
    expect(link(frame(59, []))).toMatchObject({ ipProtocol: 59, checksum: none, payloadLength: 0 });
    expect(link(join(frame(59, []), filler(6)))).toMatchObject({ checksum: none, payloadLength: 0 });
    expect(link(frame(0, extension(59)))).toMatchObject({ ipProtocol: 59, checksum: none });
  });

  it("takes no UDP without a checksum", () => {
    const bytes = frame(17, join(udp(V6).subarray(0, 6), [0, 0], filler(33)));
    expect(link(bytes)).toMatchObject({ checksum: bad, partial: false });
    expect(link(bytes.subarray(0, 80))).toMatchObject({ checksum: unverifiable });
  });

  it("takes jumbograms", () => {
    const jumbo = (segment: Bytes, length = segment.length + 8) => [
      6,
      0,
      0xc2,
      4,
      ...u32(length),
      ...segment,
    ];
    const segment = tcp(V6, filler(70_000));
    const bytes = frame(0, jumbo(segment), { length: 0 });
    expect(link(bytes)).toMatchObject({ transportOffset: 62, payloadLength: 70_000, checksum: good });
    expect(link(join(bytes, filler(7)))).toMatchObject({ payloadLength: 70_000, checksum: good });
    expect(link(flipped(bytes, 66_000))).toMatchObject({ checksum: bad });
    const longer = frame(0, jumbo(segment, segment.length + 9), { length: 0 });
    expect(link(longer)).toMatchObject({ payloadLength: 70_000, checksum: unverifiable });
    const endless = frame(0, jumbo(segment, 0xffffffff), { length: 0 });
    expect(link(endless)).toMatchObject({ payloadLength: 70_000, checksum: unverifiable });
    // The option behind others; none that is too small; and not among more options than anybody sends.
    const behind = (pads: number[]) =>
      frame(0, join([6, 1, ...pads, 0xc2, 4, ...u32(segment.length + 16)], segment), { length: 0 });
    const flips = (pads: number[]) => link(flipped(behind(pads), 66_000)).checksum;
    expect(flips([1, 6, 0, 0, 0, 0, 0, 0])).toBe(bad);
    expect(flips([0, 0, 0, 1, 3, 0, 0, 0])).toBe(bad);
    expect(flips([0, 0, 0, 0, 0, 0, 0, 0])).toBe(unverifiable);
    expect(flips([5, 250, 0, 0, 0, 0, 0, 0])).toBe(unverifiable);
    // Options that are cut off, by the header's end or by the packet's.
    for (const header of [
      [6, 0, 1, 2, 0, 0, 0xc2, 4],
      [6, 1, 1, 2, 0, 0, 0xc2, 4],
      [6, 1, 1, 3, 0, 0, 0, 0xc2],
    ]) {
      const cut = { ipVersion: 6, ipProtocol: 0, sourcePort: -1, checksum: unverifiable };
      expect(link(frame(0, header, { length: 0 }), 1, 70_000)).toMatchObject(
        header[1] === 0 ? { ...cut, ipProtocol: 6 } : cut,
      );
    }
    // What looks like one, behind the options.
    const alike = join([6, 0, 1, 4, 0, 0, 0, 0], tcp(V6, filler(500), { from: 0xc204, to: 1 }));
    expect(link(frame(0, alike, { length: 0 }))).toMatchObject({ sourcePort: 0xc204, checksum: good });
    const small = frame(0, jumbo(tcp(V6), 128), { length: 0 });
    expect(link(small)).toMatchObject({ payloadLength: 100, checksum: good });
    expect(link(flipped(small, 100))).toMatchObject({ checksum: unverifiable });
    // UDP's length field is 0, too (RFC 2675, 4).
    const datagram = udp(V6, filler(70_001), { length: 0, covered: 70_009 });
    const option = [17, 0, 0xc2, 4, ...u32(70_017)];
    expect(link(frame(0, join(option, datagram), { length: 0 }))).toMatchObject({ checksum: good });
  });

  it("takes packets that do not say their length (BIG TCP)", () => {
    const bytes = frame(6, tcp(V6, filler(70_000)), { length: 0 });
    expect(link(bytes)).toMatchObject({ payloadLength: 70_000, checksum: good });
    expect(link(flipped(bytes, 66_000))).toMatchObject({ payloadLength: 70_000, checksum: unverifiable });
    expect(link(bytes, 1, bytes.length + 1)).toMatchObject({ checksum: unverifiable });
  });
});
