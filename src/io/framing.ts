// How packets lie in a stream of bytes: one behind the other, or each behind its length.

import { MAX_LENGTH } from "../../assembly/layout.js";
import { checkOneOf } from "../check.js";

/**
 * What is in front of each packet in a stream: nothing, so that only the bytes arrive and not where packets begin; or the
 * packet's length, big-endian, in 16 or 32 bits, which do not count themselves.
 */
export type Framing = "none" | "length16" | "length32";

/** Returns `framing` if it is one. @throws ArgumentTypeError */
export function checkFraming(framing: Framing): Framing {
  return checkOneOf("framing", framing, ["none", "length16", "length32"]);
}

/** Bytes in front of each packet. */
export function headerBytes(framing: Framing): number {
  if (framing === "none") return 0;
  return framing === "length16" ? 2 : 4;
}

/** The longest packet that the length in front of it can tell. */
export function longestPacket(framing: Framing): number {
  return framing === "length16" ? 0xffff : MAX_LENGTH;
}

/** Writes what stands in front of a packet of `n` bytes. */
export function writeHeader(into: Uint8Array, header: number, n: number): void {
  for (let i = 0; i < header; i++) into[i] = (n >>> (8 * (header - 1 - i))) & 0xff;
}
