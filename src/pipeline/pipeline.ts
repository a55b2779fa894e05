/// <reference lib="esnext.disposable" preserve="true" />
// Pipeline: a source, stages and a sink, on threads of their own where memory is shared, else in the caller's.
//
//     caller            thread 2, 3          caller
//     source ──mesh──▶  stage 0    ──mesh──▶ stage 1 ─▶ sink
//
// Neighbours in the caller's thread are one Work; where a thread begins or ends, a mesh is between.

import type { AbortSignalLike } from "../abort.js";
import { describes } from "../describe.js";
import { checkEngine, checkOpen } from "../driver.js";
import type { Engine } from "../engine.js";
import { Mesh } from "../mesh.js";
import { PipelineError } from "./errors.js";
import { Hired, type Member, Own } from "./member.js";
import type { Order, Place } from "./messages.js";
import { type Code, checkPlan, type Part, type PipelineOptions, type Plan } from "./plan.js";

/** Milliseconds that a worker has to leave by itself when the pipeline is aborted. One in an endless loop never does. */
const LEAVE_MS = 2000;

/** What has gone through a pipeline. Of a part that has a thread of its own, known when that has ended. */
export interface PipelineStats {
  /** Packets that were taken from the source. */
  readonly taken: number;
  /** Packets that the sink has taken. */
  readonly delivered: number;
}

/** Parts that are next to each other in one place. */
interface Group {
  readonly parts: readonly Part[];
  /** 0: in the caller's thread. */
  readonly threads: number;
  /** How many ends its meshes have: one for each thread. */
  readonly ends: number;
}

/**
 * Packets from a source, through stages, to a sink; each stage on as many threads as it says. Where memory is not shared all
 * of it runs in the caller's thread, by the same description.
 *
 * @example
 * const ring = new Ring(engine);
 * ring.enqueue(skb);
 * ring.close();
 * const lengths = [];
 * const pipeline = await Pipeline.open(engine, {
 *   source: ring,
 *   stages: [() => (packet) => (packet.length > 10 ? packet : packet.release())],
 *   sink: (packet) => {
 *     lengths.push(packet.length);
 *     packet.release();
 *   },
 * });
 * await pipeline.done;
 * lengths; // → [100]
 */
export class Pipeline {
  readonly #engine: Engine;
  readonly #plan: Plan;
  readonly #groups: readonly Group[];
  readonly #meshes: Mesh[] = [];
  /** Of each group. */
  readonly #members: Member[][] = [];
  readonly #stopped: Int32Array;
  /** Whether it was aborted, or has ended. */
  #over = false;
  #failed = false;
  #reason: unknown;
  /** Whether a part ended because the next one took nothing any more. */
  #cut = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether anybody would hear of a failure. */
  #watched = false;
  #settle: () => void = () => {};
  readonly #done: Promise<void>;
  readonly #onSignal = (): void => this.abort(this.#plan.signal?.reason);

  private constructor(engine: Engine, plan: Plan) {
    this.#engine = engine;
    this.#plan = plan;
    this.#groups = groupsOf(plan.parts);
    this.#stopped = new Int32Array(engine.shared ? new SharedArrayBuffer(4) : new ArrayBuffer(4));
    this.#done = new Promise<void>((resolve, reject) => {
      this.#settle = () => (this.#failed ? reject(this.#reason) : resolve());
    });
    // Who has not asked for it is told in another way.
    this.#done.catch(() => {});
  }

  /**
   * Starts the threads and, when all stand, the packets. Returns an owned pipeline.
   *
   * @throws PipelineError if a part cannot be made (its `cause` says why), PoolExhaustedError without rings enough,
   * ArgumentTypeError, ArgumentRangeError, the signal's reason (as rejections): then nothing is left
   * @example
   * const pipeline = await Pipeline.open(engine, { source: [skb, other], sink: (packet) => packet.release() });
   * await pipeline.done;
   * pipeline.stats(); // → { taken: 2, delivered: 2 }
   */
  static async open(engine: Engine, options: PipelineOptions): Promise<Pipeline> {
    checkEngine(engine);
    const plan = checkPlan(options, engine.shared);
    throwIfAborted(plan.signal);
    const pipeline = new Pipeline(engine, plan);
    await pipeline.#start();
    return pipeline;
  }

  /**
   * Resolves when the source has ended and the sink has taken all that came through, after which all threads have left.
   *
   * Rejects with a PipelineError if a part has failed, or with the reason of `abort`.
   */
  get done(): Promise<void> {
    this.#watched = true;
    return this.#done;
  }

  /**
   * What went through so far.
   *
   * @example
   * const pipeline = await Pipeline.open(engine, { source: [skb], sink: (packet) => packet.release() });
   * await pipeline.close();
   * pipeline.stats().delivered; // → 1
   */
  stats(): PipelineStats {
    const sum = (at: number, what: "taken" | "passed"): number =>
      (this.#members.at(at) ?? []).reduce((n, member) => n + member[what], 0);
    return { taken: sum(0, "taken"), delivered: sum(-1, "passed") };
  }

  /**
   * Takes nothing more from the source; resolves when what was taken is through, as `done`. What the source still has stays
   * there.
   *
   * @throws as `done` rejects
   * @example
   * const pipeline = await Pipeline.open(engine, { source: new Ring(engine), sink: (packet) => packet.release() });
   * await pipeline.close();
   */
  close(): Promise<void> {
    this.#tell("close");
    return this.done;
  }

  /**
   * Ends it now: packets that are under way are released, threads leave. `done` rejects with `reason` when they have. A
   * thread that does not leave within 2 s is terminated.
   *
   * @example
   * const pipeline = await Pipeline.open(engine, { source: new Ring(engine), sink: (packet) => packet.release() });
   * pipeline.abort(new Error("enough"));
   * await pipeline.done; // throws Error
   */
  abort(reason: unknown = new Error("the pipeline was aborted")): void {
    this.#watched = true;
    this.#stop(reason);
  }

  /**
   * `close()`.
   *
   * @throws as `close`
   * @example
   * const pipeline = await Pipeline.open(engine, { source: [skb], sink: (packet) => packet.release() });
   * await pipeline[Symbol.asyncDispose]();
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ─── Beginning ───────────────────────────────────────────────────────────────────────────────────────

  async #start(): Promise<void> {
    const { capacity, spread, signal } = this.#plan;
    signal?.addEventListener("abort", this.#onSignal);
    const ends: Promise<void>[] = [];
    try {
      for (let i = 1; i < this.#groups.length; i++) {
        const [from, to] = [this.#groups[i - 1] as Group, this.#groups[i] as Group];
        this.#meshes.push(new Mesh(this.#engine, from.ends, to.ends, { capacity, spread }));
      }
      for (const [i, group] of this.#groups.entries()) {
        const members: Member[] = [];
        this.#members.push(members);
        for (const member of this.#membersOf(group, i)) {
          members.push(member);
          ends.push(this.#watch(member));
        }
      }
      await Promise.all(this.#members.flat().map(({ ready }) => ready));
      checkOpen(this.#engine);
      throwIfAborted(signal);
    } catch (error) {
      this.#watched = true;
      this.#stop(error);
    }
    // Also if it is over: they give back what they have.
    this.#tell("go");
    void Promise.all(ends).then(() => this.#end());
    if (!this.#over) return;
    this.#watched = true;
    await this.#done;
  }

  /** Starts those of group `i`, one after the other. */
  *#membersOf({ parts, threads }: Group, i: number): Generator<Member, void> {
    const [from, to] = [this.#meshes[i - 1], this.#meshes[i]];
    if (threads === 0) yield new Own(this.#engine, parts, from, to);
    const [{ name, kind, code }] = parts as [Part];
    for (let index = 0; index < threads; index++) {
      const { module, data } = code as Code;
      yield new Hired(code as Code, {
        engine: this.#engine.share(),
        kind,
        name,
        module,
        data,
        index,
        threads,
        from: placeIn(from, index),
        to: placeIn(to, index),
        stopped: this.#stopped,
      });
    }
  }

  /** Resolves when a member is gone. */
  async #watch({ ready, ended, gone }: Member): Promise<void> {
    // `ended` says the same.
    ready.catch(() => {});
    try {
      // Its neighbour has failed, and says why.
      if ((await ended).cut) this.#cut = true;
    } catch (error) {
      this.#stop(error);
    }
    await gone;
  }

  #tell(order: Order): void {
    for (const member of this.#members.flat()) member.tell(order);
  }

  // ─── Ending ──────────────────────────────────────────────────────────────────────────────────────────

  /** Aborts, with the first reason that there is. */
  #stop(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#failed = true;
    this.#reason = reason;
    Atomics.store(this.#stopped, 0, 1);
    this.#tell("abort");
    if (!this.#engine.closed) for (const mesh of this.#meshes) mesh.close();
    this.#timer = setTimeout(() => {
      for (const member of this.#members.flat()) member.kill();
    }, LEAVE_MS);
  }

  /** All are gone. */
  #end(): void {
    if (this.#cut && !this.#failed) {
      this.#failed = true;
      this.#reason = new PipelineError("sink", "a sink that was closed");
    }
    this.#over = true;
    clearTimeout(this.#timer);
    this.#plan.signal?.removeEventListener("abort", this.#onSignal);
    for (const mesh of this.#meshes) mesh.release();
    this.#settle();
    if (this.#failed && !this.#watched) setTimeout(() => this.#surface());
  }

  /** Nobody has asked for `done`, in a turn since it could be asked for: nobody would hear of the failure. */
  #surface(): void {
    if (!this.#watched) throw this.#reason;
  }
}

/** Neighbours that run in the caller's thread are one group, each other part is one by itself. */
function groupsOf(parts: readonly Part[]): Group[] {
  const groups: { parts: Part[]; threads: number; ends: number }[] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    if (part.threads === 0 && last?.threads === 0) last.parts.push(part);
    else groups.push({ parts: [part], threads: part.threads, ends: Math.max(part.threads, 1) });
  }
  return groups;
}

function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

function placeIn(mesh: Mesh | undefined, index: number): Place | null {
  return mesh === undefined ? null : { mesh: mesh.share(), index };
}

describes(Pipeline, "Pipeline", (pipeline) => ({ ...pipeline.stats() }));
