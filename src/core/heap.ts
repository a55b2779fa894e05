// The arena's memory as the face sees it: the one place in src/ that reads or writes it. Everything else goes
// through the core.

import { bufferOf, checkBytes, offsetOf } from "../check.js";
import type { Core } from "./load.js";

// Below this, a loop beats the call of TypedArray.prototype.set.
const LOOP_MOST = 24;

/** Views of the whole memory; good for as long as the engine lives, because the memory never grows. */
export class Heap {
  readonly buffer: ArrayBufferLike;
  readonly #core: Core;
  readonly #bytes: Uint8Array;
  /** The whole memory as 32-bit words; for what is read or written in bulk. */
  readonly words: Uint32Array;

  constructor(buffer: ArrayBufferLike, core: Core) {
    this.buffer = buffer;
    this.#core = core;
    this.#bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }

  /** The 32-bit word at an address that is a multiple of 4. */
  word(address: number): number {
    return this.words[address >>> 2] as number;
  }

  setWord(address: number, value: number): void {
    this.words[address >>> 2] = value;
  }

  /** A view of `n` bytes. */
  view(address: number, n: number): Uint8Array {
    return new Uint8Array(this.buffer, address, n);
  }

  /** Copies the first `n` bytes of `from`, which has as many, to an address. */
  write(address: number, from: Uint8Array, n: number): void {
    if (n <= LOOP_MOST) {
      const bytes = this.#bytes;
      for (let i = 0; i < n; i++) bytes[address + i] = from[i] as number;
    } else if (bufferOf(from) === this.buffer) {
      this.#core.copy(address, offsetOf(from), n);
    } else {
      this.#bytes.set(from, address);
    }
  }

  /** Copies bytes [start, start + n) of `from` to an address. */
  writePart(address: number, from: Uint8Array, start: number, n: number): void {
    this.write(address, start === 0 && n === checkBytes("bytes", from) ? from : part(from, start, n), n);
  }

  /** Copies `n` bytes from an address to `into`, from its byte `start` on. */
  read(address: number, into: Uint8Array, start: number, n: number): void {
    if (bufferOf(into) === this.buffer) this.#core.copy(offsetOf(into) + start, address, n);
    else if (n <= LOOP_MOST) {
      const bytes = this.#bytes;
      for (let i = 0; i < n; i++) into[start + i] = bytes[address + i] as number;
    } else into.set(this.#bytes.subarray(address, address + n), start);
  }
}

function part(bytes: Uint8Array, start: number, n: number): Uint8Array {
  return new Uint8Array(bufferOf(bytes), offsetOf(bytes) + start, n);
}
