// What the parsers of both formats have in common: they look at the bytes that have come, and say where a packet is.

import type { CaptureError } from "./errors.js";
import { Nanoseconds } from "./nanoseconds.js";

/** An interface that packets came in on, as the capture describes it. */
export interface CaptureInterface {
  /** What its packets start with, one of the LINKTYPE_ numbers of tcpdump.org: 1 is Ethernet. */
  readonly linkType: number;
  /** Bytes of a packet that were captured at most; 0 where the capture does not say. Packets may have more. */
  readonly snapLength: number;
  /** Its name, the first 256 bytes of it; empty if it has none. */
  readonly name: string;
  /** How exactly its packets' times are known; rounded, from 2^53 on. */
  readonly ticksPerSecond: number;
}

/** Where the next packet is, counted from the stream's position on, and what its record says of it. */
export class FoundPacket {
  /** Of the first of its bytes. */
  offset = 0;
  /** How many of them there are. */
  captured = 0;
  /** Bytes of the record behind them. */
  after = 0;
  originalLength = 0;
  linkType = 0;
  interface = 0;
  /** Whether its record has a time. */
  timed = true;
  readonly time = new Nanoseconds();
}

/** A parser. All that it skips or changes by itself is done with; a packet that it found it finds again. */
export interface CaptureFormat {
  readonly name: "pcap" | "pcapng";
  readonly interfaces: CaptureInterface[];
  readonly packet: FoundPacket;
  /** Packets that were passed over, because they are longer than is read. */
  readonly skipped: number;
  /**
   * Reads what stands before the first packet. Returns 0, or how many bytes must be available for it to go on.
   * @throws CaptureError
   */
  start(): number;
  /** Looks for the next packet. Returns 0 and describes it, or how many bytes must be available. @throws CaptureError */
  find(): number;
  /** What is wrong with a packet of which the file ends while it is passed over: its length, for all that is known. */
  unfinished(): CaptureError | null;
  /** What the bytes that were asked for are. */
  readonly wanted: string;
  /** Whether the file may end before them. */
  readonly between: boolean;
}

/** The bytes that a parser looks at: what has come of the capture and was not handed out yet. A ChunkStream is one. */
export interface CaptureBytes {
  /** How many there are. */
  readonly available: number;
  /** The number at an offset; its bytes must be available. */
  u16(offset: number, little: boolean): number;
  u32(offset: number, little: boolean): number;
  /** A copy of `n` available bytes. */
  copy(offset: number, n: number): Uint8Array<ArrayBuffer>;
  /** Passes over the first `n` bytes, which must be available. */
  skip(n: number): void;
}

/** Makes the error for a fault so many bytes behind the stream's position. */
export type Fault = (offset: number, wanted: string, got: unknown) => CaptureError;

export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
