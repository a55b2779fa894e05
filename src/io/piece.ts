// Pieces: bytes that came in and are not packets yet.

import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import { attempt, packetOf } from "./packets.js";

/** Bytes of a buffer of somebody else's that become one piece at most. */
export const PIECE_MOST = 64 * 1024;

export interface Piece {
  readonly length: number;
  byte(at: number): number;
  /** A packet of bytes [at, at + n). Returns an owned one; or null if the pool is exhausted. */
  take(at: number, n: number, headroom: number): Skb | null;
  /** Makes one piece of this and what came next, if they are of one chunk. Returns whether it did, and took the other. */
  append(next: Piece): boolean;
  /** Gives up what it holds. */
  drop(): void;
}

/** Bytes in a part of a chunk: packets share them. */
export class ChunkPiece implements Piece {
  readonly #chunk: Skb;
  readonly #start: number;
  length: number;

  /** Takes `chunk`, a reference of its own. */
  constructor(chunk: Skb, start: number, length: number) {
    this.#chunk = chunk;
    this.#start = start;
    this.length = length;
  }

  byte(at: number): number {
    return this.#chunk.readU8(this.#start + at);
  }

  take(at: number, n: number, headroom: number): Skb | null {
    return attempt(() => this.#chunk.extract(this.#start + at, n, { headroom }));
  }

  append(next: Piece): boolean {
    if (!(next instanceof ChunkPiece) || next.#chunk.handle !== this.#chunk.handle) return false;
    // A chunk is filled from its beginning on: what comes next of it lies next in it.
    this.length += next.length;
    next.drop();
    return true;
  }

  drop(): void {
    this.#chunk[Symbol.dispose]();
  }
}

/** Bytes in a buffer of somebody else's: packets get copies. */
export class BufferPiece implements Piece {
  readonly #engine: Engine;
  readonly #bytes: Uint8Array;
  readonly length: number;

  /** Borrows `bytes`, PIECE_MOST at most. */
  constructor(engine: Engine, bytes: Uint8Array) {
    this.#engine = engine;
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  byte(at: number): number {
    return this.#bytes[at] as number;
  }

  take(at: number, n: number, headroom: number): Skb | null {
    return packetOf(this.#engine, this.#bytes.subarray(at, at + n), headroom);
  }

  append(): boolean {
    return false;
  }

  drop(): void {}
}
