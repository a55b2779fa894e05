// Sleeping and waking across threads: nobody misses what came for him, and the look that a sleeper takes each second is
// not what saved him.

import { type Engine, Ring, type RingToken, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { MAY_BLOCK, SOON_MS } from "../environment.js";
import type { Agent } from "./agent.js";
import { attached, expectAllBack, shared, sleep, until } from "./stage.js";

/** Microseconds of a clock that all threads share. */
function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
}

/** Does nothing for a random while: so short that the other side still spins, or is about to sleep, or long asleep. */
async function gap(random: (n: number) => number): Promise<void> {
  if (random(3) === 0) return sleep(random(4));
  const end = performance.now() + random(400) / 1000;
  while (performance.now() < end);
}

/** A worker that takes what comes and says how late it was; until the ring has ended. */
function sink(worker: Agent, token: RingToken, how: "blocking" | "async"): Promise<number[]> {
  return worker.run(
    async (seat, ringToken, mode) => {
      const ring = seat.skbuff.Ring.attach(seat.engine, ringToken);
      seat.rings.push(ring);
      const late: number[] = [];
      const took = (skb: Skb): void => {
        late.push((performance.timeOrigin + performance.now() - skb.timestampMs * 1000) * 1000);
        skb.release();
      };
      if (mode === "async") for await (const skb of ring) took(skb);
      else
        while (ring.wait() !== "ended")
          for (let skb = ring.dequeue(); skb !== null; skb = ring.dequeue()) took(skb);
      return late;
    },
    token,
    how,
  );
}

function stamped(engine: Engine): Skb {
  const skb = engine.alloc(16);
  skb.timestampMs = now() / 1000;
  return skb;
}

describe("a burst after idleness arrives", () => {
  it.each(["blocking", "async"] as const)("at a worker, 1000 times, %s", async (how) => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 64 });
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = generator(seed);
    const done = sink(worker, ring.share(), how);
    let sent = 0;
    for (let i = 0; i < 1000; i++) {
      await gap(random);
      const burst = Array.from({ length: 1 + random(3) }, () => stamped(engine));
      sent += burst.length;
      for (let left = burst; left.length > 0; ) left = left.slice(ring.enqueueBurst(left));
    }
    ring.close();
    const late = await done;
    expect(late.length, `seed ${seed}`).toBe(sent);
    expect(Math.max(...late) / 1000, `seed ${seed}`).toBeLessThan(SOON_MS);
    await worker.leave();
    ring.release();
    expectAllBack(engine);
  });

  it("at the main thread, 1000 times", async () => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 64 });
    const seed = Math.floor(Math.random() * 2 ** 31);
    const sent = worker.run(
      async (seat, token, start) => {
        const out = seat.skbuff.Ring.attach(seat.engine, token);
        seat.rings.push(out);
        let state = start;
        const random = (n: number): number => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return (state >>> 8) % n;
        };
        for (let i = 0; i < 1000; i++) {
          if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(4)));
          else for (const end = performance.now() + random(400) / 1000; performance.now() < end; );
          const skb = seat.engine.alloc(16);
          skb.timestampMs = performance.timeOrigin + performance.now();
          while (!out.enqueue(skb)) out.waitWritable(1);
        }
        out.close();
      },
      ring.share(),
      seed,
    );
    const late: number[] = [];
    for await (const skb of ring) {
      late.push(now() - skb.timestampMs * 1000);
      skb.release();
    }
    await sent;
    expect(late.length).toBe(1000);
    expect(Math.max(...late) / 1000, `seed ${seed}`).toBeLessThan(SOON_MS);
    await worker.leave();
    ring.release();
    expectAllBack(engine);
  });

  it("at two workers that pass it on and back", async () => {
    const engine = await shared();
    const workers = (await attached(engine, 2, (i) => (i === 0 ? "wasm" : "js"))) as [Agent, Agent];
    const rings = [0, 1, 2].map(() => new Ring(engine, { capacity: 4 }));
    const passing = workers.map((worker, i) =>
      worker.run(
        (seat, fromToken, toToken) => {
          const [from, to] = [
            seat.skbuff.Ring.attach(seat.engine, fromToken),
            seat.skbuff.Ring.attach(seat.engine, toToken),
          ];
          seat.rings.push(from, to);
          while (from.wait() !== "ended")
            for (let skb = from.dequeue(); skb !== null; skb = from.dequeue())
              while (!to.enqueue(skb)) to.waitWritable(1);
          to.close();
        },
        (rings[i] as (typeof rings)[0]).share(),
        (rings[i + 1] as (typeof rings)[0]).share(),
      ),
    );
    const [first, , last] = rings as [(typeof rings)[0], (typeof rings)[0], (typeof rings)[0]];
    const random = generator(7);
    let worst = 0;
    for (let i = 0; i < 500; i++) {
      await gap(random);
      first.enqueue(stamped(engine));
      if (i % 2 === 0 || !MAY_BLOCK) await last.waitAsync();
      else last.wait();
      const skb = last.dequeue() as Skb;
      worst = Math.max(worst, now() - skb.timestampMs * 1000);
      skb.release();
    }
    expect(worst / 1000).toBeLessThan(SOON_MS);
    first.close();
    await Promise.all(passing);
    expect(last.wait()).toBe("ended");
    await Promise.all(workers.map((worker) => worker.leave()));
    for (const ring of rings) ring.release();
    expectAllBack(engine);
  });
});

describe("waitWritable", () => {
  it.each([1, 8, 16])("wakes the producer when there is room for %i", async (room) => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 16 });
    const total = 600;
    const waits = worker.run(
      async (seat, token, want, n) => {
        const out = seat.skbuff.Ring.attach(seat.engine, token);
        seat.rings.push(out);
        let worst = 0;
        for (let sent = 0; sent < n; ) {
          const skb = seat.engine.alloc(4);
          skb.mark = sent;
          while (!out.enqueue(skb)) {
            const start = performance.now();
            const woken = sent % 2 === 0 ? out.waitWritable(want) : await out.waitWritableAsync(want);
            if (woken !== "ready") throw new Error(woken);
            if (16 - out.size < want) throw new Error(`no room for ${want}`);
            worst = Math.max(worst, performance.now() - start);
          }
          sent++;
        }
        const end = out.waitWritable(want, { timeout: 20000 });
        return { worst, end };
      },
      ring.share(),
      room,
      total,
    );
    const random = generator(room);
    for (let i = 0; i < total; i++) {
      if (i % 16 === 0) await gap(random);
      await ring.waitAsync();
      const skb = ring.dequeue() as Skb;
      expect(skb.mark).toBe(i);
      skb.release();
    }
    const { worst, end } = await waits;
    expect(end).toBe("ready");
    expect(worst).toBeLessThan(SOON_MS);
    await worker.leave();
    ring.release();
    expectAllBack(engine);
  });

  it("ends when the consumer closes", async () => {
    const engine = await shared();
    const [worker] = (await attached(engine, 1)) as [Agent];
    const ring = new Ring(engine, { capacity: 1 });
    const waiting = worker.run((seat, token) => {
      const out = seat.skbuff.Ring.attach(seat.engine, token);
      seat.rings.push(out);
      out.enqueue(seat.engine.alloc(1));
      return out.waitWritable(1);
    }, ring.share());
    await until(() => stats(engine).threads[1]?.asleep === true, "the worker sleeps");
    const start = performance.now();
    ring.close();
    expect(await waiting).toBe("ended");
    expect(performance.now() - start).toBeLessThan(SOON_MS);
    ring.dequeue()?.release();
    await worker.leave();
    ring.release();
    expectAllBack(engine);
  });
});

describe("on one thread", () => {
  it.runIf(MAY_BLOCK)(
    "a blocking wait and one that is pending do not lose each other's packets",
    async () => {
      const engine = await shared();
      const [worker] = (await attached(engine, 1)) as [Agent];
      const [blocking, pending, back] = [0, 1, 2].map(() => new Ring(engine, { capacity: 8 })) as [
        Ring,
        Ring,
        Ring,
      ];
      const feeder = worker.run(
        (seat, tokens) => {
          const [one, two, kick] = tokens.map((token) => seat.skbuff.Ring.attach(seat.engine, token));
          if (one === undefined || two === undefined || kick === undefined) throw new Error("no ring");
          seat.rings.push(one, two, kick);
          // For each kick, in an order and at a distance that changes, a packet into each.
          for (let i = 0; kick.wait() !== "ended"; i++) {
            kick.dequeue()?.release();
            for (const ring of i % 2 === 0 ? [one, two] : [two, one]) {
              for (const end = performance.now() + (i % 7) / 10; performance.now() < end; );
              const skb = seat.engine.alloc(8);
              skb.timestampMs = performance.timeOrigin + performance.now();
              ring.enqueue(skb);
            }
          }
        },
        [blocking.share(), pending.share(), back.share()],
      );
      let worst = 0;
      for (let i = 0; i < 300; i++) {
        const later = pending.waitAsync();
        back.enqueue(engine.alloc(1));
        expect(blocking.wait()).toBe("ready");
        expect(await later).toBe("ready");
        for (const ring of [blocking, pending]) {
          const skb = ring.dequeue() as Skb;
          worst = Math.max(worst, now() - skb.timestampMs * 1000);
          skb.release();
        }
      }
      expect(worst / 1000).toBeLessThan(SOON_MS);
      back.close();
      await feeder;
      await worker.leave();
      for (const ring of [blocking, pending, back]) ring.release();
      expectAllBack(engine);
    },
  );
});
