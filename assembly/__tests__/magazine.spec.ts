import { blockCount, depots, exchange, skbTable } from "../arena";
import { counter, flushMagazines, inDepot, inMagazine, magazineMost } from "../index";
import {
  BLOCK_NEXT,
  CLASS_SKB,
  COUNT_EXCHANGES,
  DEPOT_BLOCKS,
  DEPOT_CHAINS,
  DEPOT_SHIFT,
  HEADER_CARVED_BLOCKS,
  HEADER_EMPTY_BLOCKS,
  LINK_CHAIN,
  LINK_COUNT,
  LINK_NEXT,
  LINK_SKB,
  OK,
  SKB_SHIFT,
  STACK_TOP,
} from "../layout";
import { flush, give, giveHeld, held, take, takeHeld } from "../magazine";
import { load32, store32 } from "../memory";
import { actAs, BASE, fresh, freshWith } from "./arena";

/** Slots that no test allocates skbs from stand in for objects. */
function object(i: u32): u32 {
  return skbTable + ((100 + i) << SKB_SHIFT);
}

function giveMany(n: u32): void {
  for (let i: u32 = 0; i < n; i++) give(CLASS_SKB, LINK_SKB, object(i));
}

/** First item of the depot's stack of blocks or of chains; 0: it is empty. */
function topOf(stack: u32): u32 {
  return load32(depots + (CLASS_SKB << DEPOT_SHIFT) + stack + STACK_TOP);
}

/** Items on a stack whose top is `top`. */
function depth(top: u32, next: u32): u32 {
  let n: u32 = 0;
  for (let item = top; item !== 0; item = load32(item + next)) n += 1;
  return n;
}

function blocksInDepot(): u32 {
  return depth(topOf(DEPOT_BLOCKS), BLOCK_NEXT);
}

function chainsInDepot(): u32 {
  return depth(topOf(DEPOT_CHAINS), LINK_SKB + LINK_CHAIN);
}

function emptyBlocks(): u32 {
  return depth(load32(BASE + HEADER_EMPTY_BLOCKS + STACK_TOP), BLOCK_NEXT);
}

/** Takes all that there are and counts them by kind: how many came, and how many of them twice. */
let came: u32 = 0;
let twice: u32 = 0;
function takeAll(): void {
  came = 0;
  twice = 0;
  let seenLow: u64 = 0;
  let seenHigh: u64 = 0;
  for (let o = take(CLASS_SKB, LINK_SKB); o !== 0 && came < 1000; o = take(CLASS_SKB, LINK_SKB)) {
    const i = ((o - skbTable) >>> SKB_SHIFT) - 100;
    const bit = (1 as u64) << (i & 63);
    if (((i < 64 ? seenLow : seenHigh) & bit) !== 0) twice += 1;
    if (i < 64) seenLow |= bit;
    else seenHigh |= bit;
    came += 1;
  }
}

describe("a magazine", () => {
  beforeEach(fresh);

  it("has nothing at first", () => {
    expect(take(CLASS_SKB, LINK_SKB)).toBe(0);
    expect(held(CLASS_SKB)).toBe(0);
  });

  it("gives back what was given last", () => {
    giveMany(3);
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(2));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(1));
    give(CLASS_SKB, LINK_SKB, object(7));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(7));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(0));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(0);
  });

  it("loses and doubles nothing, however many it is given", () => {
    let bad: u32 = 0;
    for (let n: u32 = 0; n <= 100; n++) {
      giveMany(n);
      if (held(CLASS_SKB) + inDepot(CLASS_SKB) !== n) bad += 1;
      takeAll();
      if (came !== n || twice !== 0) bad += 1;
      if (held(CLASS_SKB) !== 0 || inDepot(CLASS_SKB) !== 0) bad += 1;
    }
    expect(bad).toBe(0);
  });

  it("hides at most two batches", () => {
    let most: u32 = 0;
    for (let i: u32 = 0; i < 100; i++) {
      give(CLASS_SKB, LINK_SKB, object(i));
      if (held(CLASS_SKB) > most) most = held(CLASS_SKB);
    }
    expect(most).toBe(2 * exchange);
    expect(magazineMost()).toBe(2 * exchange);
    expect(inMagazine(1, CLASS_SKB)).toBe(held(CLASS_SKB));
  });

  it("gives and takes in two steps as in one", () => {
    give(CLASS_SKB, LINK_SKB, object(1));
    giveHeld(CLASS_SKB, object(2));
    expect(held(CLASS_SKB)).toBe(2);
    expect(takeHeld(CLASS_SKB)).toBe(object(2));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(1));
    expect(held(CLASS_SKB)).toBe(0);
  });

  it("sends its older half when it is full, and keeps what was given last", () => {
    giveMany(magazineMost());
    expect(inDepot(CLASS_SKB)).toBe(0);
    give(CLASS_SKB, LINK_SKB, object(50));
    expect(inDepot(CLASS_SKB)).toBe(exchange);
    expect(held(CLASS_SKB)).toBe(exchange + 1);
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(50));
    let bad: u32 = 0;
    for (let i: u32 = magazineMost(); i > exchange; i--) {
      if (take(CLASS_SKB, LINK_SKB) !== object(i - 1)) bad += 1;
    }
    expect(bad).toBe(0, "the younger half, last in first out");
    // Now empty: the half that went to the depot comes back, in its own order.
    for (let i: u32 = exchange; i > 0; i--) {
      if (take(CLASS_SKB, LINK_SKB) !== object(i - 1)) bad += 1;
    }
    expect(bad).toBe(0, "the older half");
    expect(take(CLASS_SKB, LINK_SKB)).toBe(0);
  });

  it("does not go to the depot each time at its upper edge", () => {
    giveMany(magazineMost());
    const before = counter(1, COUNT_EXCHANGES);
    for (let i: u32 = 0; i < 50; i++) {
      // Two over the edge and two back: after the first exchange there is a half's room on either side.
      give(CLASS_SKB, LINK_SKB, object(60));
      give(CLASS_SKB, LINK_SKB, object(61));
      take(CLASS_SKB, LINK_SKB);
      take(CLASS_SKB, LINK_SKB);
    }
    expect(counter(1, COUNT_EXCHANGES) - before).toBe(1);
    expect(inDepot(CLASS_SKB)).toBe(exchange);
  });

  it("does not go to the depot each time at its lower edge", () => {
    giveMany(magazineMost() + 1);
    // All that it holds, and one more: a half has been fetched.
    for (let i: u32 = 0; i < exchange + 2; i++) take(CLASS_SKB, LINK_SKB);
    expect(inDepot(CLASS_SKB)).toBe(0);
    const before = counter(1, COUNT_EXCHANGES);
    for (let i: u32 = 0; i < 50; i++) {
      give(CLASS_SKB, LINK_SKB, object(60));
      give(CLASS_SKB, LINK_SKB, object(61));
      take(CLASS_SKB, LINK_SKB);
      take(CLASS_SKB, LINK_SKB);
    }
    expect(counter(1, COUNT_EXCHANGES)).toBe(before);
    expect(inDepot(CLASS_SKB)).toBe(0);
  });

  it("keeps classes apart", () => {
    give(CLASS_SKB, LINK_SKB, object(1));
    expect(take(CLASS_SKB - 1, LINK_SKB)).toBe(0);
    expect(take(CLASS_SKB + 1, LINK_SKB)).toBe(0);
    expect(held(CLASS_SKB)).toBe(1);
  });
});

describe("assertions", () => {
  beforeEach(fresh);

  it("are on here", () => {
    expect(() => {
      takeHeld(CLASS_SKB);
    }).toThrow("nothing is held");
  });
});

describe("a depot", () => {
  beforeEach(fresh);

  it("takes batches as blocks, and says what is in them", () => {
    giveMany(magazineMost() + 1);
    expect(inDepot(CLASS_SKB)).toBe(exchange);
    expect(blocksInDepot()).toBe(1);
    expect(chainsInDepot()).toBe(0);
    for (let i: u32 = 0; i < exchange; i++) give(CLASS_SKB, LINK_SKB, object(40 + i));
    expect(inDepot(CLASS_SKB)).toBe(2 * exchange);
    expect(blocksInDepot()).toBe(2);
  });

  it("takes what is flushed as a block, and the rest as one chain", () => {
    giveMany(magazineMost());
    flush(CLASS_SKB, LINK_SKB);
    expect(held(CLASS_SKB)).toBe(0);
    expect(blocksInDepot()).toBe(1);
    expect(chainsInDepot()).toBe(1);
    const first = topOf(DEPOT_CHAINS);
    const rest = magazineMost() >> 1;
    expect(load32(first + LINK_SKB + LINK_COUNT)).toBe(rest);
    expect(depth(first, LINK_SKB + LINK_NEXT)).toBe(rest, "the chain ends where its count says");
    expect(inDepot(CLASS_SKB)).toBe(magazineMost());
  });

  it("gives the chain that came last first", () => {
    for (let i: u32 = 0; i < 3; i++) {
      give(CLASS_SKB, LINK_SKB, object(i));
      flush(CLASS_SKB, LINK_SKB);
    }
    expect(inDepot(CLASS_SKB)).toBe(3);
    expect(chainsInDepot()).toBe(3);
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(2));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(1));
    expect(take(CLASS_SKB, LINK_SKB)).toBe(object(0));
    expect(inDepot(CLASS_SKB)).toBe(0);
  });

  it("uses a block again once it has been fetched", () => {
    for (let round: u32 = 0; round < 20; round++) {
      giveMany(magazineMost() + 1);
      takeAll();
    }
    expect(load32(BASE + HEADER_CARVED_BLOCKS)).toBe(1, "one block did for all rounds");
    expect(emptyBlocks()).toBe(1);
    expect(blocksInDepot()).toBe(0);
  });

  it("takes chains when no empty block is left, and loses nothing", () => {
    // There is a block for every skb; as if others had all but 11, exchanges of 2 use these up with 26 objects.
    expect(freshWith(96, 256, 128, 2, 2)).toBe(OK);
    const blocks: u32 = 11;
    expect(blockCount).toBeGreaterThan(blocks);
    store32(BASE + HEADER_CARVED_BLOCKS, blockCount - blocks);
    giveMany(90);
    expect(load32(BASE + HEADER_CARVED_BLOCKS)).toBe(blockCount);
    expect(blocksInDepot()).toBe(blocks);
    expect(chainsInDepot()).toBeGreaterThan(1);
    expect(load32(topOf(DEPOT_CHAINS) + LINK_SKB + LINK_COUNT)).toBe(2);
    expect(inDepot(CLASS_SKB) + held(CLASS_SKB)).toBe(90);
    takeAll();
    expect(came).toBe(90);
    expect(twice).toBe(0);
    expect(emptyBlocks()).toBe(blocks, "every block is empty again");
    // And serve again.
    giveMany(90);
    expect(blocksInDepot()).toBe(blocks);
    takeAll();
    expect(came).toBe(90);
    expect(twice).toBe(0);
  });

  it("lets a thread have what another one flushed, and nothing before", () => {
    giveMany(5);
    actAs(2);
    expect(take(CLASS_SKB, LINK_SKB)).toBe(0, "hidden with thread 1");
    actAs(1);
    flushMagazines();
    expect(held(CLASS_SKB)).toBe(0);
    actAs(2);
    takeAll();
    expect(came).toBe(5);
    expect(twice).toBe(0);
  });

  it("takes what is less than a batch", () => {
    giveMany(11);
    flush(CLASS_SKB, LINK_SKB);
    expect(inDepot(CLASS_SKB)).toBe(11);
    const before = counter(1, COUNT_EXCHANGES);
    flush(CLASS_SKB, LINK_SKB);
    expect(inDepot(CLASS_SKB)).toBe(11);
    expect(counter(1, COUNT_EXCHANGES)).toBe(before, "an empty magazine has nothing to flush");
    takeAll();
    expect(came).toBe(11);
    expect(twice).toBe(0);
  });

  it("loses nothing between two threads that give and take by turns", () => {
    giveMany(90);
    let lost: u32 = 0;
    for (let round: u32 = 0; round < 40; round++) {
      actAs(1 + (round & 1));
      // One thread only takes, the other only gives: everything passes through the depot.
      const n: u32 = 1 + ((round * 7) % 20);
      let list: u32 = 0;
      for (let i: u32 = 0; i < n; i++) {
        const o = take(CLASS_SKB, LINK_SKB);
        if (o === 0) break;
        store32(o + LINK_SKB, list);
        list = o;
      }
      actAs(2 - (round & 1));
      while (list !== 0) {
        const next = load32(list + LINK_SKB);
        give(CLASS_SKB, LINK_SKB, list);
        list = next;
      }
      if (inMagazine(1, CLASS_SKB) + inMagazine(2, CLASS_SKB) + inDepot(CLASS_SKB) !== 90) lost += 1;
      if (inMagazine(1, CLASS_SKB) > magazineMost() || inMagazine(2, CLASS_SKB) > magazineMost()) lost += 1;
    }
    expect(lost).toBe(0);
    actAs(2);
    flush(CLASS_SKB, LINK_SKB);
    actAs(1);
    takeAll();
    expect(came).toBe(90);
    expect(twice).toBe(0);
  });
});
