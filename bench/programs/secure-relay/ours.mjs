// The secure relay with the package.
//
// What makes it fast: a packet goes to both workers as two references to the same bytes, and what they make of it comes back by
// rings, so that nothing is copied or posted on the way. History is a reference, too.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { DropReason, Engine, Mesh, Ring, SkbQueue } from "skbuff";
import { setDestination, sourceOf, UdpSocket } from "skbuff/node";
import { meter, options, ready, stopped } from "../lib/program.mjs";
import { WORKERS } from "./seal.mjs";

const BURST = 64;

const engine = await Engine.create({ memory: 16 << 20 });
const socket = await UdpSocket.open(engine, { host: "127.0.0.1", receiveBuffer: 4 << 20 });
const rings = Array.from({ length: WORKERS }, () => new Ring(engine, { capacity: 1024 }));
const mesh = new Mesh(engine, WORKERS, 1);
const workers = rings.map((ring, worker) => {
  const shared = { engine: engine.share(), ring: ring.share(), mesh: mesh.share() };
  const data = { ...shared, worker, receivers: options.receivers };
  return new Worker(new URL("ours-worker.mjs", import.meta.url), { workerData: data });
});
await Promise.all(workers.map((worker) => once(worker, "message")));
const receivers = [];

function join(packet) {
  const place = sourceOf(packet);
  receivers.push({ place, history: new SkbQueue(engine) });
  for (const worker of workers) worker.postMessage(place);
  setDestination(packet, place);
  packet.trim(0);
  packet.putData(Buffer.from("joined"));
  socket.enqueue(packet);
}

/** Gives packets to a worker. What it has no room for is dropped. */
function give(ring, packets, n) {
  const taken = ring.enqueueBurst(packets, n);
  for (let i = taken; i < n; i++) packets[i].release(DropReason.full);
}

async function receive() {
  const burst = new Array(BURST);
  const twins = new Array(BURST);
  while ((await socket.waitAsync()) === "ready") {
    let n = socket.dequeueBurst(burst);
    if (burst[0].length === 4) {
      join(burst[0]);
      burst.copyWithin(0, 1);
      n--;
    }
    for (let i = 0; i < n; i++) twins[i] = burst[i].clone();
    give(rings[0], burst, n);
    give(rings[1], twins, n);
  }
  for (const ring of rings) ring.close();
}

async function send() {
  const sealed = mesh.receiver(0);
  const burst = new Array(BURST);
  const out = new Array(BURST);
  while ((await sealed.waitAsync()) === "ready") {
    const n = sealed.dequeueBurst(burst);
    for (let i = 0; i < n; i++) {
      const { history } = receivers[burst[i].mark];
      out[i] = burst[i].clone();
      history.pushTail(burst[i]);
      if (history.length > options.history) history.popHead().release();
    }
    meter.units += n / options.receivers;
    for (let left = n; left > 0; ) {
      if (over) {
        engine.releaseBurst(out, left);
        break;
      }
      const taken = socket.enqueueBurst(out, left);
      out.copyWithin(0, taken, left);
      left -= taken;
      if (left > 0) await socket.waitWritableAsync();
    }
  }
}

let over = false;
stopped.then(() => {
  over = true;
  return socket.close();
});
ready({ port: socket.port });
await Promise.all([receive(), send()]);
await Promise.all(workers.map((worker) => worker.terminate()));
await socket[Symbol.asyncDispose]();
for (const { history } of receivers) history.purge();
