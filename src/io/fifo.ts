// A queue of JavaScript values: a ring of them, so that each entry costs the same however many there are.

/** Entries that there is room for at least; a power of two, as every size is. */
const LEAST = 16;
/** A ring is halved when so small a part of it is in use, and doubled when all of it is: so that it seldom does either. */
const SPARSE = 8;
/** Rings that are no larger stay as they are: what fills and empties one with each turn would do both each time. */
const KEPT = 1024;

export class Fifo<T> {
  #items: (T | undefined)[] = new Array(LEAST).fill(undefined);
  /** Where the first is. */
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#resize(this.#length * 2);
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  /** The first, which stays. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The one behind `i` others, which stays. */
  at(i: number): T | undefined {
    return i < this.#length ? this.#items[(this.#head + i) & (this.#items.length - 1)] : undefined;
  }

  /** The last, which stays. */
  last(): T | undefined {
    return this.at(this.#length - 1);
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    const { length } = this.#items;
    if (length > KEPT && this.#length < length / SPARSE) this.#resize(length / 2);
    return item;
  }

  /** Moves all into a ring of `size`, which has room for them. */
  #resize(size: number): void {
    const items: (T | undefined)[] = new Array(size).fill(undefined);
    for (let i = 0; i < this.#length; i++) items[i] = this.at(i);
    this.#items = items;
    this.#head = 0;
  }
}
