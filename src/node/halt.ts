// Halt: one word of shared memory by which a thread tells another to stop writing, also while that waits for room.

const RUNS = 0;
const HALTED = 1;

export class Halt {
  /** What the other thread makes its own `Halt` with. */
  readonly memory: SharedArrayBuffer;
  readonly #word: Int32Array;

  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#word = new Int32Array(memory);
  }

  get halted(): boolean {
    return Atomics.load(this.#word, 0) === HALTED;
  }

  /** For good. Ends the sleep of the other thread. */
  halt(): void {
    Atomics.store(this.#word, 0, HALTED);
    Atomics.notify(this.#word, 0);
  }

  /** Blocks this thread for `ms` milliseconds at most; not at all once it is halted. */
  sleep(ms: number): void {
    Atomics.wait(this.#word, 0, RUNS, ms);
  }
}
