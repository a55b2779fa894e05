// What a pipeline is made of, as its user writes it.

import type { AbortSignalLike } from "../abort.js";
import { checkInteger, checkOneOf, checkOptions, type Names } from "../check.js";
import type { Engine } from "../engine.js";
import { ArgumentTypeError } from "../errors.js";
import type { Skb } from "../skb.js";
import { checkSignal, type WaitOptions, type Wakeup } from "../wait.js";

/** Gives packets: a `Ring`, a mesh's `Receiver`, and every receiver of `skbuff/node` and `skbuff/web` does. */
export interface PacketInput {
  /** Takes up to `count` packets out, into `out[0]` and on; owned ones. Returns how many. */
  dequeueBurst(out: (Skb | null | undefined)[], count?: number): number;
  /** Waits until there is a packet, or there will never be one: `ended`. */
  waitAsync(options?: WaitOptions): Promise<Wakeup>;
}

/** Takes packets: a `Ring`, a mesh's `Sender`, and every sender of `skbuff/node` and `skbuff/web` does. */
export interface PacketOutput {
  /** Takes as many as there is room for, and returns how many. The others stay the caller's. */
  enqueueBurst(skbs: (Skb | null | undefined)[], count?: number): number;
  /** Waits until there is room, or there will never be any: `ended`. */
  waitWritableAsync(room?: number, options?: WaitOptions): Promise<Wakeup>;
}

/** Where packets come from: an input, or whatever can be iterated over and gives owned packets. */
export type PipelineSource = PacketInput | AsyncIterable<Skb> | Iterable<Skb>;

/** Where they go: an output, or a function that takes each. */
export type PipelineSink = PacketOutput | ((skb: Skb) => void);

/**
 * What a stage does with a packet, which it takes: returns the one that goes on, mostly the same, or nothing, if it has released,
 * kept or emitted it.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is one
export type StageFunction = (skb: Skb) => Skb | null | undefined | void;

/** A stage that also has something to do at the end. */
export interface StageObject {
  /** What it does with a packet. */
  packet: StageFunction;
  /** Called when no packet comes any more: the last moment to emit what was kept, and to release the rest. */
  end?(): void;
}

/** What a stage is told when it is made, once on each of its threads. */
export interface StageContext<D = unknown> {
  /** This thread's engine. */
  readonly engine: Engine;
  /** What `data` of its part says: a clone of it, where the stage has a thread of its own. */
  readonly data: D;
  /** Which of its threads this is, 0 to `threads` - 1. */
  readonly index: number;
  /** How many there are; 1 in the caller's thread. */
  readonly threads: number;
  /** Sends a packet on that is not the one that was taken; takes it. Only while the stage is called. */
  readonly emit: (skb: Skb) => void;
}

/** Makes a stage: what its module exports as `default`. */
export type MakeStage<D = never> = (
  context: StageContext<D>,
) => StageFunction | StageObject | Promise<StageFunction | StageObject>;

/** What is needed of a `URL`, which is one: so that the types do without those of a platform. */
export interface ModuleAddress {
  /** The whole address. */
  readonly href: string;
}

/** What the module of a part exports. */
export interface PartModule {
  /** What makes the part. */
  default?: unknown;
}

/** A part that is code: a stage, or a source or sink that has a thread of its own. */
export interface PipelinePartOptions {
  /**
   * The module whose `default` export makes it: `new URL("./stage.js", import.meta.url)`. For a source or sink it returns, or
   * resolves to, a `PipelineSource` or `PipelineSink`. Default: none, where `worker` and `load` are given.
   */
  module?: string | ModuleAddress;
  /** Threads that it runs on, 0..64; 0 is the caller's own. All of it runs there where memory is not shared. Default: 1. */
  threads?: number;
  /** Handed to the module, by structured clone where it has a thread of its own. Default: undefined. */
  data?: unknown;
  /**
   * Makes its worker, where a bundler has to see it: `() => new Worker(new URL("./stage.js", import.meta.url), { type:
   * "module" })`. That module calls `stage()`. Default: a worker of the library's that imports `module`.
   */
  worker?: () => unknown;
  /** Imports the module where it runs in the caller's thread: `() => import("./stage.js")`. Default: `import(module)`. */
  load?: () => Promise<PartModule>;
}

/** What a pipeline is made of. */
export interface PipelineOptions {
  /** Where packets come from. Never closed by the pipeline, unless it is a part, which ends with its thread. */
  source: PipelineSource | PipelinePartOptions;
  /** What is done with each packet, one stage after the other. Functions run in the caller's thread. Default: none. */
  stages?: readonly (MakeStage | PipelinePartOptions)[];
  /** Where they go. Never closed by the pipeline, unless it is a part, which ends with its thread. */
  sink: PipelineSink | PipelinePartOptions;
  /** Packets that each ring between two threads holds, 1..2^20. Default: 256. */
  capacity?: number;
  /** How packets are spread over a stage's threads, as in a `Mesh`: `hash` keeps the order of each flow. Default: "hash". */
  spread?: "hash" | "in-turn";
  /** Aborts the pipeline. Default: none. */
  signal?: AbortSignalLike;
}

const PIPELINE_OPTIONS: Names<PipelineOptions> = {
  source: true,
  stages: true,
  sink: true,
  capacity: true,
  spread: true,
  signal: true,
};

const PART_OPTIONS: Names<PipelinePartOptions> = {
  module: true,
  threads: true,
  data: true,
  worker: true,
  load: true,
};

/** What a part that is code is made by: its module's whole URL, unless it brings a function. @internal */
export type Code = Omit<PipelinePartOptions, "module"> & { readonly module: string | null };

/** A part, and what it is called. @internal */
export interface Part {
  readonly name: string;
  readonly kind: "source" | "stage" | "sink";
  /** 0: in the caller's thread. */
  readonly threads: number;
  /** A part that is code, or the thing itself. */
  readonly code: Code | null;
  readonly own: PipelineSource | PipelineSink | MakeStage | null;
}

/** @internal */
export interface Plan {
  readonly parts: readonly Part[];
  readonly capacity: number;
  readonly spread: "hash" | "in-turn";
  readonly signal: AbortSignalLike | undefined;
}

/** Packets of a ring, if nobody says. */
const CAPACITY = 256;

/** @throws ArgumentTypeError, ArgumentRangeError @internal */
export function checkPlan(options: PipelineOptions, shared: boolean): Plan {
  const given = checkOptions(options, PIPELINE_OPTIONS);
  const { stages = [], capacity = CAPACITY, spread = "hash", signal } = given;
  if (!Array.isArray(stages)) throw new ArgumentTypeError("stages", "an array", stages);
  checkInteger("capacity", capacity, 1, 2 ** 20);
  checkOneOf("spread", spread, ["hash", "in-turn"]);
  checkSignal(signal);
  const parts = [
    partOf("source", "source", given.source, shared, 1),
    ...stages.map((stage, i) => partOf("stage", `stage ${i}`, stage, shared, 64)),
    partOf("sink", "sink", given.sink, shared, 1),
  ];
  return { parts, capacity, spread, signal };
}

function partOf(
  kind: Part["kind"],
  name: string,
  given: PipelineOptions["source"] | PipelineOptions["sink"] | MakeStage | undefined,
  shared: boolean,
  most: number,
): Part {
  if (isCode(given)) {
    const code = checkOptions(given as PipelinePartOptions, PART_OPTIONS) as PipelinePartOptions;
    for (const what of ["worker", "load"] as const)
      if (code[what] !== undefined && typeof code[what] !== "function")
        throw new ArgumentTypeError(`${name}: ${what}`, "a function", code[what]);
    const threads = checkInteger(`${name}: threads`, code.threads ?? 1, 0, most);
    const here = !shared || threads === 0;
    const own = here ? code.load : code.worker;
    const module = own === undefined ? urlOf(name, code.module) : null;
    return { name, kind, threads: here ? 0 : threads, code: { ...code, module }, own: null };
  }
  const wanted = checkOwn(kind, given);
  if (wanted !== null) throw new ArgumentTypeError(name, `${wanted}, or { module }`, given);
  return { name, kind, threads: 0, code: null, own: given as NonNullable<Part["own"]> };
}

function isCode(given: unknown): boolean {
  return (
    typeof given === "object" && given !== null && ("module" in given || "worker" in given || "load" in given)
  );
}

/** Absolute, since a worker of the library's would look beside itself. */
function urlOf(name: string, module: PipelinePartOptions["module"]): string {
  if (typeof module === "object" && typeof module?.href === "string") return module.href;
  const { location } = globalThis as { location?: { href: string } };
  try {
    if (typeof module === "string") return new URL(module, location?.href).href;
  } catch {
    // Neither whole, nor beside a page.
  }
  throw new ArgumentTypeError(`${name}: module`, 'a URL: new URL("./stage.js", import.meta.url)', module);
}

/** What was expected, if `given` is not that. */
function checkOwn(kind: Part["kind"], given: unknown): string | null {
  if (kind === "stage") return typeof given === "function" ? null : "a function that makes a stage";
  if (kind === "source") return isInput(given) || isIterable(given) ? null : "a receiver or an iterable";
  return isOutput(given) || typeof given === "function" ? null : "a sender or a function";
}

/** @internal */
export function isInput(given: unknown): given is PacketInput {
  const { dequeueBurst, waitAsync } = (given ?? {}) as Partial<PacketInput>;
  return typeof dequeueBurst === "function" && typeof waitAsync === "function";
}

/** @internal */
export function isOutput(given: unknown): given is PacketOutput {
  const { enqueueBurst, waitWritableAsync } = (given ?? {}) as Partial<PacketOutput>;
  return typeof enqueueBurst === "function" && typeof waitWritableAsync === "function";
}

/** @internal */
export function isIterable(given: unknown): given is AsyncIterable<Skb> | Iterable<Skb> {
  if (typeof given !== "object" || given === null) return false;
  const { [Symbol.asyncIterator]: some, [Symbol.iterator]: others } = given as Partial<
    AsyncIterable<Skb> & Iterable<Skb>
  >;
  return typeof some === "function" || typeof others === "function";
}
