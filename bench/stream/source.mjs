// Where the guest's messages come from: they are there already, are written word by word, or are read from a file.

import { openSync, readSync } from "node:fs";
import { fill } from "./message.mjs";

/** What is free, the one that has been so for longest first. Makes no garbage, as an array's shift does. */
export class Fifo {
  size;
  #items;
  #first = 0;

  /** Full of `items`, and never fuller. */
  constructor(items) {
    this.#items = [...items];
    this.size = this.#items.length;
  }

  take() {
    const item = this.#items[this.#first];
    this.#first = (this.#first + 1) % this.#items.length;
    this.size--;
    return item;
  }

  put(item) {
    this.#items[(this.#first + this.size) % this.#items.length] = item;
    this.size++;
  }
}

/** The memory of a message, as bytes and as words. */
export function slotOf(bytes) {
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2) };
}

/** A function that puts message `seq` into a slot. */
export function fillerOf({ dirty, file, size }) {
  if (file !== undefined) {
    const { path, messages } = file;
    const fd = openSync(path);
    return ({ bytes }, seq) => {
      if (readSync(fd, bytes, 0, size, (seq % messages) * size) !== size)
        throw new Error("the file is shorter than it was");
    };
  }
  return dirty ? ({ words }, seq) => fill(words, seq) : () => {};
}
