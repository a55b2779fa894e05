// A stream of bytes that lie in chunks: what has come and has not been handed out yet.
//
//           position
//              │◀──────────────── available ────────────────▶│
//     ┌────────┼──────────┐ ┌─────────────────────┐ ┌────────┼──────────┐
//     │ handed │          │ │                     │ │        │ room for  │
//     │ out    │          │ │                     │ │        │ more      │
//     └────────┴──────────┘ └─────────────────────┘ └────────┴──────────┘
//       first                                         last
//
// Every chunk but the last is full. Nothing in here runs callbacks, so nobody finds the stream half changed.

import { ERROR_LIMIT, OK } from "../../assembly/layout.js";
import { coreOf, refusal, wrapAs } from "../driver.js";
import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import type { Chunk, ChunkSource } from "./chunks.js";

const NO_BYTES = new DataView(new ArrayBuffer(0));

export class ChunkStream {
  readonly #engine: Engine;
  readonly #source: ChunkSource;
  readonly #chunks: Chunk[] = [];
  #position = 0;
  #available = 0;
  /** Bytes of the last chunk that have come. */
  #filled = 0;

  // The first chunk, at hand: its bytes, how many of them have come, how many there will be, and which is the next.
  #view: DataView = NO_BYTES;
  #end = 0;
  #size = 0;
  #at = 0;

  constructor(engine: Engine, source: ChunkSource) {
    this.#engine = engine;
    this.#source = source;
  }

  /** Where in the stream the first of the available bytes is. */
  get position(): number {
    return this.#position;
  }

  /** Bytes that have come and were not handed out yet. */
  get available(): number {
    return this.#available;
  }

  // ─── Bytes in ────────────────────────────────────────────────────────────────────────────────────────

  /** Where the next bytes are to be put, at least one. Takes a chunk if there is no room. @throws PoolExhaustedError */
  room(): Uint8Array {
    const last = this.#chunks.at(-1);
    if (last !== undefined && this.#filled < last.bytes.length) {
      return this.#filled === 0 ? last.bytes : last.bytes.subarray(this.#filled);
    }
    const chunk = this.#source.next();
    this.#chunks.push(chunk);
    this.#filled = 0;
    if (this.#chunks.length === 1) this.#begin(0);
    return chunk.bytes;
  }

  /** Whether there is room without taking a chunk. */
  get roomy(): boolean {
    return this.#filled < (this.#chunks.at(-1)?.bytes.length ?? 0);
  }

  /** Says that `n` bytes have been put there. */
  came(n: number): void {
    this.#filled += n;
    this.#available += n;
    if (this.#chunks.length === 1) this.#end = this.#filled;
  }

  /** Makes the first of the chunks the one at hand. */
  #begin(at: number): void {
    const first = this.#chunks[0];
    this.#at = at;
    this.#view = first?.view ?? NO_BYTES;
    this.#size = first?.bytes.length ?? 0;
    this.#end = this.#chunks.length === 1 ? this.#filled : this.#size;
  }

  // ─── Numbers at an offset from the position on. The bytes must be available ──────────────────────────

  u16(offset: number, little: boolean): number {
    const at = this.#at + offset;
    return at + 2 <= this.#end ? this.#view.getUint16(at, little) : this.#across(offset, 2, little);
  }

  u32(offset: number, little: boolean): number {
    const at = this.#at + offset;
    return at + 4 <= this.#end ? this.#view.getUint32(at, little) : this.#across(offset, 4, little);
  }

  #across(offset: number, n: number, little: boolean): number {
    const bytes = this.copy(offset, n);
    const view = new DataView(bytes.buffer);
    return n === 2 ? view.getUint16(0, little) : view.getUint32(0, little);
  }

  /** A copy of `n` bytes. */
  copy(offset: number, n: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(n);
    let at = this.#at + offset;
    let done = 0;
    for (const { bytes } of this.#chunks) {
      if (done === n) break;
      if (at < bytes.length) {
        const part = bytes.subarray(at, at + n - done);
        copy.set(part, done);
        done += part.length;
      }
      at = Math.max(at - bytes.length, 0);
    }
    return copy;
  }

  // ─── Bytes out ───────────────────────────────────────────────────────────────────────────────────────

  /** Packets that the last `take` needed at a time that failed. */
  parts = 1;

  /**
   * A packet of the `n` bytes from `offset` on, without a copy; what lies before them is skipped. Returns an owned one. The
   * bytes must be available. `old`: an object to use again.
   *
   * @throws PoolExhaustedError, nothing changed
   */
  take(n: number, offset = 0, old: Skb | null = null): Skb {
    const at = this.#at + offset;
    let handle: number;
    if (n === 0) handle = coreOf(this.#engine).alloc(0, this.#source.headroom);
    else if (at + n <= this.#end) handle = (this.#chunks[0] as Chunk).packet(at, n);
    else handle = this.#join(at, n);
    if (handle < ERROR_LIMIT) {
      // The part of the next chunk is a packet until it has joined the first.
      this.parts = at + n <= this.#end ? 1 : 2;
      throw refusal(this.#engine, handle, null);
    }
    this.skip(offset + n);
    return wrapAs(this.#engine, old, handle);
  }

  /**
   * A packet of bytes in several chunks: the frags of one after the other, and from where a packet is full, or carries a
   * ubuf, one packet behind the other in a frag list. Returns its handle, or a status and nothing changed.
   */
  #join(from: number, n: number): number {
    const core = coreOf(this.#engine);
    let whole = 0;
    let last = 0;
    let at = from;
    let left = n;
    for (const chunk of this.#chunks) {
      const size = chunk.bytes.length;
      if (at >= size) {
        at -= size;
        continue;
      }
      const some = Math.min(size - at, left);
      const part = chunk.packet(at, some);
      if (part < ERROR_LIMIT) {
        if (last !== whole) core.release(last, 0);
        if (whole !== 0) core.release(whole, 0);
        return part;
      }
      if (whole === 0) {
        whole = part;
        last = part;
      } else if (core.tryCoalesce(last, part) !== OK) {
        if (last !== whole) core.addFragList(whole, last);
        last = part;
      }
      left -= some;
      if (left === 0) break;
      at = 0;
    }
    if (last !== whole) core.addFragList(whole, last);
    return whole;
  }

  /** Passes over the first `n` bytes, which must be available. */
  skip(n: number): void {
    this.#position += n;
    this.#available -= n;
    const at = this.#at + n;
    if (at < this.#size) this.#at = at;
    else this.#drop(at);
  }

  /** Lets go of chunks that have been handed out to the end; `at` counts from the start of the first. */
  #drop(at: number): void {
    let left = at;
    let first = this.#chunks[0];
    while (first !== undefined && left >= first.bytes.length) {
      left -= first.bytes.length;
      this.#chunks.shift();
      first.release();
      first = this.#chunks[0];
    }
    if (first === undefined) this.#filled = 0;
    this.#begin(left);
  }

  /** Lets go of everything that has not been handed out. The position stays. */
  clear(): void {
    for (const chunk of this.#chunks.splice(0)) chunk.release();
    this.#available = 0;
    this.#filled = 0;
    this.#begin(0);
  }

  /** Clears, and counts from 0 again. */
  restart(): void {
    this.clear();
    this.#position = 0;
  }
}
