// Threads of a replay, as the main thread has them; roles.ts has what they say.

import { Worker } from "node:worker_threads";
import type { Said } from "./roles.js";

/** A worker, and the last that it said. */
export class Thread<Report> {
  readonly name: string;
  readonly ended: Promise<void>;
  /** Whether it is as far as to begin; if not, it has ended before. */
  readonly ready: Promise<boolean>;
  last: Said<Report> | null = null;
  /** Whether it ended before its time: then it takes nothing any more, and keeps what it had. */
  died = false;
  readonly #worker: Worker;

  /** `onSaid`: called whenever it says something, and when it dies. */
  constructor(
    name: string,
    file: string,
    workerData: unknown,
    onSaid: (thread: Thread<Report>) => void = () => {},
  ) {
    this.name = name;
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData, name });
    let isReady: (ready: boolean) => void = () => {};
    this.ready = new Promise((resolve) => {
      isReady = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#worker.on("message", (said: Said<Report>) => {
        this.last = said;
        if (said.ready) isReady(true);
        onSaid(this);
      });
      this.#worker.on("error", (error) => this.#die(error.message, onSaid));
      this.#worker.on("exit", () => {
        if (this.last?.ended !== true) this.#die("the thread died", onSaid);
        isReady(false);
        resolve();
      });
    });
  }

  get error(): string | null {
    return this.last?.error == null ? null : `${this.name}: ${this.last.error}`;
  }

  tell(what: unknown): void {
    this.#worker.postMessage(what);
  }

  #die(error: string, onSaid: (thread: Thread<Report>) => void): void {
    const { report, cpu, ready } = this.last ?? { cpu: 0, ready: false };
    this.last = { report: report as Report, cpu, ready, ended: false, error: this.last?.error ?? error };
    this.died = true;
    onSaid(this);
  }
}
