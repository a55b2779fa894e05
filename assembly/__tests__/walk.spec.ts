import {
  addFragList,
  alloc,
  checksum,
  checkWrite,
  clone,
  copyBits,
  copyHead,
  failure,
  length,
  nextSegments,
  put,
  readU8,
  readU16,
  readU32,
  release,
  scratch,
  startSegments,
  storeBits,
  unclone,
  writeU8,
  writeU16,
  writeU32,
} from "../index";
import { CHECKSUM_FAILED, E_RANGE, E_SHARED, OK, READ_FAILED, SEGMENTS_MOST } from "../layout";
import { fill, load8, load32, store8, sum16 } from "../memory";
import { byteAt, freshWith, grow, inUse, packet, paint, STAGE_IN, STAGE_OUT, wrong, wrongAt } from "./arena";

let h: u32 = 0;

/**
 * 161 bytes in parts of all parities: a head of 13, frags of 7, 1 and 40, then a member with a head of 3 and frags of
 * 22 and 5, one with no bytes at all, one with nothing in its head and a frag of 30, and one with a head of 40.
 */
function build(): void {
  freshWith(512, 256, 128, 2, 8);
  h = packet(13, 10, 0);
  grow(h, 7, 0);
  grow(h, 1, 0);
  grow(h, 40, 0);
  const a = packet(3, 0, 61);
  grow(a, 22, 61);
  grow(a, 5, 61);
  addFragList(h, a);
  addFragList(h, packet(0, 0, 0));
  const b = packet(0, 0, 91);
  grow(b, 30, 91);
  addFragList(h, b);
  addFragList(h, packet(40, 0, 121));
}
const LENGTH: u32 = 161;

function naiveSum(offset: u32, n: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const byte = byteAt(offset + i);
    sum += (i & 1) !== 0 ? byte : byte << 8;
  }
  while (sum >>> 16 !== 0) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

describe("copyBits", () => {
  beforeEach(build);

  it("reads every range as it is, and nothing around it", () => {
    expect(length(h)).toBe(LENGTH);
    let bad: u32 = 0;
    for (let offset: u32 = 0; offset <= LENGTH; offset++) {
      for (let n: u32 = 0; n <= LENGTH - offset; n++) {
        store8(STAGE_OUT, 0xee);
        store8(STAGE_OUT + n + 1, 0xee);
        if (copyBits(h, offset, n, STAGE_OUT + 1) !== OK) bad += 1;
        if (wrongAt(STAGE_OUT + 1, offset, n) !== 0) bad += 1;
        if (load8(STAGE_OUT) !== 0xee || load8(STAGE_OUT + n + 1) !== 0xee) bad += 1;
      }
    }
    expect(bad).toBe(0);
  });

  it("refuses what is outside", () => {
    expect(copyBits(h, 0, LENGTH + 1, STAGE_OUT)).toBe(E_RANGE);
    expect(copyBits(h, LENGTH + 1, 0, STAGE_OUT)).toBe(E_RANGE);
    expect(copyBits(h, 1, LENGTH, STAGE_OUT)).toBe(E_RANGE);
    // No sum of the two may wrap.
    expect(copyBits(h, 2, 0xffffffff, STAGE_OUT)).toBe(E_RANGE);
    expect(copyBits(h, 0xffffffff, 2, STAGE_OUT)).toBe(E_RANGE);
    expect(copyBits(h, LENGTH, 0, STAGE_OUT)).toBe(OK);
  });
});

describe("storeBits", () => {
  beforeEach(build);

  it("writes every range, and nothing around it", () => {
    let bad: u32 = 0;
    for (let offset: u32 = 0; offset <= LENGTH; offset += 3) {
      for (let n: u32 = 0; n <= LENGTH - offset; n += 2) {
        fill(STAGE_IN, 0xa5, n);
        if (storeBits(h, offset, n, STAGE_IN) !== OK) bad += 1;
        copyBits(h, 0, LENGTH, STAGE_OUT);
        for (let i: u32 = 0; i < n; i++) if (load8(STAGE_OUT + offset + i) !== 0xa5) bad += 1;
        bad += wrongAt(STAGE_OUT, 0, offset);
        bad += wrongAt(STAGE_OUT + offset + n, offset + n, LENGTH - offset - n);
        paint(STAGE_IN, offset, n);
        storeBits(h, offset, n, STAGE_IN);
      }
    }
    expect(bad).toBe(0);
    expect(wrong(h, 0)).toBe(0);
  });

  it("refuses a range that anybody else reads, and writes no part of it", () => {
    const twin = copyHead(h);
    fill(STAGE_IN, 0xa5, LENGTH);
    // The head is its own; the frags are shared, and so are the members.
    expect(checkWrite(h, 0, 13)).toBe(OK);
    expect(storeBits(h, 0, 14, STAGE_IN)).toBe(E_SHARED);
    expect(storeBits(h, 20, 1, STAGE_IN)).toBe(E_SHARED);
    expect(storeBits(h, 61, 1, STAGE_IN)).toBe(E_SHARED);
    expect(storeBits(h, 130, 31, STAGE_IN)).toBe(E_SHARED);
    expect(wrong(h, 0) + wrong(twin, 0)).toBe(0);
    expect(unclone(h)).toBe(OK);
    expect(storeBits(h, 0, LENGTH, STAGE_IN)).toBe(OK);
    expect(wrong(twin, 0)).toBe(0);
    release(h, 0);
    release(twin, 0);
    expect(inUse()).toBe(0);
  });

  it("refuses a clone's bytes and a range outside", () => {
    const twin = clone(h);
    expect(checkWrite(h, 0, 1)).toBe(E_SHARED);
    expect(checkWrite(twin, 160, 1)).toBe(E_SHARED);
    expect(checkWrite(twin, 161, 1)).toBe(E_RANGE);
    release(twin, 0);
    expect(checkWrite(h, 0, LENGTH)).toBe(OK);
  });
});

describe("checksum", () => {
  beforeEach(build);

  it("is the naive sum at every offset and length", () => {
    let bad: u32 = 0;
    for (let offset: u32 = 0; offset <= LENGTH; offset++) {
      for (let n: u32 = 0; n <= LENGTH - offset; n++) {
        if (checksum(h, offset, n) !== naiveSum(offset, n)) bad += 1;
      }
    }
    expect(bad).toBe(0);
  });

  it("carries around the end however often it must", () => {
    const all = alloc(65536, 0);
    fill(put(all, 65536), 0xff, 65536);
    expect(checksum(all, 0, 65536)).toBe(0xffff);
    expect(checksum(all, 1, 3)).toBe(0xff00, "0xffff + 0xff00, end-around");
    expect(checksum(all, 0, 0)).toBe(0);
  });

  it("does not overflow where a lane of the kernel is full", () => {
    // 2^15 steps of 16 bytes are what a lane holds; some more, so that a second round begins.
    const n: u32 = 16 * 32768 + 100;
    fill(STAGE_IN, 0xff, n);
    expect(sum16(STAGE_IN, n)).toBe(0xffff);
    paint(STAGE_IN, 0, n);
    const sum = sum16(STAGE_IN, n);
    expect(((sum & 0xff) << 8) | (sum >>> 8)).toBe(naiveSum64(n));
  });

  it("fails outside of the packet", () => {
    expect(checksum(h, 0, LENGTH + 1)).toBe(CHECKSUM_FAILED + E_RANGE);
    expect(checksum(h, LENGTH, 0)).toBe(0);
  });
});

function naiveSum64(n: u32): u32 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < n; i++) sum += (i & 1) !== 0 ? byteAt(i) : byteAt(i) << 8;
  while (sum >>> 16 !== 0) sum = (sum & 0xffff) + (sum >>> 16);
  return sum as u32;
}

describe("integers", () => {
  beforeEach(build);

  it("are read big-endian at every offset", () => {
    let bad: u32 = 0;
    for (let i: u32 = 0; i < LENGTH; i++) {
      const two = (byteAt(i) << 8) | byteAt(i + 1);
      const four = (two << 16) | (byteAt(i + 2) << 8) | byteAt(i + 3);
      if (readU8(h, i) !== byteAt(i)) bad += 1;
      if (i + 2 <= LENGTH && readU16(h, i) !== two) bad += 1;
      if (i + 4 <= LENGTH && readU32(h, i) !== four) bad += 1;
    }
    expect(bad).toBe(0);
    expect(failure()).toBe(OK);
  });

  it("are written big-endian at every offset, and touch nothing else", () => {
    let bad: u32 = 0;
    for (let n: u32 = 1; n <= 4; n <<= 1) {
      for (let i: u32 = 0; i + n <= LENGTH; i++) {
        const value: u32 = 0x81c2e3f4 >>> ((4 - n) << 3);
        const status =
          n === 1 ? writeU8(h, i, value) : n === 2 ? writeU16(h, i, value) : writeU32(h, i, value);
        const read = n === 1 ? readU8(h, i) : n === 2 ? readU16(h, i) : readU32(h, i);
        if (status !== OK || read !== value) bad += 1;
        paint(STAGE_IN, i, n);
        storeBits(h, i, n, STAGE_IN);
        if (wrong(h, 0) !== 0) bad += 1;
      }
    }
    expect(bad).toBe(0);
  });

  it("are not read or written beyond the end", () => {
    let bad: u32 = 0;
    if (readU8(h, LENGTH) !== READ_FAILED || failure() !== E_RANGE) bad += 1;
    if (readU16(h, LENGTH - 1) !== READ_FAILED || failure() !== E_RANGE) bad += 1;
    if (readU32(h, LENGTH - 3) !== READ_FAILED || failure() !== E_RANGE) bad += 1;
    if (readU32(h, 0xfffffffe) !== READ_FAILED || failure() !== E_RANGE) bad += 1;
    if (writeU8(h, LENGTH, 0) !== E_RANGE || writeU16(h, LENGTH - 1, 0) !== E_RANGE) bad += 1;
    if (writeU32(h, LENGTH - 3, 0) !== E_RANGE || writeU32(h, 0xfffffffe, 0) !== E_RANGE) bad += 1;
    expect(bad).toBe(0);
    expect(wrong(h, 0)).toBe(0);
  });

  it("tell a packet that says READ_FAILED from a failure", () => {
    writeU32(h, 11, READ_FAILED);
    readU8(h, LENGTH);
    expect(failure()).toBe(E_RANGE);
    expect(readU32(h, 11)).toBe(READ_FAILED);
    expect(failure()).toBe(OK);
  });
});

describe("segments", () => {
  beforeEach(build);

  it("are the range in order, without empty ones", () => {
    let bad: u32 = 0;
    for (let offset: u32 = 0; offset <= LENGTH; offset += 5) {
      const n = LENGTH - offset;
      startSegments(h, offset, n);
      const pairs = nextSegments();
      let at: u32 = offset;
      for (let i: u32 = 0; i < pairs; i++) {
        const bytes = load32(scratch() + (i << 3) + 4);
        bad += wrongAt(load32(scratch() + (i << 3)), at, bytes);
        if (bytes === 0) bad += 1;
        at += bytes;
      }
      if (at !== LENGTH || nextSegments() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
    startSegments(h, 0, LENGTH);
    expect(nextSegments()).toBe(9);
  });

  it("come in batches when there are many", () => {
    const long = packet(1, 0, 0);
    let expected: u32 = 1;
    for (let m: u32 = 0; m < 180; m++) {
      const member = packet(1, 0, 0);
      for (let i: u32 = 0; i < 2; i++) grow(member, 1, 0);
      addFragList(long, member);
      expected += 3;
    }
    expect(expected).toBeGreaterThan(SEGMENTS_MOST);
    startSegments(long, 0, length(long));
    let listed = nextSegments();
    expect(listed).toBe(SEGMENTS_MOST);
    for (let n = nextSegments(); n !== 0; n = nextSegments()) listed += n;
    expect(listed).toBe(expected);
  });
});
