// Finds the core that serves: Wasm, over shared or unshared memory, or the same source in JS.

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
const SHORT = "too little";

/** Flags of a memory that has a maximum and is not shared; see scripts/wasm.mjs. */
const UNSHARED = 1;

// Compiled once in each realm, however many engines are made of it.
const modules = new Map<boolean, Promise<WebAssembly.Module>>();

/** The module, deflated and in base64, and where its memory's flags are; there once "skbuff" was imported. */
let wasm: { readonly deflated: string; readonly memoryFlags: number } | undefined;

/** Has engines of this realm use the core in Wasm. */
export function provideWasm(deflated: string, memoryFlags: number): void {
  wasm = { deflated, memoryFlags };
}

/** Makes engines with the JS core. */
export interface JsCore {
  /** On a memory of its own. */
  load(shared: boolean, bytes: number): Loaded;
  /** On that of another thread, or one that Wasm was to have. */
  join(memory: WebAssembly.Memory | ArrayBufferLike, shared: boolean): Loaded;
}

/** There once "skbuff/js" was imported. */
let js: JsCore | undefined;

/** Has engines of this realm use the JS core, if they are asked to or cannot use Wasm. */
export function provide(core: JsCore): void {
  js = core;
}

/** @throws UnsupportedError */
function jsCore(): JsCore {
  if (js !== undefined) return js;
  throw new UnsupportedError("core", 'import "skbuff/js" on this thread', '"js" without it');
}

/**
 * Undoes the deflation of the build. Not by way of a Response, though that is shorter: Node's compiles a Wasm module of its own
 * for it, and the process ends where that is refused.
 */
async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const zlib = zlibOfNode();
  return zlib === undefined ? inflateByStream(bytes) : new Uint8Array(zlib.inflateSync(bytes));
}

/** What is needed of node:zlib. */
interface Zlib {
  inflateSync(bytes: Uint8Array): Uint8Array;
}

/** Node's zlib, where it can be had without an import, which bundlers would follow. A stream makes the process 5 MiB larger, for good. */
function zlibOfNode(): Zlib | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } };
  return process?.getBuiltinModule?.("node:zlib") as Zlib | undefined;
}

async function inflateByStream(deflated: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const { readable, writable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  const written = writer.write(deflated);
  const [chunks] = await Promise.all([chunksOf(readable), written, writer.close()]);
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** By a reader: not every browser can iterate a stream. */
async function chunksOf(readable: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
  const reader = readable.getReader();
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

async function compile(shared: boolean): Promise<WebAssembly.Module> {
  if (wasm === undefined)
    throw new UnsupportedError("core", 'import "skbuff" on this thread', '"wasm" without it');
  const { deflated, memoryFlags } = wasm;
  return allowed(async () => {
    const bytes = await inflate(deflated);
    if (!shared) bytes[memoryFlags] = UNSHARED;
    return WebAssembly.compile(bytes);
  });
}

function compiled(shared: boolean): Promise<WebAssembly.Module> {
  const known = modules.get(shared);
  if (known !== undefined) return known;
  const module = compile(shared);
  modules.set(shared, module);
  // What failed may not fail again.
  module.catch(() => modules.delete(shared));
  return module;
}

/** What memory may be too short for, and a content security policy refuse: compiling in Chromium and Firefox, instantiating in WebKit. */
async function allowed<T>(make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    if (isShort(cause)) throw new UnsupportedError("memory", "enough for WebAssembly", SHORT, { cause });
    const wanted = "permission to use WebAssembly (in a content security policy, 'wasm-unsafe-eval')";
    throw new UnsupportedError("core", wanted, "a refusal", { cause });
  }
}

/** Whether an error says that memory, or room for it, has run out: as a RangeError in V8 and WebKit, else in words. */
function isShort(error: unknown): boolean {
  return error instanceof RangeError || /memory/i.test(String((error as Error | null)?.message));
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
  if (kind === "js" || (kind === "auto" && js !== undefined && !wasmExists()))
    return jsCore().load(share, bytes);
  if (!wasmExists())
    throw new UnsupportedError("core", "WebAssembly and DecompressionStream to exist", WITHOUT);
  let memory: WebAssembly.Memory | undefined;
  try {
    memory = allocate(bytes, () => wasmMemory(share, bytes));
    return await onWasm(await compiled(share), memory, share);
  } catch (error) {
    if (kind === "wasm" || js === undefined) throw error;
    return memory === undefined ? js.load(share, bytes) : js.join(memory, share);
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

/** A core of a kind on a memory that another thread has made. Compiles only if no module came with it. */
export async function join(
  kind: "wasm" | "js",
  memory: WebAssembly.Memory | ArrayBufferLike,
  module: WebAssembly.Module | undefined,
): Promise<Loaded> {
  if (kind === "js") return jsCore().join(memory, true);
  if (typeof WebAssembly === "undefined" || !(memory instanceof WebAssembly.Memory)) {
    throw new UnsupportedError("core", "WebAssembly, and memory of it, on both threads", WITHOUT);
  }
  return onWasm(module ?? (await compiled(true)), memory, true);
}

/** The buffer of a memory. */
export function bufferOf(memory: WebAssembly.Memory | ArrayBufferLike): ArrayBufferLike {
  return typeof WebAssembly !== "undefined" && memory instanceof WebAssembly.Memory
    ? memory.buffer
    : (memory as ArrayBufferLike);
}

/** A memory of `bytes`, a multiple of WASM_PAGE_BYTES, that stays as long. */
export function wasmMemory(shared: boolean, bytes: number): WebAssembly.Memory {
  const pages = bytes / WASM_PAGE_BYTES;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
}

/** Makes memory. @throws UnsupportedError */
export function allocate<T>(bytes: number, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new UnsupportedError("memory", `${bytes} bytes, and room for them in the address space`, SHORT, {
      cause,
    });
  }
}
