// A sender's share of a turn of the event loop. A system that takes everything at once would let whoever produces packets go on
// for ever, and timers and I/O of the thread would never run.

import { nextTurn } from "../turns.js";

// Both must be exceeded: a loop that takes its turns (turns.ts) has had one before there were that many packets, or else long
// before the time is up, unless the system has kept it waiting.
const PACKETS_MOST = 320;
const MS_MOST = 10;
/** Packets before a turn is asked for, from which on they count: that costs as much as some of them. */
const PACKETS_FREE = 64;
/** Bytes that take the time of a packet. */
const BYTES_SHIFT = 14;

export class Share {
  readonly #onTurn: () => void;
  #taken = 0;
  #start = 0;
  #turns = false;

  /** `onTurn` is told when there is a share again. */
  constructor(onTurn: () => void) {
    this.#onTurn = onTurn;
  }

  /** Counts a packet of so many bytes. */
  take(bytes: number): void {
    this.#taken += 1 + (bytes >>> BYTES_SHIFT);
    if (this.#turns || this.#taken <= PACKETS_FREE) return;
    this.#turns = true;
    this.#taken = 0;
    this.#start = performance.now();
    // Before any loop goes on that waits for it.
    void nextTurn().then(() => {
      this.#turns = false;
      this.#taken = 0;
      this.#onTurn();
    });
  }

  /** Whether others should have their turn. */
  get spent(): boolean {
    return this.#taken > PACKETS_MOST && performance.now() - this.#start > MS_MOST;
  }
}
