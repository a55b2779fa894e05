/// <reference lib="esnext.disposable" preserve="true" />
// Skb: one reference to one packet.

import {
  CB_BYTES,
  CHECKSUM_FAILED,
  E_LINEAR,
  ERROR_LIMIT,
  MAX_LINEAR,
  NOT_DONE,
  OK,
  READ_FAILED,
  SHINFO_GSO_SEGS,
  SHINFO_GSO_SIZE,
  SHINFO_GSO_TYPE,
  SKB_HASH,
  SKB_MAC_HEADER,
  SKB_MARK,
  SKB_NETWORK_HEADER,
  SKB_PRIORITY,
  SKB_PROTOCOL,
  SKB_QUEUE,
  SKB_TIMESTAMP_HIGH,
  SKB_TIMESTAMP_LOW,
  SKB_TRANSPORT_HEADER,
} from "../assembly/layout.js";
import {
  bufferOf,
  checkBytes,
  checkHeadroom,
  checkInteger,
  checkOrder,
  checkU64,
  checkUnshared,
  offsetOf,
  U32_MOST,
} from "./check.js";
import { describes } from "./describe.js";
import { GIVEN_AWAY, RELEASED } from "./ended.js";
import type { AllocOptions, Engine } from "./engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.js";
import { foldSum, swap16, swap32 } from "./numbers.js";
import type { QueueNode } from "./queue.js";
import { checkReason, DropReason } from "./reason.js";
import { type Asked, refusal, staleError } from "./refusal.js";
import { MS_MOST, msOf, NS_MOST, nsOf, wordsOf, wordsOfMs } from "./time.js";
import type { Ubuf } from "./ubuf.js";
import type { UserRegion } from "./user-region.js";

/** A Uint8Array over memory that is not shared. Written so that compilers know it which have no `Uint8Array<ArrayBuffer>`. */
export type UnsharedBytes = ReturnType<typeof Uint8Array.from>;

// What a dead Skb's handle says of its end. No live handle is that small.

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
  /** @internal */
  readonly _engine: Engine;
  /** @internal */
  _handle: number;
  /** @internal */
  _node: QueueNode | null = null;

  /** @internal */
  constructor(engine: Engine, handle: number) {
    this._engine = engine;
    this._handle = handle;
  }

  // ─── Sizes ───────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes of the whole packet (len). */
  get length(): number {
    return this._engine._core.length(this._live()) >>> 0;
  }

  /** Bytes behind the head, in frags and frag list (data_len). */
  get dataLength(): number {
    return this._engine._core.dataLength(this._live()) >>> 0;
  }

  /** Bytes in the head: what `bytes` shows (skb_headlen). */
  get linearLength(): number {
    const handle = this._live();
    return (this._engine._core.length(handle) - this._engine._core.dataLength(handle)) >>> 0;
  }

  /**
   * Bytes that `push` can add (skb_headroom). Pulled bytes are headroom, too, until the packet needs room behind its head's
   * bytes: then what was asked for stays, and the last 256 that were pulled.
   */
  get headroom(): number {
    return this._engine._core.headroom(this._live()) >>> 0;
  }

  /** Bytes that `put` can add; 0 while anything is behind the head (skb_tailroom). */
  get tailroom(): number {
    return this._engine._core.tailroom(this._live()) >>> 0;
  }

  /**
   * Arena bytes that the packet keeps from other use: its struct, its head, the whole pages of its frags, and the
   * same of each frag list member; of a user frag, its length. What is shared counts in full for each who shares it.
   */
  get truesize(): number {
    return this._engine._core.truesize(this._live()) >>> 0;
  }

  /** Frags of the packet itself, 0..17 (nr_frags). */
  get frags(): number {
    return this._engine._core.frags(this._live());
  }

  /** Packets in the frag list (frag_list). */
  get listLength(): number {
    return this._engine._core.listLength(this._live());
  }

  /** Whether all bytes are in the head (!skb_is_nonlinear). */
  get linear(): boolean {
    return this._engine._core.dataLength(this._live()) === 0;
  }

  // ─── References ──────────────────────────────────────────────────────────────────────────────────────

  /** The packet's 30-bit number while it lives, as `audit()` and `close()` name it. */
  get handle(): number {
    this._engine._open();
    return this._live();
  }

  /** Whether this object still refers to its packet. Never throws. */
  get alive(): boolean {
    return this._handle >= ERROR_LIMIT && !this._engine.closed;
  }

  /** Whether the packet is in an `SkbQueue`. Never throws. */
  get queued(): boolean {
    return this._node !== null;
  }

  /** References from `alloc` and `get` (users). */
  get users(): number {
    return this._engine._core.users(this._live());
  }

  /** Whether another packet shares the data, which then is read-only (skb_cloned). */
  get cloned(): boolean {
    return this._engine._core.dataRefs(this._live()) > 1;
  }

  /** Whether the packet carries lent memory (skb_zcopy). */
  get zeroCopy(): boolean {
    return this._engine._core.zeroCopy(this._live()) === 1;
  }

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

  // ─── The linear part ─────────────────────────────────────────────────────────────────────────────────

  /**
   * Turns `n` bytes of tailroom into headroom; only while the packet is empty (skb_reserve).
   *
   * @throws RoomError, ArgumentRangeError
   * @example
   * const skb = engine.alloc(128);
   * skb.reserve(16);
   * skb.headroom; // → 16
   */
  reserve(n: number): void {
    this._count("n", n);
    this._check(this._engine._core.reserve(this._handle, n), { what: "n", got: n, room: "empty" });
  }

  /**
   * Adds `n` bytes at the tail, contents undefined (skb_put). Returns a view of them.
   *
   * @throws RoomError, SharedDataError, ArgumentRangeError
   * @example
   * skb.put(4).set([1, 2, 3, 4]);
   * skb.length; // → 104
   */
  put(n: number): Uint8Array {
    this._count("n", n);
    return this._engine._heap.view(this._address(this._engine._core.put(this._handle, n), "n", n), n);
  }

  /**
   * Copies bytes to the tail (skb_put_data). Borrows `bytes`.
   *
   * @throws RoomError, SharedDataError, ArgumentTypeError
   * @example
   * skb.putData(payload).length; // → 200
   */
  putData(bytes: Uint8Array): this {
    const n = checkBytes("bytes", bytes);
    this._engine._heap.write(this._address(this._engine._core.put(this._handle, n), "bytes", n), bytes, n);
    return this;
  }

  /**
   * Adds `n` zero bytes at the tail (skb_put_zero).
   *
   * @throws RoomError, SharedDataError, ArgumentRangeError
   * @example
   * skb.putZeros(20).length; // → 120
   */
  putZeros(n: number): this {
    this._count("n", n);
    this._engine._core.fill(this._address(this._engine._core.put(this._handle, n), "n", n), 0, n);
    return this;
  }

  /**
   * Adds `n` bytes in front, contents undefined (skb_push). Returns a view of them.
   *
   * @throws RoomError, SharedDataError, ArgumentRangeError
   * @example
   * skb.push(8).fill(0);
   * skb.headroom; // → 56
   */
  push(n: number): Uint8Array {
    this._count("n", n);
    return this._engine._heap.view(
      this._address(this._engine._core.push(this._handle, n), "n", n, "headroom"),
      n,
    );
  }

  /**
   * Copies bytes in front of the packet (skb_push). Borrows `bytes`.
   *
   * @throws RoomError, SharedDataError, ArgumentTypeError
   * @example
   * skb.pushData(Uint8Array.of(0x45, 0)).readU16(0); // → 0x4500
   */
  pushData(bytes: Uint8Array): this {
    const n = checkBytes("bytes", bytes);
    this._engine._heap.write(
      this._address(this._engine._core.push(this._handle, n), "bytes", n, "headroom"),
      bytes,
      n,
    );
    return this;
  }

  /**
   * Removes `n` bytes in front, which must be in the head (skb_pull); `mayPull(n)` brings them there. The last 256 bytes that
   * were pulled can be pushed again as they were, whatever is done to the packet's end.
   *
   * @throws RoomError, ArgumentRangeError
   * @example
   * skb.pull(14);
   * skb.readU8(0); // → 14
   */
  pull(n: number): void {
    this._count("n", n);
    const status = this._engine._core.pull(this._handle, n);
    if (status !== OK) this._check(status, { what: "n", got: n, room: "linear" });
  }

  /**
   * Cuts the packet to `n` bytes, frags and frag list too (pskb_trim).
   *
   * @throws ArgumentRangeError; PoolExhaustedError where shared frags are cut
   * @example
   * skb.trim(60);
   * skb.length; // → 60
   */
  trim(n: number): void {
    this._count("n", n);
    this._settle(this._engine._core.trim(this._handle, n), { what: "n", got: n });
  }

  /**
   * A view of the head's bytes: all of a linear packet, the first `linearLength` of another.
   *
   * @example
   * skb.bytes[0] = 0x45;
   * skb.readU8(0); // → 0x45
   */
  get bytes(): Uint8Array {
    const core = this._engine._core;
    const handle = this._live();
    const n = core.length(handle) - core.dataLength(handle);
    return this._engine._heap.view(core.dataAddress(handle) >>> 0, n);
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
   * @throws PoolExhaustedError; RoomError if a head does not take it (128 KiB it does)
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
   * @throws PoolExhaustedError, ArgumentRangeError; RoomError if a head does not take it (128 KiB it does)
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
   * (skb_zerocopy_iter_stream). Borrows both. A packet carries one ubuf; a ubuf may be carried by many.
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
   * @throws PoolExhaustedError; RoomError if a head does not take it (128 KiB it does)
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
   * @throws ArgumentRangeError, ArgumentTypeError, PoolExhaustedError; RoomError if a head does not take those of
   * the head and the headroom (128 KiB it does)
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

  // ─── Bytes at an offset, wherever they are ───────────────────────────────────────────────────────────

  /**
   * The byte at `offset`.
   *
   * @throws ArgumentRangeError
   * @example
   * skb.readU8(1); // → 1
   */
  readU8(offset: number): number {
    this._count("offset", offset);
    return this._value(this._engine._core.readU8(this._handle, offset), offset, 1);
  }

  /**
   * The 16-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false), as in DataView.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.readU16(1); // → 0x0102
   * skb.readU16(1, true); // → 0x0201
   */
  readU16(offset: number, littleEndian = false): number {
    this._count("offset", offset);
    const value = this._value(this._engine._core.readU16(this._handle, offset), offset, 2);
    return checkOrder(littleEndian) ? swap16(value) : value;
  }

  /**
   * The 32-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false).
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.readU32(1); // → 0x01020304
   * skb.readU32(1, true); // → 0x04030201
   */
  readU32(offset: number, littleEndian = false): number {
    this._count("offset", offset);
    const value = this._value(this._engine._core.readU32(this._handle, offset), offset, 4);
    return checkOrder(littleEndian) ? swap32(value) : value;
  }

  /**
   * The 64-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false). A signed one is
   * `BigInt.asIntN(64, value)`.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.readU64(1); // → 0x0102030405060708n
   * skb.readU64(1, true); // → 0x0807060504030201n
   */
  readU64(offset: number, littleEndian = false): bigint {
    const core = this._engine._core;
    this._count("offset", offset);
    // In this order: that the first is there says that the offset of the second one is a u32.
    const first = this._value(core.readU32(this._handle, offset), offset, 8);
    const second = this._value(core.readU32(this._handle, offset + 4), offset, 8);
    const [high, low] = checkOrder(littleEndian) ? [swap32(second), swap32(first)] : [first, second];
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /**
   * Writes the byte at `offset`.
   *
   * @throws ArgumentRangeError, SharedDataError
   * @example
   * skb.writeU8(0, 0x45);
   * skb.readU8(0); // → 0x45
   */
  writeU8(offset: number, value: number): void {
    this._count("offset", offset);
    checkInteger("value", value, 0, 0xff);
    const status = this._engine._core.writeU8(this._handle, offset, value);
    if (status !== OK) this._check(status, { what: "offset", got: offset, bytes: 1 });
  }

  /**
   * Writes a 16-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false).
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * skb.writeU16(0, 0x4500);
   * skb.readU16(0); // → 0x4500
   */
  writeU16(offset: number, value: number, littleEndian = false): void {
    this._count("offset", offset);
    checkInteger("value", value, 0, 0xffff);
    const stored = checkOrder(littleEndian) ? swap16(value) : value;
    const status = this._engine._core.writeU16(this._handle, offset, stored);
    if (status !== OK) this._check(status, { what: "offset", got: offset, bytes: 2 });
  }

  /**
   * Writes a 32-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false).
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * skb.writeU32(0, 0x45000064);
   * skb.readU32(0); // → 0x45000064
   */
  writeU32(offset: number, value: number, littleEndian = false): void {
    this._count("offset", offset);
    checkInteger("value", value, 0, U32_MOST);
    const stored = checkOrder(littleEndian) ? swap32(value) : value;
    const status = this._engine._core.writeU32(this._handle, offset, stored);
    if (status !== OK) this._check(status, { what: "offset", got: offset, bytes: 4 });
  }

  /**
   * Writes a 64-bit number at `offset`. Network byte order; the other one with `littleEndian` (Default: false).
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * skb.writeU64(0, 2n ** 63n);
   * skb.readU8(0); // → 0x80
   */
  writeU64(offset: number, value: bigint, littleEndian = false): void {
    const core = this._engine._core;
    this._count("offset", offset);
    checkU64("value", value);
    const [high, low] = [Number(value >> 32n), Number(value & 0xffffffffn)];
    const [first, second] = checkOrder(littleEndian) ? [swap32(low), swap32(high)] : [high, low];
    // Both or none.
    const status = core.checkWrite(this._handle, offset, 8);
    if (status !== OK) this._check(status, { what: "offset", got: offset, bytes: 8 });
    core.writeU32(this._handle, offset, first);
    core.writeU32(this._handle, offset + 4, second);
  }

  /**
   * Copies bytes from `offset` on to `into`, filling it (skb_copy_bits). Borrows `into`, which must not be a view of
   * the same bytes.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * const into = new Uint8Array(4);
   * skb.copyBits(1, into);
   * into; // → Uint8Array.of(1, 2, 3, 4)
   */
  copyBits(offset: number, into: Uint8Array): void {
    this._count("offset", offset);
    const n = checkBytes("into", into);
    const address = this._engine._core.spanOf(this._handle, offset, n) >>> 0;
    if (address !== 0) {
      this._engine._heap.read(address, into, 0, n);
      return;
    }
    this._check(this._engine._core.startSegments(this._handle, offset, n), {
      what: "offset",
      got: offset,
      bytes: n,
      count: "into",
    });
    this._eachSegment((address, bytes, done) => this._engine._heap.read(address, into, done, bytes));
  }

  /**
   * Copies `from` over the bytes from `offset` on (skb_store_bits). Borrows `from`.
   *
   * @throws ArgumentRangeError, SharedDataError, ArgumentTypeError
   * @example
   * skb.storeBits(98, Uint8Array.of(7, 8));
   * skb.readU16(98); // → 0x0708
   */
  storeBits(offset: number, from: Uint8Array): void {
    this._count("offset", offset);
    const n = checkBytes("from", from);
    this._check(this._engine._core.checkWrite(this._handle, offset, n), {
      what: "offset",
      got: offset,
      bytes: n,
      count: "from",
    });
    this._writeSegments(offset, from, n);
  }

  /**
   * A copy of the whole packet in memory that is not shared: what browsers take that refuse `bytes` and `segments()`
   * (WebSocket, fetch, Blob, TextDecoder ...). Copies once: without `into` to memory of its own; else to the beginning
   * of `into`, which it borrows, and returns a view of the packet's bytes there. Ranges are `copyBits`'s.
   *
   * @throws ArgumentTypeError if `into` is shared memory, ArgumentRangeError if it is too small; nothing is written
   * @example
   * const buffer = new Uint8Array(1500);
   * const bytes = skb.toBytes(buffer);
   * bytes.length; // → 100
   * bytes.buffer === buffer.buffer; // → true
   */
  toBytes(into?: Uint8Array): UnsharedBytes {
    const n = this.length;
    let bytes: Uint8Array;
    if (into === undefined) bytes = new Uint8Array(n);
    else {
      const room = checkUnshared("into", into);
      if (room < n) throw new ArgumentRangeError("into", `at least ${n} bytes`, room);
      bytes = room === n ? into : new Uint8Array(bufferOf(into), offsetOf(into), n);
    }
    this.copyBits(0, bytes);
    return bytes as UnsharedBytes;
  }

  /**
   * Views of the contiguous pieces of the packet, or of `n` bytes from `offset` on, in order: for `writev` and
   * `dgram.send` (skb_to_sgvec).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.addPageFrag(50).fill(0);
   * skb.segments().map((view) => view.length); // → [100, 50]
   */
  segments(offset = 0, n?: number): Uint8Array[] {
    this._count("offset", offset);
    const bytes = n ?? Math.max(this.length - offset, 0);
    this._count("n", bytes);
    this._check(this._engine._core.startSegments(this._handle, offset, bytes), {
      what: "offset",
      got: offset,
      bytes,
      count: "n",
    });
    const views: Uint8Array[] = [];
    this._eachSegment((address, part) => views.push(this._engine._heap.view(address, part)));
    return views;
  }

  /**
   * The ones'-complement sum of the packet, or of `n` bytes from `offset` on, as big-endian 16-bit words, an odd last
   * byte padded with 0 (skb_checksum, csum_partial, RFC 1071), and of `seed`: another sum, that of a pseudo-header, folded or not
   * (Default: 0). 16 bits, not inverted: over bytes that include a right Internet checksum it is 0xffff.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.checksum(0, 4); // → 0x0204
   * skb.checksum(0, 4, 0x11); // → 0x0215
   * ~skb.checksum(0, 4) & 0xffff; // → 0xfdfb
   */
  checksum(offset = 0, n?: number, seed = 0): number {
    this._count("offset", offset);
    const bytes = n ?? Math.max(this.length - offset, 0);
    this._count("n", bytes);
    checkInteger("seed", seed, 0, U32_MOST);
    const sum = this._engine._core.checksum(this._handle, offset, bytes);
    if (sum >= CHECKSUM_FAILED)
      this._check(sum - CHECKSUM_FAILED, { what: "offset", got: offset, bytes, count: "n" });
    return seed === 0 ? sum : foldSum(sum + (seed & 0xffff) + (seed >>> 16));
  }

  /**
   * Computes the Internet checksum of the packet, or of `n` bytes from `offset` on, with a sum `seed` (Default: 0) of what is not
   * in them, and writes it at `at`, whose two bytes count as 0 (udp_set_csum). Returns what it wrote. In UDP 0 says that there is
   * none: write 0xffff then, which is the same number (CSUM_MANGLED_0).
   *
   * @throws ArgumentRangeError, ArgumentTypeError, SharedDataError
   * @example
   * skb.setChecksum(10, 0, 20); // → 0xafa6
   * skb.checksum(0, 20); // → 0xffff
   */
  setChecksum(at: number, offset = 0, n?: number, seed = 0): number {
    const core = this._engine._core;
    this._count("at", at);
    this._count("offset", offset);
    const bytes = n ?? Math.max(this.length - offset, 0);
    this._count("n", bytes);
    checkInteger("seed", seed, 0, U32_MOST);
    this._check(core.startSegments(this._handle, offset, bytes), {
      what: "offset",
      got: offset,
      bytes,
      count: "n",
    });
    this._check(core.checkWrite(this._handle, at, 2), { what: "at", got: at, bytes: 2 });
    core.writeU16(this._handle, at, 0);
    const sum = ~this.checksum(offset, bytes, seed) & 0xffff;
    // A field at an odd place of the range has its bytes the other way round.
    const value = ((at - offset) & 1) === 0 ? sum : swap16(sum);
    core.writeU16(this._handle, at, value);
    return value;
  }

  // ─── Metadata: the packet's own, not shared with clones ──────────────────────────────────────────────

  /**
   * EtherType or what you take for it, 16 bits (protocol).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.protocol = 0x0800;
   * skb.protocol; // → 0x0800
   */
  get protocol(): number {
    return this._engine._core.field16(this._live(), SKB_PROTOCOL);
  }
  set protocol(value: number) {
    this._engine._core.setField16(this._live(), SKB_PROTOCOL, checkInteger("protocol", value, 0, 0xffff));
  }

  /** Receive or transmit queue, 16 bits (queue_mapping). @throws ArgumentRangeError */
  get queue(): number {
    return this._engine._core.field16(this._live(), SKB_QUEUE);
  }
  set queue(value: number) {
    this._engine._core.setField16(this._live(), SKB_QUEUE, checkInteger("queue", value, 0, 0xffff));
  }

  /** A number of yours, 32 bits (mark). @throws ArgumentRangeError */
  get mark(): number {
    return this._engine._core.field(this._live(), SKB_MARK) >>> 0;
  }
  set mark(value: number) {
    this._engine._core.setField(this._live(), SKB_MARK, checkInteger("mark", value, 0, U32_MOST));
  }

  /** Scheduling priority, 32 bits (priority). @throws ArgumentRangeError */
  get priority(): number {
    return this._engine._core.field(this._live(), SKB_PRIORITY) >>> 0;
  }
  set priority(value: number) {
    this._engine._core.setField(this._live(), SKB_PRIORITY, checkInteger("priority", value, 0, U32_MOST));
  }

  /** Flow hash, 32 bits (hash). @throws ArgumentRangeError */
  get hash(): number {
    return this._engine._core.field(this._live(), SKB_HASH) >>> 0;
  }
  set hash(value: number) {
    this._engine._core.setField(this._live(), SKB_HASH, checkInteger("hash", value, 0, U32_MOST));
  }

  /**
   * When the packet came: nanoseconds since 1970, 0 for none (tstamp). `timestampMs` is the same in milliseconds.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.timestamp = 1_700_000_000_123_456_789n;
   * skb.timestamp; // → 1_700_000_000_123_456_789n
   */
  get timestamp(): bigint {
    const handle = this._live();
    const core = this._engine._core;
    return nsOf(core.field(handle, SKB_TIMESTAMP_HIGH) >>> 0, core.field(handle, SKB_TIMESTAMP_LOW) >>> 0);
  }
  set timestamp(value: bigint) {
    const handle = this._live();
    if (typeof value !== "bigint") throw new ArgumentTypeError("timestamp", "a bigint of nanoseconds", value);
    if (value < 0n || value > NS_MOST) throw new ArgumentRangeError("timestamp", `0n..${NS_MOST}n`, value);
    this._setTime(handle, wordsOf(value));
  }

  /**
   * `timestamp` in milliseconds, as of `Date.now()` or `performance.now()`, with parts of one: quicker than a BigInt. Whole
   * milliseconds are exact; of today's times parts of one are to a quarter of a microsecond.
   *
   * @throws ArgumentRangeError, ArgumentTypeError
   * @example
   * skb.timestampMs = 1_700_000_000_123;
   * skb.timestamp; // → 1_700_000_000_123_000_000n
   */
  get timestampMs(): number {
    const handle = this._live();
    const core = this._engine._core;
    return msOf(core.field(handle, SKB_TIMESTAMP_HIGH) >>> 0, core.field(handle, SKB_TIMESTAMP_LOW) >>> 0);
  }
  set timestampMs(value: number) {
    const handle = this._live();
    if (typeof value !== "number") throw new ArgumentTypeError("timestampMs", "milliseconds", value);
    if (!(value >= 0 && value <= MS_MOST))
      throw new ArgumentRangeError("timestampMs", `0..${MS_MOST}`, value);
    this._setTime(handle, wordsOfMs(value));
  }

  /**
   * A view of 48 bytes for the layer that holds the packet (cb). A clone starts with a copy of them.
   *
   * @example
   * skb.cb[0] = 7;
   * skb.clone().cb[0]; // → 7
   */
  get cb(): Uint8Array {
    return this._engine._heap.view(this._engine._core.cbAddress(this._live()) >>> 0, CB_BYTES);
  }

  /**
   * Bytes of a segment of a GSO packet, 0 if it is none (gso_size). Shared with clones.
   *
   * @throws SharedDataError, ArgumentRangeError
   * @example
   * skb.gsoSize = 1448;
   * skb.clone().gsoSize; // → 1448
   */
  get gsoSize(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_SIZE) >>> 0;
  }
  set gsoSize(value: number) {
    this._setInfo(SHINFO_GSO_SIZE, checkInteger("gsoSize", value, 0, 0xffff));
  }

  /** Segments of a GSO packet (gso_segs). Shared with clones. @throws SharedDataError, ArgumentRangeError */
  get gsoSegments(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_SEGS) >>> 0;
  }
  set gsoSegments(value: number) {
    this._setInfo(SHINFO_GSO_SEGS, checkInteger("gsoSegments", value, 0, 0xffff));
  }

  /**
   * Kind of a GSO packet, a number of yours (gso_type). Shared with clones.
   *
   * @throws SharedDataError, ArgumentRangeError
   */
  get gsoType(): number {
    return this._engine._core.infoField(this._live(), SHINFO_GSO_TYPE) >>> 0;
  }
  set gsoType(value: number) {
    this._setInfo(SHINFO_GSO_TYPE, checkInteger("gsoType", value, 0, U32_MOST));
  }

  /**
   * Where the link-layer header starts, counted from the first byte of the packet (skb_mac_offset): negative once it
   * has been pulled; null while it is not set. It stays with its byte when the packet is pushed, pulled or moved, and is null
   * once that was pulled so long ago that its place was needed (see `headroom`).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.macHeader = 0;
   * skb.pull(14);
   * skb.macHeader; // → -14
   */
  get macHeader(): number | null {
    return this._header(SKB_MAC_HEADER);
  }
  set macHeader(value: number | null) {
    this._setHeader("macHeader", SKB_MAC_HEADER, value);
  }

  /**
   * As `macHeader`, for the network header (skb_network_offset).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.networkHeader = 14;
   * skb.pull(14);
   * skb.networkHeader; // → 0
   */
  get networkHeader(): number | null {
    return this._header(SKB_NETWORK_HEADER);
  }
  set networkHeader(value: number | null) {
    this._setHeader("networkHeader", SKB_NETWORK_HEADER, value);
  }

  /**
   * As `macHeader`, for the transport header (skb_transport_offset).
   *
   * @throws ArgumentRangeError
   * @example
   * skb.transportHeader = 34;
   * skb.pull(14);
   * skb.transportHeader; // → 20
   */
  get transportHeader(): number | null {
    return this._header(SKB_TRANSPORT_HEADER);
  }
  set transportHeader(value: number | null) {
    this._setHeader("transportHeader", SKB_TRANSPORT_HEADER, value);
  }

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** The handle, if this reference has not ended. @internal */
  _live(): number {
    if (this._handle < ERROR_LIMIT) throw staleError(this);
    return this._handle;
  }

  /** Ends this reference. @internal */
  _end(how: number): void {
    this._handle = how;
    if (this._engine._debug !== null) this._engine._debug.died(this);
  }

  /** Refuses what is not a length or offset at all; what is too large is the core's to say. @internal */
  _count(what: string, n: number): void {
    if (typeof n === "number" && n >= 0 && n <= U32_MOST && Number.isInteger(n)) return;
    const most = this.length;
    throw typeof n === "number"
      ? new ArgumentRangeError(what, `an integer from 0 on (the packet has ${most} bytes)`, n)
      : new ArgumentTypeError(what, "a number", n);
  }

  /** After an operation that completes no ubuf: the error if there is one. @internal */
  _check(status: number, asked?: Asked): void {
    if (status !== OK) throw refusal(this._engine, status, this, asked);
  }

  /** After an operation that may complete ubufs: their callbacks, then the error if there is one. @internal */
  _settle(status: number, asked?: Asked): void {
    if (this._engine._lent !== 0) this._engine._deliver();
    if (status !== OK) throw refusal(this._engine, status, this, asked);
  }

  /** Appends address and length of each contiguous piece to `into`. @internal */
  _pieces(into: number[]): void {
    this._check(this._engine._core.startSegments(this._handle, 0, this.length));
    this._eachSegment((address, bytes) => into.push(address, bytes));
  }

  private _address(
    result: number,
    what: string,
    n: number,
    room: "headroom" | "tailroom" = "tailroom",
  ): number {
    const address = result >>> 0;
    if (address < ERROR_LIMIT) throw refusal(this._engine, address, this, { what, got: n, room, more: n });
    return address;
  }

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

  private _value(result: number, offset: number, n: number): number {
    const value = result >>> 0;
    if (value === READ_FAILED) {
      const status = this._engine._core.failure();
      if (status !== OK) throw refusal(this._engine, status, this, { what: "offset", got: offset, bytes: n });
    }
    return value;
  }

  /** Calls `visit` for each segment of a walk that has been started; `done` is how many bytes came before it. */
  private _eachSegment(visit: (address: number, bytes: number, done: number) => void): void {
    const { _core: core, _heap: heap } = this._engine;
    const pairs = core.scratch() >>> 0;
    let done = 0;
    for (let n = core.nextSegments(); n > 0; n = core.nextSegments()) {
      for (let i = 0; i < n; i++) {
        const bytes = heap.word(pairs + i * 8 + 4);
        visit(heap.word(pairs + i * 8), bytes, done);
        done += bytes;
      }
    }
  }

  private _writeSegments(offset: number, from: Uint8Array, n: number): void {
    this._engine._core.startSegments(this._handle, offset, n);
    this._eachSegment((address, bytes, done) => this._engine._heap.writePart(address, from, done, bytes));
  }

  private _setTime(handle: number, { high, low }: { high: number; low: number }): void {
    this._engine._core.setField(handle, SKB_TIMESTAMP_HIGH, high);
    this._engine._core.setField(handle, SKB_TIMESTAMP_LOW, low);
  }

  private _setInfo(field: number, value: number): void {
    this._check(this._engine._core.setInfoField(this._live(), field, value));
  }

  private _header(field: number): number | null {
    const handle = this._live();
    const stored = this._engine._core.field(handle, field) >>> 0;
    return stored === 0 ? null : stored - 1 - (this._engine._core.headroom(handle) >>> 0);
  }

  private _setHeader(what: string, field: number, value: number | null): void {
    const handle = this._live();
    if (value === null) {
      this._engine._core.setField(handle, field, 0);
      return;
    }
    const headroom = this.headroom;
    checkInteger(what, value, -headroom, this.linearLength);
    this._check(this._engine._core.setHeader(handle, field, headroom + value));
  }
}

describes(Skb, "Skb", (skb) => {
  if (skb.alive) {
    const { length, headroom, tailroom, frags, listLength, cloned } = skb;
    return { length, headroom, tailroom, frags, listLength, cloned };
  }
  return {
    is: skb._engine.closed ? "of a closed engine" : skb._handle === GIVEN_AWAY ? "given away" : "released",
  };
});
