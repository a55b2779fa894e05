// How many buffers the reader of a replay lends, of an arena that everything else is in, too.

/** Bytes of a buffer that the reader fills. */
const BUFFER_BYTES = 64 * 1024;
/** With so many the reader has always some to fill; and so many a packet of 1 MiB needs. */
const BUFFERS = 64;
const BUFFERS_LEAST = 18;
/** Of the arena the buffers take a quarter. */
const BUFFERS_SHARE = 4;
/** Bytes of an arena for everything but packets that are longer than the buffers allow. */
const ARENA_LEAST = 8 * 1024 * 1024;
/** Buffers for packets of up to `longest` bytes in an arena of `memory`. */
export function buffersFor(longest: number, memory: number): number {
  const wanted = Math.ceil(longest / BUFFER_BYTES) + 2;
  const least = ARENA_LEAST + Math.max(wanted - BUFFERS_LEAST, 0) * BUFFER_BYTES * BUFFERS_SHARE;
  if (memory < least) {
    const mebibytes = Math.ceil(least / 1024 / 1024);
    throw new Error(
      `packets of ${longest} bytes need an arena of ${mebibytes} MiB: use --memory ${mebibytes}`,
    );
  }
  const share = Math.floor(memory / BUFFERS_SHARE / BUFFER_BYTES);
  return Math.max(Math.min(share, BUFFERS), wanted, BUFFERS_LEAST);
}
