// AuditedArena: an arena as an audit reads it, trusting nothing but the layout; and what it found wrong there.

import {
  HEAD_CLASS_SHIFT,
  HEADER_FIRST_PAGE,
  HEADER_PAGE_TABLE,
  HEADER_PAGES,
  HEADER_RINGS,
  HEADER_THREADS,
  KIND_TAIL,
  OWNER_LIST,
  OWNER_RING,
  PAGE_BYTES,
  PAGE_ENTRY_SHIFT,
  PAGE_KIND,
  PAGE_SPAN,
  SMALLEST_HEAD,
} from "../../../assembly/layout.js";
import type { Words } from "../../core/words.js";
import { liveThreads } from "../../holders.js";

export class AuditedArena {
  readonly memory: Words;
  readonly base: number;
  /** Pages that packets have, and where they begin. */
  readonly pages: number;
  readonly firstPage: number;
  readonly problems: string[] = [];
  readonly #attached: ReadonlySet<number>;
  readonly #pageTable: number;

  constructor(memory: Words, base: number) {
    this.memory = memory;
    this.base = base;
    this.#attached = new Set(liveThreads(memory, base));
    this.#pageTable = this.header(HEADER_PAGE_TABLE);
    this.pages = this.header(HEADER_PAGES);
    this.firstPage = this.header(HEADER_FIRST_PAGE);
  }

  word(address: number): number {
    // What is wrong may lead outside of the memory, where there is nothing.
    return this.memory.word(address) ?? 0;
  }

  header(offset: number): number {
    return this.word(this.base + offset);
  }

  bad(problem: string): void {
    this.problems.push(problem);
  }

  /** Slots of a table that were ever given out: no more than it has, whatever the header says. */
  carved(what: string, cursor: number, total: number): number {
    const carved = this.header(cursor);
    const most = this.header(total);
    if (carved > most) this.bad(`${what}: ${carved} slots carved, of ${most}`);
    return Math.min(carved, most);
  }

  // ─── Owners ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether there is a thread of that number. A ubuf or region that is still out can outlive the worker that made it. */
  isThread(number: number): boolean {
    return number >= 1 && number <= this.header(HEADER_THREADS);
  }

  isAttached(number: number): boolean {
    return this.#attached.has(number);
  }

  /** Whether an owner word names somebody: a thread that is attached, a frag list, or a ring. */
  isOwner(owner: number): boolean {
    if (owner >= OWNER_RING) return owner - OWNER_RING < this.header(HEADER_RINGS);
    return owner === OWNER_LIST || this.isAttached(owner);
  }

  // ─── Pages ───────────────────────────────────────────────────────────────────────────────────────────

  indexOf(entry: number): number {
    return (entry - this.#pageTable) / 2 ** PAGE_ENTRY_SHIFT;
  }

  entry(index: number): number {
    return this.#pageTable + index * 2 ** PAGE_ENTRY_SHIFT;
  }

  /** The entry of the run that an address lies in. */
  entryOf(address: number): number {
    const index = Math.floor((address - this.firstPage) / PAGE_BYTES);
    const entry = this.entry(index);
    return this.word(entry + PAGE_KIND) === KIND_TAIL
      ? this.entry(index - this.word(entry + PAGE_SPAN))
      : entry;
  }
}

/** Bytes of a head of a class, its shared info included. */
export function headBytes(headClass: number): number {
  return headClass === 0 ? SMALLEST_HEAD : 2 ** (headClass + HEAD_CLASS_SHIFT);
}

/** The class of a head of so many bytes. */
export function classOf(bytes: number): number {
  return 31 - Math.clz32(bytes) - HEAD_CLASS_SHIFT;
}
