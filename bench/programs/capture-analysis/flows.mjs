// Flows by their keys, with the packets and bytes of each: a hash table in typed arrays, since an object for each lookup would
// cost more than all else. The same for all programs.

import { KEY_WORDS } from "./dissect.mjs";

export class Flows {
  size = 0;
  #keys = new Uint32Array(1024 * KEY_WORDS);
  packets = new Float64Array(1024);
  bytes = new Float64Array(1024);
  #slots = new Int32Array(4096).fill(-1);

  /** A hash of a key, of 32 bits. */
  static hash(key) {
    let hash = 0;
    for (let i = 0; i < KEY_WORDS; i++) hash = Math.imul(hash ^ key[i], 0x9e3779b1) ^ (hash >>> 15);
    return hash >>> 0;
  }

  add(key, packets, bytes) {
    const flow = this.#find(key, Flows.hash(key));
    this.packets[flow] += packets;
    this.bytes[flow] += bytes;
  }

  #find(key, hash) {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const flow = this.#slots[slot];
      if (flow < 0) return this.#make(key, slot);
      let i = 0;
      while (i < KEY_WORDS && this.#keys[flow * KEY_WORDS + i] === key[i]) i++;
      if (i === KEY_WORDS) return flow;
    }
  }

  #make(key, slot) {
    if (this.size === this.packets.length) {
      this.#grow();
      return this.#find(key, Flows.hash(key));
    }
    const flow = this.size++;
    this.#keys.set(key, flow * KEY_WORDS);
    this.#slots[slot] = flow;
    return flow;
  }

  #grow() {
    const twice = (from, to) => {
      to.set(from);
      return to;
    };
    this.#keys = twice(this.#keys, new Uint32Array(2 * this.#keys.length));
    this.packets = twice(this.packets, new Float64Array(2 * this.size));
    this.bytes = twice(this.bytes, new Float64Array(2 * this.size));
    this.#slots = new Int32Array(2 * this.#slots.length).fill(-1);
    const mask = this.#slots.length - 1;
    for (let flow = 0; flow < this.size; flow++) {
      let slot = Flows.hash(this.key(flow)) & mask;
      while (this.#slots[slot] >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = flow;
    }
  }

  key(flow) {
    return this.#keys.subarray(flow * KEY_WORDS, (flow + 1) * KEY_WORDS);
  }

  /** Adds those of another, of which a worker has sent `rows()`. */
  merge(rows) {
    for (const { key, packets, bytes } of rows) this.add(Uint32Array.from(key), packets, bytes);
  }

  rows() {
    return Array.from({ length: this.size }, (_, flow) => ({
      key: [...this.key(flow)],
      packets: this.packets[flow],
      bytes: this.bytes[flow],
    }));
  }
}
