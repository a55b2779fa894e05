// Memory that bytes of a file or socket are read into, and handed out of as packets without a copy. Two kinds:
//
//   pool   a run of pages, the frag of a packet that nobody sees; packets are extracted from it and share the pages, which
//          go back with the last of them
//   lent   one of a few buffers of a region that is written again and again, as a guest's memory is in vhost; packets carry
//          the ubuf of this filling, and when it has completed, the buffer may be filled again

import { E_EXHAUSTED, ERROR_LIMIT, OK, PAGE_BYTES } from "../../assembly/layout.js";
import { addressOf, coreOf, deliver, handleOfUbuf, heapOf, refusal } from "../driver.js";
import type { Engine } from "../engine.js";
import { PoolExhaustedError } from "../errors.js";
import { type Completion, Ubuf } from "../ubuf.js";
import { UserRegion } from "../user-region.js";

/** Contiguous bytes, filled once from front to back. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
  /**
   * A packet of bytes [offset, offset + n), which it shares, with the headroom that packets are to have. Returns the handle
   * of an owned one, or the core's status. Trusts the range.
   */
  packet(offset: number, n: number): number;
  /** Lets go of the chunk: what packets share of it stays until they are released. Runs no callbacks. */
  release(): void;
}

/** Where empty chunks come from. */
export interface ChunkSource {
  /** Returns an owned one. @throws PoolExhaustedError, nothing changed */
  next(): Chunk;
  /** What packets are to have in front. */
  readonly headroom: number;
  /** Whether another call of `next` is worth it after one that failed. */
  ready(): boolean;
  /** Whether what is missing comes back with a completion. */
  readonly allOut: boolean;
  /** Gives up what the source itself has. Its chunks must have been released. */
  close(): void;
}

/** Whether the pool has a packet with so much headroom and so many bytes in a page, and `others` beside it. */
export function hasFree(engine: Engine, headroom: number, bytes: number, others = 0): boolean {
  const core = coreOf(engine);
  const handle = core.alloc(0, headroom);
  if (handle < ERROR_LIMIT) return false;
  const enough =
    (bytes === 0 || core.addPageFrag(handle, bytes) >>> 0 >= ERROR_LIMIT) &&
    (others === 0 || hasFree(engine, headroom, 0, others - 1));
  core.release(handle, 0);
  return enough;
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

// ─── Pool ────────────────────────────────────────────────────────────────────────────────────────────────

class PoolChunk implements Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #headroom: number;

  constructor(engine: Engine, handle: number, bytes: Uint8Array, headroom: number) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.#engine = engine;
    this.#handle = handle;
    this.#headroom = headroom;
  }

  packet(offset: number, n: number): number {
    return coreOf(this.#engine).extract(this.#handle, offset, n, this.#headroom);
  }

  release(): void {
    coreOf(this.#engine).release(this.#handle, 0);
  }
}

/** Chunks of the pool's pages. */
export class PoolChunks implements ChunkSource {
  readonly headroom: number;
  readonly #engine: Engine;
  readonly #bytes: number;

  /** `bytes`: of a chunk, from a page on. */
  constructor(engine: Engine, bytes: number, headroom: number) {
    this.#engine = engine;
    this.#bytes = bytes;
    this.headroom = headroom;
  }

  get allOut(): boolean {
    return false;
  }

  ready(): boolean {
    return hasFree(this.#engine, this.headroom, 1);
  }

  next(): Chunk {
    const engine = this.#engine;
    const [core, heap] = [coreOf(engine), heapOf(engine)];
    const handle = core.alloc(0, 0);
    if (handle < ERROR_LIMIT) throw refusal(engine, handle, null);
    // Where no run of pages is left, shorter ones do, down to a single page.
    for (let n = this.#bytes; ; n = Math.max(n >>> 1, PAGE_BYTES)) {
      const address = core.addPageFrag(handle, n) >>> 0;
      if (address >= ERROR_LIMIT) return new PoolChunk(engine, handle, heap.view(address, n), this.headroom);
      if (n <= PAGE_BYTES) break;
    }
    const error = refusal(engine, E_EXHAUSTED, null);
    core.release(handle, 0);
    throw error;
  }

  close(): void {}
}

// ─── Lent ────────────────────────────────────────────────────────────────────────────────────────────────

class LentChunk implements Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #owner: LentChunks;
  readonly #number: number;
  /** Where it starts in the region. */
  readonly #start: number;
  /** While it is lent: of this filling. */
  #ubuf: Ubuf | null = null;
  /** Carries the ubuf while packets are still being made, so that it does not complete before the last of them. */
  #anchor = 0;

  constructor(owner: LentChunks, number: number, bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.#owner = owner;
    this.#number = number;
    this.#start = number * bytes.length;
  }

  /** Begins a filling. @throws PoolExhaustedError */
  lend(): void {
    const { engine } = this.#owner;
    const ubuf = new Ubuf(engine, (completion) => this.#owner.completed(this, completion), {
      desc: this.#number,
    });
    this.#ubuf = ubuf;
    const anchor = this.#carrier(0, this.bytes.length, 0);
    if (anchor < ERROR_LIMIT) {
      const error = refusal(engine, anchor, null);
      ubuf.cancel();
      throw error;
    }
    this.#anchor = anchor;
  }

  packet(offset: number, n: number): number {
    return this.#carrier(offset, n, this.#owner.headroom);
  }

  #carrier(offset: number, n: number, headroom: number): number {
    const core = coreOf(this.#owner.engine);
    const handle = core.alloc(0, headroom);
    if (handle < ERROR_LIMIT || n === 0) return handle;
    const ubuf = handleOfUbuf(this.#ubuf as Ubuf);
    const status = core.addUserFrag(handle, this.#owner.address, this.#start + offset, n, ubuf);
    if (status === OK) return handle;
    core.release(handle, 0);
    return status;
  }

  release(): void {
    coreOf(this.#owner.engine).release(this.#anchor, 0);
  }
}

/** Chunks that are buffers of a region, filled in turn. */
export class LentChunks implements ChunkSource {
  readonly engine: Engine;
  readonly headroom: number;
  /** Of the region. */
  readonly address: number;
  /** Fillings of which every byte was read in place, then let go. */
  sent = 0;
  /** Fillings of which some bytes were copied, so that others could keep them. */
  copied = 0;
  readonly #region: UserRegion;
  readonly #count: number;
  /** Those that may be filled, the one that came back first in front. */
  readonly #free: LentChunk[];

  /** Takes the memory of `count` buffers of `bytes` each. @throws PoolExhaustedError */
  constructor(engine: Engine, count: number, bytes: number, headroom: number) {
    this.engine = engine;
    this.headroom = headroom;
    this.#count = count;
    this.#region = new UserRegion(engine, count * bytes);
    this.address = addressOf(this.#region);
    const all = this.#region.bytes;
    this.#free = Array.from(
      { length: count },
      (_, i) => new LentChunk(this, i, all.subarray(i * bytes, (i + 1) * bytes)),
    );
  }

  /** Buffers that packets, or whoever fills them, have now. */
  get out(): number {
    return this.#count - this.#free.length;
  }

  get allOut(): boolean {
    return this.#free.length === 0;
  }

  ready(): boolean {
    return !this.allOut && hasFree(this.engine, this.headroom, 0);
  }

  next(): Chunk {
    this.#collect();
    const [chunk] = this.#free;
    if (chunk === undefined)
      throw new PoolExhaustedError("lent buffer", `0 (all ${this.#count} are out with packets)`);
    chunk.lend();
    this.#free.shift();
    return chunk;
  }

  /** A filling is over, and nobody reads it any more. */
  completed(chunk: LentChunk, { status }: Completion): void {
    if (status === "sent") this.sent++;
    else this.copied++;
    this.#free.push(chunk);
  }

  close(): void {
    this.#region.release();
    this.#collect();
  }

  /** Chunks are released without running callbacks: here those are run that are due. */
  #collect(): void {
    deliver(this.engine);
  }
}
