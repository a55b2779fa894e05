// The only place that touches memory, in Wasm. `memory.host.ts` is the same module over typed arrays.
//
// Plain accesses are for what one thread owns. Atomic ones are sequentially consistent, the only order that
// Wasm and JS have; the reason for each stands where it is called. On unshared memory they work as well.

// Some milliseconds: longer than any thread stands between two steps, unless it was taken off its core.
const SPIN_MOST: u32 = 1 << 22;

export function load8(p: u32): u32 {
  return load<u8>(p);
}
export function store8(p: u32, v: u32): void {
  store<u8>(p, v as u8);
}
export function load16(p: u32): u32 {
  return load<u16>(p);
}
export function store16(p: u32, v: u32): void {
  store<u16>(p, v as u16);
}
export function load32(p: u32): u32 {
  return load<u32>(p);
}
export function store32(p: u32, v: u32): void {
  store<u32>(p, v);
}

/** Big-endian (network order), at any address. */
export function loadNet16(p: u32): u32 {
  return bswap<u16>(load<u16>(p));
}
/** Big-endian, at any address. */
export function loadNet32(p: u32): u32 {
  return bswap<u32>(load<u32>(p));
}
/** Big-endian, at any address. */
export function storeNet16(p: u32, v: u32): void {
  store<u16>(p, bswap<u16>(v as u16));
}
/** Big-endian, at any address. */
export function storeNet32(p: u32, v: u32): void {
  store<u32>(p, bswap<u32>(v));
}

export function atomicLoad32(p: u32): u32 {
  return atomic.load<u32>(p);
}
export function atomicStore32(p: u32, v: u32): void {
  atomic.store<u32>(p, v);
}
/** Adds, wrapping; returns the old value. */
export function atomicAdd32(p: u32, v: u32): u32 {
  return atomic.add<u32>(p, v);
}
/** Subtracts, wrapping; returns the old value. */
export function atomicSub32(p: u32, v: u32): u32 {
  return atomic.sub<u32>(p, v);
}
/** Sets bits; returns the old value. */
export function atomicOr32(p: u32, v: u32): u32 {
  return atomic.or<u32>(p, v);
}
/** Stores; returns the old value. */
export function atomicExchange32(p: u32, v: u32): u32 {
  return atomic.xchg<u32>(p, v);
}
/** Stores `desired` if `expected` is there; returns what was there. */
export function atomicCas32(p: u32, expected: u32, desired: u32): u32 {
  return atomic.cmpxchg<u32>(p, expected, desired);
}
/** The one 64-bit operation: replaces the pair (low at `p`, high at `p + 4`) if it is as expected. */
export function cas64(p: u32, low: u32, high: u32, newLow: u32, newHigh: u32): bool {
  const expected = (low as u64) | ((high as u64) << 32);
  const desired = (newLow as u64) | ((newHigh as u64) << 32);
  return atomic.cmpxchg<u64>(p, expected, desired) === expected;
}

/**
 * An atomic load of a word that may be somebody else's by now: what it returns counts only if a later
 * compare-and-swap finds that nothing has changed.
 */
export function speculate32(p: u32): u32 {
  return atomicLoad32(p);
}
/** Wakes all threads that sleep at `p`. */
export function notify(p: u32): void {
  atomic.notify(p, -1);
}
/** Waits until the word at `p` is not `value`: it changes within a few steps of another thread, unless that one died. */
export function spinWhile(p: u32, value: u32): void {
  let left = SPIN_MOST;
  while (left !== 0 && atomicLoad32(p) === value) left -= 1;
}

/** a + b modulo 2^32, for what is meant to wrap: counters, generations, tags. */
export function wrapAdd(a: u32, b: u32): u32 {
  return a + b;
}
/** a - b modulo 2^32. */
export function wrapSub(a: u32, b: u32): u32 {
  return a - b;
}
/** a * b modulo 2^32. */
export function wrapMul(a: u32, b: u32): u32 {
  return a * b;
}
/** Leading zero bits. */
export function leadingZeros(v: u32): u32 {
  return clz<u32>(v);
}
/** a / b, rounded down. */
export function quotient(a: u32, b: u32): u32 {
  return a / b;
}

/** Copies `n` bytes; the ranges may overlap. */
export function copy(to: u32, from: u32, n: u32): void {
  memory.copy(to, from, n);
}
export function fill(p: u32, value: u32, n: u32): void {
  memory.fill(p, value as u8, n);
}
/** Clears the 32 bytes at `p`. */
export function clear32(p: u32): void {
  v128.store(p, i32x4.splat(0));
  v128.store(p, i32x4.splat(0), 16);
}
/** Stores four words from `p` on, as one store. */
export function storeFour(p: u32, a: u32, b: u32, c: u32, d: u32): void {
  const ab = i32x4.replace_lane(i32x4.splat(a), 1, b);
  v128.store(p, i32x4.replace_lane(i32x4.replace_lane(ab, 2, c), 3, d));
}
/** Copies 128 bytes between places that do not overlap. */
export function copy128(to: u32, from: u32): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
  v128.store(to, v128.load(from, 96), 96);
  v128.store(to, v128.load(from, 112), 112);
}

/**
 * Ones'-complement sum of the bytes as little-endian 16-bit words, an odd last byte padded with 0, folded to
 * 16 bits. Eight words a step: their pairs are added into four 32-bit lanes.
 */
export function sum16(p: u32, n: u32): u32 {
  let total: u64 = 0;
  while (n >= 16) {
    // A lane gains at most 2 * 65535 a step, so it holds 2^15 of them.
    let steps = min<u32>(n >> 4, 32768);
    n -= steps << 4;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    while (steps >= 4) {
      a = i32x4.add(a, i32x4.extadd_pairwise_i16x8_u(v128.load(p)));
      b = i32x4.add(b, i32x4.extadd_pairwise_i16x8_u(v128.load(p, 16)));
      a = i32x4.add(a, i32x4.extadd_pairwise_i16x8_u(v128.load(p, 32)));
      b = i32x4.add(b, i32x4.extadd_pairwise_i16x8_u(v128.load(p, 48)));
      p += 64;
      steps -= 4;
    }
    while (steps > 0) {
      a = i32x4.add(a, i32x4.extadd_pairwise_i16x8_u(v128.load(p)));
      p += 16;
      steps -= 1;
    }
    const s = i64x2.add(
      i64x2.add(i64x2.extend_low_i32x4_u(a), i64x2.extend_high_i32x4_u(a)),
      i64x2.add(i64x2.extend_low_i32x4_u(b), i64x2.extend_high_i32x4_u(b)),
    );
    total += i64x2.extract_lane(s, 0) + i64x2.extract_lane(s, 1);
  }
  while (n >= 2) {
    total += load<u16>(p);
    p += 2;
    n -= 2;
  }
  if (n !== 0) total += load<u8>(p);
  while (total >> 16 !== 0) total = (total & 0xffff) + (total >> 16);
  return total as u32;
}
