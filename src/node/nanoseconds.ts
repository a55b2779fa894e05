// Times of captures: 64 bits of nanoseconds since 1970, as two halves. A BigInt would cost as much as the rest of a packet,
// and a double holds 53 bits: so no product in here passes 2^53, and each is cut into parts that do not.

const HALF = 2 ** 32;
const LIMB = 2 ** 16;
const GIGA = 1_000_000_000;
/** A billion is 15258 times 2^16, and 51712. */
const GIGA_UPPER = 15258;
const GIGA_LOWER = 51712;

/** 64 bits, modulo 2^64: what lies before 1970 is that much below 2^64. */
export class Nanoseconds {
  high = 0;
  low = 0;

  /** Of `seconds`, a u32, and nanoseconds below 2^48, which need not be less than a second. */
  setSeconds(seconds: number, nanoseconds: number): void {
    const upper = seconds * GIGA_UPPER;
    const sum = (upper & 0xffff) * LIMB + seconds * GIGA_LOWER + nanoseconds;
    this.low = sum >>> 0;
    this.high = Math.floor(upper / LIMB) + Math.floor(sum / HALF);
  }

  add(high: number, low: number): void {
    const sum = this.low + low;
    this.low = sum >>> 0;
    this.high = (this.high + high + (sum >= HALF ? 1 : 0)) >>> 0;
  }

  /** Whole microseconds of it, as the two halves. */
  toMicroseconds(): void {
    const rest = this.high % 1000;
    const lower = rest * HALF + this.low;
    this.high = (this.high - rest) / 1000;
    this.low = Math.floor(lower / 1000);
  }
}

/** A time cut into seconds and the nanoseconds after them. */
export class Seconds {
  /** Up to 2^64 / 10^9: more than a u32 holds. */
  seconds = 0;
  nanoseconds = 0;

  set(high: number, low: number): void {
    // Long division by a billion, 16 bits a step.
    const first = Math.floor(high / GIGA);
    const upper = (high - first * GIGA) * LIMB + (low >>> 16);
    const second = Math.floor(upper / GIGA);
    const lower = (upper - second * GIGA) * LIMB + (low & 0xffff);
    const third = Math.floor(lower / GIGA);
    this.seconds = first * HALF + second * LIMB + third;
    this.nanoseconds = lower - third * GIGA;
  }
}

/** Up to here a multiplier's product with 32 bits is exact, and a carry on top of it. */
const MULTIPLIER_MOST = 1_000_000;
/** What a step of the long division takes as its divisor at most: as many bits as leave the dividend below 2^53. */
const DIVISOR_BITS = 30;
const DIVISOR_DIGITS = 9;

/** Six limbs of 16 bits, the lowest first: 64 bits of ticks times a billion. */
const limbs = new Float64Array(6);

/** How an interface counts time: from its ticks to nanoseconds, rounded down. */
export class Clock {
  /** A double: beyond 2^53 not every power of ten is exact. */
  readonly ticksPerSecond: number;
  /** Nanoseconds in a tick; 0 where that is no integer, or too large a one. */
  readonly #multiplier: number;
  /** Their product is the ticks in a second. */
  readonly #divisors: readonly number[];
  readonly #offsetHigh: number;
  readonly #offsetLow: number;

  /**
   * `resolution` as if_tsresol has it: the negative power of 10, or of 2 if the top bit of its 8 is set. `offset`: seconds,
   * to be added.
   */
  constructor(resolution: number, offset: bigint) {
    const power = resolution & 0x7f;
    const binary = resolution > 0x7f;
    this.ticksPerSecond = binary ? 2 ** power : Number(`1e${power}`);
    const multiplier = binary || power > DIVISOR_DIGITS ? 0 : 10 ** (DIVISOR_DIGITS - power);
    this.#multiplier = multiplier <= MULTIPLIER_MOST ? multiplier : 0;
    const step = binary ? DIVISOR_BITS : DIVISOR_DIGITS;
    const divisors: number[] = [];
    for (let left = power; left > 0; left -= step) divisors.push((binary ? 2 : 10) ** Math.min(left, step));
    this.#divisors = divisors;
    const nanoseconds = BigInt.asUintN(64, offset * BigInt(GIGA));
    this.#offsetHigh = Number(nanoseconds >> 32n);
    this.#offsetLow = Number(nanoseconds & 0xffffffffn);
  }

  convert(high: number, low: number, into: Nanoseconds): void {
    if (this.#multiplier !== 0) {
      const lower = low * this.#multiplier;
      into.low = lower >>> 0;
      into.high = (high * this.#multiplier + Math.floor(lower / HALF)) >>> 0;
    } else this.#divide(high, low, into);
    into.add(this.#offsetHigh, this.#offsetLow);
  }

  /** Times a billion, divided by the ticks in a second: exact for every resolution. */
  #divide(high: number, low: number, into: Nanoseconds): void {
    let carry = 0;
    for (let i = 0; i < 4; i++) {
      const half = i < 2 ? low : high;
      const product = ((half >>> ((i & 1) << 4)) & 0xffff) * GIGA + carry;
      limbs[i] = product & 0xffff;
      carry = Math.floor(product / LIMB);
    }
    limbs[4] = carry & 0xffff;
    limbs[5] = Math.floor(carry / LIMB);
    for (const divisor of this.#divisors) {
      let rest = 0;
      for (let i = 5; i >= 0; i--) {
        const dividend = rest * LIMB + (limbs[i] as number);
        const quotient = Math.floor(dividend / divisor);
        limbs[i] = quotient;
        rest = dividend - quotient * divisor;
      }
    }
    into.low = (limbs[1] as number) * LIMB + (limbs[0] as number);
    into.high = (limbs[3] as number) * LIMB + (limbs[2] as number);
  }
}
