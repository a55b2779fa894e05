// What a pipeline and the workers that it started tell each other.

import type { EngineToken, MeshToken } from "../token.js";
import type { Told } from "./errors.js";
import type { Part } from "./plan.js";

/** An end of a mesh: whose, and which. */
export interface Place {
  readonly mesh: MeshToken;
  readonly index: number;
}

/** The first thing that a worker is told. */
export interface Start {
  readonly skbuff: "pipeline";
  readonly kind: "start";
  readonly engine: EngineToken;
  readonly part: Part["kind"];
  readonly name: string;
  /** What to import; null if the worker has made itself known by `stage()`. */
  readonly module: string | null;
  readonly data: unknown;
  readonly index: number;
  readonly threads: number;
  /** Where packets come from and go to; null for a source's and a sink's own. */
  readonly from: Place | null;
  readonly to: Place | null;
  /** 1 once the pipeline is aborted. */
  readonly stopped: Int32Array;
}

/** What it is told later: that all others stand, to take no more, or to leave everything. */
export interface Order {
  readonly skbuff: "pipeline";
  readonly kind: "go" | "close" | "abort";
}

/** What it answers. */
export type Answer = { readonly skbuff: "pipeline" } & (
  | { readonly kind: "ready" }
  | {
      readonly kind: "ended";
      readonly taken: number;
      readonly passed: number;
      /** Whether it ended because the next part takes nothing any more. */
      readonly cut: boolean;
    }
  | { readonly kind: "failed"; readonly part: string; readonly error: Told }
);

/** Whether a message is a pipeline's, and of that kind. */
export function isOf<T extends Start | Order | Answer>(
  message: unknown,
  ...kinds: T["kind"][]
): message is T {
  const { skbuff, kind } = (message ?? {}) as Partial<T>;
  return skbuff === "pipeline" && kinds.includes(kind as T["kind"]);
}
