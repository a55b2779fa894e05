// Real traffic, in packets of every shape: the bytes stay what they were, and checksums come out as its senders
// computed them. The captures are not part of the repository: SKBUFF_CAPTURES names a folder of pcap files.

import { existsSync, readFileSync } from "node:fs";
import { Engine, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FOLDER, FOUND, filesIn } from "./folder.js";
import { caught, expectBytes, naiveSum } from "./packets.js";
import { readPcap } from "./pcap.js";

const FILES = filesIn(/\.pcap$/);

const LONGEST_HEAD = 131072;

/** Ways to build a packet of given bytes; each cuts them at other, odd places. */
const SHAPES: Record<string, (engine: Engine, bytes: Uint8Array) => Skb> = {
  linear: (engine, bytes) => engine.alloc(bytes.length, { headroom: 64 }).putData(bytes),
  "header in the head, the rest appended": (engine, bytes) =>
    engine.alloc(64).putData(bytes.subarray(0, 54)).append(bytes.subarray(54)),
  "page frags": (engine, bytes) => {
    const skb = engine.alloc(0);
    const step = Math.max(77, Math.ceil(bytes.length / 17));
    for (let at = 0; at < bytes.length; at += step) {
      const part = bytes.subarray(at, at + step);
      skb.addPageFrag(part.length).set(part);
    }
    return skb;
  },
  "lent frags": (engine, bytes) => {
    const skb = engine.alloc(16);
    const region = new UserRegion(engine, bytes.length);
    const ubuf = new Ubuf(engine);
    region.bytes.set(bytes);
    const step = Math.max(101, Math.ceil(bytes.length / 17));
    for (let at = 0; at < bytes.length; at += step) {
      skb.addUserFrag(region, at, Math.min(step, bytes.length - at), ubuf);
    }
    region.release();
    return skb;
  },
  "frag list": (engine, bytes) => {
    const skb = engine.alloc(20).putData(bytes.subarray(0, 13));
    for (let at = 13; at < bytes.length; at += 555) {
      skb.addFragList(engine.alloc(0).append(bytes.subarray(at, at + 555)));
    }
    return skb;
  },
};

describe.runIf(FOUND).each(["wasm", "js"] as const)("captures, %s", (core) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1, core });
  });

  afterAll(() => {
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });

  it("are there", () => {
    expect(FILES.length).toBeGreaterThan(0);
  });

  it.each(FILES)("%s", (name) => {
    const capture = readPcap(readFileSync(`${FOLDER}/${name}`));
    expect(capture).not.toBeNull();
    for (const [i, { bytes }] of (capture?.frames ?? []).entries()) {
      if (bytes.length === 0) continue;
      const sum = naiveSum(bytes);
      for (const [shape, build] of Object.entries(SHAPES)) {
        if (shape === "linear" && bytes.length > LONGEST_HEAD - 64) continue;
        const hint = `frame ${i}, ${shape}`;
        const skb = build(engine, bytes);
        expectBytes(skb.toBytes(), bytes, hint);
        expect(skb.checksum(), hint).toBe(sum);
        const half = skb.length >> 1;
        expect(skb.checksum(half), hint).toBe(naiveSum(bytes.subarray(half)));
        const rest = skb.split(Math.min(half | 1, skb.length));
        expectBytes(Buffer.concat([...skb.segments(), ...rest.segments()]), bytes, `${hint}, split`);
        rest.release();
        skb.release();
      }
    }
    expect(stats(engine).skbs.used).toBe(0);
  });

  describe("transport checksums", () => {
    const ETHERNET = 14;

    /** Whether the transport checksum of an IPv4 packet over Ethernet is right. */
    function verifies(skb: Skb): boolean {
      const ip = ETHERNET;
      expect(skb.readU16(12)).toBe(0x0800);
      const headerLength = (skb.readU8(ip) & 15) * 4;
      const length = skb.readU16(ip + 2) - headerLength;
      expect(skb.checksum(ip, headerLength)).toBe(0xffff);
      // The pseudo header: both addresses, the protocol and the length.
      const pseudo = skb.checksum(ip + 12, 8) + skb.readU8(ip + 9) + length;
      let sum = pseudo + skb.checksum(ip + headerLength, length);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
      return sum === 0xffff;
    }

    it.each([
      ["zeek-ip4-tcp-good-chksum.pcap", true],
      ["zeek-ip4-tcp-bad-chksum.pcap", false],
      ["zeek-ip4-udp-good-chksum.pcap", true],
      ["zeek-ip4-udp-bad-chksum.pcap", false],
    ])("%s: %s", (name, good) => {
      const path = `${FOLDER}/${name}`;
      // A folder of other captures need not have these.
      if (!existsSync(path)) return;
      const frames = readPcap(readFileSync(path))?.frames ?? [];
      expect(frames.length).toBe(1);
      for (const { bytes } of frames) {
        for (const [shape, build] of Object.entries(SHAPES)) {
          const skb = build(engine, bytes);
          expect(verifies(skb), shape).toBe(good);
          skb.release();
        }
      }
    });
  });
});

describe("the reader", () => {
  it("refuses what is no capture", () => {
    expect(readPcap(new Uint8Array(10))).toBeNull();
    expect(readPcap(new Uint8Array(100))).toBeNull();
  });

  it("reads both byte orders, and leaves out what is cut off", () => {
    for (const little of [true, false]) {
      const file = new DataView(new ArrayBuffer(24 + 16 + 3 + 16 + 1));
      file.setUint32(0, 0xa1b2c3d4, little);
      file.setUint32(20, 1, little);
      file.setUint32(24 + 8, 3, little);
      file.setUint32(24 + 12, 60, little);
      file.setUint8(40, 9);
      file.setUint32(43 + 8, 2, little);
      const capture = readPcap(new Uint8Array(file.buffer));
      expect(caught(() => capture?.frames)).toBeUndefined();
      expect(capture).toEqual({ linkType: 1, frames: [{ bytes: Uint8Array.of(9, 0, 0), length: 60 }] });
    }
  });
});
