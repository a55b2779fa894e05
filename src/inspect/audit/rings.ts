// Of the audit: rings, and the packets in them.

import {
  HEADER_RING_TABLE,
  HEADER_RINGS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  PAGE_BYTES,
  POSITION_MASK,
  RING_CHANGING,
  RING_CONSUMER,
  RING_HEAD,
  RING_LIFE,
  RING_MASK,
  RING_MOST,
  RING_PRODUCER,
  RING_REFS_MASK,
  RING_SHIFT,
  RING_SLOTS,
  RING_STAGED,
  RING_TAIL,
  SKB_BYTES,
  SKB_HANDLE,
} from "../../../assembly/layout.js";
import type { AuditedArena } from "./arena.js";
import type { Found } from "./found.js";

/** That each ring is whole, and has packets that are there. */
export function checkRings(arena: AuditedArena, found: Found): void {
  const table = arena.header(HEADER_RING_TABLE);
  const mask = arena.header(HEADER_SKBS) - 1;
  for (let r = 0; r < arena.header(HEADER_RINGS); r++) {
    const ring = table + (r << RING_SHIFT);
    const refs = arena.word(ring + RING_LIFE) & RING_REFS_MASK;
    if (refs === 0) continue;
    if (refs === RING_CHANGING) {
      arena.bad(`ring ${r}: being made or given up`);
      continue;
    }
    const capacity = arena.word(ring + RING_MASK) + 1;
    if (capacity > RING_MOST || (capacity & (capacity - 1)) !== 0) {
      arena.bad(`ring ${r}: room for ${capacity}`);
      continue;
    }
    for (const end of [RING_PRODUCER, RING_CONSUMER]) {
      const owner = arena.word(ring + end);
      if (owner !== 0 && !arena.isAttached(owner))
        arena.bad(`ring ${r}: an end of thread ${owner}, who is nobody`);
    }
    const head = arena.word(ring + RING_HEAD);
    const size = (arena.word(ring + RING_TAIL) - head) & POSITION_MASK;
    if (size > capacity) arena.bad(`ring ${r}: ${size} packets, has room for ${capacity}`);
    if (arena.word(ring + RING_STAGED) !== 0) arena.bad(`ring ${r}: packets staged and not published`);
    const slots = arena.word(ring + RING_SLOTS);
    if (slots % PAGE_BYTES !== 0) arena.bad(`ring ${r}: slots at ${slots}, within a page`);
    found.ringPages.set(arena.entryOf(slots), r);
    for (let i = 0; i < Math.min(size, capacity); i++) {
      const handle = arena.word(slots + ((head + i) & (capacity - 1)) * 4);
      const skb = arena.header(HEADER_SKB_TABLE) + (handle & mask) * SKB_BYTES;
      if (arena.word(skb + SKB_HANDLE) !== handle) arena.bad(`ring ${r}: has stale handle ${handle}`);
      if (found.inRings.has(skb)) arena.bad(`ring ${r}: has skb ${handle}, which is in a ring already`);
      found.inRings.set(skb, r);
    }
  }
}
