// What a scenario is: an arena, what lies in it at the beginning, and a program for each thread.
//
//   {
//     name: "ring: one puts, one takes",
//     threads: 2,
//     arena: { rings: 1 },
//     setup: ([one]) => {                              // alone, nothing is interleaved yet
//       const h = one.alloc(8, 0);
//       return {
//         programs: [
//           sequence((core) => core.enqueue(ring, h)), // one operation after the other
//           (results) => results.includes(h) ? null : (core) => core.dequeue(ring), // or what depends on the results
//         ],
//         check: (end) => end.audit.packets.length === 1 ? null : "lost", // the audit itself is always asked
//       };
//     },
//   }
//
// Operations run many times, from their start, so they keep nothing outside the memory. The shorter they are the
// better: between two of them all that counts of a thread is what they returned. `core.memory` has `sleep`, for a
// thread that waits. `core.magazines`, `core.pages` ... are the core's modules.

import type { AuditReport } from "../../src/inspect/audit/report.js";
import type { Core } from "./bundle.js";

/** One call, or a few that need not be apart. Runs many times: it must depend on nothing but its arguments. */
export type Operation = (core: Core, results: readonly number[]) => number;

/** The next operation of a thread, given what its operations so far returned; null ends it. */
export type Program = (results: readonly number[]) => Operation | null;

/** What `check` and `invariant` may look at. */
export interface View {
  word(address: number): number;
  /** What the operations of each thread returned so far. */
  readonly results: readonly (readonly number[])[];
}

export interface End extends View {
  readonly audit: AuditReport;
}

/** What a scenario does once its arena is set up. */
export interface Play {
  readonly programs: readonly Program[];
  /** Judges the end of a schedule, besides the audit. Returns what is wrong, or null. */
  check?(end: End): string | null;
  /** Judges every state between two steps. Returns what is wrong, or null. */
  invariant?(view: View): string | null;
}

export interface ArenaOptions {
  /** Pages besides the tables. */
  readonly pages?: number;
  readonly skbs?: number;
  readonly ubufs?: number;
  readonly rings?: number;
  /** Objects in an exchange. */
  readonly exchange?: number;
}

export interface Scenario {
  readonly name: string;
  readonly threads: number;
  readonly arena?: ArenaOptions;
  /** Whether the threads have claimed their blocks before `setup`; true unless said. */
  readonly joined?: boolean;
  /** Runs alone, without interleaving; each core is a thread's. */
  setup(cores: readonly Core[]): Play;
  /** Preemptions to explore at most in the quick run; none: all schedules. */
  readonly quick?: number;
  /** The same for the full run. */
  readonly full?: number;
  /** Too large for the quick run. */
  readonly slow?: boolean;
}

/** A program that does one operation after the other, whatever they return. */
export function sequence(...operations: readonly Operation[]): Program {
  return (results) => operations[results.length] ?? null;
}

/** The same operation again and again. */
export function repeat(times: number, operation: Operation): Program {
  return (results) => (results.length < times ? operation : null);
}

/** The first of the problems that there are. */
export function first(...problems: readonly (string | false | null | undefined)[]): string | null {
  return problems.find((problem) => typeof problem === "string") ?? null;
}
