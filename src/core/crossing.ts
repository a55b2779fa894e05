// The two quick ways between JS memory and shared memory. A bulk copy of JS moves whole words there, and only if both ends have
// the same place within a word, else bytes; what these do is a plain memmove.

/** Node's Buffer.prototype.copy, of views and into views of any type. Positions are in bytes. Returns how many it has copied. */
export type BufferCopy = (
  this: ArrayBufferView,
  target: ArrayBufferView,
  targetStart: number,
  sourceStart: number,
  sourceEnd: number,
) => number;

// Taken when this is loaded: what somebody puts in its place later is not called.
const { Buffer } = globalThis as { Buffer?: { prototype?: { copy?: BufferCopy } } };
const found = Buffer?.prototype?.copy;

/**
 * Node's Buffer.copy where it is a memmove, which it is from Node 22 on. Told by a feature, as a measurement of some microseconds
 * would meet it before it is compiled: a memmove puts a byte into the middle of a word. What is made of `set`, in Node 20 and
 * in packages for browsers, refuses that.
 */
export const bufferCopy: BufferCopy | undefined = isMemmove() ? found : undefined;

function isMemmove(): boolean {
  const words = new Int32Array(1);
  try {
    found?.call(Uint8Array.of(1), words, 1, 0, 1);
  } catch {}
  return words[0] === 256;
}

/** Copies `n` bytes within the arena, or between it and a place beside it. */
export interface Copies {
  /** To an address of the arena, from a place. */
  readonly into: (address: number, from: number, n: number) => void;
  /** To a place, from an address of the arena. */
  readonly out: (to: number, address: number, n: number) => void;
}

/** A place which JS can copy to and from quickly, and code in Wasm that copies between it and the arena. */
export interface Crossing extends Copies {
  readonly bytes: Uint8Array;
  /** Where in `bytes` the place is, a multiple of 8, and how many bytes fit, however they lie within a word. */
  readonly at: number;
  readonly most: number;
}

/** Bytes that cross at once. In pieces of so many, which stay in the first cache, 64 KiB take two thirds of the time. */
const MOST = 16384;

/**
 * A module with two memories, which AssemblyScript cannot compile:
 *
 *     (module
 *       (import "" "a" (memory $arena 0 65536 shared))
 *       (import "" "m" (memory $js 1))
 *       (func (export "into") (param i32 i32 i32)
 *         (memory.copy $arena $js (local.get 0) (local.get 1) (local.get 2)))
 *       (func (export "out") (param i32 i32 i32)
 *         (memory.copy $js $arena (local.get 0) (local.get 1) (local.get 2))))
 */
// biome-ignore format: a section of the module a line.
const MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, // the magic, version 1
  1, 7, 1, 96, 3, 127, 127, 127, 0, // type: (i32, i32, i32) -> ()
  2, 16, 2, 0, 1, 97, 2, 3, 0, 128, 128, 4, 0, 1, 109, 2, 0, 1, // imports: memory 0, shared, 0 to 65536 pages; memory 1, from 1 page on
  3, 3, 2, 0, 0, // two functions of that type
  7, 14, 2, 4, 105, 110, 116, 111, 0, 0, 3, 111, 117, 116, 0, 1, // exports: "into", "out"
  10, 27, 2, 12, 0, 32, 0, 32, 1, 32, 2, 252, 10, 0, 1, 11, 12, 0, 32, 0, 32, 1, 32, 2, 252, 10, 1, 0, 11, // code: memory.copy 0 1; memory.copy 1 0
]);

// Of all arenas of a realm: nothing is in that memory between two copies.
let module: WebAssembly.Module | undefined;
let memory: WebAssembly.Memory | undefined;

/**
 * Makes one in a memory that is not shared. Returns undefined where that cannot be: no module may have two memories there, a
 * content security policy refuses, or there is no room. A module as short as this one may be compiled synchronously everywhere.
 */
export function makeCrossing(arena: WebAssembly.Memory): Crossing | undefined {
  try {
    module ??= new WebAssembly.Module(MODULE);
    memory ??= new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(module, { "": { a: arena, m: memory } });
    return { bytes: new Uint8Array(memory.buffer), at: 0, most: MOST, ...(exports as unknown as Copies) };
  } catch {}
}
