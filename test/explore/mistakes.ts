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
        find: "slots !== 0 && word - slots === tag && atomicCas32",
        replace: "slots !== 0 && atomicCas32",
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
];
