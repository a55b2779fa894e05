// Waiting, as far as one thread can see it: why a wait ends, that the event loop brings what comes, that nothing is lost.

import { Mesh, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { MAY_BLOCK, NODE, SOON_MS } from "../environment.js";
import { codeOf, used, World } from "../packets.js";

/** The code of what a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return codeOf(() => {
      throw error;
    });
  }
}

/** Milliseconds that a promise takes. */
async function timed(promise: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await promise;
  return performance.now() - start;
}

const turn = (): Promise<void> =>
  new Promise((resolve) => (NODE ? setImmediate(resolve) : setTimeout(resolve, 0)));

forEachEngine((_name, make) => {
  describe("a wait ends", () => {
    it.each(["blocking", "async"])("with what there is, %s", async (how) => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 4 });
      const wait = (options?: { timeout?: number; completions?: boolean }): unknown =>
        how === "async" ? ring.waitAsync(options) : ring.wait(options);
      const writable = (room?: number, options?: { timeout?: number }): unknown =>
        how === "async" ? ring.waitWritableAsync(room, options) : ring.waitWritable(room, options);
      expect(await wait({ timeout: 0 })).toBe("timed-out");
      expect(await writable(4, { timeout: 0 })).toBe("ready");
      const skbs = [1, 2, 3, 4].map(() => engine.alloc(1));
      ring.enqueueBurst(skbs, 1);
      expect(await wait()).toBe("ready");
      expect(await writable(4, { timeout: 0 })).toBe("timed-out");
      expect(await writable()).toBe("ready");
      ring.enqueueBurst(skbs.slice(1));
      expect(await writable(1, { timeout: 0 })).toBe("timed-out");
      ring.close();
      expect(await writable(1)).toBe("ended");
      expect(await wait()).toBe("ready");
      for (let i = 0; i < 4; i++) ring.dequeue()?.release();
      expect(await wait()).toBe("ended");
      expect(await wait({ timeout: 0, completions: true })).toBe("ended");
    });

    it.each(["blocking", "async"])("after its timeout, %s", async (how) => {
      const engine = await make();
      if (how === "blocking" && !(engine.shared && MAY_BLOCK)) return;
      const ring = new Ring(engine);
      const start = performance.now();
      const woken = how === "async" ? await ring.waitAsync({ timeout: 60 }) : ring.wait({ timeout: 60 });
      const ms = performance.now() - start;
      expect(woken).toBe("timed-out");
      expect(ms).toBeGreaterThan(50);
      ring.enqueue(engine.alloc(1));
      expect(await ring.waitAsync()).toBe("ready");
    });

    it("and no later, though timers are early now and then", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const start = performance.now();
      // One at a time: nobody else's timer must be what ends it.
      for (let i = 1; i <= 150; i++) expect(await ring.waitAsync({ timeout: i / 50 })).toBe("timed-out");
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    });

    it("a thread that nobody could wake, or of a page, must not block", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 1 });
      if (engine.shared && MAY_BLOCK) return;
      expect(codeOf(() => ring.wait({ timeout: 20000 }))).toBe("ERR_SKB_UNSUPPORTED");
      ring.enqueue(engine.alloc(1));
      expect(codeOf(() => ring.waitWritable(1, { timeout: 20000 }))).toBe("ERR_SKB_UNSUPPORTED");
      expect(ring.size).toBe(1);
    });

    it("refuses wild options", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 8 });
      for (const timeout of [-1, Number.NaN]) {
        expect(codeOf(() => ring.wait({ timeout }))).toBe("ERR_SKB_RANGE");
        expect(await rejection(ring.waitAsync({ timeout }))).toBe("ERR_SKB_RANGE");
      }
      for (const wild of [{ timeout: "5" }, { completions: 1 }, null, 5]) {
        expect(codeOf(() => ring.wait(wild as object))).toBe("ERR_SKB_TYPE");
        expect(await rejection(ring.waitWritableAsync(1, wild as object))).toBe("ERR_SKB_TYPE");
      }
      for (const room of [0, 9, -1, 0.5]) expect(codeOf(() => ring.waitWritable(room))).toBe("ERR_SKB_RANGE");
    });
  });

  describe("what comes from this thread", () => {
    it("packets, room, and the end", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 2 });
      const packet = ring.waitAsync();
      await turn();
      ring.enqueue(engine.alloc(1));
      expect(await timed(packet)).toBeLessThan(SOON_MS);
      expect(await packet).toBe("ready");
      ring.enqueue(engine.alloc(1));
      const room = ring.waitWritableAsync(2);
      ring.dequeue()?.release();
      await turn();
      ring.dequeue()?.release();
      expect(await timed(room)).toBeLessThan(SOON_MS);
      expect(await room).toBe("ready");
      const end = ring.waitAsync();
      await turn();
      ring.close();
      expect(await timed(end)).toBeLessThan(SOON_MS);
      expect(await end).toBe("ended");
    });

    it("completions", async () => {
      const engine = await make();
      const region = new UserRegion(engine, 4096);
      const ring = new Ring(engine);
      const lend = (): Skb => {
        const skb = engine.alloc(0);
        skb.addUserFrag(region, 0, 1, new Ubuf(engine));
        return skb;
      };
      const skbs = [lend(), lend()];
      const waits = [engine.waitAsync(), ring.waitAsync({ completions: true })];
      const others = ring.waitAsync();
      await turn();
      const start = performance.now();
      skbs[0]?.release();
      expect(await Promise.all(waits)).toEqual(["completed", "completed"]);
      const left = engine.waitAsync();
      await turn();
      skbs[1]?.release();
      expect(await left).toBe("completed");
      ring.enqueue(engine.alloc(1));
      expect(await others).toBe("ready");
      expect(performance.now() - start).toBeLessThan(SOON_MS);
      region.release();
    });

    it("to each of several who wait for different things", async () => {
      const engine = await make();
      const rings = Array.from({ length: 6 }, () => new Ring(engine, { capacity: 2 }));
      const woken: number[] = [];
      const waits = rings.map(async (ring, i) => {
        expect(await ring.waitAsync()).toBe("ready");
        woken.push(i);
      });
      const start = performance.now();
      for (const i of [3, 0, 5, 1, 4, 2]) {
        (rings[i] as Ring).enqueue(engine.alloc(1));
        await waits[i];
      }
      expect(woken).toEqual([3, 0, 5, 1, 4, 2]);
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    });

    it("to all who wait for the same", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const waits = [ring.waitAsync(), ring.waitAsync({ timeout: 20000 }), ring.waitAsync()];
      await turn();
      ring.enqueue(engine.alloc(1));
      const start = performance.now();
      expect(await Promise.all(waits)).toEqual(["ready", "ready", "ready"]);
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    });

    it("to a mesh's receiver and sender", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 2, 2, { capacity: 2 });
      const [a, b] = [mesh.sender(0), mesh.sender(1)];
      const receivers = [mesh.receiver(0), mesh.receiver(1)];
      const packets = receivers.map((receiver) => receiver.waitAsync());
      await turn();
      for (let i = 0; i < 20; i++) {
        const skb = engine.alloc(1);
        skb.hash = i * 7919;
        if (!a.enqueue(skb)) skb.release();
      }
      const start = performance.now();
      expect(await Promise.all(packets)).toEqual(["ready", "ready"]);
      const room = a.waitWritableAsync(2);
      await turn();
      for (const receiver of receivers) {
        receiver.dequeue()?.release();
        receiver.dequeue()?.release();
      }
      expect(await room).toBe("ready");
      const ends = receivers.map((receiver) => receiver.waitAsync());
      await turn();
      a.close();
      await turn();
      b.close();
      expect(await Promise.all(ends)).toEqual(["ended", "ended"]);
      expect(performance.now() - start).toBeLessThan(SOON_MS);
    });
  });

  describe("completions", () => {
    it("of this thread are run by what completes them, and disturb no wait", async () => {
      const engine = await make();
      const ring = new Ring(engine);
      const w = new World(engine);
      const skb = w.lend(w.linear(1), 100, w.ubuf());
      const waiting = ring.waitAsync({ completions: true, timeout: 20000 });
      await turn();
      skb.release();
      expect(w.completions.length).toBe(1);
      ring.enqueue(engine.alloc(1));
      expect(["ready", "completed"]).toContain(await waiting);
      w.clean();
    });
  });

  describe("async iteration", () => {
    it("ends with the ring, and breaking out of it loses nothing", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 16 });
      for (let i = 0; i < 6; i++) {
        const skb = engine.alloc(1);
        skb.mark = i;
        ring.enqueue(skb);
      }
      const seen: number[] = [];
      for await (const skb of ring) {
        seen.push(skb.mark);
        skb.release();
        if (seen.length === 3) break;
      }
      expect([seen, ring.size]).toEqual([[0, 1, 2], 3]);
      ring.close();
      for await (const skb of ring) {
        seen.push(skb.mark);
        skb.release();
      }
      expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
      for await (const skb of ring) seen.push(skb.mark);
      expect(seen.length).toBe(6);
    });

    it("sees each packet of this thread soon, not when it happens to look", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 4 });
      const latencies: number[] = [];
      let sent = 0;
      const consumer = (async () => {
        for await (const skb of ring) {
          latencies.push(performance.now() - sent);
          skb.release();
        }
      })();
      for (let i = 0; i < 20; i++) {
        await new Promise((resolve) => setTimeout(resolve, i % 4));
        // It may be slow to take what is there.
        while (ring.size === 4) await turn();
        sent = performance.now();
        ring.enqueue(engine.alloc(1));
      }
      await turn();
      ring.close();
      expect(await timed(consumer)).toBeLessThan(SOON_MS);
      expect(latencies.length).toBe(20);
      expect(Math.max(...latencies)).toBeLessThan(SOON_MS);
    });

    it("over a mesh", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 2, 1, { capacity: 4 });
      const senders = [mesh.sender(0), mesh.sender(1)];
      const got: number[] = [];
      const consumer = (async () => {
        for await (const skb of mesh.receiver(0)) {
          got.push(skb.mark);
          skb.release();
        }
      })();
      for (let i = 0; i < 10; i++) {
        const skb = engine.alloc(1);
        skb.mark = i;
        // How soon the consumer is woken is the environment's matter.
        while (!senders[i % 2]?.enqueue(skb)) await turn();
        await turn();
      }
      for (const sender of senders) sender.close();
      await consumer;
      expect(got.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
  });

  describe("a wait is rejected", () => {
    it("when its ring is released, and only then", async () => {
      const engine = await make();
      const [ring, other] = [new Ring(engine), new Ring(engine)];
      const waits = [ring.waitAsync(), ring.waitWritableAsync(1), ring.waitAsync({ completions: true })];
      expect(await waits[1]).toBe("ready");
      const stays = other.waitAsync();
      const codes = Promise.all([waits[0], waits[2]].map((wait) => rejection(wait as Promise<unknown>)));
      ring.release();
      expect(await codes).toEqual(["ERR_SKB_RING_CLOSED", "ERR_SKB_RING_CLOSED"]);
      other.enqueue(engine.alloc(1));
      expect(await stays).toBe("ready");
    });

    it.each(["close", "detach", "force"] as const)("when the engine ends by %s", async (how) => {
      const engine = await make();
      const ring = new Ring(engine);
      const waits = [ring.waitAsync(), ring.waitAsync({ timeout: 20000 })].map(rejection);
      await turn();
      if (how === "detach") engine.detach();
      else engine.close({ force: how === "force" });
      expect(await Promise.all(waits)).toEqual(["ERR_SKB_CLOSED", "ERR_SKB_CLOSED"]);
    });
  });

  it("what waits keeps nothing", async () => {
    const engine = await make();
    const ring = new Ring(engine, { capacity: 64 });
    const skbs: Skb[] = Array.from({ length: 40 }, () => engine.alloc(100));
    engine.releaseBurst(skbs);
    const waiting = ring.waitAsync({ timeout: 20000 });
    await turn();
    if (engine.shared) expect(stats(engine).skbs.inMagazines).toBe(0);
    ring.close();
    await waiting;
    expect(used(engine)).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
  });

  describe("what one object's release leaves alone", () => {
    it("is a wait by way of another object of the ring", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 1 });
      const second = Ring.attach(engine, ring.share());
      const packets = second.waitAsync();
      const mine = rejection(ring.waitAsync());
      ring.release();
      expect(await mine).toBe("ERR_SKB_RING_CLOSED");
      second.enqueue(engine.alloc(1));
      expect(await packets).toBe("ready");
      second.release();
    });

    it("is a receiver of a mesh, and its loop", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 1);
      const [sender, receiver] = [mesh.sender(0), mesh.receiver(0)];
      const lengths: number[] = [];
      const loop = (async () => {
        for await (const skb of receiver) {
          lengths.push(skb.length);
          skb.release();
        }
      })();
      await turn();
      mesh.release();
      sender.enqueue(engine.alloc(7).putZeros(7));
      await turn();
      sender.close();
      await loop;
      expect(lengths).toEqual([7]);
      sender.release();
      receiver.release();
      expect(audit(engine).ringPages).toBe(0);
    });
  });

  describe("a sender waits for what it can use", () => {
    it("in turn: for any ring", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 2, { capacity: 2, spread: "in-turn" });
      const [sender, stalls, serves] = [mesh.sender(0), mesh.receiver(0), mesh.receiver(1)];
      const skbs = [1, 2, 3, 4].map(() => engine.alloc(1));
      expect(sender.enqueueBurst(skbs)).toBe(4);
      expect(await sender.waitWritableAsync(1, { timeout: 1 })).toBe("timed-out");
      const waits = sender.waitWritableAsync(1);
      serves.dequeue()?.release();
      expect([await waits, sender.waitWritable(1), stalls.size]).toEqual(["ready", "ready", 2]);
      expect(sender.enqueue(engine.alloc(1))).toBe(true);
      expect(sender.waitWritable(2, { timeout: 0 })).toBe("timed-out");
      const end = sender.waitWritableAsync(2);
      stalls.close();
      expect(await end).toBe("ended");
      for (const one of [sender, stalls, serves, mesh]) one.release();
    });

    it("by hash: for those that refused what was to be sent, not for one that stalls", async () => {
      const engine = await make();
      const mesh = new Mesh(engine, 1, 2, { capacity: 2 });
      const [sender, ...receivers] = [mesh.sender(0), mesh.receiver(0), mesh.receiver(1)] as const;
      // A hash for each receiver, found by trying.
      const hashOf = receivers.map((receiver) => {
        for (let hash = 0; ; hash++) {
          const skb = engine.alloc(1);
          skb.hash = hash;
          sender.enqueue(skb);
          const got = receivers.map((one) => one.dequeue());
          for (const one of got) one?.release();
          if (got[receivers.indexOf(receiver)] !== null) return hash;
        }
      });
      const of = (hash: number | undefined): Skb => {
        const skb = engine.alloc(1);
        skb.hash = hash as number;
        return skb;
      };
      // Nothing was refused: each has to have room.
      expect(sender.waitWritable(2, { timeout: 0 })).toBe("ready");
      expect(sender.enqueueBurst([of(hashOf[0]), of(hashOf[0]), of(hashOf[1]), of(hashOf[1])])).toBe(4);
      expect(sender.waitWritable(1, { timeout: 0 })).toBe("timed-out");
      receivers[1].dequeue()?.release();
      expect(sender.waitWritable(1, { timeout: 0 })).toBe("timed-out");
      sender.enqueue(of(hashOf[1]));
      // Now one is refused by the second, and the first is full and stalls.
      const skb = of(hashOf[1]);
      expect(sender.enqueue(skb)).toBe(false);
      const waits = sender.waitWritableAsync(1);
      receivers[1].dequeue()?.release();
      expect(await waits).toBe("ready");
      expect(sender.enqueue(skb)).toBe(true);
      // It still sees the end of any of them.
      const again = of(hashOf[1]);
      expect(sender.enqueue(again)).toBe(false);
      const end = sender.waitWritableAsync(1);
      receivers[0].close();
      expect(await end).toBe("ended");
      again.release();
      for (const one of [sender, ...receivers, mesh]) one.release();
    });

    it("who waits for less is not held up by who waits for more", async () => {
      const engine = await make();
      const ring = new Ring(engine, { capacity: 4 });
      const skbs = [1, 2, 3, 4].map(() => engine.alloc(1));
      ring.enqueueBurst(skbs);
      const waits = [ring.waitWritableAsync(1), ring.waitWritableAsync(4)];
      const start = performance.now();
      ring.dequeue()?.release();
      expect(await waits[0]).toBe("ready");
      expect(performance.now() - start).toBeLessThan(SOON_MS);
      for (let i = 0; i < 3; i++) ring.dequeue()?.release();
      expect(await waits[1]).toBe("ready");
      ring.release();
    });
  });
});
