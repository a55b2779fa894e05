// What travels by postMessage: plain objects that structured cloning copies, and whoever gets one checks.

import { LAYOUT_VERSION } from "../assembly/layout.js";
import { TokenError } from "./errors.js";

/** What `engine.share()` returns: send it to a worker, for `Engine.attach`. */
export interface EngineToken {
  readonly skbuff: "engine";
  /** @internal */
  readonly layout: number;
  /** @internal */
  readonly identity: number;
  /** @internal */
  readonly core: "wasm" | "js";
  /** @internal */
  readonly base: number;
  /** @internal */
  readonly memory: WebAssembly.Memory | ArrayBufferLike;
  /** @internal */
  readonly module: WebAssembly.Module | undefined;
}

/** What `ring.share()` returns: send it to a thread that is attached to the same engine, for `engine.openRing`. */
export interface RingToken {
  readonly skbuff: "ring";
  /** @internal */
  readonly identity: number;
  /** @internal */
  readonly index: number;
  /** @internal */
  readonly generation: number;
}

/** What `mesh.share()` returns: send it to a thread that is attached to the same engine, for `engine.openMesh`. */
export interface MeshToken {
  readonly skbuff: "mesh";
  /** @internal */
  readonly identity: number;
  /** @internal */
  readonly consumers: number;
  /** @internal */
  readonly inTurn: boolean;
  /** Of each producer, its ring to each consumer. @internal */
  readonly rings: readonly (readonly RingToken[])[];
}

type Token = EngineToken | RingToken | MeshToken;

/** Returns `token` if it is of the kind. @throws TokenError */
function checkKind<T extends Token>(kind: T["skbuff"], token: T): T {
  if (typeof token !== "object" || token === null || token.skbuff !== kind) {
    const got = (token as Token | null)?.skbuff;
    throw new TokenError(
      `what share() of ${article(kind)} returned`,
      got === undefined ? "something else" : article(got),
    );
  }
  return token;
}

function article(kind: unknown): string {
  return kind === "engine"
    ? "an engine"
    : kind === "ring" || kind === "mesh"
      ? `a ${kind}`
      : "something else";
}

/** Returns `token` if an engine of this version made it. @throws TokenError */
export function checkEngineToken(token: EngineToken): EngineToken {
  checkKind("engine", token);
  if (token.layout !== LAYOUT_VERSION) throw layoutError(token.layout);
  return token;
}

/** The arena is laid out as this version does not know it. */
export function layoutError(layout: unknown): TokenError {
  return new TokenError(
    `one of layout ${LAYOUT_VERSION} (the same version of skbuff)`,
    `layout ${String(layout)}`,
  );
}

/** Returns `token` if it is of the kind and of the engine that `identity` names. @throws TokenError */
export function checkToken<T extends RingToken | MeshToken>(
  kind: T["skbuff"],
  token: T,
  identity: number,
): T {
  checkKind(kind, token);
  if (token.identity !== identity) throw new TokenError("one of this engine", "one of another engine");
  return token;
}
