// What is in a message, and how it is read and checked. Bytes are below 0x80, so that a search for another byte has to read
// them all.

/** Of so many messages one is checked byte by byte, so that the checking costs next to nothing, on all paths alike. */
export const CHECKED_EVERY = 64;

/** Messages of TCP_MAERTS that differ. No divisor of the number above, so that each of them is checked at times. */
export const SOURCE_MESSAGES = 50;

const ABSENT = 0xff;
const SEVEN_BITS = 0x7f7f7f7f;

/** The first word of message `seq`: its lower 28 bits, seven to a byte. */
export function headOf(seq) {
  return (seq & 0x7f) | ((seq & 0x3f80) << 1) | ((seq & 0x1fc000) << 2) | ((seq & 0xfe00000) << 3);
}

/**
 * Writes all of a message. A loop of words on every path: in shared memory TypedArray.fill takes 30 times what it takes
 * elsewhere, and the question is what moving a message costs, not what writing it does.
 */
export function fill(words, seq) {
  const head = headOf(seq);
  for (let i = 0, n = words.length; i < n; i++) words[i] = head ^ (i & SEVEN_BITS);
}

/**
 * Reads every byte: memchr, which takes as long for them as the checksum of a packet. A sum in a JavaScript loop would be 20 to
 * 30 times slower, and would be what is measured.
 */
export function readAll(bytes) {
  if (Buffer.prototype.indexOf.call(bytes, ABSENT) !== -1)
    throw new Error("a byte that was never sent was received");
}

/** Checks `n` bytes of a message from byte `position` of it on. */
export function checkPart(bytes, at, n, seq, position) {
  const head = headOf(seq);
  for (let i = 0; i < n; i++) {
    const p = position + i;
    const wanted = ((head ^ ((p >>> 2) & SEVEN_BITS)) >>> ((p & 3) * 8)) & 0xff;
    if (bytes[at + i] !== wanted)
      throw new Error(`message ${seq}, byte ${p}: expected ${wanted}, got ${bytes[at + i]}`);
  }
}

/** Checks a stream of messages of one size, however it is cut, against the numbers that they must have. */
export class StreamCheck {
  bytes = 0;
  #size;
  #every;
  #wrap;

  /** `wrap`: the number after which they begin again. */
  constructor(size, { every = CHECKED_EVERY, wrap = Number.POSITIVE_INFINITY } = {}) {
    this.#size = size;
    this.#every = every;
    this.#wrap = wrap;
  }

  /** Whether any of the next `n` bytes is one that is checked. */
  wants(n) {
    const first = Math.floor(this.bytes / this.#size);
    const last = Math.floor((this.bytes + n - 1) / this.#size);
    return last - (last % this.#every) >= first;
  }

  /** Passes bytes by of which none is checked. */
  skip(n) {
    this.bytes += n;
  }

  /** The next bytes of the stream. */
  feed(bytes) {
    if (!this.wants(bytes.length)) {
      this.skip(bytes.length);
      return;
    }
    const size = this.#size;
    for (let at = 0; at < bytes.length; ) {
      const position = this.bytes % size;
      const seq = (this.bytes - position) / size;
      const n = Math.min(size - position, bytes.length - at);
      if (seq % this.#every === 0) checkPart(bytes, at, n, seq % this.#wrap, position);
      at += n;
      this.bytes += n;
    }
  }
}
