// Spinning: never more threads than may, whichever begin at once; and one that may not sleeps instead, so none is kept from it for ever.

import { THREAD_BYTES, THREAD_SPINS } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import { type Operation, type Scenario, sequence } from "../scenario.js";
import { coreOf } from "./kit.js";

const MAY = 60;
const MAY_NOT = 61;
const LEFT = 62;

const take =
  (most: number): Operation =>
  (core) =>
    core.parks.takeSpin(most) ? MAY : MAY_NOT;

/** Ends it for who spins. */
const leave: Operation = (core, results) => {
  if (results.at(-1) === MAY) core.parks.leaveSpin();
  return LEFT;
};

/** Threads that spin, by what their operations have returned. */
function count(results: readonly (readonly number[])[]): number {
  return results.filter((those) => those.at(-1) === MAY).length;
}

const flagOf = (core: Core, i: number): number => core.arenas.threadBlocks + i * THREAD_BYTES + THREAD_SPINS;

const scenario = (threads: number, most: number, quick?: number): Scenario => ({
  name: `spinning: ${threads} threads, of which ${most} may`,
  threads,
  setup: (cores) => {
    const flags = Array.from({ length: threads }, (_, i) => flagOf(coreOf(cores, 1), i));
    return {
      programs: Array.from({ length: threads }, () => sequence(take(most), leave, take(most), leave)),
      invariant: ({ results }) => (count(results) > most ? "more spin than may" : null),
      check: ({ word }) => (flags.some((flag) => word(flag) !== 0) ? "a thread spins for ever" : null),
    };
  },
  ...(quick === undefined ? {} : { quick }),
});

export const spinning: readonly Scenario[] = [
  scenario(2, 1),
  scenario(2, 0),
  scenario(3, 1, 2),
  scenario(3, 2, 2),
];
