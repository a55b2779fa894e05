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
  if (!isBurst) checkOut(out, most);
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
      // What this call has put into it goes back.
      takeBack(out, done);
      throw outError(out);
    }
    done++;
  }
  return done;
}

const { slice } = Array.prototype;

/**
 * The first `n` of an array that a user gives, in one of our own. Whatever code of the user's runs when it is read, an accessor's or
 * a proxy's, has run then: from here on nobody comes between, neither to what is in the scratch nor to what has been looked at.
 */
export function read(skbs: SkbArray, n: number): Skb[] {
  // Three times as fast; but of a class of somebody's it would make one of those.
  if (skbs.constructor === Array) return slice.call(skbs, 0, n) as Skb[];
  const own = new Array<Skb>(n);
  for (let i = 0; i < n; i++) own[i] = skbs[i] as Skb;
  return own;
}

/**
 * Puts the handles of `n` packets, from `own[at]` on, into the scratch, and ends the objects as `how` says. `own` is what `read` has
 * returned. Returns the error for the first that is no live packet of the engine's, and then nothing has ended; else null.
 */
export function stage(engine: Engine, own: readonly Skb[], at: number, n: number, how: number): Error | null {
  checkScratch(engine);
  const { handles } = engine._heap;
  const first = engine._scratch >>> 2;
  for (let i = 0; i < n; i++) {
    const skb = own[at + i] as Skb;
    // The first three first: they tell most of what is wrong, and that the last one may be asked.
    if (skb?._engine !== engine || skb._node !== null || skb._handle < ERROR_LIMIT || !Skb._is(skb)) {
      const error = twice(own, at + i)
        ? staleError(skb, "one that is there twice")
        : engine._refusal("skb", skb);
      for (let j = 0; j < i; j++) (own[at + j] as Skb)._handle = handles[first + j] as number;
      return error;
    }
    handles[first + i] = skb._handle;
    // Ending each reference as it is met finds one that is there twice.
    skb._handle = how;
  }
  if (engine._debug !== null) for (let i = 0; i < n; i++) engine._debug.died(own[at + i] as Skb);
  return null;
}

/** Whether the packet is there before: then this call has ended it. */
function twice(own: readonly Skb[], at: number): boolean {
  return Skb._is(own[at]) && own.indexOf(own[at] as Skb) < at;
}

/** Undoes `stage` for `n` packets from `own[at]` on, whose handles are in the scratch from the `from`th on. */
export function unstage(engine: Engine, own: readonly Skb[], at: number, n: number, from: number): void {
  const { handles } = engine._heap;
  const first = (engine._scratch >>> 2) + from;
  for (let i = 0; i < n; i++) {
    const skb = own[at + i] as Skb;
    skb._handle = handles[first + i] as number;
    if (engine._debug !== null) engine._debug.revived(skb);
  }
}

/**
 * Before packets are taken that `count` of are to go into `out`: refuses an array that does not take them. So one that is frozen
 * loses none.
 *
 * @throws ArgumentTypeError
 */
export function checkOut(out: (Skb | null | undefined)[], count: number): void {
  // Of all but the few that are not, this is all: 10 ns, whatever the burst.
  if (Object.isExtensible(out)) return;
  for (let i = 0; i < count; i++) {
    const place = Object.getOwnPropertyDescriptor(out, i);
    if (place?.writable !== true && place?.set === undefined) throw outError(out);
  }
}

function outError(out: unknown): Error {
  return new ArgumentTypeError("out", "an array that takes packets", out);
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
  // An accessor or a proxy runs code of the user's, which must not use the scratch.
  engine._filling = true;
  let i = 0;
  try {
    for (; i < n; i++) {
      const handle = handles[first + i] as number;
      const old = reuse ? out[at + i] : undefined;
      // Only an Skb has all of it: a Ubuf that has completed must not be taken for one.
      if (old?._engine === engine && old._node === null && old._handle < ERROR_LIMIT) {
        old._handle = handle;
        if (engine._debug !== null) engine._debug.born(old, handle);
      } else out[at + i] = engine._wrap(handle);
    }
  } catch {
    // What this call has put into it goes back, and so does what it did not take.
    const taken = at + i;
    for (; i < n; i++) engine._core.release(handles[first + i] as number, DropReason.consumed);
    engine._filling = false;
    takeBack(out, taken);
    throw outError(out);
  } finally {
    engine._filling = false;
  }
}

/** Before something uses the scratch. @throws ArgumentTypeError within a call that fills an array, whose handles are there */
export function checkScratch(engine: Engine): void {
  if (engine._filling)
    throw new ArgumentTypeError("out", "an array that calls nothing while it is filled", "another call");
}

/** Releases the first `n` of an array that has been filled, as far as they are there. */
export function takeBack(out: (Skb | null | undefined)[], n: number): void {
  for (let i = 0; i < n; i++) {
    try {
      const skb = out[i];
      if (Skb._is(skb)) skb[Symbol.dispose]();
    } catch {
      // An accessor's error. What it was given is its own.
    }
  }
}
