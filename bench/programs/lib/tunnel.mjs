// What goes through the tunnel, and in which form: a datagram is a piece of a frame behind a header of its number (u32), where in the
// frame the piece lies (u16), and the length of the frame (u16).

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const CAPTURE = fileURLToPath(new URL("../../../captures/two-hosts.pcap", import.meta.url));
export const HEADER = 8;
/** Bytes of a frame in one datagram, which has 1400 at most. */
export const PIECE = 1400 - HEADER;

/** Bytes before the first record of a capture, and before each frame. */
export const FILE_HEADER = 24;
export const RECORD_HEADER = 16;

/** The frames of the capture. */
export function framesOf(file) {
  const bytes = readFileSync(file);
  const frames = [];
  for (let at = FILE_HEADER; at < bytes.length; ) {
    const n = bytes.readUInt32LE(at + 8);
    frames.push(bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + n));
    at += RECORD_HEADER + n;
  }
  return frames;
}
