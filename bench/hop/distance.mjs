// How far apart the cores of two threads are, as a word takes it there and back: virtual cores are now two threads of one core, now
// two cores, and the host changes that within seconds. Figures of the one state say nothing of the other.

import { isMainThread, Worker, workerData } from "node:worker_threads";

const TRIPS = 2000;
const ROUNDS = 5;
/** Nanoseconds between those of one core's two threads (70 to 120) and those of two cores (250 to 400). */
const APART = 180;

export const STATES = [
  { id: "apart", title: "2 cores" },
  { id: "together", title: "1 core" },
];

/** The state that two measurements say, one before and one after; undefined if they do not agree. */
export function stateOf([before, after]) {
  const [first, second] = [before, after].map((ns) => (ns > APART ? "apart" : "together"));
  return first === second ? first : undefined;
}

/** Nanoseconds of a word there and back, the best of a few rounds. */
export async function distance() {
  const words = new Int32Array(new SharedArrayBuffer(128));
  const worker = new Worker(new URL(import.meta.url), { workerData: { words } });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  let least = Number.POSITIVE_INFINITY;
  let word = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < TRIPS; i++) {
      Atomics.store(words, 0, ++word);
      while (Atomics.load(words, 16) !== word);
    }
    least = Math.min(least, Number(process.hrtime.bigint() - start) / TRIPS);
  }
  await worker.terminate();
  return least;
}

if (!isMainThread && workerData?.words !== undefined) {
  const { words } = workerData;
  const { parentPort } = await import("node:worker_threads");
  parentPort.postMessage("ready");
  for (let last = 0; last < TRIPS * ROUNDS; ) {
    const word = Atomics.load(words, 0);
    if (word === last) continue;
    last = word;
    Atomics.store(words, 16, word);
  }
}
