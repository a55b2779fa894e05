// The page with workers and postMessage.
//
// What makes it fast: nothing is copied, since messages are transferred; what came in one turn of the event loop goes to a worker
// together; and so do the answers, in one buffer.

import { ANSWER_BYTES } from "./answer.mjs";
import { connect, meter, start, stopped, turn } from "./host.mjs";

const WORKERS = 2;

const socket = await connect();
const workers = Array.from({ length: WORKERS }, () => start(new URL("./plain-worker.mjs", import.meta.url)));
for (const worker of workers)
  worker.receive((answers) => {
    for (let at = 0; at < answers.byteLength; at += ANSWER_BYTES)
      socket.send(new Uint8Array(answers, at, ANSWER_BYTES));
    meter.units += answers.byteLength / ANSWER_BYTES;
  });

let batch = [];
let next = 0;
socket.onmessage = async ({ data }) => {
  batch.push(data);
  if (batch.length > 1) return;
  await turn();
  workers[next].post(batch, batch);
  next = (next + 1) % WORKERS;
  batch = [];
};
await stopped;
socket.close();
for (const worker of workers) worker.end();
