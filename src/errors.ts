// Every error that the library throws. Each has a `code` that stays the same when the message changes, and a
// message of one grammar: what, what was expected, what was there instead.
//
//     "headroom" expected 0..4096, got -1

/** Builds the message of an error. @internal */
export function expected(what: string, wanted: string, got: unknown): string {
  return `"${what}" expected ${wanted}, got ${describe(got)}`;
}

function describe(value: unknown): string {
  const type = typeof value;
  if (type === "bigint") return `${value}n`;
  if (type === "function" || type === "symbol") return `a ${type}`;
  return type === "object" && value !== null ? "an object of another kind" : String(value);
}

/** A string that is an argument, not a phrase of ours. */
function quoted(value: unknown): unknown {
  return typeof value === "string" ? JSON.stringify(value) : value;
}

/** The `code` of an error. */
export type ErrorCode =
  | "ERR_SKB_CAPTURE"
  | "ERR_SKB_CLOSED"
  | "ERR_SKB_EXHAUSTED"
  | "ERR_SKB_FOREIGN"
  | "ERR_SKB_FRAGS"
  | "ERR_SKB_FRAMING"
  | "ERR_SKB_HELD"
  | "ERR_SKB_IN_USE"
  | "ERR_SKB_PIPELINE"
  | "ERR_SKB_QUEUED"
  | "ERR_SKB_RANGE"
  | "ERR_SKB_REGION"
  | "ERR_SKB_RING_CLOSED"
  | "ERR_SKB_RING_ROLE"
  | "ERR_SKB_ROOM"
  | "ERR_SKB_SHARED"
  | "ERR_SKB_SHARED_MEMORY"
  | "ERR_SKB_STALE"
  | "ERR_SKB_THREADS"
  | "ERR_SKB_TIMEOUT"
  | "ERR_SKB_TOKEN"
  | "ERR_SKB_TRANSPORT"
  | "ERR_SKB_TYPE"
  | "ERR_SKB_UBUF"
  | "ERR_SKB_UNSUPPORTED";

/**
 * Every error of the library. A wrong argument is also a RangeError or TypeError of the language: `instanceof` holds for both.
 */
export class SkbuffError extends Error {
  /** Stays the same across versions; compare this, not the message. */
  readonly code: ErrorCode;

  /** `name` is told, since a minifier may call the class something else. @internal */
  constructor(name: string, code: ErrorCode, message: string) {
    super(message);
    this.name = name;
    this.code = code;
  }

  /** @internal */
  static override [Symbol.hasInstance](one: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the classes that extend this one inherit it
    return isInstance.call(this, one) || (this === SkbuffError && isArgumentError(one));
  }
}

const isInstance = Function.prototype[Symbol.hasInstance];

function isArgumentError(one: unknown): boolean {
  return one instanceof ArgumentRangeError || one instanceof ArgumentTypeError;
}

/** A number that is not an integer in the range it must be in. */
export class ArgumentRangeError extends RangeError {
  /** Stays the same across versions; compare this, not the message. */
  readonly code = "ERR_SKB_RANGE";

  /** @internal */
  constructor(what: string, wanted: string, got: unknown) {
    super(expected(what, wanted, quoted(got)));
    this.name = "ArgumentRangeError";
  }
}

/** An argument of the wrong type. */
export class ArgumentTypeError extends TypeError {
  /** Stays the same across versions; compare this, not the message. */
  readonly code = "ERR_SKB_TYPE";

  /** @internal */
  constructor(what: string, wanted: string, got: unknown) {
    super(expected(what, wanted, quoted(got)));
    this.name = "ArgumentTypeError";
  }
}

/** The skb was released, or given to a frag list or another packet; somebody else may be using its slot. */
export class StaleSkbError extends SkbuffError {
  /** With `debug`: where it was allocated. */
  readonly allocatedAt: string | undefined;
  /** With `debug`: where it was released or given away. */
  readonly releasedAt: string | undefined;

  /** @internal */
  constructor(got: string, allocatedAt?: string, releasedAt?: string) {
    let message = expected("skb", "a live one", got);
    if (allocatedAt !== undefined) message += `\n  allocated ${allocatedAt}`;
    if (releasedAt !== undefined) message += `\n  let go ${releasedAt}`;
    super("StaleSkbError", "ERR_SKB_STALE", message);
    this.allocatedAt = allocatedAt;
    this.releasedAt = releasedAt;
  }
}

/** The skb belongs to another engine. */
export class ForeignSkbError extends SkbuffError {
  /** @internal */
  constructor(what: string) {
    super(
      "ForeignSkbError",
      "ERR_SKB_FOREIGN",
      expected(what, "one of this engine", "one of another engine"),
    );
  }
}

/** The skb is in a queue, which owns it until it is popped. */
export class QueuedSkbError extends SkbuffError {
  /** @internal */
  constructor() {
    super(
      "QueuedSkbError",
      "ERR_SKB_QUEUED",
      expected("skb", "one that is in no queue or burst", "a queued one"),
    );
  }
}

/** Somebody else holds the skb through `get()`, so it cannot be given away. */
export class HeldSkbError extends SkbuffError {
  /** @internal */
  constructor(users: number) {
    super("HeldSkbError", "ERR_SKB_HELD", expected("skb", "1 user", `${users} users`));
  }
}

/** The bytes belong to several packets, or to the lender: they can be read, not written. */
export class SharedDataError extends SkbuffError {
  /** @internal */
  constructor(got: string) {
    super("SharedDataError", "ERR_SKB_SHARED", expected("data", "bytes of this packet alone", got));
  }
}

/** Not enough headroom, tailroom or linear bytes. */
export class RoomError extends SkbuffError {
  /** @internal */
  constructor(what: string, wanted: string, got: unknown) {
    super("RoomError", "ERR_SKB_ROOM", expected(what, wanted, got));
  }
}

/** The packet has no free frag entry, or a place where the frag may not go. */
export class FragLimitError extends SkbuffError {
  /** @internal */
  constructor(wanted: string, got: unknown, what = "frags") {
    super("FragLimitError", "ERR_SKB_FRAGS", expected(what, wanted, got));
  }
}

/** The arena has no free object of some kind. Nothing was changed. */
export class PoolExhaustedError extends SkbuffError {
  /** @internal */
  constructor(what: string, got: string, n = 1) {
    super("PoolExhaustedError", "ERR_SKB_EXHAUSTED", expected(what, `${n} free`, got));
  }
}

/** The ubuf has completed or was cancelled, or the packet carries another one already. */
export class UbufError extends SkbuffError {
  /** @internal */
  constructor(wanted: string, got: string) {
    super("UbufError", "ERR_SKB_UBUF", expected("ubuf", wanted, got));
  }
}

/** The user region was released. */
export class StaleRegionError extends SkbuffError {
  /** @internal */
  constructor(what = "region") {
    super("StaleRegionError", "ERR_SKB_REGION", expected(what, "one in use", "one that was released"));
  }
}

/** The arena has a block for so many threads, and all are taken. */
export class ThreadLimitError extends SkbuffError {
  /** @internal */
  constructor(threads: number) {
    super("ThreadLimitError", "ERR_SKB_THREADS", expected("thread", `one of at most ${threads}`, "one more"));
  }
}

/** What came from `share()` of another version, of another engine, or is no token at all. */
export class TokenError extends SkbuffError {
  /** @internal */
  constructor(wanted: string, got: string) {
    super("TokenError", "ERR_SKB_TOKEN", expected("token", wanted, got));
  }
}

/** Threads need shared memory, and there is none. The message says how to get it. */
export class SharedMemoryError extends SkbuffError {
  /** @internal */
  constructor(wanted: string, got: string) {
    super("SharedMemoryError", "ERR_SKB_SHARED_MEMORY", expected("memory", wanted, got));
  }
}

/** The ring takes nothing any more: it, or this end of it, was closed. The packets stay the caller's. */
export class RingClosedError extends SkbuffError {
  /** @internal */
  constructor(got: string) {
    super("RingClosedError", "ERR_SKB_RING_CLOSED", expected("ring", "an open one", got));
  }
}

/** Another thread has this end of the ring: there is one producer, and one consumer. */
export class RingRoleError extends SkbuffError {
  /** @internal */
  constructor(role: "producer" | "consumer", thread: number) {
    super("RingRoleError", "ERR_SKB_RING_ROLE", expected(role, "this thread", `thread ${thread}`));
  }
}

/** Nothing came within the time that was given. */
export class TimeoutError extends SkbuffError {
  /** @internal */
  constructor(what: string, wanted: string, got: string) {
    super("TimeoutError", "ERR_SKB_TIMEOUT", expected(what, wanted, got));
  }
}

/** The engine was closed, or detached. */
export class EngineClosedError extends SkbuffError {
  /** @internal */
  constructor() {
    super("EngineClosedError", "ERR_SKB_CLOSED", expected("engine", "an open one", "a closed one"));
  }
}

/** `close()` or `detach()` found something still out; `holders` names it. The engine is as it was. */
export class InUseError extends SkbuffError {
  /** One line for each skb, region and ubuf that was not given back, and for each thread that is attached. */
  readonly holders: readonly string[];

  /** @internal */
  constructor(holders: readonly string[]) {
    super(
      "InUseError",
      "ERR_SKB_IN_USE",
      `${expected("engine", "nothing still out", holders.length)}\n  ${holders.join("\n  ")}`,
    );
    this.holders = holders;
  }
}

/** What was asked for does not exist in this environment. */
export class UnsupportedError extends SkbuffError {
  /** @internal */
  constructor(what: string, wanted: string, got: string, options?: { cause: unknown }) {
    super("UnsupportedError", "ERR_SKB_UNSUPPORTED", expected(what, wanted, got));
    if (options !== undefined) this.cause = options.cause;
  }
}
