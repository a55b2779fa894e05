/// <reference lib="esnext.disposable" preserve="true" />
// Skb: one reference to one packet.

import { E_LINEAR, ERROR_LIMIT, MAX_LINEAR, NOT_DONE, OK } from "../assembly/layout.js";
import { checkBytes, checkHeadroom, checkInteger } from "./check.js";
import { describes } from "./describe.js";
import { GIVEN_AWAY, RELEASED } from "./ended.js";
import type { Engine } from "./engine.js";
import type { AllocOptions } from "./options.js";
import { checkReason, DropReason } from "./reason.js";
import { type Asked, refusal } from "./refusal.js";
import { SkbLinear } from "./skb/linear.js";
import type { Ubuf } from "./ubuf.js";
import type { UserRegion } from "./user-region.js";

export type { UnsharedBytes } from "./skb/bytes.js";

// What lies in files of its own by what it is about: references and sizes, metadata, bytes at an offset, the linear
// part. Below, the prototype of the last of them is made the next one of the chain.
export interface Skb extends SkbLinear {}

/**
 * A packet (sk_buff): bytes in the arena, with headroom and tailroom around them, perhaps frags behind them.
 *
 * An `Skb` object is one owned reference. It ends with `release()`, or when it is given away (`enqueue`, `addFragList`,
 * `tryCoalesce`); afterwards everything but `[Symbol.dispose]` throws `StaleSkbError`. Every method throws
 * `EngineClosedError` after `engine.close()`. Whatever throws has changed nothing that the packet says of itself:
 * bytes, lengths, metadata. (A packet that shares its data may have got a head or pages of its own meanwhile, if it is
 * PoolExhaustedError that was thrown.)
 *
 * Lengths and offsets are bytes. Views (`bytes`, what `put` returns ...) are `Uint8Array`s over the arena, good
 * until the packet is released, moved or given another head; making one costs more than most operations, so hot
 * paths use `putData`, `readU16` and the like instead.
 *
 * @example
 * const skb = engine.alloc(1500, { headroom: 64 });
 * skb.putData(payload).push(8).fill(0);
 * skb.length; // → 108
 * skb.release();
 */
export class Skb {
  /** What has it was made here: no proxy of a packet has it, and no object that inherits from one. */
  readonly #made = true;

  /** @internal */
  constructor(engine: Engine, handle: number) {
    this._engine = engine;
    this._handle = handle;
    this._node = null;
  }

  /** Whether it is an Skb itself, so that what is ended by way of it has ended for all. @internal */
  static _is(one: unknown): one is Skb {
    return typeof one === "object" && one !== null && #made in one;
  }

  // ─── References ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes one more reference to the same packet (skb_get). Returns an owned one; the packet ends with the last.
   *
   * @example
   * const second = skb.get();
   * skb.release();
   * second.length; // → 100
   */
  get(): Skb {
    const handle = this._handle;
    this._check(this._engine._core.get(handle));
    return this._engine._wrap(handle);
  }

  /**
   * Gives this reference up (kfree_skb; consume_skb without a reason). With the last one the packet's memory goes
   * back to the pool, and if it was the last to carry a ubuf of this thread, the ubuf's callback runs before this
   * returns; within a callback, once that has returned.
   *
   * @throws StaleSkbError, QueuedSkbError, ArgumentRangeError
   * @example
   * skb.release(DropReason.badChecksum);
   * skb.alive; // → false
   */
  release(reason: DropReason = DropReason.consumed): void {
    const engine = this._engine;
    if (reason !== DropReason.consumed) checkReason(reason);
    if (this._node !== null) throw engine._queuedError();
    const status = engine._core.release(this._handle, reason);
    if (status !== OK) throw refusal(engine, status, this);
    this._end(RELEASED);
    if (engine._lent !== 0) engine._deliver();
  }

  /**
   * `release()`, but does nothing if this reference has ended, is in a queue, or the engine is closed.
   *
   * @example
   * skb[Symbol.dispose]();
   * skb.alive; // → false
   */
  [Symbol.dispose](): void {
    if (this._node === null && this.alive) this.release();
  }

  // ─── More packets of the same bytes ──────────────────────────────────────────────────────────────────

  /**
   * A second packet with the same data, which is read-only for both from now on (skb_clone). Returns an owned one.
   * Lent bytes are copied first if their ubuf says so.
   *
   * @throws PoolExhaustedError
   * @example
   * const twin = skb.clone();
   * skb.cloned; // → true
   * twin.release();
   * skb.cloned; // → false
   */
  clone(): Skb {
    return this._twin(this._engine._core.clone(this._handle));
  }

  /**
   * A second packet, linear, with bytes of its own (skb_copy). Returns an owned one.
   *
   * @throws PoolExhaustedError; RoomError if it does not fit one head (up to 128 KiB fit always)
   * @example
   * const own = skb.copy();
   * own.writeU8(0, 0xff);
   * skb.readU8(0); // → 0
   */
  copy(): Skb {
    return this._twin(this._engine._core.copySkb(this._handle));
  }

  /**
   * A second packet with a head of its own; what is behind it is shared (pskb_copy). Returns an owned one.
   *
   * @throws PoolExhaustedError
   * @example
   * const own = skb.copyHead();
   * own.writeU8(0, 0xff);
   * skb.readU8(0); // → 0
   */
  copyHead(): Skb {
    return this._twin(this._engine._core.copyHead(this._handle));
  }

  /**
   * Gives the packet a head of its own with so many more bytes of headroom and at least so many more of tailroom
   * (pskb_expand_head). Afterwards the head can be written; frags stay shared.
   *
   * @throws PoolExhaustedError, ArgumentRangeError; RoomError if it does not fit one head (up to 128 KiB fit always)
   * @example
   * skb.expandHead(32, 0);
   * skb.headroom; // → 96
   */
  expandHead(head: number, tail: number): void {
    checkInteger("head", head, 0, MAX_LINEAR);
    checkInteger("tail", tail, 0, MAX_LINEAR);
    this._settle(this._engine._core.expandHead(this._handle, head, tail), {
      what: "head + tail",
      got: head + tail,
    });
  }

  /**
   * Makes every byte that is shared with other packets this packet's own, so that it can be written: the head, and
   * what lies in pool pages (skb_unclone and skb_cow_data). Lent bytes stay lent; see `copyUbufs`.
   *
   * @throws PoolExhaustedError
   * @example
   * const twin = skb.clone();
   * skb.unclone();
   * skb.writeU8(0, 0xff);
   * twin.readU8(0); // → 0
   */
  unclone(): void {
    this._settle(this._engine._core.unclone(this._handle));
  }

  /**
   * Lets go of this packet's data and becomes a clone of `from` (skb_morph). Borrows `from`.
   *
   * @throws PoolExhaustedError, ForeignSkbError, ArgumentTypeError
   * @example
   * skb.morph(other);
   * skb.cloned; // → true
   */
  morph(from: Skb): void {
    const source = this._engine._own("from", from);
    this._settle(this._engine._core.morph(this._handle, source));
  }

  // ─── Frags ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Appends `n` bytes (0..131072), contents undefined, in fresh pages (skb_add_rx_frag). Returns a view of them.
   *
   * @throws FragLimitError, SharedDataError, PoolExhaustedError, ArgumentRangeError
   * @example
   * skb.addPageFrag(4096).fill(0);
   * skb.dataLength; // → 4096
   */
  addPageFrag(n: number): Uint8Array {
    checkInteger("n", n, 0, MAX_LINEAR);
    return this._engine._heap.view(this._address(this._engine._core.addPageFrag(this._handle, n), "n", n), n);
  }

  /**
   * Copies bytes to the end of the packet, wherever that is: into the tailroom, then the last page, then fresh pages
   * (skb_append_datato_frags). Borrows `bytes`.
   *
   * @throws FragLimitError, SharedDataError, PoolExhaustedError, ArgumentTypeError; ArgumentRangeError if the packet would be
   * longer than 2^31 - 1 bytes
   * @example
   * skb.append(payload).length; // → 200
   */
  append(bytes: Uint8Array): this {
    const n = checkBytes("bytes", bytes);
    const end = this.length;
    this._check(this._engine._core.extend(this._handle, n), { what: "bytes", more: n });
    this._writeSegments(end, bytes, n);
    return this;
  }

  /**
   * Appends `n` bytes of a region from `offset` on, without a copy; the packet carries `ubuf` from now on
   * (skb_zerocopy_iter_stream). Borrows both. A packet carries one ubuf; a ubuf may be carried by many. `n` of 0 lends nothing: then the
   * packet does not carry the ubuf.
   *
   * @throws FragLimitError, SharedDataError, UbufError, StaleRegionError, ForeignSkbError, ArgumentTypeError,
   * ArgumentRangeError
   * @example
   * skb.addUserFrag(region, 0, 1000, ubuf);
   * skb.length; // → 1100
   * skb.zeroCopy; // → true
   */
  addUserFrag(region: UserRegion, offset: number, n: number, ubuf: Ubuf): void {
    const engine = this._engine;
    const address = engine._ownRegion(region);
    checkInteger("offset", offset, 0, region.size);
    checkInteger("n", n, 0, region.size - offset);
    const handle = engine._ownUbuf(ubuf);
    this._check(engine._core.addUserFrag(this._handle, address, offset, n, handle), { ubuf, more: n });
  }

  /**
   * Appends a packet to this one's frag list (frag_list), without a copy. Takes it; what it has in a frag list of its
   * own becomes its neighbour.
   *
   * @throws SharedDataError, HeldSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError; FragLimitError for the
   * packet itself; ArgumentRangeError if the packet would be longer than 2^31 - 1 bytes
   * @example
   * skb.addFragList(other);
   * skb.length; // → 200
   * skb.listLength; // → 1
   * other.alive; // → false
   */
  addFragList(skb: Skb): void {
    const handle = this._engine._own("skb", skb);
    if (skb._node !== null) throw this._engine._queuedError();
    const asked = { other: skb, more: skb.length };
    this._check(this._engine._core.addFragList(this._handle, handle), asked);
    skb._end(GIVEN_AWAY);
  }

  /**
   * Copies lent bytes into pool pages and lets their ubufs go, as `copied` (skb_copy_ubufs). A frag becomes several, or members
   * of the frag list, where pages do not lie together.
   *
   * @throws PoolExhaustedError
   * @example
   * skb.addUserFrag(region, 0, 1000, ubuf);
   * skb.copyUbufs();
   * ubuf.status; // → "copied"
   */
  copyUbufs(): void {
    this._settle(this._engine._core.copyUbufs(this._handle));
  }

  // ─── Between head and frags ──────────────────────────────────────────────────────────────────────────

  /**
   * Brings all bytes into the head (skb_linearize).
   *
   * @throws PoolExhaustedError; RoomError if it does not fit one head (up to 128 KiB fit always)
   * @example
   * skb.addPageFrag(1000).fill(0);
   * skb.linearize();
   * skb.linear; // → true
   */
  linearize(): void {
    this._settle(this._engine._core.linearize(this._handle), { what: "length", got: this.length });
  }

  /**
   * Brings at least the first `n` bytes into the head (pskb_may_pull).
   *
   * @throws PoolExhaustedError, ArgumentRangeError
   * @example
   * skb.addPageFrag(1000).fill(0);
   * skb.mayPull(120);
   * skb.pull(120);
   * skb.length; // → 980
   */
  mayPull(n: number): void {
    this._count("n", n);
    this._settle(this._engine._core.mayPull(this._handle, n), { what: "n", got: n });
  }

  /**
   * Brings all bytes into the head if they fit its tailroom (skb_condense). Returns whether the packet is linear now.
   *
   * @example
   * skb.addPageFrag(50).fill(0);
   * skb.condense(); // → true
   * skb.linearLength; // → 150
   */
  condense(): boolean {
    return this._tried(this._engine._core.condense(this._handle));
  }

  /**
   * Cuts the packet to its first `at` bytes and returns the rest as an owned second one, with the same headroom (less what
   * was made by pulling, if that is most of it) and metadata (skb_split). Bytes in the head are copied, frags move.
   *
   * @throws ArgumentRangeError, PoolExhaustedError
   * @example
   * const rest = skb.split(60);
   * skb.length; // → 60
   * rest.length; // → 40
   */
  split(at: number): Skb {
    this._count("at", at);
    const result = this._engine._core.split(this._handle, at);
    if (this._engine._lent !== 0) this._engine._deliver();
    if (result < ERROR_LIMIT) this._settle(result, { what: "at", got: at });
    return this._engine._wrap(result);
  }

  /**
   * A packet of bytes `offset` to `offset + n` of this one, with at least `headroom` bytes in front and the same metadata
   * but for header offsets (pskb_extract). Returns an owned one; this one stays as it is. What lies in frags is shared,
   * bytes of the head are copied. Lent bytes are shared or copied first, as their ubuf says.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, PoolExhaustedError; RoomError if the bytes of
   * the head and the headroom do not fit one head (up to 128 KiB fit always)
   * @example
   * skb.addPageFrag(1000).fill(7);
   * const part = skb.extract(600, 400, { headroom: 14 });
   * part.readU8(0); // → 7
   * part.linearLength; // → 0
   */
  extract(offset: number, n: number, options?: AllocOptions): Skb {
    const headroom = checkHeadroom(options);
    this._count("offset", offset);
    this._count("n", n);
    const result = this._engine._core.extract(this._handle, offset, n, headroom);
    if (this._engine._lent !== 0) this._engine._deliver();
    if (result < ERROR_LIMIT)
      throw refusal(this._engine, result, this, this._extracted(result, offset, n, headroom));
    return this._engine._wrap(result);
  }

  /**
   * Moves the first `n` bytes of another packet to the end of this one without copying them (skb_shift). Returns `n`,
   * or 0 if they are not all in frags, either packet has a frag list or lent bytes, or the table is full.
   *
   * @throws ArgumentRangeError, ArgumentTypeError, ForeignSkbError, PoolExhaustedError
   * @example
   * const from = engine.alloc(0);
   * from.addPageFrag(1000).fill(0);
   * skb.shift(from, 600); // → 600
   * from.length; // → 400
   */
  shift(from: Skb, n: number): number {
    const source = this._engine._own("from", from);
    from._count("n", n);
    const status = this._engine._core.shift(this._handle, source, n);
    if (status === NOT_DONE) return 0;
    if (status !== OK) this._settle(status, { what: "n", got: n, other: from });
    return n;
  }

  /**
   * Appends another packet and releases it, if that needs no allocation: into the tailroom, or frag by frag
   * (skb_try_coalesce). Returns whether it did; if so it took `from`.
   *
   * @throws HeldSkbError, QueuedSkbError, ForeignSkbError, ArgumentTypeError
   * @example
   * if (!skb.tryCoalesce(other)) skb.addFragList(other);
   * skb.length; // → 200
   */
  tryCoalesce(from: Skb): boolean {
    const source = this._engine._own("from", from);
    if (from._node !== null) throw this._engine._queuedError();
    const status = this._engine._core.tryCoalesce(this._handle, source);
    // Before the callbacks, which may look at it.
    if (status === OK) from._end(GIVEN_AWAY);
    if (status !== NOT_DONE) this._settle(status, { what: "from", got: source, other: from });
    return status === OK;
  }

  /**
   * Makes the packet empty and clean, as `alloc(size)` would (skb_recycle_check). Returns false, nothing changed, if
   * it is shared, not linear, carries lent bytes, or its head is smaller.
   *
   * @throws ArgumentRangeError
   * @example
   * skb.recycle(1000); // → true
   * skb.length; // → 0
   */
  recycle(size: number): boolean {
    checkInteger("size", size, 0, MAX_LINEAR);
    return this._tried(this._engine._core.recycle(this._handle, size));
  }

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** What of an `extract` was too much: the range, or the headroom before what lies in the head. */
  private _extracted(status: number, offset: number, n: number, headroom: number): Asked {
    if (status !== E_LINEAR) return { what: "offset", got: offset, bytes: n, count: "n" };
    const inHead = Math.min(n, this.linearLength - offset);
    return { what: "headroom", got: headroom, headroom: inHead };
  }

  private _twin(result: number): Skb {
    if (this._engine._lent !== 0) this._engine._deliver();
    if (result < ERROR_LIMIT) throw refusal(this._engine, result, this, { what: "length", got: this.length });
    return this._engine._wrap(result);
  }

  private _tried(status: number): boolean {
    if (status === NOT_DONE) return false;
    this._settle(status);
    return true;
  }
}

// Not by `extends`: with a chain of constructors a new object costs half as much again.
Object.setPrototypeOf(Skb.prototype, SkbLinear.prototype);

describes(Skb, "Skb", (skb) => {
  if (skb.alive) {
    const { length, headroom, tailroom, frags, listLength, cloned } = skb;
    return { length, headroom, tailroom, frags, listLength, cloned };
  }
  return {
    is: skb._engine.closed ? "of a closed engine" : skb._handle === GIVEN_AWAY ? "given away" : "released",
  };
});
