import { giveHead, headBytesFor, takeHead } from "../head";
import {
  addFragList,
  addPageFrag,
  alloc,
  allocBurst,
  dataAddress,
  dataLength,
  field,
  flushMagazines,
  frags,
  freePages,
  headroom,
  inDepot,
  inMagazine,
  inSlabs,
  length,
  listLength,
  pull,
  push,
  put,
  recycle,
  release,
  releaseBurst,
  reserve,
  scratch,
  setHeader,
  tailroom,
  totalPages,
  truesize,
} from "../index";
import {
  CLASS_HEADS,
  E_RANGE,
  E_ROOM,
  ERROR_LIMIT,
  HEAD_CLASSES,
  MAX_LINEAR,
  MAX_ROOM,
  NOT_DONE,
  OK,
  PAGE_BYTES,
  SHINFO_BYTES,
  SKB_BYTES,
  SKB_NETWORK_HEADER,
} from "../layout";
import { headLink } from "../link";
import { fill, load8, load32, store32 } from "../memory";
import { fresh, freshWith, inUse, packet, STAGE_IN, wrong } from "./arena";

describe("head sizes", () => {
  beforeEach(fresh);

  it("hold what was asked for, and are slab sizes or whole pages", () => {
    let bad: u32 = 0;
    for (let room: u32 = 0; room <= MAX_ROOM; room += room < 5000 ? 1 : 97) {
      const bytes = headBytesFor(room);
      if (bytes < room + SHINFO_BYTES) bad += 1;
      const slab = bytes === 320 || bytes === 512 || bytes === 1024 || bytes === 2048 || bytes === 4096;
      if (!slab && (bytes < PAGE_BYTES || bytes % PAGE_BYTES !== 0)) bad += 1;
      // The next smaller size would not have done.
      if (bytes > PAGE_BYTES && bytes - PAGE_BYTES >= room + SHINFO_BYTES) bad += 1;
      if (slab && bytes > 512 && bytes >>> 1 >= room + SHINFO_BYTES) bad += 1;
    }
    expect(bad).toBe(0);
    expect(headBytesFor(MAX_ROOM)).toBe(33 * PAGE_BYTES);
  });

  it("cost what a packet may cost", () => {
    // The figures are the design's: 512 arena bytes for 64, 2.5 KiB for 1500, 1.1 bytes a byte for 64 KiB.
    expect(truesize(alloc(64, 64))).toBeLessThan(513);
    expect(truesize(alloc(1500, 64))).toBeLessThan(2561);
    expect(truesize(alloc(65536, 64))).toBeLessThan((65536 / 10) * 11);
    expect(truesize(alloc(64, 64))).toBe(SKB_BYTES + 320);
  });

  it("come with the asked headroom and at least the asked tailroom", () => {
    freshWith(2048, 256, 128, 2, 8);
    let bad: u32 = 0;
    for (let size: u32 = 0; size < 20000; size += 53) {
      const room = (size * 7) % 300;
      const h = alloc(size, room);
      if (headroom(h) !== room || tailroom(h) < size || length(h) !== 0) bad += 1;
      if (reserve(h, tailroom(h)) !== OK || tailroom(h) !== 0) bad += 1;
      release(h, 0);
    }
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("have a longest one", () => {
    const h = alloc(MAX_LINEAR - 100, 100);
    expect(h >= ERROR_LIMIT).toBe(true);
    expect(alloc(MAX_LINEAR, 1)).toBe(E_RANGE);
    expect(alloc(MAX_LINEAR + 1, 0)).toBe(E_RANGE);
    expect(alloc(1, 0xffffffff)).toBe(E_RANGE);
    release(h, 0);
    expect(freePages()).toBe(totalPages() - inMagazine(1, 5));
  });
});

describe("slabs", () => {
  beforeEach(fresh);

  it("carve heads that do not overlap", () => {
    let bad: u32 = 0;
    for (let bytes: u32 = 320; bytes <= PAGE_BYTES; bytes = bytes === 320 ? 512 : bytes << 1) {
      // Every head is painted whole with its number; a byte that overlaps loses its paint.
      for (let i: u32 = 0; i < 40; i++) {
        const head = takeHead(bytes);
        fill(head, i + 1, bytes);
        store32(STAGE_IN + (i << 2), head);
      }
      for (let i: u32 = 0; i < 40; i++) {
        const head = load32(STAGE_IN + (i << 2));
        if ((head & (PAGE_BYTES - 1)) + bytes > PAGE_BYTES) bad += 1;
        for (let b: u32 = 0; b < bytes; b++) if (load8(head + b) !== i + 1) bad += 1;
      }
      for (let i: u32 = 0; i < 40; i++) giveHead(load32(STAGE_IN + (i << 2)), bytes);
    }
    expect(bad).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("link free heads behind the packet's bytes", () => {
    let inView: u32 = 0;
    const sizes: u32 = HEAD_CLASSES;
    for (let c: u32 = 0; c < sizes; c++) {
      const bytes: u32 = c === 0 ? 320 : 256 << c;
      if (headLink(c) < bytes - SHINFO_BYTES || headLink(c) + 12 > bytes) inView += 1;
    }
    expect(inView).toBe(0);
  });

  it("clear the shared info of a head that was used before", () => {
    let h = packet(10, 0, 0);
    addPageFrag(h, 100);
    addFragList(h, packet(5, 0, 0));
    release(h, 0);
    h = alloc(10, 0);
    expect(frags(h)).toBe(0);
    expect(listLength(h)).toBe(0);
    expect(dataLength(h)).toBe(0);
    release(h, 0);
  });

  it("go through the magazine of their class", () => {
    const h = alloc(64, 0);
    const before = inMagazine(1, CLASS_HEADS) + inDepot(CLASS_HEADS);
    expect(before + 1).toBe(8, "no more than an exchange is taken out of a slab at once");
    release(h, 0);
    expect(inMagazine(1, CLASS_HEADS) + inDepot(CLASS_HEADS)).toBe(before + 1);
    expect(before + 1 + inSlabs(0)).toBe(12, "a page is twelve heads of the smallest size");
    flushMagazines();
    expect(inDepot(CLASS_HEADS)).toBe(8);
  });
});

describe("the linear part", () => {
  beforeEach(fresh);

  it("grows and shrinks at both ends, and not beyond", () => {
    const h = alloc(100, 50);
    const room = tailroom(h);
    const first = dataAddress(h);
    expect(put(h, 100)).toBe(first);
    expect(push(h, 50)).toBe(first - 50);
    expect(push(h, 1)).toBe(E_ROOM);
    expect(put(h, room - 100 + 1)).toBe(E_ROOM);
    expect(put(h, room - 100)).toBe(first + 100);
    expect(length(h)).toBe(room + 50);
    expect(pull(h, room + 51)).toBe(E_ROOM);
    expect(pull(h, room + 50)).toBe(OK);
    expect(length(h)).toBe(0);
    expect(headroom(h)).toBe(room + 50);
    expect(tailroom(h)).toBe(0);
  });

  it("reserves only while it is empty", () => {
    const h = alloc(100, 0);
    expect(reserve(h, tailroom(h) + 1)).toBe(E_ROOM);
    expect(reserve(h, 40)).toBe(OK);
    put(h, 1);
    expect(reserve(h, 1)).toBe(E_ROOM);
    expect(headroom(h)).toBe(40);
  });

  it("has header offsets inside it only", () => {
    const h = alloc(128, 0);
    // One behind the last byte is where an empty header at the end would lie; the shared info begins there.
    expect(setHeader(h, SKB_NETWORK_HEADER, 128)).toBe(OK);
    expect(setHeader(h, SKB_NETWORK_HEADER, 129)).toBe(E_RANGE);
    expect(field(h, SKB_NETWORK_HEADER)).toBe(129, "stored plus one; the refused one is not stored");
  });
});

describe("bursts", () => {
  beforeEach(fresh);

  it("allocate and release what single calls do", () => {
    expect(allocBurst(scratch(), 64, 200, 16)).toBe(64);
    let bad: u32 = 0;
    for (let i: u32 = 0; i < 64; i++) {
      const h = load32(scratch() + (i << 2));
      if (headroom(h) !== 16 || tailroom(h) < 200) bad += 1;
    }
    expect(bad).toBe(0);
    // One of them is gone already.
    release(load32(scratch() + 20), 0);
    expect(releaseBurst(scratch(), 64)).toBe(63);
    expect(inUse()).toBe(0);
  });

  it("stop where the pool ends", () => {
    const n = allocBurst(scratch(), 256, 64, 0);
    expect(n).toBe(192, "256 slots, of which the first 64 are never given out");
    expect(releaseBurst(scratch(), n)).toBe(n);
    expect(allocBurst(scratch(), 257, 64, 0)).toBe(0);
    expect(allocBurst(scratch(), 1, MAX_LINEAR, 1)).toBe(0);
    expect(inUse()).toBe(0);
  });
});

describe("recycle", () => {
  beforeEach(fresh);

  it("makes a used packet a new one", () => {
    const h = packet(100, 28, 0);
    setHeader(h, SKB_NETWORK_HEADER, 3);
    expect(recycle(h, 129)).toBe(NOT_DONE);
    expect(wrong(h, 0)).toBe(0);
    expect(recycle(h, 128)).toBe(OK);
    expect(length(h)).toBe(0);
    expect(headroom(h)).toBe(0);
    expect(tailroom(h)).toBe(128);
    expect(field(h, SKB_NETWORK_HEADER)).toBe(0);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("does not forget members without bytes", () => {
    const h = packet(100, 0, 0);
    addFragList(h, alloc(10, 0));
    recycle(h, 10);
    release(h, 0);
    expect(inUse()).toBe(0);
  });
});
