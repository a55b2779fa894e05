// The analysis with the package, by two workers.
//
// What makes it fast: the file is read into the arena by parcels of some hundred packets, and a parcel goes to a worker as one
// handle: packets so small cost more to hand over one by one than to take apart. The core sums them where they lie. Which worker
// gets a parcel does not matter, since flows are added up in the end.

import fs from "node:fs";
import { Worker } from "node:worker_threads";
import { Engine, Ring } from "skbuff";
import { options, work } from "../lib/program.mjs";
import { captureOf } from "./file.mjs";
import { reportOf } from "./report.mjs";

const WORKERS = 2;
/** The longest that a frag can be. */
const PARCEL = 131072;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;

/** Three threads on two cores: who looks for work while there is none takes the core from whoever has some. */
const NO_SPIN = { spin: false };

const engine = await Engine.create({ memory: 8 << 20 });
const places = Array.from({ length: WORKERS }, () => {
  const ring = new Ring(engine, { capacity: 8 });
  const workerData = { engine: engine.share(), ring: ring.share() };
  const worker = new Worker(new URL("./ours-worker.mjs", import.meta.url), { workerData });
  return { ring, worker };
});

function send({ ring }, parcel) {
  while (!ring.enqueue(parcel)) ring.waitWritable(undefined, NO_SPIN);
}

async function analyse(file) {
  const results = places.map(({ worker }) => new Promise((resolve) => worker.once("message", resolve)));
  const fd = fs.openSync(file, "r");
  let rest = new Uint8Array(0);
  let start = FILE_HEADER;
  for (let n = 0; ; n++) {
    const parcel = engine.alloc(0);
    const bytes = parcel.addPageFrag(PARCEL);
    bytes.set(rest);
    const got = fs.readSync(fd, bytes, rest.length, PARCEL - rest.length, null);
    const end = rest.length + got;
    const view = new DataView(bytes.buffer, bytes.byteOffset, end);
    let at = start;
    while (at + RECORD_HEADER <= end) {
      const next = at + RECORD_HEADER + view.getUint32(at + 8, true);
      if (next > end) break;
      at = next;
    }
    // The next parcel begins with what is left of this one.
    rest = bytes.slice(at, end);
    parcel.trim(at);
    parcel.mark = start;
    if (got === 0) {
      parcel.release();
      break;
    }
    send(places[n % WORKERS], parcel);
    start = 0;
  }
  fs.closeSync(fd);
  // A parcel of nothing is the end.
  for (const place of places) send(place, engine.alloc(0));
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
