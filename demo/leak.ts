// Packets that nobody releases, on purpose; and how an engine is left, if nothing of it is out.

import { type Engine, InUseError, PoolExhaustedError, type Skb } from "skbuff";
import { audit } from "skbuff/inspect";
import type { Outcome } from "./protocol.js";

/** Four pages, so that one sees them. */
const LEAKED_BYTES = 16384;

/** Makes a packet, and keeps it. Returns whether there was memory for it. */
export function leakIn(engine: Engine, leaked: Skb[]): boolean {
  if (engine.closed) return false;
  const skb = engine.tryAlloc(64);
  if (skb === null) return false;
  try {
    skb.addPageFrag(LEAKED_BYTES).fill(0xee);
  } catch (error) {
    skb.release();
    if (!(error instanceof PoolExhaustedError)) throw error;
    return false;
  }
  leaked.push(skb);
  // What this thread has in its magazines, the others may want.
  engine.flush();
  return true;
}

/** Audits an engine that nobody uses any more, and closes it if nothing is out. */
export function leaveEmpty(engine: Engine): Outcome {
  if (engine.closed) return { problems: [], out: [] };
  const { problems, unchecked } = audit(engine);
  const all = [...problems, ...unchecked];
  try {
    engine.close();
    return { problems: all, out: [] };
  } catch (error) {
    if (!(error instanceof InUseError)) throw error;
    return { problems: all, out: error.holders };
  }
}
