// Work: what one thread of a pipeline does. Packets from an input, through functions, to an output:
//
//     input ─burst─▶ fn ─▶ fn ─▶ out ─burst─▶ output
//                     └─emit─▶──┘
//
// A step moves what it can and says what it waits for; who blocks and who awaits takes the same steps.

import { ArgumentTypeError, RingClosedError } from "../errors.js";
import { Skb } from "../skb.js";
import { Loop } from "../turns.js";
import type { Wakeup } from "../wait.js";
import type { PacketInput, PacketOutput, StageFunction, StageObject } from "./plan.js";

/** Packets that are taken at once: what a ring brings over in two cache lines, and enough for calls to cost nothing. */
const BURST = 32;

/** A stage, ready to be called. */
export interface Stage {
  readonly name: string;
  readonly packet: StageFunction;
  readonly end: (() => void) | null;
}

/** What a step moved, or waits for. */
type Step = "moved" | "empty" | "full";

/** An end that a thread may block at. */
interface Blocking {
  wait?(): Wakeup;
  waitWritable?(): Wakeup;
}

/** The output is closed, and there are packets for it. @internal */
export class OutputEnded extends Error {}

/** What a part has thrown, and which. @internal */
export class PartFailed extends Error {
  readonly part: string;

  constructor(part: string, cause: unknown) {
    super(part);
    this.part = part;
    this.cause = cause;
  }
}

export class Work {
  /** Packets that were taken from the input, and that the output has taken. */
  taken = 0;
  passed = 0;
  readonly #input: PacketInput;
  readonly #output: PacketOutput;
  readonly #stages: Stage[] = [];
  readonly #burst: (Skb | null)[] = [];
  /** Of the burst, what is still to be done: [#at, #n). */
  #at = 0;
  #n = 0;
  /** Of each stage, how many calls of it are under way. */
  readonly #calls: number[] = [];
  /** What waits for the output, in order. */
  #out: Skb[] = [];
  #ended = false;

  constructor(input: PacketInput, output: PacketOutput) {
    this.#input = input;
    this.#output = output;
  }

  /** Adds a stage behind the others. Returns what it sends packets on by. */
  add(name: string, make: (emit: (skb: Skb) => void) => Stage): void {
    const own = this.#stages.length;
    this.#calls.push(0);
    const emit = (skb: Skb): void => {
      // Later it would go where nothing takes it any more; from a part behind it would come round for ever.
      if (this.#calls[own] === 0)
        throw new ArgumentTypeError("emit", "a call within its stage's", "one outside");
      this.#pass(checkResult(name, skb) as Skb, own + 1);
    };
    this.#stages.push(make(emit));
  }

  /** Moves a burst. */
  #step(): Step {
    if (this.#out.length > 0 && !this.#send()) return "full";
    if (this.#at === this.#n) {
      this.#at = 0;
      this.#n = this.#input.dequeueBurst(this.#burst, BURST);
      if (this.#n === 0) return "empty";
      this.taken += this.#n;
    }
    while (this.#at < this.#n) {
      const skb = this.#burst[this.#at] as Skb;
      this.#burst[this.#at++] = null;
      this.#pass(skb, 0);
    }
    return this.#out.length === 0 || this.#send() ? "moved" : "full";
  }

  /** Sends a packet through the stages from number `i` on. */
  #pass(skb: Skb, i: number): void {
    let packet = skb;
    for (let at = i; at < this.#stages.length; at++) {
      const { name, packet: stage } = this.#stages[at] as Stage;
      let result: ReturnType<StageFunction>;
      try {
        this.#calls[at] = (this.#calls[at] as number) + 1;
        result = checkResult(name, stage(packet));
      } catch (error) {
        // It had taken the packet, and nobody else will let it go.
        packet[Symbol.dispose]();
        throw error instanceof PartFailed ? error : new PartFailed(name, error);
      } finally {
        this.#calls[at] = (this.#calls[at] as number) - 1;
      }
      if (result === undefined) return;
      packet = result as Skb;
    }
    this.#out.push(packet);
  }

  /** Offers what waits to the output. Returns whether it took all. */
  #send(): boolean {
    const out = this.#out;
    let taken: number;
    try {
      taken = this.#output.enqueueBurst(out, out.length);
    } catch (error) {
      // Whoever has closed it says why.
      throw error instanceof RingClosedError ? new OutputEnded() : new PartFailed("sink", error);
    }
    this.passed += taken;
    if (taken === out.length) out.length = 0;
    // What a sender refuses may lie anywhere; what it took is alive no more.
    else if (taken > 0) this.#out = out.filter((skb) => skb.alive);
    return this.#out.length === 0;
  }

  /** Nothing comes any more: the stages' last moment. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const [i, { name, end }] of this.#stages.entries()) {
      try {
        this.#calls[i] = 1;
        end?.();
      } catch (error) {
        throw error instanceof PartFailed ? error : new PartFailed(name, error);
      } finally {
        this.#calls[i] = 0;
      }
    }
  }

  /** Works until the input has ended and all is through, and blocks this thread when it waits. `stopped` aborts it. */
  block(stopped: () => boolean): void {
    const input = this.#input as Blocking;
    const output = this.#output as Blocking;
    while (!stopped()) {
      const step = this.#step();
      if (step === "full") {
        if (output.waitWritable?.() === "ended") throw new OutputEnded();
      } else if (step === "empty" && input.wait?.() === "ended") {
        this.#end();
        if (this.#out.length === 0) return;
      }
    }
  }

  /**
   * Works until the input has ended, or `closing` says that no more is to be taken, and all is through; without blocking.
   *
   * @throws the reason of `aborting` (as a rejection)
   */
  async pump(closing: AbortSignal, aborting: AbortSignal): Promise<void> {
    const loop = new Loop();
    for (;;) {
      aborting.throwIfAborted();
      if (closing.aborted && this.#at === this.#n) this.#end();
      const step = this.#ended ? this.#last() : this.#step();
      if (step === "full") {
        if ((await this.#output.waitWritableAsync(undefined, { signal: aborting })) === "ended")
          throw new OutputEnded();
      } else if (this.#ended) return;
      else if (step === "empty") {
        if ((await this.#more(closing)) === "ended") this.#end();
      } else {
        const due = loop.due(Math.max(this.#n, 1));
        if (due !== undefined) await due;
      }
    }
  }

  #last(): Step {
    return this.#out.length === 0 || this.#send() ? "empty" : "full";
  }

  /** Waits for packets, or until there is no need any more. */
  async #more(closing: AbortSignal): Promise<Wakeup> {
    try {
      return await this.#input.waitAsync({ signal: closing });
    } catch (error) {
      if (closing.aborted) return "ended";
      throw error;
    }
  }

  /** Releases what is on its way here; the stages get their last moment, to let go what they keep. */
  abandon(): void {
    try {
      this.#end();
    } catch {
      // What has failed before is told; this is but what followed from it.
    }
    for (const skb of [...this.#burst.slice(0, this.#n), ...this.#out]) skb?.[Symbol.dispose]();
    this.#out.length = 0;
    this.#at = this.#n = 0;
  }
}

/** Where packets end, if a function takes them. */
export class FunctionOutput implements PacketOutput {
  readonly #take: (skb: Skb) => void;

  constructor(take: (skb: Skb) => void) {
    this.#take = take;
  }

  enqueueBurst(skbs: (Skb | null | undefined)[], count = skbs.length): number {
    for (let i = 0; i < count; i++) {
      try {
        this.#take(skbs[i] as Skb);
      } catch (error) {
        // It had taken this one and those before it.
        skbs[i]?.[Symbol.dispose]();
        skbs.splice(0, i + 1);
        throw error;
      }
    }
    return count;
  }

  async waitWritableAsync(): Promise<Wakeup> {
    return "ready";
  }
}

/** A stage out of what its module has made. @throws ArgumentTypeError */
export function stageOf(name: string, made: StageFunction | StageObject): Stage {
  if (typeof made === "function") return { name, packet: made, end: null };
  if (typeof made?.packet !== "function")
    throw new ArgumentTypeError(name, "a function, or { packet }", made);
  return { name, packet: (skb) => made.packet(skb), end: made.end === undefined ? null : () => made.end?.() };
}

/** What a stage gave: a packet; undefined for nothing. @throws ArgumentTypeError */
function checkResult(name: string, result: ReturnType<StageFunction>): Skb | undefined {
  if (result === undefined || result === null) return undefined;
  if (result instanceof Skb) return result;
  throw new ArgumentTypeError(`${name}'s result`, "a packet or nothing", result);
}
