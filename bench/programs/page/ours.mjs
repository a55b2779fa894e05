// The page with the package.
//
// What makes it fast: a message is copied once, into the arena, and the core sums it there; what came in one turn of the event loop
// goes to a worker together; the answer is the packet itself, cut to its first bytes.

import { Engine, Mesh, Ring } from "skbuff";
import { WebSocketReceiver, WebSocketSender } from "skbuff/web";
import { connect, meter, start, stopped } from "./host.mjs";

const WORKERS = 2;
const BURST = 256;

const engine = await Engine.create({ memory: 16 << 20 });
const back = new Mesh(engine, WORKERS, 1, { spread: "in-turn" });
const workers = Array.from({ length: WORKERS }, (_, i) => {
  const worker = start(new URL("./ours-worker.mjs", import.meta.url));
  const there = new Ring(engine, { capacity: 1024 });
  worker.post({ engine: engine.share(), there: there.share(), back: back.share(), i });
  return { worker, there };
});
const socket = await connect({ pieces: true });
const receiver = new WebSocketReceiver(engine, socket, { backlog: 8 << 20 });
const sender = new WebSocketSender(engine, socket, { end: false });

async function toWorkers() {
  const burst = new Array(BURST);
  let next = 0;
  while ((await receiver.waitAsync()) === "ready") {
    const { there } = workers[next];
    next = (next + 1) % WORKERS;
    const n = receiver.dequeueBurst(burst);
    for (let sent = there.enqueueBurst(burst, n); sent < n; sent += there.enqueueBurst(burst.slice(sent, n)))
      await there.waitWritableAsync();
  }
  for (const { there } of workers) there.close();
}

async function fromWorkers() {
  const [from, burst] = [back.receiver(0), new Array(BURST)];
  while ((await from.waitAsync()) === "ready") {
    const n = from.dequeueBurst(burst);
    await answer(burst, n);
    meter.units += n;
  }
}

async function answer(burst, n) {
  let sent = 0;
  try {
    for (sent = sender.enqueueBurst(burst, n); sent < n; sent += sender.enqueueBurst(burst.slice(sent, n)))
      await sender.waitWritableAsync();
  } catch (error) {
    // The server has gone, and wants no answers any more.
    if (socket.readyState === socket.OPEN) throw error;
    engine.releaseBurst(burst.slice(sent, n));
  }
}

const ended = workers.map(({ worker }) => new Promise((resolve) => worker.receive(resolve)));
await Promise.all([toWorkers(), fromWorkers(), ...ended]);
await stopped;
sender.abort();
for (const { worker, there } of workers) {
  worker.end();
  there.release();
}
back.release();
engine.close();
