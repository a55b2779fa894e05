// Statistics: the counters of all threads, and what is free.

import {
  ASLEEP,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  COUNT_ALLOCS,
  COUNT_BYTES_COPIED,
  COUNT_CLONES,
  COUNT_COMPLETED_COPIED,
  COUNT_COMPLETED_SENT,
  COUNT_COPIES,
  COUNT_DEQUEUED,
  COUNT_ENQUEUED,
  COUNT_EXCHANGES,
  COUNT_EXHAUSTED,
  COUNT_PARKS,
  COUNT_REASONS,
  COUNT_RECLAIMS,
  COUNT_REFUSED,
  COUNT_RELEASES,
  COUNT_UBUFS,
  COUNT_WAKES,
  HEAD_CLASSES,
  REASONS,
  THREAD_LIVE,
} from "../../assembly/layout.js";
import type { Core } from "../core/load.js";
import { checkEngine, type Engine } from "../engine.js";
import { inUse } from "../pools.js";

/** What happened on one thread, or on all of them, since the engine was made. Counters wrap at 2^32. */
export interface Counters {
  /** Packets allocated, clones and copies included. */
  readonly allocs: number;
  /** Packets whose last reference ended. */
  readonly releases: number;
  /** `clone`. */
  readonly clones: number;
  /** `copy` and `copyHead`. */
  readonly copies: number;
  /** Bytes that were copied into packets: from others, and from JavaScript's own memory, as by `putData` and receivers. */
  readonly bytesCopied: number;
  /** Allocations that found nothing. */
  readonly exhausted: number;
  /** Exchanges of chains between magazines and depots. */
  readonly exchanges: number;
  /** Packets put into rings. */
  readonly enqueued: number;
  /** Packets taken out of rings. */
  readonly dequeued: number;
  /** Packets that a ring had no room for; they stayed their owner's. */
  readonly refused: number;
  /** Times that a thread went to sleep. */
  readonly parks: number;
  /** Sleeping threads that were woken. */
  readonly wakes: number;
  /** Times that free heads were gathered into pages. */
  readonly reclaims: number;
  /** ubufs made. */
  readonly ubufs: number;
  /** ubufs completed with this status. */
  readonly sent: number;
  /** ubufs completed with this status. */
  readonly copied: number;
  /** Releases for each DropReason; index 0 is not used. */
  readonly drops: readonly number[];
}

/** One thread that is attached. */
export interface ThreadStats extends Counters {
  /** Its number, `engine.thread`. A number that was freed is given out again, and counts on. */
  readonly thread: number;
  /** Whether it sleeps, waiting for something. */
  readonly asleep: boolean;
  /** Free objects that only it can allocate, until it flushes or exchanges them. */
  readonly magazines: Magazines;
}

/** Free objects in magazines, of each kind. */
export interface Magazines {
  /** Packet structs, those included that keep their heads. */
  readonly skbs: number;
  /** ubuf structs. */
  readonly ubufs: number;
  /** Single pages. */
  readonly pages: number;
  /** Heads of packets, those included that structs keep, for each size: 320, 512, 1024, 2048 and 4096 bytes. */
  readonly heads: readonly number[];
}

/** Counters of all threads, and what is free now. */
export interface Stats extends Counters {
  /** The threads that are attached. */
  readonly threads: readonly ThreadStats[];
  /** Most objects of a kind that one magazine holds. A thread has one for each kind, and one for each size of head that packets keep. */
  readonly magazineMost: number;
  /** Packet structs. */
  readonly skbs: PoolStats;
  /** ubuf structs. */
  readonly ubufTable: PoolStats;
  /** Pages; `inMagazines` counts single pages, not those that are heads. */
  readonly pages: PoolStats;
}

/** Objects of one kind. */
export interface PoolStats {
  /** All that the arena has room for. */
  readonly total: number;
  /** Not free. Of pages: frags, regions, and slabs of heads, free heads included. */
  readonly used: number;
  /** Free, but only to the thread that has them, until it flushes or exchanges them. */
  readonly inMagazines: number;
}

/**
 * Counters of all threads, and what is free. Exact while no other thread runs.
 *
 * @throws EngineClosedError, ArgumentTypeError
 * @example
 * skb.release(DropReason.full);
 * stats(engine).drops[DropReason.full]; // → 1
 */
export function stats(engine: Engine): Stats {
  const { _core: core } = checkEngine(engine);
  const blocks = Array.from({ length: core.threads() }, (_, i) => i + 1);
  // Of threads that have left, too: what they counted has happened, and their magazines are empty.
  const sum = (read: (thread: number) => number): number =>
    blocks.reduce((total, thread) => total + (read(thread) >>> 0), 0);
  const pool = (kind: number, total: number, fresh: number): PoolStats => {
    const inMagazines = sum((thread) => core.inMagazine(thread, kind));
    return { total, used: inUse(core, kind, total, fresh), inMagazines };
  };
  return {
    ...countersOf((which) => sum((thread) => core.counter(thread, which)) % 2 ** 32),
    threads: blocks
      .filter((thread) => core.threadState(thread) === THREAD_LIVE)
      .map((thread) => ({
        thread,
        asleep: core.threadAsleep(thread) === ASLEEP,
        magazines: magazinesOf(core, thread),
        ...countersOf((which) => core.counter(thread, which) >>> 0),
      })),
    magazineMost: core.magazineMost(),
    skbs: pool(CLASS_SKB, core.totalSkbs(), core.freshSkbs()),
    ubufTable: pool(CLASS_UBUF, core.totalUbufs(), core.freshUbufs()),
    pages: pool(CLASS_PAGE, core.totalPages(), core.freePages()),
  };
}

function magazinesOf(core: Core, thread: number): Magazines {
  return {
    skbs: core.inMagazine(thread, CLASS_SKB),
    ubufs: core.inMagazine(thread, CLASS_UBUF),
    pages: core.inMagazine(thread, CLASS_PAGE),
    heads: Array.from({ length: HEAD_CLASSES }, (_, c) => core.inMagazine(thread, CLASS_HEADS + c)),
  };
}

function countersOf(count: (which: number) => number): Counters {
  return {
    allocs: count(COUNT_ALLOCS),
    releases: count(COUNT_RELEASES),
    clones: count(COUNT_CLONES),
    copies: count(COUNT_COPIES),
    bytesCopied: count(COUNT_BYTES_COPIED),
    exhausted: count(COUNT_EXHAUSTED),
    exchanges: count(COUNT_EXCHANGES),
    enqueued: count(COUNT_ENQUEUED),
    dequeued: count(COUNT_DEQUEUED),
    refused: count(COUNT_REFUSED),
    parks: count(COUNT_PARKS),
    wakes: count(COUNT_WAKES),
    reclaims: count(COUNT_RECLAIMS),
    ubufs: count(COUNT_UBUFS),
    sent: count(COUNT_COMPLETED_SENT),
    copied: count(COUNT_COMPLETED_COPIED),
    drops: Array.from({ length: REASONS }, (_, reason) => count(COUNT_REASONS + reason)),
  };
}
