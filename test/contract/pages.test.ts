// The page map: what every page is, who holds it and how often, beside what the audit counts.

import { type Engine, Ring, Ubuf, UserRegion } from "skbuff";
import { audit, PageKind, type PageMap, PageOwner, pageMap, stats } from "skbuff/inspect";
import { expect, it } from "vitest";
import { ELSEWHERE, forEachEngine } from "../engines.js";

/** Pages of each kind, and of each holder, for those of kinds. */
function held(map: PageMap, ...kinds: number[]): Record<number, number> {
  const pages: Record<number, number> = {};
  map.kinds.forEach((kind, i) => {
    const owner = map.owners[i] as number;
    if (kinds.includes(kind)) pages[owner] = (pages[owner] ?? 0) + 1;
  });
  return pages;
}

const count = (map: PageMap, ...kinds: number[]): number =>
  map.kinds.reduce((n, kind) => n + (kinds.includes(kind) ? 1 : 0), 0);

/** That the map and the audit count the same. */
function expectSame(engine: Engine): PageMap {
  const map = pageMap(engine);
  const { freePages, dataPages, headPages, ringPages } = audit(engine);
  expect({
    freePages: count(map, PageKind.free),
    dataPages: count(map, PageKind.frag, PageKind.region),
    headPages: count(map, PageKind.slab, PageKind.head),
    ringPages: count(map, PageKind.ring),
  }).toEqual({ freePages, dataPages, headPages, ringPages });
  return map;
}

forEachEngine((name, make) => {
  it("an empty arena is free, and what a thread keeps for itself is said", async () => {
    const engine = await make();
    expect(Object.keys(held(expectSame(engine), PageKind.free))).toEqual(["0"]);
    engine.alloc(0).addPageFrag(1);
    const { inMagazines } = stats(engine).pages;
    expect(inMagazines).toBeGreaterThan(0);
    expect(held(expectSame(engine), PageKind.free)[engine.thread]).toBe(inMagazines);
  });

  it("packets hold their heads and frags, and so do those that share them", async () => {
    const engine = await make();
    const small = engine.alloc(100);
    small.addPageFrag(3 * 4096);
    let map = expectSame(engine);
    expect(held(map, PageKind.frag, PageKind.slab)).toEqual({ [engine.thread]: 4 });
    const of = (kind: number): number[] => [...map.references].filter((_, i) => map.kinds[i] === kind);
    expect([of(PageKind.frag), of(PageKind.slab)]).toEqual([[1, 1, 1], [1]]);
    const clone = small.clone();
    map = expectSame(engine);
    expect([of(PageKind.frag), of(PageKind.slab)]).toEqual([[1, 1, 1], [2]]);
    const half = clone.copyHead();
    map = expectSame(engine);
    expect(of(PageKind.frag)).toEqual([2, 2, 2]);
    for (const skb of [small, clone, half]) skb.release();

    const large = engine.alloc(20_000);
    map = expectSame(engine);
    expect(held(map, PageKind.head)).toEqual({ [engine.thread]: 5 });
    expect(of(PageKind.head)).toEqual([1, 1, 1, 1, 1]);
    large.release();
    expect(held(expectSame(engine), PageKind.frag, PageKind.head)).toEqual({});
  });

  it("a frag list's pages are its packet's", async () => {
    const engine = await make();
    const [packet, member] = [engine.alloc(10), engine.alloc(10)];
    member.addPageFrag(4096);
    packet.addFragList(member);
    expect(held(expectSame(engine), PageKind.frag)).toEqual({ [engine.thread]: 1 });
  });

  it("a region's pages are its maker's, or whose packets refer to them", async () => {
    const engine = await make();
    const region = new UserRegion(engine, 4 * 4096);
    expect(held(expectSame(engine), PageKind.region)).toEqual({ [engine.thread]: 4 });
    const skb = engine.alloc(10);
    skb.addUserFrag(region, 4096, 4096, new Ubuf(engine));
    const ring = new Ring(engine, { capacity: 4 });
    ring.enqueue(skb);
    const map = expectSame(engine);
    const inRing = [...map.owners].find((owner) => owner >= PageOwner.ring) as number;
    expect(held(map, PageKind.region)).toEqual({ [engine.thread]: 3, [inRing]: 1 });
    expect(held(map, PageKind.ring)).toEqual({ [inRing]: 1 });
    expect(held(map, PageKind.slab)).toEqual({ [inRing]: 1 });
    const at = map.kinds.indexOf(PageKind.region);
    expect([...map.references.subarray(at, at + 4)]).toEqual([2, 2, 2, 2]);
    const other = engine.alloc(10);
    expect(held(expectSame(engine), PageKind.slab)).toEqual({ [PageOwner.several]: 1 });
    other.release();
    ring.dequeue()?.release();
    ring.release();
    region.release();
  });

  it("fills a map that it is given, and refuses another one", async () => {
    const engine = await make();
    const map = pageMap(engine);
    expect(map.kinds.length).toBe(stats(engine).pages.total);
    map.kinds.fill(9);
    map.owners.fill(9);
    map.references.fill(9);
    expect(pageMap(engine, map)).toBe(map);
    expect(map).toEqual(pageMap(engine));
    const short = { ...map, owners: map.owners.subarray(1) };
    const code = { code: "ERR_SKB_TYPE" };
    for (const wrong of [short, { ...map, kinds: [] }, {}, null, 1])
      expect(() => pageMap(engine, wrong as PageMap)).toThrow(expect.objectContaining(code));
    if (name !== ELSEWHERE) {
      engine.close();
      expect(() => pageMap(engine, map)).toThrow(expect.objectContaining({ code: "ERR_SKB_CLOSED" }));
    }
  });
});
