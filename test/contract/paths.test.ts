// Every path by which lent bytes can leave a packet, under both rules of sharing: the ubuf completes once, at the right
// moment, with the right status.

import type { Skb, Ubuf } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, expectBytes, used, World } from "../packets.js";

type Sharing = "copy" | "refcount";

/** A packet of 40 own and 301 + 5000 lent bytes, the second frag longer than a page. */
function lent(w: World, ubuf: Ubuf): Skb {
  return w.lend(w.lend(w.linear(40, { headroom: 30, room: 60 }), 301, ubuf), 5000, ubuf);
}

const LENGTH = 40 + 301 + 5000;

/** What one operation does to the ubuf of such a packet, before and after everything is released. */
interface Path {
  readonly run: (skb: Skb, w: World) => unknown;
  /** Status right after the operation, for each way of sharing. */
  readonly at: Record<Sharing, "lent" | "sent" | "copied">;
  /** And after the release of all packets. */
  readonly end: Record<Sharing, "sent" | "copied">;
  /** Bytes that are left in the packet, if it is alive. */
  readonly bytes?: Uint8Array;
}

const both = <T>(status: T): Record<Sharing, T> => ({ copy: status, refcount: status });
const byRule = { copy: "copied", refcount: "lent" } as const;
const byRuleAtEnd = { copy: "copied", refcount: "sent" } as const;

const PATHS: Record<string, Path> = {
  nothing: { run: () => {}, at: both("lent"), end: both("sent") },
  release: { run: (skb) => skb.release(), at: both("sent"), end: both("sent") },
  releaseBurst: { run: (skb, { engine }) => engine.releaseBurst([skb]), at: both("sent"), end: both("sent") },
  "release of one of two references": {
    run: (skb, w) => w.keep(skb.get()).release(),
    at: both("lent"),
    end: both("sent"),
  },
  clone: { run: (skb, w) => w.keep(skb.clone()), at: byRule, end: byRuleAtEnd },
  "clone of a clone": {
    run: (skb, w) => w.keep(w.keep(skb.clone()).clone()),
    at: byRule,
    end: byRuleAtEnd,
  },
  copyHead: { run: (skb, w) => w.keep(skb.copyHead()), at: byRule, end: byRuleAtEnd },
  copy: { run: (skb, w) => w.keep(skb.copy()), at: both("lent"), end: both("sent") },
  "expandHead, unshared": { run: (skb) => skb.expandHead(100, 100), at: both("lent"), end: both("sent") },
  "expandHead, shared": {
    run: (skb, w) => {
      w.keep(skb.clone());
      skb.expandHead(1, 1);
    },
    at: byRule,
    end: byRuleAtEnd,
  },
  "unclone, unshared": { run: (skb) => skb.unclone(), at: both("lent"), end: both("sent") },
  "unclone, shared": {
    run: (skb, w) => {
      w.keep(skb.clone());
      skb.unclone();
    },
    at: byRule,
    end: byRuleAtEnd,
  },
  "morph into it": { run: (skb, w) => w.linear(9).morph(skb), at: byRule, end: byRuleAtEnd },
  "morph of it": {
    run: (skb, w) => skb.morph(w.linear(9)),
    at: both("sent"),
    end: both("sent"),
    bytes: bytesAt(0, 9),
  },
  copyUbufs: { run: (skb) => skb.copyUbufs(), at: both("copied"), end: both("copied") },
  "copyUbufs of one of two": {
    run: (skb, w) => {
      w.keep(skb.clone());
      skb.copyUbufs();
    },
    at: byRule,
    end: { copy: "copied", refcount: "copied" },
  },
  linearize: { run: (skb) => skb.linearize(), at: both("copied"), end: both("copied") },
  "mayPull of some": { run: (skb) => skb.mayPull(400), at: both("lent"), end: both("sent") },
  "mayPull of all": { run: (skb) => skb.mayPull(LENGTH), at: both("copied"), end: both("copied") },
  "trim of some": {
    run: (skb) => skb.trim(200),
    at: both("lent"),
    end: both("sent"),
    bytes: bytesAt(0, 200),
  },
  "trim of all that is lent": {
    run: (skb) => skb.trim(40),
    at: both("sent"),
    end: both("sent"),
    bytes: bytesAt(0, 40),
  },
  "split before what is lent": {
    run: (skb, w) => w.keep(skb.split(40)),
    at: both("lent"),
    end: both("sent"),
    bytes: bytesAt(0, 40),
  },
  "split between what is lent": {
    run: (skb, w) => w.keep(skb.split(341)),
    at: byRule,
    end: byRuleAtEnd,
    bytes: bytesAt(0, 341),
  },
  "split within what is lent": {
    run: (skb, w) => w.keep(skb.split(2000)),
    at: byRule,
    end: byRuleAtEnd,
    bytes: bytesAt(0, 2000),
  },
  "split at the end": { run: (skb, w) => w.keep(skb.split(LENGTH)), at: both("lent"), end: both("sent") },
  "extract of what is not lent": {
    run: (skb, w) => w.keep(skb.extract(0, 40)),
    at: both("lent"),
    end: both("sent"),
  },
  "extract of some that is lent": {
    run: (skb, w) => w.keep(skb.extract(341, 100)),
    at: byRule,
    end: byRuleAtEnd,
  },
  "tryCoalesce by copying": {
    run: (skb, w) => expect(w.keep(w.engine.alloc(LENGTH)).tryCoalesce(skb)).toBe(true),
    at: both("copied"),
    end: both("copied"),
  },
  "tryCoalesce refused": {
    run: (skb, w) => expect(w.grow(w.linear(5), 5).tryCoalesce(skb)).toBe(false),
    at: both("lent"),
    end: both("sent"),
  },
  "shift refused": {
    run: (skb, w) => expect(w.linear(5).shift(skb, 1)).toBe(0),
    at: both("lent"),
    end: both("sent"),
  },
  "recycle refused": {
    run: (skb) => expect(skb.recycle(10)).toBe(false),
    at: both("lent"),
    end: both("sent"),
  },
  "as a list member": {
    run: (skb, w) => w.linear(5).addFragList(skb),
    at: both("lent"),
    end: both("sent"),
  },
  "as a list member whose parent goes": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      expect(parent.zeroCopy).toBe(true);
      parent.release();
    },
    at: both("sent"),
    end: both("sent"),
  },
  "as a list member whose parent is cloned": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      w.keep(parent.clone());
    },
    at: byRule,
    end: byRuleAtEnd,
  },
  "as a list member whose parent is linearized": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      parent.linearize();
    },
    at: both("copied"),
    end: both("copied"),
  },
  "as a list member whose parent is trimmed": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      parent.trim(5);
    },
    at: both("sent"),
    end: both("sent"),
  },
  "as a list member whose parent is split within it": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      w.keep(parent.split(1000));
    },
    at: byRule,
    end: byRuleAtEnd,
  },
  "as a list member whose parent copies": {
    run: (skb, w) => {
      const parent = w.linear(5);
      parent.addFragList(skb);
      parent.copyUbufs();
      expect(parent.zeroCopy).toBe(false);
    },
    at: both("copied"),
    end: both("copied"),
  },
};

forEachEngine((_name, make) => {
  describe.each(["copy", "refcount"] as const)("sharing: %s", (sharing) => {
    it.each(Object.entries(PATHS))("%s", async (_path, { run, at, end, bytes }) => {
      const engine = await make();
      const w = new World(engine);
      const ubuf = w.ubuf(sharing);
      const skb = lent(w, ubuf);
      expect([ubuf.status, ubuf.carriers, skb.zeroCopy, skb.frags]).toEqual(["lent", 1, true, 2]);
      run(skb, w);
      expect(ubuf.status).toBe(at[sharing]);
      const done = at[sharing] !== "lent";
      // Before the operation returned, and not once more.
      expect(w.completions).toEqual(done ? [{ desc: 1, status: at[sharing] }] : []);
      if (done) expect(ubuf.carriers).toBe(0);
      else expect(ubuf.carriers).toBeGreaterThan(0);
      if (skb.alive) {
        expectBytes(skb.toBytes(), bytes ?? bytesAt(0, LENGTH), "after");
        if (done) expect(skb.zeroCopy).toBe(false);
      }
      expect(audit(engine).problems).toEqual([]);
      w.clean();
      expect(w.completions).toEqual([{ desc: 1, status: end[sharing] }]);
      expect(ubuf.status).toBe(end[sharing]);
      expect(engine.poll()).toBe(0);
      expect(stats(engine)).toMatchObject({
        ubufs: 1,
        sent: end[sharing] === "sent" ? 1 : 0,
        copied: end[sharing] === "copied" ? 1 : 0,
      });
      expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
    });
  });
});
