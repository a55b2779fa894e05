// The arena's memory as the face sees it: the one place in src/ that knows how to read and write it. Everything else goes through the
// core, but for lists of handles in the scratch and in bursts, which `handles` has.

import {
  ASLEEP,
  COUNT_BYTES_COPIED,
  HEADER_SKB_TABLE,
  HEADER_SKBS,
  PAGE_BYTES,
  SKB_DATA,
  SKB_DATA_LEN,
  SKB_END,
  SKB_HANDLE,
  SKB_LEN,
  SKB_SHARES,
  SKB_SHIFT,
  STAGING,
  STAGING_BYTES,
  THREAD_COUNTERS,
  THREAD_SCRATCH,
} from "../../assembly/layout.js";
import { bufferOf, checkBytes, offsetOf } from "../check.js";
import { bufferCopy, type Crossing, makeCrossing } from "./crossing.js";
import type { Core, Loaded } from "./load.js";
import type { Words } from "./words.js";

// Up to here a loop over the bytes beats the calls that copy in bulk.
const LOOP_WRITE_MOST = 24;
const LOOP_READ_MOST = 96;

// Between JS and shared memory, bulk copies of JS take words only if both ends have the same place within a word; else they go
// byte by byte, eight times slower. What is long is left to Buffer.copy, where that is quicker. The rest goes by way of a memory
// that JS copies to and from quickly, and code in Wasm that copies between that and the arena: see crossing.ts. Without
// that, by way of the staging, which lies in the arena: JS copies at the right place within a word, and the core, which does
// not care, the rest.
const WORD_MASK = 7;
const STAGED_MOST = STAGING_BYTES - WORD_MASK - 1;

/** Up to here even what comes from the arena goes across: to ask each time whether it does takes 8 ns, a fifth of putData. */
const ACROSS_MOST = 512;

/** From so many bytes on Buffer.copy is quicker than crossing, by measurement. */
const BUFFER_COPY_LEAST = 4097;

/** Views that are kept, a power of two. To make one takes as long as to copy 1500 bytes, and most lengths come again. */
const VIEWS = 16;

// Taken when this is loaded, so that no subclass of a caller's is handed a view of the arena.
const { set } = Uint8Array.prototype;

/** Milliseconds between looks, where Atomics.waitAsync is missing. */
const POLL_MS = 4;

/** ES2024. */
interface WithWaitAsync {
  waitAsync?(
    words: Int32Array,
    index: number,
    value: number,
  ): { async: boolean; value: Promise<unknown> | string };
}

/** Views of the whole memory; good for as long as the engine lives, because the memory never grows. */
export class Heap implements Words {
  readonly buffer: ArrayBufferLike;
  /** The whole memory as signed words: for handles, which are small integers, and read faster as such. */
  readonly handles: Int32Array;
  readonly #core: Core;
  readonly #shared: boolean;
  readonly _bytes: Uint8Array;
  readonly _words: Uint32Array;
  readonly _numbers: DataView;
  /** As `handles`; empty once the engine is closed, so that no handle is found there any more. */
  _structs: Int32Array;
  /** Index of the word in which the table of skbs begins, and what its slots' numbers have of a handle. */
  readonly _table: number;
  readonly _mask: number;
  /** How bytes get to and from shared memory. undefined until the first of them do, null where JS copies as well itself. */
  _crossing: Crossing | null | undefined;
  readonly #memory: Loaded["memory"];
  _bufferCopyLeast: number;
  readonly #views: Uint8Array[] = [];
  /** Index of the word in which this thread, and no other, counts the bytes that it copies. */
  readonly #copied: number;

  /** Of the memory that has an arena at `base`. */
  constructor({ buffer, core, kind, memory, shared }: Loaded, base: number) {
    this.buffer = buffer;
    this.#shared = shared;
    this.#core = core;
    this._bytes = new Uint8Array(buffer);
    this.handles = new Int32Array(buffer);
    this._words = new Uint32Array(buffer);
    this._numbers = new DataView(buffer);
    this._structs = this.handles;
    this._table = this.word(base + HEADER_SKB_TABLE) >>> 2;
    this._mask = this.word(base + HEADER_SKBS) - 1;
    const scratch = core.scratch() >>> 0;
    this.#memory = memory;
    this._crossing = kind === "wasm" && shared ? undefined : null;
    this._bufferCopyLeast = shared && bufferCopy !== undefined ? BUFFER_COPY_LEAST : Infinity;
    this.#copied = ((scratch - THREAD_SCRATCH + THREAD_COUNTERS) >>> 2) + COUNT_BYTES_COPIED;
  }

  /**
   * Writes a byte of each page, as it is: a page that was only read can still be one of zeros that is everybody's. Trusts that no
   * other thread writes.
   */
  touch(): void {
    const bytes = this._bytes;
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) bytes[at] = bytes[at] as number;
  }

  // What a packet says of itself and what lies in its head is read here, by the checks that the core would make, without a call
  // into Wasm: a fifth less for reads, a third for writes. Only the thread that owns the packet writes those words. All of it in signed words, which
  // are quicker than others; addresses, which may need the sign, are made unsigned at the end.

  /** Address of a live packet's struct; 0 if there is none of that handle. */
  skb(handle: number): number {
    const at = this._table + ((handle & this._mask) << (SKB_SHIFT - 2));
    return this._structs[at + (SKB_HANDLE >>> 2)] === handle ? (at << 2) >>> 0 : 0;
  }

  /** Address of `n` bytes at `offset` of a live packet; 0 if not all of them are in its head. */
  linear(handle: number, offset: number, n: number): number {
    const structs = this._structs;
    const at = this._table + ((handle & this._mask) << (SKB_SHIFT - 2));
    if (
      structs[at + (SKB_HANDLE >>> 2)] === handle &&
      typeof offset === "number" &&
      offset >>> 0 === offset &&
      offset <= (structs[at + (SKB_LEN >>> 2)] as number) - (structs[at + (SKB_DATA_LEN >>> 2)] as number) - n
    )
      return ((structs[at + (SKB_DATA >>> 2)] as number) + offset) >>> 0;
    return 0;
  }

  /** The same for who writes: 0, too, if another packet shares the head, or did. */
  writable(handle: number, offset: number, n: number): number {
    const at = this._table + ((handle & this._mask) << (SKB_SHIFT - 2));
    return this._structs[at + (SKB_SHARES >>> 2)] === 0 ? this.linear(handle, offset, n) : 0;
  }

  /** Makes a packet `n` bytes longer at its tail, if its head has room and is nobody else's. Returns their address; 0 if not. */
  put(handle: number, n: number): number {
    const structs = this._structs;
    const at = this._table + ((handle & this._mask) << (SKB_SHIFT - 2));
    if (structs[at + (SKB_HANDLE >>> 2)] !== handle) return 0;
    const length = structs[at + (SKB_LEN >>> 2)] as number;
    // Differences of addresses: those do not have the sign that the addresses may have.
    const room = ((structs[at + (SKB_END >>> 2)] as number) - (structs[at + (SKB_DATA >>> 2)] as number)) | 0;
    if (
      typeof n !== "number" ||
      n >>> 0 !== n ||
      n > room - length ||
      ((structs[at + (SKB_SHARES >>> 2)] as number) | (structs[at + (SKB_DATA_LEN >>> 2)] as number)) !== 0
    )
      return 0;
    structs[at + (SKB_LEN >>> 2)] = length + n;
    return ((structs[at + (SKB_DATA >>> 2)] as number) + length) >>> 0;
  }

  // Numbers at an address that `linear` or `writable` has given, in network byte order or, with `little`, the other one.

  u8(address: number): number {
    return this._numbers.getUint8(address);
  }
  u16(address: number, little: boolean): number {
    return this._numbers.getUint16(address, little);
  }
  u32(address: number, little: boolean): number {
    return this._numbers.getUint32(address, little);
  }
  u64(address: number, little: boolean): bigint {
    return this._numbers.getBigUint64(address, little);
  }
  setU8(address: number, value: number): void {
    this._numbers.setUint8(address, value);
  }
  setU16(address: number, value: number, little: boolean): void {
    this._numbers.setUint16(address, value, little);
  }
  setU32(address: number, value: number, little: boolean): void {
    this._numbers.setUint32(address, value, little);
  }

  /** The engine is closed: from here on no packet is found. */
  close(): void {
    this._structs = new Int32Array(0);
  }

  /** The 32-bit word at an address that is a multiple of 4. */
  word(address: number): number {
    return this._words[address >>> 2] as number;
  }

  /** Sets the 32-bit word at an address that is a multiple of 4. */
  setWord(address: number, value: number): void {
    this._words[address >>> 2] = value;
  }

  /** Blocks while the word at an address holds ASLEEP, until it is notified, for at most `ms` milliseconds. */
  sleep(address: number, ms: number): void {
    Atomics.wait(this.handles, address >>> 2, ASLEEP, ms);
  }

  /** The same without blocking. undefined on unshared memory, where nobody else could wake this thread. */
  sleepAsync(address: number): Promise<unknown> | undefined {
    if (!this.#shared) return undefined;
    const { waitAsync } = Atomics as WithWaitAsync;
    if (waitAsync === undefined) return new Promise((resolve) => setTimeout(resolve, POLL_MS));
    return Promise.resolve(waitAsync(this.handles, address >>> 2, ASLEEP).value);
  }

  /** Wakes all who sleep at an address. */
  wake(address: number): void {
    Atomics.notify(this.handles, address >>> 2);
  }

  /** A view of `n` bytes. */
  view(address: number, n: number): Uint8Array {
    return new Uint8Array(this.buffer, address, n);
  }

  /** Copies the first `n` bytes of `from`, which has as many, to an address, and counts them. */
  write(address: number, from: Uint8Array, n: number): void {
    this._words[this.#copied] = (this._words[this.#copied] as number) + n;
    if (n <= LOOP_WRITE_MOST) {
      const bytes = this._bytes;
      for (let i = 0; i < n; i++) bytes[address + i] = from[i] as number;
      return;
    }
    const offset = offsetOf(from);
    if (n > ACROSS_MOST && bufferOf(from) === this.buffer) this.#core.copy(address, offset, n);
    else if (
      n < this._bufferCopyLeast ||
      bufferCopy?.call(part(from, 0, n), this.handles, address, 0, n) !== n
    )
      this.#writeAcross(address, from, offset, n);
  }

  #writeAcross(address: number, from: Uint8Array, offset: number, n: number): void {
    const crossing = this.#cross(address, offset);
    if (crossing === null) {
      set.call(this._bytes, from, address);
      return;
    }
    const { bytes, most } = crossing;
    const at = crossing.at + (offset & WORD_MASK);
    for (let done = 0; done < n; done += most) {
      const some = Math.min(n - done, most);
      set.call(bytes, some === n ? from : part(from, done, some), at);
      crossing.into(address + done, at, some);
    }
  }

  /** How bytes get from one place to another, one of them in the arena. null if JS copies as well itself. */
  #cross(address: number, offset: number): Crossing | null {
    if (this._crossing === undefined) {
      const core = this.#core;
      const copy = core.copy;
      const at = (core.scratch() >>> 0) + STAGING;
      const staging = { bytes: this._bytes, at, most: STAGED_MOST, into: copy, out: copy };
      this._crossing = makeCrossing(this.#memory as WebAssembly.Memory) ?? staging;
    }
    const crossing = this._crossing;
    return crossing?.bytes === this._bytes && ((address ^ offset) & WORD_MASK) === 0 ? null : crossing;
  }

  /** Copies bytes [start, start + n) of `from` to an address. */
  writePart(address: number, from: Uint8Array, start: number, n: number): void {
    this.write(address, start === 0 && n === checkBytes("bytes", from) ? from : part(from, start, n), n);
  }

  /** Copies `n` bytes from an address to `into`, from its byte `start` on. */
  read(address: number, into: Uint8Array, start: number, n: number): void {
    if (n <= LOOP_READ_MOST) {
      const bytes = this._bytes;
      for (let i = 0; i < n; i++) into[start + i] = bytes[address + i] as number;
      return;
    }
    const offset = offsetOf(into) + start;
    if (n > ACROSS_MOST && bufferOf(into) === this.buffer) this.#core.copy(offset, address, n);
    else if (
      n < this._bufferCopyLeast ||
      bufferCopy?.call(this._bytes, part(into, start, n), 0, address, address + n) !== n
    )
      this.#readAcross(address, into, offset, start, n);
  }

  #readAcross(address: number, into: Uint8Array, offset: number, start: number, n: number): void {
    const crossing = this.#cross(address, offset);
    if (crossing === null) {
      set.call(into, this.view(address, n), start);
      return;
    }
    const { most } = crossing;
    const at = crossing.at + (offset & WORD_MASK);
    for (let done = 0; done < n; done += most) {
      const some = Math.min(n - done, most);
      crossing.out(at, address + done, some);
      set.call(into, this.#viewOf(crossing.bytes, at, some), start + done);
    }
  }

  /** A view of `n` bytes of the crossing, from `at` on. */
  #viewOf({ buffer }: Uint8Array, at: number, n: number): Uint8Array {
    const kept = n & (VIEWS - 1);
    let view = this.#views[kept];
    if (view?.length !== n || view.byteOffset !== at) {
      view = new Uint8Array(buffer, at, n);
      this.#views[kept] = view;
    }
    return view;
  }
}

/** A view of `n` bytes of a view. */
function part(bytes: Uint8Array, start: number, n: number): Uint8Array {
  return new Uint8Array(bufferOf(bytes), offsetOf(bytes) + start, n);
}
