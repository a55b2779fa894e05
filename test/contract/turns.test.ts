// Nothing that a program awaits in a loop keeps the rest of its thread from running: timers fire while packets keep coming.

import { type Engine, Mesh, Ring, type Skb } from "skbuff";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";

/** Rounds after which a loop that never turns is ended, so that the test says so instead of hanging. */
const ENDLESS = 200_000;

/** Says when a timer has fired, which a loop that starves its thread never sees. */
function timer(): { fired: boolean } {
  const seen = { fired: false };
  setTimeout(() => {
    seen.fired = true;
  });
  return seen;
}

/** Calls `step` in a loop until a timer has fired. Returns whether one has. */
async function turns(step: () => Promise<unknown>): Promise<boolean> {
  const seen = timer();
  for (let i = 0; i < ENDLESS && !seen.fired; i++) await step();
  return seen.fired;
}

/** Takes packets and puts each in again at once, so that there always is one. Returns whether a timer fired meanwhile. */
async function circle(packets: AsyncIterable<Skb>, put: (skb: Skb) => unknown): Promise<boolean> {
  const seen = timer();
  let n = 0;
  for await (const skb of packets) {
    put(skb);
    if (seen.fired || ++n === ENDLESS) break;
  }
  return seen.fired;
}

function few(engine: Engine): Skb[] {
  return [1, 2, 3, 4].map((n) => engine.alloc(n));
}

forEachEngine((_name, make) => {
  describe("the event loop turns", () => {
    it("while a ring's packets never end", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      ring.enqueueBurst(few(engine));
      expect(await circle(ring, (skb) => ring.enqueue(skb))).toBe(true);
      ring.release();
    });

    it("while a mesh's packets never end", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 1);
      const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
      sender.enqueueBurst(few(engine));
      expect(await circle(receiver, (skb) => sender.enqueue(skb))).toBe(true);
      for (const one of [sender, receiver, mesh]) one.release();
    });

    it("often, if each packet takes long", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      ring.enqueueBurst(few(engine));
      const busy = (ms: number): void => {
        for (const end = performance.now() + ms; performance.now() < end; );
      };
      let n = 0;
      const seen = timer();
      for await (const skb of ring) {
        ring.enqueue(skb);
        busy(3);
        if (seen.fired || ++n === 100) break;
      }
      expect(seen.fired).toBe(true);
      // Some 6 in each turn. Several may pass before the timer fires: in WebKit's workers it waits until turns wait for it.
      expect(n).toBeLessThan(60);
      ring.release();
    });

    it("while another loop fills each turn, of which a loop over packets gets its part", async () => {
      const engine = await make();
      const [ring, other] = [new Ring(engine), new Ring(engine)];
      ring.enqueueBurst(few(engine));
      other.enqueue(engine.alloc(1));
      const state = { rounds: 0, over: false };
      const fill = async (): Promise<void> => {
        while (!state.over && (await other.waitAsync()) === "ready") {
          state.rounds++;
          for (const end = performance.now() + 10; performance.now() < end; );
        }
      };
      const filling = fill();
      let n = 0;
      for await (const skb of ring) {
        ring.enqueue(skb);
        // Who gets too little would go on for long.
        if (++n === 640 || state.rounds === 40) break;
      }
      state.over = true;
      await filling;
      // Some 64 packets for each; it would be one or two.
      expect(state.rounds).toBeLessThan(40);
      for (const one of [ring, other]) one.release();
    });

    it.each(["waitAsync", "waitWritableAsync", "waitAsync that times out at once"])(
      "in a loop of %s",
      async (how) => {
        const engine = await make();
        const ring = new Ring(engine);
        const mesh = new Mesh(engine, 1, 1);
        const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
        ring.enqueue(engine.alloc(1));
        sender.enqueue(engine.alloc(1));
        const empty = new Ring(engine);
        const steps =
          how === "waitAsync"
            ? [() => ring.waitAsync(), () => receiver.waitAsync(), () => engine.waitAsync()]
            : how === "waitWritableAsync"
              ? [() => ring.waitWritableAsync(1), () => sender.waitWritableAsync(1)]
              : [() => empty.waitAsync({ timeout: 0 })];
        for (const step of steps) expect(await turns(step)).toBe(true);
        for (const one of [sender, receiver, mesh, ring]) one.release();
      },
    );

    it("while two loops of a thread wait for each other", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 1 });
      const seen = timer();
      let rounds = 0;
      const over = (): boolean => seen.fired || ++rounds > ENDLESS;
      const produce = async (): Promise<void> => {
        while (!over()) {
          const skb = engine.alloc(1);
          if (!ring.enqueue(skb)) skb.release();
          await ring.waitWritableAsync(1);
        }
        ring.close();
      };
      const consume = async (): Promise<void> => {
        do ring.dequeue()?.release();
        while ((await ring.waitAsync()) !== "ended");
      };
      await Promise.all([produce(), consume()]);
      expect(seen.fired).toBe(true);
      ring.release();
    });
  });
});
