/// <reference lib="esnext.disposable" preserve="true" />
// Mesh: packets from several threads to several threads, through a ring for each pair.

import { BURST_FAILED, BURST_MOST, E_CLOSED, E_ROLE, PRODUCES, TARGETS_MOST } from "../assembly/layout.js";
import { stage, unstage } from "./burst.js";
import { checkInteger, checkOneOf, checkOptions, checkReuse, type Names, U32_MOST } from "./check.js";
import { describes } from "./describe.js";
import { checkEngine, type Engine } from "./engine.js";
import { ArgumentTypeError, PoolExhaustedError } from "./errors.js";
import { type PacketsOptions, packetsOf } from "./iteration.js";
import {
  checkCapacity,
  createRing,
  type DequeueOptions,
  heldOf,
  RING_OPTIONS,
  Ring,
  type RingOptions,
} from "./ring.js";
import { GIVEN_AWAY, type Skb } from "./skb.js";
import { checkToken, type MeshToken, type RingToken } from "./token.js";
import { checkWait, type End, type Wait, type WaitOptions, type Wakeup, type Woken } from "./wait.js";

/** What a mesh is made with; `capacity` is that of each of its rings. */
export interface MeshOptions extends RingOptions {
  /**
   * How a sender chooses. `hash`: by `skb.hash`, so that the packets of a flow go to one receiver, in
   * order. `in-turn`: one receiver after the other, passing over those whose ring is full. Default: `hash`.
   */
  spread?: "hash" | "in-turn";
}

const MESH_OPTIONS: Names<MeshOptions> = { ...RING_OPTIONS, spread: true };

/**
 * Rings from each of several producers to each of several consumers. Made on one thread; each of the others opens it with
 * `Mesh.attach` and takes its place as a sender or a receiver.
 *
 * @example
 * const mesh = new Mesh(engine, 1, 2);
 * const sender = mesh.sender(0);
 * skb.hash = 7;
 * other.hash = 7;
 * sender.enqueueBurst([skb, other]); // → 2
 * const receivers = [mesh.receiver(0), mesh.receiver(1)];
 * receivers.map((receiver) => receiver.size).sort(); // → [0, 2]
 */
export class Mesh {
  /** Senders. */
  readonly producers: number;
  /** Receivers. */
  readonly consumers: number;
  readonly #engine: Engine;
  readonly #token: MeshToken;
  /** What keeps the rings alive while nobody has opened them; only where the mesh was made. */
  #rings: Ring[] = [];

  /**
   * Makes a ring for each pair of `producers` and `consumers`, 1..64 each. Returns an owned mesh.
   *
   * @throws PoolExhaustedError, EngineClosedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const mesh = new Mesh(engine, 2, 3, { capacity: 64, spread: "in-turn" });
   * mesh.consumers; // → 3
   */
  constructor(engine: Engine, producers: number, consumers: number, options?: MeshOptions);
  /** @internal */
  constructor(engine: Engine, producers: 0, consumers: 0, options: undefined, token: MeshToken);
  constructor(
    engine: Engine,
    producers: number,
    consumers: number,
    options?: MeshOptions,
    token?: MeshToken,
  ) {
    this.#engine = checkEngine(engine);
    this.#token = token ?? this.#make(producers, consumers, options);
    this.producers = this.#token.rings.length;
    this.consumers = this.#token.consumers;
  }

  /** Makes the rings. Returns what tells another thread of them. */
  #make(producers: number, consumers: number, options: MeshOptions | undefined): MeshToken {
    const engine = this.#engine;
    checkInteger("producers", producers, 1, TARGETS_MOST);
    checkInteger("consumers", consumers, 1, TARGETS_MOST);
    const given = checkOptions(options, MESH_OPTIONS);
    const capacity = checkCapacity(given.capacity);
    const { spread = "hash" } = given;
    checkOneOf("spread", spread, ["hash", "in-turn"]);
    const wanted = producers * consumers;
    const rings = all(wanted, (i) => {
      const ring = createRing(engine, capacity);
      if (ring === 0) throw new PoolExhaustedError("ring", `${i} (of what \`rings\` makes room for)`, wanted);
      return new Ring(engine, undefined, ring);
    });
    const rows = Array.from({ length: producers }, (_, p) =>
      rings.slice(p * consumers, (p + 1) * consumers).map((ring) => ring.share()),
    );
    const identity = engine._identity;
    this.#rings = rings;
    return { skbuff: "mesh", identity, consumers, inTurn: spread === "in-turn", rings: rows };
  }

  /**
   * Opens a mesh that another thread made.
   *
   * @throws TokenError, EngineClosedError, ArgumentTypeError
   * @example
   * const mesh = Mesh.attach(engine, new Mesh(engine, 2, 3).share());
   * mesh.producers; // → 2
   */
  static attach(engine: Engine, token: MeshToken): Mesh {
    const { _identity: identity } = checkEngine(engine);
    return new Mesh(engine, 0, 0, undefined, checkToken("mesh", token, identity));
  }

  /**
   * Takes the place of sender number `i`. One thread can have it.
   *
   * @throws ArgumentRangeError, RingClosedError if the mesh is gone
   * @example
   * const sender = new Mesh(engine, 2, 2).sender(1);
   * sender.enqueue(skb); // → true
   */
  sender(i: number): Sender {
    this.#engine._open();
    const row = this.#token.rings[checkInteger("i", i, 0, this.producers - 1)] ?? [];
    const rings = all(row.length, (c) => Ring.attach(this.#engine, row[c] as RingToken));
    return new Sender(this.#engine, rings, this.#token.inTurn);
  }

  /**
   * Takes the place of receiver number `i`. One thread can have it.
   *
   * @throws ArgumentRangeError, RingClosedError if the mesh is gone
   * @example
   * const receiver = new Mesh(engine, 2, 2).receiver(0);
   * receiver.dequeue(); // → null
   */
  receiver(i: number): Receiver {
    this.#engine._open();
    checkInteger("i", i, 0, this.consumers - 1);
    const rows = this.#token.rings;
    const rings = all(rows.length, (p) => Ring.attach(this.#engine, rows[p]?.[i] as RingToken));
    return new Receiver(this.#engine, rings);
  }

  /**
   * What another thread needs for `Mesh.attach`. Send it with `postMessage`.
   *
   * @throws EngineClosedError
   * @example
   * const mesh = new Mesh(engine, 1, 2);
   * Mesh.attach(engine, mesh.share()).consumers; // → 2
   */
  share(): MeshToken {
    this.#engine._open();
    return this.#token;
  }

  /**
   * Lets go of the mesh; senders and receivers go on. On the thread that made it: once they are all open, so that the
   * last of them to be released frees the rings.
   *
   * @example
   * new Mesh(engine, 1, 2).release();
   */
  release(): void {
    for (const ring of this.#rings) ring.release();
    this.#rings = [];
  }

  /**
   * `release()`.
   *
   * @example
   * new Mesh(engine, 1, 2)[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * One producer's place in a mesh.
 *
 * @example
 * const mesh = new Mesh(engine, 1, 2, { spread: "in-turn" });
 * const sender = mesh.sender(0);
 * sender.enqueueBurst([skb, other]); // → 2
 * mesh.receiver(0).size; // → 1
 */
export class Sender {
  readonly #engine: Engine;
  readonly #rings: readonly Ring[];
  /** With `in-turn`, whose turn it is; else as many as there are. */
  #turn: number;
  readonly #inTurn: boolean;
  /** The rings that refused packets of the last burst because of their hash. */
  #full: Ring[] = [];

  /** @internal */
  constructor(engine: Engine, rings: readonly Ring[], inTurn: boolean) {
    this.#engine = engine;
    this.#rings = rings;
    this.#inTurn = inTurn;
    this.#turn = inTurn ? 0 : rings.length;
  }

  /** Whether any of its rings was closed, on whichever thread: it takes no more packets. @throws RingClosedError after `release()` */
  get closed(): boolean {
    return this.#rings.some((ring) => ring.closed);
  }

  /**
   * Gives a packet to a receiver. Takes it and returns true; or returns false if the ring for it is full, and the packet
   * stays yours.
   *
   * @throws as `ring.enqueue`
   * @example
   * const mesh = new Mesh(engine, 1, 2);
   * mesh.sender(0).enqueue(skb); // → true
   */
  enqueue(skb: Skb): boolean {
    return this.enqueueBurst([skb], 1) === 1;
  }

  /**
   * Gives `skbs[0]` to `skbs[count - 1]` to their receivers, as many as there is room for. Takes those, and returns how
   * many. The others stay yours and are then the first of the array, in the order they had.
   *
   * @throws as `ring.enqueueBurst`; all packets stay yours. What is wrong behind the first 256 the next call throws
   * @example
   * const mesh = new Mesh(engine, 1, 1, { capacity: 1 });
   * const burst = [skb, other];
   * mesh.sender(0).enqueueBurst(burst); // → 1
   * burst[0] === other; // → true
   */
  enqueueBurst(skbs: (Skb | null | undefined)[], count?: number): number {
    if (!Array.isArray(skbs)) throw new ArgumentTypeError("skbs", "an array", skbs);
    const total = checkInteger("count", count ?? skbs.length, 0, skbs.length);
    this.#use();
    if (this.#full.length > 0) this.#full = [];
    let left = 0; // [0, left) were refused; [left, at) were taken
    for (let at = 0; at < total; at += BURST_MOST) {
      const n = Math.min(total - at, BURST_MOST);
      const error = stage(this.#engine, skbs, at, n, GIVEN_AWAY);
      if (error !== null) {
        if (at === 0) throw error;
        left = this.#keep(skbs, left, at, total);
        break;
      }
      // Behind one that was refused, no packet of the same flow may overtake it.
      if (left > 0 && !this.#inTurn) {
        unstage(this.#engine, skbs, at, n, 0);
        left = this.#keep(skbs, left, at, total);
        break;
      }
      const kept = this.#scatter(skbs, left, at, n);
      if (kept === null) {
        left = this.#keep(skbs, left, at, total);
        break;
      }
      left = kept;
    }
    if (!this.#engine.shared) this.#engine._waiter.kick();
    return total - left;
  }

  /** Sends those in [at, at + n); returns where those that were refused now end, or null if something is wrong with one. */
  #scatter(skbs: (Skb | null | undefined)[], left: number, at: number, n: number): number | null {
    const { _core: core, _heap: heap, _scratch: scratch } = this.#engine;
    const result = core.scatter(n, this.#rings.length, this.#turn);
    if (result >= BURST_FAILED) {
      unstage(this.#engine, skbs, at, n, 0);
      if (at === 0) throw this.#refusal(result - BURST_FAILED, heldOf(skbs, at, n));
      // Nothing behind it is sent either, so that the next call finds it, and says what is wrong.
      return null;
    }
    if (this.#inTurn) this.#turn = (this.#turn + result) % this.#rings.length;
    if (result === n) return left;
    for (let i = 0; i < n; i++) {
      const handle = heap.handles[(scratch >>> 2) + i] as number;
      if (handle === 0) continue;
      (skbs[at + i] as Skb)._handle = handle;
      this.#engine._debug?.revived(skbs[at + i] as Skb);
      if (!this.#inTurn) this.#refusedBy((skbs[at + i] as Skb).hash);
      swap(skbs, left++, at + i);
    }
    return left;
  }

  /** Remembers which ring had no room for a packet of this hash. */
  #refusedBy(hash: number): void {
    const ring = this.#rings[this.#engine._core.targetOf(hash, this.#rings.length)] as Ring;
    if (!this.#full.includes(ring)) this.#full.push(ring);
  }

  /** Moves those in [at, end), which stay the caller's, in front of those that were taken. */
  #keep(skbs: (Skb | null | undefined)[], left: number, at: number, end: number): number {
    for (let i = at; i < end; i++) swap(skbs, left++, i);
    return left;
  }

  /** Tells the core whose rings it is to choose from. */
  #use(): void {
    if (this.#engine._targets === this) return;
    for (const [i, ring] of this.#rings.entries()) this.#engine._core.setTarget(i, ring._use(PRODUCES));
    this.#engine._targets = this;
  }

  #refusal(status: number, skb: Skb | null): Error {
    const ring = this.#rings.find((one) =>
      status === E_CLOSED
        ? one.closed
        : status === E_ROLE && one._engine._core.takeProducer(one._live()) === 0,
    );
    return (ring ?? (this.#rings[0] as Ring))._refusal(status, "producer", skb);
  }

  /**
   * Blocks this thread until packets can be sent, or one of the receivers has closed: `ended`. In turn: until one ring has
   * room for `room` packets. By hash: until one of those has that refused packets of the last `enqueueBurst`; if none
   * did, until each of them has, since the next packet may be for any. So a receiver that stalls holds up its own flows
   * only. Else as `ring.waitWritable`.
   *
   * @throws as `ring.waitWritable`
   * @example
   * const sender = new Mesh(engine, 1, 2).sender(0);
   * sender.waitWritable(); // → "ready"
   */
  waitWritable(room?: number, options?: WaitOptions): Wakeup {
    const waits = this.#waits(room, options);
    let next = waits.next();
    while (next.done !== true) next = waits.next(this.#engine._sleeper.block(next.value));
    return next.value;
  }

  /**
   * As `waitWritable`, but returns a promise instead of blocking.
   *
   * @throws as `ring.waitWritableAsync`
   * @example
   * const sender = new Mesh(engine, 1, 2).sender(0);
   * await sender.waitWritableAsync(); // → "ready"
   */
  async waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup> {
    const waits = this.#waits(room, options);
    let next = waits.next();
    while (next.done !== true) next = waits.next(await this.#engine._waiter.wait(next.value));
    return next.value;
  }

  /** What to wait for, one after the other; each is answered with why it ended. Returns what that means. */
  *#waits(room: number | undefined, options: WaitOptions | undefined): Generator<Wait, Wakeup, Woken> {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    const one = this.#inTurn || this.#full.length > 0;
    for (;;) {
      const short = this.#rings.filter((ring) => ring.capacity - ring.size < (room ?? ring._half));
      // The others are waited for, too, but only for their end, of which this is one as well.
      const wanted = this.#inTurn || short.length === 0 ? this.#rings : one ? this.#full : short.slice(0, 1);
      const ends = this.#rings.map((ring) =>
        wanted.includes(ring) ? ring._producerEnd(room ?? ring._half) : ring._closingEnd(),
      );
      const woken = yield { ...given, ends, timeout: left() };
      if (woken !== "ready") return woken;
      if (this.closed) return "ended";
      if (one || short.length <= 1) return "ready";
    }
  }

  /**
   * Closes this sender's rings: the receivers drain them, and end when all their senders are closed.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * mesh.receiver(0).ended; // → true
   */
  close(): void {
    for (const ring of this.#rings) ring.close();
  }

  /**
   * Gives the place up, without closing it: another thread may take it. Doing it again does nothing.
   *
   * @example
   * new Mesh(engine, 1, 1).sender(0).release();
   */
  release(): void {
    if (this.#engine._targets === this) this.#engine._targets = null;
    for (const ring of this.#rings) ring.release();
  }

  /**
   * `release()`.
   *
   * @example
   * new Mesh(engine, 1, 1).sender(0)[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * One consumer's place in a mesh.
 *
 * @example
 * const mesh = new Mesh(engine, 2, 1);
 * mesh.sender(1).enqueue(skb);
 * const receiver = mesh.receiver(0);
 * receiver.wait(); // → "ready"
 * receiver.dequeue().release();
 */
export class Receiver {
  readonly #engine: Engine;
  readonly #rings: readonly Ring[];
  /** The ring that is drained first next time: after the one that was drained last. */
  #next = 0;

  /** @internal */
  constructor(engine: Engine, rings: readonly Ring[]) {
    this.#engine = engine;
    this.#rings = rings;
  }

  /** Packets that wait in all rings; while others use them, a moment ago. @throws RingClosedError after `release()` */
  get size(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.size, 0);
  }

  /** Whether all senders have closed, and all is drained. @throws RingClosedError after `release()` */
  get ended(): boolean {
    return this.#rings.every((ring) => ring.ended);
  }

  /**
   * Takes a packet out, from one sender after the other. Returns an owned one, or null.
   *
   * @throws as `ring.dequeue`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).enqueue(skb);
   * mesh.receiver(0).dequeue().length; // → 100
   */
  dequeue(): Skb | null {
    for (let i = 0; i < this.#rings.length; i++) {
      const skb = this.#turn().dequeue();
      if (skb !== null) return skb;
    }
    return null;
  }

  /**
   * Takes up to `count` packets out, into `out[0]` and on. Senders that have packets get an equal share of it. Returns how
   * many; the rest of `out` stays as it is. Default: `count` is `out.length`; for more, `out` grows.
   *
   * @throws as `ring.dequeueBurst`; if there are packets already, the next call throws
   * @example
   * const mesh = new Mesh(engine, 2, 1);
   * mesh.sender(0).enqueue(skb);
   * mesh.sender(1).enqueue(other);
   * const burst = new Array(32);
   * mesh.receiver(0).dequeueBurst(burst); // → 2
   * engine.releaseBurst(burst, 2);
   */
  dequeueBurst(out: (Skb | null | undefined)[], count?: number, options?: DequeueOptions): number {
    if (!Array.isArray(out)) throw new ArgumentTypeError("out", "an array", out);
    const wanted = checkInteger("count", count ?? out.length, 0, U32_MOST);
    const reuse = checkReuse(options);
    const share = Math.ceil(wanted / this.#rings.length);
    let done = 0;
    // Twice around: first everybody's share, then what others left of theirs.
    for (let i = 0; i < 2 * this.#rings.length && done < wanted; i++) {
      const ask = i < this.#rings.length ? Math.min(share, wanted - done) : wanted - done;
      const turn = this.#next;
      try {
        done += this.#turn()._dequeue(out, done, ask, reuse);
      } catch (error) {
        // What lies in `out` is the caller's, who has to hear of it; the next call begins here, and throws.
        if (done === 0 || error instanceof ArgumentTypeError) throw error;
        this.#next = turn;
        break;
      }
    }
    return done;
  }

  #turn(): Ring {
    const ring = this.#rings[this.#next] as Ring;
    this.#next = (this.#next + 1) % this.#rings.length;
    return ring;
  }

  /**
   * Blocks this thread until a sender's packet is there, or all have `ended`. As `ring.wait`.
   *
   * @throws as `ring.wait`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * mesh.receiver(0).wait(); // → "ended"
   */
  wait(options?: WaitOptions): Wakeup {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    for (;;) {
      const wait = { ...given, ends: this.#open(), timeout: left() };
      if (wait.ends.length === 0) return "ended";
      const woken = this.#engine._sleeper.block(wait);
      // An end that has closed is ready, too, but brings nothing: the others are still to be waited for.
      if (woken !== "ready" || this.size > 0) return woken;
    }
  }

  /**
   * As `wait`, but returns a promise instead of blocking.
   *
   * @throws as `ring.waitAsync`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).enqueue(skb);
   * await mesh.receiver(0).waitAsync(); // → "ready"
   */
  async waitAsync(options?: WaitOptions): Promise<Wakeup> {
    const given = checkWait(options, []);
    const left = countdown(given.timeout);
    for (;;) {
      const wait = { ...given, ends: this.#open(), timeout: left() };
      if (wait.ends.length === 0) return "ended";
      const woken = await this.#engine._waiter.wait(wait);
      if (woken !== "ready" || this.size > 0) return woken;
    }
  }

  /** The ends that can still become ready: one that has ended would end every wait at once. */
  #open(): End[] {
    return this.#rings.filter((ring) => !ring.ended).map((ring) => ring._consumerEnd());
  }

  /**
   * The packets as they come, until all senders have ended. Each is an owned one.
   *
   * @throws as `dequeue`; TimeoutError if none came for `timeout` milliseconds; the reason of `signal`; ArgumentTypeError,
   * ArgumentRangeError
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * const sender = mesh.sender(0);
   * sender.enqueueBurst([skb, other]);
   * sender.close();
   * for await (const packet of mesh.receiver(0).packets({ timeout: 1000 })) packet.release();
   */
  packets(options?: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
    return packetsOf(this, options);
  }

  /**
   * `packets()` without options.
   *
   * @throws as `packets`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.sender(0).close();
   * for await (const packet of mesh.receiver(0)) packet.release();
   */
  [Symbol.asyncIterator](): AsyncGenerator<Skb, void, undefined> {
    return this.packets();
  }

  /**
   * Closes this receiver's rings: its senders get RingClosedError from then on.
   *
   * @throws RingClosedError after `release()`
   * @example
   * const mesh = new Mesh(engine, 1, 1);
   * mesh.receiver(0).close();
   * mesh.sender(0).waitWritable(); // → "ended"
   */
  close(): void {
    for (const ring of this.#rings) ring.close();
  }

  /**
   * Gives the place up, without closing it: another thread may take it. Doing it again does nothing.
   *
   * @example
   * new Mesh(engine, 1, 1).receiver(0).release();
   */
  release(): void {
    for (const ring of this.#rings) ring.release();
  }

  /**
   * `release()`.
   *
   * @example
   * new Mesh(engine, 1, 1).receiver(0)[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** Makes or opens `n` rings; if one cannot be had, none. */
function all(n: number, ring: (i: number) => Ring): Ring[] {
  const rings: Ring[] = [];
  try {
    for (let i = 0; i < n; i++) rings.push(ring(i));
  } catch (error) {
    for (const one of rings) one.release();
    throw error;
  }
  return rings;
}

/** What is left of the timeout of several waits in a row, in milliseconds. */
function countdown(timeout: number): () => number {
  const deadline = performance.now() + timeout;
  return () => Math.max(deadline - performance.now(), 0);
}

function swap<T>(array: T[], i: number, j: number): void {
  if (i === j) return;
  const a = array[i] as T;
  array[i] = array[j] as T;
  array[j] = a;
}

describes(Mesh, "Mesh", ({ producers, consumers }) => ({ producers, consumers }));
describes(Sender, "Sender", ({ closed }) => ({ closed }));
describes(Receiver, "Receiver", ({ size, ended }) => ({ size, ended }));
