// Every member of the public classes, with a call that succeeds. The suites enumerate the prototypes, so a member
// that is new and not in a table makes them fail.

import {
  type Burst,
  type Engine,
  Mesh,
  type Receiver,
  Ring,
  type Sender,
  type Skb,
  SkbQueue,
  Ubuf,
  UserRegion,
} from "skbuff";
import { audit, pageMap, stats } from "skbuff/inspect";

/** What the calls may use besides the object they are made on. */
export interface Props {
  readonly engine: Engine;
  readonly other: Skb;
  readonly region: UserRegion;
  readonly ubuf: Ubuf;
}

export type Call<T> = (object: T, props: Props) => unknown;

/** Symbol.dispose is not in Node 20, where the library uses the name that compilers of `using` fall back to. */
export const DISPOSE: symbol = Symbol.dispose ?? Symbol.for("Symbol.dispose");

const bytes = (n: number): Uint8Array => new Uint8Array(n);

/** Keys are `name` for methods and getters, `name=` for setters. */
export const SKB: Record<string, Call<Skb>> = {
  length: (skb) => skb.length,
  dataLength: (skb) => skb.dataLength,
  linearLength: (skb) => skb.linearLength,
  headroom: (skb) => skb.headroom,
  tailroom: (skb) => skb.tailroom,
  truesize: (skb) => skb.truesize,
  frags: (skb) => skb.frags,
  listLength: (skb) => skb.listLength,
  linear: (skb) => skb.linear,
  handle: (skb) => skb.handle,
  alive: (skb) => skb.alive,
  queued: (skb) => skb.queued,
  users: (skb) => skb.users,
  cloned: (skb) => skb.cloned,
  zeroCopy: (skb) => skb.zeroCopy,
  get: (skb) => skb.get().release(),
  release: (skb) => skb.release(),
  "[dispose]": (skb) => (skb as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
  reserve: (skb) => skb.reserve(skb.length === 0 ? 1 : 0),
  put: (skb) => skb.put(1),
  putData: (skb) => skb.putData(bytes(1)),
  putZeros: (skb) => skb.putZeros(1),
  push: (skb) => skb.push(1),
  pushData: (skb) => skb.pushData(bytes(1)),
  pull: (skb) => skb.pull(1),
  trim: (skb) => skb.trim(1),
  bytes: (skb) => skb.bytes,
  clone: (skb) => skb.clone().release(),
  copy: (skb) => skb.copy().release(),
  copyHead: (skb) => skb.copyHead().release(),
  expandHead: (skb) => skb.expandHead(1, 1),
  unclone: (skb) => skb.unclone(),
  morph: (skb, { other }) => skb.morph(other),
  addPageFrag: (skb) => skb.addPageFrag(1),
  append: (skb) => skb.append(bytes(1)),
  addUserFrag: (skb, { region, ubuf }) => skb.addUserFrag(region, 0, 1, ubuf),
  addFragList: (skb, { other }) => skb.addFragList(other),
  copyUbufs: (skb) => skb.copyUbufs(),
  linearize: (skb) => skb.linearize(),
  mayPull: (skb) => skb.mayPull(1),
  condense: (skb) => skb.condense(),
  split: (skb) => skb.split(1).release(),
  extract: (skb) => skb.extract(0, 1).release(),
  shift: (skb, { other }) => skb.shift(other, 1),
  tryCoalesce: (skb, { other }) => skb.tryCoalesce(other),
  recycle: (skb) => skb.recycle(1),
  readU8: (skb) => skb.readU8(0),
  readU16: (skb) => skb.readU16(0),
  readU64: (skb) => skb.readU64(0),
  readU32: (skb) => skb.readU32(0),
  writeU8: (skb) => skb.writeU8(0, 1),
  writeU16: (skb) => skb.writeU16(0, 1),
  writeU32: (skb) => skb.writeU32(0, 1),
  writeU64: (skb) => skb.writeU64(0, 1n),
  copyBits: (skb) => skb.copyBits(0, bytes(1)),
  storeBits: (skb) => skb.storeBits(0, bytes(1)),
  toBytes: (skb) => skb.toBytes(),
  segments: (skb) => skb.segments(),
  checksum: (skb) => skb.checksum(),
  setChecksum: (skb) => skb.setChecksum(0),
  protocol: (skb) => skb.protocol,
  "protocol=": (skb) => {
    skb.protocol = 1;
  },
  queue: (skb) => skb.queue,
  "queue=": (skb) => {
    skb.queue = 1;
  },
  mark: (skb) => skb.mark,
  "mark=": (skb) => {
    skb.mark = 1;
  },
  priority: (skb) => skb.priority,
  "priority=": (skb) => {
    skb.priority = 1;
  },
  hash: (skb) => skb.hash,
  "hash=": (skb) => {
    skb.hash = 1;
  },
  timestampMs: (skb) => skb.timestampMs,
  "timestampMs=": (skb) => {
    skb.timestampMs = 1;
  },
  timestamp: (skb) => skb.timestamp,
  "timestamp=": (skb) => {
    skb.timestamp = 1n;
  },
  cb: (skb) => skb.cb,
  gsoSize: (skb) => skb.gsoSize,
  "gsoSize=": (skb) => {
    skb.gsoSize = 1;
  },
  gsoSegments: (skb) => skb.gsoSegments,
  "gsoSegments=": (skb) => {
    skb.gsoSegments = 1;
  },
  gsoType: (skb) => skb.gsoType,
  "gsoType=": (skb) => {
    skb.gsoType = 1;
  },
  macHeader: (skb) => skb.macHeader,
  "macHeader=": (skb) => {
    skb.macHeader = 1;
  },
  networkHeader: (skb) => skb.networkHeader,
  "networkHeader=": (skb) => {
    skb.networkHeader = 1;
  },
  transportHeader: (skb) => skb.transportHeader,
  "transportHeader=": (skb) => {
    skb.transportHeader = null;
  },
};

export const ENGINE: Record<string, Call<Engine>> = {
  closed: (engine) => engine.closed,
  alloc: (engine) => engine.alloc(1).release(),
  tryAlloc: (engine) => engine.tryAlloc(1)?.release(),
  allocBurst: (engine) => {
    const out: Skb[] = [];
    engine.allocBurst(out, 1, 1);
    out[0]?.release();
  },
  releaseBurst: (engine, { other }) => engine.releaseBurst([other]),
  wait: (engine) => engine.wait({ timeout: 0 }),
  waitAsync: (engine) => engine.waitAsync({ timeout: 0 }),
  waitMemory: (engine) => engine.waitMemory({ timeout: 0 }),
  waitMemoryAsync: (engine) => engine.waitMemoryAsync({ timeout: 0 }),
  poll: (engine) => engine.poll(),
  close: (engine) => engine.close({ force: true }),
  share: (engine) => (engine.shared || engine.closed ? engine.share() : undefined),
  detach: (engine) => engine.detach(),
  detachAsync: (engine) => engine.detachAsync(),
  flush: (engine) => engine.flush(),
};

/** What is made of an engine by other classes, and what is read of it. */
export const MAKING: Record<string, Call<Engine>> = {
  "new UserRegion": (engine) => new UserRegion(engine, 1).release(),
  "new Ubuf": (engine) => new Ubuf(engine).cancel(),
  stats: (engine) => stats(engine),
  audit: (engine) => audit(engine),
  pageMap: (engine) => pageMap(engine),
  "new Ring": (engine) => new Ring(engine).release(),
  "Ring.attach": (engine) => {
    const ring = new Ring(engine);
    Ring.attach(engine, ring.share()).release();
    ring.release();
  },
  "new Mesh": (engine) => new Mesh(engine, 1, 1).release(),
  "Mesh.attach": (engine) => {
    const mesh = new Mesh(engine, 1, 1);
    Mesh.attach(engine, mesh.share()).release();
    mesh.release();
  },
};

/** Members of the engine after which it is closed. */
export const ENDING = ["close", "detach", "detachAsync"];

const soon = { timeout: 1 };

export const RING: Record<string, Call<Ring>> = {
  size: (ring) => ring.size,
  closed: (ring) => ring.closed,
  ended: (ring) => ring.ended,
  enqueue: (ring, { other }) => ring.enqueue(other),
  enqueueBurst: (ring, { other }) => ring.enqueueBurst([other]),
  dequeue: (ring) => ring.dequeue()?.release(),
  dequeueBurst: (ring) => ring.dequeueBurst([], 0),
  // Unshared memory has nobody who could wake this thread, so that it may not block.
  wait: (ring) => {
    ring.close();
    return ring.wait(soon);
  },
  waitAsync: (ring) => ring.waitAsync(soon),
  waitWritable: (ring) => ring.waitWritable(1, soon),
  waitWritableAsync: (ring) => ring.waitWritableAsync(1, soon),
  close: (ring) => ring.close(),
  abort: (ring) => ring.abort(),
  share: (ring) => ring.share(),
  release: (ring) => ring.release(),
  "[dispose]": (ring) => (ring as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
  packets: async (ring) => {
    ring.close();
    for await (const skb of ring.packets({ timeout: 1000 })) skb.release();
  },
  "[asyncIterator]": async (ring) => {
    ring.close();
    for await (const skb of ring) skb.release();
  },
};

export const BURST: Record<string, Call<Burst>> = {
  length: (burst) => burst.length,
  lengthOf: (burst) => burst.lengthOf(0),
  markOf: (burst) => burst.markOf(0),
  setMark: (burst) => burst.setMark(0, 1),
  hashOf: (burst) => burst.hashOf(0),
  setHash: (burst) => burst.setHash(0, 1),
  readU8: (burst) => burst.readU8(0, 0),
  readU16: (burst) => burst.readU16(0, 0),
  readU32: (burst) => burst.readU32(0, 0),
  writeU8: (burst) => burst.writeU8(0, 0, 1),
  writeU16: (burst) => burst.writeU16(0, 0, 1),
  writeU32: (burst) => burst.writeU32(0, 0, 1),
  put: (burst) => burst.put(0, 1),
  putData: (burst) => burst.putData(0, bytes(1)),
  copyBits: (burst) => burst.copyBits(0, 0, bytes(1)),
  at: (burst) => burst.at(0).length,
  push: (burst, { other }) => burst.push(other),
  take: (burst) => burst.take(0).release(),
  release: (burst) => burst.release(),
  "[dispose]": (burst) => (burst as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
};

export const MESH: Record<string, Call<Mesh>> = {
  sender: (mesh) => mesh.sender(0).release(),
  receiver: (mesh) => mesh.receiver(0).release(),
  share: (mesh) => mesh.share(),
  close: (mesh) => mesh.close(),
  abort: (mesh) => mesh.abort(),
  release: (mesh) => mesh.release(),
  "[dispose]": (mesh) => (mesh as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
};

export const SENDER: Record<string, Call<Sender>> = {
  closed: (sender) => sender.closed,
  enqueue: (sender, { other }) => sender.enqueue(other),
  enqueueBurst: (sender, { other }) => sender.enqueueBurst([other]),
  waitWritable: (sender) => sender.waitWritable(1, soon),
  waitWritableAsync: (sender) => sender.waitWritableAsync(1, soon),
  close: (sender) => sender.close(),
  abort: (sender) => sender.abort(),
  release: (sender) => sender.release(),
  "[dispose]": (sender) => (sender as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
};

export const RECEIVER: Record<string, Call<Receiver>> = {
  size: (receiver) => receiver.size,
  ended: (receiver) => receiver.ended,
  dequeue: (receiver) => receiver.dequeue()?.release(),
  dequeueBurst: (receiver) => receiver.dequeueBurst([], 1),
  wait: (receiver) => {
    receiver.close();
    return receiver.wait(soon);
  },
  waitAsync: (receiver) => receiver.waitAsync(soon),
  close: (receiver) => receiver.close(),
  abort: (receiver) => receiver.abort(),
  release: (receiver) => receiver.release(),
  "[dispose]": (receiver) => (receiver as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
  packets: async (receiver) => {
    receiver.close();
    for await (const skb of receiver.packets({ timeout: 1000 })) skb.release();
  },
  "[asyncIterator]": async (receiver) => {
    receiver.close();
    for await (const skb of receiver) skb.release();
  },
};

export const UBUF: Record<string, Call<Ubuf>> = {
  status: (ubuf) => ubuf.status,
  carriers: (ubuf) => ubuf.carriers,
  cancel: (ubuf) => ubuf.cancel(),
};

export const REGION: Record<string, Call<UserRegion>> = {
  bytes: (region) => region.bytes,
  frags: (region) => region.frags,
  released: (region) => region.released,
  release: (region) => region.release(),
  "[dispose]": (region) => (region as unknown as Record<symbol, () => void>)[DISPOSE]?.(),
};

export const QUEUE: Record<string, Call<SkbQueue>> = {
  length: (queue) => queue.length,
  pushHead: (queue, { other }) => queue.pushHead(other),
  pushTail: (queue, { other }) => queue.pushTail(other),
  popHead: (queue) => queue.popHead(),
  popTail: (queue) => queue.popTail(),
  peek: (queue) => queue.peek(),
  peekTail: (queue) => queue.peekTail(),
  unlink: (queue, { other }) => queue.unlink(other),
  splice: (queue, { engine }) => queue.splice(new SkbQueue(engine)),
  purge: (queue) => queue.purge(),
  "[iterator]": (queue) => [...queue],
};

function nameOf(key: symbol): string {
  return key === DISPOSE ? "[dispose]" : `[${(key.description ?? "").replace("Symbol.", "")}]`;
}

/** What every object answers, however it is and without an error: contract/describe.test.ts has them. */
export const TELLS: readonly PropertyKey[] = ["toJSON", "toString", Symbol.for("nodejs.util.inspect.custom")];

/** The prototypes of a class: its own, and those that it is made of, which nobody else has. */
export function prototypesOf({ name, prototype }: { name: string; prototype: object }): object[] {
  const found = [prototype];
  for (let one = Object.getPrototypeOf(prototype); isPart(one, name); one = Object.getPrototypeOf(one))
    found.push(one);
  return found;
}

/** Whether a prototype is that of a part of a class: SkbMetadata is one of Skb. */
function isPart(prototype: object, of: string): boolean {
  return prototype.constructor.name.startsWith(of);
}

/** The members of a class, in the way the tables name them. What starts with _ is not public. */
export function membersOf(type: { name: string; prototype: object }): string[] {
  return prototypesOf(type).flatMap(namesIn).sort();
}

function namesIn(prototype: object): string[] {
  const names: string[] = [];
  for (const key of Reflect.ownKeys(prototype)) {
    if (key === "constructor" || TELLS.includes(key)) continue;
    const name = typeof key === "symbol" ? nameOf(key) : key;
    if (name.startsWith("_")) continue;
    const { get, set, value } = Object.getOwnPropertyDescriptor(prototype, key) as PropertyDescriptor;
    if (get !== undefined || value !== undefined) names.push(name);
    if (set !== undefined) names.push(`${name}=`);
  }
  return names;
}
