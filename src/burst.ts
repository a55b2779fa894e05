// Arrays of packets on their way into the core and out of it: handles go through the scratch, objects end and begin.

import { ERROR_LIMIT } from "../assembly/layout.js";
import type { Engine } from "./engine.js";
import { ArgumentTypeError } from "./errors.js";
import { DropReason } from "./reason.js";
import { staleError } from "./refusal.js";
import { Skb } from "./skb.js";

/** An array that a user gives; what is in it is looked at before it is believed. */
export type SkbArray = readonly (Skb | null | undefined)[];

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
