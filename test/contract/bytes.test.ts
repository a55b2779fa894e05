// Every operation that reads, moves, cuts, shares or joins bytes, on every shape of packet under every hold.

import type { Engine, Skb, SkbuffError } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { borders, bytesAt, caught, codeOf, eachPacket, expectBytes, naiveSum, World } from "../packets.js";

/** A new packet like the visited one for each cut: an operation that cuts leaves none to cut again. */
function eachCut(
  engine: Engine,
  visit: (w: World, skb: Skb, bytes: Uint8Array, at: number, name: string) => void,
): void {
  eachPacket(engine, (w, sample, bytes, _other, name, again) => {
    for (const at of borders(sample)) {
      const hint = `${name}, at ${at}`;
      const [skb, twin] = again();
      visit(w, skb, bytes, at, hint);
      if (twin !== null) expectBytes(twin.toBytes(), bytes, `${hint}: the twin`);
      expect(audit(engine).problems, hint).toEqual([]);
      skb.release();
      twin?.release();
    }
  });
}

forEachEngine((_name, make) => {
  describe("reading", () => {
    it("copyBits, segments and checksum give every range, toBytes all", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        expect(skb.length, name).toBe(bytes.length);
        expect(skb.linearLength + skb.dataLength, name).toBe(skb.length);
        expect(skb.linear, name).toBe(skb.dataLength === 0);
        expectBytes(skb.toBytes(), bytes, name);
        expectBytes(skb.bytes, bytes.subarray(0, skb.linearLength), name);
        const places = borders(skb);
        for (const [i, from] of places.entries()) {
          for (const to of places.slice(i)) {
            const wanted = bytes.subarray(from, to);
            const hint = `${name} [${from}, ${to})`;
            const into = new Uint8Array(to - from);
            skb.copyBits(from, into);
            expectBytes(into, wanted, hint);
            expectBytes(Buffer.concat(skb.segments(from, to - from)), wanted, hint);
            expect(skb.checksum(from, to - from), hint).toBe(naiveSum(wanted));
          }
        }
        expect(skb.checksum(), name).toBe(naiveSum(bytes));
      });
    });

    it("toBytes copies into the beginning of memory of the caller's, and gives a view of that", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const n = bytes.length;
        for (const [before, behind] of [
          [0, 0],
          [3, 5],
          [8, 1],
        ] as const) {
          const memory = new Uint8Array(before + n + behind).fill(0xaa);
          const copy = skb.toBytes(memory.subarray(before));
          expect([copy.buffer, copy.byteOffset], name).toEqual([memory.buffer, before]);
          expectBytes(copy, bytes, name);
          expectBytes(
            memory,
            Buffer.concat([Buffer.alloc(before, 0xaa), bytes, Buffer.alloc(behind, 0xaa)]),
            name,
          );
        }
        const own = skb.toBytes();
        expect(Object.prototype.toString.call(own.buffer), name).toBe("[object ArrayBuffer]");
        own.fill(0xaa);
        expectBytes(skb.toBytes(), bytes, `${name}: the copy is its own`);
      });
    });

    it("toBytes refuses shared memory, too little memory and what is none, and writes nothing", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes) => {
        // Pages that are not isolated have none.
        if (typeof SharedArrayBuffer !== "undefined") {
          const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 1));
          expect(codeOf(() => skb.toBytes(shared))).toBe("ERR_SKB_TYPE");
          expect(shared.every((byte) => byte === 0)).toBe(true);
        }
        for (const wild of [null, 5, "bytes", [1], new Uint16Array(9000), new ArrayBuffer(9000)])
          expect(codeOf(() => skb.toBytes(wild as unknown as Uint8Array))).toBe("ERR_SKB_TYPE");
        if (bytes.length === 0) return;
        const short = new Uint8Array(bytes.length + 8).subarray(8, -1);
        expect(codeOf(() => skb.toBytes(short))).toBe("ERR_SKB_RANGE");
        expect(new Uint8Array(short.buffer).every((byte) => byte === 0)).toBe(true);
      });
    });

    it("numbers are read as a DataView reads them, across borders too", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const view = new DataView(bytes.buffer);
        for (const place of borders(skb)) {
          for (let at = Math.max(0, place - 7); at <= place; at++) {
            const hint = `${name} at ${at}`;
            if (at + 1 <= bytes.length) expect(skb.readU8(at), hint).toBe(view.getUint8(at));
            else
              expect(
                codeOf(() => skb.readU8(at)),
                hint,
              ).toBe("ERR_SKB_RANGE");
            for (const little of [false, true]) {
              const order = `${hint}, ${little ? "little" : "big"}-endian`;
              if (at + 2 <= bytes.length)
                expect(skb.readU16(at, little), order).toBe(view.getUint16(at, little));
              if (at + 4 <= bytes.length)
                expect(skb.readU32(at, little), order).toBe(view.getUint32(at, little));
              if (at + 8 <= bytes.length)
                expect(skb.readU64(at, little), order).toBe(view.getBigUint64(at, little));
            }
            if (at + 8 <= bytes.length) expect(skb.readU64(at), hint).toBe(view.getBigUint64(at));
            else
              expect(
                codeOf(() => skb.readU64(at)),
                hint,
              ).toBe("ERR_SKB_RANGE");
            if (at + 2 <= bytes.length) expect(skb.readU16(at), hint).toBe(view.getUint16(at));
            else
              expect(
                codeOf(() => skb.readU16(at)),
                hint,
              ).toBe("ERR_SKB_RANGE");
            if (at + 4 <= bytes.length) expect(skb.readU32(at), hint).toBe(view.getUint32(at));
            else
              expect(
                codeOf(() => skb.readU32(at)),
                hint,
              ).toBe("ERR_SKB_RANGE");
          }
        }
      });
    });

    it("refuses what is behind the end", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes) => {
        const n = bytes.length;
        for (const run of [
          () => skb.copyBits(n + 1, new Uint8Array(0)),
          () => skb.copyBits(0, new Uint8Array(n + 1)),
          () => skb.segments(n + 1),
          () => skb.segments(1, n),
          () => skb.checksum(n + 1),
          () => skb.checksum(0, n + 1),
          () => skb.copyBits(n, new Uint8Array(1)),
          () => skb.storeBits(n, new Uint8Array(1)),
          () => skb.writeU8(n, 1),
          () => skb.writeU16(n === 0 ? 0 : n - 1, 1),
          () => skb.writeU32(2 ** 32 - 1, 1),
          // Of which the second half would be at the beginning, if offsets wrapped.
          () => skb.readU64(2 ** 32 - 4),
          () => skb.writeU64(2 ** 32 - 4, 1n),
          () => skb.readU64(n < 7 ? 0 : n - 7),
          () => skb.writeU64(n < 7 ? 0 : n - 7, 1n),
          () => skb.setChecksum(n < 1 ? 0 : n - 1),
          () => skb.setChecksum(0, n + 1),
          () => skb.setChecksum(0, 0, n + 1),
          () => skb.trim(n + 1),
          () => skb.mayPull(n + 1),
          () => skb.split(n + 1),
        ]) {
          expect(codeOf(run), String(run)).toBe("ERR_SKB_RANGE");
        }
        expectBytes(skb.toBytes(), bytes, "after refusals");
      });
    });
  });

  describe("writing", () => {
    it("storeBits and writeU8/16/32/64 write what is the packet's alone, and refuse the rest", async () => {
      const engine = await make();
      let refused = 0;
      let written = 0;
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const model = bytes.slice();
        const view = new DataView(model.buffer);
        const attempt = (at: number, n: number, run: () => void, write: () => void): void => {
          if (at + n > model.length) return;
          const error = caught(run);
          if (error === undefined) {
            write();
            written++;
          } else {
            expect((error as SkbuffError).code, `${name} at ${at}`).toBe("ERR_SKB_SHARED");
            refused++;
          }
          expectBytes(skb.toBytes(), model, `${name} at ${at}`);
        };
        for (const at of borders(skb)) {
          attempt(
            at,
            1,
            () => skb.writeU8(at, 0xa5),
            () => view.setUint8(at, 0xa5),
          );
          attempt(
            at,
            2,
            () => skb.writeU16(at, 0xfedc),
            () => view.setUint16(at, 0xfedc),
          );
          attempt(
            at,
            4,
            () => skb.writeU32(at, 0xfedcba98),
            () => view.setUint32(at, 0xfedcba98),
          );
          attempt(
            at,
            8,
            () => skb.writeU64(at, 0xfedc_ba98_7654_3210n),
            () => view.setBigUint64(at, 0xfedc_ba98_7654_3210n),
          );
          attempt(
            at,
            2,
            () => skb.writeU16(at, 0xfed1, true),
            () => view.setUint16(at, 0xfed1, true),
          );
          attempt(
            at,
            4,
            () => skb.writeU32(at, 0x89fedcba, true),
            () => view.setUint32(at, 0x89fedcba, true),
          );
          attempt(
            at,
            8,
            () => skb.writeU64(at, 0x8fedc_ba98_7654_321n, true),
            () => view.setBigUint64(at, 0x8fedc_ba98_7654_321n, true),
          );
          for (const n of [5, 100]) {
            const from = bytesAt(7000, n);
            attempt(
              at,
              n,
              () => skb.storeBits(at, from),
              () => model.set(from, at),
            );
          }
        }
        if (skb.cloned)
          expect(
            codeOf(() => skb.writeU8(0, 1)),
            name,
          ).toBe(bytes.length > 0 ? "ERR_SKB_SHARED" : "ERR_SKB_RANGE");
      });
      expect(refused).toBeGreaterThan(100);
      expect(written).toBeGreaterThan(100);
    });

    it("setChecksum writes what makes the range right, wherever its field is, and refuses what is shared", async () => {
      const engine = await make();
      let refused = 0;
      let written = 0;
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const model = bytes.slice();
        const places = borders(skb);
        for (const at of places) {
          for (const from of places) {
            // Ranges that have the field, and such as have not; none that has half of it.
            const inside = at >= from && at + 2 <= model.length;
            const to = inside || from > at ? model.length : at;
            if (from > to || from === at + 1 || at + 2 > model.length) continue;
            const hint = `${name} at ${at}, [${from}, ${to})`;
            const seed = (at * 77_777 + from) >>> 0;
            const error = caught(() => skb.setChecksum(at, from, to - from, seed));
            if (error !== undefined) {
              expect((error as SkbuffError).code, hint).toBe("ERR_SKB_SHARED");
              refused++;
            } else {
              model.set([0, 0], at);
              const pseudo = Uint8Array.of(
                seed >>> 24,
                (seed >>> 16) & 0xff,
                (seed >>> 8) & 0xff,
                seed & 0xff,
              );
              const wanted = ~naiveSum(Uint8Array.of(...pseudo, ...model.subarray(from, to))) & 0xffff;
              const odd = ((at - from) & 1) !== 0;
              new DataView(model.buffer).setUint16(at, wanted, odd);
              expect(skb.readU16(at, odd), hint).toBe(wanted);
              if (inside) expect(skb.checksum(from, to - from, seed), hint).toBe(0xffff);
              written++;
            }
            expectBytes(skb.toBytes(), model, hint);
          }
        }
      });
      expect(refused).toBeGreaterThan(100);
      expect(written).toBeGreaterThan(100);
    });

    it("a sum goes on from another one, folded or not", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        for (const at of borders(skb).filter((place) => place % 2 === 0)) {
          const first = skb.checksum(0, at);
          expect(skb.checksum(at, undefined, first), `${name} at ${at}`).toBe(naiveSum(bytes));
        }
        for (const seed of [1, 0xffff, 0x10000, 0xffff_ffff, 0xfffe_ffff]) {
          const words = Uint8Array.of(seed >>> 24, (seed >>> 16) & 0xff, (seed >>> 8) & 0xff, seed & 0xff);
          expect(skb.checksum(0, undefined, seed), `${name}, ${seed}`).toBe(
            naiveSum(Uint8Array.of(...words, ...bytes)),
          );
        }
      });
    });

    it("refuses numbers and orders that are none", async () => {
      const skb = (await make()).alloc(16).putZeros(16);
      for (const order of [1, 0, "little", null, {}]) {
        const little = order as unknown as boolean;
        for (const run of [
          () => skb.readU16(0, little),
          () => skb.readU32(0, little),
          () => skb.readU64(0, little),
          () => skb.writeU16(0, 7, little),
          () => skb.writeU32(0, 7, little),
          () => skb.writeU64(0, 7n, little),
        ])
          expect(codeOf(run), `${String(run)} ${String(order)}`).toBe("ERR_SKB_TYPE");
      }
      for (const value of [1, "1", null, undefined, {}])
        expect(
          codeOf(() => skb.writeU64(0, value as unknown as bigint)),
          String(value),
        ).toBe("ERR_SKB_TYPE");
      for (const value of [-1n, 2n ** 64n])
        expect(codeOf(() => skb.writeU64(0, value))).toBe("ERR_SKB_RANGE");
      expectBytes(skb.toBytes(), new Uint8Array(16), "after refusals");
      skb.release();
    });

    it("unclone makes every byte that is not lent writable", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        skb.unclone();
        expect(skb.cloned, name).toBe(false);
        expectBytes(skb.toBytes(), bytes, name);
        if (skb.zeroCopy) skb.copyUbufs();
        const mine = bytesAt(33333, bytes.length);
        skb.storeBits(0, mine);
        expectBytes(skb.toBytes(), mine, name);
      });
    });
  });

  describe("second packets", () => {
    it("clone shares, and both are read-only", async () => {
      const engine = await make();
      eachPacket(engine, (w, skb, bytes, _other, name) => {
        const twin = w.keep(skb.clone());
        expectBytes(twin.toBytes(), bytes, name);
        expect([skb.cloned, twin.cloned], name).toEqual([true, true]);
        for (const one of [skb, twin]) {
          expect(
            codeOf(() => one.put(1)),
            name,
          ).toBe("ERR_SKB_SHARED");
          expect(
            codeOf(() => one.push(1)),
            name,
          ).toBe("ERR_SKB_SHARED");
          expect(
            codeOf(() => one.append(new Uint8Array(1))),
            name,
          ).toBe("ERR_SKB_SHARED");
          expect(
            codeOf(() => one.addPageFrag(1)),
            name,
          ).toBe("ERR_SKB_SHARED");
          expect(
            codeOf(() => one.addFragList(w.linear(1))),
            name,
          ).toBe("ERR_SKB_SHARED");
        }
        // What only moves a packet's own borders is allowed, and does not touch the other.
        const cut = Math.min(3, twin.linearLength);
        twin.pull(cut);
        expectBytes(twin.toBytes(), bytes.subarray(cut), name);
        expectBytes(skb.toBytes(), bytes, name);
      });
    });

    it("copy is linear and its own", async () => {
      const engine = await make();
      eachPacket(engine, (w, skb, bytes, _other, name) => {
        const copied = stats(engine).bytesCopied;
        const twin = w.keep(skb.copy());
        expect(stats(engine).bytesCopied - copied, name).toBe(bytes.length);
        expect([twin.linear, twin.cloned, twin.zeroCopy], name).toEqual([true, false, false]);
        expect(twin.headroom, name).toBe(skb.headroom);
        expectBytes(twin.toBytes(), bytes, name);
        twin.storeBits(0, new Uint8Array(bytes.length));
        expectBytes(skb.toBytes(), bytes, name);
      });
    });

    it("copyHead has a head of its own and shares the rest", async () => {
      const engine = await make();
      eachPacket(engine, (w, skb, bytes, _other, name) => {
        const twin = w.keep(skb.copyHead());
        expect(twin.cloned, name).toBe(false);
        expect([twin.linearLength, twin.frags, twin.listLength], name).toEqual([
          skb.linearLength,
          skb.frags,
          skb.listLength,
        ]);
        expectBytes(twin.toBytes(), bytes, name);
        if (twin.linearLength > 0) twin.writeU8(0, ~twin.readU8(0) & 0xff);
        expectBytes(skb.toBytes(), bytes, name);
      });
    });

    it("morph becomes a clone of the other and lets its own bytes go", async () => {
      const engine = await make();
      eachPacket(engine, (w, skb, _bytes, _other, name) => {
        const source = w.grow(w.linear(77, { at: 500 }), 88, 500);
        skb.morph(source);
        expectBytes(skb.toBytes(), bytesAt(500, 165), name);
        expect([skb.cloned, source.cloned, skb.users], name).toEqual([true, true, 1]);
        const back = w.linear(5);
        back.morph(skb);
        expectBytes(back.toBytes(), bytesAt(500, 165), name);
        skb.morph(skb);
        expectBytes(skb.toBytes(), bytesAt(500, 165), `${name}: itself`);
      });
    });
  });

  describe("head and frags", () => {
    it("expandHead adds the room that was asked for", async () => {
      const engine = await make();
      for (const [head, tail] of [
        [0, 0],
        [1, 0],
        [0, 1],
        [130, 4096],
        [9000, 0],
      ] as const) {
        eachPacket(engine, (_w, skb, bytes, _other, name) => {
          const { headroom, linearLength, frags, listLength } = skb;
          skb.expandHead(head, tail);
          expect([skb.headroom, skb.linearLength, skb.frags, skb.listLength], name).toEqual([
            headroom + head,
            linearLength,
            frags,
            listLength,
          ]);
          expect(skb.cloned, name).toBe(false);
          expectBytes(skb.toBytes(), bytes, name);
          if (skb.linear) expect(skb.tailroom, name).toBeGreaterThanOrEqual(tail);
          skb.push(skb.headroom).fill(0xee);
          expectBytes(skb.toBytes().subarray(headroom + head), bytes, name);
        });
      }
    });

    it("linearize brings all bytes into the head", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const { headroom } = skb;
        skb.linearize();
        expect([skb.linear, skb.frags, skb.zeroCopy, skb.headroom], name).toEqual([true, 0, false, headroom]);
        expectBytes(skb.toBytes(), bytes, name);
        expectBytes(skb.bytes, bytes, name);
      });
    });

    it("condense does so where the tailroom serves, and else nothing", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const before = skb.linear;
        const done = skb.condense();
        expect(done, name).toBe(skb.linear);
        if (before) expect(done, name).toBe(true);
        expectBytes(skb.toBytes(), bytes, name);
      });
      const w = new World(engine);
      const roomy = w.grow(w.linear(10, { room: 200 }), 50);
      const { skbs } = stats(engine);
      expect(roomy.condense()).toBe(true);
      expect(stats(engine).skbs).toEqual(skbs);
      expectBytes(roomy.bytes, bytesAt(0, 60), "condensed");
      w.clean();
    });

    it("mayPull brings so many bytes into the head, and pull then removes them", async () => {
      const engine = await make();
      eachCut(engine, (_w, skb, bytes, at, name) => {
        skb.mayPull(at);
        expect(skb.linearLength, name).toBeGreaterThanOrEqual(at);
        expectBytes(skb.toBytes(), bytes, name);
        skb.pull(at);
        expectBytes(skb.toBytes(), bytes.subarray(at), name);
      });
    });

    it("trim cuts anywhere", async () => {
      const engine = await make();
      eachCut(engine, (_w, skb, bytes, at, name) => {
        skb.trim(at);
        expect(skb.length, name).toBe(at);
        expectBytes(skb.toBytes(), bytes.subarray(0, at), name);
        expect(skb.linearLength + skb.dataLength, name).toBe(at);
      });
    });

    it("split cuts anywhere, and the parts are whole packets", async () => {
      const engine = await make();
      eachCut(engine, (w, skb, bytes, at, name) => {
        const { headroom } = skb;
        skb.mark = 99;
        const rest = w.keep(skb.split(at));
        expectBytes(skb.toBytes(), bytes.subarray(0, at), name);
        expectBytes(rest.toBytes(), bytes.subarray(at), name);
        expect([rest.headroom, rest.mark, rest.users], name).toEqual([headroom, 99, 1]);
        rest.linearize();
        expectBytes(rest.toBytes(), bytes.subarray(at), name);
        rest.release();
      });
    });

    it("extract gives any part, and leaves the packet as it was", async () => {
      const engine = await make();
      eachCut(engine, (w, skb, bytes, at, name) => {
        skb.mark = 99;
        skb.cb[5] = 7;
        skb.timestamp = 2n ** 63n + 5n;
        for (const n of [0, 1, (bytes.length - at) >> 1, bytes.length - at]) {
          if (n > bytes.length - at) continue;
          const part = w.keep(skb.extract(at, n, { headroom: 30 }));
          expectBytes(part.toBytes(), bytes.subarray(at, at + n), name);
          expectBytes(skb.toBytes(), bytes, name);
          expect(part.headroom, name).toBeGreaterThanOrEqual(30);
          expect([part.mark, part.cb[5], part.timestamp], name).toEqual([99, 7, 2n ** 63n + 5n]);
          expect(part.macHeader, name).toBeNull();
          part.linearize();
          expectBytes(part.toBytes(), bytes.subarray(at, at + n), name);
          part.release();
        }
        expect(caught(() => skb.extract(at, bytes.length - at + 1))).toBeInstanceOf(RangeError);
        expect(caught(() => skb.extract(0, 0, { headroom: 131073 }))).toBeInstanceOf(RangeError);
      });
    });

    it("extract copies nothing of what lies in pages, and its packets outlive it", async () => {
      const engine = await make();
      const skb = engine.alloc(0);
      skb.addPageFrag(20_000).set(bytesAt(0, 20_000));
      const before = stats(engine).bytesCopied;
      const parts = Array.from({ length: 19 }, (_, i) => skb.extract(i * 1000 + 7, 1000));
      expect(stats(engine).bytesCopied).toBe(before);
      // Shared pages are nobody's to write.
      expect(caught(() => parts[0]?.writeU8(0, 1))).toMatchObject({ code: "ERR_SKB_SHARED" });
      skb.release();
      for (const [i, part] of parts.entries()) {
        expectBytes(part.toBytes(), bytesAt(i * 1000 + 7, 1000), `part ${i}`);
        if (i < 18) part.release();
      }
      // The last that holds the pages may write them.
      parts[18]?.writeU8(0, 1);
      parts[18]?.release();
      expect(audit(engine).problems).toEqual([]);
      expect(stats(engine).skbs.used).toBe(0);
    });

    it("append puts bytes at the end, wherever that is", async () => {
      const engine = await make();
      for (const n of [0, 1, 60, 300, 9000]) {
        eachPacket(engine, (_w, skb, bytes, _other, name) => {
          const error = caught(() => skb.append(bytesAt(bytes.length, n)));
          if (error === undefined) expectBytes(skb.toBytes(), bytesAt(0, bytes.length + n), name);
          else {
            expect((error as SkbuffError).code, name).toBe("ERR_SKB_SHARED");
            expectBytes(skb.toBytes(), bytes, name);
          }
          if (skb.listLength === 0) expect(error !== undefined, name).toBe(n > 0 && skb.cloned);
        });
      }
    });

    it("copyUbufs leaves the same bytes in pool pages", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        skb.copyUbufs();
        expect(skb.zeroCopy, name).toBe(false);
        expectBytes(skb.toBytes(), bytes, name);
      });
    });
  });
});
