// One burst over several rings: a mesh's sender. Packets are placed in the rings they are for, then each ring is
// published once. What was placed and is not published yet is counted in the ring's `staged`, which is 0 between calls.

import { thread } from "./arena";
import { place, publish, roomFor, unplace } from "./burst";
import {
  BURST_FAILED,
  BURST_MOST,
  COUNT_ENQUEUED,
  COUNT_REFUSED,
  E_CLOSED,
  E_RANGE,
  E_ROLE,
  E_STALE,
  NOT_DONE,
  OK,
  POSITION_MASK,
  RING_PRODUCER,
  RING_STAGED,
  RING_TAIL,
  SKB_HASH,
  TARGETS_MOST,
  THREAD_TARGETS,
} from "./layout";
import { atomicLoad32, load32, store32, wrapMul } from "./memory";
import { takeEnd } from "./ring";
import { skbOf } from "./skb";
import { count, scratch } from "./thread";
import { isRing } from "./trust";

/** In `staged`: the ring refused a packet, so it refuses the rest of the burst, or packets would overtake each other. */
const FULL: u32 = 0x80000000;
/** In `staged`, after publishing: the ring was closed meanwhile. */
const GONE: u32 = 0x40000000;
const STAGED_MASK: u32 = 0xffff;
/** Where in the scratch, behind the handles, the target of each is kept; NOWHERE if it was refused. */
const CHOICES: u32 = BURST_MOST * 4;
const NOWHERE: u32 = TARGETS_MOST;
/** Instead of a target, plus the status: the packet cannot be given away. */
const REFUSAL: u32 = 0x100;

/** 2^32 divided by the golden ratio: spreads hashes of which only the low bits differ (Knuth, multiplicative hashing). */
const GOLDEN: u32 = 0x9e3779b1;

/** Makes ring `ring` number `i` among those that scatter chooses from. Trusts number and address. */
export function setTarget(i: u32, ring: u32): void {
  if (DEBUG) assert(i < TARGETS_MOST && isRing(ring), "a target is a ring");
  store32(thread + THREAD_TARGETS + (i << 2), ring);
}

function target(i: u32): u32 {
  return load32(thread + THREAD_TARGETS + (i << 2));
}

/** The target of a flow: the same for all packets of the same hash. */
export function targetOf(hash: u32, targets: u32): u32 {
  return ((wrapMul(hash, GOLDEN) >>> 16) * targets) >>> 16;
}

/**
 * Enqueues the `n` handles in the scratch (n ≤ BURST_MOST), each into the target that its hash chooses, or, if `first`
 * is below `targets`, in turn from that one on. Returns how many were taken: their places in the scratch are 0 then, the
 * others, in order, are still the caller's. Or BURST_FAILED plus E_ROLE, E_CLOSED, E_STALE or E_HELD, and nothing was.
 */
export function scatter(n: u32, targets: u32, first: u32): u32 {
  if (n > BURST_MOST || targets === 0 || targets > TARGETS_MOST) return BURST_FAILED | E_RANGE;
  for (let t: u32 = 0; t < targets; t++) {
    if (!takeEnd(target(t) + RING_PRODUCER)) return BURST_FAILED | E_ROLE;
    if (atomicLoad32(target(t) + RING_TAIL) > POSITION_MASK) return BURST_FAILED | E_CLOSED;
  }
  const handles = scratch();
  const choices = handles + CHOICES;
  for (let i: u32 = 0; i < n; i++) {
    const handle = load32(handles + (i << 2));
    const choice = first < targets ? inTurn(handle, targets, (first + i) % targets) : byHash(handle, targets);
    if (choice > NOWHERE) {
      unstage(targets);
      return BURST_FAILED | (choice - REFUSAL);
    }
    store32(choices + (i << 2), choice);
  }
  for (let t: u32 = 0; t < targets; t++) publishStaged(target(t));
  return settle(n, targets);
}

/** Stages a packet where its hash says. Returns the target, NOWHERE or REFUSAL plus a status. */
function byHash(handle: u32, targets: u32): u32 {
  const skb = skbOf(handle);
  if (skb === 0) return REFUSAL + E_STALE;
  const chosen = targetOf(load32(skb + SKB_HASH), targets);
  const status = stage(target(chosen), handle);
  if (status === OK) return chosen;
  return status === NOT_DONE ? NOWHERE : REFUSAL + status;
}

/** Stages a packet in the first ring from `from` on that has room. Packets in turn have no order, so none waits for another. */
function inTurn(handle: u32, targets: u32, from: u32): u32 {
  let t = from;
  for (let tries: u32 = 0; tries < targets; tries++) {
    const status = stage(target(t), handle);
    if (status === OK) return t;
    if (status !== NOT_DONE) return REFUSAL + status;
    t = t + 1 === targets ? 0 : t + 1;
  }
  return NOWHERE;
}

/** Places a packet behind those that are staged. OK, NOT_DONE if the ring is full, E_STALE or E_HELD. */
function stage(ring: u32, handle: u32): u32 {
  const staged = load32(ring + RING_STAGED);
  if (staged >= FULL) return NOT_DONE;
  const at = (atomicLoad32(ring + RING_TAIL) + staged) & POSITION_MASK;
  if (roomFor(ring, at, 1) === 0) {
    store32(ring + RING_STAGED, (staged | FULL) >>> 0);
    return NOT_DONE;
  }
  const status = place(ring, at, handle);
  if (status === OK) store32(ring + RING_STAGED, staged + 1);
  return status;
}

/** Takes back everything that is staged. */
function unstage(targets: u32): void {
  for (let t: u32 = 0; t < targets; t++) {
    const ring = target(t);
    unplace(ring, atomicLoad32(ring + RING_TAIL), load32(ring + RING_STAGED) & STAGED_MASK);
    store32(ring + RING_STAGED, 0);
  }
}

function publishStaged(ring: u32): void {
  const n = load32(ring + RING_STAGED) & STAGED_MASK;
  const tail = atomicLoad32(ring + RING_TAIL) & POSITION_MASK;
  const gone = n !== 0 && publish(ring, tail, n) !== OK;
  if (gone) unplace(ring, tail, n);
  store32(ring + RING_STAGED, gone ? GONE : 0);
}

/** Clears the handles that were taken. Returns how many. */
function settle(n: u32, targets: u32): u32 {
  const handles = scratch();
  let taken: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const choice = load32(handles + CHOICES + (i << 2));
    if (choice === NOWHERE || load32(target(choice) + RING_STAGED) === GONE) continue;
    store32(handles + (i << 2), 0);
    taken += 1;
  }
  for (let t: u32 = 0; t < targets; t++) store32(target(t) + RING_STAGED, 0);
  count(COUNT_ENQUEUED, taken);
  if (taken !== n) count(COUNT_REFUSED, n - taken);
  return taken;
}
