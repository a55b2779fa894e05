// When packets are due that are sent as they were recorded, or so many times as fast.

const NANOSECONDS = 1e6;

export class Pace {
  readonly #speed: number;
  readonly #gapMost: number;
  /** The time of the last packet that has one; null before the first. */
  #last: bigint | null = null;
  #due = 0;

  /** `speed`: times as fast as recorded, 0 as fast as it goes. `gapMost`: milliseconds from one packet to the next at most. */
  constructor(speed: number, gapMost: number) {
    this.#speed = speed;
    this.#gapMost = gapMost;
  }

  /** The next packet is the first of its round. */
  restart(): void {
    this.#last = null;
  }

  /** When a packet is due, in milliseconds of a clock that says `now`. One without a time is due at once. */
  due(time: bigint | null, now: number): number {
    if (this.#speed === 0 || time === null) return now;
    if (this.#last === null) this.#due = now;
    else {
      const gap = Number(time - this.#last) / NANOSECONDS / this.#speed;
      this.#due += Math.min(gap, this.#gapMost);
    }
    this.#last = time;
    return this.#due;
  }
}
