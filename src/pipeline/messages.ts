// What a pipeline and the workers that it started tell each other.

import type { EngineToken, MeshToken } from "../token.js";

/** An end of a mesh: whose, and which. */
export interface Place {
  readonly mesh: MeshToken;
  readonly index: number;
}

/** What a worker is started with. */
export interface Start {
  readonly engine: EngineToken;
  readonly kind: "source" | "stage" | "sink";
  readonly name: string;
  /** What to import; null if the worker has made itself known by `stage()`. */
  readonly module: string | null;
  readonly data: unknown;
  readonly index: number;
  readonly threads: number;
  /** Where packets come from and go to; null for a source's and a sink's own. */
  readonly from: Place | null;
  readonly to: Place | null;
  /** 1 once the pipeline is aborted: a thread that blocks hears no message. */
  readonly stopped: Int32Array;
}

/** What members are told: that all others stand, to take no more, or to leave everything. */
export type Order = "go" | "close" | "abort";

/** How a member ended. */
export interface Ending {
  readonly taken: number;
  readonly passed: number;
  /** Whether it ended because the next part takes nothing any more. */
  readonly cut: boolean;
}
