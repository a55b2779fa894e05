// Memory that is touched before it is needed, and memory that is used again before any that never was.

import { type Engine, type Skb, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { ELSEWHERE, forEachEngine } from "../engines.js";
import { caught, codeOf } from "../packets.js";

interface Inside {
  readonly _heap: { touch(): void };
}

/** The highest place in the arena that single pages of packets were given. */
function reach(skbs: readonly Skb[]): number {
  return Math.max(...skbs.map((skb) => skb.segments()[0]?.byteOffset ?? 0));
}

function paged(engine: Engine, n: number): Skb[] {
  return Array.from({ length: n }, () => {
    const skb = engine.alloc(0);
    skb.addPageFrag(4096);
    return skb;
  });
}

forEachEngine((name, make) => {
  it("prefault changes nothing that is in the arena", async () => {
    const engine = await make({ prefault: true });
    expect(audit(engine).problems).toEqual([]);
    const skb = engine.alloc(100).putData(Uint8Array.of(1, 2, 3));
    (engine as unknown as Inside)._heap.touch();
    expect([...skb.toBytes()]).toEqual([1, 2, 3]);
    expect(audit(engine).problems).toEqual([]);
    skb.release();
  });

  it("prefault is a boolean", async () => {
    for (const prefault of [1, "true"] as unknown as boolean[]) {
      const error = await make({ prefault }).catch((thrown: unknown) => thrown);
      expect((error as Error).message).toContain('"prefault" expected true or false');
    }
  });

  describe("what was freed", () => {
    it("is used again before what never was, also after the pool was searched", async () => {
      const engine = await make({ memory: 2 * 1024 * 1024 });
      const first = paged(engine, 40);
      const most = reach(first);
      engine.releaseBurst(first);
      // Asks for more than there is in a row: all that is free is put together.
      expect(codeOf(() => new UserRegion(engine, engine.memory))).toBe("ERR_SKB_EXHAUSTED");
      const again = paged(engine, 30);
      // Another thread keeps some of what it released for itself.
      const kept = name === ELSEWHERE ? 32 * 4096 : 0;
      expect(reach(again)).toBeLessThanOrEqual(most + kept);
      engine.releaseBurst(again);
      expect(caught(() => audit(engine))).toBeUndefined();
    });
  });
});
