// What the cases share: a worker that says when it is ready and what it found, and a thread's CPU time.

import { readFileSync } from "node:fs";
import { parentPort, Worker } from "node:worker_threads";

/** Starts the module at `url` as a worker. Resolves once it has said that it is ready, with what it said. */
export async function start(url, data, transferList = []) {
  const worker = new Worker(url, { workerData: data, transferList });
  const next = () =>
    new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  const said = await next();
  return { worker, said, next, end: () => worker.terminate() };
}

/** In the worker: passes a value to whoever waits in `next`. */
export function say(value) {
  parentPort.postMessage(value);
}

/** CPU time of the calling thread in nanoseconds, as the system counts it; 0 where it does not tell. */
export function cpuTime() {
  if (process.threadCpuUsage !== undefined) {
    const { user, system } = process.threadCpuUsage();
    return (user + system) * 1000;
  }
  try {
    // Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}
