import { skbTable } from "../arena";
import {
  addFragList,
  addPageFrag,
  alloc,
  allocBurst,
  clone,
  copyHead,
  copySkb,
  expandHead,
  flushMagazines,
  frags,
  freshSkbs,
  headroom,
  inDepot,
  infoField,
  inMagazine,
  listLength,
  release,
  releaseBurst,
  scratch,
  setInfoField,
  shortOf,
  skbAddress,
  totalSkbs,
} from "../index";
import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_SKB,
  CLASSES,
  ERROR_LIMIT,
  LINK_DRESSED,
  LINK_SKB,
  SHINFO_CLEARED,
  SHINFO_DATAREF,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SKB_END,
  SKB_HEAD,
  SKB_SHARES,
} from "../layout";
import { held, take } from "../magazine";
import { load32, store32 } from "../memory";
import { actAs, fresh, inUse } from "./arena";

/** Dressed skbs that this thread holds. */
function dressed(): u32 {
  let n: u32 = 0;
  for (let kind = CLASS_DRESSED; kind < CLASSES; kind++) n += held(kind);
  return n;
}

/** Words of the shared info of the dressed skb that would be allocated next that are not as a new packet wants them. */
function dirt(headClass: u32): u32 {
  const skb = take(CLASS_DRESSED + headClass, LINK_DRESSED);
  const shinfo = load32(skb + SKB_END);
  let bad: u32 = load32(shinfo + SHINFO_DATAREF) === 1 ? 0 : 1;
  for (let at: u32 = SHINFO_DATAREF + 4; at < SHINFO_CLEARED; at += 4)
    if (load32(shinfo + at) !== 0) bad += 1;
  return bad;
}

describe("a packet that is released", () => {
  beforeEach(fresh);

  it("keeps its head, and the next one has both", () => {
    const h = alloc(100, 20);
    const skb = skbAddress(h);
    const head = load32(skb + SKB_HEAD);
    release(h, 0);
    expect(dressed()).toBe(1);
    expect(held(CLASS_SKB) + held(CLASS_HEADS + 1)).toBeGreaterThan(0, "the rest of what was fetched");
    const again = alloc(50, 8);
    expect(skbAddress(again)).toBe(skb);
    expect(load32(skb + SKB_HEAD)).toBe(head);
    expect(headroom(again)).toBe(8);
    expect(dressed()).toBe(0);
    release(again, 0);
    expect(inUse()).toBe(0);
  });

  it("serves its own size", () => {
    release(alloc(100, 0), 0);
    const other = alloc(1500, 0);
    expect(dressed()).toBe(1);
    release(other, 0);
    expect(dressed()).toBe(2);
  });

  it("keeps no head that is a run of pages", () => {
    release(alloc(10000, 0), 0);
    expect(dressed()).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("counts as a struct and as a head", () => {
    const h = alloc(64, 0);
    const skbs = inMagazine(1, CLASS_SKB);
    const heads = inMagazine(1, CLASS_HEADS);
    release(h, 0);
    expect(inMagazine(1, CLASS_SKB)).toBe(skbs + 1);
    expect(inMagazine(1, CLASS_HEADS)).toBe(heads + 1);
    flushMagazines();
    expect(inDepot(CLASS_SKB)).toBe(skbs + 1);
    expect(inDepot(CLASS_HEADS)).toBe(heads + 1);
  });

  it("has a head to which nothing is to do, whatever it said before", () => {
    let h = alloc(64, 0);
    setInfoField(h, SHINFO_GSO_SIZE, 1448);
    setInfoField(h, SHINFO_GSO_TYPE, 1);
    release(h, 0);
    expect(dirt(0)).toBe(0);
    h = alloc(64, 0);
    addPageFrag(h, 100);
    addFragList(h, alloc(200, 0));
    release(h, 0);
    expect(dirt(0)).toBe(0, "the one with frags");
    expect(dirt(1)).toBe(0, "the member");
  });

  it("says what its copies have of its GSO fields", () => {
    const h = alloc(64, 0);
    setInfoField(h, SHINFO_GSO_SIZE, 1448);
    const a = copySkb(h);
    const b = copyHead(h);
    const plain = copySkb(alloc(64, 0));
    expect(load32(skbAddress(plain) + SKB_SHARES)).toBe(0, "who has none looks at nothing");
    release(a, 0);
    expect(dirt(0)).toBe(0);
    release(b, 0);
    expect(dirt(0)).toBe(0);
    expect(infoField(alloc(64, 0), SHINFO_GSO_SIZE)).toBe(0);
  });

  it("leaves its head to the last one that shares it", () => {
    const h = alloc(64, 0);
    const twin = clone(h);
    release(h, 0);
    expect(dressed()).toBe(0);
    release(twin, 0);
    expect(dressed()).toBe(1);
    expect(dirt(0)).toBe(0);
  });

  it("goes from thread to thread with its head", () => {
    const h = alloc(64, 0);
    const skb = skbAddress(h);
    actAs(2);
    release(h, 0);
    flushMagazines();
    actAs(1);
    // What the thread has of either kind comes first.
    flushMagazines();
    let n: u32 = 0;
    while (skbAddress(alloc(64, 0)) !== skb && n < 100) n += 1;
    expect(n).toBe(0);
  });
});

describe("bursts", () => {
  beforeEach(fresh);

  it("of several sizes keep all their heads, more of them than fit", () => {
    for (let round: u32 = 0; round < 5; round++) {
      let n: u32 = 0;
      for (let i: u32 = 0; i < 60; i++) {
        const size: u32 = (i & 4) === 0 ? 64 : (i & 8) === 0 ? 300 : 1500;
        const h = alloc(size, 0);
        if (i % 7 === 3) addPageFrag(h, 10);
        store32(scratch() + (n << 2), h);
        n += 1;
      }
      expect(releaseBurst(scratch(), n)).toBe(60);
    }
    expect(dressed()).toBeGreaterThan(15);
    const got = allocBurst(scratch(), 60, 64, 5);
    expect(got).toBe(60);
    let bad: u32 = 0;
    for (let i: u32 = 0; i < got; i++) {
      const h = load32(scratch() + (i << 2));
      if (headroom(h) !== 5 || frags(h) !== 0 || listLength(h) !== 0) bad += 1;
    }
    expect(bad).toBe(0);
    releaseBurst(scratch(), got);
    expect(inUse()).toBe(0);
  });
});

describe("who wants one half alone", () => {
  beforeEach(fresh);

  it("gets a struct, when all others are dressed", () => {
    const n = allocBurst(scratch(), 256, 64, 0);
    expect(n).toBe(totalSkbs());
    expect(clone(load32(scratch()))).toBeLessThan(ERROR_LIMIT);
    expect(shortOf()).toBe(CLASS_SKB);
    // One stays, and every other one is in a magazine or a depot, dressed.
    expect(releaseBurst(scratch() + 4, n - 1)).toBe(n - 1);
    expect(freshSkbs()).toBe(0);
    expect(take(CLASS_SKB, LINK_SKB)).toBe(0);
    let twins: u32 = 0;
    const h = load32(scratch());
    while (clone(h) >= ERROR_LIMIT) twins += 1;
    expect(twins).toBe(n - 1);
  });

  it("gets a head before there is another slab of them", () => {
    // Both heads of a slab, so that none of the size is free but these.
    const first = alloc(1500, 0);
    const second = alloc(1500, 0);
    release(first, 0);
    release(second, 0);
    const free = inMagazine(1, CLASS_HEADS + 3);
    expect(free).toBe(2);
    expect(dressed()).toBe(2);
    const h = alloc(64, 0);
    expect(expandHead(h, 0, 1500)).toBe(0);
    expect(inMagazine(1, CLASS_HEADS + 3)).toBe(free - 1);
    release(h, 0);
    expect(inUse()).toBe(0);
  });

  it("finds what another thread has flushed", () => {
    const h = alloc(64, 0);
    actAs(2);
    const n = allocBurst(scratch(), 256, 64, 0);
    releaseBurst(scratch(), n);
    flushMagazines();
    actAs(1);
    let twins: u32 = 0;
    while (clone(h) >= ERROR_LIMIT) twins += 1;
    expect(twins).toBe(totalSkbs() - 1);
    expect(skbAddress(h)).toBeGreaterThan(skbTable);
  });
});
