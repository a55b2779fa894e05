// What the audit says when a word of the arena is wrong, as a write through a view that had ended can make it.

import { type Engine, Ring, type Skb, Ubuf, UserRegion } from "skbuff";
import { audit } from "skbuff/inspect";
import { expect, it } from "vitest";
import {
  HEADER_BITMAP,
  HEADER_CARVED_SKBS,
  HEADER_CARVED_UBUFS,
  HEADER_CLAIMS,
  HEADER_FIRST_PAGE,
  HEADER_PAGE_TABLE,
  HEADER_RING_TABLE,
  HEADER_THREAD_BLOCKS,
  HEADER_UBUF_TABLE,
  HEADER_UBUFS,
  OWNER_RING,
  PAGE_BYTES,
  PAGE_ENTRY_SHIFT,
  SHINFO_BYTES,
  SHINFO_FRAG_LIST,
  SHINFO_FRAGS,
  SKB_BYTES,
  SKB_END,
  SKB_HEAD,
  SKB_OWNER,
  THREAD_MAGAZINES,
  UBUF_SHIFT,
} from "../../assembly/layout.js";
import { forEachEngine } from "../engines.js";

/** What the tests use of an engine's inside, which is no part of the public interface. */
interface Inside {
  readonly _heap: { word(address: number): number; setWord(address: number, value: number): void };
  readonly _core: { skbAddress(handle: number): number };
}

/** Where the arena starts. */
const BASE = PAGE_BYTES;
/** No address, no length, no count, no flag and no owner. */
const NONSENSE = 0x7ffffff1;

/** A structure that lives: where it is, how long, and the words of it that the audit must not believe. */
interface Structure {
  readonly at: number;
  readonly bytes: number;
  /**
   * The others are the user's (mark, cb ...), spare, statistics, hints that are looked at again before they count, or counts of
   * what is not in the arena: `users`, a ring's objects.
   */
  readonly checked: readonly number[];
}

const SKB = [0, 4, 12, 20, 24, 28, 32, 36, 40, 68, 72, 76];
const INFO = [0, 4, 8, 12, 16];
const UBUF = [0, 4, 12, 28];
const PAGE = [0, 4, 8, 12];

/** An engine with one of everything, and where that is. */
function everything(engine: Engine): {
  structures: Record<string, Structure>;
  heap: Inside["_heap"];
  skb: number;
} {
  const { _heap: heap, _core: core } = engine as unknown as Inside;
  const header = (offset: number): number => heap.word(BASE + offset);
  const skbOf = (skb: Skb): number => core.skbAddress(skb.handle) >>> 0;
  const infoOf = (skb: Skb): number => heap.word(skbOf(skb) + SKB_END);
  const fragOf = (skb: Skb, i: number): number => heap.word(infoOf(skb) + SHINFO_FRAGS + i * 8);
  const pageOf = (address: number): number =>
    header(HEADER_PAGE_TABLE) +
    (Math.floor((address - header(HEADER_FIRST_PAGE)) / PAGE_BYTES) << PAGE_ENTRY_SHIFT);
  const ubufOf = (ubuf: Ubuf): number =>
    header(HEADER_UBUF_TABLE) +
    (((ubuf as unknown as { _handle: number })._handle & (header(HEADER_UBUFS) - 1)) << UBUF_SHIFT);

  const linear = engine.alloc(100, { headroom: 20 }).putZeros(50);
  const frags = engine.alloc(100).putZeros(50);
  frags.addPageFrag(100);
  frags.addPageFrag(5000);
  const twin = linear.clone();
  const large = engine.alloc(10000).putZeros(5000);
  const list = engine.alloc(100).putZeros(10);
  list.addFragList(engine.alloc(100).putZeros(10));
  list.addFragList(engine.alloc(100).putZeros(11));
  const region = new UserRegion(engine, 10000);
  const ubuf = new Ubuf(engine);
  const lent = engine.alloc(100);
  lent.addUserFrag(region, 0, 100, ubuf);
  const ring = new Ring(engine, { capacity: 4 });
  for (let i = 0; i < 4; i++) ring.enqueue(engine.alloc(10));
  const ringAt = header(HEADER_RING_TABLE);
  const slots = heap.word(ringAt + 8);
  const thread = header(HEADER_THREAD_BLOCKS);
  const structures: Record<string, Structure> = {
    header: {
      at: BASE + 68,
      bytes: 1024,
      checked: [HEADER_CARVED_SKBS, HEADER_CARVED_UBUFS, HEADER_CLAIMS].map((o) => o - 68),
    },
    "a linear packet": { at: skbOf(linear), bytes: SKB_BYTES, checked: SKB },
    "its clone": { at: skbOf(twin), bytes: SKB_BYTES, checked: SKB },
    "its head": { at: infoOf(linear), bytes: SHINFO_BYTES, checked: INFO },
    "a packet of frags": { at: skbOf(frags), bytes: SKB_BYTES, checked: SKB },
    "their head": { at: infoOf(frags), bytes: SHINFO_BYTES, checked: [...INFO, 56, 60, 64, 68] },
    "a large packet": { at: skbOf(large), bytes: SKB_BYTES, checked: SKB },
    "a packet with a frag list": { at: skbOf(list), bytes: SKB_BYTES, checked: SKB },
    "its list": { at: infoOf(list), bytes: SHINFO_BYTES, checked: INFO },
    "a member": {
      at: heap.word(infoOf(list) + SHINFO_FRAG_LIST),
      bytes: SKB_BYTES,
      checked: [...SKB, 8, 16],
    },
    "a lent packet": { at: infoOf(lent), bytes: SHINFO_BYTES, checked: [...INFO, 56, 60] },
    "an idle ubuf": { at: ubufOf(new Ubuf(engine)), bytes: 32, checked: UBUF },
    "a lent ubuf": { at: ubufOf(ubuf), bytes: 32, checked: UBUF },
    "a ring": { at: ringAt, bytes: 256, checked: [8, 12, 64, 68, 76, 128, 132] },
    "its slots": { at: slots, bytes: 16, checked: [0, 4, 8, 12] },
    "a page of a frag": { at: pageOf(fragOf(frags, 0)), bytes: 32, checked: PAGE },
    "a run of pages": { at: pageOf(fragOf(frags, 1)), bytes: 32, checked: PAGE },
    "the tail of a run": { at: pageOf(fragOf(frags, 1)) + 32, bytes: 32, checked: PAGE },
    "a slab": { at: pageOf(infoOf(linear)), bytes: 32, checked: PAGE },
    "a page of a large head": { at: pageOf(heap.word(skbOf(large) + SKB_HEAD)), bytes: 32, checked: PAGE },
    "a page of a region": { at: pageOf(fragOf(lent, 0)), bytes: 32, checked: [...PAGE, 28] },
    "a page of a ring": { at: pageOf(slots), bytes: 32, checked: PAGE },
    "a thread": { at: thread, bytes: 256, checked: [0, 4] },
    "a magazine": { at: thread + THREAD_MAGAZINES + (6 << 11), bytes: 8, checked: [0] },
    bitmap: { at: header(HEADER_BITMAP), bytes: 16, checked: [0, 4, 8, 12] },
  };
  return { structures, heap, skb: skbOf(linear) };
}

forEachEngine((_name, make) => {
  it("believes no word of any structure, and reads to the end whatever it says", async () => {
    const engine = await make({ memory: 768 * 1024, skbs: 128, ubufs: 64, rings: 2 });
    const { structures, heap } = everything(engine);
    expect(audit(engine)).toMatchObject({ problems: [], complete: true });
    const believed: string[] = [];
    for (const [name, { at, bytes, checked }] of Object.entries(structures)) {
      for (let offset = 0; offset < bytes; offset += 4) {
        const was = heap.word(at + offset);
        for (const value of [NONSENSE, 0, 0xffffffff, was + 4]) {
          heap.setWord(at + offset, value);
          const { clean, complete } = audit(engine);
          heap.setWord(at + offset, was);
          // Beside another thread, what is wrong may be in its hands, and is told as that.
          if (clean && complete && value === NONSENSE && checked.includes(offset))
            believed.push(`${name}, ${offset}`);
        }
      }
    }
    expect(believed).toEqual([]);
    expect(audit(engine).problems).toEqual([]);
  });

  it("names an owner who is nobody", async () => {
    const engine = await make({ memory: 768 * 1024, rings: 2 });
    const { heap, skb } = everything(engine);
    const was = heap.word(skb + SKB_OWNER);
    for (const owner of [16, 64, 65, 200, 0xfffe, OWNER_RING + 1, OWNER_RING + 2, 0xffffffff]) {
      heap.setWord(skb + SKB_OWNER, owner);
      const { problems, unchecked } = audit(engine);
      expect([...problems, ...unchecked].join(), String(owner)).toMatch(/owner/);
    }
    heap.setWord(skb + SKB_OWNER, was);
    expect(audit(engine).problems).toEqual([]);
  });
});
