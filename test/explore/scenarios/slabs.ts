// Slabs: heads go back to their page and are taken out of it, and a page that is complete becomes any page again.

import type { Core } from "../bundle.js";
import { type Scenario, sequence } from "../scenario.js";
import { coreOf } from "./kit.js";

const takeHead = (bytes: number) => (core: Core) => core.heads.takeHead(bytes);
const giveHead = (nth: number, bytes: number) => (core: Core, results: readonly number[]) => {
  const head = results[nth] as number;
  if (head !== 0) core.heads.giveHead(head, bytes);
  return 0;
};
const drain = (core: Core): number => {
  core.heads.drainHeads();
  return 0;
};
/** What an allocation does when it found nothing: everything goes back to where it can be taken from. */
const reclaim = (core: Core): number => {
  core.heads.drainHeads();
  core.pages.drainPages();
  return 0;
};

/** A slab of two heads, one of them in its slots and the other in the magazine of a thread. */
function slab(cores: readonly Core[], keeper: number): void {
  const core = coreOf(cores, 1);
  const [a, b] = [core.heads.takeHead(2048), core.heads.takeHead(2048)];
  core.heads.giveHead(a, 2048);
  core.heads.drainHeads();
  coreOf(cores, keeper).heads.giveHead(b, 2048);
}

export const slabs: readonly Scenario[] = [
  {
    name: "slabs: drained by one, taken by the other",
    threads: 2,
    arena: { pages: 2 },
    setup: (cores) => {
      slab(cores, 1);
      return { programs: [sequence(drain), sequence(takeHead(2048), giveHead(0, 2048), drain)] };
    },
  },
  {
    name: "slabs: both take and drain",
    threads: 2,
    arena: { pages: 2 },
    setup: () => {
      const program = sequence(takeHead(2048), giveHead(0, 2048), drain);
      return { programs: [program, program] };
    },
  },
  {
    name: "slabs: a page changes its class",
    threads: 2,
    arena: { pages: 1 },
    setup: (cores) => {
      slab(cores, 2);
      // The slab whose slots thread 1 has read becomes a page, and then one of smaller heads.
      return {
        programs: [
          sequence(takeHead(2048), giveHead(0, 2048), reclaim),
          sequence(drain, takeHead(1024), giveHead(1, 1024), drain),
        ],
      };
    },
    quick: 3,
  },
  {
    name: "slabs: allocation with reclaim on both sides",
    threads: 2,
    arena: { pages: 1 },
    setup: () => {
      const alloc = (core: Core): number => core.pools.allocHead(2048);
      return { programs: [sequence(alloc, giveHead(0, 2048)), sequence(alloc, giveHead(0, 2048), reclaim)] };
    },
  },
  {
    name: "slabs: three threads take and drain",
    threads: 3,
    arena: { pages: 2 },
    setup: () => {
      const program = sequence(takeHead(2048), giveHead(0, 2048), drain);
      return { programs: [program, program, program] };
    },
    quick: 2,
    full: 4,
  },
];
