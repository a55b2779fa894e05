// What captures have around their packets, written: file headers, and the records' headers and ends.

import { Nanoseconds, Seconds } from "./nanoseconds.js";

/** What is written of a packet beside its bytes. */
export class PacketRecord {
  captured = 0;
  originalLength = 0;
  linkType = 0;
  /** As the packet's note says; other than in the capture, where they are counted as they come. */
  interface = 0;
  timed = true;
  readonly time = new Nanoseconds();
}

/** How exactly times are written. */
export type Resolution = "ns" | "us";

/** A format, written. Each record goes through `refuse`, `preface`, `header` and `write`, in this order, before the next one. */
export interface RecordFormat {
  /** Bytes in front of a packet, 28 at most. */
  header(record: PacketRecord): number;
  /** Bytes behind it, and behind what pads it to 4; 0: none, and nothing is padded. */
  readonly trailer: number;
  /** Why a record cannot be in this capture, and what could; null if it can. */
  refuse(record: PacketRecord): { wanted: string; got: string } | null;
  /** What must stand in the capture before the record; null if all of it does. */
  preface(record: PacketRecord): Uint8Array | null;
  /** Writes the record's header to byte `at`. Returns what the trailer is to say. */
  write(record: PacketRecord, into: DataView, at: number): number;
}

/** All that is written is little-endian, so that the same packets make the same capture everywhere. */
const LITTLE = true;

function numbers(...words: number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word, LITTLE);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

// ─── pcap ────────────────────────────────────────────────────────────────────────────────────────────────

const MAGICS = { us: 0xa1b2c3d4, ns: 0xa1b23c4d };
/** 2.4: u16 each, the major one first. */
const PCAP_VERSION = 0x00040002;

export class PcapRecords implements RecordFormat {
  readonly trailer = 0;
  readonly #snapLength: number;
  readonly #resolution: Resolution;
  readonly #seconds = new Seconds();
  /** Of all packets; null before the first. */
  #linkType: number | null = null;

  constructor(snapLength: number, resolution: Resolution) {
    this.#snapLength = snapLength;
    this.#resolution = resolution;
  }

  refuse(record: PacketRecord): { wanted: string; got: string } | null {
    if (this.#linkType !== null && record.linkType !== this.#linkType)
      return { wanted: `packets of link type ${this.#linkType}`, got: `one of link type ${record.linkType}` };
    this.#seconds.set(record.time.high, record.time.low);
    return this.#seconds.seconds > 0xffffffff
      ? { wanted: "packets of 1970 to 2106", got: `one of second ${this.#seconds.seconds}` }
      : null;
  }

  preface(record: PacketRecord): Uint8Array | null {
    if (this.#linkType !== null) return null;
    this.#linkType = record.linkType;
    return numbers(MAGICS[this.#resolution], PCAP_VERSION, 0, 0, this.#snapLength, record.linkType);
  }

  header(): number {
    return 16;
  }

  write(record: PacketRecord, into: DataView, at: number): number {
    const { seconds, nanoseconds } = this.#seconds;
    into.setUint32(at, seconds, LITTLE);
    into.setUint32(at + 4, this.#resolution === "ns" ? nanoseconds : Math.floor(nanoseconds / 1000), LITTLE);
    into.setUint32(at + 8, record.captured, LITTLE);
    into.setUint32(at + 12, record.originalLength, LITTLE);
    return 0;
  }
}

// ─── pcapng ──────────────────────────────────────────────────────────────────────────────────────────────

const SECTION = 0x0a0d0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** 1.0: u16 each, the major one first. */
const PCAPNG_VERSION = 0x00000001;
/** The section's length is not known, which is -1 in 64 bits. */
const UNKNOWN = 0xffffffff;
const INTERFACE = 1;
/** if_tsresol, one byte long. */
const TIME_RESOLUTION = 0x00010009;
const DIGITS = { ns: 9, us: 6 };
const END_OF_OPTIONS = 0;
const SIMPLE_PACKET = 3;
const SIMPLE_HEADER = 12;
const ENHANCED_PACKET = 6;
const ENHANCED_HEADER = 28;
const TRAILER = 4;

const SECTION_HEADER = numbers(SECTION, 28, BYTE_ORDER_MAGIC, PCAPNG_VERSION, UNKNOWN, UNKNOWN, 28);

export class PcapngRecords implements RecordFormat {
  readonly trailer = TRAILER;
  readonly #snapLength: number;
  readonly #resolution: Resolution;
  /** Numbers of the interfaces that have been described, by link type and by what the notes call them. */
  readonly #known = new Map<number, number>();
  /** That of the last record, and its key. */
  #number = 0;
  #key = -1;

  constructor(snapLength: number, resolution: Resolution) {
    this.#snapLength = snapLength;
    this.#resolution = resolution;
  }

  refuse(): null {
    return null;
  }

  preface(record: PacketRecord): Uint8Array | null {
    // 48 bits, which a double holds.
    const key = record.linkType * 2 ** 32 + record.interface;
    if (key === this.#key) return null;
    this.#key = key;
    const known = this.#known.get(key);
    this.#number = known ?? this.#known.size;
    if (known !== undefined) return null;
    this.#known.set(key, this.#number);
    const resolution = [TIME_RESOLUTION, DIGITS[this.#resolution], END_OF_OPTIONS];
    const description = numbers(INTERFACE, 32, record.linkType, this.#snapLength, ...resolution, 32);
    return this.#number === 0 ? joined([SECTION_HEADER, description]) : description;
  }

  header(record: PacketRecord): number {
    return this.#isSimple(record) ? SIMPLE_HEADER : ENHANCED_HEADER;
  }

  /**
   * Whether a packet goes without a time, which needs a block that says less: its interface is the first one, and not even
   * how much of it was captured stands there.
   */
  #isSimple({ timed, captured, originalLength }: PacketRecord): boolean {
    return !timed && this.#number === 0 && captured === Math.min(originalLength, this.#snapLength);
  }

  write(record: PacketRecord, into: DataView, at: number): number {
    const total = this.header(record) + ((record.captured + 3) & ~3) + TRAILER;
    if (this.#isSimple(record)) {
      into.setUint32(at, SIMPLE_PACKET, LITTLE);
      into.setUint32(at + 4, total, LITTLE);
      into.setUint32(at + 8, record.originalLength, LITTLE);
      return total;
    }
    if (this.#resolution === "us") record.time.toMicroseconds();
    into.setUint32(at, ENHANCED_PACKET, LITTLE);
    into.setUint32(at + 4, total, LITTLE);
    into.setUint32(at + 8, this.#number, LITTLE);
    into.setUint32(at + 12, record.time.high, LITTLE);
    into.setUint32(at + 16, record.time.low, LITTLE);
    into.setUint32(at + 20, record.captured, LITTLE);
    into.setUint32(at + 24, record.originalLength, LITTLE);
    return total;
  }
}
