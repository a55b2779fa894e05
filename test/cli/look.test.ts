// What is found in front of IP headers, and which flow it makes, in packets that are built byte by byte here.

import { Engine } from "skbuff";
import { describe, expect, it } from "vitest";
import { Look, look, type Packet, Verdict } from "../../cli/look.js";
import {
  type Bytes,
  ethernet,
  filler,
  flipped,
  ipv4,
  ipv6,
  join,
  reversed,
  tcp,
  u16,
  u32,
  udp,
  V4,
  V6,
} from "./frames.js";
import { linear, looking } from "./seen.js";

const { none, good } = Verdict;

const link = looking();

describe("link layers", () => {
  const packet4 = ipv4(6, tcp(V4));
  const packet6 = ipv6(17, udp(V6));
  const sll = (type: number) => join(u16(0), u16(1), u16(6), filler(8), u16(type));
  const sll2 = (type: number) => join(u16(type), u16(0), u32(3), u16(1), [0, 6], filler(8));
  const family = (value: number) => [value, 0, 0, 0];

  it.each([
    ["Ethernet", 1, ethernet(0x0800, []), packet4],
    ["Ethernet", 1, ethernet(0x86dd, []), packet6],
    ["BSD loopback, little-endian", 0, family(2), packet4],
    ["BSD loopback, big-endian", 0, family(2).reverse(), packet4],
    ["BSD loopback, Linux", 0, family(10), packet6],
    ["BSD loopback, NetBSD", 0, family(24), packet6],
    ["BSD loopback, FreeBSD", 0, family(28), packet6],
    ["BSD loopback, Darwin, big-endian", 0, family(30).reverse(), packet6],
    ["OpenBSD loopback", 108, family(2).reverse(), packet4],
    ["raw", 101, [], packet4],
    ["raw", 101, [], packet6],
    ["raw of BSDs", 12, [], packet4],
    ["raw of OpenBSD", 14, [], packet6],
    ["IPv4", 228, [], packet4],
    ["IPv6", 229, [], packet6],
    ["Linux cooked", 113, sll(0x0800), packet4],
    ["Linux cooked", 113, sll(0x86dd), packet6],
    ["Linux cooked, version 2", 276, sll2(0x0800), packet4],
    ["Linux cooked, version 2", 276, sll2(0x86dd), packet6],
  ])("%s (%i)", (_, linkType, header, packet) => {
    const seen = link(join(header, packet), linkType);
    const wanted =
      packet === packet4
        ? { protocol: 0x0800, ipVersion: 4, ipProtocol: 6, sourcePort: 4321, destinationPort: 80 }
        : { protocol: 0x86dd, ipVersion: 6, ipProtocol: 17, sourcePort: 5353, destinationPort: 53 };
    expect(seen).toMatchObject({ ...wanted, networkOffset: header.length, checksum: good });
    // The flow is the same, whatever the packet came through.
    expect([seen.hash, seen.flowHigh]).toEqual(flowOf(packet, packet === packet4 ? 228 : 229));
    // Behind the whole header there may be nothing; what is too short for it has none.
    if (header.length > 0) {
      const alone = { ...wanted, ipVersion: 0, ipProtocol: -1, sourcePort: -1, destinationPort: -1 };
      expect(link(join(header), linkType)).toMatchObject({ ...alone, payloadOffset: header.length });
    }
    for (let n = 0; n < header.length; n++) {
      expect(link(join(header).subarray(0, n), linkType)).toMatchObject({ protocol: 0, networkOffset: -1 });
    }
  });

  const flowOf = (packet: Bytes, linkType: number) => {
    const { hash, flowHigh } = link(packet, linkType);
    return [hash, flowHigh];
  };

  it.each([
    [147, ethernet(0x0800, packet4)],
    [0, join(family(7), packet4)],
    [108, join(family(0), packet4)],
    [0, join([2, 1, 0, 0], packet4)],
    [0, join([2, 0, 1, 0], packet4)],
    [101, ipv4(6, tcp(V4), { version: 5 })],
    [101, []],
  ])("finds nothing behind %i, %#", (linkType, bytes) => {
    const seen = link(join(bytes), linkType);
    expect(seen).toEqual({ ...new Look(), addresses: Array(8).fill(0) });
    expect(seen).toMatchObject({ hash: 0, flowHigh: 0, checksum: none });
  });

  it("takes VLAN tags off", () => {
    const arp = filler(28);
    const tags: [number, number][] = [
      [0x88a8, 0xe123],
      [0x8100, 0x0007],
      [0x9100, 0x0fff],
    ];
    expect(link(ethernet(0x0806, arp))).toMatchObject({ vlanTags: 0, vlanId: -1, networkOffset: 14 });
    for (let n = 1; n <= 8; n++) {
      const some = Array.from({ length: n }, (_, i) => tags[i % 3] as [number, number]);
      const wanted = { vlanTags: n, vlanId: 0x123, networkOffset: 14 + 4 * n };
      expect(link(ethernet(0x0806, arp, some))).toMatchObject({
        ...wanted,
        protocol: 0x0806,
        checksum: none,
      });
      expect(link(ethernet(0x0800, packet4, some))).toMatchObject({
        ...wanted,
        ipVersion: 4,
        checksum: good,
      });
      // Cut off in the last tag.
      expect(link(ethernet(0x0806, [], some).subarray(0, 13 + 4 * n))).toMatchObject({
        vlanTags: n - 1,
        protocol: some[n - 1]?.[0],
      });
    }
    const nine = Array.from({ length: 9 }, (): [number, number] => [0x8100, 5]);
    expect(link(ethernet(0x0800, packet4, nine))).toMatchObject({
      vlanTags: 8,
      protocol: 0x8100,
      ipVersion: 0,
    });
  });

  it("tells lengths from EtherTypes", () => {
    expect(link(ethernet(0x05ff, filler(50)))).toMatchObject({
      protocol: 4,
      networkOffset: 14,
      checksum: none,
    });
    expect(link(ethernet(0x0600, filler(50)))).toMatchObject({ protocol: 0x0600 });
    expect(link(ethernet(38, filler(50), [[0x8100, 9]]))).toMatchObject({ protocol: 4, networkOffset: 18 });
  });
});

describe("flows of", () => {
  it("both directions are the same", () => {
    for (const [ends, frame] of [
      [V4, (bytes: Bytes, ends: typeof V4) => ethernet(0x0800, ipv4(6, bytes, { ends }))],
      [V6, (bytes: Bytes, ends: typeof V4) => ethernet(0x86dd, ipv6(6, bytes, { ends }))],
    ] as const) {
      const same = { source: ends.source, destination: ends.source };
      for (const [e, from, to] of [
        [ends, 1, 2],
        [ends, 2, 1],
        [same, 1, 2],
        [same, 7, 7],
      ] as const) {
        const there = link(frame(tcp(e, [], { from, to }), e));
        const back = link(frame(tcp(reversed(e), filler(9), { from: to, to: from }), reversed(e)));
        expect([back.hash, back.flowHigh]).toEqual([there.hash, there.flowHigh]);
        expect(there.checksum).toBe(good);
      }
      // Other ends, though made of the same numbers.
      const one = link(frame(tcp(ends, [], { from: 1, to: 2 }), ends));
      const other = link(frame(tcp(ends, [], { from: 2, to: 1 }), ends));
      expect(other.hash).not.toBe(one.hash);
      expect(other.flowHigh).not.toBe(one.flowHigh);
    }
  });

  it("other protocols, ports or addresses are others", () => {
    const port = ethernet(0x0800, ipv4(17, udp(V4, filler(33), { from: 5354 })));
    const host = ethernet(0x0800, ipv4(17, udp(V4), { ends: { ...V4, source: [10, 1, 2, 4] } }));
    const frames = [ethernet(0x0800, ipv4(6, tcp(V4))), ethernet(0x0800, ipv4(17, udp(V4))), port, host];
    frames.push(ethernet(0x0800, ipv4(132, udp(V4))), ethernet(0x0800, ipv4(47, udp(V4))));
    frames.push(ethernet(0x86dd, ipv6(17, udp(V6))), ethernet(0x0806, udp(V4)), ethernet(0x0807, udp(V4)));
    const seen = frames.map((bytes) => link(bytes));
    expect(new Set(seen.map(({ hash }) => hash)).size).toBe(frames.length);
    expect(new Set(seen.map(({ flowHigh }) => flowHigh)).size).toBe(frames.length);
  });

  it("what is not IP go by the link's addresses, or by the EtherType", () => {
    const arp = ethernet(0x0806, filler(28));
    const back = join(arp.subarray(6, 12), arp.subarray(0, 6), arp.subarray(12));
    expect(link(back).hash).toBe(link(arp).hash);
    expect(link(back).flowHigh).toBe(link(arp).flowHigh);
    expect(link(arp).addresses).toEqual([0x02000000, 0xaa01, 0, 0, 0x02000000, 0x00bb, 0, 0]);
    for (let at = 0; at < 12; at++) expect(link(flipped(arp, at)).hash).not.toBe(link(arp).hash);
    const cooked = (type: number) => link(join(filler(14), u16(type), filler(28)), 113).hash;
    expect(cooked(0x0806)).not.toBe(cooked(0x0807));
    expect(cooked(0x0806)).not.toBe(0);
  });
});

it("asks little of a packet", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 1 });
  let calls = 0;
  const skb = linear(engine, ethernet(0x0800, ipv4(6, tcp(V4, filler(1400)))));
  const counting = new Proxy(skb, {
    get(target, name) {
      calls++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set(target, name, value) {
      calls++;
      return Reflect.set(target, name, value, target);
    },
  });
  look(counting as Packet, 1, skb.length, new Look());
  expect(calls).toBeLessThanOrEqual(15);
  skb.release();
  engine.close();
});
