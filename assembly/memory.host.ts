// The only place that touches memory, in JS: `memory.ts` over typed arrays and Atomics. Compiled into a
// factory, so that each engine has its own `bind`.

import { PAGE_BYTES } from "./layout";

let bytes: Uint8Array = new Uint8Array(0);
let halves: Uint16Array = new Uint16Array(0);
let words: Uint32Array = new Uint32Array(0);
let signed: Int32Array = new Int32Array(0);
let doubles: BigInt64Array = new BigInt64Array(0);

// Some milliseconds, as in memory.ts.
const SPIN_MOST: u32 = 1 << 20;

/** Gives this instance its memory. The views stay good because the memory never grows. */
export function bind(buffer: ArrayBufferLike): void {
  bytes = new Uint8Array(buffer);
  halves = new Uint16Array(buffer);
  words = new Uint32Array(buffer);
  signed = new Int32Array(buffer);
  doubles = new BigInt64Array(buffer);
}

// Trusts that every address that the core uses is inside the memory: it comes from the tables that `format` laid out.
// The exclamation marks tell the type checker so; a wild address would read undefined and never write.

/** Whether `n` bytes at `p`, which is a multiple of `n` that is a power of two, can be an arena's: none begins below its first page. */
function isGood(p: u32, n: u32): bool {
  return p >= PAGE_BYTES && p + n <= bytes.length && p % n === 0;
}

/** The same for `n` bytes at any address. */
function areGood(p: u32, n: u32): bool {
  return n === 0 || (p >= PAGE_BYTES && p + n <= bytes.length);
}

export function load8(p: u32): u32 {
  if (DEBUG) assert(isGood(p, 1), "the address is in the arena");
  return bytes[p]!;
}
export function store8(p: u32, v: u32): void {
  if (DEBUG) assert(isGood(p, 1), "the address is in the arena");
  bytes[p] = v;
}
export function load16(p: u32): u32 {
  if (DEBUG) assert(isGood(p, 2), "the address is in the arena");
  return halves[p >>> 1]!;
}
export function store16(p: u32, v: u32): void {
  if (DEBUG) assert(isGood(p, 2), "the address is in the arena");
  halves[p >>> 1] = v;
}
export function load32(p: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return words[p >>> 2]!;
}
export function store32(p: u32, v: u32): void {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  words[p >>> 2] = v;
}

export function loadNet16(p: u32): u32 {
  if (DEBUG) assert(areGood(p, 2), "the address is in the arena");
  return (bytes[p]! << 8) | bytes[p + 1]!;
}
export function loadNet32(p: u32): u32 {
  if (DEBUG) assert(areGood(p, 4), "the address is in the arena");
  return ((bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!) >>> 0;
}
export function storeNet16(p: u32, v: u32): void {
  if (DEBUG) assert(areGood(p, 2), "the address is in the arena");
  bytes[p] = v >>> 8;
  bytes[p + 1] = v;
}
export function storeNet32(p: u32, v: u32): void {
  if (DEBUG) assert(areGood(p, 4), "the address is in the arena");
  bytes[p] = v >>> 24;
  bytes[p + 1] = v >>> 16;
  bytes[p + 2] = v >>> 8;
  bytes[p + 3] = v;
}

export function atomicLoad32(p: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.load(words, p >>> 2);
}
export function atomicStore32(p: u32, v: u32): void {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  Atomics.store(words, p >>> 2, v);
}
export function atomicAdd32(p: u32, v: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.add(words, p >>> 2, v);
}
export function atomicSub32(p: u32, v: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.sub(words, p >>> 2, v);
}
export function atomicOr32(p: u32, v: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.or(words, p >>> 2, v);
}
export function atomicExchange32(p: u32, v: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.exchange(words, p >>> 2, v);
}
export function atomicCas32(p: u32, expected: u32, desired: u32): u32 {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  return Atomics.compareExchange(words, p >>> 2, expected, desired);
}
export function cas64(p: u32, low: u32, high: u32, newLow: u32, newHigh: u32): bool {
  if (DEBUG) assert(isGood(p, 8), "the address is in the arena");
  const expected = BigInt.asIntN(64, BigInt(low) | (BigInt(high) << 32n));
  const desired = BigInt.asIntN(64, BigInt(newLow) | (BigInt(newHigh) << 32n));
  return Atomics.compareExchange(doubles, p >>> 3, expected, desired) === expected;
}

export function speculate32(p: u32): u32 {
  return atomicLoad32(p);
}
export function notify(p: u32): void {
  if (DEBUG) assert(isGood(p, 4), "the address is in the arena");
  // Sleeping needs signed words.
  Atomics.notify(signed, p >>> 2);
}
export function spinWhile(p: u32, value: u32): void {
  let left = SPIN_MOST;
  while (left !== 0 && atomicLoad32(p) === value) left -= 1;
}

export function wrapAdd(a: u32, b: u32): u32 {
  return (a + b) >>> 0;
}
export function wrapSub(a: u32, b: u32): u32 {
  return (a - b) >>> 0;
}
export function wrapMul(a: u32, b: u32): u32 {
  return Math.imul(a, b) >>> 0;
}
export function leadingZeros(v: u32): u32 {
  return Math.clz32(v);
}
export function quotient(a: u32, b: u32): u32 {
  return Math.floor(a / b);
}

export function copy(to: u32, from: u32, n: u32): void {
  if (DEBUG) assert(areGood(to, n) && areGood(from, n), "the address is in the arena");
  bytes.copyWithin(to, from, from + n);
}
export function fill(p: u32, value: u32, n: u32): void {
  if (DEBUG) assert(areGood(p, n), "the address is in the arena");
  bytes.fill(value, p, p + n);
}
export function clear32(p: u32): void {
  if (DEBUG) assert(isGood(p, 32), "the address is in the arena");
  const first = p >>> 2;
  for (let i = first; i < first + 8; i++) words[i] = 0;
}
export function storeFour(p: u32, a: u32, b: u32, c: u32, d: u32): void {
  if (DEBUG) assert(isGood(p, 16), "the address is in the arena");
  const first = p >>> 2;
  words[first] = a;
  words[first + 1] = b;
  words[first + 2] = c;
  words[first + 3] = d;
}
export function copy128(to: u32, from: u32): void {
  if (DEBUG) assert(isGood(to, 128) && isGood(from, 128), "the address is in the arena");
  const target = to >>> 2;
  const source = from >>> 2;
  for (let i = 0; i < 32; i++) words[target + i] = words[source + i]!;
}

export function sum16(p: u32, n: u32): u32 {
  if (DEBUG) assert(areGood(p, n), "the address is in the arena");
  let total = 0;
  if ((p & 1) === 0) {
    // Sums of 2^31 halfwords stay below 2^53, the last exact integer.
    const end = (p + n) >>> 1;
    for (let i = p >>> 1; i < end; i++) total += halves[i]!;
  } else {
    const end = p + n - 1;
    for (let i = p; i < end; i += 2) total += bytes[i]! | (bytes[i + 1]! << 8);
  }
  if ((n & 1) !== 0) total += bytes[p + n - 1]!;
  while (total > 0xffff) total = (total % 65536) + Math.floor(total / 65536);
  return total;
}
