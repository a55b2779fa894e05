// A packet as text.

import { dump } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, codeOf, eachPacket } from "../packets.js";

/** The bytes that lines as of `tcpdump -X` show. */
function bytesOf(text: string): number[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("\t0x"))
    .flatMap((line) => {
      const hex = line.slice("\t0x0000:  ".length, "\t0x0000:  ".length + 39);
      return (hex.match(/[0-9a-f]{2}/g) ?? []).map((two) => Number.parseInt(two, 16));
    });
}

forEachEngine((_name, make) => {
  describe("dump", () => {
    it("says what a packet of any shape is, and shows all its bytes", async () => {
      const engine = await make();
      eachPacket(engine, (_w, skb, bytes, _other, name) => {
        const text = dump(skb, { bytes: 2 ** 31 - 1 });
        const [first = "", , third = ""] = text.split("\n");
        expect(first, name).toBe(
          `skb len=${bytes.length} headroom=${skb.headroom} headlen=${skb.linearLength} tailroom=${skb.tailroom} truesize=${skb.truesize}`,
        );
        expect(third, name).toContain(`frags=${skb.frags} frag_list=${skb.listLength} `);
        expect(bytesOf(text), name).toEqual([...bytes]);
      });
    });

    it("says where headers are, and what was set", async () => {
      const skb = (await make()).alloc(64, { headroom: 16 }).putZeros(40);
      expect(dump(skb, { bytes: 0 })).toMatch(
        /^skb len=40 headroom=16 headlen=40 tailroom=\d+ truesize=\d+\nmac=none net=none trans=none\nshinfo\(dataref=1 frags=0 frag_list=0 zerocopy=0 gso\(size=0 segs=0 type=0\)\)\nusers=1 proto=0x0000 queue=0 mark=0x0 hash=0x0 priority=0$/,
      );
      skb.macHeader = -14;
      skb.networkHeader = 0;
      skb.transportHeader = 20;
      skb.protocol = 0x800;
      skb.mark = 0xbeef;
      const second = skb.get();
      const text = dump(second, { bytes: 0 });
      expect(text).toContain("mac=-14 net=0 trans=20");
      expect(text).toContain("users=2 proto=0x0800 queue=0 mark=0xbeef");
      skb.release();
      second.release();
    });

    it("shows 2048 bytes, or as many as were asked for, and says how many there are beside", async () => {
      const engine = await make();
      const skb = engine.alloc(5000).putData(bytesAt(3, 5000));
      expect(bytesOf(dump(skb))).toEqual([...bytesAt(3, 2048)]);
      expect(dump(skb).split("\n").at(-1)).toBe("\t... 2952 more bytes");
      for (const bytes of [1, 15, 16, 17, 4999]) {
        const text = dump(skb, { bytes });
        expect(bytesOf(text)).toEqual([...bytesAt(3, bytes)]);
        expect(text.split("\n").at(-1)).toBe(`\t... ${5000 - bytes} more bytes`);
      }
      expect(dump(skb, { bytes: 5000 })).not.toContain("more");
      skb.release();
    });

    it("has no character that a terminal obeys", async () => {
      const skb = (await make()).alloc(256).putData(Uint8Array.from({ length: 256 }, (_, i) => i));
      const text = dump(skb);
      expect(text).toMatch(/^[\t\n\x20-\x7e]*$/);
      const shown = text
        .split("\n")
        .filter((line) => line.startsWith("\t0x"))
        .map((line) => line.slice("\t0x0000:  ".length + 41))
        .join("");
      expect(shown).toBe(
        Array.from({ length: 256 }, (_, i) => (i > 0x20 && i < 0x7f ? String.fromCharCode(i) : ".")).join(""),
      );
      skb.release();
    });

    it("refuses a released packet, and options that are none", async () => {
      const skb = (await make()).alloc(1);
      for (const bytes of [-1, 1.5, 2 ** 31])
        expect(codeOf(() => dump(skb, { bytes }))).toBe("ERR_SKB_RANGE");
      expect(codeOf(() => dump(skb, { byte: 1 } as object))).toBe("ERR_SKB_TYPE");
      skb.release();
      expect(codeOf(() => dump(skb))).toBe("ERR_SKB_STALE");
    });
  });
});
