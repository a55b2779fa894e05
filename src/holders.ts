// Who holds what: the threads that are attached, and the packets that are out, as the arena's own table says. What `close()`, `detach()` and the end of a
// thread go by.

import {
  ERROR_LIMIT,
  HEADER_CARVED_SKBS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  OWNER_LIST,
  OWNER_RING,
  SKB_BYTES,
  SKB_HANDLE,
  SKB_LEN,
  SKB_OWNER,
  SKB_USERS,
  THREAD_BYTES,
  THREAD_LIVE,
  THREAD_STATE,
} from "../assembly/layout.js";
import type { Words } from "./core/words.js";

/** A packet that is out: what `close()` names. */
export interface LivePacket {
  /** As `skb.handle` says it. */
  readonly handle: number;
  /** Bytes. */
  readonly length: number;
  /** References from `alloc` and `get`. */
  readonly users: number;
  /** `thread 2`, or `ring 0` while it is in one. */
  readonly owner: string;
}

/** How `close()` and the audit call whoever an skb's owner word names. @internal */
export function ownerName(owner: number): string {
  return owner >= OWNER_RING ? `ring ${owner - OWNER_RING}` : `thread ${owner}`;
}

/**
 * The packets of a thread, members of frag lists not included; 0: of all threads and rings. Exact for the own thread, and
 * for the others while they change nothing. @internal
 */
export function packetsOf(memory: Words, base: number, thread: number): LivePacket[] {
  const packets: LivePacket[] = [];
  const table = memory.word(base + HEADER_SKB_TABLE);
  const carved = Math.min(memory.word(base + HEADER_CARVED_SKBS), memory.word(base + HEADER_SKBS));
  for (let i = ERROR_LIMIT; i < carved; i++) {
    const skb = table + i * SKB_BYTES;
    const owner = memory.word(skb + SKB_OWNER);
    if (thread === 0 ? owner === 0 || owner === OWNER_LIST : owner !== thread) continue;
    packets.push({
      handle: memory.word(skb + SKB_HANDLE),
      length: memory.word(skb + SKB_LEN),
      users: memory.word(skb + SKB_USERS),
      owner: ownerName(owner),
    });
  }
  return packets;
}

/** The threads that are attached. @internal */
export function liveThreads(memory: Words, base: number): number[] {
  const blocks = memory.word(base + HEADER_THREAD_BLOCKS);
  const all = Array.from({ length: memory.word(base + HEADER_THREADS) }, (_, i) => i + 1);
  return all.filter((n) => memory.word(blocks + (n - 1) * THREAD_BYTES + THREAD_STATE) === THREAD_LIVE);
}
