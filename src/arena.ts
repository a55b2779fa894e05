// How an arena is laid out: where it begins, and how long its tables are, from what was asked for.

import {
  ERROR_LIMIT,
  EXCHANGE_MOST,
  MAX_THREADS,
  OK,
  PAGE_BYTES,
  RING_SHIFT,
  SKB_BYTES,
  THREAD_BYTES,
  UBUF_SHIFT,
} from "../assembly/layout.js";
import { checkInteger } from "./check.js";
import { type Core, WASM_PAGE_BYTES } from "./core/load.js";
import { ArgumentRangeError } from "./errors.js";
import type { EngineOptions } from "./options.js";

/** Where the arena starts: behind the first page, so that no object has an address below ERROR_LIMIT. */
export const BASE = PAGE_BYTES;
/** The last page of 4 GiB stays unused: the address behind it would be 2^32. */
const MOST_PAGES = 2 ** 20 - 2;
/** Entries of the ring table. */
const RINGS_MOST = 4096;

/** What there is of each. */
export interface Sizes {
  /** Of the memory, in pages of WebAssembly. */
  readonly bytes: number;
  readonly skbs: number;
  readonly ubufs: number;
  readonly threads: number;
  readonly rings: number;
  /** 0: as the core chooses. */
  readonly magazine: number;
}

/** The sizes that are asked for. @throws ArgumentRangeError, ArgumentTypeError */
export function sizesOf(given: Partial<EngineOptions>): Sizes {
  const asked = checkInteger("memory", given.memory ?? 64 * 1024 * 1024, 256 * 1024, 2 ** 32);
  const bytes = Math.ceil(asked / WASM_PAGE_BYTES) * WASM_PAGE_BYTES;
  const skbs = given.skbs ?? Math.min(bytes / 2048, 2 ** 20) - ERROR_LIMIT;
  const ubufs = given.ubufs ?? Math.max(Math.min(bytes / 16384, 2 ** 16) - ERROR_LIMIT, 64);
  // No more than an eighth of the memory.
  const threads = given.threads ?? Math.min(16, Math.floor(bytes / 8 / THREAD_BYTES));
  const { magazine, rings = 64 } = given;
  return {
    bytes,
    skbs: powerOfTwo(checkInteger("skbs", skbs, 1, 2 ** 20)),
    ubufs: powerOfTwo(checkInteger("ubufs", ubufs, 1, 2 ** 16)),
    threads: checkInteger("threads", threads, 1, MAX_THREADS),
    magazine: magazine === undefined ? 0 : checkInteger("magazine", magazine, 1, EXCHANGE_MOST),
    rings: checkInteger("rings", rings, 0, RINGS_MOST),
  };
}

/** The next power of two above `n` and above the slots that are never given out. */
function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(n + ERROR_LIMIT));
}

/** Lays out an arena in a core's memory. @throws ArgumentRangeError if there is too little of it */
export function format(core: Core, sizes: Sizes, given: Partial<EngineOptions>): void {
  const { bytes, skbs, ubufs, threads, rings, magazine } = sizes;
  const pages = Math.min(bytes / PAGE_BYTES - 1, MOST_PAGES);
  if (core.format(BASE, pages, skbs, ubufs, threads, rings, magazine) !== OK) throw tablesError(sizes, given);
}

/** Says which of the options that were given asks for the largest table; if none does, that there is too little memory. */
function tablesError(of: Sizes, given: Partial<EngineOptions>): Error {
  const { bytes } = of;
  const sizes = [
    ["skbs", of.skbs * SKB_BYTES],
    ["ubufs", of.ubufs * 2 ** UBUF_SHIFT],
    ["threads", of.threads * THREAD_BYTES],
    ["rings", of.rings * 2 ** RING_SHIFT],
  ] as const;
  const [largest] = sizes.filter(([name]) => given[name] !== undefined).sort((a, b) => b[1] - a[1]);
  if (largest === undefined)
    return new ArgumentRangeError(
      "memory",
      "more than the tables of its packets, ubufs, threads and rings take",
      bytes,
    );
  const [name, size] = largest;
  return new ArgumentRangeError(
    name,
    `fewer (their table takes ${size} bytes of ${bytes}, and other tables and packets need some)`,
    given[name],
  );
}
