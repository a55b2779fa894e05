// The block format of captures (pcapng, Wireshark and newer tcpdumps), read.
//
//     each block      0 type   4 length of all of it   8 its body, padded to 4   and at the end its length again
//     section header  8 byte-order magic  12 major, minor version, u16 each  16 section length, 8 bytes   24 options
//     interface       8 link type u16  12 snap length                                                     16 options
//     enhanced packet 8 interface  12 time, high  16 low  20 captured  24 original length  28 the bytes      options
//     packet          8 interface u16, drops u16; the rest as in an enhanced one, which came in its place
//     simple packet   8 original length                                                    12 the bytes
//
// Each section has its own byte order, and counts its interfaces from 0. Blocks of other types are passed over as they come.

import {
  type CaptureBytes,
  type CaptureFormat,
  type CaptureInterface,
  type Fault,
  FoundPacket,
  hex,
} from "./capture-format.js";
import type { CaptureError } from "./errors.js";
import { Clock } from "./nanoseconds.js";
import { readInterface } from "./pcapng-interface.js";

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const MAJOR = 1;
/** 1.2 was written by some for files that are no different. */
const MINORS = [0, 2];

const BLOCK_HEADER = 8;
const BLOCK_LEAST = 12;
const TRAILER = 4;
const SECTION_LEAST = 28;
/** Where the options begin; here the section's length has been read, which says nothing that is needed. */
const SECTION_FIXED = 24;
const INTERFACE_LEAST = 20;
const ENHANCED_FIXED = 28;
const SIMPLE_FIXED = 12;

/** Bytes around a packet in its block: what libpcap allows its options to take. */
const AROUND_MOST = 131072;
/** Descriptions that are kept: a file with more is damaged, or made to take memory. */
const INTERFACES_MOST = 65536;

/** An interface, and how its times are read. */
interface Known {
  readonly description: CaptureInterface;
  readonly clock: Clock;
}

export class PcapngFormat implements CaptureFormat {
  readonly name = "pcapng";
  readonly interfaces: CaptureInterface[] = [];
  readonly packet = new FoundPacket();
  skipped = 0;
  wanted = `${SECTION_LEAST} bytes of a section header`;
  between = false;
  readonly #stream: CaptureBytes;
  readonly #fault: Fault;
  readonly #longest: number;
  /** Of a block that is looked at as a whole. */
  readonly #blockMost: number;
  #little = true;
  /** Interfaces of this section. */
  #section: Known[] = [];
  /** The number of the first of them in `interfaces`. */
  #first = 0;
  /** Bytes of a block that are passed over, without its last 4. */
  #rest = 0;
  /** What those must say; 0 if no block is passed over. */
  #total = 0;
  /** Bytes of it that were passed over already. */
  #passed = 0;
  /** The shortest that it could be, if it has a packet and is too long to be looked at; else 0. */
  #least = 0;

  private constructor(stream: CaptureBytes, fault: Fault, longest: number, roomMost: number) {
    this.#stream = stream;
    this.#fault = fault;
    this.#longest = longest;
    this.#blockMost = Math.min(longest + AROUND_MOST, roomMost);
  }

  /**
   * The parser for a stream of which 4 bytes are available; null if it is of another format. `roomMost`: bytes that can be
   * available together.
   */
  static of(stream: CaptureBytes, fault: Fault, longest: number, roomMost: number): PcapngFormat | null {
    return stream.u32(0, true) === SECTION ? new PcapngFormat(stream, fault, longest, roomMost) : null;
  }

  start(): number {
    return this.#sectionHeader();
  }

  find(): number {
    const stream = this.#stream;
    for (;;) {
      let need = this.#total === 0 ? 0 : this.#pass();
      if (need !== 0) return need;
      this.between = stream.available === 0;
      if (stream.available < BLOCK_HEADER) return this.#want(BLOCK_HEADER, "of a block's header");
      const type = stream.u32(0, this.#little);
      if (type === SECTION) {
        need = this.#sectionHeader();
        if (need !== 0) return need;
        continue;
      }
      const total = stream.u32(4, this.#little);
      if (total < BLOCK_LEAST || (total & 3) !== 0)
        throw this.#fault(4, `a block's length, a multiple of 4 from ${BLOCK_LEAST} on`, total);
      switch (type) {
        case ENHANCED_PACKET:
        case SIMPLE_PACKET:
        case PACKET: {
          const fixed = type === SIMPLE_PACKET ? SIMPLE_FIXED : ENHANCED_FIXED;
          if (total > this.#blockMost) {
            this.#passOver(total, BLOCK_HEADER, fixed + TRAILER);
            break;
          }
          need = this.#whole(total, fixed + TRAILER);
          if (need !== 0) return need;
          if (this.#describes(type, total)) return 0;
          this.skipped++;
          stream.skip(total);
          break;
        }
        case INTERFACE:
          need = this.#whole(total, INTERFACE_LEAST);
          if (need !== 0) return need;
          this.#interface(total);
          break;
        default:
          this.#passOver(total, BLOCK_HEADER);
      }
    }
  }

  #want(need: number, wanted: string): number {
    this.wanted = `${need} bytes ${wanted}`;
    return need;
  }

  // ─── Blocks ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether a block is of a length that it can have, and there as a whole. Returns 0, or how many bytes must be. */
  #whole(total: number, least: number): number {
    if (total < least || total > this.#blockMost)
      throw this.#fault(4, `a block's length, ${least}..${this.#blockMost}`, total);
    if (this.#stream.available < total) return this.#want(total, "of a block");
    const again = this.#stream.u32(total - TRAILER, this.#little);
    if (again !== total) throw this.#fault(total - TRAILER, `the block's length again, ${total}`, again);
    return 0;
  }

  /** Begins to pass over a block of which `n` bytes have been looked at. `least`: of one with a packet, else 0. */
  #passOver(total: number, n: number, least = 0): void {
    this.#stream.skip(n);
    this.#passed = n;
    this.#least = least;
    this.#rest = total - n - TRAILER;
    this.#total = total;
    this.between = false;
  }

  /** Passes over what has come of the block. Returns 0 when it is through, or how many bytes must be available. */
  #pass(): number {
    const stream = this.#stream;
    const n = Math.min(this.#rest, stream.available);
    stream.skip(n);
    this.#rest -= n;
    this.#passed += n;
    if (this.#rest !== 0) {
      this.#want(this.#rest + TRAILER, "more of a block");
      return 1;
    }
    if (stream.available < TRAILER) return this.#want(TRAILER, "of a block's end");
    const again = stream.u32(0, this.#little);
    if (again !== this.#total) throw this.#fault(0, `the block's length again, ${this.#total}`, again);
    stream.skip(TRAILER);
    this.#total = 0;
    if (this.#least !== 0) this.skipped++;
    return 0;
  }

  unfinished(): CaptureError | null {
    if (this.#total === 0 || this.#least === 0) return null;
    return this.#fault(4 - this.#passed, `a block's length, ${this.#least}..${this.#blockMost}`, this.#total);
  }

  /** Begins a section. Returns 0, or how many bytes must be available. */
  #sectionHeader(): number {
    const stream = this.#stream;
    if (stream.available < SECTION_LEAST) return this.#want(SECTION_LEAST, "of a section header");
    const little = stream.u32(8, true) === BYTE_ORDER_MAGIC;
    if (!little && stream.u32(8, false) !== BYTE_ORDER_MAGIC)
      throw this.#fault(8, `the byte-order magic ${hex(BYTE_ORDER_MAGIC)}`, hex(stream.u32(8, false)));
    const total = stream.u32(4, little);
    if (total < SECTION_LEAST || (total & 3) !== 0)
      throw this.#fault(4, `a block's length, a multiple of 4 from ${SECTION_LEAST} on`, total);
    const major = stream.u16(12, little);
    const minor = stream.u16(14, little);
    if (major !== MAJOR || !MINORS.includes(minor))
      throw this.#fault(12, "version 1.0 or 1.2", `${major}.${minor}`);
    this.#little = little;
    this.#section = [];
    this.#first = this.interfaces.length;
    this.#passOver(total, SECTION_FIXED);
    return 0;
  }

  #interface(total: number): void {
    if (this.interfaces.length === INTERFACES_MOST)
      throw this.#fault(0, `at most ${INTERFACES_MOST} interfaces`, "one more");
    const end = total - TRAILER;
    const { resolution, offset, ...rest } = readInterface(this.#stream, end, this.#little, this.#fault);
    const clock = new Clock(resolution, offset);
    const description = { ...rest, ticksPerSecond: clock.ticksPerSecond };
    this.interfaces.push(description);
    this.#section.push({ description, clock });
    this.#stream.skip(total);
  }

  // ─── Packets ─────────────────────────────────────────────────────────────────────────────────────────

  #known(number: number): Known {
    const known = this.#section[number];
    if (known === undefined)
      throw this.#fault(8, `the number of an interface, below ${this.#section.length}`, number);
    return known;
  }

  /** Describes the packet of a block. Returns whether it is one to read; else it is too long. */
  #describes(type: number, total: number): boolean {
    if (type === SIMPLE_PACKET) return this.#simple(total);
    const stream = this.#stream;
    return this.#timed(total, type === PACKET ? stream.u16(8, this.#little) : stream.u32(8, this.#little));
  }

  /** One that has an interface and a time. */
  #timed(total: number, number: number): boolean {
    const stream = this.#stream;
    const little = this.#little;
    const { description, clock } = this.#known(number);
    const captured = stream.u32(20, little);
    if (!this.#describe(total, ENHANCED_FIXED, captured, stream.u32(24, little))) return false;
    this.packet.timed = true;
    this.packet.linkType = description.linkType;
    this.packet.interface = this.#first + number;
    clock.convert(stream.u32(12, little), stream.u32(16, little), this.packet.time);
    return true;
  }

  /** One of the first interface, without a time. How much of it was captured only the snap length tells. */
  #simple(total: number): boolean {
    const { linkType, snapLength } = this.#known(0).description;
    const original = this.#stream.u32(8, this.#little);
    const captured = snapLength === 0 ? original : Math.min(original, snapLength);
    if (!this.#describe(total, SIMPLE_FIXED, captured, original)) return false;
    this.packet.timed = false;
    this.packet.linkType = linkType;
    this.packet.interface = this.#first;
    this.packet.time.high = 0;
    this.packet.time.low = 0;
    return true;
  }

  /** Returns whether the packet is not too long. @throws CaptureError if its block is too short for it */
  #describe(total: number, offset: number, captured: number, original: number): boolean {
    const most = total - offset - TRAILER;
    if (captured > most)
      throw this.#fault(
        offset === SIMPLE_FIXED ? 8 : 20,
        `0..${most} bytes of a packet`,
        `${captured} bytes`,
      );
    this.packet.offset = offset;
    this.packet.captured = captured;
    this.packet.after = total - offset - captured;
    this.packet.originalLength = original;
    return captured <= this.#longest;
  }
}
