// What threads hide from each other, and that nobody is told that the pool is empty while it is not.

import { type Engine, PoolExhaustedError, Ring, type Skb, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { caught } from "../packets.js";
import type { Agent } from "./agent.js";
import { attached, expectAllBack, shared, sleep } from "./stage.js";

/** Allocates until there is nothing, and returns all of it. */
function takeAll(engine: Engine, size: number): { skbs: Skb[]; error: Error } {
  const skbs: Skb[] = [];
  for (;;) {
    const error = caught(() => skbs.push(engine.alloc(size)));
    if (error !== undefined) return { skbs, error: error as Error };
  }
}

/** Fills the worker's magazines, then has it stand still where no packet is, until the word changes. */
function fill(worker: Agent, size: number, word: Int32Array): Promise<unknown> {
  return worker.run(
    (seat, bytes, flag) => {
      const { engine } = seat;
      const most = seat.inspect.stats(engine).magazineMost;
      const skbs: Skb[] = [];
      for (let i = 0; i < 3 * most; i++) {
        const skb = engine.tryAlloc(bytes);
        if (skb === null) break;
        skbs.push(skb);
      }
      engine.releaseBurst(skbs);
      Atomics.add(flag, 1, 1);
      Atomics.notify(flag, 1);
      Atomics.wait(flag, 0, 0);
    },
    size,
    word,
  );
}

describe("what others hide", () => {
  it.each([
    [1, 100],
    [2, 100],
    [3, 100],
    [4, 100],
    [3, 1000],
    [4, 3900],
  ])("is little, and named: %i threads, packets of %i bytes", async (n, size) => {
    const engine = await shared({ memory: 2 * 1024 * 1024, skbs: 400 });
    const rings = Array.from({ length: n }, () => new Ring(engine, { capacity: 1 }));
    const { skbs: alone } = takeAll(engine, size);
    const total = alone.length;
    engine.releaseBurst(alone);
    engine.flush();
    const workers = await attached(engine, n, (i) => (i % 2 === 0 ? "wasm" : "js"));
    const word = new Int32Array(new SharedArrayBuffer(8));
    const standing = workers.map((worker) => fill(worker, size, word));
    for (let seen = 0; seen < n; seen = Atomics.load(word, 1)) await sleep(1);
    const { threads, magazineMost } = stats(engine);
    const others = threads.filter(({ thread }) => thread !== engine.thread);
    expect(others.length).toBe(n);
    const hiddenSkbs = others.map(({ magazines }) => magazines.skbs);
    const hiddenHeads = others.map(({ magazines }) => magazines.heads.reduce((sum, one) => sum + one, 0));
    const hiddenPages = others.map(({ magazines }) => magazines.pages);
    for (const hidden of [...hiddenSkbs, ...hiddenHeads, ...hiddenPages])
      expect(hidden).toBeLessThanOrEqual(magazineMost);
    expect(Math.min(...hiddenSkbs)).toBeGreaterThan(0);
    const { skbs, error } = takeAll(engine, size);
    expect(error).toBeInstanceOf(PoolExhaustedError);
    // What it did not get is hidden as an skb; or as a head, or as a page that would be several heads, or whose other
    // heads are hidden.
    const perPage = Math.max(1, Math.floor(4096 / ((skbs[0]?.truesize ?? 128) - 128)));
    const sum = (list: number[]): number => list.reduce((all, one) => all + one, 0);
    const most = Math.max(sum(hiddenSkbs), sum(hiddenHeads) + sum(hiddenPages) * perPage);
    expect(total - skbs.length).toBeLessThanOrEqual(most);
    for (const { thread, magazines } of others) {
      if (error.message.includes('"skb"'))
        expect(error.message).toContain(`${magazines.skbs} free in magazines of thread ${thread}`);
      else expect(error.message).toContain(`free in magazines of thread ${thread}`);
    }
    // It cannot get more, however often it asks.
    expect(takeAll(engine, size).skbs.length).toBe(0);
    Atomics.store(word, 0, 1);
    Atomics.notify(word, 0);
    await Promise.all(standing);
    await Promise.all(
      workers.map((worker, i) =>
        worker.run(
          (seat, token) => {
            // Half of them wait for packets, the others say that they will be idle.
            if (token === null) seat.engine.flush();
            else {
              seat.rings.push(seat.skbuff.Ring.attach(seat.engine, token));
              seat.rings[0]?.wait({ timeout: 200 });
            }
          },
          i % 2 === 0 ? (rings[i] as (typeof rings)[0]).share() : null,
        ),
      ),
    );
    const rest = takeAll(engine, size).skbs;
    expect(skbs.length + rest.length).toBe(total);
    engine.releaseBurst([...skbs, ...rest]);
    await Promise.all(workers.map((worker) => worker.leave()));
    for (const ring of rings) ring.release();
    expectAllBack(engine);
  });
});

/** What each of three threads takes at most, so that with all that the others can hide there is always enough. */
const RACES: Record<
  string,
  {
    size: number;
    /** The size of every other round's packets, if it is another one. */
    other?: number;
    frag: number;
    share: (pages: number, skbs: number) => number;
    skbs?: number;
    magazine?: number;
  }
> = {
  // Each of the two others hides two batches of 4 in its magazine, and has one in its hands.
  skbs: { skbs: 192, size: 10, frag: 0, share: (_, skbs) => (skbs - 24) / 3 },
  // One at a time: every skb goes through the depot.
  "skbs, one at a time": { skbs: 192, magazine: 1, size: 10, frag: 0, share: (_, skbs) => (skbs - 6) / 3 },
  // 8 to a page: as many heads, two batches of pages, and a page that it is just making heads of.
  "small heads": { size: 300, frag: 0, share: (pages) => (pages * 8 - 2 * (12 + 64 + 8)) / 3 },
  "heads of a page": { size: 3500, frag: 0, share: (pages) => (pages - 2 * (12 + 12)) / 3 },
  // Two pages each; between two runs a page may be left over.
  "runs of pages for heads": { size: 7000, frag: 0, share: (pages) => (pages / 3 - 3) / 3 },
  // Heads must become pages, and pages other heads. At worst each pins a page, used or hidden.
  "heads of two sizes": {
    ...{ size: 3500, other: 1500, frag: 0, magazine: 1 },
    share: (pages) => (pages - 2 * (6 + 6)) / 3,
  },
  // A page for the bytes, and, at worst, one for each head, used or hidden, that shares its page with none.
  "page frags": { size: 64, frag: 4096, share: (pages) => (pages - 2 * (12 + 12)) / 6 },
};

/** A race takes this long, and longer where a thread has not gone round so often by then. */
const RACE_MS = 700;
const ROUNDS_LEAST = 20;

describe("while each takes less than its share, nobody is refused", () => {
  it.each(Object.keys(RACES))("%s", async (name) => {
    const {
      size,
      other = size,
      frag,
      share,
      skbs = 2000,
      magazine = 4,
    } = RACES[name] as (typeof RACES)[string];
    const engine = await shared({ memory: 1280 * 1024, skbs, ubufs: 64, rings: 4, magazine });
    const workers = await attached(engine, 3, (i) => (i === 1 ? "js" : "wasm"));
    const before = stats(engine);
    const most = Math.floor(
      Math.min(share(before.pages.total, before.skbs.total), (before.skbs.total - 6 * magazine) / 3),
    );
    expect(most).toBeGreaterThan(5);
    const race = (): Promise<number[]> =>
      Promise.all(
        workers.map((worker, w) =>
          worker.run(
            (seat, sizes, page, mine, ms, least, seed) => {
              const { engine: own } = seat;
              let state = seed;
              const random = (most: number): number => {
                state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                return (state >>> 8) % most;
              };
              let rounds = 0;
              const end = performance.now() + ms;
              const skbs: Skb[] = [];
              while (rounds < least || performance.now() < end) {
                const bytes = sizes[rounds % 2] as number;
                for (let i = random(4) === 0 ? 1 + random(mine) : mine; i > 0; i--) {
                  const skb = own.alloc(bytes);
                  skbs.push(skb);
                  if (page > 0) skb.addPageFrag(page);
                }
                // In an order that leaves slabs and runs in pieces.
                if (random(2) === 0) skbs.reverse();
                own.releaseBurst(skbs.splice(0));
                rounds++;
              }
              return rounds;
            },
            [size, other],
            frag,
            most,
            RACE_MS,
            ROUNDS_LEAST,
            w + 1,
          ),
        ),
      );
    // Where cores are few and busy, threads may take turns for so long that nobody takes what another has.
    do {
      await race();
      expect(stats(engine).exhausted).toBe(0);
    } while (other !== size && stats(engine).reclaims === 0);
    await Promise.all(workers.map((worker) => worker.leave()));
    expectAllBack(engine);
    const everything = new UserRegion(engine, stats(engine).pages.total * 4096);
    everything.release();
  });
});

describe("a steady pipeline", () => {
  it.each(["wasm", "js"] as const)(
    "of a million packets through an arena of few: consumer %s",
    async (core) => {
      const engine = await shared({ memory: 512 * 1024, skbs: 300 });
      const [producer, consumer] = (await attached(engine, 2, (i) => (i === 0 ? "wasm" : core))) as [
        Agent,
        Agent,
      ];
      const ring = new Ring(engine, { capacity: 128 });
      const total = core === "wasm" ? 1_000_000 : 200_000;
      const sent = producer.run(
        (seat, token, n) => {
          const out = seat.skbuff.Ring.attach(seat.engine, token);
          seat.rings.push(out);
          const burst: Skb[] = [];
          for (let done = 0; done < n; ) {
            const got = seat.engine.allocBurst(burst, 64, Math.min(32, n - done), { reuse: true });
            if (got === 0) {
              // The consumer has what it was sent, or is about to give it back.
              out.waitWritable(128, { timeout: 5 });
              continue;
            }
            for (let i = 0; i < got; i++) (burst[i] as Skb).mark = done + i;
            for (let i = 0; i < got; ) {
              i += out.enqueueBurst(burst.slice(i, got));
              if (i < got) out.waitWritable(32);
            }
            done += got;
          }
          out.close();
        },
        ring.share(),
        total,
      );
      const received = consumer.run((seat, token) => {
        const from = seat.skbuff.Ring.attach(seat.engine, token);
        seat.rings.push(from);
        const burst: Skb[] = [];
        let next = 0;
        while (from.wait() !== "ended") {
          const n = from.dequeueBurst(burst, 64, { reuse: true });
          for (let i = 0; i < n; i++)
            if ((burst[i] as Skb).mark !== next++)
              throw new Error(`packet ${burst[i]?.mark}, not ${next - 1}`);
          seat.engine.releaseBurst(burst, n);
        }
        return next;
      }, ring.share());
      expect(await received).toBe(total);
      // Exhaustion that lasts would be no end of it.
      await sent;
      expect(stats(engine)).toMatchObject({ enqueued: total, dequeued: total });
      expect(stats(engine).exchanges).toBeGreaterThan(total / 1000);
      await Promise.all([producer.leave(), consumer.leave()]);
      ring.release();
      expectAllBack(engine);
    },
  );
});
