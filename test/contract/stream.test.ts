// One packet as a stream: it grows behind, is pulled in front, and costs for ever what it cost after the first rounds.

import type { Engine, Skb } from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine, inside } from "../engines.js";
import { bytesAt, caught, codeOf, expectBytes, snapshot, World } from "../packets.js";

/** Bytes of a round: what all rounds bring is more than the largest head has room for. */
const PIECE = 1000;
const ROUNDS = 200;

/** Ways in which `PIECE` bytes get behind a packet, from place `at` of the stream on. */
const GROW: Record<string, (skb: Skb, at: number) => void> = {
  append: (skb, at) => void skb.append(bytesAt(at, PIECE)),
  "a page frag": (skb, at) => void skb.addPageFrag(PIECE).set(bytesAt(at, PIECE)),
  "a frag list": (skb, at) => skb.addFragList(linear(skb, at)),
  "tryCoalesce, else a frag list": (skb, at) => {
    const from = linear(skb, at);
    if (!skb.tryCoalesce(from)) skb.addFragList(from);
  },
  shift: (skb, at) => {
    const from = engineOf(skb).alloc(0);
    from.addPageFrag(PIECE).set(bytesAt(at, PIECE));
    if (skb.shift(from, PIECE) === 0) skb.addFragList(from);
    else from.release();
  },
};

/** Ways in which they get into the head. */
const PULL: Record<string, (skb: Skb) => void> = {
  mayPull: (skb) => skb.mayPull(PIECE),
  linearize: (skb) => skb.linearize(),
  "condense, else linearize": (skb) => {
    if (!skb.condense()) skb.linearize();
  },
  "mayPull, while a clone looks on": (skb) => {
    const twin = skb.clone();
    skb.mayPull(PIECE);
    twin.release();
  },
  "a copy that goes on": (skb) => skb.mayPull(PIECE),
  "a second part that goes on": (skb) => skb.mayPull(PIECE),
};

function engineOf(skb: Skb): Engine {
  return (skb as unknown as { _engine: Engine })._engine;
}

function linear(skb: Skb, at: number): Skb {
  return engineOf(skb).alloc(PIECE).putData(bytesAt(at, PIECE));
}

forEachEngine((_name, make) => {
  describe.each(Object.entries(GROW))("growing by %s", (_grow, grow) => {
    it.each(Object.entries(PULL))("and pulled after %s, takes no more memory", async (how, pull) => {
      const engine = await make();
      for (const behind of [0, 2500]) {
        let skb = engine.alloc(100, { headroom: 40 }).putData(bytesAt(0, behind === 0 ? 0 : 100));
        if (behind !== 0) skb.append(bytesAt(100, behind - 100));
        let settled = 0;
        let most = 0;
        for (let i = 0; i < ROUNDS; i++) {
          grow(skb, i * PIECE + behind);
          pull(skb);
          skb.pull(PIECE);
          const next = how.startsWith("a copy")
            ? skb.copy()
            : how.startsWith("a second")
              ? skb.split(0)
              : skb;
          if (next !== skb) skb.release();
          skb = next;
          most = Math.max(most, skb.truesize);
          if (i === 40) settled = most;
        }
        expect(most).toBe(settled);
        expect(most).toBeLessThan(4 * (behind + PIECE) + 4096);
        expectBytes(skb.toBytes(), bytesAt(ROUNDS * PIECE, behind), "what is left");
        skb.release();
      }
    });
  });

  it("keeps the headroom that was asked for, however", async () => {
    const engine = await make();
    const asked: Record<string, () => Skb> = {
      alloc: () => engine.alloc(0, { headroom: 700 }),
      reserve: () => {
        const skb = engine.alloc(700);
        skb.reserve(600);
        skb.reserve(100);
        return skb;
      },
      expandHead: () => {
        const skb = engine.alloc(0, { headroom: 100 });
        skb.expandHead(600, 0);
        return skb;
      },
      copyHead: () => {
        const skb = engine.alloc(0, { headroom: 700 });
        const twin = skb.copyHead();
        skb.release();
        return twin;
      },
    };
    for (const [how, makeSkb] of Object.entries(asked)) {
      const skb = makeSkb();
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 200; i++) {
        skb.append(bytesAt(0, PIECE));
        skb.mayPull(PIECE);
        skb.pull(PIECE);
        least = Math.min(least, skb.headroom);
      }
      expect(least, how).toBeGreaterThanOrEqual(700);
      skb.push(700);
      skb.release();
    }
  });

  it("keeps the last bytes that were pulled, which can be pushed again", async () => {
    const engine = await make();
    const skb = engine.alloc(0);
    let moved = 0;
    for (let at = 0; at < 200 * PIECE; at += PIECE) {
      skb.append(bytesAt(at, PIECE));
      skb.mayPull(PIECE);
      skb.macHeader = 0;
      skb.networkHeader = PIECE - 256;
      skb.pull(PIECE);
      skb.append(bytesAt(at + PIECE, 4000));
      const before = skb.headroom;
      skb.mayPull(4000);
      // A header that had to go is not set any more; one that is near is where it was.
      if (skb.headroom < before) {
        moved++;
        expect([skb.macHeader, skb.headroom]).toEqual([null, 256]);
      } else expect(skb.macHeader).toBe(-PIECE);
      expect(skb.networkHeader).toBe(-256);
      expectBytes(skb.push(256), bytesAt(at + PIECE - 256, 256), "pushed again");
      skb.pull(256);
      skb.trim(0);
    }
    expect(moved).toBeGreaterThan(5);
    skb.release();
  });

  it("copies and pulls what would not fit with all that was pulled", async () => {
    const engine = await make({ memory: 4 * 1024 * 1024 });
    const w = new World(engine);
    const skb = w.linear(100_000);
    skb.macHeader = 0;
    skb.pull(60_000);
    skb.append(bytesAt(100_000, 80_000));
    const copy = w.keep(skb.copy());
    expectBytes(copy.toBytes(), bytesAt(60_000, 120_000), "the copy");
    expect([copy.headroom, copy.macHeader]).toEqual([256, null]);
    const twin = w.keep(skb.clone());
    skb.linearize();
    for (const one of [skb, twin]) expectBytes(one.toBytes(), bytesAt(60_000, 120_000), "all of it");
    expect([skb.headroom, twin.headroom, twin.macHeader]).toEqual([256, 60_000, -60_000]);
    w.clean();
  });

  it("moves bytes down before it says that the pool is empty, and only if they are its own", async () => {
    const engine = await make({ memory: 512 * 1024 });
    const skb = engine.alloc(3000).putData(bytesAt(0, 3000));
    skb.pull(1500);
    skb.append(bytesAt(3000, 900));
    skb.append(bytesAt(3900, 1100));
    const hoard: Skb[] = [];
    for (let one = engine.tryAlloc(3904); one !== null; one = engine.tryAlloc(3904)) hoard.push(one);
    const twin = skb.clone();
    const before = snapshot(skb);
    expect(codeOf(() => skb.linearize())).toBe("ERR_SKB_EXHAUSTED");
    expect(snapshot(skb)).toEqual(before);
    twin.release();
    skb.linearize();
    expectBytes(skb.toBytes(), bytesAt(1500, 3500), "moved down");
    engine.releaseBurst([...hoard, skb]);
  });

  it("leaves the headroom as it was when it fails", async () => {
    const engine = await make();
    const w = new World(engine);
    let failures = 0;
    for (let nth = 1; ; nth++) {
      const skb = w.linear(2000);
      skb.macHeader = 0;
      skb.pull(1900);
      skb.addFragList(w.grow(w.linear(100, { at: 100 }), 3000, 100));
      const member = w.grow(w.linear(100), 3000);
      w.keep(member.clone());
      skb.addFragList(member);
      w.keep(skb.clone());
      const before = snapshot(skb);
      inside(engine).failAllocation(nth);
      const error = caught(() => skb.mayPull(5000));
      if (inside(engine).failAllocation(0) !== 0) break;
      expect(error).toBeDefined();
      expect(snapshot(skb)).toEqual(before);
      failures++;
    }
    expect(failures).toBeGreaterThan(3);
    w.clean();
  });
});
