// Latencies in buckets of powers of two: below 1 µs, below 2 µs, ... below 2^20 µs, and all above.

export const BUCKETS = 22;

export function bucketOf(nanoseconds: number): number {
  const microseconds = nanoseconds / 1000;
  if (!(microseconds >= 1)) return 0;
  return Math.min(Math.floor(Math.log2(microseconds)) + 1, BUCKETS - 1);
}

/** Microseconds that everything in the bucket is below; for ever, for the last. */
export function limitOf(bucket: number): number {
  return bucket === BUCKETS - 1 ? Number.POSITIVE_INFINITY : 2 ** bucket;
}

/** The limit that a share of the packets is below, in microseconds; 0 if there are none. */
export function quantile(counts: Uint32Array, share: number): number {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return 0;
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    seen += counts[bucket] as number;
    if (seen >= total * share) return limitOf(bucket);
  }
  return Number.POSITIVE_INFINITY;
}

/** `64 µs`, `2 ms`. */
export function microseconds(n: number): string {
  if (n === Number.POSITIVE_INFINITY) return "over 1 s";
  if (n < 1000) return `${n} µs`;
  return n < 1_000_000 ? `${Math.round(n / 1000)} ms` : `${Math.round(n / 1_000_000)} s`;
}
