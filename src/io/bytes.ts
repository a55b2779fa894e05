// Bytes that come from somebody else: whatever `putData` takes is taken here, too.

import { bufferOf, checkBytes, offsetOf } from "../check.js";

/**
 * The bytes of a Uint8Array of any realm, over shared memory or not, whatever its class says of it; null if it is none.
 * A view of the same memory.
 */
export function bytesOf(value: unknown): Uint8Array | null {
  const bytes = value as Uint8Array;
  let n: number;
  try {
    n = checkBytes("bytes", bytes);
  } catch {
    return null;
  }
  // Of a buffer that was transferred nothing is left, and no view can be made.
  return n === 0 ? new Uint8Array(0) : new Uint8Array(bufferOf(bytes), offsetOf(bytes), n);
}

/** The bytes of an ArrayBuffer or SharedArrayBuffer of any realm; null if it is none. */
export function bytesOfBuffer(value: unknown): Uint8Array | null {
  const tag = Object.prototype.toString.call(value);
  if (tag !== "[object ArrayBuffer]" && tag !== "[object SharedArrayBuffer]") return null;
  try {
    return new Uint8Array(value as ArrayBuffer);
  } catch {
    return null;
  }
}
