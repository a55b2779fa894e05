// How many arena bytes a packet takes, found by filling an arena.

import { Engine, PoolExhaustedError } from "skbuff";
import { stats } from "skbuff/inspect";

const MEMORY = 16 * 1024 * 1024;
const HEADROOM = 64;
const PAGE_BYTES = 4096;
const SKB_BYTES = 128;
// For each page: its entry in the page table, and its bit in the bitmap.
const PAGE_OVERHEAD = 32 + 1 / 8;

/** Fills an arena with packets of `size` bytes and as much headroom as a protocol stack wants. */
export async function density(size) {
  // Enough skbs that it is the pages that run out.
  const engine = await Engine.create({ memory: MEMORY, skbs: MEMORY / 512 });
  const packets = [];
  try {
    for (;;) packets.push(engine.alloc(size, { headroom: HEADROOM }));
  } catch (error) {
    if (!(error instanceof PoolExhaustedError)) throw error;
  }
  const { pages } = stats(engine);
  const { truesize } = packets[0];
  const count = packets.length;
  engine.releaseBurst(packets);
  engine.close();
  return {
    size,
    packets: count,
    truesize,
    measured: (pages.used * (PAGE_BYTES + PAGE_OVERHEAD)) / count + SKB_BYTES,
  };
}
