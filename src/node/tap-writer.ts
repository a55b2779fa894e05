// TapWriter: the worker that writes what a tap sees, as the tap has it; tap-worker.ts is what runs there.

import { Worker } from "node:worker_threads";
import { checkOpen, coreOf } from "../driver.js";
import type { Engine } from "../engine.js";
import { ThreadLimitError, UnsupportedError } from "../errors.js";
import { codeOf } from "../io/errors.js";
import type { EngineToken, RingToken } from "../token.js";
import { Halt } from "./halt.js";
import { scriptOptions, standing } from "./start-worker.js";

/** What the worker is started with. It answers, with anything, when it is attached. */
export interface TapWork {
  readonly engine: EngineToken;
  readonly ring: RingToken;
  readonly snapLength: number | undefined;
  /** What it makes its `Halt` with. */
  readonly halt: SharedArrayBuffer;
}

/** What it is told then: a descriptor, or the path of a named pipe that nobody reads yet; null if nothing is to be written. */
export type TapFile = string | number | null;

/** What the worker says from then on: how far it is, and at its end what went wrong. */
export interface TapReport {
  readonly written: number;
  readonly bytes: number;
  readonly failed: number;
  readonly cpu: number;
  readonly ended: boolean;
  /** What the file could not be written for, and how long it was then, in bytes. */
  readonly error: { readonly offset: number; readonly got: string } | null;
}

export class TapWriter {
  /** The last one. */
  report: TapReport = { written: 0, bytes: 0, failed: 0, cpu: 0, ended: false, error: null };
  /** When the worker is gone. */
  readonly gone: Promise<void>;
  readonly #worker: Worker;
  readonly #halt: Halt;

  private constructor(worker: Worker, halt: Halt, onFailure: (offset: number, got: string) => void) {
    this.#worker = worker;
    this.#halt = halt;
    worker.on("message", (report: TapReport) => {
      this.report = report;
      if (report.error !== null) onFailure(report.error.offset, report.error.got);
    });
    worker.on("error", (cause) => onFailure(this.report.bytes, String(cause)));
    this.gone = new Promise((resolve) => {
      worker.on("exit", () => {
        if (!this.report.ended) onFailure(this.report.bytes, "a worker that died");
        resolve();
      });
    });
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
    const halt = new Halt();
    const data: TapWork = { ...work, halt: halt.memory };
    try {
      const worker = await standing(
        new Worker(new URL("./tap-worker.js", import.meta.url), scriptOptions(data)),
      );
      return new TapWriter(worker, halt, onFailure);
    } catch (cause) {
      checkOpen(engine);
      if (codeOf(cause) === "ERR_SKB_THREADS") throw new ThreadLimitError(coreOf(engine).threads());
      throw new UnsupportedError("tap", "a worker that starts", codeOf(cause), { cause });
    }
  }

  /** Hands it what to write to. */
  write(file: TapFile): void {
    // Who only transmits may end without closing the tap; an open tap is no reason to stay.
    if (file !== null) this.#worker.unref();
    this.#worker.postMessage(file);
  }

  /** Waits until it is gone, and keeps Node's event loop alive meanwhile. */
  async end(): Promise<void> {
    this.#worker.ref();
    await this.gone;
  }

  /** Has it write nothing more, though it waits for room or for a reader: what it has it releases. */
  halt(): void {
    this.#halt.halt();
  }

  /** Ends it, whatever it does. */
  kill(): void {
    void this.#worker.terminate();
  }
}
