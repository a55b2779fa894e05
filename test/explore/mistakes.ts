// Mistakes that somebody could have made in the core, each with a scenario that shows it. The explorer has to find
// every one: that is how we know that what it does not find is not there.

import type { Mistake } from "./bundle.js";

export interface Blunder {
  readonly name: string;
  /** A scenario that is fine without the mistake. */
  readonly scenario: string;
  readonly mistake: Mistake | readonly Mistake[];
}

const MAGAZINE = "assembly/magazine.ts";
const PAGE = "assembly/page.ts";
const HEAD = "assembly/head.ts";
const SHINFO = "assembly/shinfo.ts";
const UBUF = "assembly/ubuf.ts";
const BURST = "assembly/burst.ts";
const RING = "assembly/ring.ts";
const PARK = "assembly/park.ts";
const POOL = "assembly/pool.ts";
const SKB = "assembly/skb.ts";

export const BLUNDERS: readonly Blunder[] = [
  {
    name: "a stack's tag stays the same, so a pop takes what has come back for what was there (ABA)",
    scenario: "magazine: two chains off, one of them back",
    mistake: [
      { file: MAGAZINE, find: "tag, item, wrapAdd(tag, 1))", replace: "tag, item, tag)" },
      { file: MAGAZINE, find: "tag, below, wrapAdd(tag, 1))", replace: "tag, below, tag)" },
    ],
  },
  {
    name: "pop reads the tag after what it is to protect",
    scenario: "magazine: two chains off, one of them back",
    mistake: [
      {
        file: MAGAZINE,
        find: "    const tag = atomicLoad32(stack + STACK_TAG);\n    const top = atomicLoad32(stack + STACK_TOP);\n    if",
        replace: "    const top = atomicLoad32(stack + STACK_TOP);\n    if",
      },
      {
        file: MAGAZINE,
        find: "const below = speculate32(top + next);",
        replace: "const below = speculate32(top + next);\n    const tag = atomicLoad32(stack + STACK_TAG);",
      },
    ],
  },
  {
    name: "a block goes back to the empty ones before it was read",
    scenario: "magazine: blocks",
    mistake: {
      file: MAGAZINE,
      find: "    copy(m + MAGAZINE_OBJECTS, block + BLOCK_OBJECTS, n << 2);\n    push(arena + HEADER_EMPTY_BLOCKS, BLOCK_NEXT, block);",
      replace:
        "    push(arena + HEADER_EMPTY_BLOCKS, BLOCK_NEXT, block);\n    copy(m + MAGAZINE_OBJECTS, block + BLOCK_OBJECTS, n << 2);",
    },
  },
  {
    name: "putData loads the count and stores one less",
    scenario: "heads: one head: release, release",
    mistake: {
      file: SHINFO,
      find: "return atomicLoad32(shinfo + SHINFO_DATAREF) === 1 || atomicSub32(shinfo + SHINFO_DATAREF, 1) === 1;",
      replace:
        "const n = atomicLoad32(shinfo + SHINFO_DATAREF);\n  store32(shinfo + SHINFO_DATAREF, n - 1);\n  return n === 1;",
    },
  },
  {
    name: "getData takes everyone for sole",
    scenario: "heads: two clones with a frag list: copyHead, copyHead",
    mistake: { file: SHINFO, find: "if (sole && atomicLoad32", replace: "if (atomicLoad32" },
  },
  {
    name: "getPage adds without an atomic",
    scenario: "pages: one frag, two heads: copyHead, copyHead",
    mistake: {
      file: PAGE,
      find: "atomicAdd32(entry + PAGE_REFS, 1);",
      replace: "store32(entry + PAGE_REFS, atomicLoad32(entry + PAGE_REFS) + 1);",
    },
  },
  {
    name: "putPage loads the count and stores one less, both atomically",
    scenario: "pages: one frag, two heads: release, release",
    mistake: {
      file: PAGE,
      find: "if (atomicLoad32(entry + PAGE_REFS) !== 1 && atomicSub32(entry + PAGE_REFS, 1) !== 1) return;",
      replace:
        "const refs = atomicLoad32(entry + PAGE_REFS);\n  atomicStore32(entry + PAGE_REFS, refs - 1);\n  if (refs !== 1) return;",
    },
  },
  {
    name: "a page is marked free after its bit says so",
    scenario: "pages: a run against a single page",
    mistake: {
      file: PAGE,
      find: "  for (let i: u32 = 0; i < n; i++) store32(entry + (i << PAGE_ENTRY_SHIFT) + PAGE_KIND, KIND_FREE);\n  const first = (entry - pageTable) >>> PAGE_ENTRY_SHIFT;\n  setBits(first, first + n);",
      replace:
        "  const first = (entry - pageTable) >>> PAGE_ENTRY_SHIFT;\n  setBits(first, first + n);\n  for (let i: u32 = 0; i < n; i++) store32(entry + (i << PAGE_ENTRY_SHIFT) + PAGE_KIND, KIND_FREE);",
    },
  },
  {
    name: "bits of the bitmap are cleared with a store",
    scenario: "pages: single pages of one word",
    mistake: {
      file: PAGE,
      find: "const seen = atomicCas32(word, bits, (bits ^ taken) >>> 0);",
      replace: "const seen = bits;\n      atomicStore32(word, (bits ^ taken) >>> 0);",
    },
  },
  {
    name: "a run that could not be claimed is not given back",
    scenario: "pages: runs over two words",
    mistake: { file: PAGE, find: "setBits(first, at);\n        return false;", replace: "return false;" },
  },
  {
    name: "putSlot frees a complete slab without asking whether it still is",
    scenario: "slabs: drained by one, taken by the other",
    mistake: {
      file: HEAD,
      find: "if (slots === all && atomicCas32(entry + PAGE_SLOTS, all, 0) === all) {",
      replace: "if (slots === all) {\n    atomicStore32(entry + PAGE_SLOTS, 0);",
    },
  },
  {
    name: "takeSlots takes the bits of whatever class the slab is of",
    scenario: "slabs: a page changes its class",
    mistake: [
      {
        file: HEAD,
        find: "while (word > tag && word <= (tag | SLOTS_MASK) >>> 0)",
        replace: "while ((word & SLOTS_MASK) !== 0)",
      },
      { file: HEAD, find: "lowest(word - tag, exchange)", replace: "lowest(word & SLOTS_MASK, exchange)" },
      {
        file: HEAD,
        find: "atomicCas32(entry + PAGE_SLOTS, word, word - ours)",
        replace: "atomicCas32(entry + PAGE_SLOTS, word, (tag | ((word & SLOTS_MASK) - ours)) >>> 0)",
      },
    ],
  },
  {
    name: "a completion is pushed with a store",
    scenario: "completion: two push, the owner takes",
    mistake: {
      file: UBUF,
      find: "const seen = atomicCas32(list, top, ubuf);",
      replace: "const seen = top;\n    atomicStore32(list, ubuf);",
    },
  },
  {
    name: "takeCompletion loads the list and then empties it",
    scenario: "completion: one pushes two, the owner takes twice",
    mistake: {
      file: UBUF,
      find: "ubuf = atomicExchange32(thread + THREAD_REMOTE, 0);",
      replace: "ubuf = atomicLoad32(thread + THREAD_REMOTE);\n    atomicStore32(thread + THREAD_REMOTE, 0);",
    },
  },
  {
    name: "putUbuf asks for the count after it has subtracted",
    scenario: "completion: three heads of one ubuf",
    mistake: {
      file: UBUF,
      find: "if (atomicSub32(ubuf + UBUF_REFS, 1) !== 1) return;",
      replace: "atomicSub32(ubuf + UBUF_REFS, 1);\n  if (atomicLoad32(ubuf + UBUF_REFS) !== 0) return;",
    },
  },
  {
    name: "two threads claim the same block",
    scenario: "begin: 2 threads join at once",
    mistake: {
      file: "assembly/thread.ts",
      find: "if (atomicCas32(block + THREAD_STATE, THREAD_FREE, THREAD_LIVE) === THREAD_FREE) {",
      replace:
        "if (load32(block + THREAD_STATE) === THREAD_FREE) {\n      store32(block + THREAD_STATE, THREAD_LIVE);",
    },
  },
  {
    name: "the carve cursor is moved with a store",
    scenario: "begin: 2 threads carve skbs",
    mistake: {
      file: "assembly/pool.ts",
      find: "if (atomicCas32(arena + cursor, first, end) === first) return first;",
      replace: "atomicStore32(arena + cursor, end);\n    return first;",
    },
  },
  {
    name: "the tail is published before the slots are written",
    scenario: "ring: bursts in, singles out, around the edge",
    mistake: [
      {
        file: BURST,
        find: "  for (let i: u32 = 0; i < some; i++) {\n    const status = place",
        replace:
          "  if (some !== 0 && publish(ring, tail, some) !== OK) return BURST_FAILED | E_CLOSED;\n  for (let i: u32 = 0; i < some; i++) {\n    const status = place",
      },
      {
        file: BURST,
        find: "if (some !== 0 && publish(ring, tail, some) !== OK) {",
        replace: "if (some === 9999) {",
      },
    ],
  },
  {
    name: "the slots are given back before they are read",
    scenario: "ring: one slot, three packets",
    mistake: [
      {
        file: BURST,
        find: "  const some = ready < n ? ready : n;\n  const slots",
        replace:
          "  const some = ready < n ? ready : n;\n  atomicStore32(ring + RING_HEAD, (head + some) & POSITION_MASK);\n  const slots",
      },
    ],
  },
  {
    name: "the tail is stored, not swapped, so that a close in between is undone",
    scenario: "ring: the consumer closes while packets come",
    mistake: {
      file: BURST,
      find: "  if (atomicCas32(ring + RING_TAIL, tail, (tail + n) & POSITION_MASK) !== tail) return E_CLOSED;",
      replace: "  atomicStore32(ring + RING_TAIL, (tail + n) & POSITION_MASK);",
    },
  },
  {
    name: "an end of a ring is taken with a store",
    scenario: "ring: two want to be the producer",
    mistake: {
      file: RING,
      find: "return thread === 0 && atomicCas32(end, 0, threadNumber) === 0;",
      replace: "atomicStore32(end, threadNumber);\n  return true;",
    },
  },
  {
    name: "the last to leave a ring is whoever saw one reference",
    scenario: "ring: both leave, one wants to join",
    mistake: {
      file: RING,
      find: "    if (atomicCas32(ring + RING_LIFE, life, next) !== life) continue;",
      replace: "    atomicStore32(ring + RING_LIFE, next);",
    },
  },
  {
    name: "no look between asking to be woken and sleeping",
    scenario: "parking: the consumer sleeps until a packet comes",
    mistake: {
      file: PARK,
      find: "if (anyReady(n) || (completions !== 0 && atomicLoad32(thread + THREAD_REMOTE) !== 0)) {\n    unpark",
      replace: "if (completions === 9999) {\n    unpark",
    },
  },
  {
    name: "the look comes before asking to be woken",
    scenario: "parking: the consumer sleeps until a packet comes",
    mistake: [
      {
        file: PARK,
        find: "  atomicStore32(thread + THREAD_WAKE, ASLEEP);\n",
        replace: "  if (anyReady(n)) return 0;\n  atomicStore32(thread + THREAD_WAKE, ASLEEP);\n",
      },
      {
        file: PARK,
        find: "if (anyReady(n) || (completions !== 0 && atomicLoad32(thread + THREAD_REMOTE) !== 0)) {\n    unpark",
        replace: "if (completions === 9999) {\n    unpark",
      },
    ],
  },
  {
    name: "the producer looks for sleepers before it publishes",
    scenario: "parking: the consumer sleeps until a packet comes",
    mistake: [
      {
        file: BURST,
        find: "  // (R) A CAS and not a store,",
        replace:
          "  answerEnd(ring + RING_WANTS_PACKETS, ring + RING_CONSUMER);\n  // (R) A CAS and not a store,",
      },
      {
        file: BURST,
        find: "!== tail) return E_CLOSED;\n  answerEnd(ring + RING_WANTS_PACKETS, ring + RING_CONSUMER);\n",
        replace: "!== tail) return E_CLOSED;\n",
      },
    ],
  },
  {
    name: "whom to wake is read before the flag",
    scenario: "parking: a sleeping consumer learns that the ring is closed",
    mistake: [
      {
        file: "assembly/wake.ts",
        find: "export function answerEnd(flag: u32, end: u32): void {\n",
        replace:
          "export function answerEnd(flag: u32, end: u32): void {\n  const number = atomicLoad32(end);\n",
      },
      {
        file: "assembly/wake.ts",
        find: "  // After the flag: whoever set it had taken the end before.\n  const number = atomicLoad32(end);\n",
        replace: "",
      },
    ],
  },
  {
    name: "whoever wakes notifies first and says so then",
    scenario: "parking: it sleeps again for the second",
    mistake: {
      file: "assembly/wake.ts",
      find: "  if (atomicExchange32(word, AWAKE) !== ASLEEP) return;\n  notify(word);",
      replace: "  notify(word);\n  if (atomicExchange32(word, AWAKE) !== ASLEEP) return;",
    },
  },
  {
    name: "a completion from another thread wakes nobody",
    scenario: "parking: the owner sleeps until its ubuf completes",
    mistake: {
      file: UBUF,
      find: "  answer(threadBlocks + (owner - 1) * THREAD_BYTES + THREAD_WANTS_COMPLETIONS, owner);",
      replace: "",
    },
  },
  {
    name: "a claim that began before one looks is not waited for",
    scenario: "running out: a run is claimed in vain",
    mistake: [
      { file: POOL, find: "  while (awaitClaims()) sum = returned();\n", replace: "" },
      { file: PAGE, find: "  countReturn();\n  answerMemory();\n", replace: "  answerMemory();\n" },
    ],
  },
  {
    name: "whoever finds no page does not look again",
    scenario: "running out: a run is claimed in vain",
    mistake: [
      { file: POOL, find: "  while (awaitClaims()) sum = returned();\n", replace: "" },
      {
        file: POOL,
        find: "    if (entry === 0 && !awaitClaims() && returned() === before) {",
        replace: "    if (entry === 0 && before !== 9999) {",
      },
    ],
  },
  {
    name: "who gives a chain to the depot tells nobody that waits for memory",
    scenario: "wanted: another thread releases a packet, and sleeps",
    mistake: {
      file: MAGAZINE,
      find: "  push(depot + DEPOT_CHAINS, link + LINK_CHAIN, below);\n  answerMemory();\n",
      replace: "  push(depot + DEPOT_CHAINS, link + LINK_CHAIN, below);\n",
    },
  },
  {
    name: "who waits for memory asks nobody to share",
    scenario: "wanted: a thread that was asked keeps nothing to itself",
    mistake: {
      file: "assembly/wanted.ts",
      find: "markMagazines(block, MAGAZINE_ASKED);",
      replace: "markMagazines(block, 0);",
    },
  },
  {
    name: "who was asked to share does so once",
    scenario: "wanted: a thread that was asked keeps nothing to itself",
    mistake: { file: "assembly/wanted.ts", find: "  if (shared < exchange) return;\n", replace: "" },
  },
  {
    name: "who frees a run tells nobody",
    scenario: "wanted: a run of pages is freed",
    mistake: {
      file: PAGE,
      find: "maskFrom(at, end));\n  }\n  tellReturn();\n",
      replace: "maskFrom(at, end));\n  }\n",
    },
  },
  {
    name: "a run is counted only before it is there",
    scenario: "wanted: a run of pages is freed",
    mistake: { file: PAGE, find: "  countReturn();\n  answerMemory();\n", replace: "  answerMemory();\n" },
  },
  {
    name: "who fetches a batch keeps it, though another thread waits",
    scenario: "wanted: a thread that was asked takes no more than it needs",
    mistake: {
      file: MAGAZINE,
      find: "if (n !== 1 && atomicLoad32(m + MAGAZINE_ASKS) !== 0) n",
      replace: "if (n === 0) n",
    },
  },
  {
    name: "who begins to spin looks at the others before it says so",
    scenario: "spinning: 2 threads, of which 1 may",
    mistake: [
      { file: PARK, find: "  atomicStore32(thread + THREAD_SPINS, 1);\n", replace: "" },
      {
        file: PARK,
        find: "  if (others <= most) return true;\n",
        replace:
          "  if (others < most) {\n    atomicStore32(thread + THREAD_SPINS, 1);\n    return true;\n  }\n",
      },
    ],
  },
  {
    name: "what is flushed leaves dressed skbs out",
    scenario: "wanted: another thread releases a packet, and sleeps",
    mistake: {
      file: MAGAZINE,
      find: "for (let kind: u32 = 0; kind < CLASSES; kind++) flush(",
      replace: "for (let kind: u32 = 0; kind < CLASSES - 5; kind++) flush(",
    },
  },
  {
    name: "who waits for memory does not ask for dressed skbs",
    scenario: "wanted: a thread that was asked keeps nothing to itself",
    mistake: {
      file: "assembly/wanted.ts",
      find: "for (let kind: u32 = 0; kind < CLASSES; kind++)",
      replace: "for (let kind: u32 = 0; kind < CLASSES - 5; kind++)",
    },
  },
  {
    name: "who waits for an skb does not ask whether a dressed one has come",
    scenario: "wanted: a struct, and another thread releases a packet",
    mistake: {
      file: POOL,
      find: "return wrapAdd(changes(CLASS_SKB), dressed());",
      replace: "return changes(CLASS_SKB);",
    },
  },
  {
    name: "the last one that shares a head keeps it as it is",
    scenario: "heads: one head: release, release",
    mistake: { file: SKB, find: "    clearShinfo(load32(skb + SKB_HEAD), bytes);\n", replace: "" },
  },
  {
    name: "dressed skbs are linked where they have their heads",
    scenario: "dressed: two threads allocate and release",
    mistake: {
      file: "assembly/layout.ts",
      find: "export const LINK_DRESSED: u32 = SKB_DATA;",
      replace: "export const LINK_DRESSED: u32 = SKB_NEXT;",
    },
  },
  {
    name: "a search for a run believes its hint",
    scenario: "running out: a run lies above where the last one was found",
    mistake: {
      file: PAGE,
      find: "  if (first === NO_PAGE && passed !== 0) first = claimRun(0, pageCount, n);\n",
      replace: "",
    },
  },
  {
    name: "a thread writes to its block after it has freed it",
    scenario: "leaving: one thread leaves, another takes its block",
    mistake: {
      file: "assembly/thread.ts",
      find: "  joinAs(0, 0);",
      replace: "  store32(thread + THREAD_NUMBER, 0);\n  joinAs(0, 0);",
    },
  },
  {
    name: "a thread says what it leaves after it has freed its block",
    scenario: "leaving: what a packet of another still carries is left to whoever takes the block",
    mistake: {
      file: "assembly/thread.ts",
      find: "  store32(thread + THREAD_LEFT, left);",
      replace: "  atomicStore32(thread + THREAD_STATE, THREAD_FREE);\n  store32(thread + THREAD_LEFT, left);",
    },
  },
];
