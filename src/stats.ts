// Statistics: the counters of all threads, and what is free.

import {
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  COUNT_ALLOCS,
  COUNT_BYTES_COPIED,
  COUNT_CLONES,
  COUNT_COMPLETED_COPIED,
  COUNT_COMPLETED_SENT,
  COUNT_COPIES,
  COUNT_EXCHANGES,
  COUNT_EXHAUSTED,
  COUNT_REASONS,
  COUNT_RECLAIMS,
  COUNT_RELEASES,
  COUNT_UBUFS,
  REASONS,
} from "../assembly/layout.js";
import type { Core } from "./core/load.js";

/** Counters since the engine was made, wrapping at 2^32, and what is free now. */
export interface Stats {
  /** Packets allocated, clones and copies included. */
  readonly allocs: number;
  readonly releases: number;
  readonly clones: number;
  /** `copy` and `copyHead`. */
  readonly copies: number;
  /** Bytes that the engine copied from packet to packet. */
  readonly bytesCopied: number;
  /** Allocations that found nothing. */
  readonly exhausted: number;
  /** Exchanges of chains between magazines and depots. */
  readonly exchanges: number;
  /** Times that free heads were gathered into pages. */
  readonly reclaims: number;
  readonly ubufs: number;
  /** ubufs completed with this status. */
  readonly sent: number;
  /** ubufs completed with this status. */
  readonly copied: number;
  /** Releases for each DropReason; index 0 is not used. */
  readonly drops: readonly number[];
  /** Objects of each kind: in all, in use, and free in the magazines of threads. */
  readonly skbs: PoolStats;
  readonly ubufTable: PoolStats;
  /** Pages; `inMagazines` counts single pages, not those that are heads. */
  readonly pages: PoolStats;
}

export interface PoolStats {
  readonly total: number;
  /** Not free. Of pages: frags, regions, and slabs of heads, free heads included. */
  readonly used: number;
  /** Free, but only to the thread that has them, until it flushes or exchanges them. */
  readonly inMagazines: number;
}

/** Reads them. Exact while no other thread runs. @internal */
export function readStats(core: Core): Stats {
  const threads = core.threads();
  const sum = (read: (thread: number) => number): number => {
    let total = 0;
    for (let thread = 1; thread <= threads; thread++) total += read(thread) >>> 0;
    return total;
  };
  const count = (which: number): number => sum((thread) => core.counter(thread, which)) % 2 ** 32;
  const pool = (kind: number, total: number, fresh: number): PoolStats => {
    const inMagazines = sum((thread) => core.inMagazine(thread, kind));
    return { total, used: total - fresh - core.inDepot(kind) - inMagazines, inMagazines };
  };
  return {
    allocs: count(COUNT_ALLOCS),
    releases: count(COUNT_RELEASES),
    clones: count(COUNT_CLONES),
    copies: count(COUNT_COPIES),
    bytesCopied: count(COUNT_BYTES_COPIED),
    exhausted: count(COUNT_EXHAUSTED),
    exchanges: count(COUNT_EXCHANGES),
    reclaims: count(COUNT_RECLAIMS),
    ubufs: count(COUNT_UBUFS),
    sent: count(COUNT_COMPLETED_SENT),
    copied: count(COUNT_COMPLETED_COPIED),
    drops: Array.from({ length: REASONS }, (_, reason) => count(COUNT_REASONS + reason)),
    skbs: pool(CLASS_SKB, core.totalSkbs(), core.freshSkbs()),
    ubufTable: pool(CLASS_UBUF, core.totalUbufs(), core.freshUbufs()),
    pages: pool(CLASS_PAGE, core.totalPages(), core.freePages()),
  };
}
