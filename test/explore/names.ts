// What lies at an address, in words: "depot[skb].blocks.tag", "page 3 refs", "thread 1 magazine[head0].count".

import * as L from "../../assembly/layout.js";

interface Words {
  word(address: number): number;
}

/** The constants of a group by their values: `{ 0: "handle", 4: "owner", ... }`. */
function fields(prefix: string, except: RegExp = /^$/): Map<number, string> {
  const found = new Map<number, string>();
  for (const [name, value] of Object.entries(L)) {
    if (!name.startsWith(prefix) || except.test(name)) continue;
    const words = name.slice(prefix.length).toLowerCase().split("_");
    const camel = words.map((word, i) => (i === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1)));
    if (!found.has(value)) found.set(value, camel.join(""));
  }
  return found;
}

const SKB = fields("SKB_", /_(SHIFT|BYTES)$/);
const UBUF = fields("UBUF_", /_(SHIFT|FREE|LIVE|DONE|SHARING|COPIED|CARRIED)$/);
const PAGE = fields("PAGE_", /_(SHIFT|BYTES)$/);
const SHINFO = fields("SHINFO_", /_(BYTES|CLEARED|FRAGS)$/);
const HEADER = fields("HEADER_", /_(BYTES)$/);
const THREAD = fields("THREAD_", /_(BYTES|FREE|LIVE)$/);
const RING = fields("RING_", /_(SHIFT|BYTES)$/);
const CLASSES = [
  ...["head0", "head1", "head2", "head3", "head4", "page", "skb", "ubuf"],
  ...["dressed0", "dressed1", "dressed2", "dressed3", "dressed4"],
];
const STACK = ["top", "tag"];
const LINKS = ["next", "chain", "count"];

function named(names: Map<number, string>, offset: number): string {
  return names.get(offset) ?? `+${offset}`;
}

function linked(names: Map<number, string>, link: number, offset: number): string {
  const as = LINKS[(offset - link) >>> 2];
  const name = named(names, offset);
  return as === undefined || offset < link || as === name ? name : `${name} (${as})`;
}

/** Names the addresses of an arena. */
export class Names {
  readonly #memory: Words;
  readonly #base: number;

  constructor(memory: Words, base: number) {
    this.#memory = memory;
    this.#base = base;
  }

  /** The name of an address as things are now. */
  of(p: number): string {
    const { threadBlocks, skbTable, ubufTable, ringTable, blockTable, pageTable, bitmap, firstPage } =
      this.#tables();
    if (p < this.#base) return `${p}`;
    if (p >= firstPage) return this.#inPage(p - firstPage, firstPage);
    if (p >= bitmap) return `bitmap word ${(p - bitmap) >>> 2}`;
    if (p >= pageTable)
      return `page ${(p - pageTable) >>> 5} ${linked(PAGE, L.LINK_PAGE, (p - pageTable) & 31)}`;
    if (p >= blockTable) return blockName(p - blockTable, this.#memory.word(this.#base + L.HEADER_EXCHANGE));
    if (p >= ringTable)
      return `ring ${(p - ringTable) >>> L.RING_SHIFT} ${named(RING, (p - ringTable) & 255)}`;
    if (p >= ubufTable)
      return `ubuf ${(p - ubufTable) >>> 5} ${linked(UBUF, L.LINK_UBUF, (p - ubufTable) & 31)}`;
    if (p >= skbTable) return `skb ${(p - skbTable) >>> 7} ${linked(SKB, L.LINK_SKB, (p - skbTable) & 127)}`;
    if (p >= threadBlocks) return threadName(p - threadBlocks);
    return headerName(p - this.#base);
  }

  #tables() {
    const at = (offset: number): number => this.#memory.word(this.#base + offset);
    return {
      threadBlocks: at(L.HEADER_THREAD_BLOCKS),
      skbTable: at(L.HEADER_SKB_TABLE),
      ubufTable: at(L.HEADER_UBUF_TABLE),
      ringTable: at(L.HEADER_RING_TABLE),
      blockTable: at(L.HEADER_BLOCK_TABLE),
      pageTable: at(L.HEADER_PAGE_TABLE),
      bitmap: at(L.HEADER_BITMAP),
      firstPage: at(L.HEADER_FIRST_PAGE),
    };
  }

  #inPage(offset: number, firstPage: number): string {
    const page = offset >>> L.PAGE_SHIFT;
    const within = offset & (L.PAGE_BYTES - 1);
    const entry = this.#tables().pageTable + (page << L.PAGE_ENTRY_SHIFT);
    if (this.#memory.word(entry + L.PAGE_KIND) !== L.KIND_SLAB) return `page ${page} byte ${within}`;
    const headClass = this.#memory.word(entry + L.PAGE_SPAN);
    const bytes = headClass === 0 ? L.SMALLEST_HEAD : 2 ** (headClass + L.HEAD_CLASS_SHIFT);
    const head = `head ${firstPage + page * L.PAGE_BYTES + within - (within % bytes)}`;
    const byte = within % bytes;
    const info = byte - (bytes - L.SHINFO_BYTES);
    if (info < 0) return `${head} byte ${byte}`;
    if (info < L.SHINFO_FRAGS) return `${head} ${linked(SHINFO, L.LINK_SHINFO, info)}`;
    const i = (info - L.SHINFO_FRAGS) >>> L.FRAG_SHIFT;
    return `${head} frag ${i} ${(info & 4) === 0 ? "address" : "size"}`;
  }
}

function blockName(offset: number, exchange: number): string {
  const shift = 32 - Math.clz32(4 * exchange + 3);
  const word = (offset & ((1 << shift) - 1)) >>> 2;
  return `block ${offset >>> shift} ${word === 0 ? "next" : `object ${word - 1}`}`;
}

function threadName(offset: number): string {
  const thread = `thread ${Math.floor(offset / L.THREAD_BYTES) + 1}`;
  const within = offset % L.THREAD_BYTES;
  if (within >= L.THREAD_MAGAZINES) {
    const at = within - L.THREAD_MAGAZINES;
    const word = (at & ((1 << L.MAGAZINE_SHIFT) - 1)) >>> 2;
    const magazine = `${thread} magazine[${CLASSES[at >>> L.MAGAZINE_SHIFT]}]`;
    return word < 2 ? `${magazine}.${["count", "asks"][word]}` : `${magazine} object ${word - 2}`;
  }
  if (within >= L.THREAD_SCRATCH) return `${thread} scratch +${within - L.THREAD_SCRATCH}`;
  if (within >= L.THREAD_COUNTERS) return `${thread} counter ${(within - L.THREAD_COUNTERS) >>> 2}`;
  return `${thread} ${named(THREAD, within)}`;
}

function headerName(offset: number): string {
  if (offset >= L.HEADER_DEPOTS && offset < L.HEADER_RETURNS) {
    const at = offset - L.HEADER_DEPOTS;
    const within = at & ((1 << L.DEPOT_SHIFT) - 1);
    const depot = `depot[${CLASSES[at >>> L.DEPOT_SHIFT] ?? at >>> L.DEPOT_SHIFT}]`;
    return `${depot}.${within < L.DEPOT_CHAINS ? "blocks" : "chains"}.${STACK[(within >>> 2) & 1]}`;
  }
  if (offset >= L.HEADER_EMPTY_BLOCKS && offset < L.HEADER_EMPTY_BLOCKS + 8)
    return `empty blocks.${STACK[(offset - L.HEADER_EMPTY_BLOCKS) >>> 2]}`;
  const slabs = (offset - L.HEADER_SLAB_FREE) >>> 2;
  if (offset >= L.HEADER_SLAB_FREE && slabs < L.HEAD_CLASSES) return `slab free[${CLASSES[slabs]}]`;
  return named(HEADER, offset);
}
