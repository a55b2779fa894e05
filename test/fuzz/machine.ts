// Two engines and the model, side by side: what one operation does is done on each, and compared.

import { type Completion, Engine, type Skb, SkbQueue, type Ubuf, type UserRegion } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import type { ModelPacket, ModelUbuf, Part } from "./model.js";

/** The two sides of one thing. */
export type Pair<T> = readonly [T, T];

export interface Reference {
  readonly skbs: Pair<Skb>;
  readonly packet: Packet;
  queue: Queue | null;
}

export interface Packet {
  readonly model: ModelPacket;
  readonly references: Reference[];
}

export interface Queue {
  readonly queues: Pair<SkbQueue>;
  readonly members: Reference[];
}

export interface Region {
  readonly regions: Pair<UserRegion>;
  readonly bytes: readonly number[];
}

export interface LentUbuf {
  readonly ubufs: Pair<Ubuf>;
  readonly model: ModelUbuf;
  readonly heard: boolean;
}

export class Difference extends Error {}

function same(what: string, a: unknown, b: unknown): void {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
  if (x !== y) throw new Difference(`${what}: ${x} and ${y}`);
}

/** What an operation returned or threw, as something that can be compared. */
export interface Outcome {
  readonly error: string | null;
  readonly code: string | null;
  readonly values: readonly unknown[];
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [value.length];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null && "handle" in value) return (value as Skb).handle;
  return typeof value === "object" && value !== null ? "object" : value;
}

const LIVE_MOST = 12;

export class Machine {
  readonly packets: Packet[] = [];
  readonly dead: Reference[] = [];
  readonly regions: Region[] = [];
  readonly ubufs: LentUbuf[] = [];
  readonly queues: Queue[];
  operations = 0;
  /** Allocation that fails in the next operation; 0 for none. */
  failing = 0;
  readonly #heard: [Completion[], Completion[]] = [[], []];
  #descs = 0;

  private constructor(readonly engines: Pair<Engine>) {
    const queue = (): Queue => ({
      queues: [new SkbQueue(engines[0]), new SkbQueue(engines[1])],
      members: [],
    });
    this.queues = [queue(), queue()];
  }

  static async make(shared: boolean): Promise<Machine> {
    const options = { memory: 512 * 1024, threads: 1, skbs: 100, ubufs: 64, magazine: 4 };
    return new Machine([
      await Engine.create({ ...options, core: "wasm", shared }),
      await Engine.create({ ...options, core: "js", shared: !shared }),
    ]);
  }

  /** Runs an operation on both engines. What they return or throw must be the same. */
  both<T>(what: string, operation: (side: 0 | 1) => T): Outcome & { pair: Pair<T> | null } {
    const run = (side: 0 | 1): { outcome: Outcome; value: T | undefined } => {
      const core = (this.engines[side] as unknown as { _core: { failAllocation(n: number): number } })._core;
      if (this.failing !== 0) core.failAllocation(this.failing);
      try {
        const value = operation(side);
        return { outcome: { error: null, code: null, values: [plain(value)] }, value };
      } catch (error) {
        const { code, message } = error as { code?: unknown; message: string };
        if (typeof code !== "string") throw error;
        return { outcome: { error: message, code, values: [] }, value: undefined };
      } finally {
        if (this.failing !== 0) core.failAllocation(0);
      }
    };
    const [a, b] = [run(0), run(1)];
    same(what, a.outcome, b.outcome);
    if (a.outcome.code === "ERR_SKB_EXHAUSTED" && this.failing === 0)
      this.#judgeExhausted(a.outcome.error as string);
    this.failing = 0;
    const pair = a.outcome.error === null ? ([a.value as T, b.value as T] as const) : null;
    return { ...a.outcome, pair };
  }

  /** Nothing may be called exhausted while there is plenty of it. Runs are another matter: they can be broken up. */
  #judgeExhausted(error: string): void {
    const { skbs, pages } = stats(this.engines[0]);
    const plenty = skbs.total - skbs.used > 30 && pages.total - pages.used > 50;
    if (plenty && !error.includes("run")) throw new Difference(`called exhausted: ${error}`);
  }

  get full(): boolean {
    return this.packets.length >= LIVE_MOST;
  }

  add(skbs: Pair<Skb>, model: ModelPacket): Packet {
    const packet: Packet = { model, references: [] };
    packet.references.push({ skbs, packet, queue: null });
    this.packets.push(packet);
    return packet;
  }

  /** A reference has ended; with the last, its packet. */
  end(reference: Reference): void {
    const { packet } = reference;
    packet.references.splice(packet.references.indexOf(reference), 1);
    packet.model.users = packet.references.length;
    if (packet.references.length === 0) this.packets.splice(this.packets.indexOf(packet), 1);
    this.dead.push(reference);
    if (this.dead.length > 8) this.dead.shift();
  }

  listener(side: 0 | 1): (completion: Completion) => void {
    return (completion) => this.#heard[side].push(completion);
  }

  nextDesc(): number {
    return this.#descs++;
  }

  /** After every operation: completions, the packets it touched, and both audits; all packets now and then. */
  check(touched: readonly Packet[]): void {
    this.operations++;
    this.#completions();
    for (const packet of this.operations % 8 === 0 ? this.packets : touched) {
      if (packet.references.length > 0) this.#packet(packet);
    }
    for (const engine of this.engines) same(`audit of ${engine.core}`, audit(engine).problems, []);
  }

  #completions(): void {
    const [a, b] = this.#heard;
    same("completions", a, b);
    const tags = new Set<ModelUbuf | null>();
    if (this.ubufs.some(({ model }) => model.attached)) {
      for (const { model } of this.packets) {
        for (const part of model.parts) for (const tag of part.tags) tags.add(tag);
      }
    }
    const done = this.ubufs.filter(({ model }) => model.attached && !tags.has(model));
    same(
      "completed",
      a.map(({ desc }) => desc).sort(),
      done
        .filter(({ heard }) => heard)
        .map(({ model }) => model.desc)
        .sort(),
    );
    for (const { ubufs, model } of done) {
      model.completed = true;
      const statuses = ubufs.map((ubuf) => ubuf.status);
      same(`status of ubuf ${model.desc}`, statuses[0], statuses[1]);
      const allowed = model.surelyCopied ? ["copied"] : model.perhapsCopied ? ["copied", "sent"] : ["sent"];
      if (!allowed.includes(statuses[0] as string)) {
        throw new Difference(`ubuf ${model.desc}: ${statuses[0]}, not ${allowed.join(" or ")}`);
      }
    }
    for (const lent of done) this.ubufs.splice(this.ubufs.indexOf(lent), 1);
    a.length = 0;
    b.length = 0;
  }

  #packet({ model, references }: Packet): void {
    const [reference] = references as [Reference];
    const states = reference.skbs.map((skb) => {
      const { length, dataLength, headroom, tailroom, truesize, frags, listLength, users, cloned, zeroCopy } =
        skb;
      const { mark, priority, hash, protocol, queue, timestampMs, macHeader, networkHeader } = skb;
      const meta = { mark, priority, hash, protocol, queue, timestampMs, cb: [...skb.cb] };
      const rooms = { dataLength, headroom, tailroom, truesize, frags, cloned, macHeader, networkHeader };
      return { length, listLength, users, zeroCopy, meta, rooms };
    });
    const [first, second] = states as [(typeof states)[0], (typeof states)[0]];
    same("packet", first, second);
    const tagged = model.parts.some((part) => part.tags.some((tag) => tag !== null));
    const { rooms: _, ...predictable } = first;
    same("packet and model", predictable, {
      length: model.length,
      listLength: model.parts.length - 1,
      users: model.users,
      zeroCopy: tagged,
      meta: model.meta,
    });
    const bytes = Buffer.concat(model.parts.map((part: Part) => Uint8Array.from(part.bytes)));
    for (const skb of reference.skbs) {
      if (Buffer.compare(skb.toBytes(), bytes) !== 0)
        throw new Difference(`bytes of ${skb.handle} on ${skb.length}`);
    }
  }

  /** Gives everything back. Nothing may be left, and every ubuf that was lent has completed. */
  finish(): void {
    for (const queue of this.queues) {
      this.both("purge", (side) => queue.queues[side].purge());
      for (const reference of [...queue.members]) this.end(reference);
      queue.members.length = 0;
    }
    for (const packet of [...this.packets]) {
      for (const reference of [...packet.references]) {
        this.both("release", (side) => reference.skbs[side].release());
        this.end(reference);
      }
    }
    this.check([]);
    for (const { ubufs } of this.ubufs) this.both("cancel", (side) => ubufs[side].cancel());
    for (const { regions } of this.regions) this.both("region", (side) => regions[side].release());
    for (const engine of this.engines) {
      same("audit at the end", audit(engine).problems, []);
      same("left at the end", engine.close(), []);
    }
  }
}
