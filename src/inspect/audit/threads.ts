// Of the audit: the threads' blocks.

import {
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  THREAD_BYTES,
  THREAD_LIVE,
  THREAD_NUMBER,
  THREAD_STATE,
} from "../../../assembly/layout.js";
import type { AuditedArena } from "./arena.js";

/** That each thread block says which it is, and whether anybody has it. */
export function checkThreads(arena: AuditedArena): void {
  for (let t = 0; t < arena.header(HEADER_THREADS); t++) {
    const block = arena.header(HEADER_THREAD_BLOCKS) + t * THREAD_BYTES;
    const state = arena.word(block + THREAD_STATE);
    const number = arena.word(block + THREAD_NUMBER);
    if (state > THREAD_LIVE || (state === THREAD_LIVE && number !== t + 1))
      arena.bad(`thread ${t + 1}: state ${state}, number ${number}`);
  }
}
