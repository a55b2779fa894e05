// Of the audit: ubufs, and the heads that carry them.

import {
  CLASS_UBUF,
  ERROR_LIMIT,
  HANDLE_MASK,
  HEADER_CARVED_UBUFS,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  HEADER_UBUF_TABLE,
  HEADER_UBUFS,
  THREAD_BYTES,
  THREAD_LOCAL,
  THREAD_REMOTE,
  UBUF_CARRIED,
  UBUF_COPIED,
  UBUF_DONE,
  UBUF_HANDLE,
  UBUF_LIVE,
  UBUF_NEXT,
  UBUF_OWNER,
  UBUF_REFS,
  UBUF_SHARING,
  UBUF_SHIFT,
  UBUF_STATE,
} from "../../../assembly/layout.js";
import type { AuditedArena } from "./arena.js";
import type { Found } from "./found.js";

/** All bits that a ubuf's state can have. */
const UBUF_STATES = UBUF_LIVE | UBUF_DONE | UBUF_SHARING | UBUF_COPIED | UBUF_CARRIED;

/** That each ubuf is free, completed, or carried as often as it says. Returns how many are not free. */
export function checkUbufs(arena: AuditedArena, found: Found): number {
  const done = new Set<number>();
  const blocks = arena.header(HEADER_THREAD_BLOCKS);
  for (let t = 0; t < arena.header(HEADER_THREADS); t++) {
    for (const list of [THREAD_LOCAL, THREAD_REMOTE]) {
      for (let u = arena.word(blocks + t * THREAD_BYTES + list); u !== 0; u = arena.word(u + UBUF_NEXT)) {
        if (done.has(u)) {
          arena.bad(`ubuf at ${u}: completed twice`);
          break;
        }
        done.add(u);
      }
    }
  }
  const table = arena.header(HEADER_UBUF_TABLE);
  const carved = arena.carved("ubufs", HEADER_CARVED_UBUFS, HEADER_UBUFS);
  const free = found.freeOf(CLASS_UBUF);
  let live = 0;
  for (let i = ERROR_LIMIT; i < carved; i++) {
    const ubuf = table + (i << UBUF_SHIFT);
    const state = arena.word(ubuf + UBUF_STATE);
    const refs = arena.word(ubuf + UBUF_REFS);
    const carriers = found.carriers.get(ubuf) ?? 0;
    found.carriers.delete(ubuf);
    if (free.delete(ubuf)) {
      if (state !== 0 || carriers !== 0) arena.bad(`ubuf ${i}: free, state ${state}, carried by ${carriers}`);
      continue;
    }
    live++;
    if ((state & UBUF_LIVE) === 0) arena.bad(`ubuf ${i}: lost`);
    const handle = arena.word(ubuf + UBUF_HANDLE);
    if (handle > HANDLE_MASK || (handle & (arena.header(HEADER_UBUFS) - 1)) !== i)
      arena.bad(`ubuf ${i}: handle ${handle}, of another slot`);
    const owner = arena.word(ubuf + UBUF_OWNER);
    if (!arena.isThread(owner)) arena.bad(`ubuf ${i}: owner ${owner}, who is nobody`);
    const carried = (state & UBUF_CARRIED) !== 0;
    if (state > UBUF_STATES || carried !== (refs > 0 || (state & UBUF_DONE) !== 0))
      arena.bad(`ubuf ${i}: state ${state}, refs ${refs}`);
    if (refs !== carriers) arena.bad(`ubuf ${i}: refs ${refs}, carried by ${carriers} heads`);
    if (((state & UBUF_DONE) !== 0) !== done.has(ubuf))
      arena.bad(`ubuf ${i}: state ${state}, completed or not`);
  }
  for (const ubuf of found.carriers.keys()) arena.bad(`ubuf at ${ubuf}: carried, but no ubuf`);
  return live;
}
