// What an audit checks: that every object is in exactly one place, and every count is the number of references that there are. It
// changes nothing. Each structure has a file here.

import {
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  PAGE_REFS,
  SHINFO_BYTES,
  SHINFO_DATAREF,
  SKB_BYTES,
} from "../../../assembly/layout.js";
import type { Words } from "../../core/words.js";
import { type LivePacket, packetsOf } from "../../holders.js";
import { AuditedArena } from "./arena.js";
import { Found } from "./found.js";
import { collectFree } from "./free.js";
import { checkBehind, checkHeads, checkPlace } from "./heads.js";
import { checkData, checkPackets } from "./packets.js";
import { checkPages } from "./pages.js";
import type { AuditReport, PageCounts } from "./report.js";
import { checkRings } from "./rings.js";
import { checkThreads } from "./threads.js";
import { checkUbufs } from "./ubufs.js";

/** What is wrong in an arena, if nobody changes it meanwhile. Reads it once. */
export function checkAll(memory: Words, base: number): AuditReport {
  const arena = new AuditedArena(memory, base);
  const found = new Found();
  // In this order: each knows what those before it found.
  collectFree(arena, found);
  checkThreads(arena);
  checkRings(arena, found);
  const packets = checkPackets(arena, found);
  checkHeads(arena, found);
  const ubufs = checkUbufs(arena, found);
  const pages = checkPages(arena, found);
  return reportOf(arena, [], packets, { ubufs, ...pages });
}

/** What can be said while other threads run: that this thread's packets are whole. */
export function checkOwn(
  memory: Words,
  base: number,
  thread: number,
  others: readonly number[],
): AuditReport {
  const arena = new AuditedArena(memory, base);
  const found = new Found();
  const packets = packetsOf(memory, base, thread);
  const table = arena.header(HEADER_SKB_TABLE);
  const mask = arena.header(HEADER_SKBS) - 1;
  for (const { handle } of packets)
    checkData(arena, found, handle & mask, table + (handle & mask) * SKB_BYTES);
  for (const [shinfo, { skbs, bytes }] of found.heads) {
    const refs = arena.word(shinfo + SHINFO_DATAREF);
    const name = `head at ${shinfo + SHINFO_BYTES - bytes}`;
    if (refs < skbs.length) arena.bad(`${name}: dataref ${refs}, ${skbs.length} skbs of this thread`);
    checkPlace(arena, found, name, shinfo + SHINFO_BYTES - bytes, bytes);
    checkBehind(arena, found, name, shinfo);
  }
  for (const [entry, frags] of found.frags) {
    const refs = arena.word(entry + PAGE_REFS);
    if (refs < frags) arena.bad(`page ${arena.indexOf(entry)}: refs ${refs}, ${frags} frags of this thread`);
  }
  const names = others.length === 1 ? `thread ${others[0]}` : `threads ${others.join(", ")}`;
  const who = others.length === 0 ? "a thread that is gone" : names;
  const unchecked = [`free lists, rings, counts, and packets of others: ${who} changed them meanwhile`];
  const numbers = { ubufs: 0, freePages: 0, dataPages: 0, headPages: 0, ringPages: 0 };
  return reportOf(arena, unchecked, packets, numbers);
}

function reportOf(
  { problems }: AuditedArena,
  unchecked: readonly string[],
  packets: readonly LivePacket[],
  numbers: Pick<AuditReport, "ubufs"> & PageCounts,
): AuditReport {
  return {
    clean: problems.length === 0,
    complete: unchecked.length === 0,
    unchecked,
    problems,
    packets,
    ...numbers,
  };
}
