// What a status of the core means to whoever called: the error, with what was expected instead.

import {
  CLASS_HEADS,
  CLASS_PAGE,
  CLASS_SKB,
  CLASS_UBUF,
  E_EXHAUSTED,
  E_FRAGS,
  E_HELD,
  E_LINEAR,
  E_RANGE,
  E_ROOM,
  E_SHARED,
  E_UBUF,
  HEAD_CLASSES,
  MAX_FRAGS,
  MAX_LENGTH,
  MAX_ROOM,
  PULLED_KEPT,
  SKB_END,
  SKB_HEAD,
  SKB_RESERVED_SHIFT,
  SKB_SECOND,
} from "../assembly/layout.js";
import type { Core } from "./core/load.js";
import { GIVEN_AWAY } from "./ended.js";
import type { Engine } from "./engine.js";
import {
  ArgumentRangeError,
  EngineClosedError,
  FragLimitError,
  HeldSkbError,
  PoolExhaustedError,
  RoomError,
  SharedDataError,
  StaleSkbError,
  UbufError,
} from "./errors.js";
import { inUse } from "./pools.js";
import type { SkbReference } from "./skb/reference.js";
import type { Ubuf } from "./ubuf.js";

/** What was asked, for the message: of several arguments each by its own name. */
export interface Asked {
  /** The argument that asks for bytes, and its value. */
  readonly what?: string;
  readonly got?: unknown;
  /** Which room there was too little of. */
  readonly room?: "headroom" | "tailroom" | "linear" | "empty";
  /** Bytes from the offset `got` on, and the argument that says how many; none if the operation does. */
  readonly bytes?: number;
  readonly count?: string;
  /** Bytes by which the packet was to become longer. */
  readonly more?: number;
  /** Headroom that a new head was to have. */
  readonly headroom?: number;
  /** The other packet of an operation on two, and what it was given as. */
  readonly other?: SkbReference;
  readonly ubuf?: Ubuf;
}

/** The error for a status of the core. */
export function refusal(engine: Engine, status: number, skb: SkbReference | null, asked: Asked = {}): Error {
  const { what = "", got = 0 } = asked;
  switch (status) {
    case E_EXHAUSTED:
      return exhausted(engine);
    case E_SHARED:
      return new SharedDataError(
        skb?.cloned === true
          ? "bytes that a clone shares (unclone() makes them its own)"
          : "lent or shared bytes",
      );
    case E_ROOM:
      return new RoomError(what, roomOf(skb, asked), got);
    case E_RANGE:
      return rangeError(asked.more === undefined ? (asked.other ?? skb) : skb, asked);
    case E_FRAGS:
      return fragsError(skb, asked);
    case E_HELD:
      return new HeldSkbError((asked.other ?? skb)?.users ?? 0);
    case E_UBUF:
      return asked.ubuf?._alive === true
        ? new UbufError("the only one that the packet carries", "another than it carries already")
        : new UbufError("a live one", `one that is over: ${asked.ubuf?.status}`);
    case E_LINEAR:
      return linearError(engine, skb as SkbReference, asked);
    default:
      return skb === null ? new EngineClosedError() : staleError(skb);
  }
}

/** Says which of offset and count lies outside of the packet; or that the packet would be too long. */
function rangeError(skb: SkbReference | null, { what = "", got = 0, bytes, count, more }: Asked): Error {
  const length = skb?.length ?? 0;
  if (more !== undefined)
    return new ArgumentRangeError("length", `0..${MAX_LENGTH} (the longest packet)`, length + more);
  if (bytes === undefined || (got as number) > length)
    return new ArgumentRangeError(what, `0..${length}`, got);
  if (count !== undefined)
    return new ArgumentRangeError(
      count,
      `0..${length - (got as number)} bytes (${length} less the offset)`,
      bytes,
    );
  return bytes > length
    ? new ArgumentRangeError("length", `${bytes} or more (what is read or written)`, length)
    : new ArgumentRangeError(what, `0..${length - bytes} (${bytes} bytes of ${length})`, got);
}

function fragsError(skb: SkbReference | null, { what, other, more = 0 }: Asked): Error {
  if (skb === null || other === skb) return new FragLimitError("another packet", "the packet itself", "skb");
  if (skb.listLength > 0)
    return what === "bytes"
      ? new FragLimitError(`entries for ${more} bytes at the end of the frag list`, "too few that are free")
      : new FragLimitError("no frag list behind them", `one of ${skb.listLength} packets`);
  if (skb.frags < MAX_FRAGS)
    return new FragLimitError(`entries for ${more} bytes`, `${MAX_FRAGS - skb.frags} that are free`);
  return new FragLimitError(`fewer than ${MAX_FRAGS}`, skb.frags);
}

/** What does not fit the longest head, beside what else has to be in it. */
function linearError(engine: Engine, skb: SkbReference, { what = "", got = 0, headroom }: Asked): Error {
  const { _core: core } = engine;
  const handle = skb.handle;
  let beside: number;
  if (what === "head + tail") {
    beside = (core.field(handle, SKB_END) - core.field(handle, SKB_HEAD)) >>> 0;
  } else {
    const reserved = core.field(handle, SKB_SECOND) >>> SKB_RESERVED_SHIFT;
    beside = headroom ?? Math.min(skb.headroom, Math.max(reserved, PULLED_KEPT));
  }
  return new RoomError(
    what,
    `0..${MAX_ROOM - beside} (what the longest head has beside ${beside} bytes)`,
    got,
  );
}

/** The error for a use of an Skb that has ended. */
export function staleError(skb: SkbReference, how?: string): Error {
  if (skb._engine.closed) return new EngineClosedError();
  const life = skb._engine._debug?.of(skb);
  const got = how ?? (skb._handle === GIVEN_AWAY ? "one that was given away" : "one that was released");
  return new StaleSkbError(got, life?.allocatedAt, life?.releasedAt);
}

function roomOf(skb: SkbReference | null, { room }: Asked): string {
  if (skb === null) return "0";
  if (room === "linear") return `0..${skb.linearLength} (linear)`;
  if (room === "headroom") return `0..${skb.headroom} (headroom)`;
  if (room === "empty" && skb.length !== 0) return "0 (the packet is not empty)";
  if (skb.dataLength !== 0) return "0 (tailroom: there is none while anything is behind the head)";
  return `0..${skb.tailroom} (tailroom)`;
}

function exhausted({ _core: core }: Engine): Error {
  const short = core.shortOf();
  if (short === CLASS_SKB) return noneFree("skb", core, short, short, core.totalSkbs(), core.freshSkbs());
  if (short === CLASS_UBUF) return noneFree("ubuf", core, short, short, core.totalUbufs(), core.freshUbufs());
  const [what, first] =
    short < HEAD_CLASSES
      ? ["head", CLASS_HEADS]
      : [short === CLASS_PAGE ? "page" : "run of pages", CLASS_PAGE];
  return noneFree(what, core, first, CLASS_PAGE, core.totalPages(), core.freePages());
}

/**
 * How many of a pool are in use; of class `last`. And how many of each class from `first` to that, which only other threads can
 * reach now, each has.
 */
function noneFree(
  what: string,
  core: Core,
  first: number,
  last: number,
  total: number,
  fresh: number,
): Error {
  let got = `0 (${inUse(core, last, total, fresh)} of ${total} in use`;
  for (let thread = 1; thread <= core.threads(); thread++) {
    let n = 0;
    for (let kind = first; kind <= last; kind++) n += core.inMagazine(thread, kind);
    if (n > 0) got += `, ${n} free in magazines of thread ${thread}`;
  }
  return new PoolExhaustedError(what, `${got})`);
}
