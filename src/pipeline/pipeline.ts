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
import { heard, PipelineError } from "./errors.js";
import { Host, startOwn } from "./host.js";
import { IterableInput } from "./iterable.js";
import { importMake, inputOf, type Make, outputOf } from "./make.js";
import { type Answer, isOf, type Place, type Start } from "./messages.js";
import {
  type Code,
  checkPlan,
  type PacketInput,
  type PacketOutput,
  type Part,
  type PipelineOptions,
  type Plan,
  type StageContext,
  type StageFunction,
  type StageObject,
} from "./plan.js";
import { OutputEnded, PartFailed, stageOf, Work } from "./work.js";

/** Milliseconds that a worker has to leave by itself when the pipeline is aborted. One in an endless loop never does. */
const LEAVE_MS = 2000;

/** What has gone through a pipeline. Of a part that has a thread of its own, known when that has ended. */
export interface PipelineStats {
  /** Packets that were taken from the source. */
  readonly taken: number;
  /** Packets that the sink has taken. */
  readonly delivered: number;
}

/** Parts that are next to each other in one place, and what is between it and the next. */
interface Group {
  readonly parts: readonly Part[];
  /** 0: in the caller's thread. */
  readonly threads: number;
  /** How many ends its meshes have: one for each thread. */
  readonly ends: number;
}

/** One worker or one Work, until it has ended. */
interface Member {
  readonly group: Group;
  taken: number;
  passed: number;
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
  readonly #members: Member[] = [];
  readonly #hosts = new Set<Host>();
  readonly #iterables: IterableInput[] = [];
  readonly #closing = new AbortController();
  readonly #aborting = new AbortController();
  readonly #stopped: Int32Array;
  /** Members that have not ended, and its beginning. */
  #running = 1;
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
    const last = this.#groups.length - 1;
    const sum = (at: number, what: "taken" | "passed"): number =>
      this.#members.reduce((n, member) => n + (member.group === this.#groups[at] ? member[what] : 0), 0);
    return { taken: sum(0, "taken"), delivered: sum(last, "passed") };
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
    this.#closing.abort();
    for (const host of this.#hosts) host.post({ skbuff: "pipeline", kind: "close" });
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
    const works: (() => void)[] = [];
    signal?.addEventListener("abort", this.#onSignal);
    try {
      for (let i = 1; i < this.#groups.length; i++) {
        const [from, to] = [this.#groups[i - 1] as Group, this.#groups[i] as Group];
        this.#meshes.push(new Mesh(this.#engine, from.ends, to.ends, { capacity, spread }));
      }
      const ready: Promise<void>[] = [];
      for (const [i, group] of this.#groups.entries()) {
        if (group.threads === 0) continue;
        for (let index = 0; index < group.threads; index++) ready.push(this.#hire(group, i, index));
      }
      await Promise.all([...ready, this.#makeOwn(works)]);
      checkOpen(this.#engine);
      throwIfAborted(signal);
    } catch (error) {
      this.#watched = true;
      this.#stop(error);
    }
    // Also if it is over: they give back what they have.
    for (const work of works) work();
    for (const host of this.#hosts) host.post({ skbuff: "pipeline", kind: "go" });
    if (!this.#over) {
      this.#ended();
      return;
    }
    this.#watched = true;
    this.#ended();
    await this.#done;
  }

  /** Starts a worker. Resolves when it stands. */
  #hire(group: Group, at: number, index: number): Promise<void> {
    const part = group.parts[0] as Part;
    const code = part.code as Code;
    const member = this.#member(group);
    return new Promise((resolve, reject) => {
      const fail = (error: PipelineError): void => {
        reject(error);
        this.#stop(error);
      };
      let host: Host | undefined;
      let left = false;
      const end = (): void => {
        if (left) return;
        left = true;
        if (host !== undefined) this.#hosts.delete(host);
        this.#ended();
      };
      let answered = false;
      try {
        host = new Host(code.worker ?? startOwn, {
          message: (message) => {
            if (!isOf<Answer>(message, "ready", "ended", "failed") || answered) return;
            if (message.kind === "ready") return resolve();
            answered = true;
            if (message.kind === "failed") {
              const cause = heard(message.error);
              fail(new PipelineError(message.part, cause.message, cause));
            } else {
              member.taken = message.taken;
              member.passed = message.passed;
              // Its neighbour has failed, and says why.
              if (message.cut) this.#cut = true;
            }
            // What it still has comes back when it is gone.
            if (host?.tells !== true) end();
          },
          gone: (cause) => {
            if (!answered) fail(new PipelineError(part.name, "a worker that died", cause));
            answered = true;
            end();
          },
        });
        this.#hosts.add(host);
        host.post({
          skbuff: "pipeline",
          kind: "start",
          engine: this.#engine.share(),
          part: part.kind,
          name: part.name,
          module: code.module,
          data: code.data,
          index,
          threads: group.threads,
          from: this.#place(at - 1, index),
          to: this.#place(at, index),
          stopped: this.#stopped,
        } satisfies Start);
      } catch (cause) {
        answered = true;
        fail(new PipelineError(part.name, "a worker that does not start", cause));
        // Of one that is there, the end is told.
        if (host === undefined) end();
        else host.kill();
      }
    });
  }

  /** Makes the parts that run here. What starts them goes into `works`. */
  async #makeOwn(works: (() => void)[]): Promise<void> {
    for (const [i, group] of this.#groups.entries()) {
      if (group.threads > 0) continue;
      const [first, last] = [group.parts[0] as Part, group.parts.at(-1) as Part];
      const emits: StageContext["emit"][] = [];
      const made: unknown[] = [];
      for (const [at, part] of group.parts.entries())
        made.push(await this.#make(part, (skb) => (emits[at] as StageContext["emit"])(skb)));
      // Who begins has not waited for this, and would not end it.
      if (this.#over) throw this.#reason;
      // What may be wrong comes first.
      const input = i === 0 ? inputOf(first.name, made[0]) : null;
      const output = i === this.#groups.length - 1 ? outputOf(last.name, made.at(-1)) : null;
      if (input instanceof IterableInput) this.#iterables.push(input);
      const receiver = input === null ? (this.#meshes[i - 1] as Mesh).receiver(0) : null;
      const sender = output === null ? (this.#meshes[i] as Mesh).sender(0) : null;
      const work = new Work((input ?? receiver) as PacketInput, (output ?? sender) as PacketOutput);
      for (const [at, part] of group.parts.entries()) {
        if (part.kind !== "stage") continue;
        work.add(part.name, (emit) => {
          emits[at] = emit;
          return stageOf(part.name, made[at] as StageFunction | StageObject);
        });
      }
      const member = this.#member(group);
      works.push(() => void this.#work(work, member, receiver, sender));
    }
  }

  async #make(part: Part, emit: StageContext["emit"]): Promise<unknown> {
    const { name, kind, code, own } = part;
    if (code === null && kind !== "stage") return own;
    try {
      const make =
        code === null
          ? (own as unknown as Make)
          : await importMake(
              name,
              code.load ?? (() => import(/* @vite-ignore */ /* webpackIgnore: true */ code.module as string)),
            );
      return await make({ engine: this.#engine, data: code?.data, index: 0, threads: 1, emit });
    } catch (cause) {
      throw new PipelineError(name, messageOf(cause), cause);
    }
  }

  async #work(
    work: Work,
    member: Member,
    receiver: ReturnType<Mesh["receiver"]> | null,
    sender: ReturnType<Mesh["sender"]> | null,
  ): Promise<void> {
    try {
      await work.pump(
        receiver === null ? this.#closing.signal : this.#aborting.signal,
        this.#aborting.signal,
      );
    } catch (error) {
      work.abandon();
      if (error instanceof OutputEnded) this.#cut = true;
      else if (error instanceof PartFailed)
        this.#stop(new PipelineError(error.part, messageOf(error.cause), error.cause));
      else if (!this.#over)
        this.#stop(new PipelineError((member.group.parts[0] as Part).name, messageOf(error), error));
    }
    member.taken = work.taken;
    member.passed = work.passed;
    if (!this.#engine.closed) {
      receiver?.close();
      sender?.close();
      receiver?.release();
      sender?.release();
    }
    this.#ended();
  }

  #place(at: number, index: number): Place | null {
    const mesh = this.#meshes[at];
    return mesh === undefined ? null : { mesh: mesh.share(), index };
  }

  // ─── Ending ──────────────────────────────────────────────────────────────────────────────────────────

  #member(group: Group): Member {
    const member = { group, taken: 0, passed: 0 };
    this.#members.push(member);
    this.#running++;
    return member;
  }

  /** Aborts, with the first reason that there is. */
  #stop(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#failed = true;
    this.#reason = reason;
    Atomics.store(this.#stopped, 0, 1);
    this.#aborting.abort(reason);
    this.#closing.abort();
    for (const host of this.#hosts) host.post({ skbuff: "pipeline", kind: "abort" });
    if (!this.#engine.closed) for (const mesh of this.#meshes) closeAll(mesh);
    this.#timer = setTimeout(() => {
      for (const host of this.#hosts) host.kill();
    }, LEAVE_MS);
  }

  /** One member less. With the last one all is over. */
  #ended(): void {
    if (--this.#running > 0) return;
    if (this.#cut && !this.#failed) {
      this.#failed = true;
      this.#reason = new PipelineError("sink", "a closed one");
    }
    this.#over = true;
    clearTimeout(this.#timer);
    this.#plan.signal?.removeEventListener("abort", this.#onSignal);
    for (const iterable of this.#iterables) iterable.end();
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

/** Closes all rings of a mesh, whoever has their ends. */
function closeAll(mesh: Mesh): void {
  for (let i = 0; i < mesh.producers; i++) {
    const sender = mesh.sender(i);
    sender.close();
    sender.release();
  }
}

function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

describes(Pipeline, "Pipeline", (pipeline) => ({ ...pipeline.stats() }));
