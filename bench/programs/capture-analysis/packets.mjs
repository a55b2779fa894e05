// The analysis with the package in the most obvious way, for comparison: packets of a CaptureReader, a burst to each of two
// workers in turn. What is handed over is a packet and not a parcel, so a worker could pass it on, keep it or change it; with
// frames as short as these, handing over is what costs.

import { Worker } from "node:worker_threads";
import { Burst, Engine, Ring } from "skbuff";
import { CaptureReader } from "skbuff/node";
import { options, work } from "../lib/program.mjs";
import { captureOf } from "./file.mjs";
import { reportOf } from "./report.mjs";

const WORKERS = 2;
const BURST = 128;
/** Mark of the packet that says that there are no more of this file. */
const LAST = 1;

const engine = await Engine.create({ memory: 32 << 20 });
const places = Array.from({ length: WORKERS }, () => {
  const ring = new Ring(engine, { capacity: 1024 });
  const workerData = { engine: engine.share(), ring: ring.share(), last: LAST };
  const worker = new Worker(new URL("./packets-worker.mjs", import.meta.url), { workerData });
  return { ring, worker };
});

function send({ ring }, burst) {
  while (burst.length > 0) if (ring.enqueueBurst(burst) === 0) ring.waitWritable(undefined, { spin: false });
}

async function analyse(file) {
  const results = places.map(({ worker }) => new Promise((resolve) => worker.once("message", resolve)));
  const reader = CaptureReader.open(engine, file);
  const burst = new Burst(engine, { capacity: BURST });
  for (let turn = 0; reader.readBurst(burst) > 0; turn = (turn + 1) % WORKERS) send(places[turn], burst);
  reader.close();
  for (const place of places) {
    engine.allocBurst(burst, 0, 1);
    burst.setMark(0, LAST);
    send(place, burst);
  }
  burst.release();
  return reportOf(await Promise.all(results));
}

const file = captureOf(options.check ? options.checked : options.load.bytes);
await work(() => analyse(file));
for (const { ring } of places) {
  ring.close();
  ring.release();
}
await Promise.all(places.map(({ worker }) => new Promise((resolve) => worker.once("exit", resolve))));
engine.close();
