// Dressed skbs: packets that go from thread to thread with their heads, and are taken apart where one half is wanted.

import { ERROR_LIMIT } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Operation, type Scenario, sequence } from "../scenario.js";
import { coreOf, packet, releaseOf } from "./kit.js";

const SIZE = 1500;
const alloc: Operation = (core) => core.alloc(SIZE, 0);
const flush: Operation = (core) => {
  core.flushMagazines();
  return 0;
};
const drain: Operation = (core) => {
  core.heads.drainHeads();
  return 0;
};
const takeSkb: Operation = (core) => core.pools.takeSkb();
const giveSkb =
  (nth: number): Operation =>
  (core, results) => {
    const skb = results[nth] as number;
    if (skb !== 0) core.pools.giveSkb(skb);
    return 0;
  };

/** Leaves `n` dressed skbs in the depot: chains of one, or, where a batch is one, blocks. No other struct is free. */
function stock(cores: readonly Core[], n: number): void {
  const one = coreOf(cores, 1);
  const handles = Array.from({ length: n }, () => packet(one, SIZE));
  // Other structs are in use until the end: the audit finds them with their owner.
  const twin = packet(one);
  while (one.clone(twin) >= ERROR_LIMIT);
  for (const handle of handles) {
    one.release(handle, 0);
    one.flushMagazines();
  }
}

export const dressed: readonly Scenario[] = [
  {
    name: "dressed: two threads allocate and release",
    threads: 2,
    arena: { pages: 4, exchange: 1 },
    setup: (cores) => {
      stock(cores, 3);
      const program = sequence(alloc, releaseOf(0), flush);
      return { programs: [program, program] };
    },
    quick: 3,
    full: 6,
  },
  {
    name: "dressed: chains of two",
    threads: 2,
    arena: { pages: 4, exchange: 2 },
    setup: (cores) => {
      stock(cores, 4);
      return {
        programs: [
          sequence(alloc, alloc, releaseOf(0), releaseOf(1), flush),
          sequence(alloc, releaseOf(0), flush),
        ],
      };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "dressed: a struct is wanted where the other one allocates",
    threads: 2,
    arena: { pages: 4, exchange: 1 },
    setup: (cores) => {
      stock(cores, 2);
      return { programs: [sequence(takeSkb, giveSkb(0), flush), sequence(alloc, releaseOf(0), flush)] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "dressed: heads are drained where the other one allocates",
    threads: 2,
    arena: { pages: 4, exchange: 1 },
    setup: (cores) => {
      stock(cores, 2);
      return { programs: [sequence(drain), sequence(alloc, releaseOf(0), flush)] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "dressed: they go through the depot behind one's back",
    threads: 2,
    arena: { pages: 8, exchange: 1 },
    setup: (cores) => {
      // A thread may hide two, so one of four is there for whoever looks.
      stock(cores, 4);
      const around: Operation = (core) => {
        const handle = core.alloc(SIZE, 0);
        if (handle < ERROR_LIMIT) return 0;
        core.release(handle, 0);
        core.flushMagazines();
        return 1;
      };
      return {
        programs: [sequence(takeSkb, giveSkb(0)), sequence(around, around)],
        check: ({ results }) => ((results[0] as number[])[0] === 0 ? "told that no skb is free" : null),
      };
    },
    quick: 2,
    full: 3,
  },
];
