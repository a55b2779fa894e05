// Leaving: what keeps an arena or a thread's part of it in use, what to wait for before a thread leaves, and what its end
// gives back.

import { THREAD_LIVE } from "../assembly/layout.js";
import { BASE } from "./arena.js";
import { checkOneOf, checkOptions, type Names } from "./check.js";
import type { Engine } from "./engine.js";
import { packetsOf } from "./holders.js";
import type { DetachOptions } from "./options.js";
import { DropReason } from "./reason.js";
import { checkWait, type Wait } from "./wait.js";

const DETACH_OPTIONS: Names<DetachOptions> = { completions: true, timeout: true, signal: true };

/** A line for each packet and region that is out: this thread's, or, of packets, those of `thread`, 0 for everybody's. */
function packetsOut(engine: Engine, thread: number): string[] {
  const lines = packetsOf(engine._heap, BASE, thread).map(({ handle, length, users, owner }) => {
    const at = engine._debug?.allocatedAt(handle);
    return `skb ${handle}: ${length} bytes, ${users} users, ${owner}${at === undefined ? "" : `, ${at}`}`;
  });
  for (const region of engine._regions) lines.push(`region: ${region.size} bytes, ${region.frags} frags`);
  return lines;
}

/** A line for each packet, region and ubuf that keeps this thread; 0: or anybody's packet. */
export function out(engine: Engine, thread = engine.thread): string[] {
  const ubufs = (engine._completions?.out ?? []).map((ubuf) => `ubuf: desc ${ubuf.desc}, ${ubuf.status}`);
  return [...packetsOut(engine, thread), ...ubufs];
}

/** A line for each other thread that is attached. */
export function others({ _core: core, thread: own }: Engine): string[] {
  const lines: string[] = [];
  for (let thread = 1; thread <= core.threads(); thread++)
    if (thread !== own && core.threadState(thread) === THREAD_LIVE) lines.push(`thread ${thread}: attached`);
  return lines;
}

/** What is left to wait for before this thread leaves, as `options` ask. */
export function departure(engine: Engine, options: DetachOptions | undefined): Iterable<Wait> {
  const { completions = "refuse", ...limits } = checkOptions(options, DETACH_OPTIONS);
  checkOneOf("completions", completions, ["refuse", "wait"]);
  const wait = checkWait(limits, []);
  engine._deliver(true);
  // The tables are gone through once for all that are out, not for each completion.
  if (completions !== "wait" || engine.closed || packetsOut(engine, engine.thread).length > 0) return [];
  return engine._completions?.left(wait) ?? [];
}

/** Gives back all that a thread has that ends: its packets, regions and ubufs that nobody carries. Nobody is told. */
export function abandon(engine: Engine): void {
  engine._completions?.abandon();
  for (const { handle, users } of packetsOf(engine._heap, BASE, engine.thread))
    for (let i = 0; i < users; i++) engine._core.release(handle, DropReason.notSpecified);
  for (const region of engine._regions) region.release();
  engine._deliver(true);
}
