// Deframer: pieces of a stream go in, packets come out.

import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import { FramingError } from "./errors.js";
import { Fifo } from "./fifo.js";
import { type Framing, headerBytes } from "./framing.js";
import type { Piece } from "./piece.js";

/** What there is too little of for a packet. */
export type Lack = "bytes" | "memory";

/**
 * Finds the packets in a stream. Bytes of a piece that lies in pages are shared, not copied, and a packet that spans several
 * pieces is joined without copying. Whatever fails for want of memory can be tried again: nothing is lost.
 */
export class Deframer {
  readonly #engine: Engine;
  readonly #header: number;
  readonly #longest: number;
  readonly #headroom: number;
  readonly #pieces = new Fifo<Piece>();
  /** Bytes of the first piece that are used up, and of all pieces that are not. */
  #at = 0;
  #have = 0;
  /** Byte of the stream where the first of those is. */
  #offset = 0;
  /** Of the packet that has begun: bytes that are missing, -1 if none has begun; its length; what there is of it. */
  #missing = -1;
  #length = 0;
  #packet: Skb | null = null;

  constructor(engine: Engine, framing: Framing, longest: number, headroom: number) {
    this.#engine = engine;
    this.#header = headerBytes(framing);
    this.#longest = longest;
    this.#headroom = headroom;
  }

  /** Takes the next bytes of the stream. */
  push(piece: Piece): void {
    this.#have += piece.length;
    const last = this.#pieces.last();
    if (last === undefined || !last.append(piece)) this.#pieces.push(piece);
  }

  /** The next packet, an owned one; or what there is too little of. @throws FramingError */
  next(): Skb | Lack {
    if (this.#missing < 0 && !this.#begin()) return "bytes";
    while (this.#missing > 0) {
      const piece = this.#pieces.peek();
      if (piece === undefined) return "bytes";
      const n = Math.min(this.#missing, piece.length - this.#at);
      // The rest may come to lie beside it, and be one part with it.
      if (n < this.#missing && this.#pieces.length === 1) return "bytes";
      const part = piece.take(this.#at, n, this.#packet === null ? this.#headroom : 0);
      if (part === null) return "memory";
      if (this.#packet === null) this.#packet = part;
      else if (!this.#packet.tryCoalesce(part)) this.#packet.addFragList(part);
      this.#skip(n);
      this.#missing -= n;
    }
    const packet = this.#packet ?? this.#engine.tryAlloc(0, { headroom: this.#headroom });
    if (packet === null) return "memory";
    this.#packet = null;
    this.#missing = -1;
    return packet;
  }

  /** What is wrong with a stream that ends here; null if nothing is. */
  end(): FramingError | null {
    if (this.#missing >= 0) {
      const done = this.#length - this.#missing;
      const start = this.#offset - done - this.#header;
      const wanted = `a packet of ${this.#length} bytes`;
      return new FramingError("stream", start, wanted, `the end after ${done + this.#have}`);
    }
    if (this.#have === 0) return null;
    const wanted = `a length of ${this.#header} bytes`;
    return new FramingError("stream", this.#offset, wanted, `the end after ${this.#have}`);
  }

  /** Gives up all that it holds. */
  drop(): void {
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) piece.drop();
    this.#packet?.[Symbol.dispose]();
    this.#packet = null;
    this.#at = 0;
    this.#have = 0;
    this.#missing = -1;
  }

  /** Reads the length of the next packet. Returns false if it is not there yet. */
  #begin(): boolean {
    const first = this.#pieces.peek();
    if (first === undefined || this.#have < this.#header) return false;
    const length = this.#header === 0 ? first.length - this.#at : this.#readLength();
    if (this.#header > 0 && length > this.#longest)
      throw new FramingError("stream", this.#offset, `a length of 0..${this.#longest}`, length);
    this.#skip(this.#header);
    this.#length = length;
    this.#missing = length;
    return true;
  }

  #readLength(): number {
    let length = 0;
    let index = 0;
    let at = this.#at;
    for (let i = 0; i < this.#header; i++) {
      if (at === this.#pieces.at(index)?.length) {
        index++;
        at = 0;
      }
      length = length * 256 + (this.#pieces.at(index) as Piece).byte(at++);
    }
    return length;
  }

  /** Is done with the next `n` bytes. */
  #skip(n: number): void {
    this.#have -= n;
    this.#offset += n;
    this.#at += n;
    for (let piece = this.#pieces.peek(); piece !== undefined; piece = this.#pieces.peek()) {
      if (this.#at < piece.length) return;
      this.#at -= piece.length;
      this.#pieces.shift();
      piece.drop();
    }
  }
}
