// Walking the bytes of a packet: the head, its frags, then each member of the frag list in the same way.
// Everything that reads or writes a range goes through this one cursor. Members have no frag list of their
// own, so the walk never nests.

import {
  CHECKSUM_FAILED,
  E_RANGE,
  E_SHARED,
  E_STALE,
  KIND_FRAG,
  OK,
  PAGE_KIND,
  READ_FAILED,
  SEGMENTS_MOST,
  SKB_DATA,
  SKB_LEN,
  SKB_NEXT,
} from "./layout";
import {
  copy,
  load8,
  load32,
  loadNet16,
  loadNet32,
  store8,
  store32,
  storeNet16,
  storeNet32,
  sum16,
} from "./memory";
import { entryOf, pageRefs } from "./page";
import { fragAddress, fragCount, fragList, fragSize, isShared, linearLength, shinfoOf } from "./shinfo";
import { skbOf } from "./skb";
import { scratch } from "./thread";

// The cursor is this thread's: no operation leaves one behind for another, but for segments(), whose batches
// continue each other.
let part: u32 = 0; // the skb, or the list member, that the walk is in
let member: u32 = 0; // the member after it
let index: u32 = 0; // within `part`: 0 the head, i the frag i - 1
let skip: u32 = 0; // bytes before the range
let left: u32 = 0; // bytes of it still to come

/** Where the current segment lies, and how long it is. */
export let segment: u32 = 0;
export let segmentBytes: u32 = 0;

/** Starts a walk over bytes [offset, offset + n) of a packet. Trusts that they exist. */
export function walk(skb: u32, offset: u32, n: u32): void {
  if (DEBUG) assert(inRange(skb, offset, n), "the packet has the bytes");
  part = skb;
  member = fragList(shinfoOf(skb));
  index = 0;
  skip = offset;
  left = n;
}

/** Moves to the next segment. Returns false when the range is through. */
export function step(): bool {
  while (left !== 0) {
    const shinfo = shinfoOf(part);
    let address: u32;
    let bytes: u32;
    if (index === 0) {
      address = load32(part + SKB_DATA);
      bytes = linearLength(part);
    } else if (index <= fragCount(shinfo)) {
      address = fragAddress(shinfo, index - 1);
      bytes = fragSize(shinfo, index - 1);
    } else {
      // The lengths of an skb and its parts agree, so while bytes are left there is a member.
      part = member;
      member = load32(member + SKB_NEXT);
      // Whole members before the range are passed by in one step each.
      while (load32(part + SKB_LEN) <= skip) {
        skip -= load32(part + SKB_LEN);
        part = member;
        member = load32(member + SKB_NEXT);
      }
      index = 0;
      continue;
    }
    index += 1;
    if (bytes <= skip) {
      skip -= bytes;
      continue;
    }
    segment = address + skip;
    segmentBytes = bytes - skip < left ? bytes - skip : left;
    skip = 0;
    left -= segmentBytes;
    return true;
  }
  return false;
}

export function inRange(skb: u32, offset: u32, n: u32): bool {
  const length = load32(skb + SKB_LEN);
  return offset <= length && n <= length - offset;
}

/** Copies bytes [offset, offset + n) to `to`. Trusts that they exist and that `to` is not among them. */
export function copyOut(skb: u32, offset: u32, n: u32, to: u32): void {
  walk(skb, offset, n);
  let at = to;
  while (step()) {
    if (DEBUG) assert(to >= segment + segmentBytes || to + n <= segment, "they go elsewhere");
    copy(at, segment, segmentBytes);
    at += segmentBytes;
  }
}

/** Copies `n` bytes from `from` over bytes [offset, offset + n). Trusts that they exist and may be written. */
export function copyIn(skb: u32, offset: u32, n: u32, from: u32): void {
  if (DEBUG) assert(mayWrite(skb, offset, n), "the bytes may be written");
  walk(skb, offset, n);
  let at = from;
  while (step()) {
    copy(segment, at, segmentBytes);
    at += segmentBytes;
  }
}

/** Whether every byte of the range belongs to this packet alone, so that it may be written. */
export function mayWrite(skb: u32, offset: u32, n: u32): bool {
  if (n === 0) return true;
  if (isShared(skb)) return false;
  if (offset + n <= linearLength(skb)) return true;
  walk(skb, offset, n);
  while (step()) {
    if (index > 1) {
      const entry = entryOf(segment);
      if (load32(entry + PAGE_KIND) !== KIND_FRAG || pageRefs(entry) !== 1) return false;
    }
    if (isShared(part)) return false;
  }
  return true;
}

/** skb_copy_bits to memory of the arena. OK, E_STALE or E_RANGE. */
export function copyBits(handle: u32, offset: u32, n: u32, to: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n)) return E_RANGE;
  copyOut(skb, offset, n, to);
  return OK;
}

/** skb_store_bits from memory of the arena. OK, E_STALE, E_RANGE or E_SHARED. */
export function storeBits(handle: u32, offset: u32, n: u32, from: u32): u32 {
  const status = checkWrite(handle, offset, n);
  if (status !== OK) return status;
  copyIn(skbOf(handle), offset, n, from);
  return OK;
}

/** Whether a range may be written: OK, E_STALE, E_RANGE or E_SHARED. */
export function checkWrite(handle: u32, offset: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n)) return E_RANGE;
  return mayWrite(skb, offset, n) ? OK : E_SHARED;
}

/** Address of a range that lies in the head, so that it need not be walked; 0 if it does not, or does not exist. */
export function spanOf(handle: u32, offset: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return 0;
  const linear = linearLength(skb);
  return offset <= linear && n <= linear - offset ? load32(skb + SKB_DATA) + offset : 0;
}

/** Starts listing the segments of a range. OK, E_STALE or E_RANGE. */
export function startSegments(handle: u32, offset: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n)) return E_RANGE;
  walk(skb, offset, n);
  return OK;
}

/** Puts the next (address, length) pairs into the scratch. Returns how many; 0 when all have been listed. */
export function nextSegments(): u32 {
  const out = scratch();
  let n: u32 = 0;
  while (n < SEGMENTS_MOST && step()) {
    store32(out + (n << 3), segment);
    store32(out + (n << 3) + 4, segmentBytes);
    n += 1;
  }
  return n;
}

/**
 * RFC 1071: the ones'-complement sum of the range as big-endian 16-bit words, an odd last byte padded with 0,
 * not inverted. Or CHECKSUM_FAILED plus E_STALE or E_RANGE.
 */
export function checksum(handle: u32, offset: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return CHECKSUM_FAILED + E_STALE;
  if (!inRange(skb, offset, n)) return CHECKSUM_FAILED + E_RANGE;
  walk(skb, offset, n);
  let sum: u32 = 0;
  let odd = false;
  while (step()) {
    const s = sum16(segment, segmentBytes);
    // A segment that starts at an odd byte of the range has its words' halves swapped; so has its sum.
    sum += odd ? swap16(s) : s;
    sum = (sum & 0xffff) + (sum >>> 16);
    if ((segmentBytes & 1) !== 0) odd = !odd;
  }
  // Summed in the machine's byte order, which is little-endian everywhere Wasm runs.
  return swap16(sum);
}

function swap16(v: u32): u32 {
  return ((v & 0xff) << 8) | (v >>> 8);
}

// Integers at an offset. In the head they are read and written at once; elsewhere they may lie across parts,
// and go byte by byte.

let failed: u32 = 0;

/** Why the last read returned READ_FAILED; OK if the packet holds just that value. */
export function failure(): u32 {
  return failed;
}

function fail(status: u32): u32 {
  failed = status;
  return READ_FAILED;
}

export function readU8(handle: u32, offset: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return fail(E_STALE);
  failed = OK;
  if (offset < linearLength(skb)) return load8(load32(skb + SKB_DATA) + offset);
  return readAcross(skb, offset, 1);
}

export function readU16(handle: u32, offset: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return fail(E_STALE);
  failed = OK;
  const linear = linearLength(skb);
  if (linear >= 2 && offset <= linear - 2) return loadNet16(load32(skb + SKB_DATA) + offset);
  return readAcross(skb, offset, 2);
}

export function readU32(handle: u32, offset: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return fail(E_STALE);
  failed = OK;
  const linear = linearLength(skb);
  if (linear >= 4 && offset <= linear - 4) return loadNet32(load32(skb + SKB_DATA) + offset);
  return readAcross(skb, offset, 4);
}

function readAcross(skb: u32, offset: u32, n: u32): u32 {
  if (!inRange(skb, offset, n)) return fail(E_RANGE);
  // What was received or read into pages has its headers in the first frag.
  const shinfo = shinfoOf(skb);
  const linear = linearLength(skb);
  if (offset >= linear && fragCount(shinfo) !== 0 && offset - linear + n <= fragSize(shinfo, 0)) {
    const p = fragAddress(shinfo, 0) + offset - linear;
    return n === 1 ? load8(p) : n === 2 ? loadNet16(p) : loadNet32(p);
  }
  walk(skb, offset, n);
  let value: u32 = 0;
  while (step()) {
    for (let i: u32 = 0; i < segmentBytes; i++) value = ((value << 8) | load8(segment + i)) >>> 0;
  }
  return value;
}

/** OK, E_STALE, E_RANGE or E_SHARED; so for all three. */
export function writeU8(handle: u32, offset: u32, value: u32): u32 {
  return write(handle, offset, value, 1);
}

export function writeU16(handle: u32, offset: u32, value: u32): u32 {
  return write(handle, offset, value, 2);
}

export function writeU32(handle: u32, offset: u32, value: u32): u32 {
  return write(handle, offset, value, 4);
}

function write(handle: u32, offset: u32, value: u32, n: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (!inRange(skb, offset, n)) return E_RANGE;
  if (!mayWrite(skb, offset, n)) return E_SHARED;
  if (offset + n <= linearLength(skb)) {
    const p = load32(skb + SKB_DATA) + offset;
    if (n === 1) store8(p, value);
    else if (n === 2) storeNet16(p, value);
    else storeNet32(p, value);
    return OK;
  }
  walk(skb, offset, n);
  let shift = n << 3;
  while (step()) {
    for (let i: u32 = 0; i < segmentBytes; i++) {
      shift -= 8;
      store8(segment + i, (value >>> shift) & 0xff);
    }
  }
  return OK;
}
