// What a capture says of a packet beside its bytes and its time. It stands in the packet's cb, the 48 bytes for the layer
// that holds it, so it goes where the packet goes: to clones, to parts of it, to other threads.
//
//     0 mark          says that there is a note
//     4 link type, 16 bits; above them, whether there is no time
//     8 interface
//    12 original length, 0: as long as the packet is
//    16 yours, 32 bytes

import { SKB_CB } from "../../assembly/layout.js";
import { checkInteger, checkOptions, type Names, U32_MOST } from "../check.js";
import { coreOf, engineOf, heapOf, liveHandle } from "../driver.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import { Skb } from "../skb.js";

const NOTE_MARK = 0;
const NOTE_LINK_TYPE = 4;
const NOTE_INTERFACE = 8;
const NOTE_ORIGINAL_LENGTH = 12;

/** "note", little-endian: what a cb that is used for something else hardly starts with. */
const MARK = 0x65746f6e;

/** Link types are 16 bits in both formats. */
export const LINK_TYPE_MOST = 0xffff;
/** Stands above the link type where the capture does not say when the packet was seen. */
const TIMELESS = 0x10000;
/** LINKTYPE_ETHERNET. */
export const ETHERNET = 1;

/** The packet's own part of what a capture says. */
export interface CaptureNote {
  /** What the bytes start with, one of the LINKTYPE_ numbers of tcpdump.org. Default: 1, Ethernet. */
  linkType?: number;
  /** Number of the interface that it came in on. Default: 0. */
  interface?: number;
  /** Bytes that it had on the wire, of which some may not have been captured. Default: what the packet has. */
  originalLength?: number;
}

const NOTE_NAMES: Names<CaptureNote> = { linkType: true, interface: true, originalLength: true };

/**
 * Writes a note into a packet that does not come from a capture, for `CaptureWriter`. Borrows the packet; uses the first 16
 * bytes of its `cb`.
 *
 * @throws StaleSkbError, ArgumentRangeError, ArgumentTypeError
 * @example
 * noteCapture(skb, { linkType: 101, originalLength: 1500 });
 * linkTypeOf(skb); // → 101
 * originalLengthOf(skb); // → 1500
 */
export function noteCapture(skb: Skb, note?: CaptureNote): void {
  const handle = handleOf(skb);
  const given = checkOptions(note, NOTE_NAMES);
  const linkType = checkInteger("linkType", given.linkType ?? ETHERNET, 0, LINK_TYPE_MOST);
  const from = checkInteger("interface", given.interface ?? 0, 0, U32_MOST);
  const length = checkInteger("originalLength", given.originalLength ?? 0, 0, U32_MOST);
  writeNote(engineOf(skb), handle, linkType, from, length);
}

/** Writes a note. Returns the address of the cb. Trusts the handle and the numbers. */
export function writeNote(
  engine: Engine,
  handle: number,
  linkType: number,
  from: number,
  originalLength: number,
  timed = true,
): number {
  const cb = coreOf(engine).cbAddress(handle) >>> 0;
  const heap = heapOf(engine);
  heap.setWord(cb + NOTE_MARK, MARK);
  heap.setWord(cb + NOTE_LINK_TYPE, timed ? linkType : linkType | TIMELESS);
  heap.setWord(cb + NOTE_INTERFACE, from);
  heap.setWord(cb + NOTE_ORIGINAL_LENGTH, originalLength);
  return cb;
}

/**
 * Bytes that the packet had on the wire, as its capture says: more than its `length` if it was captured in part. Its `length`
 * if it has no note. Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * originalLengthOf(skb); // → 100
 */
export function originalLengthOf(skb: Skb): number {
  const length = field(skb, NOTE_ORIGINAL_LENGTH);
  return length === null || length === 0 ? skb.length : length;
}

/**
 * What the packet's bytes start with, one of the LINKTYPE_ numbers of tcpdump.org: 1 is Ethernet. null if it has no note.
 * Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * linkTypeOf(skb); // → null
 */
export function linkTypeOf(skb: Skb): number | null {
  const type = field(skb, NOTE_LINK_TYPE);
  return type === null ? null : type & LINK_TYPE_MOST;
}

/**
 * When the packet was seen, in nanoseconds since 1970: before that, negative. null if its capture does not say. Without a note
 * its `timestamp`, null if that is 0. Borrows the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * timeOf(skb); // → null
 * skb.timestamp = 1_700_000_000_000_000_000n;
 * timeOf(skb); // → 1_700_000_000_000_000_000n
 */
export function timeOf(skb: Skb): bigint | null {
  const type = field(skb, NOTE_LINK_TYPE);
  const time = BigInt.asIntN(64, skb.timestamp);
  if (time !== 0n) return time;
  return type === null || (type & TIMELESS) !== 0 ? null : time;
}

/**
 * The number of the interface that the packet came in on, in `CaptureReader.interfaces`. null if it has no note. Borrows
 * the packet.
 *
 * @throws StaleSkbError, ArgumentTypeError
 * @example
 * interfaceOf(skb); // → null
 */
export function interfaceOf(skb: Skb): number | null {
  return field(skb, NOTE_INTERFACE);
}

function handleOf(skb: Skb): number {
  if (!(skb instanceof Skb)) throw new ArgumentTypeError("skb", "an Skb", skb);
  return liveHandle(skb);
}

function field(skb: Skb, offset: number): number | null {
  const handle = handleOf(skb);
  const core = coreOf(engineOf(skb));
  if (core.field(handle, SKB_CB + NOTE_MARK) >>> 0 !== MARK) return null;
  return core.field(handle, SKB_CB + offset) >>> 0;
}

/** A packet's note, read at once by whoever has its struct's address. */
export class NoteView {
  linkType = 0;
  interface = 0;
  originalLength = 0;
  timed = true;

  /** Reads the note; if there is none, says `linkType`, interface 0, original length 0 and a time. Trusts the address. */
  read(engine: Engine, skb: number, linkType: number): this {
    const heap = heapOf(engine);
    const cb = skb + SKB_CB;
    if (heap.word(cb + NOTE_MARK) === MARK) {
      const type = heap.word(cb + NOTE_LINK_TYPE);
      this.linkType = type & LINK_TYPE_MOST;
      this.timed = (type & TIMELESS) === 0;
      this.interface = heap.word(cb + NOTE_INTERFACE);
      this.originalLength = heap.word(cb + NOTE_ORIGINAL_LENGTH);
    } else {
      this.linkType = linkType;
      this.interface = 0;
      this.originalLength = 0;
      this.timed = true;
    }
    return this;
  }
}
