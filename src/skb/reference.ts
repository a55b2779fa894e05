/// <reference lib="esnext.disposable" preserve="true" />
// An Skb as a reference: which packet, whether it still refers to it, how long that is.

import { ERROR_LIMIT, OK, SKB_DATA_LEN, SKB_LEN } from "../../assembly/layout.js";
import { U32_MOST } from "../check.js";
import type { Heap } from "../core/heap.js";
import type { Engine } from "../engine.js";
import { ArgumentRangeError, ArgumentTypeError } from "../errors.js";
import type { QueueNode } from "../queue.js";
import { type Asked, refusal, staleError } from "../refusal.js";

/** In place of a queue's node: the object is of a packet that a burst has, so that it cannot be given away. @internal */
export const LENT = {} as QueueNode;

/** What an `Skb` is before anything is done with its bytes. */
export abstract class SkbReference {
  /** @internal */
  declare _engine: Engine;
  /** @internal */
  get _heap(): Heap {
    return this._engine._heap;
  }
  /** @internal */
  declare _handle: number;
  /** @internal */
  declare _node: QueueNode | null;

  // ─── Sizes ───────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes of the whole packet (len). */
  get length(): number {
    return this._field(SKB_LEN);
  }

  /** Bytes behind the head, in frags and frag list (data_len). */
  get dataLength(): number {
    return this._field(SKB_DATA_LEN);
  }

  /** Bytes in the head: what `bytes` shows (skb_headlen). */
  get linearLength(): number {
    return this._field(SKB_LEN) - this._field(SKB_DATA_LEN);
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
    return this._field(SKB_DATA_LEN) === 0;
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

  /** Whether the packet is in an `SkbQueue` or a `Burst`. Never throws. */
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

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** The handle, if this reference has not ended. @internal */
  _live(): number {
    if (this._handle < ERROR_LIMIT) throw staleError(this);
    return this._handle;
  }

  /** A word of the packet's struct. @internal */
  _field(at: number): number {
    const heap = this._heap;
    return heap.word((heap.skb(this._handle) || this._gone()) + at);
  }

  /** Sets a word of the first line of the packet's struct. @internal */
  _setField(at: number, value: number): void {
    const heap = this._heap;
    heap.setWord((heap.skb(this._handle) || this._gone()) + at, value);
  }

  /** There is no packet of this handle. @throws StaleSkbError, EngineClosedError */
  private _gone(): never {
    this._engine._open();
    throw staleError(this);
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
}
