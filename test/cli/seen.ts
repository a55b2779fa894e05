// Looks at the same bytes in packets of different shapes, which must not make a difference.

import { Engine, type Skb } from "skbuff";
import { audit } from "skbuff/inspect";
import { afterAll, beforeAll, expect } from "vitest";
import { Look, look } from "../../cli/look.js";

export type Seen = Omit<Look, "addresses"> & { addresses: number[] };

/** Bytes of the frags in front, small and odd, so that headers and their fields lie across them; the last takes the rest. */
const PIECES = [1, 3, 10, 2, 5, 7, 1, 1, 6, 9, 4, 3, 17, 21, 33, 51];

/** A packet of one piece: in the head if it takes that many bytes. */
export function linear(engine: Engine, bytes: Uint8Array): Skb {
  return bytes.length > 100_000
    ? engine.alloc(0).append(bytes)
    : engine.alloc(bytes.length, { headroom: 2 }).putData(bytes);
}

/** A packet of which nothing is in the head. */
export function scattered(engine: Engine, bytes: Uint8Array): Skb {
  const skb = engine.alloc(0);
  let at = 0;
  for (const n of [...PIECES, bytes.length]) {
    const part = bytes.subarray(at, at + n);
    if (part.length === 0) break;
    skb.addPageFrag(part.length).set(part);
    at += part.length;
  }
  return skb;
}

const NAMES = Object.keys(new Look()).filter((name) => name !== "addresses") as (keyof Look)[];

/** Where two differ; "" if nowhere. */
export function difference(a: Look, b: Look): string {
  for (const name of NAMES) if (a[name] !== b[name]) return `${name}: ${a[name]}, ${b[name]}`;
  for (let i = 0; i < 8; i++) {
    if (a.addresses[i] !== b.addresses[i]) return `address word ${i}: ${a.addresses[i]}, ${b.addresses[i]}`;
  }
  return "";
}

/** What is wrong with a result, whatever the packet was; "" if nothing is. */
export function flaw(seen: Look, length: number): string {
  const { networkOffset, transportOffset, payloadOffset, payloadLength, sourcePort, destinationPort } = seen;
  const found = networkOffset !== -1;
  if (found && (networkOffset < 0 || networkOffset > length)) return `networkOffset ${networkOffset}`;
  if (found !== (payloadOffset !== -1)) return `payloadOffset ${payloadOffset}`;
  if (found && payloadOffset < networkOffset) return `payloadOffset ${payloadOffset}`;
  if (payloadLength < 0 || Math.max(payloadOffset, 0) + payloadLength > length) {
    return `payload ${payloadOffset} + ${payloadLength}`;
  }
  if (transportOffset !== -1 && (transportOffset < networkOffset + 20 || transportOffset > payloadOffset)) {
    return `transportOffset ${transportOffset}`;
  }
  if ((sourcePort === -1) !== (destinationPort === -1)) return "one port";
  if (sourcePort !== -1 && (transportOffset === -1 || transportOffset + 4 > length))
    return "ports of nothing";
  if (seen.checksum !== Math.max(seen.networkChecksum, seen.transportChecksum)) return "checksum";
  if (found === (seen.hash === 0) || seen.hash >>> 0 !== seen.hash) return `hash ${seen.hash}`;
  if (seen.flowHigh >>> 0 !== seen.flowHigh) return `flowHigh ${seen.flowHigh}`;
  return "";
}

const used = new Look();

/** What is found in a packet of these bytes. Throws if it depends on its shape. */
export function see(engine: Engine, bytes: Uint8Array, linkType = 1, original = bytes.length): Seen {
  const results = [linear, scattered].map((build, i) => {
    const skb = build(engine, bytes);
    // One has been used for other packets, of which nothing may be left.
    const into = i === 0 ? used : new Look();
    try {
      look(skb, linkType, original, into);
      if (skb.hash !== into.hash || skb.protocol !== into.protocol) throw new Error("not set on the packet");
    } finally {
      skb.release();
    }
    return into;
  }) as [Look, Look];
  const wrong = difference(...results) || flaw(results[0], bytes.length);
  if (wrong !== "") throw new Error(wrong);
  return { ...results[0], addresses: [...results[0].addresses] };
}

/** An engine of the suite's own, to be asked for in its tests. Afterwards nothing of it is out. */
export function suiteEngine(): () => Engine {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1 });
  });

  afterAll(() => {
    expect(audit(engine).problems).toEqual([]);
    expect(engine.close()).toEqual([]);
  });

  return () => engine;
}

/** `see` with such an engine. */
export function looking(): (bytes: Uint8Array, linkType?: number, original?: number) => Seen {
  const engine = suiteEngine();
  return (bytes, linkType, original) => see(engine(), bytes, linkType, original);
}
