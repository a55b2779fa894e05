// Where everything lies. Each constant of the arena is defined here and nowhere else; the core and the
// TypeScript face both import it. All offsets and sizes are bytes, all fields u32 unless drawn otherwise.
//
// ╒═════════════════ The arena (one WebAssembly.Memory, from `base` on) ═════════════════╕
// │ header        1 page   identity, table addresses, depots, carve cursors              │
// │ thread blocks 8 pages each: magazines, completion lists, counters, journal, scratch  │
// │ skb table     128 B each                                                             │
// │ ubuf table     32 B each                                                             │
// │ ring table    256 B each                                                             │
// │ blocks        32 to 1024 B: free objects on their way from thread to thread          │
// │ page table     32 B for every page below                                             │
// │ page bitmap     1 bit for every page below; 1 = free and in nobody's chain           │
// ├──────────────────────────────────────────────────────────────────────────────────────┤
// │ pages        4096 B each, 4096-aligned: head slabs, page frags, runs, user regions   │
// └──────────────────────────────────────────────────────────────────────────────────────┘
// Addresses are absolute in the memory, so 0 is never an object, and none is below ERROR_LIMIT.

/** Says that a memory holds an arena: "SKBF", little-endian. */
export const MAGIC: u32 = 0x46424b53;
/** Bumped whenever a field moves, so that two builds never share an arena they read differently. */
export const LAYOUT_VERSION: u32 = 8;

// ─── Results ───────────────────────────────────────────────────────────────────────────────────────────
// What a core operation returns below ERROR_LIMIT is a status; at or above it, an address or a handle.
// Handles start above it because the first ERROR_LIMIT slots of both tables are never given out.

export const OK: u32 = 0;
/** The handle names nothing that lives. */
export const E_STALE: u32 = 1;
/** No free skb, head, page, run or ubuf, although every hidden one was looked for. */
export const E_EXHAUSTED: u32 = 2;
/** The bytes belong to more than one packet, or to whoever lent them. */
export const E_SHARED: u32 = 3;
/** Not enough headroom, tailroom or linear bytes. */
export const E_ROOM: u32 = 4;
/** An offset or length outside the packet or the region. */
export const E_RANGE: u32 = 5;
/** All MAX_FRAGS entries are taken. */
export const E_FRAGS: u32 = 6;
/** The skb is held through get() by somebody else, so it cannot be given away. */
export const E_HELD: u32 = 7;
/** The ubuf has completed, or the packet already carries another one. */
export const E_UBUF: u32 = 8;
/** The result would not fit the longest linear buffer. */
export const E_LINEAR: u32 = 9;
/** No thread block is free. */
export const E_THREADS: u32 = 10;
/** The memory holds no arena of this version. */
export const E_LAYOUT: u32 = 11;
/** Not an error: what was tried cannot be done without a copy, or not now, and nothing was changed. */
export const NOT_DONE: u32 = 12;
/** The ring was closed; on the consumer's side, and has been drained. */
export const E_CLOSED: u32 = 13;
/** Another thread has this end of the ring. */
export const E_ROLE: u32 = 14;
/** No entry of the ring table is free. */
export const E_RINGS: u32 = 15;

export const ERROR_LIMIT: u32 = 64;

/** readU8/16/32 return this on failure too; `failure()` tells a failed read from a packet that says so. */
export const READ_FAILED: u32 = 0xa5a5a5a5;
/** checksum() returns 16 bits, or this plus the status. */
export const CHECKSUM_FAILED: u32 = 0x10000;
/** A burst returns how many packets it moved, or this plus the status. */
export const BURST_FAILED: u32 = 0x10000;

// ─── Sizes ─────────────────────────────────────────────────────────────────────────────────────────────

export const PAGE_SHIFT: u32 = 12;
export const PAGE_BYTES: u32 = 4096;
/** Longest linear packet: linearize and copy go this far, as a contiguous run of 33 pages. */
export const MAX_LINEAR: u32 = 131072;
/** Bytes for headroom, data and tailroom in the largest head: 33 pages less the shared info. */
export const MAX_ROOM: u32 = 134976;
/**
 * Pulled bytes that stay in front of a packet whatever room it needs: more than the headers of all layers, which may be
 * pushed again as they were, and which header offsets point to.
 */
export const PULLED_KEPT: u32 = 256;
/** Longest packet with all its frags: half of what a u32 holds, so that no sum of two lengths wraps. */
export const MAX_LENGTH: u32 = 0x7fffffff;
/** MAX_SKB_FRAGS of a kernel with 4 KiB pages: 64 KiB that start anywhere in a page touch 17 of them. */
export const MAX_FRAGS: u32 = 17;

// ─── Classes of pooled objects ─────────────────────────────────────────────────────────────────────────
// Head classes are the powers of two from 512 to 4096, and 320 below them: 64 bytes of packet, 64 of
// headroom and the shared info; 12 to a page, so that a small packet costs 470 arena bytes with its skb.

export const CLASS_HEADS: u32 = 0;
export const HEAD_CLASSES: u32 = 5;
export const SMALLEST_HEAD: u32 = 320;
/** log2 of a head's size, less this, is its class: 320 → 0, 512 → 1 ... 4096 → 4. */
export const HEAD_CLASS_SHIFT: u32 = 8;
export const CLASS_PAGE: u32 = 5;
export const CLASS_SKB: u32 = 6;
export const CLASS_UBUF: u32 = 7;
/** Dressed skbs: free structs that keep a free head, of each head class one class (dress.ts). */
export const CLASS_DRESSED: u32 = 8;
/** Classes of all. */
export const CLASSES: u32 = 13;

// ─── Links ─────────────────────────────────────────────────────────────────────────────────────────────
// Every pooled object has these three words somewhere (LINK_* below says where), used only while it is free:
//   next   the object below it in its chain
//   chain  in a depot, on a chain's first object: the first object of the chain below
//   count  in a depot, on a chain's first object: objects in this chain

export const LINK_NEXT: u32 = 0;
export const LINK_CHAIN: u32 = 4;
export const LINK_COUNT: u32 = 8;

// ─── Block: addresses of as many free objects of one class as are exchanged at once ────────────────────
//    0 next: the block below it in its stack    4.. objects

export const BLOCK_NEXT: u32 = 0;
export const BLOCK_OBJECTS: u32 = 4;
/**
 * Objects exchanged at once, so many at most: an exchange waits for several cache lines that other cores have, one after the
 * other, and is spread over as many. What fits half a magazine.
 */
export const EXCHANGE_MOST: u32 = 255;

// ─── Header ────────────────────────────────────────────────────────────────────────────────────────────
//    0 magic  4 version  8 skb count  12 ubuf count  16 thread count  20 ring count  24 page count
//   28 thread blocks  32 skb table  36 ubuf table  40 ring table  44 page table  48 bitmap  52 first page
//   56 objects in an exchange  60 block table  64 block count
//  128 carve cursors, slots never given out yet, each on a line of its own: skbs, ubufs (192), blocks (320)
//  256 free heads that lie in slab bitmaps, one word for each head class
//  384 empty blocks: top | tag
//  512 depots, one cache line for each class: blocks top | tag | chains top | tag
// 1408 returns: pages and heads that were put where everybody finds them, outside of the depots
// 1412 1 if a thread may be waiting for memory
// 1472 run claims in progress that take more than one word of the bitmap
// 1536 hints where to look for a run: below the end of one that was freed, 0 if none was | pages at the high end to pass over

export const HEADER_MAGIC: u32 = 0;
export const HEADER_VERSION: u32 = 4;
export const HEADER_SKBS: u32 = 8;
export const HEADER_UBUFS: u32 = 12;
export const HEADER_THREADS: u32 = 16;
export const HEADER_RINGS: u32 = 20;
export const HEADER_PAGES: u32 = 24;
export const HEADER_THREAD_BLOCKS: u32 = 28;
export const HEADER_SKB_TABLE: u32 = 32;
export const HEADER_UBUF_TABLE: u32 = 36;
export const HEADER_RING_TABLE: u32 = 40;
export const HEADER_PAGE_TABLE: u32 = 44;
export const HEADER_BITMAP: u32 = 48;
export const HEADER_FIRST_PAGE: u32 = 52;
export const HEADER_EXCHANGE: u32 = 56;
export const HEADER_BLOCK_TABLE: u32 = 60;
export const HEADER_BLOCKS: u32 = 64;
export const HEADER_CARVED_SKBS: u32 = 128;
export const HEADER_CARVED_UBUFS: u32 = 192;
export const HEADER_SLAB_FREE: u32 = 256;
export const HEADER_CARVED_BLOCKS: u32 = 320;
export const HEADER_EMPTY_BLOCKS: u32 = 384;
export const HEADER_DEPOTS: u32 = 512;
export const HEADER_RETURNS: u32 = 1408;
/** On the line of the returns, which whoever frees something has just written. */
export const HEADER_MEMORY_WANTED: u32 = 1412;
export const HEADER_CLAIMS: u32 = 1472;
export const HEADER_RUN_FREED: u32 = 1536;
export const HEADER_RUNS_PASSED: u32 = 1540;
export const HEADER_BYTES: u32 = 4096;

/** A stack that several threads push to and pop from: the address on top, and a tag that changes with each. */
export const STACK_TOP: u32 = 0;
export const STACK_TAG: u32 = 4;

export const DEPOT_SHIFT: u32 = 6;
export const DEPOT_BLOCKS: u32 = 0;
export const DEPOT_CHAINS: u32 = 8;

// ─── Thread block, 8 pages ─────────────────────────────────────────────────────────────────────────────
//    0 state  4 number  8 ubufs that whoever had it before has left to it: packets carry them  12 1 while the thread spins
//   64 remote completions: ubufs let go by other threads
//   68 wake: 1 while the thread sleeps, or is about to
//   72 1 if it wants to be woken for a remote completion  76 1 if for memory
//  128 local completions: ubufs let go by this thread
//  192 journal of the operation in flight
//  512 counters, 64 words
//  768 targets: the rings among which a scatter chooses, 64 words
// 2048 scratch: lists that one call passes in or out, meaningless between calls
// 4096 staging: bytes on their way between JS and a packet
// 6144 magazines, 2 KiB for each class:  count | asked | addresses of free objects, the last given on top

export const THREAD_BYTES: u32 = 32768;
export const MAX_THREADS: u32 = 64;
export const THREAD_STATE: u32 = 0;
export const THREAD_NUMBER: u32 = 4;
export const THREAD_LEFT: u32 = 8;
export const THREAD_SPINS: u32 = 12;
export const THREAD_REMOTE: u32 = 64;
export const THREAD_WAKE: u32 = 68;
export const THREAD_WANTS_COMPLETIONS: u32 = 72;
export const THREAD_WANTS_MEMORY: u32 = 76;
export const THREAD_LOCAL: u32 = 128;
export const THREAD_JOURNAL: u32 = 192;
export const THREAD_COUNTERS: u32 = 512;
export const THREAD_TARGETS: u32 = 768;
export const THREAD_SCRATCH: u32 = 2048;
export const THREAD_MAGAZINES: u32 = 6144;

export const THREAD_FREE: u32 = 0;
export const THREAD_LIVE: u32 = 1;

export const AWAKE: u32 = 0;
export const ASLEEP: u32 = 1;

export const MAGAZINE_SHIFT: u32 = 11;
export const MAGAZINE_COUNT: u32 = 0;
/** MAGAZINE_ASKED while another thread waits for memory: then the magazine is as good as full. Else 0. Others write it. */
export const MAGAZINE_ASKS: u32 = 4;
export const MAGAZINE_OBJECTS: u32 = 8;
/** More than a magazine holds, so that one comparison of the sum says whether there is room. */
export const MAGAZINE_ASKED: u32 = 1024;

/** Handles in one burst. */
export const BURST_MOST: u32 = 256;
/** (address, length) pairs in one batch of segments: what fits in the scratch. */
export const SEGMENTS_MOST: u32 = 256;
/** Where the staging lies behind the scratch, and how long it is. */
export const STAGING: u32 = 2048;
export const STAGING_BYTES: u32 = 2048;

// Counters, as word indices. They wrap at 2^32: read differences.
export const COUNT_ALLOCS: u32 = 0;
export const COUNT_RELEASES: u32 = 1;
export const COUNT_CLONES: u32 = 2;
export const COUNT_COPIES: u32 = 3;
export const COUNT_BYTES_COPIED: u32 = 4;
export const COUNT_EXHAUSTED: u32 = 5;
export const COUNT_UBUFS: u32 = 6;
export const COUNT_COMPLETED_SENT: u32 = 7;
export const COUNT_COMPLETED_COPIED: u32 = 8;
export const COUNT_EXCHANGES: u32 = 9;
export const COUNT_RECLAIMS: u32 = 10;
export const COUNT_ENQUEUED: u32 = 11;
export const COUNT_DEQUEUED: u32 = 12;
/** Packets that a ring had no room for. They stay their owner's. */
export const COUNT_REFUSED: u32 = 13;
/** Times that the thread went to sleep. */
export const COUNT_PARKS: u32 = 14;
/** Sleeping threads that it woke. */
export const COUNT_WAKES: u32 = 15;
/** One counter for each reason given to release(); reason 0 is consume_skb, not a drop. */
export const COUNT_REASONS: u32 = 16;
export const REASONS: u32 = 16;
/** Objects that the thread gave to the depot of each class, and took from it. What a depot has is the sum of all. */
export const COUNT_GIVEN: u32 = 32;
export const COUNT_TAKEN: u32 = 48;

// ─── skb, 128 B: two cache lines, everything hot on the first ──────────────────────────────────────────
//    0 handle    4 owner     8 users    12 shares
//   16 next     20 head     24 end      28 data        (free: 16 next, 20 chain, 24 count; dressed: 28, 32, 36)
//   32 len      36 dataLen  40 second, reserved   44 protocol u16 | queue u16
//   48 mark     52 priority 56 hash     60 timestamp, low
//   64 timestamp, high      68 macHeader  72 networkHeader  76 transportHeader
//   80 cb, 48 B for the layer that holds the packet
//
//        head                data                tail              end
//         │      headroom     │   len - dataLen   │     tailroom     │  shared info  │
// `tail` is data + len - dataLen and truesize a sum over the parts; both are derived, not stored. Header
// offsets count from `head`, plus one, so that 0 says "not set" and clearing the struct clears them.
// While an skb is free its handle is the one it will carry next: no old handle matches it any more.

export const SKB_SHIFT: u32 = 7;
export const SKB_BYTES: u32 = 128;
export const SKB_HANDLE: u32 = 0;
export const SKB_OWNER: u32 = 4;
export const SKB_USERS: u32 = 8;
/**
 * 1 from when another skb came to share the data, a frag list to hang on it (skb->cloned), or a GSO field was set. While it
 * is 0, and dataLen too, the shared info says nothing but dataref 1, as a new packet wants it: who lets go of the packet
 * need not fetch it from the core of the thread that filled the head.
 */
export const SKB_SHARES: u32 = 12;
export const SKB_NEXT: u32 = 16;
export const SKB_HEAD: u32 = 20;
export const SKB_END: u32 = 24;
export const SKB_DATA: u32 = 28;
export const SKB_LEN: u32 = 32;
export const SKB_DATA_LEN: u32 = 36;
/**
 * Bit 0: 1 if anything was written to the second line: who allocates the skb next leaves that line alone if not. Above it:
 * headroom that was asked for, by alloc, reserve or expandHead; what there is beyond it was made by pulling.
 */
export const SKB_SECOND: u32 = 40;
export const SKB_RESERVED_SHIFT: u32 = 1;
export const SKB_PROTOCOL: u32 = 44;
export const SKB_QUEUE: u32 = 46;
export const SKB_MARK: u32 = 48;
export const SKB_PRIORITY: u32 = 52;
export const SKB_HASH: u32 = 56;
export const SKB_TIMESTAMP_LOW: u32 = 60;
export const SKB_TIMESTAMP_HIGH: u32 = 64;
export const SKB_MAC_HEADER: u32 = 68;
export const SKB_NETWORK_HEADER: u32 = 72;
export const SKB_TRANSPORT_HEADER: u32 = 76;
export const SKB_SECOND_LINE: u32 = 64;
export const SKB_CB: u32 = 80;
export const CB_BYTES: u32 = 48;
export const LINK_SKB: u32 = SKB_NEXT;
/** Where a dressed skb has its links: it keeps `head` and `end`. */
export const LINK_DRESSED: u32 = SKB_DATA;

/** Owner words: 0 nobody (free), 1..64 a thread, OWNER_LIST the head whose frag list holds the skb. */
export const OWNER_LIST: u32 = 0xffff;
/** From here on: a ring, by its place in the table. */
export const OWNER_RING: u32 = 0x10000;

/** Handles are 30 bits, slot index below and generation above: a small integer in every JS engine. */
export const HANDLE_MASK: u32 = 0x3fffffff;

// ─── Shared info, 192 B at the end of every head ───────────────────────────────────────────────────────
//    0 dataref   4 fragCount  8 fragList  12 fragListTail  16 ubuf   (free: 8 next, 12 chain, 16 count)
//   20 gsoSize  24 gsoSegs   28 gsoType   32 spare, 24 B
//   56 frags: 17 × ( address | size )
// A frag names its first byte; the page, and the run it belongs to, follow from the address. That makes an
// entry 8 bytes where Linux has (page, offset, size), and the whole three cache lines.

export const SHINFO_BYTES: u32 = 192;
export const SHINFO_DATAREF: u32 = 0;
export const SHINFO_FRAG_COUNT: u32 = 4;
export const SHINFO_FRAG_LIST: u32 = 8;
export const SHINFO_FRAG_LIST_TAIL: u32 = 12;
export const SHINFO_UBUF: u32 = 16;
export const SHINFO_GSO_SIZE: u32 = 20;
export const SHINFO_GSO_SEGS: u32 = 24;
export const SHINFO_GSO_TYPE: u32 = 28;
export const SHINFO_FRAGS: u32 = 56;
export const LINK_SHINFO: u32 = SHINFO_FRAG_LIST;
/** What must be cleared when a head is taken: what is before the frags and not spare. */
export const SHINFO_CLEARED: u32 = 32;
export const FRAG_SHIFT: u32 = 3;
export const FRAG_ADDRESS: u32 = 0;
export const FRAG_SIZE: u32 = 4;

// ─── Page table entry, 32 B ────────────────────────────────────────────────────────────────────────────
//    0 refs   4 kind   8 span   12 slots   16 next  20 chain  24 count   28 owner
// span: pages in the run, on its first page; distance in pages to that first page, on the others;
//       the head class, on a slab.
// slots: on a slab, a bit for each of its heads that is free and in nobody's chain, and above them its head
//       class plus one; elsewhere 0.

export const PAGE_ENTRY_SHIFT: u32 = 5;
export const PAGE_REFS: u32 = 0;
export const PAGE_KIND: u32 = 4;
export const PAGE_SPAN: u32 = 8;
export const PAGE_SLOTS: u32 = 12;
export const PAGE_OWNER: u32 = 28;
export const SLOTS_MASK: u32 = 0xffff;
export const SLOTS_CLASS_SHIFT: u32 = 16;
export const LINK_PAGE: u32 = 16;

export const KIND_FREE: u32 = 0;
/** One page or a run, counted by the frags that point into it. */
export const KIND_FRAG: u32 = 1;
/** Carved into heads of one class. */
export const KIND_SLAB: u32 = 2;
/** A head larger than a page. */
export const KIND_HEAD: u32 = 3;
/** A user region: one reference is the region's own while it has an owner, the rest are frags. */
export const KIND_USER: u32 = 4;
/** A run's second and later pages. */
export const KIND_TAIL: u32 = 5;
/** The slots of a ring. */
export const KIND_RING: u32 = 6;

// ─── ubuf, 32 B ────────────────────────────────────────────────────────────────────────────────────────
//    0 refs   4 owner   8 desc   12 state   16 next  20 chain  24 count   28 handle
// refs: the heads that carry it. next, while live: the owner's list of completions.

export const UBUF_SHIFT: u32 = 5;
export const UBUF_REFS: u32 = 0;
export const UBUF_OWNER: u32 = 4;
export const UBUF_DESC: u32 = 8;
export const UBUF_STATE: u32 = 12;
export const UBUF_NEXT: u32 = 16;
export const UBUF_HANDLE: u32 = 28;
export const LINK_UBUF: u32 = UBUF_NEXT;

export const UBUF_FREE: u32 = 0;
export const UBUF_LIVE: u32 = 1;
/** Let go by the last head; on the owner's list until its callback has been run. */
export const UBUF_DONE: u32 = 2;
/** sharing: "refcount" — clones share the user's pages instead of copying them. */
export const UBUF_SHARING: u32 = 4;
/** Some head let go early because the engine copied the bytes. */
export const UBUF_COPIED: u32 = 8;
/** Some head has carried it: once none does, it has completed, or somebody is about to say so. */
export const UBUF_CARRIED: u32 = 16;

// ─── Ring, 256 B: four cache lines ─────────────────────────────────────────────────────────────────────
//    0 life     4 spare     8 slots   12 mask            what both sides read
//   64 tail    68 producer 72 head as last seen          written by the producer
//      76 packets staged
//  128 head   132 consumer 136 tail as last seen         written by the consumer
//  192 wants packets       196 wants room                set by whoever is about to sleep
// slots: a run of pages with (mask + 1) handles; those in [head, tail) are packets that the ring owns.
// head, tail: positions modulo 2^31. The top bit of tail says that the ring is closed: it is in the same word, so
// that nothing is ever enqueued behind the end.

export const RING_SHIFT: u32 = 8;
/** Generation, and below it the ring objects of all threads that refer to it; one word, so that one CAS joins or leaves. */
export const RING_LIFE: u32 = 0;
export const RING_SLOTS: u32 = 8;
export const RING_MASK: u32 = 12;
export const RING_TAIL: u32 = 64;
export const RING_PRODUCER: u32 = 68;
export const RING_SEEN_HEAD: u32 = 72;
export const RING_STAGED: u32 = 76;
export const RING_HEAD: u32 = 128;
export const RING_CONSUMER: u32 = 132;
export const RING_SEEN_TAIL: u32 = 136;
export const RING_WANTS_PACKETS: u32 = 192;
/** How many free slots the producer waits for; 0 while it does not. */
export const RING_WANTS_ROOM: u32 = 196;

export const RING_GENERATION_SHIFT: u32 = 12;
export const RING_REFS_MASK: u32 = 0xfff;
/** In place of a number of references: the entry is being made or given up, and nobody may join. */
export const RING_CHANGING: u32 = 0xfff;
export const RING_CLOSED: u32 = 0x80000000;
export const POSITION_MASK: u32 = 0x7fffffff;
/** A ring's ends, as bits. */
export const PRODUCES: u32 = 1;
export const CONSUMES: u32 = 2;
/** Most packets that a ring can hold. */
export const RING_MOST: u32 = 1048576;
/** In place of a ring's address, among what a thread waits for: memory. */
export const MEMORY: u32 = 0;
/** Rings that a scatter can choose among. */
export const TARGETS_MOST: u32 = 64;
