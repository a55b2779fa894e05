// What the threads of the pipeline do, burst by burst. `step` never blocks; `wait` does, until another step is worth it.

import {
  DropReason,
  type Engine,
  PoolExhaustedError,
  type Receiver,
  type Sender,
  type Skb,
  Ubuf,
  UserRegion,
  type WaitOptions,
} from "skbuff";
import { BUCKETS, bucketOf } from "./histogram.js";
import type { Plan, Settings } from "./protocol.js";

const HEADROOM = 64;
/** Up to here a packet that is copied lies in its head, as it does in Linux; behind it, in page frags. */
const LINEAR_MOST = 2048;
/** From here on its frags would be more than a packet may have. */
const FRAGS_MOST = 60_000;
/** Clones that a worker's tap has not read yet. */
const TAPPED_MOST = 32;
/** Looking before sleeping helps only where there is a core for every thread, this page's included. */
const ROLES_BESIDE = 3;

function patience(workers: number): WaitOptions {
  return { timeout: 100, spin: navigator.hardwareConcurrency >= workers + ROLES_BESIDE };
}

/** Nanoseconds since the run began. */
export type Clock = () => number;

export function clockOf(epoch: number): Clock {
  // Each thread counts from its own start; what they have in common is the time of day.
  const offset = performance.timeOrigin - epoch;
  return () => Math.max(0, Math.round((offset + performance.now()) * 1e6));
}

export abstract class Role {
  packets = 0;
  bytes = 0;
  ended = false;
  readonly latencies?: Uint32Array;
  /** Moves a burst. Returns whether anything moved. */
  abstract step(): boolean;
  /** Blocks until a step may move something, for a tenth of a second at most. */
  abstract wait(): void;
  /** Gives back what the role has in the arena. Takes it no step further. */
  abstract finish(): void;
}

/** Sends the first `n` of a burst on. What stays, if there is no room, is then in front. */
function sendOn(
  sender: Sender,
  burst: (Skb | undefined)[],
  n: number,
  drop: boolean,
): { sent: number; left: number } {
  const sent = sender.enqueueBurst(burst, n);
  if (sent === n || !drop) return { sent, left: n - sent };
  for (let i = 0; i < n - sent; i++) burst[i]?.release(DropReason.full);
  return { sent, left: 0 };
}

function releaseFirst(burst: readonly (Skb | undefined)[], n: number): void {
  for (let i = 0; i < n; i++) burst[i]?.release();
}

// ─── Source ──────────────────────────────────────────────────────────────────────────────────────────────

export class Source extends Role {
  readonly #engine: Engine;
  readonly #sender: Sender;
  readonly #settings: Settings;
  readonly #plan: Plan;
  readonly #clock: Clock;
  readonly #stopped: () => boolean;
  readonly #patience: WaitOptions;
  readonly #burst: (Skb | undefined)[];
  /** Packets in the burst. */
  #n = 0;
  /** What is copied into packets. */
  readonly #bytes: Uint8Array;
  /** The user's memory, which packets refer to. */
  readonly #region: UserRegion | null = null;
  /** Buffers of the region that no packet has; for a capture, just how many packets may be out. */
  readonly #free: number[] = [];
  #record = 0;

  constructor(
    engine: Engine,
    sender: Sender,
    settings: Settings,
    plan: Plan,
    clock: Clock,
    stopped: () => boolean,
  ) {
    super();
    this.#engine = engine;
    this.#sender = sender;
    this.#settings = settings;
    this.#plan = plan;
    this.#clock = clock;
    this.#stopped = stopped;
    this.#patience = patience(settings.workers);
    this.#burst = new Array(plan.burst).fill(undefined);
    const { capture, size, mode } = settings;
    this.#bytes = capture?.bytes ?? Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    if (mode !== "lend") return;
    this.#region = new UserRegion(engine, capture?.bytes.length ?? plan.window * plan.stride);
    const memory = this.#region.bytes;
    if (capture !== null) memory.set(capture.bytes);
    for (let i = 0; i < plan.window; i++) {
      this.#free.push(i);
      if (capture === null) memory.set(this.#bytes, i * plan.stride);
    }
  }

  step(): boolean {
    if (this.#n === 0) {
      if (this.#stopped()) {
        this.#sender.close();
        this.ended = true;
        return true;
      }
      this.#n = this.#fill();
      if (this.#n === 0) return false;
    }
    const before = this.#n;
    const { sent, left } = sendOn(this.#sender, this.#burst, before, this.#settings.full === "drop");
    this.#n = left;
    this.packets += sent;
    return left < before;
  }

  /** Makes a burst of packets. Returns how many there were memory and buffers for. */
  #fill(): number {
    if (this.#region !== null) {
      this.#engine.poll();
      // Few at a time would wake everybody for each of them.
      if (this.#free.length < this.#burst.length) return 0;
    }
    const stamp = this.#clock();
    let n = 0;
    for (; n < this.#burst.length; n++) {
      const skb = this.#region === null ? this.#copied() : this.#lent(this.#region);
      if (skb === null) break;
      skb.timestampMs = stamp / 1e6;
      this.bytes += skb.length;
      this.#burst[n] = skb;
    }
    return n;
  }

  /** Where the next packet's bytes are. */
  #next(): { offset: number; length: number } {
    const { capture, size } = this.#settings;
    if (capture === null) return { offset: 0, length: size };
    const i = this.#record;
    this.#record = (i + 1) % capture.lengths.length;
    return { offset: capture.offsets[i] as number, length: capture.lengths[i] as number };
  }

  #copied(): Skb | null {
    const before = this.#record;
    const { offset, length } = this.#next();
    const linear = length <= LINEAR_MOST || length > FRAGS_MOST;
    const skb = this.#engine.tryAlloc(linear ? length : 0, { headroom: HEADROOM });
    const bytes =
      this.#settings.capture === null ? this.#bytes : this.#bytes.subarray(offset, offset + length);
    if (skb !== null) {
      if (linear) return skb.putData(bytes);
      try {
        return skb.append(bytes);
      } catch (error) {
        skb.release();
        if (!(error instanceof PoolExhaustedError)) throw error;
      }
    }
    this.#record = before;
    return null;
  }

  #lent(region: UserRegion): Skb | null {
    const buffer = this.#free.pop();
    if (buffer === undefined) return null;
    const skb = this.#engine.tryAlloc(0, { headroom: HEADROOM });
    if (skb === null) {
      this.#free.push(buffer);
      return null;
    }
    const { offset, length } = this.#next();
    const at = this.#settings.capture === null ? buffer * this.#plan.stride : offset;
    const ubuf = new Ubuf(this.#engine, ({ desc }) => this.#free.push(desc), { desc: buffer });
    skb.addUserFrag(region, at, length, ubuf);
    return skb;
  }

  wait(): void {
    if (this.#n > 0) this.#sender.waitWritable(undefined, this.#patience);
    else if (this.#region !== null && this.#free.length < this.#burst.length)
      this.#engine.wait(this.#patience);
    else this.#engine.waitMemory(this.#patience);
  }

  finish(): void {
    releaseFirst(this.#burst, this.#n);
    this.#sender.release();
    this.#region?.release();
  }
}

// ─── Workers ─────────────────────────────────────────────────────────────────────────────────────────────

/** Reads every byte of every packet, and notes the checksum in it. */
export class Stage extends Role {
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #drop: boolean;
  readonly #tap: boolean;
  readonly #patience: WaitOptions;
  readonly #burst: (Skb | undefined)[];
  #n = 0;
  readonly #tapped: Skb[] = [];

  constructor(receiver: Receiver, sender: Sender, { full, tap, workers }: Settings, { burst }: Plan) {
    super();
    this.#receiver = receiver;
    this.#sender = sender;
    this.#drop = full === "drop";
    this.#tap = tap;
    this.#patience = patience(workers);
    this.#burst = new Array(burst).fill(undefined);
  }

  step(): boolean {
    if (this.#n === 0) {
      this.#n = this.#receiver.dequeueBurst(this.#burst, this.#burst.length, { reuse: true });
      if (this.#n === 0) {
        if (!this.#receiver.ended) return false;
        this.#sender.close();
        this.ended = true;
        return true;
      }
      for (let i = 0; i < this.#n; i++) this.#look(this.#burst[i] as Skb);
    }
    const before = this.#n;
    const { sent, left } = sendOn(this.#sender, this.#burst, before, this.#drop);
    this.#n = left;
    this.packets += sent;
    return left < before;
  }

  #look(skb: Skb): void {
    this.bytes += skb.length;
    skb.mark = skb.checksum();
    if (!this.#tap) return;
    try {
      this.#tapped.push(skb.clone());
    } catch (error) {
      // A tap that finds no memory misses a packet, and holds nobody up.
      if (!(error instanceof PoolExhaustedError)) throw error;
    }
    if (this.#tapped.length > TAPPED_MOST) this.#tapped.shift()?.release();
  }

  wait(): void {
    if (this.#n > 0) this.#sender.waitWritable(undefined, this.#patience);
    else this.#receiver.wait(this.#patience);
  }

  finish(): void {
    releaseFirst(this.#burst, this.#n);
    releaseFirst(this.#tapped, this.#tapped.length);
    this.#receiver.release();
    this.#sender.release();
  }
}

// ─── Sink ────────────────────────────────────────────────────────────────────────────────────────────────

export class Sink extends Role {
  readonly #engine: Engine;
  readonly #receiver: Receiver;
  readonly #clock: Clock;
  readonly #patience: WaitOptions;
  readonly #burst: (Skb | undefined)[];
  override readonly latencies = new Uint32Array(BUCKETS);

  constructor(engine: Engine, receiver: Receiver, { workers }: Settings, { burst }: Plan, clock: Clock) {
    super();
    this.#patience = patience(workers);
    this.#engine = engine;
    this.#receiver = receiver;
    this.#clock = clock;
    this.#burst = new Array(burst).fill(undefined);
  }

  step(): boolean {
    const n = this.#receiver.dequeueBurst(this.#burst, this.#burst.length, { reuse: true });
    if (n === 0) {
      this.ended = this.#receiver.ended;
      return this.ended;
    }
    const now = this.#clock();
    for (let i = 0; i < n; i++) {
      const skb = this.#burst[i] as Skb;
      const bucket = bucketOf(now - Math.round(skb.timestampMs * 1e6));
      this.latencies[bucket] = (this.latencies[bucket] as number) + 1;
      this.bytes += skb.length;
    }
    this.packets += n;
    this.#engine.releaseBurst(this.#burst, n);
    return true;
  }

  wait(): void {
    this.#receiver.wait(this.#patience);
  }

  finish(): void {
    this.#receiver.release();
  }
}
