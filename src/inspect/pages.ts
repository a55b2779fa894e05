// The page map: for each page of the arena what it is, who holds it and how often. What a picture of the arena is made of;
// the audit is what proves things.

import {
  CLASS_PAGE,
  ERROR_LIMIT,
  FRAG_ADDRESS,
  FRAG_SHIFT,
  FRAG_SIZE,
  HEADER_CARVED_SKBS,
  HEADER_FIRST_PAGE,
  HEADER_PAGE_TABLE,
  HEADER_PAGES,
  HEADER_RING_TABLE,
  HEADER_RINGS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  KIND_FRAG,
  KIND_FREE,
  KIND_HEAD,
  KIND_RING,
  KIND_SLAB,
  KIND_TAIL,
  KIND_USER,
  MAGAZINE_COUNT,
  MAGAZINE_OBJECTS,
  MAGAZINE_SHIFT,
  MAX_FRAGS,
  OWNER_LIST,
  OWNER_RING,
  PAGE_ENTRY_SHIFT,
  PAGE_KIND,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SHIFT,
  PAGE_SPAN,
  RING_LIFE,
  RING_MASK,
  RING_REFS_MASK,
  RING_SHIFT,
  RING_SLOTS,
  SHINFO_BYTES,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST,
  SHINFO_FRAGS,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HEAD,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SHARES,
  SKB_SHIFT,
  THREAD_BYTES,
  THREAD_MAGAZINES,
} from "../../assembly/layout.js";
import { BASE } from "../arena.js";
import type { Words } from "../core/words.js";
import { checkEngine, type Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";

/**
 * What a page is.
 *
 * @example
 * const { kinds } = pageMap(engine);
 * kinds.includes(PageKind.region); // → true
 */
export const PageKind = {
  /** Nobody's, or kept by a thread in its magazine. */
  free: 0,
  /** Bytes of packets behind their heads, or memory that a file or socket is read into. */
  frag: 1,
  /** Several heads of packets. */
  slab: 2,
  /** Of a head that is longer than a page. */
  head: 3,
  /** Of a user region. */
  region: 4,
  /** The slots of a ring, which are handles. */
  ring: 6,
} as const;

/**
 * Who holds a page: nobody, a thread by its number (1..64), `several`, or from `ring` on the ring of that number.
 *
 * @example
 * const ring = new Ring(engine);
 * pageMap(engine).owners.filter((owner) => owner >= PageOwner.ring).length; // → 1
 */
export const PageOwner = {
  /** A free page that no thread keeps, or one whose holder was not found. */
  nobody: 0,
  /** More than one thread or ring. */
  several: 255,
  /** The first ring; the others follow. */
  ring: 256,
} as const;

/** Of each page, from the arena's first one on. Plain arrays, so that `postMessage` takes it. */
export interface PageMap {
  /** PageKind. */
  readonly kinds: Uint8Array;
  /**
   * PageOwner: whoever has the packets whose bytes or heads are in the page; of a region's page that no packet refers to,
   * who made the region; of a free page, the thread that keeps it in its magazine.
   */
  readonly owners: Uint16Array;
  /** Frags that refer to the page's run, and a region's own reference; of heads, the packets that have them. */
  readonly references: Uint32Array;
}

/** A map with room for `pages`: `into` if it has that, else a new one. @throws ArgumentTypeError */
function roomFor(into: PageMap | undefined, pages: number): PageMap {
  if (into === undefined)
    return {
      kinds: new Uint8Array(pages),
      owners: new Uint16Array(pages),
      references: new Uint32Array(pages),
    };
  const fits =
    into?.kinds instanceof Uint8Array &&
    into.owners instanceof Uint16Array &&
    into.references instanceof Uint32Array &&
    [into.kinds, into.owners, into.references].every(({ length }) => length === pages);
  if (!fits) throw new ArgumentTypeError("into", `a page map of ${pages} pages`, into);
  return into;
}

/**
 * What each page of the arena is, who holds it and how many references it has: for a picture of the arena, or to see
 * where memory went. Fills `into`, a map of this engine, so that it can be called often; returns it, or a new map.
 * Takes time in proportion to the pages and packets, some 0.1 ms for 8 MiB.
 *
 * Exact while no other thread runs. While others do, each page is as it was at some moment of the reading, and these
 * moments differ: a packet that was handed over meanwhile may be seen twice or not at all, for this reading.
 *
 * @throws EngineClosedError, ArgumentTypeError if `into` is no map of as many pages
 * @example
 * const map = pageMap(engine);
 * skb.addPageFrag(3 * 4096);
 * pageMap(engine, map).kinds.filter((kind) => kind === PageKind.frag).length; // → 3
 */
export function pageMap(engine: Engine, into?: PageMap): PageMap {
  const { _heap: heap } = checkEngine(engine);
  const map = roomFor(into, heap.word(BASE + HEADER_PAGES));
  new Reader(heap, BASE, map).read();
  return map;
}

/**
 * Reads while others write, so that no word need fit another: whatever leads outside of the arena is passed over, and no loop
 * is longer than the tables.
 */
class Reader {
  readonly #memory: Words;
  readonly #base: number;
  readonly #map: PageMap;
  readonly #pages: number;
  readonly #pageTable: number;
  readonly #firstPage: number;
  readonly #skbTable: number;
  readonly #skbs: number;
  /** Members of frag lists that may still be visited: a list that changes meanwhile may lead in a circle. */
  #members: number;

  constructor(memory: Words, base: number, map: PageMap) {
    this.#memory = memory;
    this.#base = base;
    this.#map = map;
    this.#pages = map.kinds.length;
    this.#pageTable = this.#header(HEADER_PAGE_TABLE);
    this.#firstPage = this.#header(HEADER_FIRST_PAGE);
    this.#skbTable = this.#header(HEADER_SKB_TABLE);
    this.#skbs = Math.min(this.#header(HEADER_CARVED_SKBS), this.#header(HEADER_SKBS));
    this.#members = this.#skbs;
  }

  read(): void {
    this.#entries();
    this.#magazines();
    this.#rings();
    for (let i = ERROR_LIMIT; i < this.#skbs; i++) {
      const skb = this.#skbTable + (i << SKB_SHIFT);
      const owner = this.#word(skb + SKB_OWNER);
      if (owner === 0 || owner === OWNER_LIST) continue;
      this.#packet(skb, owner >= OWNER_RING ? PageOwner.ring + owner - OWNER_RING : owner);
    }
    this.#regions();
  }

  #word(address: number): number {
    return this.#memory.word(address) ?? 0;
  }

  #header(offset: number): number {
    return this.#word(this.#base + offset);
  }

  #entry(page: number): number {
    return this.#pageTable + page * 2 ** PAGE_ENTRY_SHIFT;
  }

  /** The page of an address; below 0 or past the last for one that is in none. */
  #page(address: number): number {
    return Math.floor((address - this.#firstPage) / 2 ** PAGE_SHIFT);
  }

  // ─── What the pages say themselves ───────────────────────────────────────────────────────────────────

  #entries(): void {
    const { kinds, owners, references } = this.#map;
    owners.fill(PageOwner.nobody);
    for (let page = 0; page < this.#pages; page++) {
      let entry = this.#entry(page);
      if (this.#word(entry + PAGE_KIND) === KIND_TAIL) {
        const first = page - this.#word(entry + PAGE_SPAN);
        if (first >= 0) entry = this.#entry(first);
      }
      const kind = this.#word(entry + PAGE_KIND);
      kinds[page] = kind === KIND_TAIL ? KIND_FREE : kind;
      references[page] = kind === KIND_FRAG || kind === KIND_USER ? this.#word(entry + PAGE_REFS) : 0;
    }
  }

  #magazines(): void {
    const most = ((1 << MAGAZINE_SHIFT) - MAGAZINE_OBJECTS) / 4;
    for (let thread = 1; thread <= this.#header(HEADER_THREADS); thread++) {
      const block = this.#header(HEADER_THREAD_BLOCKS) + (thread - 1) * THREAD_BYTES;
      const magazine = block + THREAD_MAGAZINES + (CLASS_PAGE << MAGAZINE_SHIFT);
      const count = Math.min(this.#word(magazine + MAGAZINE_COUNT), most);
      for (let i = 0; i < count; i++) {
        const entry = this.#word(magazine + MAGAZINE_OBJECTS + i * 4);
        const page = (entry - this.#pageTable) / 2 ** PAGE_ENTRY_SHIFT;
        if (this.#map.kinds[page] === KIND_FREE) this.#map.owners[page] = thread;
      }
    }
  }

  #rings(): void {
    const table = this.#header(HEADER_RING_TABLE);
    for (let r = 0; r < this.#header(HEADER_RINGS); r++) {
      const ring = table + (r << RING_SHIFT);
      if ((this.#word(ring + RING_LIFE) & RING_REFS_MASK) === 0) continue;
      const bytes = (this.#word(ring + RING_MASK) + 1) * 4;
      this.#hold(this.#word(ring + RING_SLOTS), bytes, PageOwner.ring + r, KIND_RING);
    }
  }

  /** Who made a region has the pages of it that nobody else has. */
  #regions(): void {
    const { kinds, owners } = this.#map;
    for (let page = 0; page < this.#pages; page++) {
      if (kinds[page] !== KIND_USER || owners[page] !== PageOwner.nobody) continue;
      const entry = this.#entry(page);
      const back = this.#word(entry + PAGE_KIND) === KIND_TAIL ? this.#word(entry + PAGE_SPAN) : 0;
      if (back <= page) owners[page] = this.#word(this.#entry(page - back) + PAGE_OWNER);
    }
  }

  // ─── What the packets say ────────────────────────────────────────────────────────────────────────────

  #packet(skb: number, owner: number): void {
    this.#data(skb, owner);
    if (this.#word(skb + SKB_SHARES) === 0) return;
    let member = this.#word(this.#word(skb + SKB_END) + SHINFO_FRAG_LIST);
    for (; member !== 0 && this.#members > 0; member = this.#word(member + SKB_NEXT)) {
      this.#members--;
      this.#data(member, owner);
    }
  }

  #data(skb: number, owner: number): void {
    const head = this.#word(skb + SKB_HEAD);
    const end = this.#word(skb + SKB_END);
    const { kinds, references } = this.#map;
    const page = this.#page(head);
    const kind = kinds[page];
    if (kind !== KIND_SLAB && kind !== KIND_HEAD) return;
    references[page] = (references[page] as number) + 1;
    this.#hold(head, end + SHINFO_BYTES - head, owner, kind);
    for (let next = page + 1; kind === KIND_HEAD && next <= this.#page(end); next++)
      references[next] = references[page] as number;
    if (this.#word(skb + SKB_DATA_LEN) === 0) return;
    const n = Math.min(this.#word(end + SHINFO_FRAG_COUNT), MAX_FRAGS);
    for (let i = 0; i < n; i++) {
      const frag = end + SHINFO_FRAGS + (i << FRAG_SHIFT);
      this.#hold(this.#word(frag + FRAG_ADDRESS), this.#word(frag + FRAG_SIZE), owner, 0);
    }
  }

  /** `owner` holds the pages in which the bytes lie. `kind`: what they must be; 0 for those of frags. */
  #hold(address: number, bytes: number, owner: number, kind: number): void {
    const { kinds, owners } = this.#map;
    const first = this.#page(address);
    const last = Math.min(this.#page(address + bytes - 1), this.#pages - 1);
    for (let page = Math.max(first, 0); page <= last; page++) {
      const is = kinds[page];
      if (kind === 0 ? is !== KIND_FRAG && is !== KIND_USER : is !== kind) continue;
      const known = owners[page];
      owners[page] = known === PageOwner.nobody || known === owner ? owner : PageOwner.several;
    }
  }
}
