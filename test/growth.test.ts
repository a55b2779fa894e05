// What walks a frag list walks it once: the work grows with the number of members, not with its square. Counted where
// there is something to count; what only the core sees is timed, each size many times and the fastest taken.

import { Engine, type Skb } from "skbuff";
import { stats } from "skbuff/inspect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectLinear, exponent, timed } from "./exponent.js";

const SIZES = [256, 512, 1024, 2048, 4096, 8192];
const MEMBER = 40;

describe("the exponent", () => {
  it.each([
    ["constant", () => 7, 0],
    ["linear", (n: number) => 3 * n, 1],
    ["quadratic", (n: number) => n * n, 2],
  ] as const)("of %s growth", (_name, grow, wanted) => {
    expect(exponent(SIZES, SIZES.map(grow))).toBeCloseTo(wanted, 6);
  });
});

describe.each(["wasm", "js"] as const)("on long frag lists, %s", (core) => {
  let engine: Engine;

  beforeAll(async () => {
    engine = await Engine.create({ memory: 64 * 1024 * 1024, threads: 1, skbs: 32768, core });
  });

  afterAll(() => {
    expect(engine.close()).toEqual([]);
  });

  function list(n: number): Skb {
    const skb = engine.alloc(0);
    const bytes = new Uint8Array(MEMBER).fill(n);
    for (let i = 0; i < n; i++) skb.addFragList(engine.alloc(MEMBER).putData(bytes));
    return skb;
  }

  /** Calls of the core while `run` runs. */
  function callsIn(run: () => void): number {
    const inside = engine as unknown as { _core: Record<string, (...args: number[]) => number> };
    const real = inside._core;
    let calls = 0;
    inside._core = Object.fromEntries(
      Object.entries(real).map(([name, f]) => [
        name,
        typeof f !== "function"
          ? f
          : (...args: number[]) => {
              calls++;
              return f(...args);
            },
      ]),
    );
    try {
      run();
    } finally {
      inside._core = real;
    }
    return calls;
  }

  /** The least of what a run took. The minimum, because whatever else the machine does only ever adds. */
  function fastest(
    times: number,
    prepare: () => Skb,
    run: (skb: Skb) => void,
    end: (skb: Skb) => void,
  ): number {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < times; i++) {
      const skb = prepare();
      best = Math.min(
        best,
        timed(() => run(skb)),
      );
      end(skb);
    }
    return best;
  }

  const READS: Record<string, (skb: Skb, n: number) => unknown> = {
    copyBits: (skb, n) => skb.copyBits(0, new Uint8Array(n * MEMBER)),
    toBytes: (skb) => skb.toBytes(),
    segments: (skb) => skb.segments(),
    checksum: (skb) => skb.checksum(),
    truesize: (skb) => skb.truesize,
    listLength: (skb) => skb.listLength,
  };

  it("linearize copies each byte once", () => {
    // 128 KiB is the longest linear packet: 3,276 members.
    const sizes = SIZES.filter((n) => n * MEMBER <= 131072);
    expect(sizes.length).toBeGreaterThan(3);
    for (const n of sizes) {
      const skb = list(n);
      const before = stats(engine);
      expect(callsIn(() => skb.linearize())).toBeLessThan(5);
      const after = stats(engine);
      expect(after.bytesCopied - before.bytesCopied).toBe(n * MEMBER);
      expect(after.releases - before.releases).toBe(n);
      expect(after.allocs - before.allocs).toBe(0);
      skb.release();
    }
  });

  it.each(Object.entries(READS))(
    "%s calls the core at most once for each batch of segments",
    (_name, read) => {
      const calls = SIZES.map((n) => {
        const skb = list(n);
        const count = callsIn(() => read(skb, n));
        skb.release();
        return count;
      });
      for (const [i, count] of calls.entries()) {
        expect(count).toBeGreaterThan(0);
        expect(count).toBeLessThan(10 + (SIZES[i] as number) / 64);
      }
    },
  );

  it.each(Object.entries(READS))("%s takes time in proportion", (_name, read) => {
    const lists = new Map(SIZES.map((n) => [n, list(n)]));
    for (const skb of lists.values()) read(skb, skb.listLength);
    expectLinear(
      (n) =>
        fastest(
          15,
          () => lists.get(n) as Skb,
          (skb) => read(skb, n),
          () => {},
        ),
      SIZES,
    );
    for (const skb of lists.values()) skb.release();
  });

  it("release takes time in proportion", () => {
    list(SIZES.at(-1) as number).release();
    expectLinear(
      (n) =>
        fastest(
          9,
          () => list(n),
          (skb) => skb.release(),
          () => {},
        ),
      SIZES,
    );
  });

  it("linearize takes time in proportion", () => {
    const sizes = SIZES.filter((n) => n * MEMBER <= 131072);
    list(1024).release();
    expectLinear(
      (n) =>
        fastest(
          9,
          () => list(n),
          (skb) => skb.linearize(),
          (skb) => skb.release(),
        ),
      sizes,
    );
  });

  it("addFragList takes the same time however long the list is", () => {
    const calls = SIZES.map((n) => {
      const skb = list(n);
      const member = engine.alloc(1).putZeros(1);
      const count = callsIn(() => skb.addFragList(member));
      skb.release();
      return count;
    });
    expect(new Set(calls).size).toBe(1);
    expectLinear(
      (n) =>
        fastest(
          7,
          () => engine.alloc(0),
          (skb) => {
            for (let i = 0; i < n; i++) skb.addFragList(engine.alloc(1));
          },
          (skb) => skb.release(),
        ),
      SIZES,
    );
  });
});
