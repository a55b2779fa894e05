// Finds the core that serves: Wasm over shared memory, Wasm over unshared memory, or the same source in JS.

import { UnsupportedError } from "../errors.js";
import { ISOLATION, sharedMemoryExists } from "./isolation.js";

/** What the core offers, whichever build it is. In the Wasm builds a u32 comes back as a signed number. */
export type Core = typeof import("../../assembly/index");

/** A core and the memory it works on. */
export interface Loaded {
  readonly core: Core;
  /** What another thread needs of it; a SharedArrayBuffer where there is no WebAssembly. */
  readonly memory: WebAssembly.Memory | ArrayBufferLike;
  readonly module: WebAssembly.Module | undefined;
  readonly buffer: ArrayBufferLike;
  readonly kind: "wasm" | "js";
  readonly shared: boolean;
}

/** A WebAssembly page, the unit of a memory's size. */
export const WASM_PAGE_BYTES = 65536;

// Compiled once in each realm, however many engines are made of it.
const modules = new Map<boolean, Promise<WebAssembly.Module>>();

async function compile(shared: boolean): Promise<WebAssembly.Module> {
  // The bytes travel inside the JS, where no bundler or content policy can lose them.
  const { default: base64 } = shared
    ? await import("../../build/wasm-shared.js")
    : await import("../../build/wasm-unshared.js");
  return WebAssembly.compile(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
}

function compiled(shared: boolean): Promise<WebAssembly.Module> {
  let module = modules.get(shared);
  if (module === undefined) {
    module = compile(shared);
    modules.set(shared, module);
  }
  return module;
}

/** Makes a memory of `bytes` (a multiple of WASM_PAGE_BYTES) and a core on it. @throws UnsupportedError */
export async function load(
  kind: "auto" | "wasm" | "js",
  shared: "auto" | boolean,
  bytes: number,
): Promise<Loaded> {
  if (shared === true && !sharedMemoryExists()) {
    throw new UnsupportedError("shared", ISOLATION, "an environment without it");
  }
  const share = shared === "auto" ? sharedMemoryExists() : shared;
  if (kind === "wasm" && typeof WebAssembly === "undefined") {
    throw new UnsupportedError("core", "WebAssembly to exist", "an environment without it");
  }
  if (kind === "js" || typeof WebAssembly === "undefined") return loadJs(share, bytes);
  return loadWasm(share, bytes);
}

async function loadWasm(shared: boolean, bytes: number): Promise<Loaded> {
  const module = await compiled(shared);
  return onWasm(
    module,
    allocate(bytes, () => wasmMemory(shared, bytes)),
    shared,
  );
}

async function onWasm(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  shared: boolean,
): Promise<Loaded> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return { core: exports as unknown as Core, memory, module, buffer: memory.buffer, kind: "wasm", shared };
}

async function loadJs(shared: boolean, bytes: number): Promise<Loaded> {
  // Shared memory is a WebAssembly.Memory where that exists, so that threads with a Wasm core can attach to it.
  const memory = allocate(bytes, () => {
    if (!shared) return new ArrayBuffer(bytes);
    return typeof WebAssembly === "undefined" ? new SharedArrayBuffer(bytes) : wasmMemory(true, bytes);
  });
  return onJs(memory, shared);
}

async function onJs(memory: WebAssembly.Memory | ArrayBufferLike, shared: boolean): Promise<Loaded> {
  const { default: instantiate } = await import("../../build/core-js.js");
  const { bind, ...core } = instantiate();
  const buffer = bufferOf(memory);
  bind(buffer);
  return { core, memory, module: undefined, buffer, kind: "js", shared };
}

/** A core of a kind on a memory that another thread has made. Compiles only if no module came with it. */
export async function join(
  kind: "wasm" | "js",
  memory: WebAssembly.Memory | ArrayBufferLike,
  module: WebAssembly.Module | undefined,
): Promise<Loaded> {
  if (kind === "js") return onJs(memory, true);
  if (typeof WebAssembly === "undefined" || !(memory instanceof WebAssembly.Memory)) {
    throw new UnsupportedError("core", "WebAssembly to exist on both threads", "an environment without it");
  }
  return onWasm(module ?? (await compiled(true)), memory, true);
}

function bufferOf(memory: WebAssembly.Memory | ArrayBufferLike): ArrayBufferLike {
  return typeof WebAssembly !== "undefined" && memory instanceof WebAssembly.Memory
    ? memory.buffer
    : (memory as ArrayBufferLike);
}

function wasmMemory(shared: boolean, bytes: number): WebAssembly.Memory {
  const pages = bytes / WASM_PAGE_BYTES;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
}

function allocate<T>(bytes: number, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new UnsupportedError("memory", `${bytes} bytes of address space`, "a refusal", { cause });
  }
}
