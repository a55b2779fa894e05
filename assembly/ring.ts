// Rings: bounded queues of packets from one thread to another. One producer, one consumer, no lock.
//
//   slots    ┌───┬───┬───┬───┬───┬───┬───┬───┐    the ring owns the packets in [head, tail);
//            │   │   │ o │ o │ o │   │   │   │    a position modulo the capacity is a slot
//            └───┴───┴───┴───┴───┴───┴───┴───┘
//                      head ▲      ▲ tail
//
// This file is a ring's life: who has it, who has its ends, its closing. burst.ts moves the packets. Functions take the
// ring's address, and trust it.

import { ringCount, ringTable, threadNumber } from "./arena";
import {
  CONSUMES,
  E_CLOSED,
  E_EXHAUSTED,
  E_RINGS,
  E_STALE,
  KIND_RING,
  OK,
  OWNER_RING,
  PAGE_BYTES,
  PAGE_SHIFT,
  POSITION_MASK,
  PRODUCES,
  RING_CHANGING,
  RING_CLOSED,
  RING_CONSUMER,
  RING_GENERATION_SHIFT,
  RING_HEAD,
  RING_LIFE,
  RING_MASK,
  RING_PRODUCER,
  RING_REFS_MASK,
  RING_SEEN_HEAD,
  RING_SEEN_TAIL,
  RING_SHIFT,
  RING_SLOTS,
  RING_STAGED,
  RING_TAIL,
  RING_WANTS_PACKETS,
  RING_WANTS_ROOM,
} from "./layout";
import { atomicCas32, atomicLoad32, atomicOr32, atomicStore32, load32, store32, wrapSub } from "./memory";
import { entryOf, pageAddress, putPage } from "./page";
import { allocPages } from "./pool";
import { releaseSkb, skbOf } from "./skb";
import { isRing } from "./trust";
import { answerEnd } from "./wake";

// ─── Life ──────────────────────────────────────────────────────────────────────────────────────────────

/** Makes a ring for `capacity` packets, a power of two. Returns its address, E_EXHAUSTED or E_RINGS. */
export function createRing(capacity: u32): u32 {
  for (let i: u32 = 0; i < ringCount; i++) {
    const ring = ringTable + (i << RING_SHIFT);
    const life = atomicLoad32(ring + RING_LIFE);
    if ((life & RING_REFS_MASK) !== 0) continue;
    // The CAS takes the entry: of two threads that see it free, one gets it.
    if (atomicCas32(ring + RING_LIFE, life, (life | RING_CHANGING) >>> 0) !== life) continue;
    const pages = allocPages(((capacity << 2) + PAGE_BYTES - 1) >>> PAGE_SHIFT, KIND_RING);
    if (pages === 0) {
      atomicStore32(ring + RING_LIFE, life);
      return E_EXHAUSTED;
    }
    store32(ring + RING_SLOTS, pageAddress(pages));
    store32(ring + RING_MASK, capacity - 1);
    atomicStore32(ring + RING_TAIL, 0);
    atomicStore32(ring + RING_PRODUCER, 0);
    store32(ring + RING_SEEN_HEAD, 0);
    store32(ring + RING_STAGED, 0);
    atomicStore32(ring + RING_HEAD, 0);
    atomicStore32(ring + RING_CONSUMER, 0);
    store32(ring + RING_SEEN_TAIL, 0);
    atomicStore32(ring + RING_WANTS_PACKETS, 0);
    atomicStore32(ring + RING_WANTS_ROOM, 0);
    // (J) Publishes all of the above: the CAS of whoever joins synchronises with it.
    atomicStore32(ring + RING_LIFE, life + 1);
    return ring;
  }
  return E_RINGS;
}

/** The ring's place in the table. */
export function ringIndex(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return (ring - ringTable) >>> RING_SHIFT;
}

/** What tells the ring from others that had, or will have, its place. */
export function ringGeneration(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return atomicLoad32(ring + RING_LIFE) >>> RING_GENERATION_SHIFT;
}

/** One more object refers to the ring that had `generation` at `index`. Returns its address, or E_STALE if it is gone. */
export function joinRing(index: u32, generation: u32): u32 {
  if (index >= ringCount) return E_STALE;
  const ring = ringTable + (index << RING_SHIFT);
  while (true) {
    const life = atomicLoad32(ring + RING_LIFE);
    const refs = life & RING_REFS_MASK;
    if (life >>> RING_GENERATION_SHIFT !== generation || refs === 0) return E_STALE;
    if (refs >= RING_CHANGING - 1) return E_STALE;
    if (atomicCas32(ring + RING_LIFE, life, life + 1) === life) return ring;
  }
}

/**
 * One object less refers to the ring. With it, this thread gives back the `ends` (PRODUCES, CONSUMES) that no other of its
 * objects uses. The last object, of all threads, releases the packets that are still in it, and frees it. Trusts the address.
 */
export function leaveRing(ring: u32, ends: u32): void {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  if ((ends & PRODUCES) !== 0) giveEnd(ring + RING_PRODUCER);
  if ((ends & CONSUMES) !== 0) giveEnd(ring + RING_CONSUMER);
  while (true) {
    const life = atomicLoad32(ring + RING_LIFE);
    const last = (life & RING_REFS_MASK) === 1;
    if (DEBUG)
      assert(
        (life & RING_REFS_MASK) !== 0 && (life & RING_REFS_MASK) !== RING_CHANGING,
        "an object refers to it",
      );
    const next = last ? (life | RING_CHANGING) >>> 0 : life - 1;
    // (J) Synchronises with all who left before: what they did with the ring is over.
    if (atomicCas32(ring + RING_LIFE, life, next) !== life) continue;
    if (last) {
      drain(ring);
      putPage(entryOf(load32(ring + RING_SLOTS)));
      const generation = (life >>> RING_GENERATION_SHIFT) + 1;
      atomicStore32(ring + RING_LIFE, (generation << RING_GENERATION_SHIFT) >>> 0);
    }
    return;
  }
}

function drain(ring: u32): void {
  const tail = atomicLoad32(ring + RING_TAIL) & POSITION_MASK;
  const mask = load32(ring + RING_MASK);
  const slots = load32(ring + RING_SLOTS);
  for (let at = atomicLoad32(ring + RING_HEAD); at !== tail; at = (at + 1) & POSITION_MASK)
    releaseSkb(skbOf(load32(slots + ((at & mask) << 2))));
}

// ─── Ends ──────────────────────────────────────────────────────────────────────────────────────────────

/** Whether this thread has the end whose word is at `end`, or can have it. */
export function takeEnd(end: u32): bool {
  const thread = atomicLoad32(end);
  if (thread === threadNumber) return true;
  // (E) Synchronises with giveEnd: what the thread before us wrote on this end's line is there.
  return thread === 0 && atomicCas32(end, 0, threadNumber) === 0;
}

function giveEnd(end: u32): void {
  if (atomicLoad32(end) === threadNumber) atomicStore32(end, 0); // (E)
}

/** Takes the producer's end for this thread, if nobody else has it. Returns 1 if it has it now. */
export function takeProducer(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return takeEnd(ring + RING_PRODUCER) ? 1 : 0;
}

/** Takes the consumer's end for this thread, if nobody else has it. Returns 1 if it has it now. */
export function takeConsumer(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return takeEnd(ring + RING_CONSUMER) ? 1 : 0;
}

/** The thread that has the producer's end, or 0. */
export function ringProducer(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return atomicLoad32(ring + RING_PRODUCER);
}

/** The thread that has the consumer's end, or 0. */
export function ringConsumer(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return atomicLoad32(ring + RING_CONSUMER);
}

// ─── State ─────────────────────────────────────────────────────────────────────────────────────────────

/** Positions from `from` to `to`. */
export function distance(from: u32, to: u32): u32 {
  return wrapSub(to, from) & POSITION_MASK;
}

/** What an skb's owner word says while the ring has it. */
export function ringOwner(ring: u32): u32 {
  return OWNER_RING + ringIndex(ring);
}

export function ringCapacity(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return load32(ring + RING_MASK) + 1;
}

/** Packets in the ring; of one that is in use, a moment ago. */
export function ringSize(ring: u32): u32 {
  // The head first: it never overtakes a tail that is read after it, but the difference can be more than fits.
  const head = atomicLoad32(ring + RING_HEAD);
  const size = distance(head, atomicLoad32(ring + RING_TAIL) & POSITION_MASK);
  const capacity = ringCapacity(ring);
  return size > capacity ? capacity : size;
}

/** Nothing is enqueued from here on; both sides wake. Returns OK, or E_CLOSED if it was closed already. */
export function closeRing(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  // In the word that the producer's CAS replaces: a burst is wholly before the end, or refused.
  if (atomicOr32(ring + RING_TAIL, RING_CLOSED) > POSITION_MASK) return E_CLOSED;
  answerEnd(ring + RING_WANTS_PACKETS, ring + RING_CONSUMER);
  answerEnd(ring + RING_WANTS_ROOM, ring + RING_PRODUCER);
  return OK;
}

/** OK while it is open, E_CLOSED. */
export function ringState(ring: u32): u32 {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  return atomicLoad32(ring + RING_TAIL) > POSITION_MASK ? E_CLOSED : OK;
}

/** Whether there is a packet, or, if `room` is not 0, that many free slots; or no use in waiting for it. */
export function isReady(ring: u32, room: u32): bool {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  const tail = atomicLoad32(ring + RING_TAIL);
  if (tail > POSITION_MASK) return true;
  const size = distance(atomicLoad32(ring + RING_HEAD), tail);
  return room === 0 ? size !== 0 : ringCapacity(ring) - size >= room;
}

/** Asks to be woken when `isReady` may have become true. */
export function askRing(ring: u32, room: u32): void {
  if (DEBUG) assert(isRing(ring), "the address is a ring's");
  if (room === 0) atomicStore32(ring + RING_WANTS_PACKETS, 1);
  else atomicStore32(ring + RING_WANTS_ROOM, room);
}
