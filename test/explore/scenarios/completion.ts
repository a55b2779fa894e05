// Completions: heads are let go on several threads, and their owner takes what has completed meanwhile.

import { OK } from "../../../assembly/layout.js";
import { type Scenario, sequence } from "../scenario.js";
import { complete, completedOnce, coreOf, hand, lent, lentWith, packet, release, warm } from "./kit.js";

function sum(results: readonly number[] | undefined, ...which: readonly number[]): number[] {
  return which.map((nth) => results?.[nth] ?? 0);
}

export const completion: readonly Scenario[] = [
  {
    name: "completion: two push, the owner takes",
    threads: 3,
    arena: { pages: 10, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      for (const core of cores) warm(core, 3);
      const two = hand(one, lent(one, 1, "copy")[0] as number, 2);
      const three = hand(one, lent(one, 1, "copy")[0] as number, 3);
      return {
        programs: [sequence(complete, complete), sequence(release(two)), sequence(release(three))],
        check: (end) => completedOnce(end, 2, sum(end.results[0], 0, 1)),
      };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "completion: one pushes two, the owner takes twice",
    threads: 2,
    arena: { pages: 10, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      for (const core of cores) warm(core, 3);
      const [a, b] = [0, 1].map(() => hand(one, lent(one, 1, "copy")[0] as number, 2)) as [number, number];
      const mine = lent(one, 1, "copy")[0] as number;
      return {
        programs: [sequence(complete, release(mine), complete), sequence(release(a), release(b))],
        check: (end) => completedOnce(end, 3, sum(end.results[0], 0, 2)),
      };
    },
  },
  {
    name: "completion: three heads of one ubuf",
    threads: 3,
    arena: { pages: 10, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      for (const core of cores) warm(core, 3);
      const [a, b, c] = lent(one, 3, "copy") as [number, number, number];
      hand(one, b, 2);
      hand(one, c, 3);
      return {
        programs: [
          sequence(release(a), complete),
          sequence((core) => core.copyUbufs(b), release(b)),
          sequence(release(c)),
        ],
        check: (end) => completedOnce(end, 1, sum(end.results[0], 1)),
      };
    },
    quick: 2,
    full: 4,
  },
  {
    // Whoever lets go last completes it in two steps. In between nobody may take it for one that was never carried.
    name: "completion: cancelled by its owner, let go by another",
    threads: 2,
    arena: { pages: 10, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      for (const core of cores) warm(core, 3);
      const { handles, ubuf } = lentWith(one, 1, "copy");
      const h = hand(one, handles[0] as number, 2);
      return {
        programs: [sequence((core) => core.cancelUbuf(ubuf), complete), sequence(release(h))],
        check: (end) =>
          end.results[0]?.[0] === OK ? "cancelled" : completedOnce(end, 1, sum(end.results[0], 1)),
      };
    },
  },
  {
    name: "completion: carried once more, let go by another",
    threads: 2,
    arena: { pages: 12, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      for (const core of cores) warm(core, 3);
      const { handles, ubuf, region } = lentWith(one, 1, "copy");
      const h = hand(one, handles[0] as number, 2);
      const more = packet(one);
      return {
        programs: [
          sequence((core) => core.addUserFrag(more, region, 0, 8, ubuf), complete, release(more), complete),
          sequence(release(h)),
        ],
        // Not while the second packet carries it.
        check: (end) =>
          end.results[0]?.[0] === OK && end.results[0]?.[1] !== 0
            ? "completed while it was carried"
            : completedOnce(end, 1, sum(end.results[0], 1, 3)),
      };
    },
  },
];
