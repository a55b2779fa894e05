// Packets on their way into the core and out of it. Of an array the handles go through the scratch, objects end and begin; a burst has
// its handles in the arena.

import { ERROR_LIMIT } from "../assembly/layout.js";
import type { Burst } from "./burst.js";
import { checkInteger, U32_MOST } from "./check.js";
import type { Engine } from "./engine.js";
import { ArgumentTypeError, ForeignSkbError } from "./errors.js";
import { DropReason } from "./reason.js";
import { staleError } from "./refusal.js";
import { Skb } from "./skb.js";

/** An array that a user gives; what is in it is looked at before it is believed. */
export type SkbArray = readonly (Skb | null | undefined)[];

/** `Array.isArray`, of which the compiler does not know that it is one of arrays that are only read, too. */
export function isArray(given: SkbArray | Burst): given is SkbArray {
  return Array.isArray(given);
}

/** Packets that a user gives, or an array for packets: what is in it is looked at before it is believed. */
export type Packets = (Skb | null | undefined)[] | Burst;

/** What is no array must be a burst of this engine. @throws ArgumentTypeError, ForeignSkbError, StaleRegionError, EngineClosedError */
export function burstOf(engine: Engine, what: string, given: unknown): Burst {
  const burst = given as Burst | null | undefined;
  if (burst?._kind !== "burst") throw new ArgumentTypeError(what, "an array or a Burst", given);
  if (burst._engine !== engine) throw new ForeignSkbError(what);
  burst._live();
  return burst;
}

/**
 * For who takes packets one by one, as objects: `give` is called with the array, or with the packets of the burst, as many as
 * `count` says. What it does not take stays there. Returns what it does.
 *
 * @throws ArgumentTypeError, ArgumentRangeError, ForeignSkbError, StaleRegionError, EngineClosedError
 */
export function eachTaken<T extends SkbArray>(
  engine: Engine,
  skbs: T | Burst,
  count: number | undefined,
  give: (skbs: T | Skb[], count: number) => number,
): number {
  if (isArray(skbs)) return give(skbs, checkInteger("count", count ?? skbs.length, 0, skbs.length));
  const burst = burstOf(engine, "skbs", skbs);
  return burst._lend(burst._some(count), (those) => give(those, those.length));
}

/**
 * For who gives packets one by one: puts up to `count` of what `next` returns into an array or a burst, until that is null. Returns
 * how many. What an array does not take is released, and what this call has put there before. `more` says, once there is a
 * packet, whether to ask for another.
 *
 * @throws ArgumentTypeError, ArgumentRangeError, ForeignSkbError, StaleRegionError, EngineClosedError, what `next` throws
 */
export function putEach(
  engine: Engine,
  out: Packets,
  count: number | undefined,
  next: () => Skb | null,
  more: () => boolean,
): number {
  const isBurst = !Array.isArray(out);
  const most = isBurst
    ? burstOf(engine, "out", out)._more(count)
    : checkInteger("count", count ?? out.length, 0, U32_MOST);
  let done = 0;
  while (done < most && (done === 0 || more())) {
    const skb = next();
    if (skb === null) break;
    try {
      if (isBurst) out.push(skb);
      else out[done] = skb;
    } catch (error) {
      skb.release();
      if (isBurst) throw error;
      // A frozen array, say. What this call has put into it goes back.
      for (let i = 0; i < done; i++) (out[i] as Skb)[Symbol.dispose]();
      throw new ArgumentTypeError("out", "an array that takes packets", out);
    }
    done++;
  }
  return done;
}

/**
 * Puts the handles of `n` packets, from `skbs[at]` on, into the scratch, and ends the objects as `how` says. Returns the
 * error for the first that is no live packet of the engine's, and then nothing has ended; else null.
 */
export function stage(engine: Engine, skbs: SkbArray, at: number, n: number, how: number): Error | null {
  const { handles } = engine._heap;
  const first = engine._scratch >>> 2;
  for (let i = 0; i < n; i++) {
    const skb = skbs[at + i] as Skb;
    // Only an Skb has all three; a look at them costs less than instanceof.
    if (skb?._engine !== engine || skb._node !== null || skb._handle < ERROR_LIMIT) {
      const error = twice(skbs, at + i)
        ? staleError(skb, "one that is there twice")
        : engine._refusal("skb", skb);
      for (let j = 0; j < i; j++) (skbs[at + j] as Skb)._handle = handles[first + j] as number;
      return error;
    }
    handles[first + i] = skb._handle;
    // Ending each reference as it is met finds one that is there twice.
    skb._handle = how;
  }
  if (engine._debug !== null) for (let i = 0; i < n; i++) engine._debug.died(skbs[at + i] as Skb);
  return null;
}

/** Whether the packet is there before: then this call has ended it. */
function twice(skbs: SkbArray, at: number): boolean {
  return skbs[at] instanceof Skb && skbs.indexOf(skbs[at]) < at;
}

/** Undoes `stage` for `n` packets from `skbs[at]` on, whose handles are in the scratch from the `from`th on. */
export function unstage(engine: Engine, skbs: SkbArray, at: number, n: number, from: number): void {
  const { handles } = engine._heap;
  const first = (engine._scratch >>> 2) + from;
  for (let i = 0; i < n; i++) {
    const skb = skbs[at + i] as Skb;
    skb._handle = handles[first + i] as number;
    if (engine._debug !== null) engine._debug.revived(skb);
  }
}

/**
 * Makes `n` packets, whose handles are in the scratch, objects in `out[at]` and on. `reuse`: takes those there that
 * have ended. If the array does not take them, they are released, and so are those that were put before.
 *
 * @throws ArgumentTypeError
 */
export function unload(
  engine: Engine,
  out: (Skb | null | undefined)[],
  at: number,
  n: number,
  reuse: boolean,
): void {
  const { handles } = engine._heap;
  const first = engine._scratch >>> 2;
  let i = 0;
  try {
    for (; i < n; i++) {
      const handle = handles[first + i] as number;
      const old = reuse ? out[at + i] : undefined;
      // Only an Skb has all three: a Ubuf that has completed must not be taken for one.
      if (old?._engine === engine && old._node === null && old._handle < ERROR_LIMIT) {
        old._handle = handle;
        if (engine._debug !== null) engine._debug.born(old, handle);
      } else out[at + i] = engine._wrap(handle);
    }
  } catch {
    // A frozen array, say. What this call has put into it goes back, and so does what it did not take.
    const taken = at + i;
    for (; i < n; i++) engine._core.release(handles[first + i] as number, DropReason.consumed);
    for (let j = 0; j < taken; j++) (out[j] as Skb)[Symbol.dispose]();
    throw new ArgumentTypeError("out", "an array that takes packets", out);
  }
}
