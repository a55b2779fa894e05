// Iteration: the packets of whatever gives packets, as they come.

import type { AbortSignalLike } from "./abort.js";
import { checkOptions, type Names } from "./check.js";
import { TimeoutError } from "./errors.js";
import type { Skb } from "./skb.js";
import { Loop } from "./turns.js";
import { checkSignal, checkTimeout, type WaitOptions, type Wakeup } from "./wait.js";

/** How long packets are waited for. */
export interface PacketsOptions {
  /** Milliseconds to wait for each packet at most. Default: no limit. */
  timeout?: number;
  /** Ends the iteration when it is aborted. Default: none. */
  signal?: AbortSignalLike;
}

const PACKETS_OPTIONS: Names<PacketsOptions> = { timeout: true, signal: true };

/** What gives packets. */
interface Source {
  dequeue(): Skb | null;
  waitAsync(options?: WaitOptions): Promise<Wakeup>;
}

/** The packets of `source`, until it has ended. @throws ArgumentTypeError, ArgumentRangeError at once; the rest while iterating */
export function packetsOf(
  source: Source,
  options: PacketsOptions | undefined,
): AsyncGenerator<Skb, void, undefined> {
  return iterate(source, checkPackets(options));
}

/** Returns the options, if they are some. @throws ArgumentTypeError, ArgumentRangeError */
export function checkPackets(options: PacketsOptions | undefined): PacketsOptions {
  const given = checkOptions(options, PACKETS_OPTIONS);
  if (given.timeout !== undefined) checkTimeout(given.timeout);
  checkSignal(given.signal);
  return given;
}

/** What is thrown when no packet came. */
export function noPacket(timeout: number | undefined): TimeoutError {
  return new TimeoutError("packet", `one within ${timeout} ms`, "none");
}

async function* iterate(source: Source, options: PacketsOptions): AsyncGenerator<Skb, void, undefined> {
  const { signal, timeout } = options;
  const loop = new Loop();
  for (;;) {
    const due = loop.due();
    if (due !== undefined) await due;
    if (signal?.aborted === true) throw signal.reason;
    const skb = source.dequeue();
    if (skb !== null) yield skb;
    else {
      const woken = await source.waitAsync(options);
      if (woken === "ended") return;
      if (woken === "timed-out") throw noPacket(timeout);
    }
  }
}
