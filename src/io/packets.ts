// What all modules here do with packets: get them, and let them go.

import { ERROR_LIMIT, MAX_LINEAR } from "../../assembly/layout.js";
import { checkBytes } from "../check.js";
import { coreOf, engineOf, heapOf, wrap } from "../driver.js";
import type { Engine } from "../engine.js";
import { PoolExhaustedError } from "../errors.js";
import type { DropReason } from "../reason.js";
import type { Skb } from "../skb.js";

/**
 * A packet with a copy of `bytes`, 64 KiB at most. Returns an owned one; or null if the pool has none. Linear, if there is a head
 * for it: else in single pages, which there may be when no row of them is free.
 */
export function packetOf(engine: Engine, bytes: Uint8Array, headroom: number): Skb | null {
  // Not what its class says.
  const n = checkBytes("bytes", bytes);
  const core = coreOf(engine);
  // Past the checks of `alloc` and `putData`, whose arguments were checked long ago.
  const handle = n + headroom > MAX_LINEAR ? 0 : core.alloc(n, headroom);
  if (handle >= ERROR_LIMIT) {
    heapOf(engine).write(core.put(handle, n) >>> 0, bytes, n);
    return wrap(engine, handle);
  }
  const skb = engine.tryAlloc(0, { headroom });
  if (skb === null) return null;
  const whole = attempt(() => skb.append(bytes));
  if (whole === null) skb.release();
  return whole;
}

/** Bytes that `packetOf` takes. */
const PART = 64 * 1024;

/** `packetOf` of any length: parts of 64 KiB, one behind the other. */
export function longPacketOf(engine: Engine, bytes: Uint8Array, headroom: number): Skb | null {
  const whole = packetOf(engine, bytes.subarray(0, PART), headroom);
  if (whole === null) return null;
  for (let at = PART; at < bytes.length; at += PART) {
    const part = packetOf(engine, bytes.subarray(at, at + PART), 0);
    if (part === null) {
      whole.release();
      return null;
    }
    if (!whole.tryCoalesce(part)) whole.addFragList(part);
  }
  return whole;
}

/** A packet of all these bytes, one behind the other. */
export function packetOfParts(engine: Engine, parts: readonly Uint8Array[], headroom: number): Skb | null {
  const [first = new Uint8Array(0), ...others] = parts;
  const whole = longPacketOf(engine, first, headroom);
  if (whole === null) return null;
  for (const bytes of others) {
    const part = longPacketOf(engine, bytes, 0);
    if (part === null) {
      whole.release();
      return null;
    }
    if (!whole.tryCoalesce(part)) whole.addFragList(part);
  }
  return whole;
}

/** What `run` returns; null if the pool is exhausted. */
export function attempt<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof PoolExhaustedError) return null;
    throw error;
  }
}

/** Gives a packet up that was sent, or dropped. An engine that was closed by force has taken it already. */
export function letGo(skb: Skb, reason: DropReason): void {
  if (!engineOf(skb).closed) skb.release(reason);
}
