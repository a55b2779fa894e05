// Bytes of a packet at an offset, wherever they are: in the head, in frags, in the frag list.

import { CHECKSUM_FAILED, OK, READ_FAILED } from "../../assembly/layout.js";
import {
  bufferOf,
  checkBytes,
  checkInteger,
  checkOrder,
  checkU64,
  checkUnshared,
  offsetOf,
  U32_MOST,
} from "../check.js";
import { ArgumentRangeError } from "../errors.js";
import { foldSum, swap16, swap32 } from "../numbers.js";
import { refusal } from "../refusal.js";
import { SkbMetadata } from "./metadata.js";

/** A Uint8Array over memory that is not shared. Written so that compilers know it which have no `Uint8Array<ArrayBuffer>`. */
export type UnsharedBytes = ReturnType<typeof Uint8Array.from>;

/** An `Skb`'s bytes by their offsets. */
export abstract class SkbBytes extends SkbMetadata {
  /**
   * The byte at `offset`.
   *
   * @throws ArgumentRangeError
   * @example
   * skb.readU8(1); // → 1
   */
  readU8(offset: number): number {
    const at = this._heap.linear(this._handle, offset, 1);
    if (at !== 0) return this._heap.u8(at);
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
    const at = this._heap.linear(this._handle, offset, 2);
    if (at !== 0 && typeof littleEndian === "boolean") return this._heap.u16(at, littleEndian);
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
    const at = this._heap.linear(this._handle, offset, 4);
    if (at !== 0 && typeof littleEndian === "boolean") return this._heap.u32(at, littleEndian);
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
    const at = this._heap.linear(this._handle, offset, 8);
    if (at !== 0 && typeof littleEndian === "boolean") return this._heap.u64(at, littleEndian);
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
    const heap = this._heap;
    const at = heap.writable(this._handle, offset, 1);
    if (at !== 0) {
      heap.setU8(at, checkInteger("value", value, 0, 0xff));
      return;
    }
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
    const heap = this._heap;
    const at = heap.writable(this._handle, offset, 2);
    if (at !== 0) {
      heap.setU16(at, checkInteger("value", value, 0, 0xffff), checkOrder(littleEndian));
      return;
    }
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
    const heap = this._heap;
    const at = heap.writable(this._handle, offset, 4);
    if (at !== 0) {
      heap.setU32(at, checkInteger("value", value, 0, U32_MOST), checkOrder(littleEndian));
      return;
    }
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
      this._heap.read(address, into, 0, n);
      return;
    }
    this._check(this._engine._core.startSegments(this._handle, offset, n), {
      what: "offset",
      got: offset,
      bytes: n,
      count: "into",
    });
    this._eachSegment((address, bytes, done) => this._heap.read(address, into, done, bytes));
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
    this._eachSegment((address, part) => views.push(this._heap.view(address, part)));
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

  // ─── Inside the library ──────────────────────────────────────────────────────────────────────────────

  /** Appends address and length of each contiguous piece to `into`. @internal */
  _pieces(into: number[]): void {
    this._check(this._engine._core.startSegments(this._handle, 0, this.length));
    this._eachSegment((address, bytes) => into.push(address, bytes));
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

  /** @internal */
  _writeSegments(offset: number, from: Uint8Array, n: number): void {
    this._engine._core.startSegments(this._handle, offset, n);
    this._eachSegment((address, bytes, done) => this._heap.writePart(address, from, done, bytes));
  }
}
