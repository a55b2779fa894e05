// Numbers of packets: their bytes the other way round, and sums as the Internet's checksums add them up.

/** A 16-bit number with its bytes the other way round. */
export function swap16(v: number): number {
  return ((v & 0xff) << 8) | (v >>> 8);
}

/** A 32-bit number with its bytes the other way round. */
export function swap32(v: number): number {
  return ((swap16(v & 0xffff) << 16) | swap16(v >>> 16)) >>> 0;
}

/** Adds what does not fit 16 bits to the rest, as ones'-complement sums do. `sum` is below 2^32. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}
