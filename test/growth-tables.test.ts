// Queues, bursts, tables and debug records: what one of them costs does not depend on how many there are.

import { Engine, type Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { debug } from "skbuff/inspect";
import { expect, it } from "vitest";
import { expectLinear, fastest, timed } from "./exponent.js";

const MILLION = [1000, 10_000, 100_000, 1_000_000];
const HUNDRED_THOUSAND = [1000, 4000, 20_000, 100_000];

/** The exponent is that of the least of some runs; few of the long ones, whose times are steady. */
function expectLinearTime(sizes: readonly number[], measure: (n: number) => number): void {
  measure(sizes[1] as number);
  expectLinear((n) => fastest(n > 50_000 ? 2 : 7, () => measure(n)), sizes);
}

/** One packet, referred to `n` times: many objects, and no memory of the arena. */
function references(skb: Skb, n: number): Skb[] {
  return Array.from({ length: n }, () => skb.get());
}

it("a queue's operations, at 10^3 to 10^6 packets", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 1 });
  const one = engine.alloc(10);
  const all = references(one, MILLION.at(-1) as number);
  const [queue, other] = [new SkbQueue(engine), new SkbQueue(engine)];
  expectLinearTime(MILLION, (n) => {
    const some = all.slice(0, n);
    return timed(() => {
      for (const skb of some) queue.pushTail(skb);
      other.splice(queue);
      for (const skb of other) if (other.peekTail() === skb) break;
      // From the middle outwards: nothing is looked for from an end.
      for (let i = n >> 1; i < n; i++) other.unlink(some[i] as Skb);
      while (other.popTail() !== null);
    });
  });
  engine.releaseBurst(all);
  one.release();
  expect(engine.close()).toEqual([]);
});

it("purge and releaseBurst, at 10^3 to 10^6 packets", async () => {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 1 });
  const one = engine.alloc(10);
  expectLinearTime(MILLION, (n) => {
    const queue = new SkbQueue(engine);
    for (const skb of references(one, n)) queue.pushTail(skb);
    const burst = references(one, n);
    return timed(() => {
      queue.purge();
      engine.releaseBurst(burst);
    });
  });
  one.release();
  expect(engine.close()).toEqual([]);
});

it("bursts and frag lists, at 10^3 to 10^5 packets", async () => {
  const engine = await Engine.create({ memory: 128 * 1024 * 1024, threads: 1, skbs: 2 ** 17 });
  expectLinearTime(HUNDRED_THOUSAND, (n) => {
    const all = new Array<Skb>(n);
    return timed(() => {
      expect(engine.allocBurst(all, 8)).toBe(n);
      const [first, ...rest] = all as [Skb, ...Skb[]];
      for (const skb of rest) first.addFragList(skb.putZeros(1));
      const twin = first.clone();
      twin.unclone();
      twin.split(n >> 1).release();
      twin.trim(1);
      twin.release();
      first.release();
    });
  });
  expect(engine.close()).toEqual([]);
});

it("ubufs, at 10^3 to 6 * 10^4", async () => {
  const engine = await Engine.create({ memory: 64 * 1024 * 1024, threads: 1, skbs: 2 ** 16, ubufs: 2 ** 16 });
  const region = new UserRegion(engine, 4096);
  // Whatever the first ubuf makes is made.
  new Ubuf(engine).cancel();
  expectLinearTime([1000, 4000, 16_000, 60_000], (n) => {
    const lent: Skb[] = [];
    return timed(() => {
      for (let i = 0; i < n; i++) {
        const skb = engine.alloc(8);
        skb.addUserFrag(region, 0, 10, new Ubuf(engine));
        lent.push(skb);
      }
      engine.releaseBurst(lent);
    });
  });
  region.release();
  expect(engine.close()).toEqual([]);
});

it("regions, at 10^2 to 10^4", async () => {
  const engine = await Engine.create({ memory: 96 * 1024 * 1024, threads: 1 });
  expectLinearTime([100, 1000, 10_000], (n) =>
    timed(() => {
      const regions = Array.from({ length: n }, () => new UserRegion(engine, 8192));
      for (const region of regions) region.release();
    }),
  );
  expect(engine.close()).toEqual([]);
});

/** Atomic loads that `run` takes. A time would grow with what does not fit the cache any more. */
function loads(run: () => void): number {
  const { load } = Atomics;
  let count = 0;
  Atomics.load = ((...given: Parameters<typeof load>) => {
    count++;
    return load(...given);
  }) as typeof load;
  try {
    run();
  } finally {
    Atomics.load = load;
  }
  return count;
}

it("runs of pages, at 10^3 to 2 * 10^4", async () => {
  // The core for JS, whose loads can be counted; it is the same source.
  const engine = await Engine.create({ memory: 256 * 1024 * 1024, threads: 1, skbs: 2 ** 16, core: "js" });
  const sizes = [1000, 4000, 20_000];
  const all = new Array<Skb>(sizes.at(-1) as number);
  // None is passed for each one more ...
  expectLinear(
    (n) =>
      loads(() => {
        for (let i = 0; i < n; i++) all[i] = engine.alloc(5000);
        engine.releaseBurst(all, n);
      }),
    sizes,
  );
  // ... nor if one above them was freed in between.
  expectLinear(
    (n) =>
      loads(() => {
        for (let i = 0; i < n; i++) {
          const first = engine.alloc(5000);
          all[i] = engine.alloc(5000);
          first.release();
        }
        engine.releaseBurst(all, n);
      }),
    sizes,
  );
  expect(engine.close()).toEqual([]);
});

it("records of debug, at 10^3 to 10^5 references of one packet", async () => {
  const limit = Error.stackTraceLimit;
  // What a stack costs is the environment's matter.
  Error.stackTraceLimit = 1;
  try {
    const engine = await Engine.create({ memory: 1024 * 1024, threads: 1, debug });
    const one = engine.alloc(10);
    expectLinearTime(HUNDRED_THOUSAND, (n) =>
      timed(() => {
        for (const skb of references(one, n)) skb.release();
      }),
    );
    one.release();
    expect(engine.close()).toEqual([]);
  } finally {
    Error.stackTraceLimit = limit;
  }
});
