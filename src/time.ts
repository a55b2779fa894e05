// Times: 64 bits of nanoseconds, in two words.

/** Milliseconds below which their nanoseconds are integers that a number holds exactly: 104 days. */
const EXACT_MS = Math.floor(Number.MAX_SAFE_INTEGER / 1e6);
/** Milliseconds that 64 bits of nanoseconds reach, some 584 years. */
export const MS_MOST = 18_446_744_073_709;
export const NS_MOST = 0xffff_ffff_ffff_ffffn;

/** The two words of `ms` milliseconds, rounded to whole nanoseconds. */
export function wordsOfMs(ms: number): { high: number; low: number } {
  if (ms > EXACT_MS) return wordsOf(BigInt(Math.floor(ms)) * 1_000_000n + BigInt(Math.round((ms % 1) * 1e6)));
  const ns = Math.round(ms * 1e6);
  return { high: Math.floor(ns / 2 ** 32), low: ns % 2 ** 32 };
}

/** Their milliseconds: whole ones are exact, parts of one as exact as a number can be. */
export function msOf(high: number, low: number): number {
  const ns = high * 2 ** 32 + low;
  if (ns <= Number.MAX_SAFE_INTEGER) return ns / 1e6;
  const exact = nsOf(high, low);
  return Number(exact / 1_000_000n) + Number(exact % 1_000_000n) / 1e6;
}

export function wordsOf(ns: bigint): { high: number; low: number } {
  return { high: Number(ns >> 32n), low: Number(ns & 0xffff_ffffn) };
}

export function nsOf(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
