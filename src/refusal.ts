// What a status of the core means to whoever called: the error, with what was expected instead.

import {
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
  MAX_ROOM,
} from "../assembly/layout.js";
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
import { GIVEN_AWAY, type Skb } from "./skb.js";
import type { Magazines, PoolStats } from "./stats.js";

/** What was asked, for the message. */
export interface Asked {
  /** The argument that was too large, and its value. */
  readonly what?: string;
  readonly got?: unknown;
  /** Which room there was too little of. */
  readonly room?: "headroom" | "tailroom" | "linear" | "room";
  /** Bytes from the offset on. */
  readonly bytes?: number;
  /** The other packet of an operation on two. */
  readonly other?: Skb;
}

/** The error for a status of the core. */
export function refusal(engine: Engine, status: number, skb: Skb | null, asked: Asked = {}): Error {
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
      return new RoomError(what, `0..${roomOf(skb, asked)} (${asked.room})`, got);
    case E_RANGE:
      return new ArgumentRangeError(what, rangeOf(asked.other ?? skb, asked.bytes), got);
    case E_FRAGS:
      return new FragLimitError(
        `fewer than ${MAX_FRAGS} and nothing behind them`,
        skb === null ? 0 : skb.frags,
      );
    case E_HELD:
      return new HeldSkbError((asked.other ?? skb)?.users ?? 0);
    case E_UBUF:
      return new UbufError("a live one, and the only one that the packet carries", "another");
    case E_LINEAR:
      return new RoomError(what, `0..${MAX_ROOM} (with the headroom: what a head takes)`, got);
    default:
      return skb === null ? new EngineClosedError() : staleError(skb);
  }
}

/** The error for a use of an Skb that has ended. */
export function staleError(skb: Skb): Error {
  if (skb._engine.closed) return new EngineClosedError();
  const life = skb._engine._debug?.of(skb);
  const got = skb._handle === GIVEN_AWAY ? "one that was given away" : "one that was released";
  return new StaleSkbError(got, life?.allocatedAt, life?.releasedAt);
}

function roomOf(skb: Skb | null, { room }: Asked): number {
  if (skb === null) return 0;
  if (room === "linear") return skb.linearLength;
  if (room === "headroom") return skb.headroom;
  return room === "room" && skb.length !== 0 ? 0 : skb.tailroom;
}

function rangeOf(skb: Skb | null, bytes: number | undefined): string {
  const length = skb === null ? 0 : skb.length;
  return bytes === undefined
    ? `0..${length}`
    : `0..${Math.max(length - bytes, 0)} (${bytes} bytes of ${length})`;
}

function exhausted(engine: Engine): Error {
  const { skbs, ubufTable, pages, threads } = engine.stats();
  const short = engine._core.shortOf();
  // Free objects that only other threads can reach now, and how many each has.
  const used = (pool: PoolStats, count: (magazines: Magazines) => number): string => {
    const hiding = threads
      .map(({ thread, magazines }) => ({ thread, n: count(magazines) }))
      .filter(({ n }) => n > 0);
    const where = hiding.map(({ thread, n }) => `, ${n} free in magazines of thread ${thread}`).join("");
    return `0 (${pool.used} of ${pool.total} in use${where})`;
  };
  if (short === CLASS_SKB)
    return new PoolExhaustedError(
      "skb",
      used(skbs, (magazines) => magazines.skbs),
    );
  if (short === CLASS_UBUF)
    return new PoolExhaustedError(
      "ubuf",
      used(ubufTable, (magazines) => magazines.ubufs),
    );
  if (short === CLASS_PAGE)
    return new PoolExhaustedError(
      "page",
      used(pages, (magazines) => magazines.pages),
    );
  if (short >= HEAD_CLASSES)
    return new PoolExhaustedError(
      "run of pages",
      used(pages, (magazines) => magazines.pages),
    );
  const heads = (magazines: Magazines): number =>
    magazines.heads.reduce((sum, n) => sum + n, magazines.pages);
  return new PoolExhaustedError("head", used(pages, heads));
}
