// Sums over what was seen in packets.

import { type Look, Verdict } from "./look.js";

/** Packets by what their checksums are. */
export interface Counts {
  good: number;
  bad: number;
  unverifiable: number;
  none: number;
}

export function noCounts(): Counts {
  return { good: 0, bad: 0, unverifiable: 0, none: 0 };
}

/** Counts a packet. */
export function countLook(counts: Counts, { checksum }: Look): void {
  if (checksum === Verdict.good) counts.good++;
  else if (checksum === Verdict.bad) counts.bad++;
  else if (checksum === Verdict.unverifiable) counts.unverifiable++;
  else counts.none++;
}

/** Adds `more`, if there is any, to `counts`. */
export function addCounts(counts: Counts, more: Counts | undefined): Counts {
  if (more === undefined) return counts;
  for (const key of Object.keys(counts) as (keyof Counts)[]) counts[key] += more[key];
  return counts;
}

/** Different flows: exactly up to a million, further ones count as one. */
export class Flows {
  readonly #seen: Set<number>;
  static readonly most = 1_000_000;

  constructor(seen: Iterable<number> = []) {
    this.#seen = new Set(seen);
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Adds the flow of a packet, if it has one. 53 bits of its hash tell it from others: as many as a number holds. */
  add({ hash, flowHigh }: Look): void {
    if (hash !== 0) this.#add((flowHigh % 2 ** 21) * 2 ** 32 + hash);
  }

  addAll(flows: readonly number[]): void {
    for (const flow of flows) this.#add(flow);
  }

  list(): number[] {
    return [...this.#seen];
  }

  #add(flow: number): void {
    this.#seen.add(this.#seen.size < Flows.most ? flow : -1);
  }
}
