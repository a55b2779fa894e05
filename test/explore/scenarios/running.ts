// Running out: nobody is told that the pool is empty because another thread stands between two steps. And leaving.

import {
  E_EXHAUSTED,
  ERROR_LIMIT,
  KIND_USER,
  THREAD_BYTES,
  THREAD_LIVE,
  THREAD_NUMBER,
} from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Operation, type Scenario, sequence } from "../scenario.js";
import { complete, completedOnce, coreOf, hand, lentWith, packet, release } from "./kit.js";

/** Uses up all pages but `n`. */
function leave(core: Core, n: number): void {
  while (core.freePages() > n) if (core.pages.takePage(KIND_USER) === 0) break;
  core.flushMagazines();
  core.pages.drainPages();
}

const page: Operation = (core) => core.pools.allocPages(1, KIND_USER);

/** Takes a page and gives it back, to the depot: from where others look last to where they look first. */
const around: Operation = (core) => {
  const entry = core.pages.takePage(KIND_USER);
  if (entry === 0) return 0;
  core.pages.putPage(entry);
  core.flushMagazines();
  return 1;
};

export const running: readonly Scenario[] = [
  {
    name: "running out: pages go around behind one's back",
    threads: 2,
    arena: { pages: 8, exchange: 1 },
    setup: (cores) => {
      leave(coreOf(cores, 1), 4);
      return {
        // A thread may hide two, so one of four is there for whoever looks.
        programs: [sequence(page), sequence(around, around, around, around)],
        check: ({ results }) => ((results[0] as number[])[0] === 0 ? "told that no page is free" : null),
      };
    },
    quick: 1,
    full: 3,
  },
  {
    name: "running out: a run is claimed in vain",
    threads: 2,
    // Pages 31 and 32 lie in two words of the bitmap.
    arena: { pages: 40, exchange: 1 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const all = Array.from({ length: 40 }, () => one.pages.takePage(KIND_USER));
      for (const at of [31, 32]) one.pages.freeToBitmap(all[at] as number);
      const run: Operation = (core) => core.pages.takeRun(2, KIND_USER);
      return {
        programs: [sequence(page, page), sequence(run)],
        check: ({ results }) => {
          const singles = (results[0] as number[]).filter((n) => n !== 0).length;
          const got = (results[1] as number[])[0] !== 0;
          return singles === (got ? 0 : 2) ? null : `${singles} pages, and ${got ? "a" : "no"} run`;
        },
      };
    },
    quick: 4,
    full: 8,
  },
  {
    name: "running out: a run lies above where the last one was found",
    threads: 2,
    arena: { pages: 4, exchange: 1 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const [high, low] = [one.pages.takeRun(2, KIND_USER), one.pages.takeRun(2, KIND_USER)];
      one.pages.putPage(high);
      // In vain: from here on the freed one is no hint any more.
      one.pages.takeRun(3, KIND_USER);
      const put: Operation = (core) => {
        core.pages.putPage(low);
        return 0;
      };
      return {
        programs: [sequence((core) => core.pools.allocPages(2, KIND_USER)), sequence(put)],
        check: ({ results }) => ((results[0] as number[])[0] === 0 ? "told that no run is free" : null),
      };
    },
  },
  {
    name: "running out: skbs go through the depot behind one's back",
    threads: 2,
    arena: { exchange: 1 },
    setup: (cores) => {
      const [one, two] = [coreOf(cores, 1), coreOf(cores, 2)];
      const clones: number[] = [];
      const h = packet(one);
      for (let twin = one.clone(h); twin >= ERROR_LIMIT; twin = one.clone(h)) clones.push(twin);
      for (const twin of clones.slice(0, 4)) {
        two.release(twin, 0);
        two.flushMagazines();
      }
      const shuffle: Operation = (core) => {
        const skb = core.pools.takeSkb();
        if (skb === 0) return 0;
        core.pools.giveSkb(skb);
        core.flushMagazines();
        return 1;
      };
      const back: Operation = (core, results) => {
        if (results[0] !== 0) core.pools.giveSkb(results[0] as number);
        return 0;
      };
      return {
        programs: [sequence((core) => core.pools.takeSkb(), back), sequence(shuffle, shuffle)],
        check: ({ results }) => ((results[0] as number[])[0] === 0 ? "told that no skb is free" : null),
      };
    },
    quick: 1,
    full: 3,
  },
  {
    name: "leaving: one thread leaves, another takes its block",
    threads: 2,
    joined: false,
    arena: { exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      one.claimThread();
      const block = one.arenas.threadBlocks + THREAD_BYTES;
      // Somebody who does nothing has the other one.
      one.memory.store32(block, THREAD_LIVE);
      one.memory.store32(block + THREAD_NUMBER, 2);
      const h = packet(one);
      const join: Operation = (core) => (core.claimThread() === 0 ? core.threadSelf() : 0);
      return {
        programs: [
          sequence((core) => {
            core.release(h, 0);
            core.flushMagazines();
            core.freeThread(0);
            return 0;
          }),
          (results) => {
            const joined = results.indexOf(1);
            if (joined < 0) return results.length < 3 ? join : null;
            return results.length === joined + 1 ? (core) => core.alloc(8, 0) : null;
          },
        ],
        check: ({ results }) =>
          (results[1] as number[]).includes(E_EXHAUSTED) ? "told that the pool is empty" : null,
      };
    },
  },
  {
    name: "leaving: what a packet of another still carries is left to whoever takes the block",
    threads: 3,
    joined: false,
    arena: { exchange: 2 },
    setup: (cores) => {
      const [one, two] = [coreOf(cores, 1), coreOf(cores, 2)];
      for (const core of [one, two]) core.claimThread();
      // Somebody who does nothing has the other one.
      const block = one.arenas.threadBlocks + 2 * THREAD_BYTES;
      one.memory.store32(block, THREAD_LIVE);
      one.memory.store32(block + THREAD_NUMBER, 3);
      const { handles, region } = lentWith(one, 1, "copy");
      const h = hand(one, handles[0] as number, 2);
      one.releaseRegion(region);
      const join: Operation = (core) => (core.claimThread() === 0 ? core.threadSelf() : 0);
      return {
        programs: [
          sequence((core) => {
            const done = complete(core, []);
            core.flushMagazines();
            core.freeThread(1 - done);
            return done;
          }),
          sequence(release(h)),
          (results) => {
            if (!results.includes(1)) return results.length < 3 ? join : null;
            const then = results.slice(results.indexOf(1) + 1);
            if (then.length === 0) return (core) => core.inherited();
            return then.length === 1 ? complete : null;
          },
        ],
        check: (end) => {
          const [left, , taken] = end.results as [number[], number[], number[]];
          const joined = taken.indexOf(1);
          const [inherited = 0, completed = 0] = joined < 0 ? [] : taken.slice(joined + 1);
          if (joined >= 0 && inherited !== 1 - (left[0] as number)) return `inherited ${inherited}`;
          return completedOnce(end, 1, [left[0] as number, completed]);
        },
      };
    },
    quick: 3,
    full: 6,
  },
];
