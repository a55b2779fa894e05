// The memory that the explored threads share: words with a log of what was there before, so that a search can go
// back, and a hash that follows every write.

import {
  ATOMIC_ADD,
  ATOMIC_OR,
  ATOMIC_STORE,
  ATOMIC_SUB,
  CAS,
  CAS64,
  COPY,
  EXCHANGE,
  FILL,
  LOAD_NET16,
  LOAD_NET32,
  LOAD8,
  LOAD16,
  STORE_NET16,
  STORE_NET32,
  STORE8,
  STORE16,
  STORE32,
  SUM,
} from "./access.js";

/** A good half of a hash of two words. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ b, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

/** The other half: the same with other constants. */
export function mixAgain(a: number, b: number): number {
  let h = Math.imul(b ^ Math.imul(a, 0x27d4eb2f), 0x165667b1);
  h = Math.imul(h ^ (h >>> 16) ^ a, 0x2c1b3c6d);
  return h ^ (h >>> 14);
}

export class Store {
  readonly words: Uint32Array;
  readonly #bytes: Uint8Array;
  #undoWords = new Uint32Array(1 << 16);
  #undoValues = new Uint32Array(1 << 16);
  /** Writes since the beginning: what `back` takes. */
  written = 0;
  hash = 0;
  hashAgain = 0;

  constructor(bytes: number) {
    this.words = new Uint32Array(bytes >>> 2);
    this.#bytes = new Uint8Array(this.words.buffer);
  }

  get bytes(): number {
    return this.#bytes.length;
  }

  /** Puts everything back as it was after `written` writes. */
  back(written: number, hash: number, hashAgain: number): void {
    for (let i = this.written - 1; i >= written; i--)
      this.words[this.#undoWords[i] as number] = this.#undoValues[i] as number;
    this.written = written;
    this.hash = hash;
    this.hashAgain = hashAgain;
  }

  #write(word: number, value: number): void {
    const old = this.words[word] as number;
    if (old === value >>> 0) return;
    this.words[word] = value;
    this.#wrote(word, old);
  }

  #wrote(word: number, old: number): void {
    const value = this.words[word] as number;
    if (this.written === this.#undoWords.length) this.#grow();
    this.#undoWords[this.written] = word;
    this.#undoValues[this.written] = old;
    this.written += 1;
    this.hash ^= mix(word, old) ^ mix(word, value);
    this.hashAgain ^= mixAgain(word, old) ^ mixAgain(word, value);
  }

  #grow(): void {
    const [words, values] = [this.#undoWords, this.#undoValues];
    this.#undoWords = new Uint32Array(words.length * 2);
    this.#undoValues = new Uint32Array(values.length * 2);
    this.#undoWords.set(words);
    this.#undoValues.set(values);
  }

  #byte(p: number, value: number): void {
    const shift = (p & 3) << 3;
    const old = this.words[p >>> 2] as number;
    this.#write(p >>> 2, (old & ~(0xff << shift)) | ((value & 0xff) << shift));
  }

  /** Runs something that changes the bytes [p, p + n) behind the back of the log. */
  #bulk(p: number, n: number, change: () => void): void {
    const first = p >>> 2;
    const old = this.words.slice(first, (p + n + 3) >>> 2);
    change();
    for (let i = 0; i < old.length; i++)
      if (this.words[first + i] !== old[i]) this.#wrote(first + i, old[i] as number);
  }

  /** Performs an access, whichever it is, and returns what it returns. */
  perform(kind: number, p: number, a: number, b: number, c: number, d: number): number {
    const w = p >>> 2;
    const old = this.words[w] as number;
    switch (kind) {
      case LOAD8:
        return this.#bytes[p] as number;
      case LOAD16:
        return ((old >>> ((p & 2) << 3)) >>> 0) & 0xffff;
      case LOAD_NET16:
        return this.#net(p, 2);
      case LOAD_NET32:
        return this.#net(p, 4);
      case STORE8:
        this.#byte(p, a);
        return 0;
      case STORE16:
        this.#byte(p, a);
        this.#byte(p + 1, a >>> 8);
        return 0;
      case STORE_NET16:
      case STORE_NET32: {
        const n = kind === STORE_NET16 ? 2 : 4;
        for (let i = 0; i < n; i++) this.#byte(p + i, a >>> ((n - 1 - i) << 3));
        return 0;
      }
      case STORE32:
      case ATOMIC_STORE:
        this.#write(w, a);
        return 0;
      case ATOMIC_ADD:
        this.#write(w, old + a);
        return old;
      case ATOMIC_SUB:
        this.#write(w, old - a);
        return old;
      case ATOMIC_OR:
        this.#write(w, old | a);
        return old;
      case EXCHANGE:
        this.#write(w, a);
        return old;
      case CAS:
        if (old === a >>> 0) this.#write(w, b);
        return old;
      case CAS64:
        if (old !== a >>> 0 || this.words[w + 1] !== b >>> 0) return 0;
        this.#write(w, c);
        this.#write(w + 1, d);
        return 1;
      case COPY:
        this.#bulk(p, b, () => this.#bytes.copyWithin(p, a, a + b));
        return 0;
      case FILL:
        this.#bulk(p, b, () => this.#bytes.fill(a, p, p + b));
        return 0;
      case SUM:
        return this.#sum(p, a);
      default:
        return old;
    }
  }

  #net(p: number, n: number): number {
    let value = 0;
    for (let i = 0; i < n; i++) value = value * 256 + (this.#bytes[p + i] as number);
    return value;
  }

  #sum(p: number, n: number): number {
    let total = 0;
    for (let i = 0; i < n; i++) total += (this.#bytes[p + i] as number) << ((i & 1) << 3);
    while (total > 0xffff) total = (total % 65536) + Math.floor(total / 65536);
    return total;
  }
}
