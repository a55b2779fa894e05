// Who asks for nothing gets nothing, and no error: whatever the packet looks like, and whoever shares its bytes.

import type { Skb } from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine, inside } from "../engines.js";
import { codeOf, eachPacket, snapshot, type World } from "../packets.js";

const NOTHING = new Uint8Array(0);

const ASKED: Record<string, (skb: Skb, w: World) => unknown> = {
  "put(0)": (skb) => skb.put(0).length,
  "putData([])": (skb) => skb.putData(NOTHING) === skb,
  "putZeros(0)": (skb) => skb.putZeros(0) === skb,
  "push(0)": (skb) => skb.push(0).length,
  "pushData([])": (skb) => skb.pushData(NOTHING) === skb,
  "pull(0)": (skb) => skb.pull(0),
  "reserve(0)": (skb) => skb.reserve(0),
  "trim(length)": (skb) => skb.trim(skb.length),
  "append([])": (skb) => skb.append(NOTHING) === skb,
  "addPageFrag(0)": (skb) => skb.addPageFrag(0).length,
  "addUserFrag(.., 0)": (skb, w) => {
    const [region, ubuf] = [w.region(10), w.ubuf()];
    for (const offset of [0, 10]) skb.addUserFrag(region, offset, 0, ubuf);
    const seen = ubuf.status;
    ubuf.cancel();
    region.release();
    return seen;
  },
  "mayPull(0)": (skb) => skb.mayPull(0),
  "mayPull(linearLength)": (skb) => skb.mayPull(skb.linearLength),
  "shift(.., 0)": (skb, w) => skb.shift(w.linear(5), 0),
  "shift of nothing from it": (skb, w) => w.linear(5).shift(skb, 0),
  "copyBits into []": (skb) => [0, skb.length].map((at) => skb.copyBits(at, NOTHING)).length,
  "storeBits of []": (skb) => [0, skb.length].map((at) => skb.storeBits(at, NOTHING)).length,
  "segments of nothing": (skb) => [0, skb.length].map((at) => skb.segments(at, 0).length).join(),
  "checksum of nothing": (skb) => [0, skb.length].map((at) => skb.checksum(at, 0)).join(),
  "bursts of nothing": (_skb, { engine }) => {
    engine.releaseBurst([]);
    return engine.allocBurst([], 10);
  },
};

const ANSWERS: Record<string, unknown> = {
  "put(0)": 0,
  "putData([])": true,
  "putZeros(0)": true,
  "push(0)": 0,
  "pushData([])": true,
  "append([])": true,
  "addPageFrag(0)": 0,
  "addUserFrag(.., 0)": "idle",
  "shift(.., 0)": 0,
  "shift of nothing from it": 0,
  "copyBits into []": 2,
  "storeBits of []": 2,
  "segments of nothing": "0,0",
  "checksum of nothing": "0,0",
  "bursts of nothing": 0,
};

forEachEngine((_name, make) => {
  describe("nothing", () => {
    it.each(Object.entries(ASKED))("%s", async (name, ask) => {
      const engine = await make();
      eachPacket(engine, (w, skb, _bytes, other, hint) => {
        const state = (): unknown => ({
          ...snapshot(skb),
          ...{ tailroom: skb.tailroom, truesize: skb.truesize, cloned: skb.cloned },
          other: other === null ? null : snapshot(other),
        });
        const before = state();
        const told = w.completions.length;
        // What `ask` itself needs it takes before; nothing here may need memory, but for those.
        expect(ask(skb, w), `${name}: ${hint}`).toBe(ANSWERS[name]);
        expect(state(), `${name}: ${hint}`).toEqual(before);
        expect(w.completions.length).toBe(told);
      });
    });

    it("needs no memory", async () => {
      const engine = await make();
      const needs = /addUserFrag|shift/;
      eachPacket(engine, (w, skb, _bytes, _other, hint) => {
        for (const [name, ask] of Object.entries(ASKED)) {
          if (needs.test(name)) continue;
          inside(engine).failAllocation(1);
          ask(skb, w);
          expect(inside(engine).failAllocation(0), `${name}: ${hint}`).toBe(1);
        }
      });
    });

    it("is not asked for beyond the end, nor of a packet that has ended", async () => {
      const engine = await make();
      const skb = engine.alloc(10).putZeros(10);
      expect(codeOf(() => skb.copyBits(11, NOTHING))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => skb.storeBits(11, NOTHING))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => skb.segments(11, 0))).toBe("ERR_SKB_RANGE");
      skb.release();
      for (const name of ["put(0)", "push(0)", "pull(0)", "reserve(0)", "append([])", "addPageFrag(0)"]) {
        expect(
          codeOf(() => ASKED[name]?.(skb, undefined as never)),
          name,
        ).toBe("ERR_SKB_STALE");
      }
    });

    it("split in front or behind gives an empty packet beside a whole one", async () => {
      const engine = await make();
      eachPacket(engine, (w, skb, bytes) => {
        const rest = w.keep(skb.split(bytes.length));
        expect([skb.length, rest.length]).toEqual([bytes.length, 0]);
        const all = w.keep(skb.split(0));
        expect([skb.length, all.length]).toEqual([0, bytes.length]);
        expect(w.keep(all.extract(all.length, 0)).length).toBe(0);
      });
    });
  });
});
