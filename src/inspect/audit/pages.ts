// Of the audit: pages, each of which is of one kind, and known to whom that kind says.

import {
  CLASS_HEADS,
  CLASS_PAGE,
  HEAD_CLASSES,
  HEADER_BITMAP,
  HEADER_CLAIMS,
  HEADER_SLAB_FREE,
  KIND_FRAG,
  KIND_FREE,
  KIND_HEAD,
  KIND_RING,
  KIND_SLAB,
  KIND_TAIL,
  KIND_USER,
  PAGE_BYTES,
  PAGE_KIND,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SLOTS,
  PAGE_SPAN,
  SLOTS_CLASS_SHIFT,
  SLOTS_MASK,
} from "../../../assembly/layout.js";
import { type AuditedArena, headBytes } from "./arena.js";
import { countAt, type Found } from "./found.js";
import type { PageCounts } from "./report.js";

/** That each page is free, or has an owner of its kind. Counts them. */
export function checkPages(arena: AuditedArena, found: Found): PageCounts {
  for (let c = 0; c < HEAD_CLASSES; c++) {
    for (const head of found.freeOf(CLASS_HEADS + c)) {
      const entry = arena.entryOf(head);
      if (arena.word(entry + PAGE_KIND) !== KIND_SLAB || arena.word(entry + PAGE_SPAN) !== c) {
        arena.bad(`head at ${head}: free in class ${c}, but its page is none of its slabs`);
      }
      countAt(found.slabHeads, entry);
    }
  }
  const bitmap = arena.header(HEADER_BITMAP);
  const inSlots = new Array<number>(HEAD_CLASSES).fill(0);
  let freePages = 0;
  let dataPages = 0;
  let headPages = 0;
  let ringPages = 0;
  const chained = found.freeOf(CLASS_PAGE);
  for (let i = 0; i < arena.pages; ) {
    const entry = arena.entry(i);
    const kind = arena.word(entry + PAGE_KIND);
    const span = arena.word(entry + PAGE_SPAN);
    const bit = (arena.word(bitmap + (i >>> 5) * 4) >>> (i & 31)) & 1;
    const free = bit + (chained.has(entry) ? 1 : 0);
    const runs = kind === KIND_FRAG || kind === KIND_HEAD || kind === KIND_USER || kind === KIND_RING;
    const run = runs ? Math.min(Math.max(span, 1), arena.pages - i) : 1;
    if (runs && run !== span) arena.bad(`page ${i}: a run of ${span} pages`);
    if (free !== (kind === KIND_FREE ? 1 : 0)) arena.bad(`page ${i}: kind ${kind}, free in ${free} places`);
    const word = arena.word(entry + PAGE_SLOTS);
    if (kind !== KIND_SLAB && word !== 0) arena.bad(`page ${i}: kind ${kind}, with slots`);
    if (
      kind !== KIND_FRAG &&
      kind !== KIND_USER &&
      arena.word(entry + PAGE_REFS) !== (kind === KIND_FREE ? 0 : 1)
    )
      arena.bad(`page ${i}: kind ${kind}, refs ${arena.word(entry + PAGE_REFS)}`);
    if (kind === KIND_FREE) freePages++;
    else if (kind === KIND_SLAB) {
      headPages++;
      inSlots[span] = (inSlots[span] ?? 0) + checkSlab(arena, found, i, entry, span, word);
    } else if (kind === KIND_HEAD) {
      headPages += span;
      const heads = found.slabHeads.get(entry) ?? 0;
      if (heads !== 1) arena.bad(`page ${i}: a large head that ${heads} packets have`);
    } else if (kind === KIND_FRAG || kind === KIND_USER) {
      dataPages += span;
      checkCounted(arena, found, i, entry, kind);
    } else if (kind === KIND_RING) {
      ringPages += span;
      if (!found.ringPages.has(entry)) arena.bad(`page ${i}: slots of no ring`);
    } else arena.bad(`page ${i}: the tail of no run`);
    for (let t = 1; t < run; t++) checkTail(arena, i + t, t, bitmap, chained);
    i += run;
  }
  const past = arena.pages & 31;
  if (past !== 0 && arena.word(bitmap + (arena.pages >>> 5) * 4) >>> past !== 0)
    arena.bad(`bitmap: pages past the last are free`);
  const claims = arena.header(HEADER_CLAIMS);
  if (claims !== 0) arena.bad(`pages: ${claims} claims of runs that nobody ends`);
  for (let c = 0; c < HEAD_CLASSES; c++) {
    const said = arena.word(arena.base + HEADER_SLAB_FREE + c * 4);
    if (said !== inSlots[c]) arena.bad(`class ${c}: says ${said} heads free in slabs, has ${inSlots[c]}`);
  }
  return { freePages, dataPages, headPages, ringPages };
}

function checkTail(
  arena: AuditedArena,
  i: number,
  distance: number,
  bitmap: number,
  chained: Set<number>,
): void {
  const entry = arena.entry(i);
  const bit = (arena.word(bitmap + (i >>> 5) * 4) >>> (i & 31)) & 1;
  if (arena.word(entry + PAGE_KIND) !== KIND_TAIL || arena.word(entry + PAGE_SPAN) !== distance) {
    arena.bad(`page ${i}: not the tail of its run`);
  }
  if (arena.word(entry + PAGE_REFS) !== 0 || arena.word(entry + PAGE_SLOTS) !== 0)
    arena.bad(`page ${i}: the tail of a run, with refs or slots`);
  if (bit === 1 || chained.has(entry)) arena.bad(`page ${i}: free within a run`);
}

function checkCounted(arena: AuditedArena, found: Found, i: number, entry: number, kind: number): void {
  const owner = arena.word(entry + PAGE_OWNER);
  const held = kind === KIND_USER && owner !== 0 ? 1 : 0;
  if (held === 1 && !arena.isThread(owner))
    arena.bad(`page ${i}: a region of thread ${owner}, who is nobody`);
  const refs = arena.word(entry + PAGE_REFS);
  const frags = found.frags.get(entry) ?? 0;
  if (refs !== frags + held || refs === 0)
    arena.bad(`page ${i}: kind ${kind}, refs ${refs}, ${frags} frags + ${held}`);
}

/** Heads of a slab: in use, free in a chain, or free in its slots. Returns the last number. */
function checkSlab(
  arena: AuditedArena,
  found: Found,
  i: number,
  entry: number,
  headClass: number,
  word: number,
): number {
  const all = Math.floor(PAGE_BYTES / headBytes(headClass));
  let slots = 0;
  for (let bits = word & SLOTS_MASK; bits !== 0; bits &= bits - 1) slots++;
  if (word >>> SLOTS_CLASS_SHIFT !== headClass + 1) arena.bad(`page ${i}: slots of another class`);
  const known = (found.slabHeads.get(entry) ?? 0) + slots;
  if (known !== all) arena.bad(`page ${i}: ${known} of its ${all} heads accounted for`);
  return slots;
}
