// What setups and programs of several scenarios need.

import { SKB_OWNER, UBUF_SHARING } from "../../../assembly/layout.js";
import type { Core } from "../bundle.js";
import type { End, Operation } from "../scenario.js";

export const SHARING = { copy: 0, refcount: UBUF_SHARING } as const;

/** The core of the thread with this number. */
export function coreOf(cores: readonly Core[], number: number): Core {
  const core = cores[number - 1];
  if (core === undefined) throw new Error(`there is no thread ${number}`);
  return core;
}

/** Gives a packet to another thread, as a ring would. */
export function hand(core: Core, handle: number, to: number): number {
  core.memory.store32(core.skbAddress(handle) + SKB_OWNER, to);
  return handle;
}

/** A packet of `bytes` linear bytes. */
export function packet(core: Core, bytes = 8): number {
  const handle = core.alloc(bytes, 16);
  core.put(handle, bytes);
  return handle;
}

/** Fills a thread's magazines with `n` packets' worth, so that its allocations concern nobody. */
export function warm(core: Core, n: number): void {
  const handles = Array.from({ length: n }, () => packet(core));
  for (const handle of handles) core.release(handle, 0);
}

/** Packets, each with a frag of its own head in one user region, all carrying one ubuf of the core's thread. */
export function lent(core: Core, n: number, sharing: keyof typeof SHARING): number[] {
  return lentWith(core, n, sharing).handles;
}

/** The same, with what was lent. */
export function lentWith(
  core: Core,
  n: number,
  sharing: keyof typeof SHARING,
): { handles: number[]; region: number; ubuf: number } {
  const region = core.createRegion(1);
  const ubuf = core.createUbuf(7, SHARING[sharing]);
  const handles = Array.from({ length: n }, (_, i) => {
    const handle = packet(core);
    core.addUserFrag(handle, region, 16 * i, 8, ubuf);
    return handle;
  });
  return { handles, region, ubuf };
}

export const release =
  (handle: number): Operation =>
  (core) =>
    core.release(handle, 0);

/** Releases the packet that the `nth` operation returned, if it did return one. */
export const releaseOf =
  (nth: number): Operation =>
  (core, results) => {
    const handle = results[nth] as number;
    return handle >= 64 ? core.release(handle, 0) : 0;
  };

/** Runs all completions of the thread. Returns how many. */
export const complete: Operation = (core) => {
  let n = 0;
  for (let ubuf = core.takeCompletion(); ubuf !== 0; ubuf = core.takeCompletion()) {
    core.finishUbuf(ubuf);
    n += 1;
  }
  return n;
};

/** That every packet is gone, and every ubuf has completed once: now, or it waits for its owner. */
export function completedOnce(end: End, ubufs: number, completions: readonly number[]): string | null {
  const packets = end.audit.packets.length;
  if (packets !== 0) return `${packets} packets are left`;
  const done = completions.reduce((sum, n) => sum + n, 0);
  return done + end.audit.ubufs === ubufs ? null : `${done} completions, ${end.audit.ubufs} ubufs left`;
}
