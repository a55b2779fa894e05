// The secure relay with what Node has.
//
// What makes it fast: packets go to the workers and back in batches, one message for all that came in a turn of the event loop, and
// the memory of a batch is transferred, not copied. What comes back is sent from where it lies, and stays there as history.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { meter, options, ready, stopped } from "../lib/program.mjs";
import { WORKERS } from "./seal.mjs";

const socket = createSocket({
  type: "udp4",
  recvBufferSize: 4 << 20,
  lookup: (address, family, done) => done(null, address, family),
});
// With such a `lookup` it listens before `bind` returns.
const listening = once(socket, "listening");
socket.bind(0, "127.0.0.1");
await listening;
const receivers = [];
const workers = Array.from({ length: WORKERS }, (_, worker) => {
  const data = { worker, receivers: options.receivers };
  return new Worker(new URL("plain-worker.mjs", import.meta.url), { workerData: data });
});
await Promise.all(workers.map((worker) => once(worker, "message")));
for (const worker of workers) worker.on("message", sendAll);

let batch = [];
let bytes = 0;

function join({ address, port }) {
  receivers.push({ address, port, history: new Array(options.history), next: 0 });
  socket.send("joined", port, address);
}

function take(packet) {
  batch.push(packet);
  bytes += packet.length;
  if (batch.length === 1) setImmediate(flush);
}

function flush() {
  const lengths = batch.map(({ length }) => length);
  for (const worker of workers) {
    const copy = Buffer.concat(batch, bytes);
    // Small ones are parts of a pool, which cannot be transferred.
    const own = copy.buffer.byteLength === bytes ? copy : Buffer.allocUnsafeSlow(bytes).fill(copy);
    worker.postMessage({ lengths, own }, [own.buffer]);
  }
  batch = [];
  bytes = 0;
}

function sendAll({ lengths, places, own }) {
  const all = Buffer.from(own.buffer, own.byteOffset, own.byteLength);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const packet = all.subarray(at, at + lengths[i]);
    at += lengths[i];
    const receiver = receivers[places[i]];
    receiver.history[receiver.next] = packet;
    if (++receiver.next === options.history) receiver.next = 0;
    socket.send(packet, receiver.port, receiver.address);
  }
  meter.units += lengths.length / options.receivers;
}

socket.on("message", (packet, from) => (packet.length === 4 ? join(from) : take(packet)));
ready({ port: socket.address().port });
await stopped;
await Promise.all(workers.map((worker) => worker.terminate()));
socket.close();
