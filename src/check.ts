// Arguments: what is checked before anything reaches the core, which trusts that numbers are u32.

import { ArgumentRangeError, ArgumentTypeError } from "./errors.js";

/** The largest u32. */
export const U32_MOST = 0xffffffff;

/** Returns `value` if it is an integer in `min..most`. @throws ArgumentRangeError, ArgumentTypeError */
export function checkInteger(what: string, value: number, min: number, most: number): number {
  if (typeof value === "number" && value >= min && value <= most && Number.isInteger(value)) return value;
  throw integerError(what, value, min, most);
}

function integerError(what: string, value: unknown, min: number, most: number): Error {
  const wanted = `${min}..${most}`;
  return typeof value === "number"
    ? new ArgumentRangeError(what, wanted, value)
    : new ArgumentTypeError(what, wanted, value);
}

// The intrinsic getters, because a subclass could say anything about itself, and what it says here decides how
// many bytes are written.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const tagOf = intrinsic(Symbol.toStringTag);
const lengthOf = intrinsic("length");
const bufferGetter = intrinsic("buffer");
const offsetGetter = intrinsic("byteOffset");

function intrinsic(name: string | symbol): (this: unknown) => unknown {
  return Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: unknown) => unknown;
}

/** Returns the length of `bytes` if it is a Uint8Array. @throws ArgumentTypeError */
export function checkBytes(what: string, bytes: Uint8Array): number {
  if (tagOf.call(bytes) === "Uint8Array") return lengthOf.call(bytes) as number;
  throw new ArgumentTypeError(what, "a Uint8Array", bytes);
}

// What throws for a SharedArrayBuffer, whose constructor pages need not have.
const byteLengthOf = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength")?.get as (
  this: unknown,
) => number;

/** Returns the length of `bytes` if it is a Uint8Array over memory that is not shared. @throws ArgumentTypeError */
export function checkUnshared(what: string, bytes: Uint8Array): number {
  const n = checkBytes(what, bytes);
  try {
    byteLengthOf.call(bufferOf(bytes));
  } catch {
    throw new ArgumentTypeError(what, "memory that is not shared", "a view of shared memory");
  }
  return n;
}

/** The buffer that a Uint8Array is really a view of. */
export function bufferOf(bytes: Uint8Array): ArrayBufferLike {
  return bufferGetter.call(bytes) as ArrayBufferLike;
}

/** Where in its buffer a Uint8Array really starts. */
export function offsetOf(bytes: Uint8Array): number {
  return offsetGetter.call(bytes) as number;
}

/** Returns `options` or an empty object. @throws ArgumentTypeError */
export function checkOptions<T extends object>(options: T | undefined): Partial<T> {
  if (options === undefined) return {};
  if (typeof options === "object" && options !== null) return options;
  throw new ArgumentTypeError("options", "an object", options);
}

/** Returns `value` if it is one of `allowed`. @throws ArgumentTypeError */
export function checkOneOf<T extends string | boolean>(what: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new ArgumentTypeError(what, allowed.map(String).join(" or "), value);
}

/** Returns `value` if it is a function or undefined. @throws ArgumentTypeError */
export function checkFunction<T>(what: string, value: T): T {
  if (value === undefined || typeof value === "function") return value;
  throw new ArgumentTypeError(what, "a function", value);
}

/** Returns `value` if it is a string that is not empty. @throws ArgumentTypeError */
export function checkString(what: string, value: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new ArgumentTypeError(what, "a string that is not empty", value);
}
