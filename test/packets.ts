// Packets whose bytes say where they belong, in every shape a packet can have.

import {
  ArgumentRangeError,
  ArgumentTypeError,
  type Completion,
  type Engine,
  type Skb,
  SkbuffError,
  Ubuf,
  UserRegion,
} from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { expect } from "vitest";

/** The bytes of places [at, at + n); their period of 257 * 251 shows a shift by any round number. */
export function bytesAt(at: number, n: number): Uint8Array {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = ((at + i) % 251) + 3 * ((at + i) % 257);
  return bytes;
}

export function expectBytes(got: Uint8Array, wanted: Uint8Array, hint: string): void {
  if (got.length === wanted.length && Buffer.compare(got, wanted) === 0) return;
  const at = got.findIndex((byte, i) => byte !== wanted[i]);
  expect({ length: got.length, at, byte: got[at] }, hint).toEqual({
    length: wanted.length,
    at: -1,
    byte: wanted[at],
  });
}

/** RFC 1071 as its text says it: 16-bit words, carries added back, an odd byte padded with 0. */
export function naiveSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** What `run` throws; undefined if it throws nothing. */
export function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** That an error is the library's own, with a code and a message of its grammar. */
export function expectTyped(error: unknown, hint: string): void {
  const typed =
    error instanceof SkbuffError || error instanceof ArgumentRangeError || error instanceof ArgumentTypeError;
  expect(typed, `${hint}: ${String(error)}`).toBe(true);
  const { code, message } = error as SkbuffError;
  expect(code, hint).toMatch(/^ERR_SKB_[A-Z_]+$/);
  expect(message, hint).toMatch(/^"[^"]+" expected .+, got .+/s);
}

/** The code of what `run` throws. */
export function codeOf(run: () => unknown): string | undefined {
  const error = caught(run);
  if (error !== undefined) expectTyped(error, String(run));
  return (error as SkbuffError | undefined)?.code;
}

/** Everything a packet says of itself that no failed operation may change. */
export function snapshot(skb: Skb): Record<string, unknown> {
  const { length, dataLength, linearLength, headroom, frags, listLength, users, zeroCopy } = skb;
  const { protocol, queue, mark, priority, hash, timestamp, gsoSize, gsoSegments, gsoType } = skb;
  const { macHeader, networkHeader, transportHeader } = skb;
  return {
    ...{ length, dataLength, linearLength, headroom, frags, listLength, users, zeroCopy },
    ...{ protocol, queue, mark, priority, hash, timestamp, gsoSize, gsoSegments, gsoType },
    ...{ macHeader, networkHeader, transportHeader },
    cb: Buffer.from(skb.cb).toString("hex"),
    bytes: Buffer.from(skb.toBytes()).toString("latin1"),
  };
}

/** Gives every piece of metadata a value of its own. */
export function describePacket(skb: Skb): void {
  skb.protocol = 0x86dd;
  skb.queue = 513;
  skb.mark = 0xdeadbeef;
  skb.priority = 0x80000001;
  skb.hash = 0xffffffff;
  skb.timestamp = 2n ** 64n - 2n;
  skb.gsoSize = 1448;
  skb.gsoSegments = 44;
  skb.gsoType = 0x90000002;
  skb.cb.set(bytesAt(900, 48));
  skb.networkHeader = Math.min(14, skb.linearLength);
  skb.macHeader = -Math.min(skb.headroom, 4);
}

/** Owns what a test takes out of an engine, so that all of it goes back however the test ends. */
export class World {
  readonly completions: Completion[] = [];
  readonly #skbs: Skb[] = [];
  readonly #regions: UserRegion[] = [];
  readonly #ubufs: Ubuf[] = [];
  #desc = 0;

  constructor(readonly engine: Engine) {}

  keep(skb: Skb): Skb {
    this.#skbs.push(skb);
    return skb;
  }

  /** A linear packet that holds places [at, at + n). */
  linear(n: number, { headroom = 0, room = n, at = 0 } = {}): Skb {
    return this.keep(this.engine.alloc(room, { headroom }).putData(bytesAt(at, n)));
  }

  /** Appends `n` bytes in fresh pages to a packet that starts at place `at`. */
  grow(skb: Skb, n: number, at = 0): Skb {
    skb.addPageFrag(n).set(bytesAt(at + skb.length - n, n));
    return skb;
  }

  ubuf(sharing: "copy" | "refcount" = "copy"): Ubuf {
    const ubuf = new Ubuf(this.engine, (completion) => this.completions.push(completion), {
      desc: ++this.#desc,
      sharing,
    });
    this.#ubufs.push(ubuf);
    return ubuf;
  }

  region(n: number): UserRegion {
    const region = new UserRegion(this.engine, n);
    this.#regions.push(region);
    return region;
  }

  /** Appends `n` lent bytes, from an odd place of a region of their own, to a packet that starts at place `at`. */
  lend(skb: Skb, n: number, ubuf: Ubuf, at = 0): Skb {
    const region = this.region(n + 3);
    region.bytes.set(bytesAt(at + skb.length, n), 3);
    skb.addUserFrag(region, 3, n, ubuf);
    return skb;
  }

  /** Gives everything back. What callbacks said stays to be read. */
  clean(): void {
    for (const skb of this.#skbs.splice(0)) if (skb.alive && !skb.queued) skb.release();
    for (const region of this.#regions.splice(0)) if (!region.released) region.release();
    for (const ubuf of this.#ubufs.splice(0)) ubuf.cancel();
  }
}

/** One packet for each way in which bytes can lie in it, all starting at place 0. */
export const SHAPES: Record<string, (w: World) => Skb> = {
  empty: (w) => w.keep(w.engine.alloc(100, { headroom: 20 })),
  linear: (w) => w.linear(151, { headroom: 64, room: 300 }),
  "linear, several pages": (w) => w.linear(5001, { headroom: 17 }),
  "page frags": (w) => {
    const skb = w.linear(101, { headroom: 32, room: 160 });
    return w.grow(w.grow(w.grow(skb, 99), 4096), 5003);
  },
  "nothing in the head": (w) => w.grow(w.grow(w.keep(w.engine.alloc(64, { headroom: 64 })), 700), 31),
  "lent frags": (w) => {
    const skb = w.linear(60, { headroom: 40 });
    const ubuf = w.ubuf();
    return w.grow(w.lend(w.lend(skb, 301, ubuf), 5000, ubuf), 47);
  },
  "lent frags, counted": (w) => {
    const skb = w.linear(60, { headroom: 40 });
    const ubuf = w.ubuf("refcount");
    return w.grow(w.lend(w.lend(skb, 301, ubuf), 5000, ubuf), 47);
  },
  "frag list": (w) => {
    const skb = w.grow(w.linear(81, { headroom: 16 }), 70);
    skb.addFragList(w.linear(90, { at: 151 }));
    skb.addFragList(w.grow(w.grow(w.linear(5, { at: 241 }), 51, 241), 4100, 241));
    skb.addFragList(w.linear(33, { at: 4397 }));
    return skb;
  },
  "frag list, lent inside": (w) => {
    const skb = w.lend(w.linear(40, { headroom: 16 }), 61, w.ubuf());
    skb.addFragList(w.linear(20, { at: 101 }));
    const ubuf = w.ubuf();
    skb.addFragList(w.grow(w.lend(w.lend(w.linear(9, { at: 121 }), 500, ubuf, 121), 77, ubuf, 121), 30, 121));
    skb.addFragList(w.linear(21, { at: 737 }));
    return skb;
  },
};

/** Ways in which somebody else can have a hold on the same bytes. */
export const HOLDS: Record<string, (w: World, skb: Skb) => Skb | null> = {
  "alone with its bytes": () => null,
  "with a clone": (w, skb) => w.keep(skb.clone()),
  "with a copy of its head": (w, skb) => w.keep(skb.copyHead()),
};

/** Visits each shape under each hold: the packet, its bytes, who else holds them, and how to make the same again. */
export function eachPacket(
  engine: Engine,
  visit: (
    w: World,
    skb: Skb,
    bytes: Uint8Array,
    other: Skb | null,
    name: string,
    again: () => [Skb, Skb | null],
  ) => void,
): void {
  for (const [shape, build] of Object.entries(SHAPES)) {
    for (const [hold, share] of Object.entries(HOLDS)) {
      const w = new World(engine);
      const again = (): [Skb, Skb | null] => {
        const fresh = build(w);
        return [fresh, share(w, fresh)];
      };
      const [skb, other] = again();
      const bytes = bytesAt(0, skb.length);
      const name = `${shape}, ${hold}`;
      visit(w, skb, bytes, other, name, again);
      // Whatever was done to the packet, those who share its bytes see them as they were.
      if (other?.alive === true) expectBytes(other.toBytes(), bytes, `${name}: the other`);
      expect(audit(engine).problems, name).toEqual([]);
      w.clean();
      expect(used(engine), `${name}: left over`).toEqual({ skbs: 0, ubufs: 0, dataPages: 0, dirty: [] });
    }
  }
}

/** What is in use, as the statistics and the audit say. */
export function used(engine: Engine): Record<string, unknown> {
  const { problems, dataPages } = audit(engine);
  const { skbs, ubufTable } = stats(engine);
  return { skbs: skbs.used, ubufs: ubufTable.used, dataPages, dirty: problems };
}

/** Places around the borders of a packet's pieces, and its ends. */
export function borders(skb: Skb): number[] {
  const places = new Set([0, skb.length]);
  let at = 0;
  for (const piece of skb.segments()) {
    for (const place of [at, at + 1, at + Math.floor(piece.length / 2), at + piece.length - 1]) {
      if (place >= 0 && place <= skb.length) places.add(place);
    }
    at += piece.length;
  }
  return [...places].sort((a, b) => a - b);
}
