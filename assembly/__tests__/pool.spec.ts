import {
  alloc,
  counter,
  createRegion,
  failAllocation,
  flushMagazines,
  format,
  freePages,
  inDepot,
  inMagazine,
  inSlabs,
  release,
  releaseRegion,
  shortOf,
  totalPages,
  totalSkbs,
} from "../index";
import {
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  COUNT_EXHAUSTED,
  E_EXHAUSTED,
  E_LAYOUT,
  ERROR_LIMIT,
  KIND_FRAG,
  KIND_FREE,
  KIND_TAIL,
  KIND_USER,
  LINK_PAGE,
  OK,
  PAGE_BYTES,
  PAGE_ENTRY_SHIFT,
  PAGE_KIND,
  PAGE_SPAN,
} from "../layout";
import { fill, load32, store32 } from "../memory";
import { entryOf, pageAddress, pageRefs, putPage, takePage, takeRun } from "../page";
import { SHORT_OF_RUN } from "../pool";
import { actAs, BASE, fresh, freshWith, inUse, STAGE_IN, sweep } from "./arena";

/** 4096 bytes of data and the shared info make a head of two pages, which no slab keeps. */
const TWO_PAGES: u32 = 4096;
const MARK: u32 = 0x5eed5eed;

describe("the layout of an arena", () => {
  it("sets one bit for every page and none behind the last", () => {
    let bad: u32 = 0;
    // All remainders of a word's 32 bits, so that the last word is partial in every way.
    for (let pages: u32 = 100; pages < 140; pages++) {
      if (freshWith(pages, 128, 128, 1, 4) !== OK || freePages() !== totalPages()) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("keeps all pages inside the memory that it was given", () => {
    let bad: u32 = 0;
    for (let pages: u32 = 100; pages < 140; pages++) {
      freshWith(pages, 128, 128, 1, 4);
      const all = createRegion(totalPages());
      if (all + totalPages() * PAGE_BYTES > BASE + pages * PAGE_BYTES) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("refuses what does not fit", () => {
    fill(BASE, 0, PAGE_BYTES);
    expect(format(BASE, 8, 128, 128, 4, 4, 0)).toBe(E_LAYOUT);
    expect(format(BASE, 512, ERROR_LIMIT, 128, 1, 4, 0)).toBe(E_LAYOUT);
    expect(format(BASE, 512, 128, 128, 0, 4, 0)).toBe(E_LAYOUT);
    expect(format(BASE, 512, 128, 128, 65, 4, 0)).toBe(E_LAYOUT);
  });
});

describe("single pages", () => {
  beforeEach(fresh);

  it("are all different, and as many as there are", () => {
    const most = totalPages();
    let seen: u32 = 0;
    let doubled: u32 = 0;
    for (let i: u32 = 0; i < most; i++) {
      const entry = takePage(KIND_FRAG);
      if (entry === 0) break;
      // The mark is the test's own; a page that comes a second time already has it.
      if (load32(entry + PAGE_SPAN) !== 1 || load32(entry + LINK_PAGE) === MARK) doubled += 1;
      store32(entry + LINK_PAGE, MARK);
      seen += 1;
    }
    expect(seen).toBe(most);
    expect(doubled).toBe(0);
    expect(takePage(KIND_FRAG)).toBe(0);
    expect(freePages()).toBe(0);
  });

  it("are free again after their last reference", () => {
    const entry = takePage(KIND_FRAG);
    expect(pageRefs(entry)).toBe(1);
    putPage(entry);
    expect(load32(entry + PAGE_KIND)).toBe(KIND_FREE);
    expect(inUse()).toBe(0);
  });
});

describe("runs", () => {
  beforeEach(fresh);

  it("are neighbouring pages that find their first one", () => {
    const entry = takeRun(40, KIND_FRAG);
    const address = pageAddress(entry);
    let lost: u32 = 0;
    for (let i: u32 = 0; i < 40; i++) {
      if (entryOf(address + i * PAGE_BYTES + 4095) !== entry) lost += 1;
      if (i !== 0 && load32(entry + (i << PAGE_ENTRY_SHIFT) + PAGE_KIND) !== KIND_TAIL) lost += 1;
    }
    expect(lost).toBe(0);
    expect(freePages()).toBe(totalPages() - 40);
    putPage(entry);
    expect(freePages()).toBe(totalPages());
  });

  it("come from the other end than single pages", () => {
    const run = takeRun(2, KIND_FRAG);
    const page = takePage(KIND_FRAG);
    expect(page < run).toBe(true);
    const next = takeRun(1, KIND_FRAG);
    expect(next < run).toBe(true);
  });

  it("do not overlap at any length", () => {
    let taken: u32 = 0;
    let below: u32 = 0xffffffff;
    let overlaps: u32 = 0;
    for (let n: u32 = 1; taken + n <= totalPages(); n += 3) {
      const entry = takeRun(n, KIND_FRAG);
      if (entry === 0 || pageAddress(entry) + n * PAGE_BYTES > below) overlaps += 1;
      below = pageAddress(entry);
      taken += n;
    }
    expect(overlaps).toBe(0);
    expect(freePages()).toBe(totalPages() - taken);
  });

  it("fit a hole exactly, and not one page more", () => {
    const all = totalPages();
    const high = takeRun(10, KIND_FRAG);
    const hole = takeRun(33, KIND_FRAG);
    const low = takeRun(all - 43, KIND_FRAG);
    expect(takeRun(1, KIND_FRAG)).toBe(0);
    putPage(hole);
    expect(takeRun(34, KIND_FRAG)).toBe(0);
    expect(freePages()).toBe(33);
    expect(takeRun(33, KIND_FRAG)).toBe(hole);
    putPage(high);
    putPage(hole);
    // Two neighbours that were freed apart are one hole.
    expect(takeRun(43, KIND_FRAG)).toBe(hole);
    putPage(hole);
    putPage(low);
    expect(inUse()).toBe(0);
  });

  it("are found below what is in the way", () => {
    const high = takeRun(3, KIND_FRAG);
    const between = takeRun(1, KIND_FRAG);
    const hole = takeRun(5, KIND_FRAG);
    const low = takeRun(totalPages() - 9, KIND_FRAG);
    putPage(high);
    putPage(hole);
    // The three above the page in the way count for nothing.
    expect(takeRun(5, KIND_FRAG)).toBe(hole);
    expect(takeRun(3, KIND_FRAG)).toBe(high);
    putPage(high);
    putPage(between);
    putPage(hole);
    putPage(low);
    expect(inUse()).toBe(0);
  });

  it("are where one was freed, and then below the last one found", () => {
    const first = takeRun(2, KIND_FRAG);
    const second = takeRun(2, KIND_FRAG);
    const third = takeRun(2, KIND_FRAG);
    expect(third < second && second < first).toBe(true);
    putPage(first);
    expect(takeRun(2, KIND_FRAG)).toBe(first);
    const fourth = takeRun(2, KIND_FRAG);
    expect(fourth < third).toBe(true);
    putPage(second);
    putPage(first);
    // The higher one, and the lower one right behind it: what was used before comes first.
    expect(takeRun(2, KIND_FRAG)).toBe(first);
    expect(takeRun(2, KIND_FRAG)).toBe(second);
    putPage(first);
    putPage(second);
    putPage(third);
    putPage(fourth);
    expect(inUse()).toBe(0);
  });

  it("are the whole arena if it must be", () => {
    const region = createRegion(totalPages());
    expect(region >= ERROR_LIMIT).toBe(true);
    expect(createRegion(1)).toBe(E_EXHAUSTED);
    releaseRegion(region);
    expect(createRegion(totalPages() + 1)).toBe(E_EXHAUSTED);
    expect(shortOf()).toBe(SHORT_OF_RUN);
    expect(freePages()).toBe(totalPages());
  });

  it("of no pages are no page of somebody else's", () => {
    const page = takeRun(1, KIND_FRAG);
    const region = createRegion(0);
    expect(load32(page + PAGE_KIND)).toBe(KIND_FRAG, "the page in use is still what it was");
    expect(region).toBeLessThan(ERROR_LIMIT);
  });
});

describe("reclaim", () => {
  beforeEach(fresh);

  it("makes pages of slabs, and a run of them all", () => {
    // 60 heads of each slab size, all given back: they lie in magazines and depots, their pages are slabs.
    for (let i: u32 = 0; i < 60; i++) {
      let h = alloc(64, 0);
      const h2 = alloc(300, 0);
      const h3 = alloc(1500, 0);
      release(h, 0);
      h = alloc(3800, 0);
      release(h, 0);
      release(h2, 0);
      release(h3, 0);
    }
    expect(freePages()).toBeLessThan(totalPages());
    const all = createRegion(totalPages());
    expect(all >= ERROR_LIMIT).toBe(true);
    releaseRegion(all);
    expect(inUse()).toBe(0);
  });

  it("keeps the slabs that have a head in use, and their free heads usable", () => {
    const kept = alloc(1500, 0);
    const other = alloc(1500, 0);
    release(other, 0);
    expect(createRegion(totalPages())).toBe(E_EXHAUSTED);
    expect(freePages()).toBe(totalPages() - 1);
    // A slab of 2 KiB heads has two: the one that is free is in the slab, and is found there.
    expect(inSlabs(3)).toBe(1);
    const again = alloc(1500, 0);
    expect(inSlabs(3)).toBe(0);
    expect(freePages()).toBe(totalPages() - 1);
    release(again, 0);
    release(kept, 0);
    expect(inUse()).toBe(0);
  });

  it("turns heads of one size into heads of another", () => {
    const rest = createRegion(totalPages() - 1);
    let h = alloc(64, 0);
    release(h, 0);
    // The one page is a slab of the smallest heads now, and all that there is.
    h = alloc(3000, 0);
    expect(h >= ERROR_LIMIT).toBe(true);
    release(h, 0);
    h = alloc(300, 0);
    expect(h >= ERROR_LIMIT).toBe(true);
    release(h, 0);
    releaseRegion(rest);
    expect(inUse()).toBe(0);
  });

  it("finds the pages that another thread has flushed", () => {
    actAs(2);
    const h = alloc(1500, 0);
    release(h, 0);
    flushMagazines();
    actAs(1);
    const all = createRegion(totalPages());
    expect(all >= ERROR_LIMIT).toBe(true);
    releaseRegion(all);
  });
});

function nothing(): u32 {
  return alloc(10, 0);
}
function allocMore(_h: u32): u32 {
  const h = alloc(TWO_PAGES, 0);
  if (h >= ERROR_LIMIT) release(h, 0);
  return h;
}
function letGo(h: u32): void {
  release(h, 0);
}

describe("exhaustion", () => {
  beforeEach(fresh);

  it("of skbs is told, and over as soon as one is back", () => {
    const most = totalSkbs();
    let last: u32 = 0;
    let n: u32 = 0;
    for (let h = alloc(64, 0); h >= ERROR_LIMIT; h = alloc(64, 0)) {
      last = h;
      n += 1;
    }
    expect(n).toBe(most);
    expect(shortOf()).toBe(CLASS_SKB);
    release(last, 0);
    const again = alloc(64, 0);
    expect(again >= ERROR_LIMIT).toBe(true);
    expect(again).not.toBe(last, "a slot that was freed has another handle");
  });

  it("of heads gives the skb back that was taken first", () => {
    const all = createRegion(totalPages());
    const before = counter(1, COUNT_EXHAUSTED);
    expect(alloc(64, 0)).toBe(E_EXHAUSTED);
    expect(shortOf()).toBe(CLASS_HEADS);
    expect(counter(1, COUNT_EXHAUSTED)).toBe(before + 1);
    releaseRegion(all);
    expect(inUse()).toBe(0);
  });

  it("is over when the pages are back, and loses nothing on the way", () => {
    let bad: u32 = 0;
    for (let round: u32 = 0; round < 3; round++) {
      let n: u32 = 0;
      // Runs of two pages: as many as there are pairs.
      for (let h = alloc(TWO_PAGES, 0); h >= ERROR_LIMIT; h = alloc(TWO_PAGES, 0)) {
        store32(STAGE_IN + (n << 2), h);
        n += 1;
      }
      if (n !== totalPages() >>> 1 && n !== totalSkbs()) bad += 1;
      for (let i: u32 = 0; i < n; i++) if (release(load32(STAGE_IN + (i << 2)), 0) !== OK) bad += 1;
      if (inUse() !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("can be had on demand, once", () => {
    expect(failAllocation(2)).toBe(0);
    // The skb is the first allocation, its head the second.
    expect(alloc(64, 0)).toBe(E_EXHAUSTED);
    expect(shortOf()).toBe(CLASS_HEADS);
    const h = alloc(64, 0);
    expect(h >= ERROR_LIMIT).toBe(true);
    release(h, 0);
    expect(sweep(nothing, allocMore, letGo)).toBe(0);
    expect(inUse()).toBe(0);
  });

  it("does not lose the pages that single allocations hide", () => {
    const page = takePage(KIND_USER);
    putPage(page);
    const hidden = inMagazine(1, CLASS_PAGE);
    expect(hidden).toBeGreaterThan(0);
    expect(freePages() + hidden + inDepot(CLASS_PAGE)).toBe(totalPages());
  });
});
