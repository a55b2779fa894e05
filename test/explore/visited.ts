// States that were explored, and how many schedules lead on from each. A table of its own, because a Map of strings
// or of big integers would take most of the time.

export class Visited {
  #mask = (1 << 16) - 1;
  #keys = new Uint32Array(2 << 16);
  #counts = new Float64Array(1 << 16); // 0: free. Exact up to 2^53, then rounded
  size = 0;

  /** Schedules from this state on; 0 if it was never explored. */
  get(hash: number, again: number): number {
    return this.#counts[this.#find(hash, again)] as number;
  }

  set(hash: number, again: number, count: number): void {
    if (this.size * 2 > this.#mask) this.#grow();
    const i = this.#find(hash, again);
    if (this.#counts[i] === 0) this.size += 1;
    this.#keys[2 * i] = hash;
    this.#keys[2 * i + 1] = again;
    this.#counts[i] = count;
  }

  #find(hash: number, again: number): number {
    let i = hash & this.#mask;
    while (this.#counts[i] !== 0 && (this.#keys[2 * i] !== hash || this.#keys[2 * i + 1] !== again))
      i = (i + 1) & this.#mask;
    return i;
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    const size = counts.length * 2;
    this.#mask = size - 1;
    this.#keys = new Uint32Array(size * 2);
    this.#counts = new Float64Array(size);
    this.size = 0;
    for (let i = 0; i < counts.length; i++) {
      const count = counts[i] as number;
      if (count !== 0) this.set(keys[2 * i] as number, keys[2 * i + 1] as number, count);
    }
  }
}
