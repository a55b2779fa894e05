// The operations that random programs are made of. Each takes three random numbers and picks what it needs.

import { Burst, type DropReason, type Skb, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import type { LentUbuf, Machine, Outcome, Packet, Pair, Queue, Reference } from "./machine.js";
import { Difference } from "./machine.js";
import { ModelPacket, ModelUbuf, noMeta } from "./model.js";

type Touched = (Packet | undefined)[];
type Operation = (m: Machine, a: number, b: number, c: number) => Touched;

function pick<T>(items: readonly T[], n: number): T | undefined {
  return items[n % Math.max(items.length, 1)];
}

/** Bytes that differ from their neighbours and from those of other calls. */
function pattern(n: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
}

/** A size: mostly small, sometimes at or over a border. */
function size(n: number): number {
  const borders = [
    0, 1, 63, 64, 127, 128, 129, 319, 320, 321, 831, 832, 1855, 1856, 3904, 3905, 4096, 4097, 8192,
  ];
  return n % 4 === 0 ? (pick(borders, n >> 2) as number) : (n >> 2) % 700;
}

/** An offset or length within a packet, or just outside. */
function within(length: number, n: number): number {
  return n % 16 === 0 ? length + (n >> 4) : n % 16 === 1 ? length : (n >> 4) % Math.max(length, 1);
}

/** A length of what is behind such an offset, or a little more. */
function partOf(length: number, n: number): number {
  return (n >> 9) % (Math.max(length - within(length, n), 0) + 3);
}

function reference(m: Machine, n: number): Reference | undefined {
  return pick(
    m.packets.flatMap((packet) => packet.references),
    n,
  );
}

/** Refusals that the model can judge: nothing of a packet that never shared anything is shared. */
function judge(outcome: Outcome, packet: Packet): void {
  const lent = packet.model.parts.some((part) => part.tags.some((tag) => tag !== null));
  if (outcome.code === "ERR_SKB_SHARED" && packet.model.lone && !lent) {
    throw new Difference(`refused as shared, but never was: ${outcome.error}`);
  }
}

/** An operation on one packet; `then` brings the model along when it succeeded. */
function on<T>(
  what: string,
  run: (skb: Skb, side: 0 | 1, packet: Packet, b: number, c: number, m: Machine) => T,
  then: (packet: Packet, pair: Pair<T>, b: number, c: number, before: Before, m: Machine) => void = () => {},
): Operation {
  return (m, a, b, c) => {
    const ref = reference(m, a);
    if (ref === undefined) return [];
    const { packet } = ref;
    const [skb] = ref.skbs;
    const before = { linear: skb.linearLength, dataLength: skb.dataLength };
    const outcome = m.both(what, (side) => run(ref.skbs[side], side, packet, b, c, m));
    if (outcome.pair === null) judge(outcome, packet);
    else then(packet, outcome.pair, b, c, before, m);
    return [packet];
  };
}

interface Before {
  readonly linear: number;
  readonly dataLength: number;
}

/** An operation that returns a second packet. */
function twin(
  what: string,
  run: (skb: Skb, b: number) => Skb,
  make: (p: Packet, b: number, before: Before) => ModelPacket,
): Operation {
  const single = on(
    what,
    (skb, _side, _packet, b) => run(skb, b),
    (packet, pair, b, _c, before, m) => m.add(pair, make(packet, b, before)),
  );
  return (m, a, b, c) => (m.full ? [] : [...single(m, a, b, c), m.packets.at(-1)]);
}

/** An operation on a packet and another one, which may be the same. */
function withOther(
  what: string,
  run: (skb: Skb, other: Skb, c: number) => unknown,
  then: (m: Machine, packet: Packet, other: Reference, result: unknown, c: number, before: Before) => void,
): Operation {
  return (m, a, b, c) => {
    const ref = reference(m, a);
    const other = reference(m, b);
    if (ref === undefined || other === undefined) return [];
    const [skb] = ref.skbs;
    const before = { linear: skb.linearLength, dataLength: skb.dataLength };
    const outcome = m.both(what, (side) => run(ref.skbs[side], other.skbs[side], c));
    if (outcome.pair !== null) then(m, ref.packet, other, outcome.pair[0], c, before);
    return [ref.packet, other.packet];
  };
}

function alloc(what: string, run: (m: Machine, side: 0 | 1, b: number, c: number) => Skb | null): Operation {
  return (m, _a, b, c) => {
    if (m.full) return [];
    const { pair } = m.both(what, (side) => run(m, side, b, c));
    return pair === null || pair[0] === null ? [] : [m.add(pair as Pair<Skb>, new ModelPacket())];
  };
}

function newUbuf(sharing: "copy" | "refcount", heard: boolean): Operation {
  return (m, _a, b) => {
    if (m.ubufs.length >= 6) return [];
    const desc = m.nextDesc() + (b % 2) * 2 ** 31;
    const { pair } = m.both(
      "ubuf",
      (side) => new Ubuf(m.engines[side], heard ? m.listener(side) : undefined, { desc, sharing }),
    );
    if (pair !== null)
      m.ubufs.push({ ubufs: pair, model: new ModelUbuf(desc, sharing === "refcount"), heard });
    return [];
  };
}

/** Lends a part of a region, of up to `most` bytes, through one of the ubufs or one that was used before. */
function lend(most: number): Operation {
  return (m, a, b, c) => {
    const ref = reference(m, a);
    const region = pick(m.regions, b);
    const lent = pick<LentUbuf>(m.ubufs, c);
    if (ref === undefined || region === undefined || lent === undefined) return [];
    const offset = (b >> 3) % region.bytes.length;
    const n = Math.min((c >> 3) % most, region.bytes.length - offset);
    const outcome = m.both("addUserFrag", (side) =>
      ref.skbs[side].addUserFrag(region.regions[side], offset, n, lent.ubufs[side]),
    );
    judge(outcome, ref.packet);
    if (outcome.pair !== null && n !== 0) {
      lent.model.attached = true;
      ref.packet.model.head.add(region.bytes.slice(offset, offset + n), lent.model);
    }
    return [ref.packet];
  };
}

function newRegion(most: number): Operation {
  return (m, _a, b, c) => {
    if (m.regions.length >= 3) return [];
    const bytes = pattern(1 + (b % most), c);
    const { pair } = m.both("userRegion", (side) => new UserRegion(m.engines[side], bytes.length));
    if (pair === null) return [];
    for (const region of pair) region.bytes.set(bytes);
    m.regions.push({ regions: pair, bytes: [...bytes] });
    return [];
  };
}

function set(
  what: "mark" | "priority" | "hash" | "protocol" | "queue" | "timestampMs",
  most: number,
): Operation {
  return on(
    what,
    (skb, _side, _packet, b) => {
      skb[what] = (b * 2654435) % most;
    },
    (packet, _pair, b) => {
      packet.model.meta[what] = (b * 2654435) % most;
    },
  );
}

function append(what: string, n: (b: number) => number): Operation {
  return on(
    what,
    (skb, _side, _packet, b, c) => {
      skb.append(pattern(n(b), c));
    },
    (packet, _pair, b, c) => packet.model.parts.at(-1)?.add(pattern(n(b), c)),
  );
}

function write64(littleEndian: boolean): Operation {
  const bytes = (c: number): number[] =>
    Array.from({ length: 8 }, (_, i) => (Math.imul(c + i, 40503) >>> 9) & 0xff);
  return on(
    "writeU64",
    (skb, _side, packet, b, c) =>
      skb.writeU64(
        within(packet.model.length, b),
        bytes(c).reduce((value, byte) => value * 256n + BigInt(byte), 0n),
        littleEndian,
      ),
    (packet, _pair, b, c) =>
      packet.model.write(within(packet.model.length, b), littleEndian ? bytes(c).reverse() : bytes(c)),
  );
}

function read64(littleEndian: boolean): Operation {
  return on(
    "readU64",
    (skb, _side, packet, b) => String(skb.readU64(within(packet.model.length, b), littleEndian)),
    (packet, [value], b) => {
      const at = within(packet.model.length, b);
      const bytes = packet.model.bytes.slice(at, at + 8);
      if (littleEndian) bytes.reverse();
      const wanted = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
      if (value !== String(wanted)) throw new Difference(`readU64: ${value}, not ${wanted}`);
    },
  );
}

function write(what: "writeU8" | "writeU16" | "writeU32", width: 1 | 2 | 4, littleEndian = false): Operation {
  const bytes = (c: number): number[] =>
    [24, 16, 8, 0].map((shift) => (Math.imul(c, 40503) >>> shift) & 0xff).slice(4 - width);
  return on(
    what,
    (skb, _side, packet, b, c) =>
      skb[what](
        within(packet.model.length, b),
        bytes(c).reduce((value, byte) => value * 256 + byte, 0),
        littleEndian,
      ),
    (packet, _pair, b, c) =>
      packet.model.write(within(packet.model.length, b), littleEndian ? bytes(c).reverse() : bytes(c)),
  );
}

function read(what: "readU8" | "readU16" | "readU32", width: 1 | 2 | 4, littleEndian = false): Operation {
  return on(
    what,
    (skb, _side, packet, b) => skb[what](within(packet.model.length, b), littleEndian),
    (packet, [value], b) => {
      const at = within(packet.model.length, b);
      const bytes = packet.model.bytes.slice(at, at + width);
      if (littleEndian) bytes.reverse();
      const wanted = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
      if (value !== wanted) throw new Difference(`${what}: ${value}, not ${wanted}`);
    },
  );
}

/** A sum to go on from: any 32 bits. */
function seedOf(c: number): number {
  return Math.imul(c, 2654435761) >>> 0;
}

/** Its bytes, as a checksum adds them up. */
function wordsOf(seed: number): number[] {
  return [24, 16, 8, 0].map((shift) => (seed >>> shift) & 0xff);
}

/** A place before `at`, or there, an even number of bytes away. */
function evenBefore(at: number, c: number): number {
  return at - 2 * (c % (1 + (at >> 1)));
}

function naiveChecksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** Keeps packets from growing without end, which only makes the programs slow. */
function bounded(operation: Operation): Operation {
  return (m, a, b, c) => ((reference(m, a)?.packet.model.length ?? 0) > 20_000 ? [] : operation(m, a, b, c));
}

function enqueue(what: "pushHead" | "pushTail"): Operation {
  return (m, a, b) => {
    const ref = reference(m, a);
    const queue = pick(m.queues, b) as Queue;
    if (ref === undefined) return [];
    if (m.both(what, (side) => queue.queues[side][what](ref.skbs[side])).pair !== null) {
      ref.queue = queue;
      if (what === "pushHead") queue.members.unshift(ref);
      else queue.members.push(ref);
    }
    return [ref.packet];
  };
}

function dequeue(what: "popHead" | "popTail"): Operation {
  return (m, _a, b) => {
    const queue = pick(m.queues, b) as Queue;
    const { pair } = m.both(what, (side) => queue.queues[side][what]());
    const ref = what === "popHead" ? queue.members.shift() : queue.members.pop();
    if (pair === null || pair[0] !== (ref?.skbs[0] ?? null))
      throw new Difference(`${what}: not the packet it should be`);
    if (ref !== undefined) ref.queue = null;
    return [ref?.packet];
  };
}

function header(what: "macHeader" | "networkHeader"): Operation {
  return on(what, (skb, _side, packet, b) => {
    skb[what] = b % 5 === 0 ? null : within(packet.model.length, b) - (b % 3);
    return skb[what];
  });
}

export const OPERATIONS: Record<string, Operation> = {
  alloc: alloc("alloc", (m, side, b) => m.engines[side].alloc(size(b))),
  allocHeadroom: alloc("alloc", (m, side, b, c) => m.engines[side].alloc(size(b), { headroom: size(c) })),
  tryAlloc: alloc("tryAlloc", (m, side, b) => m.engines[side].tryAlloc(size(b), { headroom: 64 })),
  allocLarge: alloc("alloc", (m, side, b) => m.engines[side].alloc(4000 + (b % 20000))),
  allocWild: alloc("alloc", (m, side, b) =>
    m.engines[side].alloc(pick([-1, 0.5, Number.NaN, 2 ** 32, 131073], b) as number),
  ),
  allocBurst: (m, _a, b, c) => {
    if (m.full) return [];
    const n = 1 + (c % 3);
    const { pair } = m.both("allocBurst", (side) => {
      const out: Skb[] = [];
      m.engines[side].allocBurst(out, size(b), n, { headroom: 16 });
      return out;
    });
    return pair === null ? [] : pair[0].map((skb, i) => m.add([skb, pair[1][i] as Skb], new ModelPacket()));
  },
  exhaust: (m, _a, b) => {
    m.both("exhaust", (side) => {
      const all: Skb[] = [];
      for (let skb = m.engines[side].tryAlloc(size(b)); skb !== null; skb = m.engines[side].tryAlloc(size(b)))
        all.push(skb);
      m.engines[side].releaseBurst(all);
      return all.length;
    });
    return [];
  },
  release: (m, a, b) => {
    const ref = reference(m, a);
    if (ref === undefined) return [];
    if (m.both("release", (side) => ref.skbs[side].release((b % 20) as DropReason)).pair !== null) m.end(ref);
    return [ref.packet];
  },
  dispose: (m, a) => {
    const ref = reference(m, a);
    if (ref === undefined) return [];
    m.both("dispose", (side) => (ref.skbs[side] as Disposable)[Symbol.dispose]());
    if (ref.queue === null) m.end(ref);
    return [ref.packet];
  },
  releaseBurst: (m, a, b) => {
    const some = m.packets.slice(a % 3, (a % 3) + (b % 4)).map((packet) => packet.references[0] as Reference);
    if (
      m.both("releaseBurst", (side) => m.engines[side].releaseBurst(some.map((ref) => ref.skbs[side])))
        .pair !== null
    ) {
      for (const ref of some) m.end(ref);
    }
    return some.map((ref) => ref.packet);
  },
  throughBurst: (m, a, b, c) => {
    const ref = reference(m, a);
    if (ref === undefined || ref.queue !== null) return [];
    const { pair } = m.both("burst", (side) => {
      const burst = new Burst(m.engines[side], { capacity: 1 + (b % 3) });
      try {
        burst.push(ref.skbs[side]);
        const [before, length] = [burst.at(0).mark, burst.lengthOf(0)];
        const bytes =
          length > 4 ? [burst.readU16(0, c % (length - 4)), burst.readU32(0, c % (length - 4), true)] : [];
        return { skb: burst.take(0), read: [before, length, burst.length, ...bytes] };
      } finally {
        burst.release();
      }
    });
    if (pair === null) return [ref.packet];
    ref.packet.references.push({ skbs: [pair[0].skb, pair[1].skb], packet: ref.packet, queue: null });
    m.end(ref);
    return [ref.packet];
  },
  releaseTwice: (m, a) => {
    const ref = reference(m, a);
    if (ref === undefined) return [];
    m.both("releaseBurst", (side) => m.engines[side].releaseBurst([ref.skbs[side], ref.skbs[side]]));
    return [ref.packet];
  },
  get: (m, a) => {
    const ref = reference(m, a);
    if (ref === undefined || ref.packet.references.length > 3) return [];
    const { pair } = m.both("get", (side) => ref.skbs[side].get());
    if (pair !== null) ref.packet.references.push({ skbs: pair, packet: ref.packet, queue: null });
    ref.packet.model.users = ref.packet.references.length;
    return [ref.packet];
  },
  stale: (m, a, b) => {
    const ref = pick(m.dead, a);
    if (ref === undefined) return [];
    const uses: ((skb: Skb) => unknown)[] = [
      (skb) => skb.put(1),
      (skb) => skb.clone(),
      (skb) => skb.length,
      (skb) => skb.release(),
      (skb) => skb.linearize(),
      (skb) => skb.writeU8(0, 1),
      (skb) => skb.get(),
    ];
    const { code } = m.both("stale", (side) => pick(uses, b)?.(ref.skbs[side]));
    if (code !== "ERR_SKB_STALE") throw new Difference(`use of a released packet: ${code}`);
    return [];
  },
  failNext: (m, a) => {
    m.failing = 1 + (a % 4);
    return [];
  },
  reserve: on("reserve", (skb, _side, _packet, b) => skb.reserve(b % 300)),
  put: on(
    "put",
    (skb, _side, _packet, b, c) => skb.put(size(b)).set(pattern(size(b), c)),
    (packet, _pair, b, c) => packet.model.head.add(pattern(size(b), c)),
  ),
  putData: on(
    "putData",
    (skb, _side, _packet, b, c) => {
      skb.putData(pattern(size(b), c));
    },
    (packet, _pair, b, c) => packet.model.head.add(pattern(size(b), c)),
  ),
  putZeros: on(
    "putZeros",
    (skb, _side, _packet, b) => {
      skb.putZeros(size(b));
    },
    (packet, _pair, b) => packet.model.head.add(new Uint8Array(size(b))),
  ),
  push: on(
    "push",
    (skb, _side, _packet, b, c) => skb.push(b % 80).set(pattern(b % 80, c)),
    (packet, _pair, b, c) => prepend(packet, pattern(b % 80, c)),
  ),
  pushData: on(
    "pushData",
    (skb, _side, _packet, b, c) => {
      skb.pushData(pattern(b % 80, c));
    },
    (packet, _pair, b, c) => prepend(packet, pattern(b % 80, c)),
  ),
  pull: on(
    "pull",
    (skb, _side, packet, b) => skb.pull(within(packet.model.length, b)),
    (packet, _pair, b) => packet.model.head.take(within(packet.model.length, b)),
  ),
  trim: on(
    "trim",
    (skb, _side, packet, b) => skb.trim(within(packet.model.length, b)),
    (packet, _pair, b, _c, before) => packet.model.trim(within(packet.model.length, b), before.dataLength),
  ),
  trimALittle: on(
    "trim",
    (skb, _side, packet, b) => skb.trim(Math.max(packet.model.length - (b % 5), 0)),
    (packet, _pair, b, _c, before) =>
      packet.model.trim(Math.max(packet.model.length - (b % 5), 0), before.dataLength),
  ),
  clone: twin(
    "clone",
    (skb) => skb.clone(),
    (packet) => packet.model.twin(),
  ),
  copyHead: twin(
    "copyHead",
    (skb) => skb.copyHead(),
    (packet) => packet.model.twin(),
  ),
  copy: twin(
    "copy",
    (skb) => skb.copy(),
    (packet) => {
      const copy = new ModelPacket();
      copy.head.add(packet.model.bytes);
      copy.meta = { ...packet.model.meta, cb: [...packet.model.meta.cb] };
      return copy;
    },
  ),
  split: twin(
    "split",
    (skb, b) => skb.split(within(skb.length, b)),
    (packet, b, before) =>
      packet.model.split(within(packet.model.length, b), before.linear, before.dataLength),
  ),
  extract: twin(
    "extract",
    (skb, b) => skb.extract(within(skb.length, b), partOf(skb.length, b), { headroom: b % 90 }),
    (packet, b, before) => {
      const { length } = packet.model;
      return packet.model.extract(within(length, b), partOf(length, b), before.linear);
    },
  ),
  splitBehindHead: twin(
    "split",
    (skb) => skb.split(skb.linearLength),
    (packet, _b, before) => packet.model.split(before.linear, before.linear, before.dataLength),
  ),
  expandHead: on("expandHead", (skb, _side, _packet, b, c) => skb.expandHead(b % 300, c % 2000)),
  expandHeadLarge: on("expandHead", (skb, _side, _packet, b, c) => skb.expandHead(b % 70000, c % 140000)),
  unclone: on(
    "unclone",
    (skb) => skb.unclone(),
    (packet) => {
      packet.model.lone = true;
    },
  ),
  morph: withOther(
    "morph",
    (skb, other) => skb.morph(other),
    (_m, packet, other) => {
      if (packet === other.packet) return;
      const twinOf = other.packet.model.twin();
      packet.model.parts = twinOf.parts;
      packet.model.meta = twinOf.meta;
      packet.model.lone = false;
    },
  ),
  addPageFrag: on(
    "addPageFrag",
    (skb, _side, _packet, b, c) => skb.addPageFrag(size(b)).set(pattern(size(b), c)),
    (packet, _pair, b, c) => packet.model.head.add(pattern(size(b), c)),
  ),
  addLongPageFrag: on(
    "addPageFrag",
    (skb, _side, _packet, b, c) => skb.addPageFrag(4097 + (b % 5000)).set(pattern(4097 + (b % 5000), c)),
    (packet, _pair, b, c) => packet.model.head.add(pattern(4097 + (b % 5000), c)),
  ),
  append: bounded(append("append", size)),
  appendALittle: append("append", (b) => b % 40),
  appendMuch: bounded(append("append", (b) => b % 9000)),
  newUbuf: newUbuf("copy", true),
  newSharingUbuf: newUbuf("refcount", true),
  newUnheardUbuf: newUbuf("copy", false),
  cancelUbuf: (m, a) => {
    const lent = pick<LentUbuf>(m.ubufs, a);
    if (lent === undefined) return [];
    const { pair } = m.both("cancel", (side) => lent.ubufs[side].cancel());
    if ((pair !== null) === lent.model.attached)
      throw new Difference("cancelled although lent, or not although idle");
    if (pair !== null) m.ubufs.splice(m.ubufs.indexOf(lent), 1);
    return [];
  },
  newRegion: newRegion(3000),
  newLongRegion: newRegion(12000),
  releaseRegion: (m, a) => {
    const region = pick(m.regions, a);
    if (region === undefined) return [];
    m.both("region.release", (side) => region.regions[side].release());
    m.regions.splice(m.regions.indexOf(region), 1);
    return [];
  },
  addUserFrag: lend(600),
  addLongUserFrag: lend(9000),
  addFragList: bounded(
    withOther(
      "addFragList",
      (skb, other) => skb.addFragList(other),
      (m, packet, other) => {
        packet.model.parts.push(...other.packet.model.parts);
        packet.model.lone = packet.model.lone && other.packet.model.lone;
        m.end(other);
      },
    ),
  ),
  copyUbufs: on(
    "copyUbufs",
    (skb) => skb.copyUbufs(),
    (packet) => {
      for (const part of packet.model.parts) part.own(true);
    },
  ),
  linearize: on(
    "linearize",
    (skb) => skb.linearize(),
    (packet, _pair, _b, _c, before) => packet.model.pulled(packet.model.length, before.linear),
  ),
  mayPull: on(
    "mayPull",
    (skb, _side, packet, b) => skb.mayPull(within(packet.model.length, b)),
    (packet, _pair, b, _c, before) => {
      const n = within(packet.model.length, b);
      if (n > before.linear) packet.model.pulled(n, before.linear);
    },
  ),
  consume: on(
    "mayPull, pull",
    (skb, _side, packet, b) => {
      const n = within(packet.model.length, b);
      skb.mayPull(n);
      skb.pull(n);
    },
    (packet, _pair, b, _c, before) => {
      const n = within(packet.model.length, b);
      if (n > before.linear) packet.model.pulled(n, before.linear);
      packet.model.head.take(n);
    },
  ),
  condense: on(
    "condense",
    (skb) => skb.condense(),
    (packet, [done], _b, _c, before) => {
      if (done) packet.model.pulled(packet.model.length, before.linear);
    },
  ),
  shift: withOther(
    "shift",
    (skb, other, c) => skb.shift(other, within(other.length, c)),
    (_m, packet, other, moved) => {
      if (packet === other.packet || moved === 0) return;
      packet.model.head.add(other.packet.model.head.take(moved as number).bytes);
      packet.model.lone = false;
      other.packet.model.lone = false;
    },
  ),
  tryCoalesce: withOther(
    "tryCoalesce",
    (skb, other) => skb.tryCoalesce(other),
    (m, packet, other, done) => {
      if (done !== true) return;
      for (const part of other.packet.model.parts) {
        packet.model.head.add(part.bytes);
        part.copied(null);
      }
      packet.model.lone = false;
      m.end(other);
    },
  ),
  recycle: on(
    "recycle",
    (skb, _side, _packet, b) => skb.recycle(size(b)),
    (packet, [done]) => {
      if (!done) return;
      packet.model.parts = new ModelPacket().parts;
      packet.model.meta = noMeta();
    },
  ),
  readU8: read("readU8", 1),
  readU16: read("readU16", 2),
  readU32: read("readU32", 4),
  writeU8: write("writeU8", 1),
  writeU16: write("writeU16", 2),
  writeU32: write("writeU32", 4),
  readU16Little: read("readU16", 2, true),
  readU32Little: read("readU32", 4, true),
  readU64: read64(false),
  readU64Little: read64(true),
  writeU16Little: write("writeU16", 2, true),
  writeU32Little: write("writeU32", 4, true),
  writeU64: write64(false),
  writeU64Little: write64(true),
  storeBits: on(
    "storeBits",
    (skb, _side, packet, b, c) => skb.storeBits(within(packet.model.length, b), pattern(size(c), b)),
    (packet, _pair, b, c) => packet.model.write(within(packet.model.length, b), [...pattern(size(c), b)]),
  ),
  copyBits: on(
    "copyBits",
    (skb, _side, packet, b, c) => {
      const at = within(packet.model.length, b);
      const into = new Uint8Array(within(Math.max(packet.model.length - at, 0), c));
      skb.copyBits(at, into);
      return [...into].join();
    },
    (packet, [bytes], b, c) => {
      const at = within(packet.model.length, b);
      const n = within(Math.max(packet.model.length - at, 0), c);
      if (bytes !== packet.model.bytes.slice(at, at + n).join()) throw new Difference("copyBits");
    },
  ),
  segments: on(
    "segments",
    (skb) => skb.segments(),
    (packet, [views]) => {
      if (Buffer.compare(Buffer.concat(views), Uint8Array.from(packet.model.bytes)) !== 0)
        throw new Difference("segments");
    },
  ),
  checksum: on(
    "checksum",
    (skb, _side, packet, b, c) => {
      const at = within(packet.model.length, b);
      return skb.checksum(at, within(Math.max(packet.model.length - at, 0), c));
    },
    (packet, [sum], b, c) => {
      const at = within(packet.model.length, b);
      const n = within(Math.max(packet.model.length - at, 0), c);
      const wanted = naiveChecksum(packet.model.bytes.slice(at, at + n));
      if (sum !== wanted) throw new Difference(`checksum: ${sum}, not ${wanted}`);
    },
  ),
  checksumFrom: on(
    "checksum with a seed",
    (skb, _side, packet, b, c) => skb.checksum(within(packet.model.length, b), undefined, seedOf(c)),
    (packet, [sum], b, c) => {
      const bytes = packet.model.bytes.slice(within(packet.model.length, b));
      const wanted = naiveChecksum([...wordsOf(seedOf(c)), ...bytes]);
      if (sum !== wanted) throw new Difference(`checksum: ${sum}, not ${wanted}`);
    },
  ),
  setChecksum: on(
    "setChecksum",
    (skb, _side, packet, b, c) =>
      skb.setChecksum(
        within(packet.model.length, b),
        evenBefore(within(packet.model.length, b), c),
        undefined,
        seedOf(c),
      ),
    (packet, [value], b, c) => {
      const at = within(packet.model.length, b);
      packet.model.write(at, [0, 0]);
      const bytes = packet.model.bytes.slice(evenBefore(at, c));
      const wanted = ~naiveChecksum([...wordsOf(seedOf(c)), ...bytes]) & 0xffff;
      if (value !== wanted) throw new Difference(`setChecksum: ${value}, not ${wanted}`);
      packet.model.write(at, [value >>> 8, value & 0xff]);
    },
  ),
  setMark: set("mark", 2 ** 32),
  setPriority: set("priority", 2 ** 32),
  setHash: set("hash", 2 ** 32),
  setProtocol: set("protocol", 2 ** 16),
  setQueue: set("queue", 2 ** 16),
  setTimestamp: set("timestampMs", 18_446_744_073_709),
  setMacHeader: header("macHeader"),
  setNetworkHeader: header("networkHeader"),
  setGso: on("gso", (skb, _side, _packet, b) => {
    skb.gsoSize = b % 70000;
    return skb.gsoSize;
  }),
  writeCb: on(
    "cb",
    (skb, _side, _packet, b, c) => {
      skb.cb[b % 48] = c & 0xff;
    },
    (packet, _pair, b, c) => {
      packet.model.meta.cb[b % 48] = c & 0xff;
    },
  ),
  pushHead: enqueue("pushHead"),
  pushTail: enqueue("pushTail"),
  popHead: dequeue("popHead"),
  popTail: dequeue("popTail"),
  unlink: (m, a, b) => {
    const ref = reference(m, a);
    const queue = pick(m.queues, b) as Queue;
    if (ref === undefined) return [];
    const { pair } = m.both("unlink", (side) => queue.queues[side].unlink(ref.skbs[side]));
    if (pair?.[0] !== (ref.queue === queue))
      throw new Difference("unlink of what is not there, or the reverse");
    if (ref.queue === queue) {
      queue.members.splice(queue.members.indexOf(ref), 1);
      ref.queue = null;
    }
    return [ref.packet];
  },
  splice: (m, a, b) => {
    const [to, from] = [pick(m.queues, a) as Queue, pick(m.queues, b) as Queue];
    m.both("splice", (side) => to.queues[side].splice(from.queues[side]));
    if (to === from) return [];
    for (const ref of from.members) ref.queue = to;
    to.members.push(...from.members.splice(0));
    return [];
  },
  purge: (m, a) => {
    const queue = pick(m.queues, a) as Queue;
    const { pair } = m.both("purge", (side) => queue.queues[side].purge(2));
    if (pair?.[0] !== queue.members.length) throw new Difference("purge");
    for (const ref of queue.members.splice(0)) m.end(ref);
    return [];
  },
  stats: (m) => {
    m.both("stats", (side) => JSON.stringify(stats(m.engines[side])));
    return [];
  },
};

function prepend(packet: Packet, bytes: Uint8Array): void {
  const { head } = packet.model;
  head.bytes.unshift(...bytes);
  head.tags.unshift(...new Array<null>(bytes.length).fill(null));
}

/** What changes the shape of packets comes more often than what only looks at them. */
export const WEIGHTED: readonly string[] = Object.keys(OPERATIONS).flatMap((name) => {
  const often =
    /^(clone|copyHead|split|extract|append|addFragList|linearize|mayPull|consume|trim|morph|tryCoalesce|shift|checksum)$/;
  const veryOften = /^(addUserFrag|addLongUserFrag|addPageFrag|newUbuf|newSharingUbuf|newRegion)$/;
  return new Array<string>(veryOften.test(name) ? 4 : often.test(name) ? 3 : 1).fill(name);
});
