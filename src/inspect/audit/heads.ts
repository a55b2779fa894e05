// Of the audit: heads, who shares them, and what hangs on them: frags, frag lists, ubufs.

import {
  CLASS_HEADS,
  FRAG_ADDRESS,
  FRAG_SHIFT,
  FRAG_SIZE,
  KIND_FRAG,
  KIND_HEAD,
  KIND_SLAB,
  KIND_USER,
  MAX_FRAGS,
  OWNER_LIST,
  PAGE_BYTES,
  PAGE_KIND,
  PAGE_SPAN,
  SHINFO_BYTES,
  SHINFO_DATAREF,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_FRAGS,
  SHINFO_GSO_SEGS,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SHINFO_UBUF,
  SKB_DATA_LEN,
  SKB_END,
  SKB_LEN,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SHARES,
  SKB_USERS,
} from "../../../assembly/layout.js";
import { type AuditedArena, classOf } from "./arena.js";
import { countAt, type Found } from "./found.js";

/** That heads are as often shared as they say, and what hangs on them is there. */
export function checkHeads(arena: AuditedArena, found: Found): void {
  for (const [shinfo, { skbs, bytes }] of found.heads) checkHead(arena, found, shinfo, skbs, bytes);
  for (const skb of found.owned)
    if (!found.members.has(skb)) arena.bad(`skb ${skb}: owned by a frag list, in none`);
}

function checkHead(
  arena: AuditedArena,
  found: Found,
  shinfo: number,
  skbs: readonly number[],
  bytes: number,
): void {
  const head = shinfo + SHINFO_BYTES - bytes;
  const name = `head at ${head}`;
  const refs = arena.word(shinfo + SHINFO_DATAREF);
  if (refs !== skbs.length) arena.bad(`${name}: dataref ${refs}, ${skbs.length} skbs`);
  checkPlace(arena, found, name, head, bytes);
  const { dataLength, userFrags } = checkBehind(arena, found, name, shinfo);
  // What whoever lets go of the packet does not expect in there, if the packet does not say so.
  const gso = [SHINFO_GSO_SIZE, SHINFO_GSO_SEGS, SHINFO_GSO_TYPE].some(
    (field) => arena.word(shinfo + field) !== 0,
  );
  const hangs = skbs.length > 1 || arena.word(shinfo + SHINFO_FRAG_LIST) !== 0 || gso;
  for (const skb of skbs) {
    if (hangs && arena.word(skb + SKB_SHARES) === 0)
      arena.bad(`${name}: skb ${skb} does not know what its head says`);
    const says = arena.word(skb + SKB_DATA_LEN);
    if (says !== dataLength) arena.bad(`${name}: ${dataLength} bytes behind it, an skb says ${says}`);
  }
  const ubuf = arena.word(shinfo + SHINFO_UBUF);
  if ((ubuf !== 0) !== userFrags > 0) arena.bad(`${name}: ${userFrags} user frags, ubuf ${ubuf}`);
  if (ubuf !== 0) countAt(found.carriers, ubuf);
}

/** That a head lies where a head of its size can lie. */
export function checkPlace(
  arena: AuditedArena,
  found: Found,
  name: string,
  head: number,
  bytes: number,
): void {
  const entry = arena.entryOf(head);
  const kind = arena.word(entry + PAGE_KIND);
  const offset = (head - arena.firstPage) % PAGE_BYTES;
  if (bytes > PAGE_BYTES) {
    const span = arena.word(entry + PAGE_SPAN);
    if (kind !== KIND_HEAD || offset !== 0 || span * PAGE_BYTES !== bytes) {
      arena.bad(`${name}: ${bytes} bytes in a run of ${span} pages of kind ${kind}`);
    }
    countAt(found.slabHeads, entry);
    return;
  }
  const headClass = classOf(bytes);
  if (kind !== KIND_SLAB || arena.word(entry + PAGE_SPAN) !== headClass || offset % bytes !== 0) {
    arena.bad(`${name}: class ${headClass} in a page of kind ${kind}`);
  }
  if (found.free[CLASS_HEADS + headClass]?.has(head)) arena.bad(`${name}: in use and free`);
  countAt(found.slabHeads, entry);
}

/** What hangs on a head: counts the frags' pages, follows the frag list. */
export function checkBehind(
  arena: AuditedArena,
  found: Found,
  name: string,
  shinfo: number,
): { dataLength: number; userFrags: number } {
  let dataLength = 0;
  let userFrags = 0;
  const n = arena.word(shinfo + SHINFO_FRAG_COUNT);
  if (n > MAX_FRAGS) arena.bad(`${name}: ${n} frags`);
  for (let i = 0; i < Math.min(n, MAX_FRAGS); i++) {
    const at = shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT);
    const address = arena.word(at + FRAG_ADDRESS);
    const size = arena.word(at + FRAG_SIZE);
    dataLength += size;
    if (address < arena.firstPage || address >= arena.firstPage + arena.pages * PAGE_BYTES) {
      arena.bad(`${name}: frag ${i} at ${address}, outside the pages`);
      continue;
    }
    const entry = arena.entryOf(address);
    const kind = arena.word(entry + PAGE_KIND);
    const start = arena.firstPage + arena.indexOf(entry) * PAGE_BYTES;
    if (kind !== KIND_FRAG && kind !== KIND_USER) arena.bad(`${name}: frag ${i} in a page of kind ${kind}`);
    if (size === 0 || address + size > start + arena.word(entry + PAGE_SPAN) * PAGE_BYTES) {
      arena.bad(`${name}: frag ${i} has ${size} bytes, past its run`);
    }
    if (kind === KIND_USER) userFrags++;
    countAt(found.frags, entry);
  }
  let last = 0;
  for (let m = arena.word(shinfo + SHINFO_FRAG_LIST); m !== 0; m = arena.word(m + SKB_NEXT)) {
    if (found.members.has(m)) {
      arena.bad(`${name}: list member ${m} is in a list twice`);
      break;
    }
    found.members.add(m);
    if (arena.word(m + SKB_SHARES) !== 1) arena.bad(`${name}: list member ${m} does not know what it shares`);
    if (arena.word(m + SKB_OWNER) !== OWNER_LIST || arena.word(m + SKB_USERS) !== 1) {
      arena.bad(`${name}: list member ${m} has another owner, or users`);
    }
    if (arena.word(arena.word(m + SKB_END) + SHINFO_FRAG_LIST) !== 0)
      arena.bad(`${name}: a list within its list`);
    dataLength += arena.word(m + SKB_LEN);
    last = m;
  }
  if (arena.word(shinfo + SHINFO_FRAG_LIST_TAIL) !== last)
    arena.bad(`${name}: its list does not end at its tail`);
  return { dataLength, userFrags };
}
