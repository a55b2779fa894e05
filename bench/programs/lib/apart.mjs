// How far apart the cores are on which two threads run at the moment: two threads of one core, or two cores. A virtual machine's
// host changes that within seconds, and with it what threads cost each other.

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** So few that both threads keep their cores meanwhile, now and then also on a machine that is busy. */
const TRIPS = 20;
const ROUNDS = 500;
/** Milliseconds after which no further round is begun. */
const LIMIT_MS = 50;
/** Nanoseconds: what takes longer was not both threads running. */
const MOST = 2000;
const REPLY = 16; // on another cache line

/** Nanoseconds that a word takes there and back between two threads that spin, the best of many rounds; NaN if they never did. */
export async function apart() {
  const words = new Int32Array(new SharedArrayBuffer(128));
  const worker = new Worker(new URL(import.meta.url), { workerData: { apart: words } });
  await new Promise((resolve) => worker.once("message", resolve));
  const begun = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS && performance.now() - begun < LIMIT_MS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < TRIPS; i++) {
      const trip = Atomics.add(words, 0, 1) + 1;
      while (Atomics.load(words, REPLY) !== trip);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / TRIPS);
  }
  Atomics.store(words, 0, -1);
  await worker.terminate();
  return best <= MOST ? best : Number.NaN;
}

if (!isMainThread && workerData?.apart !== undefined) {
  const words = workerData.apart;
  parentPort.postMessage("ready");
  for (;;) {
    const trip = Atomics.load(words, 0);
    if (trip < 0) break;
    Atomics.store(words, REPLY, trip);
  }
}
