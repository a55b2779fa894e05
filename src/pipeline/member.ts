// Members: what a pipeline is made of while it runs, each in one thread. Hired has a worker, Own runs in the caller's thread.

import type { Engine } from "../engine.js";
import { nodeThreads, type WorkerFailure, WorkerThread } from "../io/worker.js";
import type { Mesh } from "../mesh.js";
import { PipelineError } from "./errors.js";
import { importMake, type Make } from "./make.js";
import type { Ending, Order, Start } from "./messages.js";
import type { Code, Part } from "./plan.js";
import { type Making, Segment } from "./segment.js";
import { PartFailed } from "./work.js";

export interface Member {
  /** Packets that were taken from the input, and that the output has taken; of a worker, at its end. */
  readonly taken: number;
  readonly passed: number;
  /** Resolves when it stands. Rejects as `ended` if it never does. */
  readonly ready: Promise<void>;
  /** Resolves to how it ended; rejects with a PipelineError. Its end may be before it was told to go. */
  readonly ended: Promise<Ending>;
  /** Resolves when it is gone, with all that it had. */
  readonly gone: Promise<void>;
  tell(order: Order): void;
  /** Ends it, whatever it does; what it has may be lost. */
  kill(): void;
}

/** Starts the worker that imports a part's module. */
function startWorker(): unknown {
  const threads = nodeThreads();
  // In these words bundlers find it.
  if (threads === undefined)
    return new Worker(new URL("./pipeline-worker.js", import.meta.url), { type: "module" });
  // What the program was started with is not for a script of ours: `--input-type`, say, forbids it.
  return new threads.Worker(new URL("./pipeline-worker.js", import.meta.url), { execArgv: [] });
}

export class Hired implements Member {
  taken = 0;
  passed = 0;
  readonly ready: Promise<void>;
  readonly ended: Promise<Ending>;
  readonly gone: Promise<void>;
  readonly #thread: WorkerThread<Start, Order, never, Ending>;

  constructor(code: Code, start: Start) {
    this.#thread = new WorkerThread(code.worker ?? startWorker, start);
    this.gone = this.#thread.gone;
    this.ended = this.#thread.ended.then(
      (ending) => {
        this.taken = ending.taken;
        this.passed = ending.passed;
        return ending;
      },
      ({ got, cause }: WorkerFailure) => {
        throw new PipelineError(start.name, got, cause);
      },
    );
    this.ready = this.#thread.ready.catch(async () => void (await this.ended));
  }

  tell(order: Order): void {
    this.#thread.post(order);
  }

  kill(): void {
    this.#thread.kill();
  }
}

export class Own implements Member {
  readonly ready: Promise<void>;
  readonly ended: Promise<Ending>;
  readonly gone: Promise<void>;
  readonly #closing = new AbortController();
  readonly #aborting = new AbortController();
  #segment: Segment | null = null;
  #went = false;
  #go: (segment: Segment | null) => void = () => {};

  /** `from` and `to`: the meshes at its ends, if there are any. */
  constructor(engine: Engine, parts: readonly Part[], from: Mesh | undefined, to: Mesh | undefined) {
    const makings = parts.map((part) => makingOf(engine, part));
    const open = () => ({ from: from?.receiver(0) ?? null, to: to?.sender(0) ?? null });
    const made = Segment.make(engine, makings, open).then((segment) => {
      this.#segment = segment;
      // Nobody has waited for it.
      if (this.#went) segment.leave();
    });
    this.ready = made.catch(failing);
    const going = new Promise<Segment | null>((resolve) => {
      this.#go = resolve;
    });
    this.ended = going.then((segment) =>
      // What was aborted before it went gives back what it has, and does nothing else.
      segment === null ? NOTHING : segment.run(this.#closing.signal, this.#aborting.signal).catch(failing),
    );
    this.gone = this.ended.then(
      () => {},
      () => {},
    );
  }

  get taken(): number {
    return this.#segment?.taken ?? 0;
  }

  get passed(): number {
    return this.#segment?.passed ?? 0;
  }

  tell(order: Order): void {
    if (order === "abort") this.#aborting.abort();
    if (order !== "go") this.#closing.abort();
    else if (!this.#went) this.#go(this.#segment);
    this.#went ||= order === "go";
  }

  kill(): void {}
}

/** Of a member that was never made. */
const NOTHING: Ending = { taken: 0, passed: 0, cut: false };

function failing(error: unknown): never {
  if (!(error instanceof PartFailed)) throw error;
  const { part, cause } = error;
  throw new PipelineError(part, cause instanceof Error ? cause.message : String(cause), cause);
}

/** How a part is made in this thread. */
function makingOf(engine: Engine, { name, kind, code, own }: Part): Making {
  return {
    name,
    kind,
    make: async (emit) => {
      if (code === null && kind !== "stage") return own;
      const make =
        code === null
          ? (own as unknown as Make)
          : await importMake(
              name,
              code.load ?? (() => import(/* @vite-ignore */ /* webpackIgnore: true */ code.module as string)),
            );
      return make({ engine, data: code?.data, index: 0, threads: 1, emit });
    },
  };
}
