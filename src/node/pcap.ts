// The classic format of captures (tcpdump, libpcap), read.
//
//     file header    0 magic   4 major, minor version, u16 each   8 unused, 8 bytes   16 snap length   20 link type
//     each packet    0 seconds   4 their fraction   8 bytes captured   12 original length   16 the bytes
//
// in the byte order of the machine that wrote it, which the magic tells; it also tells the unit of the fraction. Files of
// Kuznetzov's patched libpcap have 8 more bytes in front of each packet.

import {
  type CaptureBytes,
  type CaptureFormat,
  type CaptureInterface,
  type Fault,
  FoundPacket,
  hex,
} from "./capture-format.js";
import type { CaptureError } from "./errors.js";

const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const PATCHED_HEADER = 24;

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const MAGIC_PATCHED = 0xa1b2cd34;
const MAGICS = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS, MAGIC_PATCHED];

const MAJOR = 2;
const MINOR_MOST = 4;
/** Up to here the two lengths were the other way round; files of the one that changed it have either. */
const MINOR_SWAPPED = 2;
const MINOR_EITHER = 3;

/** The field's upper bits tell the length of a frame check sequence; those between have no meaning yet. */
const LINK_TYPE_MASK = 0xffff;
const LINK_TYPE_RESERVED = 0x03ff0000;

export class PcapFormat implements CaptureFormat {
  readonly name = "pcap";
  readonly interfaces: CaptureInterface[] = [];
  readonly packet = new FoundPacket();
  skipped = 0;
  wanted = `${FILE_HEADER} bytes of a file header`;
  between = false;
  readonly #stream: CaptureBytes;
  readonly #fault: Fault;
  /** Of a packet; one that has more is passed over. */
  readonly #longest: number;
  readonly #little: boolean;
  readonly #header: number;
  /** Nanoseconds in the unit of the fraction. */
  readonly #unit: number;
  #minor = MINOR_MOST;
  /** Bytes of a packet that is passed over, and how many of them are still to come. */
  #passing = 0;
  #rest = 0;

  private constructor(stream: CaptureBytes, fault: Fault, longest: number, magic: number, little: boolean) {
    this.#stream = stream;
    this.#fault = fault;
    this.#longest = longest;
    this.#little = little;
    this.#unit = magic === MAGIC_NANOSECONDS ? 1 : 1000;
    this.#header = magic === MAGIC_PATCHED ? PATCHED_HEADER : PACKET_HEADER;
  }

  /** The parser for a stream of which 4 bytes are available; null if it is of another format. */
  static of(stream: CaptureBytes, fault: Fault, longest: number): PcapFormat | null {
    for (const little of [true, false]) {
      const magic = stream.u32(0, little);
      if (MAGICS.includes(magic)) return new PcapFormat(stream, fault, longest, magic, little);
    }
    return null;
  }

  start(): number {
    const stream = this.#stream;
    if (stream.available < FILE_HEADER) return FILE_HEADER;
    const major = stream.u16(4, this.#little);
    const minor = stream.u16(6, this.#little);
    if (major !== MAJOR || minor > MINOR_MOST)
      throw this.#fault(4, `version ${MAJOR}.0..${MAJOR}.${MINOR_MOST}`, `${major}.${minor}`);
    const network = stream.u32(20, this.#little);
    if ((network & LINK_TYPE_RESERVED) !== 0) throw this.#fault(20, "a link type", hex(network));
    this.#minor = minor;
    const linkType = network & LINK_TYPE_MASK;
    this.packet.linkType = linkType;
    this.packet.offset = this.#header;
    this.interfaces.push({
      linkType,
      snapLength: stream.u32(16, this.#little),
      name: "",
      ticksPerSecond: 1e9 / this.#unit,
    });
    stream.skip(FILE_HEADER);
    this.between = true;
    return 0;
  }

  find(): number {
    const stream = this.#stream;
    const little = this.#little;
    const header = this.#header;
    const packet = this.packet;
    let captured: number;
    let original: number;
    for (;;) {
      if (this.#rest > 0 && !this.#pass()) return 1;
      if (stream.available < header) {
        this.wanted = `${header} bytes of a packet's header`;
        return header;
      }
      captured = stream.u32(8, little);
      original = stream.u32(12, little);
      if (this.#minor <= MINOR_SWAPPED || (this.#minor === MINOR_EITHER && captured > original))
        [captured, original] = [original, captured];
      if (captured <= this.#longest) break;
      stream.skip(header);
      this.#passing = captured;
      this.#rest = captured;
    }
    if (stream.available < header + captured) {
      this.wanted = `${header + captured} bytes of a packet and its header`;
      return header + captured;
    }
    packet.captured = captured;
    packet.originalLength = original;
    packet.time.setSeconds(stream.u32(0, little), stream.u32(4, little) * this.#unit);
    return 0;
  }

  /** Passes over what has come of a packet that is too long. Returns whether that was the end of it. */
  #pass(): boolean {
    const n = Math.min(this.#rest, this.#stream.available);
    this.#stream.skip(n);
    this.#rest -= n;
    this.between = this.#rest === 0;
    if (this.between) this.skipped++;
    return this.between;
  }

  unfinished(): CaptureError | null {
    if (this.#rest === 0) return null;
    const begun = this.#passing - this.#rest + this.#header;
    return this.#fault(8 - begun, `0..${this.#longest} bytes of a packet`, `${this.#passing} bytes`);
  }
}
