// The description of an interface in a pcapng capture: a few numbers, then options.
//
//     each option    0 code u16   2 length u16   4 the value, padded to 4
//
// A code of 0 ends them, and so does the end of the block.

import type { CaptureBytes, Fault } from "./capture-format.js";

const FIXED = 16;
const OPTION_HEADER = 4;

const END = 0;
const NAME = 2;
const TIME_RESOLUTION = 9;
const TIME_OFFSET = 14;

/** Microseconds: what a capture that says nothing counts in. */
const MICROSECONDS = 6;
/** Sixteen times what Linux lets an interface be called. */
const NAME_MOST = 256;

export interface Description {
  readonly linkType: number;
  readonly snapLength: number;
  readonly name: string;
  /** As if_tsresol has it; see Clock. */
  readonly resolution: number;
  /** Seconds to be added to each time. */
  readonly offset: bigint;
}

/** Reads a description that starts at the stream's position and ends before byte `end` of it. @throws CaptureError */
export function readInterface(stream: CaptureBytes, end: number, little: boolean, fault: Fault): Description {
  let name = "";
  let resolution = MICROSECONDS;
  let offset = 0n;
  for (let at = FIXED; at !== end; ) {
    // Everything is padded to 4, so there are at least as many bytes as an option's header has.
    const code = stream.u16(at, little);
    const length = stream.u16(at + 2, little);
    const value = at + OPTION_HEADER;
    if (code === END) break;
    if (length > end - value) throw fault(at + 2, `an option's length, 0..${end - value}`, length);
    if (code === NAME) {
      name = new TextDecoder().decode(stream.copy(value, Math.min(length, NAME_MOST)));
    } else if (code === TIME_RESOLUTION) {
      if (length !== 1) throw fault(at + 2, "an option's length, 1", length);
      resolution = stream.copy(value, 1)[0] as number;
    } else if (code === TIME_OFFSET) {
      if (length !== 8) throw fault(at + 2, "an option's length, 8", length);
      offset = new DataView(stream.copy(value, 8).buffer).getBigInt64(0, little);
    }
    at = value + ((length + 3) & ~3);
  }
  return { linkType: stream.u16(8, little), snapLength: stream.u32(12, little), name, resolution, offset };
}
