// What an object says of itself is a line, whatever hangs on it: an engine's memory does not.

import { type Engine, Mesh, Ring, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** What Node shows of an object. */
function shown(one: object): string {
  return (one as Record<symbol, () => string>)[INSPECT]?.() ?? "nothing";
}

function objects(engine: Engine): Record<string, object> {
  const skb = engine.alloc(10).putZeros(10);
  const region = new UserRegion(engine, 100);
  const ubuf = new Ubuf(engine, undefined, { desc: 7 });
  skb.addUserFrag(region, 0, 50, ubuf);
  const gone = engine.alloc(1);
  gone.release();
  const mesh = new Mesh(engine, 1, 2);
  const ring = new Ring(engine, { capacity: 4 });
  const given = engine.alloc(1);
  ring.enqueue(given);
  const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
  const queue = new SkbQueue(engine);
  queue.pushTail(engine.alloc(1));
  return { engine, skb, region, ubuf, gone, given, mesh, ring, sender, receiver, queue };
}

forEachEngine((_name, make) => {
  describe("an object", () => {
    it("says what it is in a line, and as a small object", async () => {
      const engine = await make();
      const made = objects(engine);
      const lines = Object.fromEntries(Object.entries(made).map(([name, one]) => [name, shown(one)]));
      expect(lines).toMatchObject({
        skb: expect.stringMatching(
          /^Skb { length: 60, headroom: 0, tailroom: \d+, frags: 1, listLength: 0, cloned: false }$/,
        ),
        region: "UserRegion { size: 100, frags: 1 }",
        ubuf: "Ubuf { desc: 7, sharing: copy, status: lent }",
        gone: "Skb { is: released }",
        given: "Skb { is: given away }",
        mesh: "Mesh { producers: 1, consumers: 2 }",
        ring: "Ring { capacity: 4, size: 1, closed: false }",
        sender: "Sender { closed: false }",
        receiver: "Receiver { size: 0, ended: false }",
        queue: "SkbQueue { length: 1 }",
      });
      expect(lines.engine).toMatch(
        /^Engine { core: \w+, shared: \w+, memory: 1048576, thread: 1, closed: false }$/,
      );
      for (const [name, one] of Object.entries(made)) {
        const text = JSON.stringify({ one });
        expect(text.length, text).toBeLessThan(200);
        expect(JSON.parse(text).one.type, name).toBe(lines[name]?.split(" ")[0]);
        expect(`${one}`).toBe(lines[name]);
      }
      engine.close({ force: true });
    });

    it("says so when it, or its engine, has ended", async () => {
      const engine = await make();
      const made = objects(engine);
      engine.close({ force: true });
      for (const one of Object.values(made)) {
        expect(shown(one)).not.toContain("\n");
        expect(JSON.stringify(one).length).toBeLessThan(200);
      }
      expect(shown(made.skb as object)).toBe("Skb { is: of a closed engine }");
      expect(shown(made.ring as object)).toBe("Ring { unusable: ERR_SKB_CLOSED }");
    });
  });
});
