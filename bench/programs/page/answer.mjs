// What is answered: the message's number, its sum, and the time when it was sent.

import { sum } from "./sum.mjs";

export const ANSWER_BYTES = 16;

/** Writes the answer to a message, an ArrayBuffer, at byte `at`. */
export function answer(message, into, at) {
  const from = new DataView(message);
  into.setUint32(at, from.getUint32(0));
  into.setUint32(at + 4, sum(message));
  into.setFloat64(at + 8, from.getFloat64(8));
}
