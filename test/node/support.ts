// What the tests of sockets and streams share: engines, packets of random shape, and clocks.

import { Engine, type EngineOptions, type Skb } from "skbuff";
import { audit } from "skbuff/inspect";
import { afterEach, describe, expect } from "vitest";
import { bytesAt, used, type World } from "../packets.js";

/** Makes an engine of the kind under test. After the test nothing of it is out, and it closes. */
export type Make = (options?: EngineOptions) => Promise<Engine>;

const KINDS = [
  { name: "wasm on shared memory", core: "wasm", shared: true },
  { name: "wasm on unshared memory", core: "wasm", shared: false },
  { name: "js on a SharedArrayBuffer", core: "js", shared: true },
  { name: "js on an ArrayBuffer", core: "js", shared: false },
] as const;

export interface Kind {
  readonly core: "wasm" | "js";
  readonly shared: boolean;
  /** Set for one of them: what does not depend on the engine is tested there. */
  readonly first: boolean;
}

export const NOTHING = { skbs: 0, ubufs: 0, dataPages: 0, dirty: [] };

/** Closes what a test has opened, last first, however the test ends. */
export function cleaner(): (close: () => unknown) => void {
  const todo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of todo.splice(0).reverse()) await close();
  });
  return (close) => todo.push(close);
}

/** Runs a suite on both cores, on shared and on unshared memory. */
export function forEachKind(
  suite: (make: Make, defer: (close: () => unknown) => void, kind: Kind) => void,
): void {
  describe.each(KINDS)("$name", ({ core, shared }) => {
    const made: Engine[] = [];
    // Before what the test has deferred, because hooks run last first: the engine is looked at when all is closed.
    afterEach(() => {
      for (const engine of made.splice(0)) {
        if (engine.closed) continue;
        expect(used(engine)).toEqual(NOTHING);
        expect(audit(engine).clean).toBe(true);
        expect(engine.close()).toEqual([]);
      }
    });
    const defer = cleaner();
    suite(
      async (options) => {
        const engine = await Engine.create({ memory: 4 * 1024 * 1024, threads: 1, core, shared, ...options });
        made.push(engine);
        return engine;
      },
      defer,
      { core, shared, first: core === "wasm" && shared },
    );
  });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Steps after which a loop that never turns is ended, so that the test says so instead of hanging. */
const ENDLESS = 2_000_000;

/** Takes steps until the event loop has turned three times. Returns whether it has. */
export async function turnsWhile(step: (i: number) => Promise<void>): Promise<boolean> {
  let turns = 0;
  const count = (): void => {
    if (++turns < 3) setImmediate(count);
  };
  setImmediate(count);
  for (let i = 0; turns < 3; i++) {
    if (i === ENDLESS) return false;
    await step(i);
  }
  return true;
}

/** Waits until something is so; a test that waits in vain says for what. */
export async function until(what: string, so: () => boolean, ms = 100_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!so()) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(1);
  }
}

/** Random numbers that a seed repeats. It is printed with every failure through `hint`. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))) {
    this.seed = seed;
    this.#state = seed;
  }

  get hint(): string {
    return `SEED=${this.seed}`;
  }

  /** An integer in 0..n-1. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** A packet of `n` bytes, those of places `at` and on, that lie in it as chance has it: in head, frags, lent, in a list. */
export function shaped(w: World, random: Random, n: number, at: number): Skb {
  const { engine } = w;
  const skb = engine.alloc(Math.min(n, 300), { headroom: random.below(3) * 20 });
  let done = 0;
  const room = (): number => n - done;
  const next = (most: number): number => Math.min(room(), 1 + random.below(most));
  if (n > 0 && random.below(4) > 0) {
    done += next(Math.min(n, 300));
    skb.putData(bytesAt(at, done));
  }
  let carries = false;
  while (room() > 0 && skb.frags < 12) {
    const some = next(5000);
    if (!carries && random.below(4) === 0) {
      carries = true;
      const region = w.region(some + 3);
      region.bytes.set(bytesAt(at + done, some), 3);
      skb.addUserFrag(region, 3, some, w.ubuf(random.pick(["copy", "refcount"])));
    } else skb.addPageFrag(some).set(bytesAt(at + done, some));
    done += some;
    if (random.below(3) === 0) break;
  }
  while (room() > 0) {
    const some = next(20_000);
    const member = engine.alloc(64);
    if (some > 10 && random.below(2) === 0) {
      member.putData(bytesAt(at + done, 10));
      member.addPageFrag(some - 10).set(bytesAt(at + done + 10, some - 10));
    } else member.addPageFrag(some).set(bytesAt(at + done, some));
    done += some;
    skb.addFragList(member);
  }
  return skb;
}
