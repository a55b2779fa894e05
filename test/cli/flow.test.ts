// The flow hash as numbers: one half against another implementation, both against chance.

import { expect, it } from "vitest";
import { hashFlow } from "../../cli/flow.js";
import { Look } from "../../cli/look.js";

const MASK = 0xffffffffn;

/** Multipliers, rotations and addend of a variant of MurmurHash3: of x86_32, and of the first lane of x86_128. */
type Variant = [bigint, bigint, bigint, bigint, bigint];
const X86_32: Variant = [0xcc9e2d51n, 0x1b873593n, 15n, 13n, 0xe6546b64n];
const UPPER: Variant = [0x38b34ae5n, 0xa1e38b93n, 16n, 19n, 0x561ccd1bn];

/** MurmurHash3 with whole numbers of any size, over bytes; the length is a multiple of 4. */
function murmur3(bytes: Uint8Array, seed: number, [c1, c2, r1, r2, addend] = X86_32): number {
  const rotated = (x: bigint, n: bigint) => ((x << n) | (x >> (32n - n))) & MASK;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let h = BigInt(seed);
  for (let at = 0; at < bytes.length; at += 4) {
    const k = (BigInt(view.getUint32(at, true)) * c1) & MASK;
    h ^= (rotated(k, r1) * c2) & MASK;
    h = (rotated(h, r2) * 5n + addend) & MASK;
  }
  h ^= BigInt(bytes.length);
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & MASK;
  h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & MASK;
  return Number(h ^ (h >> 16n));
}

function flow(version: number, words: number[], ports: [number, number]): Look {
  const seen = new Look();
  seen.ipVersion = version;
  seen.ipProtocol = 6;
  seen.addresses.set(words);
  [seen.sourcePort, seen.destinationPort] = ports;
  hashFlow(seen, version === 4 ? 1 : 4);
  return seen;
}

function ones(value: number): number {
  return value.toString(2).replaceAll("0", "").length;
}

it("is MurmurHash3 of the ends in order, and the protocol", () => {
  // Published test vectors.
  expect(murmur3(new Uint8Array(0), 1)).toBe(0x514e28b7);
  expect(murmur3(Uint8Array.of(0x21, 0x43, 0x65, 0x87), 0)).toBe(0xf55b516b);
  const check = (seen: Look, words: number[]) => {
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    expect(seen.hash).toBe(murmur3(bytes, 0x9747b28c));
    expect(seen.flowHigh).toBe(murmur3(bytes, 0x9747b28c, UPPER));
  };
  const four = [0x0a000001, 0xc0000002, (1234 << 16) | 80, 0x406];
  check(flow(4, [0x0a000001, 0, 0, 0, 0xc0000002], [1234, 80]), four);
  check(flow(4, [0xc0000002, 0, 0, 0, 0x0a000001], [80, 1234]), four);
  const six = [1, 2, 3, 0x7fffffff, 1, 2, 3, 0x80000000, (9 << 16) | 0xfffe, 0x606];
  check(flow(6, [1, 2, 3, 0x7fffffff, 1, 2, 3, 0x80000000], [9, 0xfffe]), six);
  check(flow(6, [1, 2, 3, 0x80000000, 1, 2, 3, 0x7fffffff], [0xfffe, 9]), six);
  check(flow(4, [0x0a000001, 0, 0, 0, 0xc0000002], [-1, -1]), [0x0a000001, 0xc0000002, 0x406]);
});

it("is never 0", () => {
  const ports = [62118, 49840] as [number, number];
  const words = [0x0a000001, 0xc0000002, (ports[0] << 16) | ports[1], 0x406];
  expect(murmur3(new Uint8Array(Uint32Array.from(words).buffer), 0x9747b28c)).toBe(0);
  expect(flow(4, [0x0a000001, 0, 0, 0, 0xc0000002], ports).hash).toBe(1);
});

it("every bit of an end changes half of the bits of both halves", () => {
  const words = [0x20010db8, 0x00010002, 0, 7, 0x20010db8, 0xffff0000, 0, 9];
  const before = flow(6, words, [40000, 443]);
  for (let bit = 0; bit < 256 + 32; bit++) {
    const changed = [...words];
    const ports: [number, number] = [40000, 443];
    if (bit < 256) changed[bit >> 5] = (changed[bit >> 5] as number) ^ (1 << (bit & 31));
    else ports[bit < 272 ? 0 : 1] ^= 1 << (bit & 15);
    const after = flow(6, changed, ports);
    // 16 on average; beyond these limits one in 50,000.
    for (const difference of [(before.hash ^ after.hash) >>> 0, (before.flowHigh ^ after.flowHigh) >>> 0]) {
      expect(ones(difference), `bit ${bit}`).toBeGreaterThanOrEqual(4);
      expect(ones(difference), `bit ${bit}`).toBeLessThanOrEqual(28);
    }
  }
});

/** Ways to choose one of `n` by a hash: by its low bits, by its high ones, and as a mesh does. */
const CHOICES: ((hash: number, n: number) => number)[] = [
  (hash, n) => hash % n,
  (hash, n) => Math.floor((hash / 2 ** 32) * n),
  (hash, n) => ((Math.imul(hash, 0x9e3779b1) >>> 16) * n) >>> 16,
];

it("flows that are next to each other spread evenly, and are told apart", () => {
  const flows = 200_000;
  const identities = new Set<bigint>();
  const halves = [new Uint32Array(flows), new Uint32Array(flows)] as const;
  for (let i = 0; i < flows; i++) {
    const address = 0x0a000000 + (i >> 8);
    const { hash, flowHigh } = flow(4, [address, 0, 0, 0, 0x0a000001], [30000 + (i & 255), 80]);
    identities.add((BigInt(flowHigh) << 32n) | BigInt(hash));
    halves[0][i] = hash;
    halves[1][i] = flowHigh;
  }
  expect(identities.size).toBe(flows);
  for (const half of halves) {
    // Of so many, 4.7 share 32 bits by chance.
    expect(new Set(half).size).toBeGreaterThan(flows - 20);
    for (const choose of CHOICES) {
      for (const n of [2, 3, 7, 64]) {
        const counts = new Array<number>(n).fill(0);
        for (const hash of half) counts[choose(hash, n)] = (counts[choose(hash, n)] as number) + 1;
        for (const count of counts)
          expect(Math.abs(count - flows / n)).toBeLessThan(5 * Math.sqrt(flows / n));
      }
    }
  }
});
