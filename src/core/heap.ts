// The arena's memory as the face sees it: the one place in src/ that reads or writes it. Everything else goes
// through the core.

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
import type { Core, Loaded } from "./load.js";
import type { Words } from "./words.js";

// Up to here a loop over the bytes beats the calls that copy in bulk.
const LOOP_WRITE_MOST = 24;
const LOOP_READ_MOST = 96;

// Between JS and shared memory, bulk copies take words only if both ends have the same place within a word; else they
// go byte by byte, eight times slower. So the bytes go through the staging, at the right place in it, and from or to
// there by the core, which does not care.
const WORD_MASK = 7;
const STAGED_MOST = STAGING_BYTES - WORD_MASK - 1;

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
  /** The whole memory for numbers in either order of bytes. Who uses it knows the address from `linear` or `writable`. */
  readonly numbers: DataView;
  /** As _words; empty once the engine is closed, so that no handle is found there any more. */
  _structs: Int32Array;
  /** Index of the word in which the table of skbs begins, and what its slots' numbers have of a handle. */
  readonly _table: number;
  readonly _mask: number;
  /** Address of the staging, or 0 where it saves nothing. */
  readonly #staging: number;
  /** Index of the word in which this thread, and no other, counts the bytes that it copies. */
  readonly #copied: number;

  /** Of the memory that has an arena at `base`. */
  constructor({ buffer, core, kind, shared }: Loaded, base: number) {
    this.buffer = buffer;
    this.#shared = shared;
    this.#core = core;
    this._bytes = new Uint8Array(buffer);
    this.handles = new Int32Array(buffer);
    this._words = new Uint32Array(buffer);
    this.numbers = new DataView(buffer);
    this._structs = this.handles;
    this._table = this.word(base + HEADER_SKB_TABLE) >>> 2;
    this._mask = this.word(base + HEADER_SKBS) - 1;
    const scratch = core.scratch() >>> 0;
    this.#staging = kind === "wasm" && shared ? scratch + STAGING : 0;
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

  // What a packet says of itself and what lies in its head is read here, by the checks that the core would make: a call into
  // Wasm costs three times as much. Only the thread that owns the packet writes those words. All of it in signed words, which
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
    if (bufferOf(from) === this.buffer) this.#core.copy(address, offset, n);
    else if (this.#staging === 0 || ((address ^ offset) & WORD_MASK) === 0) this._bytes.set(from, address);
    else this.#writeStaged(address, from, offset, n);
  }

  #writeStaged(address: number, from: Uint8Array, offset: number, n: number): void {
    const staged = this.#staging + (offset & WORD_MASK);
    for (let done = 0; done < n; done += STAGED_MOST) {
      const some = Math.min(n - done, STAGED_MOST);
      this._bytes.set(some === n ? from : part(from, done, some), staged);
      this.#core.copy(address + done, staged, some);
    }
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
    if (bufferOf(into) === this.buffer) this.#core.copy(offset, address, n);
    else if (this.#staging === 0 || ((address ^ offset) & WORD_MASK) === 0)
      into.set(this.view(address, n), start);
    else this.#readStaged(address, into, offset, start, n);
  }

  #readStaged(address: number, into: Uint8Array, offset: number, start: number, n: number): void {
    const staged = this.#staging + (offset & WORD_MASK);
    for (let done = 0; done < n; done += STAGED_MOST) {
      const some = Math.min(n - done, STAGED_MOST);
      this.#core.copy(staged, address + done, some);
      into.set(this.view(staged, some), start + done);
    }
  }
}

/** A view of `n` bytes of a view. */
function part(bytes: Uint8Array, start: number, n: number): Uint8Array {
  return new Uint8Array(bufferOf(bytes), offsetOf(bytes) + start, n);
}
