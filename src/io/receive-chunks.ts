// Where a socket's bytes land: in pages of the pool, one read behind the other, chunk after chunk.

import { PAGE_BYTES } from "../../assembly/layout.js";
import { heapOf } from "../driver.js";
import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import { attempt } from "./packets.js";
import { BufferPiece, ChunkPiece, type Piece } from "./piece.js";

/** Of a chunk, what is not worth a read: one into the last bytes would bring little, and cost as much as any. */
const REST_SHARE = 4;
/** Bytes that can be read while the pool has no chunk. */
const REFUGE_BYTES = 16 * 1024;

/** A packet whose pages are read into. */
interface Chunk {
  readonly skb: Skb;
  readonly view: Uint8Array;
}

/**
 * Places for reads. Node asks for the place of the next read after each one, and keeps it until that has happened, be it much
 * later. So a place that was read into is never given again, and there is always one: while the pool is exhausted, a buffer of
 * Node's, from which bytes are copied. Whoever reads stops then until `refill` says that there are chunks again, so that no
 * more than one read goes there.
 */
export class Chunks {
  readonly #engine: Engine;
  readonly #size: number;
  #chunk: Chunk | null = null;
  /** Bytes of the chunk that were read into. */
  #used = 0;
  #place: Uint8Array | null = null;
  #refuge = false;

  /** Chunks of `size` bytes, or smaller ones while there is no row of pages for such. */
  constructor(engine: Engine, size: number) {
    this.#engine = engine;
    this.#size = size;
  }

  /** Sees to it that there is a chunk for the read after the next. Returns whether there is. */
  refill(): boolean {
    if (this.#chunk !== null && this.#rest() >= this.#chunk.view.length / REST_SHARE) return true;
    this.release();
    for (let size = this.#size; this.#chunk === null && size >= PAGE_BYTES; size >>>= 1)
      this.#chunk = this.#make(size);
    this.#used = 0;
    return this.#chunk !== null;
  }

  /** Sees to it that there is a chunk. @throws PoolExhaustedError */
  demand(): void {
    if (this.refill()) return;
    const skb = this.#engine.alloc(0);
    try {
      skb.addPageFrag(PAGE_BYTES);
    } finally {
      skb.release();
    }
  }

  /** Where the next read goes: the same as before, until there was one. */
  place(): Uint8Array {
    if (this.#place !== null) return this.#place;
    this.#refuge = this.#engine.closed || !this.refill();
    this.#place = this.#refuge
      ? new Uint8Array(REFUGE_BYTES)
      : (this.#chunk as Chunk).view.subarray(this.#used);
    return this.#place;
  }

  /** What `n` bytes are that were read there. Returns an owned piece. */
  read(n: number): Piece {
    const place = this.place();
    this.#place = null;
    if (this.#refuge) return new BufferPiece(this.#engine, place.subarray(0, n));
    const piece = new ChunkPiece((this.#chunk as Chunk).skb.get(), this.#used, n);
    this.#used += n;
    return piece;
  }

  /** Copies bytes, as many as fit the place at most, to there. Returns an owned piece of them. */
  fill(bytes: Uint8Array): Piece {
    const place = this.place();
    if (this.#refuge) place.set(bytes);
    else heapOf(this.#engine).write(place.byteOffset, bytes, bytes.length);
    return this.read(bytes.length);
  }

  /** Gives up the chunk. Not before nobody reads into it any more. */
  release(): void {
    this.#chunk?.skb[Symbol.dispose]();
    this.#chunk = null;
  }

  #rest(): number {
    return (this.#chunk as Chunk).view.length - this.#used;
  }

  #make(size: number): Chunk | null {
    const skb = this.#engine.tryAlloc(0);
    if (skb === null) return null;
    const view = attempt(() => skb.addPageFrag(size));
    if (view !== null) return { skb, view };
    skb.release();
    return null;
  }
}
