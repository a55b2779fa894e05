// One run of the pipeline, as the page sees it: it starts the threads, and asks or hears what they do. Three kinds: threads
// on shared memory, one thread on unshared memory, and threads that send each other messages.

import { Engine, Mesh, type Skb } from "skbuff";
import { type PageMap, pageMap, stats } from "skbuff/inspect";
import "skbuff/js";
import { leakIn, leaveEmpty } from "./leak.js";
import {
  type Answer,
  type Command,
  type Outcome,
  type Plan,
  planOf,
  type Report,
  type Settings,
  type Snapshot,
  type ThreadJob,
} from "./protocol.js";
import type { Start } from "./worker.js";

/** Milliseconds without a word from any thread, after which it is believed that one does not end: a slow one still reports. */
const SILENCE_MS = 10_000;

export interface Listener {
  report(report: Report): void;
  leaked(packets: number): void;
  /** A thread has failed; the run is over, and nothing of it is left. */
  failed(message: string): void;
}

export interface Run {
  /** Who has which number in the arena: `source`, `worker 1`... */
  readonly names: ReadonlyMap<number, string>;
  /** Of the engine, as it is now; null if there is none. */
  snapshot(): Snapshot | null;
  /** Makes a packet that nobody releases. Returns whether there was memory for it. */
  leak(): Promise<boolean>;
  /** Releases them. Returns how the engine was left, if the run has stopped; else null. */
  mend(): Promise<Outcome | null>;
  /** Lets what is under way come through, ends the threads, and closes the engine if nothing is out. */
  stop(): Promise<Outcome>;
  /** Ends everything at once, whatever is out. */
  abandon(): void;
  /** To ask it from the console; null if the page has none. */
  readonly engine: Engine | null;
}

export function nameOf(role: Report["role"], place: number): string {
  return role === "worker" ? `worker ${place + 1}` : role;
}

/** The workers of a run, and what they answer. */
class Crew {
  readonly #listener: Listener;
  readonly #workers: Worker[] = [];
  readonly #done: Promise<void>[] = [];
  #over = false;
  /** When a thread last said something. */
  #heard = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  start(start: Start, on: (answer: Answer) => void, transfer: Transferable[] = []): Worker {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#workers.push(worker);
    this.#done.push(
      new Promise((resolve) => {
        worker.onmessage = ({ data }: MessageEvent<Answer>) => {
          if (this.#over) return;
          this.#heard = performance.now();
          if (data.kind === "report") this.#listener.report(data);
          else if (data.kind === "done") resolve();
          else if (data.kind === "failed") this.#fail(data.message);
          else on(data);
        };
      }),
    );
    worker.onerror = (event) => this.#fail(event.message || "a thread did not start");
    worker.postMessage(start, transfer);
    return worker;
  }

  #fail(message: string): void {
    if (this.#over) return;
    this.end();
    this.#listener.failed(message);
  }

  /** When all have said that they are done. @throws Error if they fall silent before */
  async done(): Promise<void> {
    let timer: ReturnType<typeof setInterval> | undefined;
    this.#heard = performance.now();
    const silence = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        if (performance.now() - this.#heard > SILENCE_MS)
          reject(new Error(`the threads did not end, and said nothing for ${SILENCE_MS / 1000} s`));
      }, SILENCE_MS / 10);
    });
    try {
      await Promise.race([Promise.all(this.#done), silence]);
    } finally {
      clearInterval(timer);
    }
  }

  end(): void {
    this.#over = true;
    for (const worker of this.#workers) worker.terminate();
  }
}

// ─── Threads on shared memory ────────────────────────────────────────────────────────────────────────────

class SharedRun implements Run {
  readonly names = new Map<number, string>();
  readonly engine: Engine;
  readonly #crew: Crew;
  readonly #control = new Int32Array(new SharedArrayBuffer(4));
  readonly #meshes: Mesh[];
  readonly #leaked: Skb[] = [];
  readonly #listener: Listener;
  #map: PageMap | undefined;
  #stopped = false;

  constructor(engine: Engine, settings: Settings, plan: Plan, listener: Listener) {
    this.engine = engine;
    this.#listener = listener;
    this.#crew = new Crew(listener);
    this.names.set(engine.thread, "this page");
    const { workers, arrangement } = settings;
    const options = { capacity: plan.capacity, spread: "in-turn" } as const;
    const side = arrangement === "side";
    this.#meshes = side
      ? [new Mesh(engine, 1, workers, options), new Mesh(engine, workers, 1, options)]
      : Array.from({ length: workers + 1 }, () => new Mesh(engine, 1, 1, options));
    const tokens = this.#meshes.map((mesh) => mesh.share());
    const end = (i: number, place: number): ThreadJob["from"] => {
      const mesh = tokens[i];
      return mesh === undefined ? null : { mesh, place };
    };
    const common = {
      kind: "thread",
      settings: { ...settings, capture: null },
      plan,
      engine: engine.share(),
      control: this.#control,
    } as const;
    const epoch = performance.timeOrigin + performance.now();
    const start = (
      role: ThreadJob["role"],
      place: number,
      from: ThreadJob["from"],
      to: ThreadJob["to"],
    ): void => {
      // Only the source needs the capture.
      const job: ThreadJob = {
        ...common,
        role,
        place,
        from,
        to,
        epoch,
        ...(role === "source" && { settings }),
      };
      this.#crew.start({ job }, (answer) => {
        if (answer.kind === "ready") this.names.set(answer.thread, nameOf(role, place));
      });
    };
    start("sink", 0, end(tokens.length - 1, 0), null);
    for (let i = 0; i < workers; i++)
      start("worker", i, side ? end(0, i) : end(i, 0), side ? end(1, i) : end(i + 1, 0));
    start("source", 0, null, end(0, 0));
  }

  snapshot(): Snapshot | null {
    if (this.engine.closed) return null;
    this.#map = pageMap(this.engine, this.#map);
    const { sent, copied, drops } = stats(this.engine);
    return { map: this.#map, sent, copied, drops: drops.reduce((sum, n) => sum + n, 0) };
  }

  async leak(): Promise<boolean> {
    const got = leakIn(this.engine, this.#leaked);
    this.#listener.leaked(this.#leaked.length);
    return got;
  }

  async mend(): Promise<Outcome | null> {
    if (!this.engine.closed) this.engine.releaseBurst(this.#leaked);
    this.#leaked.length = 0;
    this.#listener.leaked(0);
    return this.#stopped ? leaveEmpty(this.engine) : null;
  }

  async stop(): Promise<Outcome> {
    Atomics.store(this.#control, 0, 1);
    try {
      await this.#crew.done();
    } finally {
      this.#crew.end();
    }
    for (const mesh of this.#meshes) mesh.release();
    this.#stopped = true;
    return leaveEmpty(this.engine);
  }

  abandon(): void {
    this.#crew.end();
    this.engine.close({ force: true });
  }
}

// ─── One thread on unshared memory ───────────────────────────────────────────────────────────────────────

class SoloRun implements Run {
  readonly names = new Map<number, string>();
  readonly engine = null;
  readonly #crew: Crew;
  readonly #worker: Worker;
  #snapshot: Snapshot | null = null;
  #answered: ((got: boolean) => void) | undefined;
  #left: ((outcome: Outcome) => void) | undefined;
  #stopped = false;

  constructor(settings: Settings, plan: Plan, listener: Listener) {
    this.#crew = new Crew(listener);
    const epoch = performance.timeOrigin + performance.now();
    this.#worker = this.#crew.start({ job: { kind: "solo", settings, plan, epoch } }, (answer) => {
      if (answer.kind === "ready") this.names.set(answer.thread, "the one thread");
      else if (answer.kind === "snapshot") this.#snapshot = answer;
      else if (answer.kind === "outcome") this.#left?.(answer.outcome);
      else if (answer.kind === "leaked") {
        listener.leaked(answer.packets);
        this.#answered?.(answer.got);
      }
    });
  }

  #tell(kind: Command["kind"]): void {
    this.#worker.postMessage({ kind });
  }

  snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  leak(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#tell("leak");
    });
  }

  async mend(): Promise<Outcome | null> {
    if (this.#stopped) return this.#leave("mend");
    this.#tell("mend");
    return null;
  }

  async stop(): Promise<Outcome> {
    const outcome = this.#leave("stop");
    await this.#crew.done();
    this.#stopped = true;
    return outcome;
  }

  #leave(kind: Command["kind"]): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#left = resolve;
      this.#tell(kind);
    });
  }

  abandon(): void {
    this.#crew.end();
  }
}

// ─── Threads that send messages ──────────────────────────────────────────────────────────────────────────

class PostRun implements Run {
  readonly names = new Map<number, string>();
  readonly engine = null;
  readonly #crew: Crew;
  readonly #source: Worker;

  constructor(settings: Settings, plan: Plan, listener: Listener) {
    this.#crew = new Crew(listener);
    const { workers, arrangement } = settings;
    const side = arrangement === "side";
    const wires = (n: number): MessageChannel[] => Array.from({ length: n }, () => new MessageChannel());
    // Beside each other: one wire to each worker and one from each. In a row: one between each two.
    const [down, up] = [wires(side ? workers : workers + 1), wires(side ? workers : 0)];
    const credit = new MessageChannel();
    const epoch = performance.timeOrigin + performance.now();
    const heads = (list: MessageChannel[]): MessagePort[] => list.map(({ port1 }) => port1);
    const tails = (list: MessageChannel[]): MessagePort[] => list.map(({ port2 }) => port2);
    const start = (
      role: Report["role"],
      place: number,
      from: MessagePort[],
      next: MessagePort[],
      back: MessagePort | null,
    ): Worker => {
      const own = role === "source" ? settings : { ...settings, capture: null };
      const job = { kind: "post", role, settings: own, plan, epoch, senders: from.length } as const;
      const ports = [...from, ...next, ...(back === null ? [] : [back])];
      return this.#crew.start({ job, place, ports: { from, next, back } }, () => {}, ports);
    };
    start("sink", 0, tails(side ? up : down.slice(-1)), [], credit.port2);
    for (let i = 0; i < workers; i++) {
      const out = side ? up.slice(i, i + 1) : down.slice(i + 1, i + 2);
      start("worker", i, tails(down.slice(i, i + 1)), heads(out), null);
    }
    this.#source = start("source", 0, [], heads(side ? down : down.slice(0, 1)), credit.port1);
  }

  snapshot(): null {
    return null;
  }

  async leak(): Promise<boolean> {
    return false;
  }

  async mend(): Promise<null> {
    return null;
  }

  async stop(): Promise<Outcome> {
    this.#source.postMessage({ kind: "stop" });
    await this.#crew.done();
    this.#crew.end();
    return { problems: [], out: [] };
  }

  abandon(): void {
    this.#crew.end();
  }
}

/** Starts a run as the page can have it. @throws PoolExhaustedError, UnsupportedError */
export async function startRun(settings: Settings, listener: Listener): Promise<Run> {
  const plan = planOf(settings);
  if (settings.mode === "post") return new PostRun(settings, plan, listener);
  if (!crossOriginIsolated) return new SoloRun(settings, plan, listener);
  const engine = await Engine.create({
    memory: plan.memory,
    core: settings.core,
    shared: true,
    ubufs: 1024,
    threads: 8,
  });
  try {
    return new SharedRun(engine, settings, plan, listener);
  } catch (error) {
    engine.close({ force: true });
    throw error;
  }
}
