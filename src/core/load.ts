// Finds the core that serves: Wasm, over shared or unshared memory, or the same source in JS.

// Not imported when needed but at once, so that a bundler has nothing to split off: what it makes for a worker often must
// be one file.
import { deflated, memoryFlags } from "../../build/wasm.js";
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

const WITHOUT = "an environment without it";

/** Flags of a memory that has a maximum and is not shared; see scripts/wasm.mjs. */
const UNSHARED = 1;

// Compiled once in each realm, however many engines are made of it.
const modules = new Map<boolean, Promise<WebAssembly.Module>>();

/** Makes the JS core; there once "skbuff/js" was imported. */
let makeJs: MakeJs | undefined;

/** What the build makes of the core for JS. */
export type MakeJs = () => Core & { bind(buffer: ArrayBufferLike): void };

/** Has engines of this realm use the JS core, if they are asked to or cannot use Wasm. */
export function provideJs(make: MakeJs): void {
  makeJs = make;
}

async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes travel inside the JS, where no bundler or server can lose them. */
async function compile(shared: boolean): Promise<WebAssembly.Module> {
  const bytes = await inflate(deflated);
  if (!shared) bytes[memoryFlags] = UNSHARED;
  return allowed(() => WebAssembly.compile(bytes));
}

function compiled(shared: boolean): Promise<WebAssembly.Module> {
  let module = modules.get(shared);
  if (module === undefined) {
    module = compile(shared);
    modules.set(shared, module);
  }
  return module;
}

/** What a content security policy may refuse: compiling in Chromium and Firefox, instantiating in WebKit. */
async function allowed<T>(make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    const wanted = "leave to use WebAssembly (in a content security policy, 'wasm-unsafe-eval')";
    throw new UnsupportedError("core", wanted, "a refusal", { cause });
  }
}

function wasmExists(): boolean {
  return typeof WebAssembly !== "undefined" && typeof DecompressionStream !== "undefined";
}

/** Makes a memory of `bytes` (a multiple of WASM_PAGE_BYTES) and a core on it. @throws UnsupportedError */
export async function load(
  kind: "auto" | "wasm" | "js",
  shared: "auto" | boolean,
  bytes: number,
): Promise<Loaded> {
  if (shared === true && !sharedMemoryExists()) throw new UnsupportedError("shared", ISOLATION, WITHOUT);
  const share = shared === "auto" ? sharedMemoryExists() : shared;
  if (kind === "js" || (kind === "auto" && makeJs !== undefined && !wasmExists()))
    return loadJs(share, bytes);
  if (!wasmExists())
    throw new UnsupportedError("core", "WebAssembly and DecompressionStream to exist", WITHOUT);
  const memory = allocate(bytes, () => wasmMemory(share, bytes));
  try {
    return await onWasm(await compiled(share), memory, share);
  } catch (error) {
    if (kind === "wasm" || makeJs === undefined) throw error;
    return onJs(memory, share);
  }
}

async function onWasm(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  shared: boolean,
): Promise<Loaded> {
  const { exports } = await allowed(() => WebAssembly.instantiate(module, { env: { memory } }));
  return { core: exports as unknown as Core, memory, module, buffer: memory.buffer, kind: "wasm", shared };
}

function loadJs(shared: boolean, bytes: number): Loaded {
  // Shared memory is a WebAssembly.Memory where that exists, so that threads with a Wasm core can attach to it.
  const memory = allocate(bytes, () => {
    if (!shared) return new ArrayBuffer(bytes);
    return typeof WebAssembly === "undefined" ? new SharedArrayBuffer(bytes) : wasmMemory(true, bytes);
  });
  return onJs(memory, shared);
}

function onJs(memory: WebAssembly.Memory | ArrayBufferLike, shared: boolean): Loaded {
  if (makeJs === undefined)
    throw new UnsupportedError("core", 'import "skbuff/js" on this thread', '"js" without it');
  const { bind, ...core } = makeJs();
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
    throw new UnsupportedError("core", "WebAssembly to exist on both threads", WITHOUT);
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
