// Of the audit: packets, each an skb that somebody owns.

import {
  CLASS_SKB,
  ERROR_LIMIT,
  HANDLE_MASK,
  HEADER_CARVED_SKBS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  MAX_ROOM,
  OWNER_LIST,
  OWNER_RING,
  SHINFO_BYTES,
  SKB_BYTES,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_NETWORK_HEADER,
  SKB_OWNER,
  SKB_RESERVED_SHIFT,
  SKB_SECOND,
  SKB_SHARES,
  SKB_TRANSPORT_HEADER,
  SKB_USERS,
} from "../../../assembly/layout.js";
import { type LivePacket, ownerName } from "../../holders.js";
import type { AuditedArena } from "./arena.js";
import type { Found } from "./found.js";

/** Heads and their ends lie at cache lines. */
const SHINFO_ALIGNMENT = 64;

/** That each skb is free, or owned by whom it says. Returns those that are out. */
export function checkPackets(arena: AuditedArena, found: Found): LivePacket[] {
  const packets: LivePacket[] = [];
  const table = arena.header(HEADER_SKB_TABLE);
  const carved = arena.carved("skbs", HEADER_CARVED_SKBS, HEADER_SKBS);
  const free = found.freeOf(CLASS_SKB);
  for (let i = ERROR_LIMIT; i < carved; i++) {
    const skb = table + i * SKB_BYTES;
    const users = arena.word(skb + SKB_USERS);
    const owner = arena.word(skb + SKB_OWNER);
    if (free.delete(skb)) {
      if (users !== 0 || owner !== 0) arena.bad(`skb ${i}: free, with ${users} users and owner ${owner}`);
      continue;
    }
    if (users === 0 || owner === 0) {
      arena.bad(`skb ${i}: lost (${users} users, owner ${owner})`);
      continue;
    }
    const inRing = found.inRings.get(skb);
    if (owner >= OWNER_RING ? inRing !== owner - OWNER_RING || users !== 1 : inRing !== undefined)
      arena.bad(`skb ${i}: owner ${ownerName(owner)}, ${users} users, in ring ${inRing ?? "none"}`);
    else if (!arena.isOwner(owner)) arena.bad(`skb ${i}: owner ${owner}, who is nobody`);
    if (owner === OWNER_LIST) found.owned.push(skb);
    else {
      const [handle, length] = [arena.word(skb + SKB_HANDLE), arena.word(skb + SKB_LEN)];
      packets.push({ handle, length, users, owner: ownerName(owner) });
    }
    const handle = arena.word(skb + SKB_HANDLE);
    if (handle > HANDLE_MASK || (handle & (arena.header(HEADER_SKBS) - 1)) !== i)
      arena.bad(`skb ${i}: handle ${handle}, of another slot`);
    checkData(arena, found, i, skb);
  }
  for (const skb of free) arena.bad(`skb at ${skb}: free, but never carved`);
  return packets;
}

/** One skb's own part of its data: the order of its borders, and its reference to the head. */
export function checkData(arena: AuditedArena, found: Found, i: number, skb: number): void {
  const head = arena.word(skb + SKB_HEAD);
  const end = arena.word(skb + SKB_END);
  const data = arena.word(skb + SKB_DATA);
  const tail = data + arena.word(skb + SKB_LEN) - arena.word(skb + SKB_DATA_LEN);
  if (!(head <= data && data <= tail && tail <= end && end % SHINFO_ALIGNMENT === 0))
    arena.bad(`skb ${i}: ${head} ${data} ${tail} ${end} not in order`);
  const shares = arena.word(skb + SKB_SHARES);
  if (shares > 1) arena.bad(`skb ${i}: flag at ${SKB_SHARES} is ${shares}`);
  const reserved = arena.word(skb + SKB_SECOND) >>> SKB_RESERVED_SHIFT;
  if (reserved > MAX_ROOM) arena.bad(`skb ${i}: ${reserved} bytes of headroom asked for`);
  for (const field of [SKB_MAC_HEADER, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER]) {
    // Counted from the head, plus one. It stays where it was when what it marks is cut off and the rest moves to a smaller head, so
    // any head's length will do.
    const value = arena.word(skb + field);
    if (value > MAX_ROOM + 1) arena.bad(`skb ${i}: header at ${value - 1}, past any head`);
  }
  const known = found.heads.get(end);
  const bytes = end + SHINFO_BYTES - head;
  if (known === undefined) found.heads.set(end, { skbs: [skb], bytes });
  else {
    known.skbs.push(skb);
    if (known.bytes !== bytes)
      arena.bad(`head at ${head}: ${bytes} bytes for one skb, ${known.bytes} for another`);
  }
}
