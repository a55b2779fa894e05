// The flow of a packet as a number (net/core/flow_dissector.c).

import type { Look } from "./look.js";

// MurmurHash3 (Austin Appleby, public domain): the multipliers, rotations and finaliser of its x86_32 variant ...
const LOW_FIRST = 0xcc9e2d51;
const LOW_SECOND = 0x1b873593;
const LOW_ADD = 0xe6546b64;
const FINAL_FIRST = 0x85ebca6b;
const FINAL_SECOND = 0xc2b2ae35;
// ... and those of a lane of x86_128. Two seeds of one variant would not do: there are inputs that collide under all.
const HIGH_FIRST = 0x38b34ae5;
const HIGH_SECOND = 0xa1e38b93;
const HIGH_ADD = 0x561ccd1b;
const SEED = 0x9747b28c | 0; // an int32, as everything it is mixed with

/**
 * Hashes what identifies the flow (skb_get_hash_symmetric): the first `words` of both addresses, the ports if they are
 * known, and the protocol. Both directions of a connection come out the same, so that one worker sees all of it. Not
 * so in Linux, addresses and ports are exchanged together: 1:a → 2:b and 1:b → 2:a are two flows.
 *
 * Fragments hash without ports, even the first one, which has them: all fragments of a datagram go the same way.
 * As in Linux VLAN tags are left out: a connection is one, in whichever VLAN it is seen.
 */
export function hashFlow(into: Look, words: number): void {
  const { addresses } = into;
  const ports = into.sourcePort >= 0 && !into.isFragment;
  const swapped = isSwapped(into, words, ports);
  const first = swapped ? 4 : 0;
  const second = 4 - first - words;
  const pair = swapped
    ? (into.destinationPort << 16) | into.sourcePort
    : (into.sourcePort << 16) | into.destinationPort;
  const last = into.ipVersion !== 0 ? (into.ipVersion << 8) | into.ipProtocol : into.protocol << 16;
  const mixed = words * 2 + (ports ? 2 : 1);
  let low = SEED;
  let high = SEED;
  // One loop for all of it, into which the mixing is inlined: many calls of it would not be.
  for (let i = 0; i < mixed; i++) {
    let word = last;
    if (i < words) word = addresses[first + i] as number;
    else if (i < words * 2) word = addresses[second + i] as number;
    else if (i < mixed - 1) word = pair;
    low = mixLow(low, word);
    high = mixHigh(high, word);
  }
  // 0 would say that there is no hash, as in Linux.
  into.hash = finish(low, mixed * 4) || 1;
  into.flowHigh = finish(high, mixed * 4);
}

/** Whether the source is the larger of the two ends. */
function isSwapped(into: Look, words: number, ports: boolean): boolean {
  const { addresses } = into;
  for (let i = 0; i < words; i++) {
    const source = addresses[i] as number;
    const destination = addresses[4 + i] as number;
    if (source !== destination) return source > destination;
  }
  return ports && into.sourcePort > into.destinationPort;
}

function mixLow(hash: number, word: number): number {
  const k = Math.imul(word, LOW_FIRST);
  const h = hash ^ Math.imul((k << 15) | (k >>> 17), LOW_SECOND);
  return (Math.imul((h << 13) | (h >>> 19), 5) + LOW_ADD) | 0;
}

function mixHigh(hash: number, word: number): number {
  const k = Math.imul(word, HIGH_FIRST);
  const h = hash ^ Math.imul((k << 16) | (k >>> 16), HIGH_SECOND);
  return (Math.imul((h << 19) | (h >>> 13), 5) + HIGH_ADD) | 0;
}

function finish(hash: number, bytes: number): number {
  let h = hash ^ bytes;
  h = Math.imul(h ^ (h >>> 16), FINAL_FIRST);
  h = Math.imul(h ^ (h >>> 13), FINAL_SECOND);
  return (h ^ (h >>> 16)) >>> 0;
}
