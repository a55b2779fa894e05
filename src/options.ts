// What engines, packets and departures are made with: the options of `Engine`, and their checks.

import type { AbortSignalLike } from "./abort.js";
import { checkBoolean, checkFunction, checkOneOf, checkOptions, type Names } from "./check.js";
import { ArgumentTypeError } from "./errors.js";
import type { Debugging, Leak, Tracker } from "./tracker.js";

/** What an engine is made with. */
export interface EngineOptions {
  /** Bytes of the arena, 256 KiB to 4 GiB, rounded up to 64 KiB. Never grows. Default: 64 MiB. */
  memory?: number;
  /**
   * `wasm`, or `js`, the same engine in JS, for which this thread must have imported "skbuff/js"; `auto` takes Wasm, or JS if
   * that was imported and WebAssembly is missing, refused or gets no memory. Default: `auto`.
   */
  core?: "auto" | "wasm" | "js";
  /** Whether the arena can be shared with other threads; `auto` shares where that is possible. Default: `auto`. */
  shared?: "auto" | boolean;
  /** Packets that can exist at a time, 1..2^20, rounded up to a power of two. Default: one for each 2 KiB of memory. */
  skbs?: number;
  /** ubufs that can exist at a time, 1..65536, rounded up to a power of two. Default: one for each 16 KiB of memory. */
  ubufs?: number;
  /**
   * Threads that the arena is laid out for, 1..64; each takes 32 KiB of it. Default: 16, fewer in less than 4 MiB, so
   * that they take no more than an eighth.
   */
  threads?: number;
  /** Rings that can exist at a time, those of meshes included, 0..4096; each takes 256 bytes of the arena. Default: 64. */
  rings?: number;
  /** Objects in half a magazine, 1..255: what a thread may keep to itself. Default: chosen by the size of the arena. */
  magazine?: number;
  /**
   * Touches all of the arena at once, so that no packet waits until the system gives memory for it: `create` takes some 2 s
   * for each GiB more, and all of the arena is the process's from the start. Default: false.
   */
  prefault?: boolean;
  /**
   * `debug` of "skbuff/inspect" itself: records where each packet was allocated and let go, for errors and leak reports.
   * Slow. Default: false.
   */
  debug?: false | Debugging;
  /** With `debug`, told of each `Skb` that was garbage-collected unreleased. Default: prints a warning. */
  onLeak?: (leak: Leak) => void;
  /** Told what a completion callback threw. Default: it is thrown on the event loop's next turn. */
  onError?: (error: unknown) => void;
}

const ENGINE_OPTIONS: Names<EngineOptions> = {
  memory: true,
  core: true,
  shared: true,
  skbs: true,
  ubufs: true,
  threads: true,
  rings: true,
  magazine: true,
  prefault: true,
  debug: true,
  onLeak: true,
  onError: true,
};

/** Settings of one thread's way into an engine. */
export interface AttachOptions extends Pick<EngineOptions, "debug" | "onLeak" | "onError"> {
  /**
   * The core of this thread, whatever the others have. Default: the one of the thread that shared it. `js` needs
   * `import "skbuff/js"` on this thread.
   */
  core?: "wasm" | "js";
}

const ATTACH_OPTIONS: Names<AttachOptions> = { core: true, debug: true, onLeak: true, onError: true };

/** How a thread leaves. */
export interface DetachOptions {
  /** What to do about ubufs that packets still carry: `refuse` to detach, or `wait` for them. Default: `refuse`. */
  completions?: "refuse" | "wait";
  /** Milliseconds to wait for them at most. Default: no limit. */
  timeout?: number;
  /** Ends the wait when it is aborted: `detachAsync` rejects with its reason, and the thread stays attached. Default: none. */
  signal?: AbortSignalLike;
}

/** How a packet is made. */
export interface AllocOptions {
  /** Bytes in front of the packet for headers to come, 0..131072. Default: 0. */
  headroom?: number;
}

/** How many packets at a time are made. */
export interface AllocBurstOptions extends AllocOptions {
  /**
   * Takes the `Skb` objects in `out` that have ended for the new packets, instead of making new ones: saves half of
   * the time. Only for an array that is the one place where they are: whoever else kept such an object would find it
   * alive again. Default: false.
   */
  reuse?: boolean;
}

const CLOSE_OPTIONS: Names<{ force?: boolean }> = { force: true };

/** Returns the options of `Engine.create`, all but the sizes checked. @throws ArgumentTypeError */
export function checkCreate(options: EngineOptions | undefined) {
  const given = checkOptions(options, ENGINE_OPTIONS);
  const { core = "auto", shared = "auto", prefault = false } = given;
  checkOneOf("core", core, ["auto", "wasm", "js"]);
  checkOneOf("shared", shared, ["auto", true, false]);
  checkBoolean("prefault", prefault);
  checkTold(given);
  return { ...given, core, shared, prefault };
}

/** Returns the options of `Engine.attach`. @throws ArgumentTypeError */
export function checkAttach(options: AttachOptions | undefined): Partial<AttachOptions> {
  const given = checkOptions(options, ATTACH_OPTIONS);
  if (given.core !== undefined) checkOneOf("core", given.core, ["wasm", "js"]);
  checkTold(given);
  return given;
}

/** Whether `engine.close` is to close regardless. @throws ArgumentTypeError */
export function checkClose(options: { force?: boolean } | undefined): boolean {
  return checkBoolean("force", checkOptions(options, CLOSE_OPTIONS).force ?? false);
}

function checkTold({ debug, onLeak, onError }: Pick<EngineOptions, "debug" | "onLeak" | "onError">): void {
  if (debug !== undefined && debug !== false && typeof debug !== "function") throw debugError(debug);
  checkFunction("onLeak", onLeak);
  checkFunction("onError", onError);
}

/** What records where packets come from; null without `debug`. @throws ArgumentTypeError */
export function trackerOf(debug: EngineOptions["debug"], onLeak: (leak: Leak) => void): Tracker | null {
  if (typeof debug !== "function") return null;
  const tracker = debug(onLeak) as Tracker | undefined;
  if (typeof tracker?.revived !== "function") throw debugError(debug);
  return tracker;
}

function debugError(got: unknown): Error {
  return new ArgumentTypeError("debug", 'false or `debug`, imported from "skbuff/inspect"', got);
}

/** What is told of a leak if nobody else is. */
export function warn(leak: Leak): void {
  console.warn(`skbuff: an Skb was garbage-collected unreleased; allocated ${leak.allocatedAt}`);
}
