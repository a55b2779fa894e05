// The kinds of access to memory, and what matters of each to the search: what it reads and writes, and whether it
// synchronises.

export const LOAD8 = 0;
export const LOAD16 = 1;
export const LOAD32 = 2;
export const LOAD_NET16 = 3;
export const LOAD_NET32 = 4;
export const STORE8 = 5;
export const STORE16 = 6;
export const STORE32 = 7;
export const STORE_NET16 = 8;
export const STORE_NET32 = 9;
export const ATOMIC_LOAD = 10;
export const SPECULATE = 11;
export const ATOMIC_STORE = 12;
export const ATOMIC_ADD = 13;
export const ATOMIC_SUB = 14;
export const ATOMIC_OR = 15;
export const EXCHANGE = 16;
export const CAS = 17;
export const CAS64 = 18;
export const COPY = 19;
export const FILL = 20;
export const SUM = 21;
export const SLEEP = 22;
export const NOTIFY = 23;
export const SPIN = 24;

export const NAMES = [
  "load8",
  "load16",
  "load32",
  "loadNet16",
  "loadNet32",
  "store8",
  "store16",
  "store32",
  "storeNet16",
  "storeNet32",
  "atomicLoad32",
  "speculate32",
  "atomicStore32",
  "atomicAdd32",
  "atomicSub32",
  "atomicOr32",
  "atomicExchange32",
  "atomicCas32",
  "cas64",
  "copy",
  "fill",
  "sum16",
  "sleep",
  "notify",
  "spinWhile",
] as const;

/** Reads at its first range; a copy's second range, its source, is read as well. */
const READS = 1;
/** Writes at its first range. */
const WRITES = 2;
/** Takes part in races: undefined behaviour in other memory models, torn or stale values in ours. */
const PLAIN = 4;
/** Puts the thread to sleep or wakes one, so it is a step of its own even where nobody else is seen yet. */
const WAITS = 8;

const FLAGS = new Uint8Array(NAMES.length);
for (const kind of [LOAD8, LOAD16, LOAD32, LOAD_NET16, LOAD_NET32, SUM]) FLAGS[kind] = READS | PLAIN;
for (const kind of [STORE8, STORE16, STORE32, STORE_NET16, STORE_NET32, COPY, FILL])
  FLAGS[kind] = WRITES | PLAIN;
for (const kind of [ATOMIC_LOAD, SPECULATE]) FLAGS[kind] = READS;
FLAGS[ATOMIC_STORE] = WRITES;
for (const kind of [ATOMIC_ADD, ATOMIC_SUB, ATOMIC_OR, EXCHANGE, CAS, CAS64]) FLAGS[kind] = READS | WRITES;
for (const kind of [SLEEP, SPIN]) FLAGS[kind] = READS | WAITS;
FLAGS[NOTIFY] = WAITS;

export const writes = (kind: number): boolean => ((FLAGS[kind] as number) & WRITES) !== 0;
export const isPlain = (kind: number): boolean => ((FLAGS[kind] as number) & PLAIN) !== 0;
export const waits = (kind: number): boolean => ((FLAGS[kind] as number) & WAITS) !== 0;

const SIZES = new Uint8Array(NAMES.length).fill(4);
for (const kind of [LOAD8, STORE8]) SIZES[kind] = 1;
for (const kind of [LOAD16, STORE16, LOAD_NET16, STORE_NET16]) SIZES[kind] = 2;
SIZES[CAS64] = 8;

/**
 * One access: its kind, its address, and up to four operands. A copy's operands are its source and length, a fill's
 * its value and length, a sum's its length.
 */
export class Access {
  kind = 0;
  p = 0;
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  set(kind: number, p: number, a: number, b: number, c: number, d: number): void {
    this.kind = kind;
    this.p = p;
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  assign(from: Access): void {
    this.set(from.kind, from.p, from.a, from.b, from.c, from.d);
  }
}

/** Bytes of an access's first range. */
export function sizeOf(kind: number, a: number, b: number): number {
  if (kind === COPY || kind === FILL) return b;
  return kind === SUM ? a : (SIZES[kind] as number);
}

function overlap(p: number, n: number, q: number, m: number): boolean {
  return p < q + m && q < p + n;
}

/** Whether `writer` writes what `other` reads or writes. `word` is what lies at the writer's address. */
function clobbers(writer: Access, other: Access, word: number): boolean {
  if (!writes(writer.kind)) return false;
  // A CAS that is going to fail is a load.
  if (writer.kind === CAS && word !== writer.a >>> 0) return false;
  const n = sizeOf(writer.kind, writer.a, writer.b);
  if (overlap(writer.p, n, other.p, sizeOf(other.kind, other.a, other.b))) return true;
  return other.kind === COPY && overlap(writer.p, n, other.a, other.b);
}

/** Whether two accesses that could happen at the same time are a race. The words are what lies at their addresses. */
export function isRace(x: Access, y: Access, wordOfX: number, wordOfY: number): boolean {
  if (!isPlain(x.kind) && !isPlain(y.kind)) return false;
  if (x.kind === SPECULATE || y.kind === SPECULATE || x.kind === NOTIFY || y.kind === NOTIFY) return false;
  return clobbers(x, y, wordOfX) || clobbers(y, x, wordOfY);
}
