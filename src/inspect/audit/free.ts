// Of the audit: what is free, in a magazine or a depot; and the blocks that lists of it travel in.

import {
  BLOCK_NEXT,
  BLOCK_OBJECTS,
  CLASS_DRESSED,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  COUNT_GIVEN,
  COUNT_TAKEN,
  DEPOT_BLOCKS,
  DEPOT_CHAINS,
  DEPOT_SHIFT,
  HEAD_CLASSES,
  HEADER_CARVED_BLOCKS,
  HEADER_DEPOTS,
  HEADER_EMPTY_BLOCKS,
  HEADER_EXCHANGE,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  LINK_CHAIN,
  LINK_COUNT,
  LINK_DRESSED,
  LINK_NEXT,
  LINK_PAGE,
  LINK_SHINFO,
  LINK_SKB,
  LINK_UBUF,
  MAGAZINE_COUNT,
  MAGAZINE_OBJECTS,
  MAGAZINE_SHIFT,
  SHINFO_BYTES,
  SHINFO_CLEARED,
  SHINFO_DATAREF,
  SKB_END,
  SKB_HEAD,
  STACK_TOP,
  THREAD_BYTES,
  THREAD_COUNTERS,
  THREAD_MAGAZINES,
} from "../../../assembly/layout.js";
import { type AuditedArena, headBytes } from "./arena.js";
import type { Found } from "./found.js";

/** That what is free is free once, and as much as is said. */
export function collectFree(arena: AuditedArena, found: Found): void {
  for (let c = 0; c < HEAD_CLASSES; c++)
    collect(arena, found, CLASS_HEADS + c, headBytes(c) - SHINFO_BYTES + LINK_SHINFO);
  collect(arena, found, CLASS_PAGE, LINK_PAGE);
  collect(arena, found, CLASS_SKB, LINK_SKB);
  collect(arena, found, CLASS_UBUF, LINK_UBUF);
  for (let c = 0; c < HEAD_CLASSES; c++) {
    collect(arena, found, CLASS_DRESSED + c, LINK_DRESSED);
    for (const skb of found.freeOf(CLASS_DRESSED + c)) checkDressed(arena, found, c, skb);
  }
  checkBlocks(arena, found);
}

/** That a dressed skb is a free struct and a free head of its class, to which there is nothing to do. Counts it as both. */
function checkDressed(arena: AuditedArena, found: Found, headClass: number, skb: number): void {
  const name = `class ${CLASS_DRESSED + headClass}: skb at ${skb}`;
  const [structs, heads] = [found.freeOf(CLASS_SKB), found.freeOf(CLASS_HEADS + headClass)];
  const head = arena.word(skb + SKB_HEAD);
  const shinfo = arena.word(skb + SKB_END);
  if (structs.has(skb)) arena.bad(`${name} is free twice`);
  if (heads.has(head)) arena.bad(`${name} has head ${head}, which is free twice`);
  structs.add(skb);
  heads.add(head);
  if (shinfo - head !== headBytes(headClass) - SHINFO_BYTES)
    arena.bad(`${name} has a head of ${shinfo - head + SHINFO_BYTES} bytes`);
  if (arena.word(shinfo + SHINFO_DATAREF) !== 1)
    arena.bad(`${name} has a head of dataref ${arena.word(shinfo + SHINFO_DATAREF)}`);
  for (let at = SHINFO_DATAREF + 4; at < SHINFO_CLEARED; at += 4)
    if (arena.word(shinfo + at) !== 0)
      arena.bad(`${name} has a head that says ${arena.word(shinfo + at)} at ${at}`);
}

/** One class: `link` is where its objects have their links. */
function collect(arena: AuditedArena, found: Found, kind: number, link: number): void {
  const free = new Set<number>();
  found.free[kind] = free;
  const batch = arena.header(HEADER_EXCHANGE);
  const add = (where: string, object: number): void => {
    if (free.has(object)) arena.bad(`${where}: ${object} is free twice`);
    free.add(object);
  };
  const threads = arena.header(HEADER_THREAD_BLOCKS);
  for (let t = 0; t < arena.header(HEADER_THREADS); t++) {
    const where = `class ${kind}, thread ${t + 1}`;
    const m = threads + t * THREAD_BYTES + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT);
    const count = arena.word(m + MAGAZINE_COUNT);
    if (count > 2 * batch) arena.bad(`${where}: ${count} objects, more than ${2 * batch}`);
    for (let i = 0; i < Math.min(count, 2 * batch); i++) add(where, arena.word(m + MAGAZINE_OBJECTS + i * 4));
  }
  const where = `class ${kind}, depot`;
  const depot = arena.base + HEADER_DEPOTS + (kind << DEPOT_SHIFT);
  let inDepot = 0;
  visitStack(arena, depot + DEPOT_BLOCKS, BLOCK_NEXT, (block) => {
    seeBlock(arena, found, where, block);
    for (let i = 0; i < batch; i++) add(where, arena.word(block + BLOCK_OBJECTS + i * 4));
    inDepot += batch;
  });
  visitStack(arena, depot + DEPOT_CHAINS, link + LINK_CHAIN, (first) => {
    const count = arena.word(first + link + LINK_COUNT);
    if (count > 2 * batch) arena.bad(`${where}: a chain of ${count}`);
    let object = first;
    for (let i = 0; i < Math.min(count, 2 * batch); i++) {
      add(where, object);
      object = arena.word(object + link + LINK_NEXT);
    }
    if (object !== 0) arena.bad(`${where}: a chain is longer than its ${count}`);
    inDepot += count;
  });
  let said = 0;
  for (let t = 0; t < arena.header(HEADER_THREADS); t++) {
    const counters = threads + t * THREAD_BYTES + THREAD_COUNTERS;
    said += arena.word(counters + (COUNT_GIVEN + kind) * 4) - arena.word(counters + (COUNT_TAKEN + kind) * 4);
  }
  said >>>= 0;
  if (said !== inDepot) arena.bad(`${where}: says ${said} objects, has ${inDepot}`);
}

/** Visits what lies on a stack, from the top. */
function visitStack(arena: AuditedArena, stack: number, next: number, visit: (item: number) => void): void {
  const seen = new Set<number>();
  for (let item = arena.word(stack + STACK_TOP); item !== 0; item = arena.word(item + next)) {
    if (seen.has(item)) {
      arena.bad(`stack at ${stack}: leads in a circle`);
      return;
    }
    seen.add(item);
    visit(item);
  }
}

function seeBlock(arena: AuditedArena, found: Found, where: string, block: number): void {
  if (found.blocks.has(block)) arena.bad(`${where}: block ${block} is in two places`);
  found.blocks.add(block);
}

/** That every block that was ever used is empty, or in one depot. */
function checkBlocks(arena: AuditedArena, found: Found): void {
  visitStack(arena, arena.base + HEADER_EMPTY_BLOCKS, BLOCK_NEXT, (block) =>
    seeBlock(arena, found, "empty blocks", block),
  );
  const carved = arena.header(HEADER_CARVED_BLOCKS);
  if (found.blocks.size !== carved) arena.bad(`blocks: ${carved} in use, ${found.blocks.size} accounted for`);
}
