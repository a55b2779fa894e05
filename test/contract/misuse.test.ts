// Wild arguments: every one of them is refused with an error of the library, and nothing changes.

import { type DropReason, type Engine, type Skb, SkbQueue, Ubuf, UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { bytesAt, caught, describePacket, expectTyped, snapshot, World } from "../packets.js";

/** No number that any parameter could mean. */
const NO_NUMBERS: readonly unknown[] = [
  Number.NaN,
  0.5,
  Number.POSITIVE_INFINITY,
  "5",
  {},
  [1],
  1n,
  true,
  () => 1,
];

/** What throws when it is compared with a number. */
const NO_PRIMITIVES: readonly unknown[] = [Symbol("one"), Object.create(null)];

/** No length or offset either: outside of every range. */
const NO_SIZES = [...NO_NUMBERS, -1, 2 ** 32, 2 ** 53, Number.NEGATIVE_INFINITY];

type Attempt = (wild: never, skb: Skb, w: World) => unknown;

/** Every parameter that must be a number; a name that ends in ? says that null and undefined leave it out. */
const NUMBERS: Record<string, Attempt> = {
  "engine.alloc size": (n, _skb, { engine }) => engine.alloc(n),
  "engine.alloc headroom?": (n, _skb, { engine }) => engine.alloc(1, { headroom: n }),
  "engine.tryAlloc size": (n, _skb, { engine }) => engine.tryAlloc(n),
  "engine.tryAlloc headroom?": (n, _skb, { engine }) => engine.tryAlloc(1, { headroom: n }),
  "engine.allocBurst size": (n, _skb, { engine }) => engine.allocBurst([], n, 1),
  "engine.allocBurst headroom?": (n, _skb, { engine }) => engine.allocBurst([], 1, 1, { headroom: n }),
  "engine.allocBurst count?": (n, _skb, { engine }) => engine.allocBurst([], 1, n),
  "engine.releaseBurst count?": (n, _skb, { engine }) => engine.releaseBurst([], n),
  "UserRegion bytes": (n, _skb, { engine }) => new UserRegion(engine, n),
  "Ubuf desc?": (n, _skb, { engine }) => new Ubuf(engine, undefined, { desc: n }),
  "release reason?": (n, skb) => skb.release(n),
  reserve: (n, skb) => skb.reserve(n),
  put: (n, skb) => skb.put(n),
  putZeros: (n, skb) => skb.putZeros(n),
  push: (n, skb) => skb.push(n),
  pull: (n, skb) => skb.pull(n),
  trim: (n, skb) => skb.trim(n),
  "expandHead head": (n, skb) => skb.expandHead(n, 0),
  "expandHead tail": (n, skb) => skb.expandHead(0, n),
  addPageFrag: (n, skb) => skb.addPageFrag(n),
  "addUserFrag offset": (n, skb, w) => skb.addUserFrag(w.region(9), n, 1, w.ubuf()),
  "addUserFrag n": (n, skb, w) => skb.addUserFrag(w.region(9), 0, n, w.ubuf()),
  mayPull: (n, skb) => skb.mayPull(n),
  split: (n, skb) => skb.split(n),
  shift: (n, skb, w) => skb.shift(w.grow(w.linear(0), 10), n),
  recycle: (n, skb) => skb.recycle(n),
  readU8: (n, skb) => skb.readU8(n),
  readU16: (n, skb) => skb.readU16(n),
  readU32: (n, skb) => skb.readU32(n),
  readU64: (n, skb) => skb.readU64(n),
  "writeU8 offset": (n, skb) => skb.writeU8(n, 1),
  "writeU8 value": (n, skb) => skb.writeU8(0, n),
  "writeU16 offset": (n, skb) => skb.writeU16(n, 1),
  "writeU16 value": (n, skb) => skb.writeU16(0, n),
  "writeU32 offset": (n, skb) => skb.writeU32(n, 1),
  "writeU32 value": (n, skb) => skb.writeU32(0, n),
  "writeU64 offset": (n, skb) => skb.writeU64(n, 1n),
  copyBits: (n, skb) => skb.copyBits(n, new Uint8Array(1)),
  storeBits: (n, skb) => skb.storeBits(n, new Uint8Array(1)),
  "segments offset?": (n, skb) => skb.segments(n),
  "segments n?": (n, skb) => skb.segments(0, n),
  "checksum offset?": (n, skb) => skb.checksum(n),
  "checksum n?": (n, skb) => skb.checksum(0, n),
  "checksum seed?": (n, skb) => skb.checksum(0, 0, n),
  "setChecksum at": (n, skb) => skb.setChecksum(n),
  "setChecksum offset?": (n, skb) => skb.setChecksum(0, n),
  "setChecksum n?": (n, skb) => skb.setChecksum(0, 0, n),
  "setChecksum seed?": (n, skb) => skb.setChecksum(0, 0, 0, n),
  protocol: (n, skb) => assign(skb, "protocol", n),
  queue: (n, skb) => assign(skb, "queue", n),
  mark: (n, skb) => assign(skb, "mark", n),
  priority: (n, skb) => assign(skb, "priority", n),
  hash: (n, skb) => assign(skb, "hash", n),
  gsoSize: (n, skb) => assign(skb, "gsoSize", n),
  gsoSegments: (n, skb) => assign(skb, "gsoSegments", n),
  gsoType: (n, skb) => assign(skb, "gsoType", n),
};

/** Numbers with a range of their own: 2^32 or a negative one may be right. */
const OTHER_NUMBERS: Record<string, { set: Attempt; wild: readonly unknown[] }> = {
  macHeader: { set: (n, skb) => assign(skb, "macHeader", n), wild: [-2000, 2 ** 32, undefined] },
  networkHeader: { set: (n, skb) => assign(skb, "networkHeader", n), wild: [-2000, 2 ** 32, undefined] },
  transportHeader: { set: (n, skb) => assign(skb, "transportHeader", n), wild: [-2000, 2 ** 32, undefined] },
};

/** Times, of which parts and BigInts may be right: what is none. */
const NO_TIMES: readonly [field: string, wild: readonly unknown[]][] = [
  ["timestamp", [-1n, 2n ** 64n, 5, "5", {}, null, undefined]],
  [
    "timestampMs",
    [-1, 18_446_744_073_710, Number.NaN, Number.POSITIVE_INFINITY, 5n, "5", {}, null, undefined],
  ],
];

function assign(skb: Skb, field: string, value: unknown): void {
  (skb as unknown as Record<string, unknown>)[field] = value;
}

const BYTES: Record<string, (bytes: Uint8Array, skb: Skb) => unknown> = {
  putData: (bytes, skb) => skb.putData(bytes),
  pushData: (bytes, skb) => skb.pushData(bytes),
  append: (bytes, skb) => skb.append(bytes),
  copyBits: (bytes, skb) => skb.copyBits(0, bytes),
  storeBits: (bytes, skb) => skb.storeBits(0, bytes),
};

const NO_BYTES: readonly unknown[] = [
  null,
  undefined,
  {},
  { length: 4, buffer: new ArrayBuffer(4), byteOffset: 0 },
  [1, 2, 3],
  "bytes",
  5,
  1n,
  new DataView(new ArrayBuffer(4)),
  new ArrayBuffer(4),
  new Uint16Array(2),
  new Int8Array(2),
  new Uint8ClampedArray(2),
  Object.create(Uint8Array.prototype),
  Symbol("bytes"),
];

/** A Uint8Array that says it is longer, elsewhere and of other memory than it is. */
class Liar extends Uint8Array {
  override get length(): number {
    return 1 << 20;
  }
  override get byteLength(): number {
    return 1 << 20;
  }
  override get byteOffset(): number {
    return 1 << 16;
  }
}

function detached(n: number): Uint8Array {
  const bytes = new Uint8Array(n);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Who takes an skb, and what is none. */
const SKBS: Record<string, (wild: Skb, skb: Skb, engine: Engine) => unknown> = {
  morph: (wild, skb) => skb.morph(wild),
  addFragList: (wild, skb) => skb.addFragList(wild),
  shift: (wild, skb) => skb.shift(wild, 1),
  tryCoalesce: (wild, skb) => skb.tryCoalesce(wild),
  pushHead: (wild, _skb, engine) => new SkbQueue(engine).pushHead(wild),
  pushTail: (wild, _skb, engine) => new SkbQueue(engine).pushTail(wild),
  releaseBurst: (wild, _skb, engine) => engine.releaseBurst([wild]),
};

const NO_OBJECTS: readonly unknown[] = [
  null,
  undefined,
  {},
  [],
  "skb",
  77,
  1n,
  true,
  () => 1,
  Symbol("object"),
];

forEachEngine((_name, make) => {
  /** A packet with everything in it that a wild operation could harm. */
  const rich = (w: World): Skb => {
    const skb = w.lend(w.grow(w.linear(80, { headroom: 40, room: 200 }), 90), 70, w.ubuf());
    skb.addFragList(w.linear(30, { at: 240 }));
    describePacket(skb);
    return skb;
  };

  /** Runs each attempt; all are refused, and neither packet, statistics nor arena are changed by any. */
  const refuses = async (
    attempts: (w: World, skb: Skb) => Iterable<[string, () => unknown]>,
  ): Promise<number> => {
    const engine = await make();
    const w = new World(engine);
    const skb = rich(w);
    const before = snapshot(skb);
    const bad: string[] = [];
    let n = 0;
    for (const [name, attempt] of attempts(w, skb)) {
      n++;
      const error = caught(attempt);
      if (error === undefined) bad.push(`${name}: accepted`);
      else if (caught(() => expectTyped(error, name)) !== undefined) bad.push(`${name}: ${String(error)}`);
    }
    expect(bad).toEqual([]);
    expect(snapshot(skb)).toEqual(before);
    expect(audit(engine).problems).toEqual([]);
    w.clean();
    expect(stats(engine).skbs.used).toBe(0);
    expect(w.completions).toEqual([{ desc: 1, status: "sent" }]);
    return n;
  };

  it("numbers", async () => {
    const n = await refuses(function* (w, skb) {
      for (const [name, attempt] of Object.entries(NUMBERS)) {
        const optional = name.endsWith("?");
        for (const wild of optional ? NO_SIZES : [...NO_SIZES, null, undefined]) {
          yield [`${name} ${describeWild(wild)}`, () => attempt(wild as never, skb, w)];
        }
      }
      for (const [name, { set, wild }] of Object.entries(OTHER_NUMBERS)) {
        for (const value of [...NO_NUMBERS, ...wild]) {
          yield [`${name} ${describeWild(value)}`, () => set(value as never, skb, w)];
        }
      }
      for (const [field, wild] of NO_TIMES)
        for (const value of wild) yield [`${field} ${describeWild(value)}`, () => assign(skb, field, value)];
    });
    expect(n).toBeGreaterThan(700);
  });

  it("numbers that cannot even be compared", async () => {
    await refuses(function* (w, skb) {
      for (const [name, attempt] of [
        ...Object.entries(NUMBERS),
        ...Object.entries(OTHER_NUMBERS).map(([name, { set }]) => [name, set] as const),
      ]) {
        for (const wild of NO_PRIMITIVES) {
          yield [`${name} ${describeWild(wild)}`, () => attempt(wild as never, skb, w)];
        }
      }
    });
  });

  it("numbers beyond the range of their field", async () => {
    await refuses(function* (_w, skb) {
      for (const field of ["protocol", "queue", "gsoSize", "gsoSegments"]) {
        yield [field, () => assign(skb, field, 0x10000)];
      }
      yield ["writeU8", () => skb.writeU8(0, 256)];
      yield ["writeU16", () => skb.writeU16(0, 0x10000)];
      yield ["release", () => skb.release(16 as DropReason)];
      yield ["expandHead", () => skb.expandHead(131073, 0)];
      yield ["expandHead, together", () => skb.expandHead(131072, 131072)];
      yield ["recycle", () => skb.recycle(131073)];
      yield ["networkHeader", () => assign(skb, "networkHeader", 81)];
      yield ["macHeader", () => assign(skb, "macHeader", -41)];
    });
  });

  it("what must be a Uint8Array", async () => {
    await refuses(function* (_w, skb) {
      for (const [name, attempt] of Object.entries(BYTES)) {
        for (const wild of NO_BYTES) {
          yield [`${name} ${describeWild(wild)}`, () => attempt(wild as Uint8Array, skb)];
        }
      }
    });
  });

  it("a Uint8Array that lies about itself counts as what it is", async () => {
    const engine = await make();
    const w = new World(engine);
    for (const n of [3, 100]) {
      const liar = new Liar(bytesAt(10, n));
      const skb = w.linear(10, { headroom: 200, room: 300 });
      skb.putData(liar);
      expect(skb.toBytes().subarray(10)).toEqual(bytesAt(10, n));
      skb.pushData(liar);
      expect(skb.toBytes().subarray(0, n)).toEqual(bytesAt(10, n));
      skb.trim(0);
      w.grow(skb, 10).append(liar);
      expect(skb.toBytes()).toEqual(bytesAt(0, 10 + n));
      skb.storeBits(5, liar);
      expect(skb.toBytes().subarray(5, 5 + n)).toEqual(bytesAt(10, n));
      const into = new Liar(n);
      skb.copyBits(5, into);
      expect(Buffer.compare(new Uint8Array(into.buffer), bytesAt(10, n))).toBe(0);
    }
    w.clean();
  });

  it("a detached Uint8Array has no bytes", async () => {
    const engine = await make();
    const w = new World(engine);
    const skb = rich(w);
    const before = snapshot(skb);
    skb.append(detached(100));
    skb.pushData(detached(10));
    skb.storeBits(0, detached(100));
    skb.copyBits(0, detached(100));
    expect(snapshot(skb)).toEqual(before);
    expect(w.linear(5).putData(detached(5)).length).toBe(5);
    w.clean();
  });

  it("what must be a packet, region, ubuf, queue or array", async () => {
    await refuses(function* (w, skb) {
      const { engine } = w;
      for (const wild of NO_OBJECTS) {
        const name = describeWild(wild);
        for (const [method, attempt] of Object.entries(SKBS)) {
          yield [`${method} ${name}`, () => attempt(wild as Skb, skb, engine)];
        }
        yield [`region ${name}`, () => skb.addUserFrag(wild as UserRegion, 0, 1, w.ubuf())];
        yield [`ubuf ${name}`, () => skb.addUserFrag(w.region(1), 0, 1, wild as Ubuf)];
        yield [`splice ${name}`, () => new SkbQueue(engine).splice(wild as SkbQueue)];
        if (!Array.isArray(wild)) {
          yield [`allocBurst ${name}`, () => engine.allocBurst(wild as Skb[], 1)];
          yield [`releaseBurst all ${name}`, () => engine.releaseBurst(wild as Skb[])];
        }
        if (wild !== undefined && typeof wild !== "object") {
          yield [`options ${name}`, () => engine.alloc(1, wild as object)];
          yield [`ubuf options ${name}`, () => new Ubuf(engine, undefined, wild as object)];
          yield [`close options ${name}`, () => engine.close(wild as object)];
        }
        if (wild !== undefined && typeof wild !== "function") {
          yield [`callback ${name}`, () => new Ubuf(engine, wild as never)];
        }
      }
      yield ["null options", () => engine.alloc(1, null as never)];
      yield ["sharing", () => new Ubuf(engine, undefined, { sharing: "none" as "copy" })];
      yield ["holes", () => engine.releaseBurst(new Array(3))];
    });
  });

  it("a queue of no engine", async () => {
    const bad: string[] = [];
    for (const wild of NO_OBJECTS) {
      const error = caught(() => new SkbQueue(wild as Engine));
      if (error === undefined) bad.push(`${describeWild(wild)}: accepted`);
      else expectTyped(error, describeWild(wild));
    }
    expect(bad).toEqual([]);
  });

  it("a burst into an array that takes nothing", async () => {
    const engine = await make();
    const error = caught(() => engine.allocBurst(Object.freeze([]) as unknown as Skb[], 1, 3));
    expectTyped(error, "frozen");
    expect(stats(engine).skbs.used).toBe(0);
  });

  it("a burst into an array that takes some, and holds packets of before", async () => {
    const engine = await make();
    const live = engine.alloc(10).putZeros(3);
    const frozen = Object.freeze([live, live]) as unknown as Skb[];
    expectTyped(
      caught(() => engine.allocBurst(frozen, 1)),
      "frozen",
    );
    expect([live.length, stats(engine).skbs.used]).toEqual([3, 1]);
    // Two are taken before the place that takes none, behind which a packet of before stands.
    const some: Skb[] = [];
    some[3] = live;
    Object.defineProperty(some, 2, { value: null, writable: false });
    expectTyped(
      caught(() => engine.allocBurst(some, 1)),
      "some",
    );
    expect([live.length, some.slice(0, 2).map((skb) => skb.alive), stats(engine).skbs.used]).toEqual([
      3,
      [false, false],
      1,
    ]);
  });

  it("a burst that reuses takes a ubuf that has completed for no packet", async () => {
    const engine = await make();
    const ubuf = new Ubuf(engine);
    ubuf.cancel();
    const out = [ubuf] as unknown as Skb[];
    expect(engine.allocBurst(out, 1, out.length, { reuse: true })).toBe(1);
    expect([(out[0] as unknown) === ubuf, ubuf.carriers, out[0]?.alive]).toEqual([false, 0, true]);
  });

  it.each([2, 300])("a burst of %i releases, whose callback releases one of them again", async (n) => {
    const errors: unknown[] = [];
    const engine = await make({ onError: (error) => errors.push(error) });
    const packets = Array.from({ length: n }, () => engine.alloc(10));
    const region = new UserRegion(engine, 10);
    const last = packets.at(-1) as Skb;
    const ubuf = new Ubuf(engine, () => last.release());
    packets[0]?.addUserFrag(region, 0, 10, ubuf);
    engine.releaseBurst(packets);
    await Promise.resolve();
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(["ERR_SKB_STALE"]);
    expect(stats(engine).skbs.used).toBe(0);
    region.release();
  });

  it("a burst of releases with one packet that may not go", async () => {
    const engine = await make();
    const w = new World(engine);
    const queue = new SkbQueue(engine);
    for (const total of [4, 300]) {
      const skbs = Array.from({ length: total }, () => w.linear(4));
      const stale = w.linear(1);
      stale.release();
      const queued = w.linear(1);
      queue.pushTail(queued);
      const before = stats(engine);
      for (const wild of [stale, queued, skbs[0], null, undefined, {}]) {
        for (const at of [1, total - 1]) {
          const burst = skbs.slice();
          burst[at] = wild as Skb;
          expectTyped(
            caught(() => engine.releaseBurst(burst)),
            `${at}`,
          );
          expect(skbs.every((skb) => skb.alive && skb.length === 4)).toBe(true);
        }
      }
      expect(stats(engine)).toEqual(before);
      engine.releaseBurst(skbs);
      expect(skbs.some((skb) => skb.alive)).toBe(false);
      expect(queue.purge()).toBe(1);
    }
    expect(stats(engine).skbs.used).toBe(0);
  });
});

function describeWild(wild: unknown): string {
  if (typeof wild === "bigint") return `${wild}n`;
  if (typeof wild === "object" && wild !== null) {
    return Object.getPrototypeOf(wild)?.constructor?.name ?? "null prototype";
  }
  return typeof wild === "string" ? `"${wild}"` : String(wild);
}
