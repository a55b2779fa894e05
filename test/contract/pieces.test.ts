// Bytes that have to be copied need pages, not pages in a row: where there are only single ones, a frag becomes several.

import { type Engine, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { ELSEWHERE, forEachEngine } from "../engines.js";
import { bytesAt, codeOf, expectBytes, used } from "../packets.js";

const PAGE = 4096;

/** Takes all pages, and gives back every `nth`: none of them has a neighbour. Returns what keeps the others. */
function scatter(engine: Engine, nth: number): Skb[] {
  const all: Skb[] = [];
  for (let skb = engine.tryAlloc(0); skb !== null; skb = engine.tryAlloc(0)) {
    all.push(skb);
    try {
      skb.addPageFrag(PAGE);
    } catch {
      break;
    }
  }
  const place = (skb: Skb): number => skb.segments()[0]?.byteOffset ?? 0;
  all.sort((a, b) => place(a) - place(b));
  // The one that got no page stays too: alone in its slab, it would make one more free page.
  const kept = all.filter((skb, i) => skb.dataLength === 0 || i % nth !== 0);
  engine.releaseBurst(all.filter((skb) => !kept.includes(skb)));
  return kept;
}

/** Lends places [at, at + n) as frags of so many bytes. */
function lend(
  engine: Engine,
  skb: Skb,
  region: UserRegion,
  at: number,
  n: number,
  each: number,
  sharing: "copy" | "refcount",
) {
  const ubuf = new Ubuf(engine, undefined, { sharing });
  region.bytes.set(bytesAt(at, n), at);
  for (let done = 0; done < n; done += each)
    skb.addUserFrag(region, at + done, Math.min(each, n - done), ubuf);
  return ubuf;
}

/** What makes a copy of lent bytes; returns the packets that have it. */
const COPIES: Record<string, (skb: Skb, engine: Engine) => Skb[]> = {
  copyUbufs: (skb) => {
    skb.copyUbufs();
    return [skb];
  },
  clone: (skb) => [skb, skb.clone()],
  copyHead: (skb) => [skb, skb.copyHead()],
  morph: (skb, engine) => {
    const other = engine.alloc(10);
    other.morph(skb);
    return [skb, other];
  },
};

forEachEngine((name, make) => {
  describe.each(Object.entries(COPIES))("%s", (_how, copy) => {
    it.each([
      ["one frag of 48 KiB", 12 * PAGE, 12 * PAGE],
      ["frags of two pages", 12 * PAGE, 2 * PAGE],
      ["more pages than a head has entries", 30 * PAGE, 6 * PAGE],
      ["as many frags as a head has, of two pages each", 34 * PAGE - 5, 2 * PAGE],
    ])("%s, where there are only single pages", async (_what, n, each) => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1024 });
      const region = new UserRegion(engine, n);
      const skb = engine.alloc(64, { headroom: 16 });
      const ubuf = lend(engine, skb, region, 0, n, each, "copy");
      const kept = scatter(engine, 2);
      // Another thread may keep two that are neighbours.
      if (name !== ELSEWHERE)
        expect(codeOf(() => new UserRegion(engine, 2 * PAGE))).toBe("ERR_SKB_EXHAUSTED");
      const made = copy(skb, engine);
      region.bytes.fill(0xee);
      for (const one of made) {
        expectBytes(one.toBytes(), bytesAt(0, n), "copied");
        expect(one.zeroCopy).toBe(false);
        expect(one.frags).toBeLessThanOrEqual(17);
      }
      expect(ubuf.status).toBe("copied");
      expect(audit(engine).problems).toEqual([]);
      engine.releaseBurst([...made, ...kept]);
      region.release();
      expect(used(engine)).toMatchObject({ skbs: 0, dataPages: 0 });
    });

    it("of a frag list's members, in order, and where one is the last", async () => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1024 });
      const region = new UserRegion(engine, 60 * PAGE);
      const skb = engine.alloc(64).putData(bytesAt(0, 50));
      let at = 50;
      for (const n of [100, 20 * PAGE, 100, 25 * PAGE]) {
        const member = engine.alloc(64).putData(bytesAt(at, 60));
        lend(engine, member, region, at + 60, n, 5 * PAGE, "copy");
        at += member.length;
        skb.addFragList(member);
      }
      const kept = scatter(engine, 2);
      const made = copy(skb, engine);
      for (const one of made) {
        expectBytes(one.toBytes(), bytesAt(0, at), "copied");
        expect(one.listLength).toBe(6);
        expect(audit(engine).problems).toEqual([]);
      }
      engine.releaseBurst([...made, ...kept]);
      region.release();
      expect(used(engine)).toMatchObject({ skbs: 0, dataPages: 0 });
    });

    it("fails when pages are short, and leaves all as it was", async () => {
      const engine = await make({ memory: 1024 * 1024, skbs: 1024 });
      const region = new UserRegion(engine, 32 * PAGE);
      const skb = engine.alloc(64);
      const ubuf = lend(engine, skb, region, 0, 32 * PAGE, 8 * PAGE, "copy");
      const kept = scatter(engine, 12);
      expect(codeOf(() => copy(skb, engine))).toBe("ERR_SKB_EXHAUSTED");
      expect([ubuf.status, skb.frags, skb.listLength]).toEqual(["lent", 4, 0]);
      expectBytes(skb.toBytes(), bytesAt(0, 32 * PAGE), "as it was");
      engine.releaseBurst([skb, ...kept.filter((one) => one.alive)]);
      engine.close({ force: true });
    });
  });

  it("split and extract copy into what the head has entries for", async () => {
    const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1024 });
    const region = new UserRegion(engine, 26 * PAGE);
    const [skb, other] = [engine.alloc(64), engine.alloc(64)];
    for (const [one, at] of [
      [skb, 0],
      [other, 13 * PAGE],
    ] as const)
      lend(engine, one, region, at, 13 * PAGE, 13 * PAGE, "copy");
    const kept = scatter(engine, 2);
    const rest = skb.split(5000);
    const part = other.extract(3000, 40_000);
    expectBytes(skb.toBytes(), bytesAt(0, 5000), "the first part");
    expectBytes(rest.toBytes(), bytesAt(5000, 13 * PAGE - 5000), "the second part");
    expectBytes(part.toBytes(), bytesAt(13 * PAGE + 3000, 40_000), "the part");
    expect(audit(engine).problems).toEqual([]);
    engine.releaseBurst([skb, other, rest, part, ...kept]);
    region.release();
  });

  it.each([
    ["split", (skb: Skb, at: number) => skb.split(at)],
    ["extract", (skb: Skb, at: number) => skb.extract(at, skb.length - at)],
  ])("%s copies more than the head has entries for into members", async (_how, cut) => {
    const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1024 });
    const n = 30 * PAGE;
    const region = new UserRegion(engine, 2 * n);
    const kept = scatter(engine, 2);
    // The cut goes through a frag of the head, and of a member.
    for (const at of [20 * PAGE + 5, n + 20 * PAGE + 5]) {
      const [skb, member] = [engine.alloc(64), engine.alloc(64)];
      const ubufs = [skb, member].map((one, i) => lend(engine, one, region, i * n, n, 6 * PAGE, "copy"));
      skb.addFragList(member);
      const rest = cut(skb, at);
      expectBytes(rest.toBytes(), bytesAt(at, 2 * n - at), "the second part");
      if (_how === "split") expectBytes(skb.toBytes(), bytesAt(0, at), "the first part");
      else expectBytes(skb.toBytes(), bytesAt(0, 2 * n), "the whole");
      expect(ubufs.some(({ status }) => status === "copied")).toBe(true);
      expect(audit(engine).problems).toEqual([]);
      engine.releaseBurst([skb, rest]);
    }
    engine.releaseBurst(kept);
    region.release();
    expect(used(engine)).toMatchObject({ skbs: 0, dataPages: 0 });
  });

  it("unclone makes shared runs its own, page by page", async () => {
    const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1024 });
    const skb = engine.alloc(64);
    skb.addPageFrag(30 * PAGE).set(bytesAt(0, 30 * PAGE));
    // Parts of one run refer to it several times.
    const tail = skb.extract(25 * PAGE, 5 * PAGE);
    skb.trim(25 * PAGE);
    skb.addFragList(tail);
    const twin = skb.clone();
    const kept = scatter(engine, 2);
    skb.unclone();
    for (const at of [0, 13 * PAGE, 30 * PAGE - 4]) skb.writeU32(at, 0xdeadbeef);
    expectBytes(twin.toBytes(), bytesAt(0, 30 * PAGE), "the clone");
    expect(skb.readU32(13 * PAGE)).toBe(0xdeadbeef);
    skb.storeBits(0, bytesAt(0, 30 * PAGE));
    expectBytes(skb.toBytes(), bytesAt(0, 30 * PAGE), "its own");
    expect(audit(engine).problems).toEqual([]);
    engine.releaseBurst([skb, twin, ...kept]);
  });
});
