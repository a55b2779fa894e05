// The core in JS: for threads that have imported it.

import { allocate, bufferOf, type Core, type Loaded, provide, wasmMemory } from "./load.js";

/** What the build makes of the core for JS. */
export type MakeJs = () => Core & { bind(buffer: ArrayBufferLike): void };

/** Has engines of this realm use the JS core, if they are asked to or cannot use Wasm. */
export function provideJs(make: MakeJs): void {
  const join = (memory: WebAssembly.Memory | ArrayBufferLike, shared: boolean): Loaded => {
    const { bind, ...core } = make();
    const buffer = bufferOf(memory);
    bind(buffer);
    return { core, memory, module: undefined, buffer, kind: "js", shared };
  };
  const memoryOf = (shared: boolean, bytes: number): WebAssembly.Memory | ArrayBufferLike =>
    shared ? sharedMemory(bytes) : new ArrayBuffer(bytes);
  provide({
    join,
    load: (shared, bytes) =>
      join(
        allocate(bytes, () => memoryOf(shared, bytes)),
        shared,
      ),
  });
}

/** A WebAssembly.Memory where there can be one, so that threads with a Wasm core can attach to it. */
function sharedMemory(bytes: number): WebAssembly.Memory | SharedArrayBuffer {
  if (typeof WebAssembly === "undefined") return new SharedArrayBuffer(bytes);
  try {
    return wasmMemory(true, bytes);
  } catch {
    // It takes many times its size of address space, which may be short.
    return new SharedArrayBuffer(bytes);
  }
}
