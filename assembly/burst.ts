// Packets into rings and out of them, one or many at a time. Letters are the edges of ARCHITECTURE.md.
//
// The producer's CAS on `tail` publishes the slots and the packets, the consumer's load of it sees them. The
// consumer's store to `head` gives the slots back, the producer's load of it sees that they have been read. Each side
// keeps the other's position as it last saw it and looks again only if that does not do: a burst costs each side one
// atomic write and at most one cache line of the other.

import { skbMask, skbTable, threadNumber } from "./arena";
import {
  BURST_FAILED,
  BURST_MOST,
  COUNT_DEQUEUED,
  COUNT_ENQUEUED,
  COUNT_REFUSED,
  E_CLOSED,
  E_HELD,
  E_RANGE,
  E_ROLE,
  E_STALE,
  OK,
  POSITION_MASK,
  RING_CONSUMER,
  RING_HEAD,
  RING_MASK,
  RING_PRODUCER,
  RING_SEEN_HEAD,
  RING_SEEN_TAIL,
  RING_SLOTS,
  RING_TAIL,
  RING_WANTS_PACKETS,
  RING_WANTS_ROOM,
  SKB_OWNER,
  SKB_SHIFT,
  SKB_USERS,
} from "./layout";
import { atomicCas32, atomicLoad32, atomicStore32, load32, store32 } from "./memory";
import { distance, ringOwner, takeEnd } from "./ring";
import { skbOf } from "./skb";
import { count } from "./thread";
import { isList, isRing } from "./trust";
import { answerEnd } from "./wake";

/** Free slots, of which the first `want` matter: if those are not there as far as we know, looks at the consumer's line. */
export function roomFor(ring: u32, tail: u32, want: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  const capacity = load32(ring + RING_MASK) + 1;
  const room = capacity - distance(load32(ring + RING_SEEN_HEAD), tail);
  if (room >= want) return room;
  const head = atomicLoad32(ring + RING_HEAD); // (S)
  store32(ring + RING_SEEN_HEAD, head);
  return capacity - distance(head, tail);
}

/** Puts a packet into the slot at `position`: it is the ring's. Returns OK, or E_STALE or E_HELD and nothing changed. */
export function place(ring: u32, position: u32, handle: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return E_STALE;
  if (load32(skb + SKB_USERS) !== 1) return E_HELD;
  store32(skb + SKB_OWNER, ringOwner(ring));
  store32(load32(ring + RING_SLOTS) + ((position & load32(ring + RING_MASK)) << 2), handle);
  return OK;
}

/** Takes back `n` packets that were placed from `tail` on but not published. */
export function unplace(ring: u32, tail: u32, n: u32): void {
  const slots = load32(ring + RING_SLOTS);
  const mask = load32(ring + RING_MASK);
  for (let i: u32 = 0; i < n; i++) own(load32(slots + (((tail + i) & mask) << 2)));
}

/** Makes a packet this thread's. Trusts the handle. */
function own(handle: u32): void {
  if (DEBUG) assert(skbOf(handle) !== 0, "a ring holds handles of packets that live");
  store32(skbTable + ((handle & skbMask) << SKB_SHIFT) + SKB_OWNER, threadNumber);
}

/** Publishes `n` packets placed from `tail` on. Returns OK, or E_CLOSED and they are not in the ring. */
export function publish(ring: u32, tail: u32, n: u32): u32 {
  // (R) A CAS and not a store, because whoever closes the ring sets a bit of the same word.
  if (atomicCas32(ring + RING_TAIL, tail, (tail + n) & POSITION_MASK) !== tail) return E_CLOSED;
  answerEnd(ring + RING_WANTS_PACKETS, ring + RING_CONSUMER);
  return OK;
}

/**
 * Enqueues the `n` handles at `from` (n ≤ BURST_MOST), as many as there is room for, in order. Returns how many, or BURST_FAILED
 * plus E_ROLE, E_CLOSED, E_STALE or E_HELD, and nothing is enqueued. Trusts the address.
 */
export function enqueueBurst(ring: u32, from: u32, n: u32): u32 {
  if (DEBUG) assert(isList(from, n), "the handles lie in the scratch or in pages");
  if (n > BURST_MOST) return BURST_FAILED | E_RANGE;
  if (!takeEnd(ring + RING_PRODUCER)) return BURST_FAILED | E_ROLE;
  const tail = atomicLoad32(ring + RING_TAIL);
  if (tail > POSITION_MASK) return BURST_FAILED | E_CLOSED;
  const room = roomFor(ring, tail, n);
  const some = room < n ? room : n;
  for (let i: u32 = 0; i < some; i++) {
    const status = place(ring, tail + i, load32(from + (i << 2)));
    if (status !== OK) {
      unplace(ring, tail, i);
      return BURST_FAILED | status;
    }
  }
  if (some !== 0 && publish(ring, tail, some) !== OK) {
    unplace(ring, tail, some);
    return BURST_FAILED | E_CLOSED;
  }
  count(COUNT_ENQUEUED, some);
  if (some !== n) count(COUNT_REFUSED, n - some);
  return some;
}

/**
 * Dequeues up to `n` packets (n ≤ BURST_MOST): their handles go to `out`. They are this thread's. Returns how many, or
 * BURST_FAILED plus E_ROLE, or E_CLOSED if none will come any more. Trusts the address.
 */
export function dequeueBurst(ring: u32, out: u32, n: u32): u32 {
  if (DEBUG) assert(isList(out, n), "the handles lie in the scratch or in pages");
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  if (n > BURST_MOST) return BURST_FAILED | E_RANGE;
  if (!takeEnd(ring + RING_CONSUMER)) return BURST_FAILED | E_ROLE;
  const head = load32(ring + RING_HEAD);
  let ready = distance(head, load32(ring + RING_SEEN_TAIL));
  if (ready < n) {
    const tail = atomicLoad32(ring + RING_TAIL); // (R)
    store32(ring + RING_SEEN_TAIL, tail & POSITION_MASK);
    ready = distance(head, tail & POSITION_MASK);
    if (ready === 0) return tail > POSITION_MASK ? BURST_FAILED | E_CLOSED : 0;
  }
  const some = ready < n ? ready : n;
  const slots = load32(ring + RING_SLOTS);
  const mask = load32(ring + RING_MASK);
  for (let i: u32 = 0; i < some; i++) store32(out + (i << 2), load32(slots + (((head + i) & mask) << 2)));
  atomicStore32(ring + RING_HEAD, (head + some) & POSITION_MASK); // (S)
  // Only now: the store above would wait until the packets' cache lines have come from the producer's core. Between the
  // two, what says that the ring owns it and is not in the ring is in the consumer's hands.
  for (let i: u32 = 0; i < some; i++) own(load32(out + (i << 2)));
  const wanted = atomicLoad32(ring + RING_WANTS_ROOM);
  if (wanted !== 0 && mask + 1 - (ready - some) >= wanted)
    answerEnd(ring + RING_WANTS_ROOM, ring + RING_PRODUCER);
  count(COUNT_DEQUEUED, some);
  return some;
}
