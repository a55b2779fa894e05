// Arguments: what is checked before anything reaches the core, which trusts that numbers are u32.

import { MAX_LINEAR } from "../assembly/layout.js";
import { ArgumentRangeError, ArgumentTypeError } from "./errors.js";
import type { AllocBurstOptions, AllocOptions } from "./options.js";
import type { DequeueOptions } from "./ring.js";

/** The largest u32. */
export const U32_MOST = 0xffffffff;

/** Returns `value` if it is an integer in `min..most`. @throws ArgumentRangeError, ArgumentTypeError */
export function checkInteger(what: string, value: number | undefined, min: number, most: number): number {
  if (typeof value === "number" && value >= min && value <= most && Number.isInteger(value)) return value;
  throw integerError(what, value, min, most);
}

function integerError(what: string, value: unknown, min: number, most: number): Error {
  const wanted = `${min}..${most}`;
  if (typeof value !== "number") return new ArgumentTypeError(what, `an integer, ${wanted}`, value);
  return new ArgumentRangeError(what, Number.isInteger(value) ? wanted : `an integer, ${wanted}`, value);
}

/** Returns `littleEndian` if it is a boolean. @throws ArgumentTypeError */
export function checkOrder(littleEndian: boolean): boolean {
  return checkBoolean("littleEndian", littleEndian);
}

/** Returns `value` if it is a boolean. @throws ArgumentTypeError */
export function checkBoolean(what: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw new ArgumentTypeError(what, "true or false", value);
}

/** Returns `value` if it is a 64-bit BigInt, not negative. @throws ArgumentRangeError, ArgumentTypeError */
export function checkU64(what: string, value: bigint): bigint {
  if (typeof value !== "bigint") throw new ArgumentTypeError(what, "a bigint", value);
  if (value === BigInt.asUintN(64, value)) return value;
  throw new ArgumentRangeError(what, `0n..${BigInt.asUintN(64, -1n)}n`, value);
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

/** Whether a value really is a Uint8Array, of whatever realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return tagOf.call(value) === "Uint8Array";
}

/** Returns the length of `bytes` if it is a Uint8Array. @throws ArgumentTypeError */
export function checkBytes(what: string, bytes: Uint8Array): number {
  if (isBytes(bytes)) return lengthOf.call(bytes) as number;
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

/** The names of all options of a kind: the compiler refuses one that is missing here, or that there is not. */
export type Names<T> = { readonly [K in keyof T]-?: true };

/** Returns `options` or an empty object. An option that is not among `names` is refused. @throws ArgumentTypeError */
export function checkOptions<T extends object>(options: T | undefined, names: Names<T>): Partial<T> {
  const given = objectOf(options);
  for (const name in given) if (names[name] !== true) throw unknownOption(name, names);
  return given;
}

function objectOf<T extends object>(options: T | undefined): Partial<T> {
  if (options === undefined) return {};
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return options;
  throw new ArgumentTypeError("options", "an object", options);
}

/** The same for options among which are somebody else's: refused is what is none, but nearly one. @throws ArgumentTypeError */
export function checkSomeOptions<T extends object>(options: T | undefined, names: Names<T>): Partial<T> {
  const given = objectOf(options);
  for (const name in given)
    if (names[name] !== true && nearest(name, names).length > 0) throw unknownOption(name, names);
  return given;
}

/** Letters that may be wrong in what was meant: two, as if two of them have changed places. */
const TYPOS_MOST = 2;

/** The names that somebody may have meant who wrote `name`. */
function nearest(name: string, names: object): string[] {
  return Object.keys(names).filter((other) => isNear(name.toLowerCase(), other.toLowerCase(), TYPOS_MOST));
}

const HEADROOM: Names<AllocOptions> = { headroom: true };
const REUSE: Names<DequeueOptions> = { reuse: true };
const BURST: Names<AllocBurstOptions> = { ...HEADROOM, ...REUSE };

/** Returns the headroom that `options` ask for, 0 if they do not. @throws ArgumentTypeError, ArgumentRangeError */
export function checkHeadroom(options: AllocOptions | undefined): number {
  return checkInteger("headroom", checkOptions(options, HEADROOM).headroom ?? 0, 0, MAX_LINEAR);
}

/** Calls of `checkAlloc` between looks at all names, a power of two. To look takes 4 to 8 ns, a quarter of an `alloc`. */
const LOOK_EVERY = 16;
let calls = -1;

/**
 * The same for every packet. Names are looked at where the known one is missing, and else in one call of 16: so one that is
 * misspelt beside it is found as well, if not at once.
 *
 * @throws ArgumentTypeError, ArgumentRangeError
 */
export function checkAlloc(options: AllocOptions | undefined): number {
  if (options === undefined) return 0;
  calls = (calls + 1) & (LOOK_EVERY - 1);
  const headroom = calls === 0 ? undefined : options?.headroom;
  return headroom === undefined ? checkHeadroom(options) : checkInteger("headroom", headroom, 0, MAX_LINEAR);
}

/** Whether `options` ask to use `Skb` objects again. @throws ArgumentTypeError */
export function checkReuse(options: DequeueOptions | undefined): boolean {
  return options === undefined ? false : checkBoolean("reuse", checkOptions(options, REUSE).reuse ?? false);
}

/** Returns what `options` of a burst ask for. @throws ArgumentTypeError, ArgumentRangeError */
export function checkBurst(options: AllocBurstOptions | undefined): {
  headroom: number;
  reuse: boolean;
} {
  const { headroom = 0, reuse = false } = checkOptions(options, BURST);
  return { headroom: checkInteger("headroom", headroom, 0, MAX_LINEAR), reuse: checkBoolean("reuse", reuse) };
}

/** Says which option was meant, if one is near; else which there are. */
function unknownOption(name: string, names: object): Error {
  const known = Object.keys(names);
  const near = nearest(name, names);
  return new ArgumentTypeError("options", (near.length > 0 ? near : known).join(" or "), name);
}

/** Whether no more than `typos` letters must be changed, added or left out to make `b` of `a`. */
function isNear(a: string, b: string, typos: number): boolean {
  if (typos < 0) return false;
  if (a === "" || b === "") return a.length + b.length <= typos;
  const [restA, restB] = [a.slice(1), b.slice(1)];
  return a[0] === b[0]
    ? isNear(restA, restB, typos)
    : isNear(restA, restB, typos - 1) || isNear(a, restB, typos - 1) || isNear(restA, b, typos - 1);
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
export function checkString(what: string, value: string | undefined): string {
  if (typeof value === "string" && value !== "") return value;
  throw new ArgumentTypeError(what, "a string that is not empty", value);
}
