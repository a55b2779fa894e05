// What the programs need of where they run: here of Node. host-page.mjs is the same for a browser.

import { once } from "node:events";
import { createServer } from "node:net";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import WebSocket from "ws";
import { meter, ready, stopped } from "../lib/program.mjs";

export { meter, stopped };

/** Milliseconds between tries: the server starts when it is told where. */
const RETRY_MS = 20;

/**
 * Connects to the server. Its messages are ArrayBuffers, each alone in its own; or where whoever gets them copies them anyway, the
 * `pieces` as they came from the system, if there is a way to have them.
 */
export async function connect({ pieces = false } = {}) {
  const place = createServer().listen(0, "127.0.0.1");
  await once(place, "listening");
  const { port } = place.address();
  place.close();
  await once(place, "close");
  ready({ port });
  for (;;) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
    socket.binaryType = pieces ? "fragments" : "arraybuffer";
    try {
      await once(socket, "open");
      return socket;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** The next turn of the event loop. */
export function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Starts a worker. Returns it with `post(data, transfer)`, `receive(listener)` and `end()`. */
export function start(url) {
  const worker = new Worker(url);
  return {
    post: (data, transfer) => worker.postMessage(data, transfer),
    receive: (listener) => worker.on("message", listener),
    end: () => worker.terminate(),
  };
}

/** The same of whoever started this worker. */
export const parent = isMainThread
  ? undefined
  : {
      post: (data, transfer) => parentPort.postMessage(data, transfer),
      receive: (listener) => parentPort.on("message", listener),
    };
