// A worker that runs what the test sends it: the source of a function, called with the worker's seat and arguments.

import { parentPort } from "node:worker_threads";
import * as skbuff from "skbuff";
import * as inspect from "skbuff/inspect";
import "skbuff/js";

const seat = { skbuff, inspect, skbs: [], rings: [], told: [] };

parentPort.on("message", async ({ id, source, args }) => {
  try {
    // A function of the test's own source, so that each test stands in one place.
    // biome-ignore lint/security/noGlobalEval: see above
    const run = globalThis.eval(`(${source})`);
    parentPort.postMessage({ id, value: await run(seat, ...args) });
  } catch (error) {
    const { name, code, message, holders, stack } = error;
    parentPort.postMessage({ id, error: { name, code, message, holders, stack } });
  }
});
