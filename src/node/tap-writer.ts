// TapWriter: the worker that writes what a tap sees, as the tap has it; tap-worker.ts is what runs there.

import { Worker } from "node:worker_threads";
import { checkOpen, coreOf } from "../driver.js";
import type { Engine } from "../engine.js";
import { ThreadLimitError, UnsupportedError } from "../errors.js";
import { codeOf } from "../io/errors.js";
import { type WorkerFailure, WorkerThread } from "../io/worker.js";
import type { EngineToken, RingToken } from "../token.js";
import { Halt } from "./halt.js";

/** What the worker is started with. It is ready when it is attached. */
export interface TapWork {
  readonly engine: EngineToken;
  readonly ring: RingToken;
  readonly snapLength: number | undefined;
  /** What it makes its `Halt` with. */
  readonly halt: SharedArrayBuffer;
}

/** What it is told then: a descriptor, or the path of a named pipe that nobody reads yet; null if nothing is to be written. */
export type TapFile = string | number | null;

/** What the worker says from then on, and at its end: how far it is, and what went wrong. */
export interface TapReport {
  readonly written: number;
  readonly bytes: number;
  readonly failed: number;
  readonly cpu: number;
  /** What the file could not be written for, and how long it was then, in bytes. */
  readonly error: { readonly offset: number; readonly got: string } | null;
}

function startWorker(): Worker {
  // What the program was started with is not for a script of ours: `--input-type`, say, forbids it.
  const env = { ...process.env, NODE_OPTIONS: "" };
  return new Worker(new URL("./tap-worker.js", import.meta.url), { execArgv: [], env });
}

export class TapWriter {
  /** The last one. */
  report: TapReport = { written: 0, bytes: 0, failed: 0, cpu: 0, error: null };
  /** When the worker is gone. */
  readonly gone: Promise<void>;
  readonly #onFailure: (offset: number, got: string) => void;
  readonly #thread: WorkerThread<TapWork, TapFile, TapReport, TapReport>;

  readonly #halt = new Halt();

  private constructor(work: Omit<TapWork, "halt">, onFailure: (offset: number, got: string) => void) {
    this.#onFailure = onFailure;
    const start = { ...work, halt: this.#halt.memory };
    this.#thread = new WorkerThread(startWorker, start, (report: TapReport) => this.#hear(report));
    const ended = this.#thread.ended.then(
      (report) => this.#hear(report),
      ({ message }: WorkerFailure) => onFailure(this.report.bytes, message),
    );
    this.gone = ended.then(() => this.#thread.gone);
  }

  /**
   * Starts the worker, and waits until it stands. `onFailure` is told from then on why nothing can be written.
   *
   * @throws ThreadLimitError, EngineClosedError, UnsupportedError if there is no worker to be had (as rejections): then all of it
   * is gone
   */
  static async start(
    engine: Engine,
    work: Omit<TapWork, "halt">,
    onFailure: (offset: number, got: string) => void,
  ): Promise<TapWriter> {
    const writer = new TapWriter(work, onFailure);
    try {
      await writer.#thread.ready;
      return writer;
    } catch (failure) {
      await writer.gone;
      checkOpen(engine);
      const { cause } = failure as WorkerFailure;
      if (codeOf(cause) === "ERR_SKB_THREADS") throw new ThreadLimitError(coreOf(engine).threads());
      throw new UnsupportedError("tap", "a worker that starts", codeOf(cause), { cause });
    }
  }

  #hear(report: TapReport): void {
    this.report = report;
    if (report.error !== null) this.#onFailure(report.error.offset, report.error.got);
  }

  /** Hands it what to write to. */
  write(file: TapFile): void {
    // Who only transmits may end without closing the tap; an open tap is no reason to stay.
    if (file !== null) this.#thread.hold(false);
    this.#thread.post(file);
  }

  /** Waits until it is gone, and keeps Node's event loop alive meanwhile. */
  async end(): Promise<void> {
    this.#thread.hold(true);
    await this.gone;
  }

  /** Has it write nothing more, though it waits for room or for a reader: what it has it releases. */
  halt(): void {
    this.#halt.halt();
  }

  /** Ends it, whatever it does. */
  kill(): void {
    this.#thread.kill();
  }
}
