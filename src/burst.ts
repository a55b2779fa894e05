/// <reference lib="esnext.disposable" preserve="true" />
// Burst: packets without objects.
//
//   in the arena, from #address on            length = 3
//   ┌────────┬────────┬────────┬────────┬ ─ ─ ─ ┐
//   │ handle │ handle │ handle │        │        capacity
//   └────────┴────────┴────────┴────────┴ ─ ─ ─ ┘
//     0        1        2        alloc and dequeue put them here
//     enqueue and release take them from here
//
// The core reads and writes the handles where they lie, so that no packet passes through JS on its way. It looks at each one, as
// ever.

import { BURST_FAILED, BURST_MOST, ERROR_LIMIT, SKB_HASH, SKB_LEN, SKB_MARK } from "../assembly/layout.js";
import { checkInteger, checkOptions, type Names, U32_MOST } from "./check.js";
import type { Heap } from "./core/heap.js";
import { describes } from "./describe.js";
import { GIVEN_AWAY } from "./ended.js";
import { checkEngine, type Engine } from "./engine.js";
import { ArgumentRangeError, StaleRegionError } from "./errors.js";
import { refusal } from "./refusal.js";
import { LENT } from "./skb/reference.js";
import { Skb } from "./skb.js";

/** What a burst is made with. */
export interface BurstOptions {
  /** Packets that it holds at most, 1..256. Default: 32. */
  capacity?: number;
}

const BURST_OPTIONS: Names<BurstOptions> = { capacity: true };

/**
 * Packets in a row, without an `Skb` object for each: what `allocBurst`, `dequeueBurst`, `enqueueBurst` and `releaseBurst` take
 * in place of an array (the `rte_mbuf *pkts[]` of DPDK's bursts), at half the cost of an array of new objects. It owns its packets. They
 * are read and written by their index, from 0 on; for all else there is `at(i)`, which makes an `Skb`.
 *
 * Takes a page of the arena. What fills it puts packets behind those that are there; what empties it takes the first ones, and
 * the others move up. `debug` of "skbuff/inspect" knows nothing of where they come from, and of a burst that is forgotten nothing is told.
 *
 * @example
 * const burst = new Burst(engine, { capacity: 64 });
 * engine.allocBurst(burst, 1500); // → 64
 * for (let i = 0; i < burst.length; i++) burst.putData(i, payload);
 * burst.readU16(63, 1); // → 0x0102
 * engine.releaseBurst(burst);
 * burst.length; // → 0
 * burst.release();
 */
export class Burst {
  /** Packets that it holds at most. */
  readonly capacity: number;
  /** By this it is told from what is none, since who makes none need not have the class. @internal */
  readonly _kind = "burst";
  /** @internal */
  readonly _engine: Engine;
  /** @internal */
  readonly _heap: Heap;
  /** Where the handles begin; 0 when the burst has ended. @internal */
  _address: number;
  /** The same, as an index of `heap.handles`. @internal */
  _first: number;
  /** @internal */
  _length = 0;
  /** Packets that have been taken out for a moment, and may come back. */
  #away = 0;
  /** Objects that `at` has made, of packets that are here. */
  #lent: Skb[] = [];

  /**
   * Makes an empty one. Returns an owned one.
   *
   * @throws PoolExhaustedError, EngineClosedError, ArgumentRangeError, ArgumentTypeError
   * @example
   * new Burst(engine).capacity; // → 32
   */
  constructor(engine: Engine, options?: BurstOptions) {
    const { _core: core, _heap: heap } = checkEngine(engine);
    const { capacity = 32 } = checkOptions(options, BURST_OPTIONS);
    this.capacity = checkInteger("capacity", capacity, 1, BURST_MOST);
    const address = core.createRegion(1) >>> 0;
    if (address < ERROR_LIMIT) throw refusal(engine, address, null);
    this._engine = engine;
    this._heap = heap;
    this._address = address;
    this._first = address >>> 2;
    engine._parts.add(this);
  }

  /** Packets in it. */
  get length(): number {
    return this._length;
  }

  // ─── One packet of it ────────────────────────────────────────────────────────────────────────────────

  /**
   * Bytes of a whole packet (len).
   *
   * @throws ArgumentRangeError, ArgumentTypeError if there is no packet `i`; so for all of these
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 100);
   * burst.lengthOf(0); // → 0
   */
  lengthOf(i: number): number {
    return this.#field(i, SKB_LEN);
  }

  /**
   * The packet's `mark`.
   *
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 100);
   * burst.setMark(3, 7);
   * burst.markOf(3); // → 7
   */
  markOf(i: number): number {
    return this.#field(i, SKB_MARK);
  }

  /**
   * Sets the packet's `mark`.
   *
   * @throws ArgumentRangeError
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 100);
   * burst.setMark(0, 1);
   */
  setMark(i: number, value: number): void {
    this.#setField(i, SKB_MARK, checkInteger("value", value, 0, U32_MOST));
  }

  /**
   * The packet's flow hash.
   *
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 100);
   * burst.setHash(0, 0xfeed);
   * burst.hashOf(0); // → 0xfeed
   */
  hashOf(i: number): number {
    return this.#field(i, SKB_HASH);
  }

  /**
   * Sets the packet's flow hash, by which a mesh chooses its receiver.
   *
   * @throws ArgumentRangeError
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 100);
   * burst.setHash(0, 5);
   */
  setHash(i: number, value: number): void {
    this.#setField(i, SKB_HASH, checkInteger("value", value, 0, U32_MOST));
  }

  /**
   * The byte at `offset` of packet `i`, as `skb.readU8`.
   *
   * @throws ArgumentRangeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.readU8(0, 1); // → 1
   */
  readU8(i: number, offset: number): number {
    const handle = this.#handle(i);
    const at = this._heap.linear(handle, offset, 1);
    return at !== 0 ? this._heap.u8(at) : this.#skb(handle).readU8(offset);
  }

  /**
   * The 16-bit number at `offset` of packet `i`, as `skb.readU16`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.readU16(0, 1); // → 0x0102
   */
  readU16(i: number, offset: number, littleEndian = false): number {
    const handle = this.#handle(i);
    const at = this._heap.linear(handle, offset, 2);
    return at !== 0 && typeof littleEndian === "boolean"
      ? this._heap.u16(at, littleEndian)
      : this.#skb(handle).readU16(offset, littleEndian);
  }

  /**
   * The 32-bit number at `offset` of packet `i`, as `skb.readU32`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.readU32(0, 1); // → 0x01020304
   */
  readU32(i: number, offset: number, littleEndian = false): number {
    const handle = this.#handle(i);
    const at = this._heap.linear(handle, offset, 4);
    return at !== 0 && typeof littleEndian === "boolean"
      ? this._heap.u32(at, littleEndian)
      : this.#skb(handle).readU32(offset, littleEndian);
  }

  /**
   * Writes the byte at `offset` of packet `i`, as `skb.writeU8`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.writeU8(0, 0, 0x45);
   */
  writeU8(i: number, offset: number, value: number): void {
    const handle = this.#handle(i);
    const at = this._heap.writable(handle, offset, 1);
    if (at !== 0) this._heap.setU8(at, checkInteger("value", value, 0, 0xff));
    else this.#skb(handle).writeU8(offset, value);
  }

  /**
   * Writes a 16-bit number at `offset` of packet `i`, as `skb.writeU16`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.writeU16(0, 0, 0x4500);
   */
  writeU16(i: number, offset: number, value: number, littleEndian = false): void {
    const handle = this.#handle(i);
    const at = this._heap.writable(handle, offset, 2);
    if (at !== 0 && typeof littleEndian === "boolean")
      this._heap.setU16(at, checkInteger("value", value, 0, 0xffff), littleEndian);
    else this.#skb(handle).writeU16(offset, value, littleEndian);
  }

  /**
   * Writes a 32-bit number at `offset` of packet `i`, as `skb.writeU32`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.writeU32(0, 0, 0x45000064);
   */
  writeU32(i: number, offset: number, value: number, littleEndian = false): void {
    const handle = this.#handle(i);
    const at = this._heap.writable(handle, offset, 4);
    if (at !== 0 && typeof littleEndian === "boolean")
      this._heap.setU32(at, checkInteger("value", value, 0, U32_MOST), littleEndian);
    else this.#skb(handle).writeU32(offset, value, littleEndian);
  }

  /**
   * Adds `n` bytes at the tail of packet `i`, contents undefined, as `skb.put` without the view.
   *
   * @throws RoomError, SharedDataError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 1500);
   * burst.put(0, 4);
   * burst.writeU32(0, 0, 7);
   * burst.lengthOf(0); // → 4
   */
  put(i: number, n: number): void {
    const handle = this.#handle(i);
    if (this._heap.put(handle, n) === 0) this.#skb(handle)._put(n, "n");
  }

  /**
   * Copies bytes to the tail of packet `i`, as `skb.putData`. Borrows `bytes`.
   *
   * @throws RoomError, SharedDataError, ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 1500);
   * burst.putData(0, payload);
   * burst.lengthOf(0); // → 100
   */
  putData(i: number, bytes: Uint8Array): void {
    this.#skb(this.#handle(i)).putData(bytes);
  }

  /**
   * Copies bytes of packet `i` from `offset` on to `into`, filling it, as `skb.copyBits`. Borrows `into`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * const into = new Uint8Array(4);
   * burst.copyBits(0, 1, into);
   * into; // → Uint8Array.of(1, 2, 3, 4)
   */
  copyBits(i: number, offset: number, into: Uint8Array): void {
    this.#skb(this.#handle(i)).copyBits(offset, into);
  }

  /**
   * An `Skb` of packet `i`, which stays the burst's: as one in an `SkbQueue` it can be read and written, but not released or given
   * away. It ends as soon as packets leave the burst, this one or others.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.at(0).push(4).fill(0);
   * burst.lengthOf(0); // → 104
   */
  at(i: number): Skb {
    this._live();
    const handle = this.#handle(i);
    for (const one of this.#lent) if (one._handle === handle) return one;
    const skb = this.#skb(handle);
    this.#lent.push(skb);
    return skb;
  }

  // ─── Packets in and out ──────────────────────────────────────────────────────────────────────────────

  /**
   * Puts a packet behind the others. Takes it.
   *
   * @throws ArgumentRangeError if it is full; StaleSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * skb.alive; // → false
   * burst.length; // → 1
   */
  push(skb: Skb): void {
    this._live();
    const error = this._engine._refusal("skb", skb);
    if (error !== null) throw error;
    if (this._room === 0)
      throw new ArgumentRangeError("length", `at most ${this.capacity}`, this.capacity + 1);
    this._heap.handles[this._first + this._length] = skb._handle;
    this._length++;
    skb._end(GIVEN_AWAY);
  }

  /**
   * Takes packet `i` out: those behind it move up. Returns an owned one.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const burst = new Burst(engine);
   * engine.allocBurst(burst, 1500, 3);
   * const packet = burst.take(1);
   * burst.length; // → 2
   * packet.release();
   */
  take(i: number): Skb {
    this._live();
    const handle = this.#handle(i);
    this.#unlend();
    this.#close(i, 1);
    return this._engine._wrap(handle);
  }

  /**
   * Gives the packets and the memory up. Does nothing if that is done already, or the engine is closed.
   *
   * @example
   * const burst = new Burst(engine);
   * burst.push(skb);
   * burst.release();
   * burst.length; // → 0
   */
  release(): void {
    if (this._address === 0 || this._engine.closed) return;
    const { _core: core } = this._engine;
    const address = this._address;
    core.releaseBurst(address, this._length);
    this._drop(this._length);
    core.releaseRegion(address);
    this._engine._parts.delete(this);
    this._address = 0;
    this._first = 0;
    // Last: callbacks find it ended, and can put nothing into it any more.
    if (this._engine._lent !== 0) this._engine._deliver();
  }

  /**
   * `release()`.
   *
   * @example
   * const burst = new Burst(engine);
   * burst[Symbol.dispose]();
   */
  [Symbol.dispose](): void {
    this.release();
  }

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** @throws EngineClosedError, StaleRegionError @internal */
  _live(): void {
    this._engine._open();
    if (this._address === 0) throw new StaleRegionError("burst");
  }

  /** Packets that there is room for. @internal */
  get _room(): number {
    return this.capacity - this._length - this.#away;
  }

  /**
   * Takes the first `count` packets out as objects, and gives them to who takes packets so. Those that it does not take go back to
   * the front. Returns what `give` does. @internal
   */
  _lend<T>(count: number, give: (skbs: Skb[]) => T): T {
    const { handles } = this._heap;
    const skbs = Array.from({ length: count }, (_, i) =>
      this._engine._wrap(handles[this._first + i] as number),
    );
    this._drop(count);
    // Their places are kept: `give` may run callbacks, which may fill the burst.
    this.#away += count;
    try {
      return give(skbs);
    } finally {
      this.#away -= count;
      this.#return(skbs.filter(({ alive }) => alive));
    }
  }

  #return(skbs: Skb[]): void {
    // A callback may have released the burst.
    if (this._address === 0) this._engine.releaseBurst(skbs);
    if (this._address === 0 || skbs.length === 0) return;
    const { handles } = this._heap;
    for (let at = this._first + this._length - 1; at >= this._first; at--)
      handles[at + skbs.length] = handles[at] as number;
    for (const [i, skb] of skbs.entries()) {
      handles[this._first + i] = skb._handle;
      skb._end(GIVEN_AWAY);
    }
    this._length += skbs.length;
  }

  /** How many of its packets are meant by `count`, all by default. @throws ArgumentRangeError, ArgumentTypeError @internal */
  _some(count: number | undefined): number {
    this._live();
    return checkInteger("count", count ?? this._length, 0, this._length);
  }

  /** How many packets are to be added, as many as there is room for by default. @throws ArgumentRangeError, ArgumentTypeError @internal */
  _more(count: number | undefined): number {
    this._live();
    return checkInteger("count", count ?? this._room, 0, this._room);
  }

  /** Adds packets, up to `count`. Returns how many there were. @internal */
  _alloc(size: number, count: number, headroom: number): number {
    const n = this._engine._core.allocBurst(this._end, count, size, headroom);
    this._length += n;
    return n;
  }

  /** Adds packets that a ring has, up to `count`. Returns how many there were, or the core's status. @internal */
  _dequeue(ring: number, count: number): number {
    const n = this._engine._core.dequeueBurst(ring, this._end, count);
    if (n < BURST_FAILED) this._length += n;
    return n;
  }

  /** Gives the first `count` to a ring, as many as there is room for. Returns how many, or the core's status. @internal */
  _enqueue(ring: number, count: number): number {
    const n = this._engine._core.enqueueBurst(ring, this._address, count);
    if (n < BURST_FAILED) this._drop(n);
    return n;
  }

  /** Releases the first `count`. @internal */
  _free(count: number): void {
    const { _core: core } = this._engine;
    core.releaseBurst(this._address, count);
    this._drop(count);
    if (this._engine._lent !== 0) this._engine._deliver();
  }

  /** The first `count` have gone. @internal */
  _drop(count: number): void {
    if (count === 0) return;
    this.#unlend();
    this.#close(0, count);
  }

  /** Copies the first `n` handles to the scratch, for a scatter. @internal */
  _stage(n: number): void {
    const { handles } = this._heap;
    const scratch = this._engine._scratch >>> 2;
    for (let i = 0; i < n; i++) handles[scratch + i] = handles[this._first + i] as number;
  }

  /** Of the first `n`, `taken` have gone: those whose places in the scratch are 0. @internal */
  _keep(n: number, taken: number): void {
    const { handles } = this._heap;
    const scratch = this._engine._scratch >>> 2;
    this.#unlend();
    let kept = this._first;
    for (let i = 0; i < n; i++) {
      const handle = handles[scratch + i] as number;
      if (handle !== 0) handles[kept++] = handle;
    }
    this.#close(n - taken, taken);
  }

  /** Where the next handle goes. @internal */
  get _end(): number {
    return this._address + (this._length << 2);
  }

  /** The packet for which a burst was refused: the first that somebody else holds. @internal */
  _held(): Skb | null {
    for (let i = 0; i < this._length; i++) {
      const skb = this.#skb(this.#handle(i));
      if (skb.users > 1) return skb;
    }
    return null;
  }

  /** Takes `n` handles out from the `i`th on. */
  #close(i: number, n: number): void {
    const { handles } = this._heap;
    for (let at = this._first + i; at < this._first + this._length - n; at++)
      handles[at] = handles[at + n] as number;
    this._length -= n;
  }

  /** Packets leave: objects of them must not reach them where they go. */
  #unlend(): void {
    if (this.#lent.length === 0) return;
    for (const skb of this.#lent) {
      skb._handle = GIVEN_AWAY;
      skb._node = null;
    }
    this.#lent = [];
  }

  #handle(i: number): number {
    // Also once it was released: it has no packets then.
    if (typeof i !== "number" || !(i < this._length) || i >>> 0 !== i) this.#refuse(i);
    return this._heap.handles[this._first + i] as number;
  }

  #refuse(i: number): never {
    this._live();
    if (this._length === 0) throw new ArgumentRangeError("i", "an index (the burst is empty)", i);
    checkInteger("i", i, 0, this._length - 1);
    throw new ArgumentRangeError("i", `an index below ${this._length}`, i);
  }

  /** An object for a packet, for a while. */
  #skb(handle: number): Skb {
    const skb = new Skb(this._engine, handle);
    skb._node = LENT;
    return skb;
  }

  #field(i: number, at: number): number {
    const handle = this.#handle(i);
    return this._heap.word((this._heap.skb(handle) || this.#gone()) + at);
  }

  #setField(i: number, at: number, value: number): void {
    const handle = this.#handle(i);
    this._heap.setWord((this._heap.skb(handle) || this.#gone()) + at, value);
  }

  /** Its packets live for as long as the engine is open. */
  #gone(): never {
    this._engine._open();
    throw new ArgumentRangeError("i", "the index of a live packet", "that of another");
  }
}

describes(Burst, "Burst", ({ length, capacity }) => ({ length, capacity }));
