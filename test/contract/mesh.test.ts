// Meshes on one thread: who gets which packet, in which order, and what happens when a ring is full or closed.

import { Engine, Mesh, type Receiver, Ring, type RingToken, type Sender, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { codeOf, snapshot, used } from "../packets.js";

const NOTHING = { skbs: 0, ubufs: 0, dataPages: 0, dirty: [] };

function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
}

/** A packet of a flow: `mark` is its number in it. */
function packet(engine: Engine, hash: number, mark: number): Skb {
  const skb = engine.alloc(8);
  skb.hash = hash;
  skb.mark = mark;
  return skb;
}

function all(receiver: Receiver): Skb[] {
  const out: Skb[] = [];
  receiver.dequeueBurst(out, 5000);
  return out;
}

function open(
  engine: Engine,
  [producers, consumers]: [number, number],
  options: { capacity?: number; spread?: "hash" | "in-turn" } = {},
): { mesh: Mesh; senders: Sender[]; receivers: Receiver[]; release: () => void } {
  const mesh = new Mesh(engine, producers, consumers, options);
  const senders = Array.from({ length: producers }, (_, i) => mesh.sender(i));
  const receivers = Array.from({ length: consumers }, (_, i) => mesh.receiver(i));
  mesh.release();
  return {
    mesh,
    senders,
    receivers,
    release: () => {
      for (const one of [...senders, ...receivers]) one.release();
    },
  };
}

forEachEngine((_name, make) => {
  describe("by hash", () => {
    it.each([1, 2, 3, 5, 8])("all packets of a flow go to one of %i, and flows go to all", async (n) => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 4000 });
      const { senders, receivers, release } = open(engine, [1, n], { capacity: 512 });
      const sender = senders[0] as Sender;
      const home = new Map<number, number>();
      // Hashes that differ in their low bits only, in their high bits only, and in all of them.
      const hashes = [...Array(40).keys()].flatMap((i) => [i, i * 2 ** 26, (i * 0x61c88647) % 2 ** 32]);
      for (let round = 0; round < 3; round++) {
        const skbs = hashes.map((hash) => packet(engine, hash, round));
        expect(sender.enqueueBurst(skbs)).toBe(skbs.length);
        for (const [r, receiver] of receivers.entries()) {
          const got = all(receiver);
          for (const skb of got) expect(home.get(skb.hash) ?? r).toBe(r);
          for (const skb of got) home.set(skb.hash, r);
          engine.releaseBurst(got);
        }
      }
      for (let r = 0; r < n; r++) {
        const share = [...home.values()].filter((one) => one === r).length / home.size;
        expect(share, `receiver ${r} of ${n}`).toBeGreaterThan(0.3 / n);
        expect(share, `receiver ${r} of ${n}`).toBeLessThan(Math.min(3 / n, 1.01));
      }
      release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("keeps the order of each flow when rings are full, whatever the bursts", async () => {
      const engine = await make({ memory: 4 * 1024 * 1024, skbs: 4000 });
      for (const seed of [1, 2, 3]) {
        const random = generator(seed);
        const { senders, receivers, release } = open(engine, [2, 3], { capacity: 16 });
        const sent = new Map<string, number>();
        const got = new Map<string, number>();
        const waiting: Skb[][] = [[], []];
        for (let step = 0; step < 400; step++) {
          const s = random(2);
          const mine = waiting[s] as Skb[];
          for (let i = random(step % 50 === 0 ? 600 : 30); i > 0 && mine.length < 900; i--) {
            const hash = random(20) * 1000 + s;
            const flow = `${hash}`;
            sent.set(flow, (sent.get(flow) ?? 0) + 1);
            mine.push(packet(engine, hash, sent.get(flow) as number));
          }
          const before = [...mine];
          const taken = (senders[s] as Sender).enqueueBurst(mine);
          // Those that stay are in front, in their order; those that were taken have ended.
          const left = before.filter((skb) => skb.alive);
          expect(left.length).toBe(before.length - taken);
          expect(mine.slice(0, left.length)).toEqual(left);
          expect(new Set(mine).size).toBe(before.length);
          waiting[s] = left;
          const receiver = receivers[random(3)] as Receiver;
          const out: Skb[] = [];
          const n = receiver.dequeueBurst(out, random(40));
          expect(n).toBe(out.length);
          for (const skb of out) {
            const flow = `${skb.hash}`;
            expect(skb.mark, `seed ${seed}, flow ${flow}`).toBe((got.get(flow) ?? 0) + 1);
            got.set(flow, skb.mark);
          }
          engine.releaseBurst(out);
        }
        for (const left of waiting) engine.releaseBurst(left);
        release();
        expect(used(engine)).toEqual(NOTHING);
      }
    });

    it("nothing behind the first 256 is sent once a packet was refused, which it could overtake", async () => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 1000 });
      const { senders, receivers, release } = open(engine, [1, 2], { capacity: 128 });
      const sender = senders[0] as Sender;
      const [first, second] = receivers as [Receiver, Receiver];
      const homed = (receiver: Receiver): number => {
        for (let hash = 0; ; hash++) {
          sender.enqueue(packet(engine, hash, 0));
          const found = receiver.size === 1;
          engine.releaseBurst([...all(first), ...all(second)]);
          if (found) return hash;
        }
      };
      const [here, there] = [homed(first), homed(second)];
      const burst = Array.from({ length: 300 }, (_, i) => packet(engine, i < 256 ? here : there, i));
      expect(sender.enqueueBurst(burst)).toBe(128);
      expect([first.size, second.size]).toEqual([128, 0]);
      expect(burst.slice(0, 172).map((skb) => skb.mark)).toEqual(
        Array.from({ length: 172 }, (_, i) => 128 + i),
      );
      engine.releaseBurst([...burst.slice(0, 172), ...all(first)]);
      release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("a full ring holds up its own flows only", async () => {
      const engine = await make();
      const { senders, receivers } = open(engine, [1, 2], { capacity: 4 });
      const sender = senders[0] as Sender;
      const probe = Array.from({ length: 4 }, (_, i) => packet(engine, i * 7919, 0));
      sender.enqueueBurst(probe);
      const [a, b] = receivers.map((receiver) => {
        const got = all(receiver);
        const hash = got[0]?.hash as number;
        engine.releaseBurst(got);
        return hash;
      }) as [number, number];
      // 6 of one flow, 3 of the other among them.
      const burst = [a, b, a, a, b, a, a, b, a].map((hash, i) => packet(engine, hash, i));
      const before = [...burst];
      expect(sender.enqueueBurst(burst)).toBe(7);
      expect(burst.slice(0, 2)).toEqual([before[6], before[8]]);
      expect(burst.map((skb) => skb.alive)).toEqual(burst.map((_, i) => i < 2));
      expect(receivers.map((receiver) => receiver.size)).toEqual([4, 3]);
      expect(sender.enqueue(burst[0] as Skb)).toBe(false);
      expect(all(receivers[0] as Receiver).map((skb) => skb.mark)).toEqual([0, 2, 3, 5]);
      expect(sender.enqueueBurst(burst, 2)).toBe(2);
      expect(all(receivers[0] as Receiver).map((skb) => skb.mark)).toEqual([6, 8]);
      expect(all(receivers[1] as Receiver).map((skb) => skb.mark)).toEqual([1, 4, 7]);
      expect(stats(engine).refused).toBe(3);
    });
  });

  describe("in turn", () => {
    it("spreads evenly, over calls of any length", async () => {
      const engine = await make({ skbs: 2000 });
      const { senders, receivers } = open(engine, [1, 3], { capacity: 512, spread: "in-turn" });
      const sender = senders[0] as Sender;
      let total = 0;
      for (const n of [1, 1, 2, 5, 1, 300, 7, 1]) {
        const skbs = Array.from({ length: n }, (_, i) => packet(engine, 5, i));
        expect(sender.enqueueBurst(skbs)).toBe(n);
        total += n;
        const sizes = receivers.map((receiver) => receiver.size);
        expect(sizes.reduce((sum, size) => sum + size)).toBe(total);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }
      for (const receiver of receivers) engine.releaseBurst(all(receiver));
    });

    it("passes over a full ring, until all are full", async () => {
      const engine = await make();
      const { senders, receivers, release } = open(engine, [1, 3], { capacity: 8, spread: "in-turn" });
      const sender = senders[0] as Sender;
      const burst = (n: number): Skb[] => Array.from({ length: n }, (_, i) => packet(engine, i, i));
      expect(sender.enqueueBurst(burst(24))).toBe(24);
      engine.releaseBurst(all(receivers[1] as Receiver));
      expect(sender.enqueueBurst(burst(3))).toBe(3);
      expect(receivers.map((receiver) => receiver.size)).toEqual([8, 3, 8]);
      const rest = burst(20);
      const before = [...rest];
      expect(sender.enqueueBurst(rest)).toBe(5);
      expect(rest.slice(0, 15)).toEqual(before.slice(5));
      expect(rest.slice(0, 15).every((skb) => skb.alive)).toBe(true);
      expect(sender.enqueue(rest[0] as Skb)).toBe(false);
      engine.releaseBurst(rest, 15);
      release();
      expect(used(engine)).toEqual(NOTHING);
    });

    it("more than 256 at once, into rings that take less", async () => {
      const engine = await make({ memory: 2 * 1024 * 1024, skbs: 2000 });
      const { senders, receivers, release } = open(engine, [1, 2], { capacity: 128, spread: "in-turn" });
      const skbs = Array.from({ length: 900 }, (_, i) => packet(engine, i, i));
      const before = [...skbs];
      expect(senders[0]?.enqueueBurst(skbs)).toBe(256);
      expect(skbs.slice(0, 644)).toEqual(before.slice(256));
      expect(receivers.map((receiver) => receiver.size)).toEqual([128, 128]);
      engine.releaseBurst(skbs, 644);
      release();
      expect(used(engine)).toEqual(NOTHING);
    });
  });

  describe("receiving", () => {
    it("gives senders that have packets an equal share", async () => {
      const engine = await make();
      const { senders, receivers } = open(engine, [3, 1], { capacity: 64 });
      const receiver = receivers[0] as Receiver;
      for (const [s, sender] of senders.entries())
        sender.enqueueBurst(Array.from({ length: [60, 60, 2][s] as number }, () => packet(engine, 0, s)));
      const counts = [0, 0, 0];
      const out: Skb[] = [];
      expect(receiver.dequeueBurst(out, 62)).toBe(62);
      for (const skb of out) counts[skb.mark] = (counts[skb.mark] ?? 0) + 1;
      expect(counts[2]).toBe(2);
      expect(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0))).toBeLessThanOrEqual(21);
      engine.releaseBurst(out);
      // Over many calls nobody is left behind.
      for (let i = 0; i < 20; i++) receiver.dequeue()?.release();
      expect(receiver.size).toBe(40);
      engine.releaseBurst(all(receiver));
      expect([receiver.size, receiver.dequeue()]).toEqual([0, null]);
    });

    it("one at a time goes around", async () => {
      const engine = await make();
      const { senders, receivers } = open(engine, [3, 1], { capacity: 8 });
      for (const [s, sender] of senders.entries())
        sender.enqueueBurst([packet(engine, 0, s), packet(engine, 0, s)]);
      const order = Array.from({ length: 6 }, () => {
        const skb = receivers[0]?.dequeue() as Skb;
        const { mark } = skb;
        skb.release();
        return mark;
      });
      expect(order).toEqual([0, 1, 2, 0, 1, 2]);
    });

    it("ends when all senders have closed and all is drained", async () => {
      const engine = await make();
      const { senders, receivers } = open(engine, [2, 2], { capacity: 8 });
      for (const sender of senders) sender.enqueueBurst([packet(engine, 1, 0), packet(engine, 99991, 1)]);
      senders[0]?.close();
      expect(receivers.map((receiver) => receiver.ended)).toEqual([false, false]);
      senders[1]?.close();
      for (const receiver of receivers) {
        const got = all(receiver);
        expect([receiver.ended, receiver.wait({ timeout: 0 })]).toEqual([true, "ended"]);
        engine.releaseBurst(got);
      }
      expect(stats(engine).skbs.used).toBe(0);
    });
  });

  describe("a burst that fails half-way", () => {
    it("returns what it took before an end that is another thread's, and throws at the next call", async () => {
      const engine = await make({ threads: 2 });
      if (!engine.shared) return;
      const other = await Engine.attach(engine.share());
      const { senders, receivers, release, mesh } = open(engine, [2, 1], { capacity: 8 });
      const { rings } = mesh.share() as unknown as { rings: [RingToken][] };
      const second = Ring.attach(other, (rings[1] as [RingToken])[0]);
      expect(second.dequeue()).toBe(null);
      const [receiver] = receivers as [Receiver];
      senders[0]?.enqueueBurst([packet(engine, 1, 1), packet(engine, 1, 2)]);
      senders[1]?.enqueueBurst([packet(engine, 1, 3)]);
      const out = new Array<Skb>(8);
      for (let round = 0; round < 3; round++) {
        const n = receiver.dequeueBurst(out);
        expect(n).toBe(round === 0 ? 2 : 1);
        engine.releaseBurst(out, n);
        expect(codeOf(() => receiver.dequeueBurst(out))).toBe("ERR_SKB_RING_ROLE");
        senders[0]?.enqueue(packet(engine, 1, round));
      }
      second.release();
      expect(receiver.dequeueBurst(out)).toBe(2);
      engine.releaseBurst(out, 2);
      release();
      other.detach();
      expect(used(engine)).toEqual(NOTHING);
    });

    it.each(["hash", "in-turn"] as const)(
      "sends nothing behind a packet that cannot be given away, by %s",
      async (spread) => {
        const engine = await make({ memory: 2 * 1024 * 1024, skbs: 2000 });
        const { senders, receivers, release } = open(engine, [1, 2], { capacity: 1024, spread });
        const skbs = Array.from({ length: 900 }, (_, i) => packet(engine, i, i));
        const before = [...skbs];
        const other = before[300]?.get();
        expect(senders[0]?.enqueueBurst(skbs)).toBe(256);
        expect(skbs.slice(0, 644)).toEqual(before.slice(256));
        expect(codeOf(() => senders[0]?.enqueueBurst(skbs, 644))).toBe("ERR_SKB_HELD");
        expect(skbs.slice(0, 644)).toEqual(before.slice(256));
        other?.release();
        expect(senders[0]?.enqueueBurst(skbs, 644)).toBe(644);
        expect(receivers.reduce((sum, receiver) => sum + receiver.size, 0)).toBe(900);
        release();
        expect(used(engine)).toEqual(NOTHING);
      },
    );
  });

  describe("a receiver that has closed", () => {
    it.each(["hash", "in-turn"] as const)("makes every burst be refused whole, by %s", async (spread) => {
      const engine = await make();
      const { senders, receivers, release } = open(engine, [1, 3], { capacity: 8, spread });
      const skbs = Array.from({ length: 6 }, (_, i) => packet(engine, i * 7919, i));
      receivers[1]?.close();
      const before = [...skbs];
      const told = skbs.map(snapshot);
      expect(codeOf(() => senders[0]?.enqueueBurst(skbs))).toBe("ERR_SKB_RING_CLOSED");
      expect(codeOf(() => senders[0]?.enqueue(skbs[0] as Skb))).toBe("ERR_SKB_RING_CLOSED");
      expect(skbs).toEqual(before);
      expect(skbs.map(snapshot)).toEqual(told);
      expect(receivers.map((receiver) => receiver.size)).toEqual([0, 0, 0]);
      expect(senders[0]?.waitWritable(1, { timeout: 1000 })).toBe("ended");
      engine.releaseBurst(skbs);
      release();
      expect(used(engine)).toEqual(NOTHING);
    });
  });

  it("several senders on one thread do not mistake each other's rings", async () => {
    const engine = await make();
    const first = open(engine, [1, 2], { capacity: 8 });
    const second = open(engine, [1, 2], { capacity: 8 });
    for (let i = 0; i < 8; i++) {
      first.senders[0]?.enqueue(packet(engine, i * 7919, 1));
      second.senders[0]?.enqueue(packet(engine, i * 7919, 2));
    }
    const marks = [first, second].map(({ receivers }) => receivers.flatMap(all).map((skb) => skb.mark));
    expect(marks).toEqual([Array(8).fill(1), Array(8).fill(2)]);
    first.release();
    // A sender that has ended does not lend its place to the next one.
    const third = open(engine, [1, 2], { capacity: 8 });
    expect(codeOf(() => first.senders[0]?.enqueueBurst([]))).toBe("ERR_SKB_RING_CLOSED");
    expect(third.senders[0]?.enqueue(packet(engine, 5, 3))).toBe(true);
    expect(second.senders[0]?.enqueue(packet(engine, 5, 2))).toBe(true);
    expect(third.receivers.flatMap(all).map((skb) => skb.mark)).toEqual([3]);
  });
});
