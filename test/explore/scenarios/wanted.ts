// Waiting for memory: nobody sleeps for ever while another thread has freed what he needs.

import { ASLEEP, ERROR_LIMIT, MEMORY } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Operation, type Program, type Scenario, sequence } from "../scenario.js";
import { coreOf, hand, packet, release } from "./kit.js";
import { pass } from "./rings.js";

/** A head of a page, so that a few packets are all that there is. */
const SIZE = 3000;

/** Allocates packets until there is none. */
function exhaust(core: Core): number[] {
  const handles: number[] = [];
  for (let h = core.alloc(SIZE, 0); h >= ERROR_LIMIT; h = core.alloc(SIZE, 0)) handles.push(h);
  core.flushMagazines();
  return handles;
}

/** Fails to allocate: that is what is waited for. */
function expectNone(core: Core): void {
  if (core.alloc(SIZE, 0) >= ERROR_LIMIT) throw new Error("there is memory");
}

/** Asks for memory, and says where to sleep; 0 if there may be some. */
const ask = (core: Core): number => core.park(pass(core, [MEMORY, 0]) / 2, 0);

// Below ERROR_LIMIT, and no status.
const READY = 50;
const AGAIN = 51;
const FLUSHED = 52;

/** What a wait that blocks does: looks, and sleeps if there is nothing new. */
const wait: Operation = (core) => {
  if (core.spin(pass(core, [MEMORY, 0]) / 2, 0, 1, 0) !== 0) return READY;
  const word = ask(core);
  if (word !== 0) {
    core.memory.sleep(word, ASLEEP);
    core.unpark();
  }
  return AGAIN;
};

/** What a thread does that sleeps: what it has in its magazines becomes everybody's. */
const flush: Operation = (core) => {
  core.flushMagazines();
  return FLUSHED;
};

/** Tries until it succeeds, and waits for memory whenever it has failed; then sleeps for other reasons. */
const until =
  (attempt: Operation): Program =>
  (results) => {
    const last = results.at(-1) ?? READY;
    if (last >= ERROR_LIMIT) return flush;
    return last === FLUSHED ? null : last === READY ? attempt : wait;
  };

const allocating = until((core) => core.alloc(SIZE, 0));

/** Has asked for memory in the setup: sleeps, then allocates. */
function asleepAt(word: number): Program {
  const asleep: Operation = (core) => {
    core.memory.sleep(word, ASLEEP);
    core.unpark();
    return AGAIN;
  };
  return (results) => (results.length === 0 ? asleep : allocating(results));
}

/** Releases a packet, then sleeps. */
const lettingGo = (h: number): Program => sequence(release(h), flush);

export const wanted: readonly Scenario[] = [
  {
    name: "wanted: another thread releases a packet, and sleeps",
    threads: 2,
    arena: { pages: 2, exchange: 2 },
    setup: (cores) => {
      const [h = 0] = exhaust(coreOf(cores, 1));
      hand(coreOf(cores, 1), h, 2);
      return { programs: [allocating, lettingGo(h)] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "wanted: a thread that was asked keeps nothing to itself",
    threads: 2,
    arena: { pages: 3, exchange: 4 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const h = one.alloc(SIZE, 0);
      one.addPageFrag(h, 1);
      const [other = 0] = exhaust(one);
      hand(one, h, 2);
      // Skbs, too: the page is given before the skb.
      while (one.clone(other) >= ERROR_LIMIT);
      expectNone(one);
      // It sleeps when the other one begins, which does no more than release its packet.
      const word = ask(one);
      return { programs: [asleepAt(word), sequence(release(h))] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "wanted: a thread that was asked takes no more than it needs",
    threads: 2,
    arena: { pages: 2, exchange: 2 },
    setup: (cores) => {
      const [one, two] = [coreOf(cores, 1), coreOf(cores, 2)];
      // Both are in the second thread's magazine before it is asked.
      for (const h of exhaust(one)) two.release(hand(one, h, 2), 0);
      expectNone(one);
      const word = ask(one);
      return { programs: [asleepAt(word), sequence(flush, (core) => core.alloc(SIZE, 0))] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "wanted: a struct, and another thread releases a packet",
    threads: 2,
    arena: { exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const [h, other] = [packet(one), packet(one)];
      hand(one, other, 2);
      while (one.clone(h) >= ERROR_LIMIT);
      return { programs: [until((core) => core.clone(h)), lettingGo(other)] };
    },
    quick: 2,
    full: 4,
  },
  {
    name: "wanted: a run of pages is freed",
    threads: 2,
    arena: { pages: 3, exchange: 1 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const region = one.createRegion(3);
      const free: Operation = (core) => {
        core.releaseRegion(region);
        return 0;
      };
      return { programs: [until((core) => core.createRegion(2)), sequence(free)] };
    },
    quick: 3,
  },
  {
    name: "wanted: two threads wait for what a third one releases",
    threads: 3,
    arena: { pages: 2, exchange: 2 },
    setup: (cores) => {
      const one = coreOf(cores, 1);
      const [a = 0, b = 0] = exhaust(one);
      hand(one, a, 3);
      hand(one, b, 3);
      return { programs: [allocating, allocating, sequence(release(a), release(b), flush)] };
    },
    quick: 1,
    full: 2,
  },
];
