// The analysis with the package in the most obvious way, for comparison: packets of a CaptureReader, a burst to each of two
// workers in turn. What is handed over is a packet and not a parcel, so a worker could pass it on, keep it or change it; with
// frames as short as these, handing over is what costs.

import { Worker } from "node:worker_threads";
import { Engine, Ring } from "skbuff";
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

function send({ ring }, burst, n) {
  for (let sent = ring.enqueueBurst(burst, n); sent < n; ) {
    ring.waitWritable(undefined, { spin: false });
    const left = burst.slice(sent, n);
    sent += ring.enqueueBurst(left);
  }
}

async function analyse(file) {
  const results = places.map(({ worker }) => new Promise((resolve) => worker.once("message", resolve)));
  const reader = CaptureReader.open(engine, file);
  const burst = new Array(BURST);
  let turn = 0;
  for (let n = reader.readBurst(burst); n > 0; n = reader.readBurst(burst)) {
    send(places[turn], burst, n);
    turn = (turn + 1) % WORKERS;
  }
  reader.close();
  for (const place of places) {
    const end = engine.alloc(0);
    end.mark = LAST;
    send(place, [end], 1);
  }
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
