// Finds the core that serves: Wasm over shared memory, Wasm over unshared memory, or the same source in JS.

import { UnsupportedError } from "../errors.js";

/** What the core offers, whichever build it is. In the Wasm builds a u32 comes back as a signed number. */
export type Core = typeof import("../../assembly/index");

/** A core and the memory it works on. */
export interface Loaded {
  readonly core: Core;
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
  if (shared === true && typeof SharedArrayBuffer === "undefined") {
    throw new UnsupportedError("shared", "SharedArrayBuffer to exist", "an environment without it");
  }
  const share = shared === "auto" ? typeof SharedArrayBuffer !== "undefined" : shared;
  if (kind === "wasm" && typeof WebAssembly === "undefined") {
    throw new UnsupportedError("core", "WebAssembly to exist", "an environment without it");
  }
  if (kind === "js" || typeof WebAssembly === "undefined") return loadJs(share, bytes);
  return loadWasm(share, bytes);
}

async function loadWasm(shared: boolean, bytes: number): Promise<Loaded> {
  const module = await compiled(shared);
  const pages = bytes / WASM_PAGE_BYTES;
  const memory = allocate(bytes, () => new WebAssembly.Memory({ initial: pages, maximum: pages, shared }));
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return { core: exports as unknown as Core, buffer: memory.buffer, kind: "wasm", shared };
}

async function loadJs(shared: boolean, bytes: number): Promise<Loaded> {
  const { default: instantiate } = await import("../../build/core-js.js");
  const { bind, ...core } = instantiate();
  const buffer = allocate(bytes, () => (shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)));
  bind(buffer);
  return { core, buffer, kind: "js", shared };
}

function allocate<T>(bytes: number, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new UnsupportedError("memory", `${bytes} bytes of address space`, "a refusal", { cause });
  }
}
