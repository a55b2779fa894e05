// What an audit checks: that every object is in exactly one place, and every count is the number of references that there are. It
// changes nothing and trusts nothing but the layout.

import {
  BLOCK_NEXT,
  BLOCK_OBJECTS,
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  COUNT_GIVEN,
  COUNT_TAKEN,
  DEPOT_BLOCKS,
  DEPOT_CHAINS,
  DEPOT_SHIFT,
  ERROR_LIMIT,
  FRAG_ADDRESS,
  FRAG_SHIFT,
  FRAG_SIZE,
  HANDLE_MASK,
  HEAD_CLASS_SHIFT,
  HEAD_CLASSES,
  HEADER_BITMAP,
  HEADER_CARVED_BLOCKS,
  HEADER_CARVED_SKBS,
  HEADER_CARVED_UBUFS,
  HEADER_CLAIMS,
  HEADER_DEPOTS,
  HEADER_EMPTY_BLOCKS,
  HEADER_EXCHANGE,
  HEADER_FIRST_PAGE,
  HEADER_PAGE_TABLE,
  HEADER_PAGES,
  HEADER_RING_TABLE,
  HEADER_RINGS,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  HEADER_SLAB_FREE,
  HEADER_THREAD_BLOCKS,
  HEADER_THREADS,
  HEADER_UBUF_TABLE,
  HEADER_UBUFS,
  KIND_FRAG,
  KIND_FREE,
  KIND_HEAD,
  KIND_RING,
  KIND_SLAB,
  KIND_TAIL,
  KIND_USER,
  LINK_CHAIN,
  LINK_COUNT,
  LINK_NEXT,
  LINK_PAGE,
  LINK_SHINFO,
  LINK_SKB,
  LINK_UBUF,
  MAGAZINE_COUNT,
  MAGAZINE_OBJECTS,
  MAGAZINE_SHIFT,
  MAX_FRAGS,
  MAX_ROOM,
  OWNER_LIST,
  OWNER_RING,
  PAGE_BYTES,
  PAGE_ENTRY_SHIFT,
  PAGE_KIND,
  PAGE_OWNER,
  PAGE_REFS,
  PAGE_SLOTS,
  PAGE_SPAN,
  POSITION_MASK,
  RING_CHANGING,
  RING_CONSUMER,
  RING_HEAD,
  RING_LIFE,
  RING_MASK,
  RING_MOST,
  RING_PRODUCER,
  RING_REFS_MASK,
  RING_SHIFT,
  RING_SLOTS,
  RING_STAGED,
  RING_TAIL,
  SHINFO_BYTES,
  SHINFO_DATAREF,
  SHINFO_FRAG_COUNT,
  SHINFO_FRAG_LIST,
  SHINFO_FRAG_LIST_TAIL,
  SHINFO_FRAGS,
  SHINFO_RESERVED,
  SHINFO_UBUF,
  SKB_BYTES,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HANDLE,
  SKB_HEAD,
  SKB_LEN,
  SKB_MAC_HEADER,
  SKB_NETWORK_HEADER,
  SKB_NEXT,
  SKB_OWNER,
  SKB_SECOND,
  SKB_SHARES,
  SKB_TRANSPORT_HEADER,
  SKB_USERS,
  SLOTS_CLASS_SHIFT,
  SLOTS_MASK,
  SMALLEST_HEAD,
  STACK_TOP,
  THREAD_BYTES,
  THREAD_COUNTERS,
  THREAD_LIVE,
  THREAD_LOCAL,
  THREAD_MAGAZINES,
  THREAD_NUMBER,
  THREAD_REMOTE,
  THREAD_STATE,
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
} from "../../assembly/layout.js";
import type { Words } from "../core/words.js";
import { type LivePacket, liveThreads, ownerName, packetsOf } from "../holders.js";

/** What an audit found. */
export interface AuditReport {
  /** Whether there are no problems. */
  readonly clean: boolean;
  /** Whether everything was checked: no other thread changed anything meanwhile. */
  readonly complete: boolean;
  /** What was not checked, because other threads were changing it. */
  readonly unchecked: readonly string[];
  /** Each object that is not where, or not referred to as often as, it should be. */
  readonly problems: readonly string[];
  /** Every packet that is out, members of frag lists not included. */
  readonly packets: readonly LivePacket[];
  /** ubufs that are live or wait for their callback. */
  readonly ubufs: number;
  /** Free pages, those included that are in magazines and depots. */
  readonly freePages: number;
  /** Pages of frags and regions. */
  readonly dataPages: number;
  /** Pages of heads. */
  readonly headPages: number;
  /** Pages of rings' slots. */
  readonly ringPages: number;
}

type PageCounts = Pick<AuditReport, "freePages" | "dataPages" | "headPages" | "ringPages">;

/** Heads and their ends lie at cache lines. */
const SHINFO_ALIGNMENT = 64;
/** All bits that a ubuf's state can have. */
const UBUF_STATES = UBUF_LIVE | UBUF_DONE | UBUF_SHARING | UBUF_COPIED | UBUF_CARRIED;
/** One reading of an arena: what is wrong in it, if nobody changes it meanwhile. */
export class Audit {
  readonly #memory: Words;
  readonly #base: number;
  readonly #problems: string[] = [];
  /** Free objects of each class: in a magazine or a depot. */
  readonly #free: Set<number>[] = [];
  readonly #frags = new Map<number, number>(); // page entry → frags that point into it
  readonly #carriers = new Map<number, number>(); // ubuf → heads that carry it
  readonly #heads = new Map<number, { skbs: number[]; bytes: number }>(); // shared info → who refers to it
  readonly #members = new Set<number>();
  readonly #slabHeads = new Map<number, number>(); // slab entry → heads accounted for
  readonly #attached: Set<number>;
  readonly #pageTable: number;
  readonly #pages: number;
  readonly #firstPage: number;

  constructor(memory: Words, base: number) {
    this.#memory = memory;
    this.#base = base;
    this.#attached = new Set(liveThreads(memory, base));
    this.#pageTable = this.#header(HEADER_PAGE_TABLE);
    this.#pages = this.#header(HEADER_PAGES);
    this.#firstPage = this.#header(HEADER_FIRST_PAGE);
  }

  run(): AuditReport {
    for (let c = 0; c < HEAD_CLASSES; c++)
      this.#collect(CLASS_HEADS + c, headBytes(c) - SHINFO_BYTES + LINK_SHINFO);
    this.#collect(CLASS_PAGE, LINK_PAGE);
    this.#collect(CLASS_SKB, LINK_SKB);
    this.#collect(CLASS_UBUF, LINK_UBUF);
    this.#checkBlocks();
    this.#threads();
    this.#rings();
    const packets = this.#skbs();
    for (const [shinfo, head] of this.#heads) this.#head(shinfo, head.skbs, head.bytes);
    for (const skb of this.#owned)
      if (!this.#members.has(skb)) this.#bad(`skb ${skb}: owned by a frag list, in none`);
    const ubufs = this.#ubufs();
    const pages = this.#pageEntries();
    return this.#report([], packets, { ubufs, ...pages });
  }

  /** What can be said while other threads run: that this thread's packets are whole. */
  own(thread: number, others: readonly number[]): AuditReport {
    const packets = packetsOf(this.#memory, this.#base, thread);
    const table = this.#header(HEADER_SKB_TABLE);
    const mask = this.#header(HEADER_SKBS) - 1;
    for (const { handle } of packets) this.#data(handle & mask, table + (handle & mask) * SKB_BYTES);
    for (const [shinfo, { skbs, bytes }] of this.#heads) {
      const refs = this.#word(shinfo + SHINFO_DATAREF);
      const name = `head at ${shinfo + SHINFO_BYTES - bytes}`;
      if (refs < skbs.length) this.#bad(`${name}: dataref ${refs}, ${skbs.length} skbs of this thread`);
      this.#place(name, shinfo + SHINFO_BYTES - bytes, bytes);
      this.#behind(name, shinfo);
    }
    for (const [entry, frags] of this.#frags) {
      const refs = this.#word(entry + PAGE_REFS);
      if (refs < frags)
        this.#bad(`page ${this.#indexOf(entry)}: refs ${refs}, ${frags} frags of this thread`);
    }
    const names = others.length === 1 ? `thread ${others[0]}` : `threads ${others.join(", ")}`;
    const who = others.length === 0 ? "a thread that is gone" : names;
    const unchecked = [`free lists, rings, counts, and packets of others: ${who} changed them meanwhile`];
    return this.#report(unchecked, packets, {
      ubufs: 0,
      freePages: 0,
      dataPages: 0,
      headPages: 0,
      ringPages: 0,
    });
  }

  #report(
    unchecked: readonly string[],
    packets: readonly LivePacket[],
    numbers: Pick<AuditReport, "ubufs"> & PageCounts,
  ): AuditReport {
    const problems = this.#problems;
    return {
      clean: problems.length === 0,
      complete: unchecked.length === 0,
      unchecked,
      problems,
      packets,
      ...numbers,
    };
  }

  readonly #owned: number[] = []; // skbs that say that a frag list owns them

  #word(address: number): number {
    // What is wrong may lead outside of the memory, where there is nothing.
    return this.#memory.word(address) ?? 0;
  }

  /** Slots of a table that were ever given out: no more than it has, whatever the header says. */
  #carved(what: string, cursor: number, total: number): number {
    const carved = this.#header(cursor);
    const most = this.#header(total);
    if (carved > most) this.#bad(`${what}: ${carved} slots carved, of ${most}`);
    return Math.min(carved, most);
  }

  /** Whether there is a thread of that number. A ubuf or region that is still out can outlive the worker that made it. */
  #isThread(number: number): boolean {
    return number >= 1 && number <= this.#header(HEADER_THREADS);
  }

  /** Whether an owner word names somebody: a thread that is attached, a frag list, or a ring. */
  #isOwner(owner: number): boolean {
    if (owner >= OWNER_RING) return owner - OWNER_RING < this.#header(HEADER_RINGS);
    return owner === OWNER_LIST || this.#attached.has(owner);
  }

  #header(offset: number): number {
    return this.#word(this.#base + offset);
  }

  #bad(problem: string): void {
    this.#problems.push(problem);
  }

  // ─── Free objects ────────────────────────────────────────────────────────────────────────────────────

  #collect(kind: number, link: number): void {
    const free = new Set<number>();
    this.#free[kind] = free;
    const batch = this.#header(HEADER_EXCHANGE);
    const add = (where: string, object: number): void => {
      if (free.has(object)) this.#bad(`${where}: ${object} is free twice`);
      free.add(object);
    };
    const threads = this.#header(HEADER_THREAD_BLOCKS);
    for (let t = 0; t < this.#header(HEADER_THREADS); t++) {
      const where = `class ${kind}, thread ${t + 1}`;
      const m = threads + t * THREAD_BYTES + THREAD_MAGAZINES + (kind << MAGAZINE_SHIFT);
      const count = this.#word(m + MAGAZINE_COUNT);
      if (count > 2 * batch) this.#bad(`${where}: ${count} objects, more than ${2 * batch}`);
      for (let i = 0; i < Math.min(count, 2 * batch); i++)
        add(where, this.#word(m + MAGAZINE_OBJECTS + i * 4));
    }
    const where = `class ${kind}, depot`;
    const depot = this.#base + HEADER_DEPOTS + (kind << DEPOT_SHIFT);
    let inDepot = 0;
    this.#stack(depot + DEPOT_BLOCKS, BLOCK_NEXT, (block) => {
      this.#block(where, block);
      for (let i = 0; i < batch; i++) add(where, this.#word(block + BLOCK_OBJECTS + i * 4));
      inDepot += batch;
    });
    this.#stack(depot + DEPOT_CHAINS, link + LINK_CHAIN, (first) => {
      const count = this.#word(first + link + LINK_COUNT);
      if (count > 2 * batch) this.#bad(`${where}: a chain of ${count}`);
      let object = first;
      for (let i = 0; i < Math.min(count, 2 * batch); i++) {
        add(where, object);
        object = this.#word(object + link + LINK_NEXT);
      }
      if (object !== 0) this.#bad(`${where}: a chain is longer than its ${count}`);
      inDepot += count;
    });
    let said = 0;
    for (let t = 0; t < this.#header(HEADER_THREADS); t++) {
      const counters = threads + t * THREAD_BYTES + THREAD_COUNTERS;
      said +=
        this.#word(counters + (COUNT_GIVEN + kind) * 4) - this.#word(counters + (COUNT_TAKEN + kind) * 4);
    }
    said >>>= 0;
    if (said !== inDepot) this.#bad(`${where}: says ${said} objects, has ${inDepot}`);
  }

  /** Visits what lies on a stack, from the top. */
  #stack(stack: number, next: number, visit: (item: number) => void): void {
    const seen = new Set<number>();
    for (let item = this.#word(stack + STACK_TOP); item !== 0; item = this.#word(item + next)) {
      if (seen.has(item)) {
        this.#bad(`stack at ${stack}: leads in a circle`);
        return;
      }
      seen.add(item);
      visit(item);
    }
  }

  readonly #blocks = new Set<number>();

  #block(where: string, block: number): void {
    if (this.#blocks.has(block)) this.#bad(`${where}: block ${block} is in two places`);
    this.#blocks.add(block);
  }

  /** That every block that was ever used is empty, or in one depot. */
  #checkBlocks(): void {
    this.#stack(this.#base + HEADER_EMPTY_BLOCKS, BLOCK_NEXT, (block) => this.#block("empty blocks", block));
    const carved = this.#header(HEADER_CARVED_BLOCKS);
    if (this.#blocks.size !== carved)
      this.#bad(`blocks: ${carved} in use, ${this.#blocks.size} accounted for`);
  }

  /** That each thread block says which it is, and whether anybody has it. */
  #threads(): void {
    for (let t = 0; t < this.#header(HEADER_THREADS); t++) {
      const block = this.#header(HEADER_THREAD_BLOCKS) + t * THREAD_BYTES;
      const state = this.#word(block + THREAD_STATE);
      const number = this.#word(block + THREAD_NUMBER);
      if (state > THREAD_LIVE || (state === THREAD_LIVE && number !== t + 1))
        this.#bad(`thread ${t + 1}: state ${state}, number ${number}`);
    }
  }

  // ─── Rings ───────────────────────────────────────────────────────────────────────────────────────────

  readonly #inRings = new Map<number, number>(); // skb → ring, by its place in the table
  readonly #ringPages = new Map<number, number>(); // page entry → ring

  #rings(): void {
    const table = this.#header(HEADER_RING_TABLE);
    const mask = this.#header(HEADER_SKBS) - 1;
    for (let r = 0; r < this.#header(HEADER_RINGS); r++) {
      const ring = table + (r << RING_SHIFT);
      const refs = this.#word(ring + RING_LIFE) & RING_REFS_MASK;
      if (refs === 0) continue;
      if (refs === RING_CHANGING) {
        this.#bad(`ring ${r}: being made or given up`);
        continue;
      }
      const capacity = this.#word(ring + RING_MASK) + 1;
      if (capacity > RING_MOST || (capacity & (capacity - 1)) !== 0) {
        this.#bad(`ring ${r}: room for ${capacity}`);
        continue;
      }
      for (const end of [RING_PRODUCER, RING_CONSUMER]) {
        const owner = this.#word(ring + end);
        if (owner !== 0 && !this.#attached.has(owner))
          this.#bad(`ring ${r}: an end of thread ${owner}, who is nobody`);
      }
      const head = this.#word(ring + RING_HEAD);
      const size = (this.#word(ring + RING_TAIL) - head) & POSITION_MASK;
      if (size > capacity) this.#bad(`ring ${r}: ${size} packets, has room for ${capacity}`);
      if (this.#word(ring + RING_STAGED) !== 0) this.#bad(`ring ${r}: packets staged and not published`);
      const slots = this.#word(ring + RING_SLOTS);
      if (slots % PAGE_BYTES !== 0) this.#bad(`ring ${r}: slots at ${slots}, within a page`);
      this.#ringPages.set(this.#entryOf(slots), r);
      for (let i = 0; i < Math.min(size, capacity); i++) {
        const handle = this.#word(slots + ((head + i) & (capacity - 1)) * 4);
        const skb = this.#header(HEADER_SKB_TABLE) + (handle & mask) * SKB_BYTES;
        if (this.#word(skb + SKB_HANDLE) !== handle) this.#bad(`ring ${r}: has stale handle ${handle}`);
        if (this.#inRings.has(skb)) this.#bad(`ring ${r}: has skb ${handle}, which is in a ring already`);
        this.#inRings.set(skb, r);
      }
    }
  }

  // ─── skbs and their heads ────────────────────────────────────────────────────────────────────────────

  #skbs(): LivePacket[] {
    const packets: LivePacket[] = [];
    const table = this.#header(HEADER_SKB_TABLE);
    const carved = this.#carved("skbs", HEADER_CARVED_SKBS, HEADER_SKBS);
    const free = this.#free[CLASS_SKB] as Set<number>;
    for (let i = ERROR_LIMIT; i < carved; i++) {
      const skb = table + i * SKB_BYTES;
      const users = this.#word(skb + SKB_USERS);
      const owner = this.#word(skb + SKB_OWNER);
      if (free.delete(skb)) {
        if (users !== 0 || owner !== 0) this.#bad(`skb ${i}: free, with ${users} users and owner ${owner}`);
        continue;
      }
      if (users === 0 || owner === 0) {
        this.#bad(`skb ${i}: lost (${users} users, owner ${owner})`);
        continue;
      }
      const inRing = this.#inRings.get(skb);
      if (owner >= OWNER_RING ? inRing !== owner - OWNER_RING || users !== 1 : inRing !== undefined)
        this.#bad(`skb ${i}: owner ${ownerName(owner)}, ${users} users, in ring ${inRing ?? "none"}`);
      else if (!this.#isOwner(owner)) this.#bad(`skb ${i}: owner ${owner}, who is nobody`);
      if (owner === OWNER_LIST) this.#owned.push(skb);
      else {
        const [handle, length] = [this.#word(skb + SKB_HANDLE), this.#word(skb + SKB_LEN)];
        packets.push({ handle, length, users, owner: ownerName(owner) });
      }
      const handle = this.#word(skb + SKB_HANDLE);
      if (handle > HANDLE_MASK || (handle & (this.#header(HEADER_SKBS) - 1)) !== i)
        this.#bad(`skb ${i}: handle ${handle}, of another slot`);
      this.#data(i, skb);
    }
    for (const skb of free) this.#bad(`skb at ${skb}: free, but never carved`);
    return packets;
  }

  /** One skb's own part of its data: the order of its borders, and its reference to the head. */
  #data(i: number, skb: number): void {
    const head = this.#word(skb + SKB_HEAD);
    const end = this.#word(skb + SKB_END);
    const data = this.#word(skb + SKB_DATA);
    const tail = data + this.#word(skb + SKB_LEN) - this.#word(skb + SKB_DATA_LEN);
    if (!(head <= data && data <= tail && tail <= end && end % SHINFO_ALIGNMENT === 0))
      this.#bad(`skb ${i}: ${head} ${data} ${tail} ${end} not in order`);
    for (const flag of [SKB_SHARES, SKB_SECOND]) {
      const value = this.#word(skb + flag);
      if (value > 1) this.#bad(`skb ${i}: flag at ${flag} is ${value}`);
    }
    for (const field of [SKB_MAC_HEADER, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER]) {
      // Counted from the head, plus one. It stays where it was when what it marks is cut off and the rest moves to a smaller head, so
      // any head's length will do.
      const value = this.#word(skb + field);
      if (value > MAX_ROOM + 1) this.#bad(`skb ${i}: header at ${value - 1}, past any head`);
    }
    const known = this.#heads.get(end);
    const bytes = end + SHINFO_BYTES - head;
    if (known === undefined) this.#heads.set(end, { skbs: [skb], bytes });
    else {
      known.skbs.push(skb);
      if (known.bytes !== bytes)
        this.#bad(`head at ${head}: ${bytes} bytes for one skb, ${known.bytes} for another`);
    }
  }

  #head(shinfo: number, skbs: readonly number[], bytes: number): void {
    const head = shinfo + SHINFO_BYTES - bytes;
    const name = `head at ${head}`;
    const refs = this.#word(shinfo + SHINFO_DATAREF);
    if (refs !== skbs.length) this.#bad(`${name}: dataref ${refs}, ${skbs.length} skbs`);
    this.#place(name, head, bytes);
    const { dataLength, userFrags } = this.#behind(name, shinfo);
    const hangs = skbs.length > 1 || this.#word(shinfo + SHINFO_FRAG_LIST) !== 0;
    for (const skb of skbs) {
      if (hangs && this.#word(skb + SKB_SHARES) === 0)
        this.#bad(`${name}: skb ${skb} does not know what it shares`);
      const says = this.#word(skb + SKB_DATA_LEN);
      if (says !== dataLength) this.#bad(`${name}: ${dataLength} bytes behind it, an skb says ${says}`);
    }
    const ubuf = this.#word(shinfo + SHINFO_UBUF);
    if ((ubuf !== 0) !== userFrags > 0) this.#bad(`${name}: ${userFrags} user frags, ubuf ${ubuf}`);
    if (ubuf !== 0) this.#carriers.set(ubuf, (this.#carriers.get(ubuf) ?? 0) + 1);
  }

  /** That a head lies where a head of its size can lie. */
  #place(name: string, head: number, bytes: number): void {
    const reserved = this.#word(head + bytes - SHINFO_BYTES + SHINFO_RESERVED);
    if (reserved > bytes) this.#bad(`${name}: ${reserved} bytes of headroom asked for, of ${bytes}`);
    const entry = this.#entryOf(head);
    const kind = this.#word(entry + PAGE_KIND);
    const offset = (head - this.#firstPage) % PAGE_BYTES;
    if (bytes > PAGE_BYTES) {
      const span = this.#word(entry + PAGE_SPAN);
      if (kind !== KIND_HEAD || offset !== 0 || span * PAGE_BYTES !== bytes) {
        this.#bad(`${name}: ${bytes} bytes in a run of ${span} pages of kind ${kind}`);
      }
      this.#slabHeads.set(entry, (this.#slabHeads.get(entry) ?? 0) + 1);
      return;
    }
    const headClass = classOf(bytes);
    if (kind !== KIND_SLAB || this.#word(entry + PAGE_SPAN) !== headClass || offset % bytes !== 0) {
      this.#bad(`${name}: class ${headClass} in a page of kind ${kind}`);
    }
    if (this.#free[CLASS_HEADS + headClass]?.has(head)) this.#bad(`${name}: in use and free`);
    this.#slabHeads.set(entry, (this.#slabHeads.get(entry) ?? 0) + 1);
  }

  /** What hangs on a head: counts the frags' pages, follows the frag list. */
  #behind(name: string, shinfo: number): { dataLength: number; userFrags: number } {
    let dataLength = 0;
    let userFrags = 0;
    const n = this.#word(shinfo + SHINFO_FRAG_COUNT);
    if (n > MAX_FRAGS) this.#bad(`${name}: ${n} frags`);
    for (let i = 0; i < Math.min(n, MAX_FRAGS); i++) {
      const at = shinfo + SHINFO_FRAGS + (i << FRAG_SHIFT);
      const address = this.#word(at + FRAG_ADDRESS);
      const size = this.#word(at + FRAG_SIZE);
      dataLength += size;
      if (address < this.#firstPage || address >= this.#firstPage + this.#pages * PAGE_BYTES) {
        this.#bad(`${name}: frag ${i} at ${address}, outside the pages`);
        continue;
      }
      const entry = this.#entryOf(address);
      const kind = this.#word(entry + PAGE_KIND);
      const start = this.#firstPage + this.#indexOf(entry) * PAGE_BYTES;
      if (kind !== KIND_FRAG && kind !== KIND_USER) this.#bad(`${name}: frag ${i} in a page of kind ${kind}`);
      if (size === 0 || address + size > start + this.#word(entry + PAGE_SPAN) * PAGE_BYTES) {
        this.#bad(`${name}: frag ${i} has ${size} bytes, past its run`);
      }
      if (kind === KIND_USER) userFrags++;
      this.#frags.set(entry, (this.#frags.get(entry) ?? 0) + 1);
    }
    let last = 0;
    for (let m = this.#word(shinfo + SHINFO_FRAG_LIST); m !== 0; m = this.#word(m + SKB_NEXT)) {
      if (this.#members.has(m)) {
        this.#bad(`${name}: list member ${m} is in a list twice`);
        break;
      }
      this.#members.add(m);
      if (this.#word(m + SKB_SHARES) !== 1)
        this.#bad(`${name}: list member ${m} does not know what it shares`);
      if (this.#word(m + SKB_OWNER) !== OWNER_LIST || this.#word(m + SKB_USERS) !== 1) {
        this.#bad(`${name}: list member ${m} has another owner, or users`);
      }
      if (this.#word(this.#word(m + SKB_END) + SHINFO_FRAG_LIST) !== 0)
        this.#bad(`${name}: a list within its list`);
      dataLength += this.#word(m + SKB_LEN);
      last = m;
    }
    if (this.#word(shinfo + SHINFO_FRAG_LIST_TAIL) !== last)
      this.#bad(`${name}: its list does not end at its tail`);
    return { dataLength, userFrags };
  }

  // ─── ubufs ───────────────────────────────────────────────────────────────────────────────────────────

  #ubufs(): number {
    const done = new Set<number>();
    const blocks = this.#header(HEADER_THREAD_BLOCKS);
    for (let t = 0; t < this.#header(HEADER_THREADS); t++) {
      for (const list of [THREAD_LOCAL, THREAD_REMOTE]) {
        for (let u = this.#word(blocks + t * THREAD_BYTES + list); u !== 0; u = this.#word(u + UBUF_NEXT)) {
          if (done.has(u)) {
            this.#bad(`ubuf at ${u}: completed twice`);
            break;
          }
          done.add(u);
        }
      }
    }
    const table = this.#header(HEADER_UBUF_TABLE);
    const carved = this.#carved("ubufs", HEADER_CARVED_UBUFS, HEADER_UBUFS);
    const free = this.#free[CLASS_UBUF] as Set<number>;
    let live = 0;
    for (let i = ERROR_LIMIT; i < carved; i++) {
      const ubuf = table + (i << UBUF_SHIFT);
      const state = this.#word(ubuf + UBUF_STATE);
      const refs = this.#word(ubuf + UBUF_REFS);
      const carriers = this.#carriers.get(ubuf) ?? 0;
      this.#carriers.delete(ubuf);
      if (free.delete(ubuf)) {
        if (state !== 0 || carriers !== 0)
          this.#bad(`ubuf ${i}: free, state ${state}, carried by ${carriers}`);
        continue;
      }
      live++;
      if ((state & UBUF_LIVE) === 0) this.#bad(`ubuf ${i}: lost`);
      const handle = this.#word(ubuf + UBUF_HANDLE);
      if (handle > HANDLE_MASK || (handle & (this.#header(HEADER_UBUFS) - 1)) !== i)
        this.#bad(`ubuf ${i}: handle ${handle}, of another slot`);
      const owner = this.#word(ubuf + UBUF_OWNER);
      if (!this.#isThread(owner)) this.#bad(`ubuf ${i}: owner ${owner}, who is nobody`);
      const carried = (state & UBUF_CARRIED) !== 0;
      if (state > UBUF_STATES || carried !== (refs > 0 || (state & UBUF_DONE) !== 0))
        this.#bad(`ubuf ${i}: state ${state}, refs ${refs}`);
      if (refs !== carriers) this.#bad(`ubuf ${i}: refs ${refs}, carried by ${carriers} heads`);
      if (((state & UBUF_DONE) !== 0) !== done.has(ubuf))
        this.#bad(`ubuf ${i}: state ${state}, completed or not`);
    }
    for (const ubuf of this.#carriers.keys()) this.#bad(`ubuf at ${ubuf}: carried, but no ubuf`);
    return live;
  }

  // ─── Pages ───────────────────────────────────────────────────────────────────────────────────────────

  #indexOf(entry: number): number {
    return (entry - this.#pageTable) / 2 ** PAGE_ENTRY_SHIFT;
  }

  #entry(index: number): number {
    return this.#pageTable + index * 2 ** PAGE_ENTRY_SHIFT;
  }

  /** The entry of the run that an address lies in. */
  #entryOf(address: number): number {
    const index = Math.floor((address - this.#firstPage) / PAGE_BYTES);
    const entry = this.#entry(index);
    return this.#word(entry + PAGE_KIND) === KIND_TAIL
      ? this.#entry(index - this.#word(entry + PAGE_SPAN))
      : entry;
  }

  #pageEntries(): PageCounts {
    for (let c = 0; c < HEAD_CLASSES; c++) {
      for (const head of this.#free[CLASS_HEADS + c] as Set<number>) {
        const entry = this.#entryOf(head);
        if (this.#word(entry + PAGE_KIND) !== KIND_SLAB || this.#word(entry + PAGE_SPAN) !== c) {
          this.#bad(`head at ${head}: free in class ${c}, but its page is none of its slabs`);
        }
        this.#slabHeads.set(entry, (this.#slabHeads.get(entry) ?? 0) + 1);
      }
    }
    const bitmap = this.#header(HEADER_BITMAP);
    const inSlots = new Array<number>(HEAD_CLASSES).fill(0);
    let freePages = 0;
    let dataPages = 0;
    let headPages = 0;
    let ringPages = 0;
    const chained = this.#free[CLASS_PAGE] as Set<number>;
    for (let i = 0; i < this.#pages; ) {
      const entry = this.#entry(i);
      const kind = this.#word(entry + PAGE_KIND);
      const span = this.#word(entry + PAGE_SPAN);
      const bit = (this.#word(bitmap + (i >>> 5) * 4) >>> (i & 31)) & 1;
      const free = bit + (chained.has(entry) ? 1 : 0);
      const runs = kind === KIND_FRAG || kind === KIND_HEAD || kind === KIND_USER || kind === KIND_RING;
      const run = runs ? Math.min(Math.max(span, 1), this.#pages - i) : 1;
      if (runs && run !== span) this.#bad(`page ${i}: a run of ${span} pages`);
      if (free !== (kind === KIND_FREE ? 1 : 0)) this.#bad(`page ${i}: kind ${kind}, free in ${free} places`);
      const word = this.#word(entry + PAGE_SLOTS);
      if (kind !== KIND_SLAB && word !== 0) this.#bad(`page ${i}: kind ${kind}, with slots`);
      if (
        kind !== KIND_FRAG &&
        kind !== KIND_USER &&
        this.#word(entry + PAGE_REFS) !== (kind === KIND_FREE ? 0 : 1)
      )
        this.#bad(`page ${i}: kind ${kind}, refs ${this.#word(entry + PAGE_REFS)}`);
      if (kind === KIND_FREE) freePages++;
      else if (kind === KIND_SLAB) {
        headPages++;
        inSlots[span] = (inSlots[span] ?? 0) + this.#slab(i, entry, span, word);
      } else if (kind === KIND_HEAD) {
        headPages += span;
        const heads = this.#slabHeads.get(entry) ?? 0;
        if (heads !== 1) this.#bad(`page ${i}: a large head that ${heads} packets have`);
      } else if (kind === KIND_FRAG || kind === KIND_USER) {
        dataPages += span;
        this.#counted(i, entry, kind);
      } else if (kind === KIND_RING) {
        ringPages += span;
        if (!this.#ringPages.has(entry)) this.#bad(`page ${i}: slots of no ring`);
      } else this.#bad(`page ${i}: the tail of no run`);
      for (let t = 1; t < run; t++) this.#tail(i + t, t, bitmap, chained);
      i += run;
    }
    const past = this.#pages & 31;
    if (past !== 0 && this.#word(bitmap + (this.#pages >>> 5) * 4) >>> past !== 0)
      this.#bad(`bitmap: pages past the last are free`);
    const claims = this.#header(HEADER_CLAIMS);
    if (claims !== 0) this.#bad(`pages: ${claims} claims of runs that nobody ends`);
    for (let c = 0; c < HEAD_CLASSES; c++) {
      const said = this.#word(this.#base + HEADER_SLAB_FREE + c * 4);
      if (said !== inSlots[c]) this.#bad(`class ${c}: says ${said} heads free in slabs, has ${inSlots[c]}`);
    }
    return { freePages, dataPages, headPages, ringPages };
  }

  #tail(i: number, distance: number, bitmap: number, chained: Set<number>): void {
    const entry = this.#entry(i);
    const bit = (this.#word(bitmap + (i >>> 5) * 4) >>> (i & 31)) & 1;
    if (this.#word(entry + PAGE_KIND) !== KIND_TAIL || this.#word(entry + PAGE_SPAN) !== distance) {
      this.#bad(`page ${i}: not the tail of its run`);
    }
    if (this.#word(entry + PAGE_REFS) !== 0 || this.#word(entry + PAGE_SLOTS) !== 0)
      this.#bad(`page ${i}: the tail of a run, with refs or slots`);
    if (bit === 1 || chained.has(entry)) this.#bad(`page ${i}: free within a run`);
  }

  #counted(i: number, entry: number, kind: number): void {
    const owner = this.#word(entry + PAGE_OWNER);
    const held = kind === KIND_USER && owner !== 0 ? 1 : 0;
    if (held === 1 && !this.#isThread(owner))
      this.#bad(`page ${i}: a region of thread ${owner}, who is nobody`);
    const refs = this.#word(entry + PAGE_REFS);
    const frags = this.#frags.get(entry) ?? 0;
    if (refs !== frags + held || refs === 0)
      this.#bad(`page ${i}: kind ${kind}, refs ${refs}, ${frags} frags + ${held}`);
  }

  /** Heads of a slab: in use, free in a chain, or free in its slots. Returns the last number. */
  #slab(i: number, entry: number, headClass: number, word: number): number {
    const all = Math.floor(PAGE_BYTES / headBytes(headClass));
    let slots = 0;
    for (let bits = word & SLOTS_MASK; bits !== 0; bits &= bits - 1) slots++;
    if (word >>> SLOTS_CLASS_SHIFT !== headClass + 1) this.#bad(`page ${i}: slots of another class`);
    const known = (this.#slabHeads.get(entry) ?? 0) + slots;
    if (known !== all) this.#bad(`page ${i}: ${known} of its ${all} heads accounted for`);
    return slots;
  }
}

function headBytes(headClass: number): number {
  return headClass === 0 ? SMALLEST_HEAD : 2 ** (headClass + HEAD_CLASS_SHIFT);
}

function classOf(bytes: number): number {
  return 31 - Math.clz32(bytes) - HEAD_CLASS_SHIFT;
}
