// Segment: parts of a pipeline that are neighbours in one thread, from their making to their end.

import type { Engine } from "../engine.js";
import type { Receiver } from "../receiver.js";
import type { Sender } from "../sender.js";
import { IterableInput } from "./iterable.js";
import { inputOf, outputOf } from "./make.js";
import type { Ending } from "./messages.js";
import type { PacketInput, PacketOutput, Part, StageContext, StageFunction, StageObject } from "./plan.js";
import { OutputEnded, PartFailed, type Stage, stageOf, Work } from "./work.js";

type Emit = StageContext["emit"];

/** A part that is to be made. */
export interface Making {
  readonly name: string;
  readonly kind: Part["kind"];
  make(emit: Emit): unknown;
}

/** Ends of meshes, null where the source or the sink is. */
interface Ends {
  readonly from: Receiver | null;
  readonly to: Sender | null;
}

export class Segment {
  readonly #engine: Engine;
  /** Of its first part, which is to blame for what no other is. */
  readonly #name: string;
  readonly #ends: Ends;
  readonly #work: Work;
  readonly #input: PacketInput;

  private constructor(engine: Engine, name: string, ends: Ends, input: PacketInput, output: PacketOutput) {
    this.#engine = engine;
    this.#name = name;
    this.#ends = ends;
    this.#input = input;
    this.#work = new Work(input, output);
  }

  /** Makes the parts, and only then opens the ends. @throws PartFailed (as a rejection) */
  static async make(engine: Engine, parts: readonly Making[], open: () => Ends): Promise<Segment> {
    const emits: Emit[] = [];
    const stages = new Map<number, Stage>();
    let input: PacketInput | undefined;
    let output: PacketOutput | undefined;
    for (const [i, { name, kind, make }] of parts.entries()) {
      try {
        const made = await make((skb) => (emits[i] as Emit)(skb));
        if (kind === "source") input = inputOf(name, made);
        else if (kind === "sink") output = outputOf(name, made);
        else stages.set(i, stageOf(name, made as StageFunction | StageObject));
      } catch (cause) {
        throw new PartFailed(name, cause);
      }
    }
    const ends = open();
    const [first] = parts as [Making];
    const segment = new Segment(
      engine,
      first.name,
      ends,
      (input ?? ends.from) as PacketInput,
      (output ?? ends.to) as PacketOutput,
    );
    for (const [i, stage] of stages)
      segment.#work.add(stage.name, (emit) => {
        emits[i] = emit;
        return stage;
      });
    return segment;
  }

  get taken(): number {
    return this.#work.taken;
  }

  get passed(): number {
    return this.#work.passed;
  }

  /**
   * Works until all is through; until `closing`, if it has the source, and what was taken is through; or until `aborting`. Then
   * it is left. Between two meshes it blocks this thread if `stopped` is given, which aborts it then.
   *
   * @throws PartFailed (as a rejection)
   */
  async run(closing: AbortSignal, aborting: AbortSignal, stopped?: () => boolean): Promise<Ending> {
    const { from, to } = this.#ends;
    let cut = false;
    try {
      if (stopped !== undefined && from !== null && to !== null) this.#work.block(stopped);
      else await this.#work.pump(from === null ? closing : aborting, aborting);
    } catch (error) {
      if (error instanceof OutputEnded) cut = true;
      else if (error instanceof PartFailed) throw error;
      else if (!aborting.aborted) throw new PartFailed(this.#name, error);
    } finally {
      this.leave();
    }
    return { taken: this.taken, passed: this.passed, cut };
  }

  /** Gives back what it has, and ends the iteration of its source. */
  leave(): void {
    this.#work.abandon();
    if (this.#input instanceof IterableInput) this.#input.end();
    if (this.#engine.closed) return;
    for (const end of [this.#ends.from, this.#ends.to]) {
      end?.close();
      end?.release();
    }
  }
}
