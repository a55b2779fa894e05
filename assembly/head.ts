// Head buffers: headroom, data, tailroom and, at the end, the shared info.
//
// Sizes up to a page are carved out of slabs, one page each; a larger head is a run of pages of its own.
// Free heads of a slab are in magazines and depots like every object. Only when pages run out are they
// gathered: each goes back to its slab's `slots`, and a slab that has all of its heads again is a page again.

import { arena, exchange, pageCount } from "./arena";
import { undressHead, undressToDrain } from "./dress";
import {
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_SKB,
  HEAD_CLASS_SHIFT,
  HEAD_CLASSES,
  HEADER_SLAB_FREE,
  KIND_HEAD,
  KIND_SLAB,
  LINK_SHINFO,
  LINK_SKB,
  PAGE_BYTES,
  PAGE_KIND,
  PAGE_SHIFT,
  PAGE_SLOTS,
  PAGE_SPAN,
  SHINFO_BYTES,
  SHINFO_DATAREF,
  SHINFO_UBUF,
  SLOTS_CLASS_SHIFT,
  SLOTS_MASK,
  SMALLEST_HEAD,
} from "./layout";
import { classBytes, headLink } from "./link";
import { flush, give, take, takeToDrain } from "./magazine";
import {
  atomicAdd32,
  atomicCas32,
  atomicLoad32,
  atomicOr32,
  atomicStore32,
  atomicSub32,
  leadingZeros,
  load32,
  quotient,
  store32,
  storeFour,
} from "./memory";
import {
  countReturn,
  entryAt,
  entryOf,
  freeToBitmap,
  pageAddress,
  putPage,
  takePage,
  takeRun,
  tellReturn,
} from "./page";
import { isInPages } from "./trust";

// Where this thread last found a slab with free slots; only a hint.
let slabHint: u32 = 0;

/** Bytes of the head that has `room` bytes for headroom, data and tailroom together. */
export function headBytesFor(room: u32): u32 {
  const bytes = room + SHINFO_BYTES;
  if (bytes <= SMALLEST_HEAD) return SMALLEST_HEAD;
  if (bytes <= 512) return 512;
  if (bytes <= PAGE_BYTES) return (1 << (32 - leadingZeros(bytes - 1))) >>> 0;
  return (((bytes + PAGE_BYTES - 1) >>> PAGE_SHIFT) << PAGE_SHIFT) >>> 0;
}

/** The pool class of a head of up to a page. */
export function classOf(bytes: u32): u32 {
  return CLASS_HEADS + 31 - leadingZeros(bytes) - HEAD_CLASS_SHIFT;
}

/** The pool class of a dressed skb with a head of up to a page. */
export function dressedClassOf(bytes: u32): u32 {
  return classOf(bytes) - CLASS_HEADS + CLASS_DRESSED;
}

function headsPerSlab(headClass: u32): u32 {
  return quotient(PAGE_BYTES, classBytes(headClass));
}

/**
 * Takes a head of exactly `bytes`, its shared info cleared, dataref 1. Trusts that headBytesFor named the size.
 * Returns its address, or 0.
 */
export function takeHead(bytes: u32): u32 {
  if (DEBUG) assert(bytes === headBytesFor(bytes - SHINFO_BYTES), "the size is one of headBytesFor");
  let head: u32 = 0;
  if (bytes <= PAGE_BYTES) {
    const link = bytes - SHINFO_BYTES + LINK_SHINFO;
    head = take(classOf(bytes), link);
    if (head === 0) head = undressHead(classOf(bytes) - CLASS_HEADS);
    if (head === 0) head = takeFromSlabs(classOf(bytes) - CLASS_HEADS, bytes);
    if (head === 0) return 0;
  } else {
    const entry = takeRun(bytes >>> PAGE_SHIFT, KIND_HEAD);
    if (entry === 0) return 0;
    head = pageAddress(entry);
  }
  clearShinfo(head, bytes);
  return head;
}

/** Makes the shared info of a head that nobody shares yet: dataref 1, nothing hangs on it. */
export function clearShinfo(head: u32, bytes: u32): void {
  const shinfo = head + bytes - SHINFO_BYTES;
  // Plain: another thread learns of the head through a ring or a clone, whose publication orders this before it.
  storeFour(shinfo + SHINFO_DATAREF, 1, 0, 0, 0);
  storeFour(shinfo + SHINFO_UBUF, 0, 0, 0, 0);
}

/** Frees a head. Takes ownership of it; nobody else may refer to it. Trusts address and size. */
export function giveHead(head: u32, bytes: u32): void {
  if (DEBUG) assert(isInPages(head, bytes), "a head lies in pages");
  if (DEBUG) assert(bytes === headBytesFor(bytes - SHINFO_BYTES), "the size is that of allocation");
  if (bytes <= PAGE_BYTES) give(classOf(bytes), bytes - SHINFO_BYTES + LINK_SHINFO, head);
  else putPage(entryOf(head));
}

/** Fills the empty magazine from a slab with free slots, or from a new slab, and takes one head. */
function takeFromSlabs(headClass: u32, bytes: u32): u32 {
  if (!takeSlots(headClass, bytes)) {
    const entry = takePage(KIND_SLAB);
    if (entry === 0) return 0;
    store32(entry + PAGE_SPAN, headClass);
    const slots = allSlots(headClass) & SLOTS_MASK;
    const ours = lowest(slots, exchange);
    if (ours !== slots) {
      atomicAdd32(arena + HEADER_SLAB_FREE + (headClass << 2), countOf(slots) - countOf(ours));
      countReturn();
    }
    // (P) Publishes the slab: the CAS in takeSlots synchronises with it.
    atomicStore32(entry + PAGE_SLOTS, (slabTag(headClass) | (slots - ours)) >>> 0);
    tellReturn();
    giveSlots(headClass, bytes, pageAddress(entry), ours);
  }
  return take(CLASS_HEADS + headClass, headLink(headClass));
}

function countOf(slots: u32): u32 {
  let n: u32 = 0;
  for (let bits = slots; bits !== 0; bits = (bits & (bits - 1)) >>> 0) n += 1;
  return n;
}

/** The lowest `n` of the bits: no more than what this thread may keep to itself. */
function lowest(slots: u32, n: u32): u32 {
  let rest = slots;
  for (let i: u32 = 0; i < n && rest !== 0; i++) rest = (rest & (rest - 1)) >>> 0;
  return slots - rest;
}

/** What `slots` holds when all heads of a slab are free. */
function allSlots(headClass: u32): u32 {
  return (slabTag(headClass) | ((1 << headsPerSlab(headClass)) - 1)) >>> 0;
}

// The slots word names its class above the bits. So the CAS that takes bits fails if the page has become a
// slab of another class since the word was read, and a page that is no slab (0) has nothing to take.
function slabTag(headClass: u32): u32 {
  return (headClass + 1) << SLOTS_CLASS_SHIFT;
}

/** Gives the heads of a page whose bits are set to this thread's magazine. */
function giveSlots(headClass: u32, bytes: u32, page: u32, slots: u32): void {
  let head = page;
  for (let bits = slots; bits !== 0; bits >>>= 1) {
    if ((bits & 1) !== 0) give(CLASS_HEADS + headClass, headLink(headClass), head);
    head += bytes;
  }
}

/** Takes a batch of free heads of one slab of a class. */
function takeSlots(headClass: u32, bytes: u32): bool {
  const free = arena + HEADER_SLAB_FREE + (headClass << 2);
  if (atomicLoad32(free) === 0) return false;
  const tag = slabTag(headClass);
  let index = slabHint;
  for (let looked: u32 = 0; looked < pageCount; looked++) {
    if (index >= pageCount) index = 0;
    const entry = entryAt(index);
    let word = atomicLoad32(entry + PAGE_SLOTS);
    // While it is a slab of this class with a free head: another thread may take heads, or put some, under our eyes.
    while (word > tag && word <= (tag | SLOTS_MASK) >>> 0) {
      const ours = lowest(word - tag, exchange);
      // (P) The CAS takes the heads: each bit goes to one thread. It synchronises with putSlot's OR.
      const seen = atomicCas32(entry + PAGE_SLOTS, word, word - ours);
      if (seen === word) {
        atomicSub32(free, countOf(ours));
        slabHint = index;
        giveSlots(headClass, bytes, pageAddress(entry), ours);
        return true;
      }
      word = seen;
    }
    index += 1;
  }
  return false;
}

/** Gives a head back to its slab; whoever completes a slab makes it a page again. Trusts that it is one of a slab's. */
function putSlot(headClass: u32, head: u32): void {
  const entry = entryOf(head);
  if (DEBUG) assert(load32(entry + PAGE_KIND) === KIND_SLAB, "the head is a slab's");
  const bit = (1 << quotient(head & (PAGE_BYTES - 1), classBytes(headClass))) >>> 0;
  const free = arena + HEADER_SLAB_FREE + (headClass << 2);
  const all = allSlots(headClass);
  // Before the bit is there for takeSlots to see, so that the sum never goes below 0.
  atomicAdd32(free, 1);
  countReturn();
  const slots = (atomicOr32(entry + PAGE_SLOTS, bit) | bit) >>> 0;
  tellReturn();
  // The CAS takes the whole slab: it fails if another thread took heads, or the slab, in between.
  if (slots === all && atomicCas32(entry + PAGE_SLOTS, all, 0) === all) {
    atomicSub32(free, headsPerSlab(headClass));
    freeToBitmap(entry);
  }
}

/** Moves every free head that this thread can get at, in its magazines and the depots, back to its slab. */
export function drainHeads(): void {
  for (let headClass: u32 = 0; headClass < HEAD_CLASSES; headClass++) {
    const kind = CLASS_HEADS + headClass;
    const link = headLink(headClass);
    for (let head = takeToDrain(kind, link); head !== 0; head = takeToDrain(kind, link))
      putSlot(headClass, head);
    for (let head = undressToDrain(headClass); head !== 0; head = undressToDrain(headClass))
      putSlot(headClass, head);
  }
  // The structs of those that were dressed.
  flush(CLASS_SKB, LINK_SKB);
}
