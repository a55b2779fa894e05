// Magazines and depots: objects that go from thread to thread, as blocks and as chains.

import { CLASS_SKB, LINK_SKB } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Program, type Scenario, sequence } from "../scenario.js";
import { coreOf } from "./kit.js";

const take = (core: Core): number => core.pools.takeSkb();
/** Gives back what the `nth` operation took. */
const give = (nth: number) => (core: Core, results: readonly number[]) => {
  const skb = results[nth] as number;
  if (skb !== 0) core.pools.giveSkb(skb);
  return 0;
};
const flush = (core: Core): number => {
  core.magazines.flush(CLASS_SKB, LINK_SKB);
  return 0;
};

/** Leaves chains of one, and blocks, of skbs in the depot, and the magazines empty. */
function stock(cores: readonly Core[], chains: number, blocks: number): void {
  const core = coreOf(cores, 1);
  const most = core.magazineMost();
  const skbs = Array.from({ length: most + chains + blocks * core.arenas.exchange }, () => take(core));
  const next = (): number => skbs.pop() as number;
  for (let i = 0; i < chains; i++) {
    core.pools.giveSkb(next());
    flush(core);
  }
  while (skbs.length > 0) core.pools.giveSkb(next());
  // What is left in the magazine goes to the other threads', so that each has something to give.
  for (let i = 0; i < most; i++) {
    const skb = take(core);
    coreOf(cores, (i % cores.length) + 1).pools.giveSkb(skb);
  }
}

const around: Program = sequence(take, take, give(0), give(1), flush);

export const magazine: readonly Scenario[] = [
  {
    name: "magazine: chains",
    threads: 2,
    setup: (cores) => {
      stock(cores, 2, 0);
      return { programs: [around, around] };
    },
  },
  {
    name: "magazine: two chains off, one of them back",
    threads: 2,
    setup: (cores) => {
      stock(cores, 3, 0);
      for (const core of cores) while (core.magazines.held(CLASS_SKB) > 0) flush(core);
      // Thread 1 looks at a stack that thread 2 changes twice, so that the same item is on top again.
      return { programs: [sequence(take, give(0)), sequence(take, take, give(0), flush, give(1))] };
    },
  },
  {
    name: "magazine: blocks",
    threads: 2,
    setup: (cores) => {
      stock(cores, 0, 3);
      const program = sequence(take, take, take, give(0), give(1), give(2));
      return { programs: [program, program] };
    },
    quick: 3,
  },
  {
    name: "magazine: batches of two",
    threads: 2,
    arena: { exchange: 2 },
    setup: (cores) => {
      stock(cores, 1, 2);
      const program = sequence(take, take, take, take, give(0), give(1), give(2), give(3), flush);
      return { programs: [program, program] };
    },
  },
  {
    name: "magazine: three threads and chains",
    threads: 3,
    setup: (cores) => {
      stock(cores, 2, 0);
      return { programs: [around, around, sequence(take, give(0), flush)] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "magazine: three threads and blocks",
    threads: 3,
    setup: (cores) => {
      stock(cores, 0, 3);
      const program = sequence(take, take, give(0), give(1));
      return { programs: [program, program, program] };
    },
    quick: 1,
    full: 3,
  },
];
