// Magazines and depots: how a free object gets from whoever freed it to whoever wants one.
//
//   thread block, for each class           depot, one for all threads
//   ┌───────┬──────────────────┐  half    ┌────────┐
//   │ count │ o o o o o o o o  │ ───────▶ │ blocks │──▶ block ──▶ block ──▶ block (up to 255 each)
//   └───────┴──────────────────┘ ◀─────── ├────────┤
//      take and give, from the top        │ chains │──▶ o ─▶ o ─▶ o   linked through the objects
//                                         └────────┘    ▼
//                                                       o ─▶ o
//
// Take and give touch only the own thread block. A full magazine sends its older half to the depot, an empty
// one fetches a half, so a thread that takes and gives around the edge does not exchange each time, and hides at
// most two batches of a class.
// A batch travels as a block of addresses: whoever fetches it need not follow links through objects that are in
// another core's cache. What is less than a batch, or finds no empty block, travels as a chain linked through the
// objects themselves, so that freeing never needs memory that could run out.

import { arena, blockCount, blockShift, blockTable, depots, exchange, magazineMost, thread } from "./arena";
import {
  BLOCK_NEXT,
  BLOCK_OBJECTS,
  CLASSES,
  COUNT_EXCHANGES,
  COUNT_GIVEN,
  COUNT_TAKEN,
  DEPOT_BLOCKS,
  DEPOT_CHAINS,
  DEPOT_SHIFT,
  HEADER_CARVED_BLOCKS,
  HEADER_EMPTY_BLOCKS,
  LINK_CHAIN,
  LINK_COUNT,
  LINK_NEXT,
  MAGAZINE_ASKS,
  MAGAZINE_COUNT,
  MAGAZINE_OBJECTS,
  MAGAZINE_SHIFT,
  STACK_TAG,
  STACK_TOP,
  THREAD_MAGAZINES,
} from "./layout";
import { linkOf } from "./link";
import {
  atomicCas32,
  atomicLoad32,
  atomicStore32,
  cas64,
  copy,
  load32,
  speculate32,
  store32,
  wrapAdd,
} from "./memory";
import { count } from "./thread";
import { hasJoined, isClass } from "./trust";
import { answerMemory, settleMagazines } from "./wanted";

function magazineOf(kind: u32): u32 {
  if (DEBUG) assert(hasJoined() && isClass(kind), "a thread has a magazine of each class");
  return thread + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT);
}

/** Takes an object of a class, whose links are `link` bytes into it. Returns its address, or 0. */
export function take(kind: u32, link: u32): u32 {
  const m = magazineOf(kind);
  let n = load32(m + MAGAZINE_COUNT);
  if (n === 0) {
    n = fetch(m, kind, link);
    if (n === 0) return 0;
    if (n !== 1 && atomicLoad32(m + MAGAZINE_ASKS) !== 0) n = shareRest(m, n, kind, link);
  }
  store32(m + MAGAZINE_COUNT, n - 1);
  return load32(m + MAGAZINE_OBJECTS + ((n - 1) << 2));
}

/** As `take`, for who puts what it takes where every thread finds it, so that there is nothing to share. */
export function takeToDrain(kind: u32, link: u32): u32 {
  const m = magazineOf(kind);
  if (load32(m + MAGAZINE_COUNT) === 0 && fetch(m, kind, link) === 0) return 0;
  return takeHeld(kind);
}

/** Another thread waits for memory: of `n` objects that were fetched all but one go back. Returns how many are left. */
function shareRest(m: u32, n: u32, kind: u32, link: u32): u32 {
  store32(m + MAGAZINE_COUNT, 1);
  sendChain(m + MAGAZINE_OBJECTS + 4, n - 1, kind, link);
  settleMagazines();
  return 1;
}

/** Gives an object back. Takes ownership of it; its link words may be overwritten. */
export function give(kind: u32, link: u32, object: u32): void {
  const asked = atomicLoad32(magazineOf(kind) + MAGAZINE_ASKS) !== 0;
  giveToDrain(kind, link, object);
  if (!asked) return;
  flushMagazines();
  settleMagazines();
}

/** As `give`, for who flushes in the end what it gives, whether anybody waits or not. */
export function giveToDrain(kind: u32, link: u32, object: u32): void {
  const m = magazineOf(kind);
  let n = load32(m + MAGAZINE_COUNT);
  if (n >= magazineMost) n = send(m, kind, link);
  store32(m + MAGAZINE_OBJECTS + (n << 2), object);
  store32(m + MAGAZINE_COUNT, n + 1);
}

/** Gives everything in this thread's magazines to the depots, where every thread finds it. */
export function flushMagazines(): void {
  for (let kind: u32 = 0; kind < CLASSES; kind++) flush(kind, linkOf(kind));
}

// The same in two steps, for the hot paths: a look whether the magazine serves, then an access that trusts it. Both
// are small enough to be inlined, which take and give, with the exchange behind them, are not.

/** Objects in this thread's magazine of a class. */
export function held(kind: u32): u32 {
  return load32(magazineOf(kind) + MAGAZINE_COUNT);
}

/** Takes an object. Trusts that `held` is not 0. */
export function takeHeld(kind: u32): u32 {
  const m = magazineOf(kind);
  if (DEBUG) assert(load32(m + MAGAZINE_COUNT) !== 0, "something is held");
  const n = load32(m + MAGAZINE_COUNT) - 1;
  store32(m + MAGAZINE_COUNT, n);
  return load32(m + MAGAZINE_OBJECTS + (n << 2));
}

/** How many objects can be given back to this thread's magazine; none while another thread waits for memory. */
export function spaceFor(kind: u32): u32 {
  const m = magazineOf(kind);
  const used = load32(m + MAGAZINE_COUNT) + atomicLoad32(m + MAGAZINE_ASKS);
  return used < magazineMost ? magazineMost - used : 0;
}

/** Gives an object back. Trusts that `spaceFor` is not 0. */
export function giveHeld(kind: u32, object: u32): void {
  const m = magazineOf(kind);
  const n = load32(m + MAGAZINE_COUNT);
  if (DEBUG) assert(n < magazineMost, "the magazine has room");
  store32(m + MAGAZINE_OBJECTS + (n << 2), object);
  store32(m + MAGAZINE_COUNT, n + 1);
}

/** Takes `n` objects. Trusts that `held` is at least that. Returns where their addresses are, good until the next give. */
export function takeMany(kind: u32, n: u32): u32 {
  const m = magazineOf(kind);
  if (DEBUG) assert(load32(m + MAGAZINE_COUNT) >= n, "as many are held");
  const left = load32(m + MAGAZINE_COUNT) - n;
  store32(m + MAGAZINE_COUNT, left);
  return m + MAGAZINE_OBJECTS + (left << 2);
}

/** Where the addresses of objects go that `giveMany` then gives: as many as `spaceFor` says. */
export function roomAt(kind: u32): u32 {
  const m = magazineOf(kind);
  return m + MAGAZINE_OBJECTS + (load32(m + MAGAZINE_COUNT) << 2);
}

/** Gives `n` objects back, whose addresses have been written at `roomAt`. Trusts that they are no more than fit. */
export function giveMany(kind: u32, n: u32): void {
  const m = magazineOf(kind);
  const count = load32(m + MAGAZINE_COUNT) + n;
  if (DEBUG) assert(count <= magazineMost, "the magazine has room");
  store32(m + MAGAZINE_COUNT, count);
}

/** Gives all of this thread's magazine to the depot, where every thread finds it. */
export function flush(kind: u32, link: u32): void {
  const m = magazineOf(kind);
  let n = load32(m + MAGAZINE_COUNT);
  if (n > exchange) n = send(m, kind, link);
  if (n === 0) return;
  store32(m + MAGAZINE_COUNT, 0);
  sendChain(m + MAGAZINE_OBJECTS, n, kind, link);
}

/** Changes with everything that is put into the depot of a class, or taken out. */
export function changes(kind: u32): u32 {
  const depot = depots + (kind << DEPOT_SHIFT);
  return wrapAdd(
    atomicLoad32(depot + DEPOT_BLOCKS + STACK_TAG),
    atomicLoad32(depot + DEPOT_CHAINS + STACK_TAG),
  );
}

/** Fills an empty magazine with a batch or a chain from the depot. Returns how many there are now. */
function fetch(m: u32, kind: u32, link: u32): u32 {
  const depot = depots + (kind << DEPOT_SHIFT);
  const block = pop(depot + DEPOT_BLOCKS, BLOCK_NEXT);
  let n = exchange;
  if (block !== 0) {
    copy(m + MAGAZINE_OBJECTS, block + BLOCK_OBJECTS, n << 2);
    push(arena + HEADER_EMPTY_BLOCKS, BLOCK_NEXT, block);
  } else {
    let object = pop(depot + DEPOT_CHAINS, link + LINK_CHAIN);
    if (object === 0) return 0;
    n = load32(object + link + LINK_COUNT);
    for (let i: u32 = 0; i < n; i++) {
      store32(m + MAGAZINE_OBJECTS + (i << 2), object);
      object = load32(object + link + LINK_NEXT);
    }
  }
  count(COUNT_TAKEN + kind, n);
  store32(m + MAGAZINE_COUNT, n);
  return n;
}

/** Sends the oldest batch of a magazine, which has at least one, to the depot. Returns how many are left. */
function send(m: u32, kind: u32, link: u32): u32 {
  const block = emptyBlock();
  if (block === 0) {
    sendChain(m + MAGAZINE_OBJECTS, exchange, kind, link);
  } else {
    const depot = depots + (kind << DEPOT_SHIFT);
    copy(block + BLOCK_OBJECTS, m + MAGAZINE_OBJECTS, exchange << 2);
    push(depot + DEPOT_BLOCKS, BLOCK_NEXT, block);
    answerMemory();
    count(COUNT_EXCHANGES, 1);
    count(COUNT_GIVEN + kind, exchange);
  }
  const left = load32(m + MAGAZINE_COUNT) - exchange;
  copy(m + MAGAZINE_OBJECTS, m + MAGAZINE_OBJECTS + (exchange << 2), left << 2);
  store32(m + MAGAZINE_COUNT, left);
  return left;
}

/** Links `n` objects, whose addresses are at `from`, and sends them to the depot. */
function sendChain(from: u32, n: u32, kind: u32, link: u32): void {
  const depot = depots + (kind << DEPOT_SHIFT);
  let below: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const object = load32(from + (i << 2));
    store32(object + link + LINK_NEXT, below);
    below = object;
  }
  store32(below + link + LINK_COUNT, n);
  push(depot + DEPOT_CHAINS, link + LINK_CHAIN, below);
  answerMemory();
  count(COUNT_EXCHANGES, 1);
  count(COUNT_GIVEN + kind, n);
}

/** A block that nobody uses, or 0. */
function emptyBlock(): u32 {
  const block = pop(arena + HEADER_EMPTY_BLOCKS, BLOCK_NEXT);
  if (block !== 0) return block;
  const cursor = arena + HEADER_CARVED_BLOCKS;
  while (true) {
    const i = atomicLoad32(cursor);
    if (i >= blockCount) return 0;
    // The CAS carves it: each block is given out for the first time once.
    if (atomicCas32(cursor, i, i + 1) === i) return blockTable + (i << blockShift);
  }
}

/** Pushes an item, whose `next` word is `next` bytes into it, on a stack. */
function push(stack: u32, next: u32, item: u32): void {
  while (true) {
    const tag = atomicLoad32(stack + STACK_TAG);
    const top = atomicLoad32(stack + STACK_TOP);
    // Atomic, because a thread whose pop has already lost may still read it.
    atomicStore32(item + next, top);
    // (B) Publishes the item and all it leads to: pop's CAS, which takes it off, synchronises with this one.
    if (cas64(stack, top, tag, item, wrapAdd(tag, 1))) return;
  }
}

/** Pops an item off a stack, or returns 0. */
function pop(stack: u32, next: u32): u32 {
  while (true) {
    // (B) The tag first: if it is still there at the CAS, nothing was pushed or popped since, so `below` is what lay
    // under `top`, even if `top` was taken and came back while we looked (ABA).
    const tag = atomicLoad32(stack + STACK_TAG);
    const top = atomicLoad32(stack + STACK_TOP);
    if (top === 0) return 0;
    const below = speculate32(top + next);
    if (cas64(stack, top, tag, below, wrapAdd(tag, 1))) return top;
  }
}
