// The linear part of a packet: its head's bytes, with headroom before and tailroom behind them.

import { ERROR_LIMIT, OK } from "../../assembly/layout.js";
import { checkBytes } from "../check.js";
import { refusal } from "../refusal.js";
import { SkbBytes } from "./bytes.js";

/** An `Skb`'s head. */
export abstract class SkbLinear extends SkbBytes {
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
    return this._heap.view(this._put(n, "n"), n);
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
    this._heap.write(this._put(n, "bytes"), bytes, n);
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
    this._engine._core.fill(this._put(n, "n"), 0, n);
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
    return this._heap.view(this._address(this._engine._core.push(this._handle, n), "n", n, "headroom"), n);
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
    this._heap.write(
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
    return this._heap.view(core.dataAddress(handle) >>> 0, n);
  }

  /** Makes the packet `n` bytes longer. Returns their address. @internal */
  _put(n: number, what: string): number {
    const at = this._heap.put(this._handle, n);
    if (at !== 0) return at;
    this._count(what, n);
    return this._address(this._engine._core.put(this._handle, n), what, n);
  }

  /** @internal */
  _address(result: number, what: string, n: number, room: "headroom" | "tailroom" = "tailroom"): number {
    const address = result >>> 0;
    if (address < ERROR_LIMIT) throw refusal(this._engine, address, this, { what, got: n, room, more: n });
    return address;
  }
}
