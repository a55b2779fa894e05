// How a script of the library becomes a worker of Node's: `standing(new Worker(new URL("./script.js", import.meta.url), scriptOptions(data)))`,
// in these words, since bundlers look for them.

import type { Worker, WorkerOptions } from "node:worker_threads";

/** The options of a worker that runs a script of ours, which gets `workerData`. */
export function scriptOptions(workerData: unknown): WorkerOptions {
  // What the program was started with is not for that: `--input-type`, say, forbids it.
  return { workerData, execArgv: [], env: { ...process.env, NODE_OPTIONS: "" } };
}

/**
 * Waits until a worker stands, which it says by its first message, whatever that is. Returns it.
 *
 * @throws what it failed with (as a rejection): then it is gone
 */
export function standing(worker: Worker): Promise<Worker> {
  return new Promise((resolve, reject) => {
    let cause: unknown = new Error("one that ends at once");
    const failing = (error: unknown): void => {
      cause = error;
    };
    const exiting = (): void => reject(cause);
    worker.on("error", failing);
    worker.on("exit", exiting);
    worker.once("message", () => {
      worker.off("error", failing);
      worker.off("exit", exiting);
      resolve(worker);
    });
  });
}
