// What the page and its threads tell each other.

import type { EngineToken, MeshToken } from "skbuff";
import type { PageMap } from "skbuff/inspect";

/** Packets of a capture: the file's bytes, and where in them the packets lie. */
export interface Records {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
}

/** What the user chose. */
export interface Settings {
  /** Bytes of a packet; not of those of a capture. */
  readonly size: number;
  readonly workers: number;
  /** Whether each packet goes through all workers or through one of them. */
  readonly arrangement: "row" | "side";
  readonly mode: "lend" | "copy" | "post";
  readonly core: "wasm" | "js";
  /** What to do with a packet that a ring has no room for. */
  readonly full: "wait" | "drop";
  /** Whether the workers clone each packet, as a tap would. */
  readonly tap: boolean;
  readonly capture: Records | null;
}

/** How much of everything there is, so that it fits. */
export interface Plan {
  /** Bytes of the arena. */
  readonly memory: number;
  /** Lent buffers, or messages in flight. */
  readonly window: number;
  /** Bytes from one lent buffer to the next. */
  readonly stride: number;
  /** Of each ring. */
  readonly capacity: number;
  readonly burst: number;
}

const PAGE = 4096;
const ARENA = 4 * 1024 * 1024;
const IN_FLIGHT = 2 * 1024 * 1024;

export function planOf({ size, workers, arrangement, mode, tap, capture }: Settings): Plan {
  const longest = capture === null ? size : capture.lengths.reduce((most, n) => Math.max(most, n), 1);
  const stride = Math.ceil(longest / PAGE) * PAGE;
  const window = Math.max(8, Math.min(512, Math.floor(IN_FLIGHT / stride)));
  const rings = arrangement === "row" ? workers + 1 : workers * 2;
  const capacity = Math.max(4, 2 ** Math.floor(Math.log2(window / rings)));
  const lent = mode === "lend" && capture !== null ? capture.bytes.length : 0;
  // What a tap clones is copied first, if it is lent.
  const tapped = mode === "lend" && tap ? ARENA : 0;
  return { memory: ARENA + lent + tapped, window, stride, capacity, burst: Math.min(capacity / 2, 32) };
}

/** One thread's place between two meshes. */
export interface Job {
  readonly role: "source" | "worker" | "sink";
  readonly settings: Settings;
  readonly plan: Plan;
  /** Milliseconds since 1970 when the run began: stamps count from here. */
  readonly epoch: number;
}

export interface ThreadJob extends Job {
  /** Of the worker among the workers. */
  readonly place: number;
  readonly kind: "thread";
  readonly engine: EngineToken;
  /** Where packets come from, and as which receiver. */
  readonly from: { readonly mesh: MeshToken; readonly place: number } | null;
  readonly to: { readonly mesh: MeshToken; readonly place: number } | null;
  /** Its word becomes 1 when the source is to stop. */
  readonly control: Int32Array;
}

export interface SoloJob extends Omit<Job, "role"> {
  readonly kind: "solo";
}

export interface PostJob extends Job {
  readonly kind: "post";
  /** How many send to it. */
  readonly senders: number;
}

/** What the page tells a thread while it runs; one that blocks hears nothing. */
export type Command = { readonly kind: "stop" | "leak" | "mend" | "close" };

/** What a thread has done since it began. */
export interface Report {
  readonly kind: "report";
  /** Of the worker among the workers; 0 for source and sink. */
  readonly role: "source" | "worker" | "sink";
  readonly place: number;
  readonly packets: number;
  readonly bytes: number;
  /** Milliseconds in which it did not wait, and milliseconds in total. */
  readonly busy: number;
  readonly wall: number;
  /** Of the sink: packets by their latency. */
  readonly latencies?: Uint32Array;
}

/** Of an engine: who may be asked here, or sends it. */
export interface Snapshot {
  readonly map: PageMap;
  readonly sent: number;
  readonly copied: number;
  readonly drops: number;
}

/** How a run ended. */
export interface Outcome {
  /** What the audit found wrong. */
  readonly problems: readonly string[];
  /** What is still out; nothing, and the engine is closed. */
  readonly out: readonly string[];
}

export type Answer =
  | Report
  /** The thread's number in the arena. */
  | { readonly kind: "ready"; readonly thread: number }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string }
  | ({ readonly kind: "snapshot" } & Snapshot)
  | { readonly kind: "leaked"; readonly packets: number; readonly got: boolean }
  | { readonly kind: "outcome"; readonly outcome: Outcome };
