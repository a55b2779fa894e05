// What drivers use of the library's inside: the senders, receivers, readers and writers in src/io, src/node and src/web. They
// reach nothing else of it.

import { ERROR_LIMIT } from "../assembly/layout.js";
import type { Heap } from "./core/heap.js";
import type { Core } from "./core/load.js";
import { GIVEN_AWAY } from "./ended.js";
import type { Engine } from "./engine.js";
import type { DropReason } from "./reason.js";
import { Skb } from "./skb.js";
import type { Ubuf } from "./ubuf.js";
import type { UserRegion } from "./user-region.js";
import type { Wait, Woken } from "./wait.js";

export { provideJs } from "./core/load-js.js";
export { checkEngine } from "./engine.js";
export { refusal } from "./refusal.js";
export { eachTaken, putEach } from "./staging.js";

// ─── Engines ─────────────────────────────────────────────────────────────────────────────────────────────

/** @throws EngineClosedError */
export function checkOpen(engine: Engine): void {
  engine._open();
}

/** The engine's core. Everything of that of a closed engine throws EngineClosedError. */
export function coreOf(engine: Engine): Core {
  return engine._core;
}

/** The memory of its arena. */
export function heapOf(engine: Engine): Heap {
  return engine._heap;
}

/** Runs the callbacks of ubufs that have completed. Returns how many there were. */
export function deliver(engine: Engine): number {
  return engine._lent === 0 ? 0 : engine._deliver();
}

/** Where lists go to the core and come from it. */
export function scratchOf(engine: Engine): number {
  return engine._scratch;
}

/** Waits as the engine's own waits do, blocking the thread. */
export function blockOn(engine: Engine, wait: Wait): Woken {
  return engine._sleeper.block(wait);
}

/** Waits as the engine's own waits do. */
export function waitOf(engine: Engine, wait: Wait): Promise<Woken> {
  return engine._waiter.wait(wait);
}

// ─── Packets ─────────────────────────────────────────────────────────────────────────────────────────────

export function engineOf(skb: Skb): Engine {
  return skb._engine;
}

/** The handle of a packet that is known to be alive. */
export function handleOf(skb: Skb): number {
  return skb._handle;
}

/** The handle of a packet. @throws StaleSkbError, EngineClosedError */
export function liveHandle(skb: Skb): number {
  return skb._live();
}

/** The handle of a live packet of this engine. @throws ArgumentTypeError, ForeignSkbError, StaleSkbError, EngineClosedError */
export function ownHandle(engine: Engine, what: string, skb: Skb): number {
  return engine._own(what, skb);
}

/** What is wrong with a packet that is to be given away; null if nothing. */
export function refused(engine: Engine, what: string, skb: Skb): Error | null {
  // Of a closed engine the objects look as they did.
  if (
    !engine.closed &&
    skb?._engine === engine &&
    skb._node === null &&
    skb._handle >= ERROR_LIMIT &&
    Skb._is(skb)
  )
    return null;
  return engine._refusal(what, skb);
}

/** Whether anything is lent, so that a release may run a callback, which may do anything. */
export function hasLent(engine: Engine): boolean {
  return engine._lent !== 0;
}

/** Gives a reference up that has no object, as `Skb.release` does. */
export function releaseHandle(engine: Engine, handle: number, reason: DropReason): void {
  engine._core.release(handle, reason);
  if (engine._lent !== 0) engine._deliver();
}

/** The object for a reference that the core has just given out. */
export function wrap(engine: Engine, handle: number): Skb {
  return engine._wrap(handle);
}

/**
 * As `wrap`; if `old` is an object of this engine that has ended, it is that. For objects that are nowhere else, or whose owner said
 * so.
 */
export function wrapAs(engine: Engine, old: Skb | null | undefined, handle: number): Skb {
  // Only an Skb has all three.
  if (old?._engine !== engine || old._node !== null || old._handle >= ERROR_LIMIT)
    return engine._wrap(handle);
  old._handle = handle;
  if (engine._debug !== null) engine._debug.born(old, handle);
  return old;
}

/** Takes a packet: its object has ended, the reference is the driver's by its handle, which it returns. */
export function take(skb: Skb): number {
  const handle = skb._handle;
  skb._end(GIVEN_AWAY);
  return handle;
}

/** Takes a packet: its object has ended, and the reference is that of another, which it returns. */
export function takeAs(skb: Skb): Skb {
  const own = skb._engine._wrap(skb._handle);
  skb._end(GIVEN_AWAY);
  return own;
}

/** Marks a packet of a list as seen, so that one that is there twice is found. Returns what `unmark` needs. */
export function mark(skb: Skb): number {
  const handle = skb._handle;
  skb._handle = GIVEN_AWAY;
  return handle;
}

/** Undoes `mark`. */
export function unmark(skb: Skb, handle: number): void {
  skb._handle = handle;
}

/** Puts the addresses and lengths of a packet's pieces at the end of `into`, in turn. */
export function piecesOf(skb: Skb, into: number[]): void {
  skb._pieces(into);
}

// ─── Lent memory ─────────────────────────────────────────────────────────────────────────────────────────

/** The address of a region. @throws StaleRegionError, EngineClosedError */
export function addressOf(region: UserRegion): number {
  return region._live();
}

export function handleOfUbuf(ubuf: Ubuf): number {
  return ubuf._handle;
}
