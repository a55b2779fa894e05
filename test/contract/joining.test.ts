// Joining packets: as a frag list, by taking frags, by copying where that needs no memory.

import type { Skb, SkbuffError } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, caught, codeOf, eachPacket, expectBytes, SHAPES, World } from "../packets.js";

forEachEngine((_name, make) => {
  describe("joining", () => {
    it("addFragList joins any two shapes", async () => {
      const engine = await make();
      for (const [shape, build] of Object.entries(SHAPES)) {
        eachPacket(engine, (w, skb, bytes, _other, name) => {
          const host = build(w);
          const own = host.length;
          const lists = host.listLength + 1 + skb.listLength;
          const error = caught(() => host.addFragList(skb));
          const hint = `${name} behind ${shape}`;
          if (error !== undefined) {
            // A list that is shared cannot be taken apart.
            expect((error as SkbuffError).code, hint).toBe("ERR_SKB_SHARED");
            expect([skb.cloned, skb.listLength > 0, skb.alive], hint).toEqual([true, true, true]);
            return;
          }
          expect([skb.alive, host.listLength], hint).toEqual([false, lists]);
          expectBytes(host.toBytes(), Buffer.concat([bytesAt(0, own), bytes]), hint);
          host.release();
        });
      }
    });

    it("a frag list is shared by a clone; whatever else makes a twin clones its members", async () => {
      const engine = await make();
      const ways: [string, (skb: Skb) => unknown, structs: number][] = [
        ["clone", (skb) => skb.clone(), 1],
        ["copyHead", (skb) => skb.copyHead(), 3],
        // A twin that shares the list, and then members that are this packet's own.
        ["expandHead", (skb) => [skb.clone(), skb.expandHead(0, 0)], 3],
        ["unclone", (skb) => [skb.clone(), skb.unclone()], 3],
      ];
      for (const [name, twin, structs] of ways) {
        const skb = engine.alloc(10).putZeros(10);
        for (let i = 0; i < 2; i++) skb.addFragList(engine.alloc(10).putZeros(10));
        const { used } = stats(engine).skbs;
        twin(skb);
        expect([name, stats(engine).skbs.used - used]).toEqual([name, structs]);
      }
      engine.close({ force: true });
    });

    it("tryCoalesce takes all or nothing", async () => {
      const engine = await make();
      let taken = 0;
      for (const [shape, build] of Object.entries(SHAPES)) {
        eachPacket(engine, (w, skb, bytes, _other, name) => {
          const host = build(w);
          const own = host.length;
          const { allocs } = stats(engine);
          const done = host.tryCoalesce(skb);
          const hint = `${name} behind ${shape}`;
          expect(stats(engine).allocs, hint).toBe(allocs);
          expect(skb.alive, hint).toBe(!done);
          if (done) taken++;
          const wanted = done ? Buffer.concat([bytesAt(0, own), bytes]) : bytesAt(0, own);
          expectBytes(host.toBytes(), wanted, hint);
          if (!done) expectBytes(skb.toBytes(), bytes, hint);
          host.release();
        });
      }
      expect(taken).toBeGreaterThan(10);
      const w = new World(engine);
      const one = w.linear(10, { room: 100 });
      expect(one.tryCoalesce(one)).toBe(false);
      expect(one.length).toBe(10);
      w.clean();
    });

    it("shift moves frags, in part too, and never lent bytes", async () => {
      const engine = await make();
      const w = new World(engine);
      const total = 4096 + 700 + 1500;
      const counts = [0, 1, 4095, 4096, 4097, total - 1, total];
      for (const hold of ["none", "host", "source"]) {
        for (const n of counts) {
          const host = w.grow(w.linear(30), 200);
          const source = w.keep(engine.alloc(0));
          for (const size of [4096, 700, 1500]) w.grow(source, size, 230);
          const twin = hold === "none" ? null : w.keep((hold === "host" ? host : source).clone());
          const { bytesCopied } = stats(engine);
          expect(host.shift(source, n), `${n}`).toBe(n);
          if (twin === null) expect(stats(engine).bytesCopied).toBe(bytesCopied);
          expectBytes(host.toBytes(), bytesAt(0, 230 + n), `${hold} ${n}`);
          expectBytes(source.toBytes(), bytesAt(230 + n, total - n), `${hold} ${n}`);
          if (twin !== null) {
            expectBytes(twin.toBytes(), hold === "host" ? bytesAt(0, 230) : bytesAt(230, total), hold);
          }
          expect(audit(engine).problems).toEqual([]);
          w.clean();
        }
      }
      const host = w.linear(30);
      for (const from of [w.linear(10), SHAPES["lent frags"]?.(w), SHAPES["frag list"]?.(w)]) {
        expect(host.shift(from as Skb, 5)).toBe(0);
      }
      expect(host.shift(host, 5)).toBe(0);
      expect(codeOf(() => host.shift(w.linear(3), 4))).toBe("ERR_SKB_RANGE");
      expect(host.length).toBe(30);
      w.clean();
    });

    it("shift joins neighbours in one run into one frag", async () => {
      const engine = await make();
      const w = new World(engine);
      const host = w.keep(engine.alloc(0));
      const source = w.grow(w.keep(engine.alloc(0)), 4000);
      for (let done = 0; done < 4000; done += 1000) expect(host.shift(source, 1000)).toBe(1000);
      expect([host.frags, source.frags, source.length]).toEqual([1, 0, 0]);
      expectBytes(host.toBytes(), bytesAt(0, 4000), "shifted");
      w.clean();
    });
  });
});
