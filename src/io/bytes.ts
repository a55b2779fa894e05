// Bytes that come from somebody else: whatever `putData` takes is taken here, too.

import { bufferOf, checkBytes, isBytes, offsetOf } from "../check.js";

/**
 * The bytes of a Uint8Array of any realm, over shared memory or not, whatever its class says of it; null if it is none.
 * A view of the same memory.
 */
export function bytesOf(value: unknown): Uint8Array | null {
  if (!isBytes(value)) return null;
  const n = checkBytes("bytes", value);
  // Of a buffer that was transferred nothing is left, and no view can be made.
  return n === 0 ? new Uint8Array(0) : new Uint8Array(bufferOf(value), offsetOf(value), n);
}

/** The bytes of an ArrayBuffer or SharedArrayBuffer of any realm; null if it is none. */
export function bytesOfBuffer(value: unknown): Uint8Array | null {
  // Most are of this realm, and asking for what it says it is costs more than all else.
  if (value instanceof ArrayBuffer) return attempt(value);
  const tag = Object.prototype.toString.call(value);
  if (tag !== "[object ArrayBuffer]" && tag !== "[object SharedArrayBuffer]") return null;
  return attempt(value as ArrayBuffer);
}

function attempt(buffer: ArrayBuffer): Uint8Array | null {
  try {
    return new Uint8Array(buffer);
  } catch {
    // It was transferred, or only says that it is one.
    return null;
  }
}
