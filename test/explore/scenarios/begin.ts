// First things: threads attach at once, and table slots are carved.

import type { Core } from "../bundle.js";
import { type Scenario, sequence } from "../scenario.js";
import { releaseOf } from "./kit.js";

const join = (core: Core): number => (core.claimThread() === 0 ? core.arenas.threadNumber : 0);
const alloc = (core: Core): number => core.alloc(8, 0);
const take = (core: Core): number => core.pools.takeSkb();
const give = (nth: number) => (core: Core, results: readonly number[]) => {
  if (results[nth] !== 0) core.pools.giveSkb(results[nth] as number);
  return 0;
};

function joining(threads: number): Scenario {
  return {
    name: `begin: ${threads} threads join at once`,
    threads,
    joined: false,
    // A whole slab fits a magazine: what the threads meet at is the claim, the bitmap and the cursor.
    arena: { exchange: 8 },
    setup: () => ({
      programs: Array.from({ length: threads }, () =>
        threads > 2 ? sequence(join, take, give(1)) : sequence(join, alloc, releaseOf(1)),
      ),
      check: ({ results }) => {
        const numbers = new Set(results.map(([number]) => number));
        return numbers.size === threads && !numbers.has(0) ? null : "two threads are one";
      },
    }),
    // Two threads allocate right after they joined: all their schedules take half a minute, so they are for the full run.
    ...(threads > 2 ? { quick: 1, full: 3 } : { quick: 2 }),
  };
}

function carving(threads: number): Scenario {
  return {
    name: `begin: ${threads} threads carve skbs`,
    threads,
    setup: () => ({
      programs: Array.from({ length: threads }, () => sequence(take, take, take, give(0), give(1), give(2))),
    }),
    ...(threads > 2 ? { quick: 1, full: 3 } : {}),
  };
}

export const begin: readonly Scenario[] = [joining(2), joining(3), carving(2), carving(3)];
