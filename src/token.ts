// What travels by postMessage: plain objects that structured cloning copies, and whoever gets one checks.

import { LAYOUT_VERSION, PAGE_BYTES } from "../assembly/layout.js";
import { U32_MOST } from "./check.js";
import { TokenError } from "./errors.js";

/** What `engine.share()` returns: send it to a worker, for `Engine.attach`. */
export interface EngineToken {
  /** What kind of token it is. */
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

/** What `ring.share()` returns: send it to a thread that is attached to the same engine, for `Ring.attach`. */
export interface RingToken {
  /** What kind of token it is. */
  readonly skbuff: "ring";
  /** @internal */
  readonly identity: number;
  /** @internal */
  readonly index: number;
  /** @internal */
  readonly generation: number;
}

/** What `mesh.share()` returns: send it to a thread that is attached to the same engine, for `Mesh.attach`. */
export interface MeshToken {
  /** What kind of token it is. */
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
  const { memory, base } = token;
  // The core trusts that the arena's header lies in the memory.
  if (!isMemory(memory) || !isU32(base) || base === 0 || base % PAGE_BYTES !== 0)
    throw new TokenError(`what share() of ${article("engine")} returned`, "something else");
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
  // The core trusts that what it gets are u32.
  if (!(kind === "ring" ? isRing(token as RingToken) : isMesh(token as MeshToken)))
    throw new TokenError(`what share() of ${article(kind)} returned`, "something else");
  return token;
}

function isRing({ index, generation }: RingToken): boolean {
  return isU32(index) && isU32(generation);
}

function isMemory(memory: unknown): boolean {
  return (
    (typeof WebAssembly !== "undefined" && memory instanceof WebAssembly.Memory) ||
    (typeof SharedArrayBuffer !== "undefined" && memory instanceof SharedArrayBuffer)
  );
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MOST;
}

function isMesh({ rings, consumers }: MeshToken): boolean {
  return (
    Array.isArray(rings) &&
    rings.length > 0 &&
    consumers > 0 &&
    rings.every((row) => Array.isArray(row) && row.length === consumers)
  );
}
