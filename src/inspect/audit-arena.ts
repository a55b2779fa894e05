// The audit of an arena that others may change meanwhile: it is read twice, and what was the same both times was there at once.

import type { Words } from "../core/words.js";
import { liveThreads } from "../holders.js";
import { checkAll, checkOwn } from "./audit/checks.js";
import type { AuditReport } from "./audit/report.js";

/** Times that the arena is read in the hope that nobody changes it meanwhile. */
const ATTEMPTS = 4;

/** Audits the arena at `base`, as `thread` sees it; as 0, who knows that nobody changes it. @internal */
export function auditArena(memory: Words, base: number, thread: number): AuditReport {
  if (thread === 0) return checkAll(memory, base);
  const others = (): number[] => liveThreads(memory, base).filter((other) => other !== thread);
  if (others().length === 0) {
    const report = checkAll(memory, base);
    // What is wrong may be what a thread does that has attached meanwhile.
    if (report.clean && others().length === 0) return report;
  }
  // Twice the same words, each read twice: what was read was there all at once, in the moment between.
  let before = 0;
  let doubts: readonly string[] = [];
  for (let i = 0; i < ATTEMPTS; i++) {
    const alone = others().length === 0;
    const digest = new Digest(memory);
    const report = checkAll(digest, base);
    if (i > 0 && digest.sum === before) {
      if (report.clean || alone) return report;
      // A thread that the system has suspended within an operation changes nothing, and has something in its hands.
      doubts = report.problems.map((problem) => `lost, or in the hands of a thread: ${problem}`);
    }
    before = digest.sum;
  }
  const own = checkOwn(memory, base, thread, others());
  return { ...own, unchecked: [...own.unchecked, ...doubts] };
}

/** Reads, and sums up what it has read where. */
class Digest implements Words {
  readonly #memory: Words;
  sum = 0;

  constructor(memory: Words) {
    this.#memory = memory;
  }

  word(address: number): number {
    // An address may be made of words that do not belong together; outside of the memory there is nothing.
    const value = this.#memory.word(address) ?? 0;
    this.sum = (Math.imul(this.sum ^ address, 0x01000193) ^ Math.imul(value, 0x9e3779b1)) | 0;
    return value;
  }
}
