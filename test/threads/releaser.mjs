// A worker that releases packets for the main thread: it looks at a mailbox, spinning for a while, then asleep.

import { parentPort, workerData } from "node:worker_threads";
import { Engine } from "skbuff";
import "skbuff/js";

const { mailbox } = workerData;
// state | engine | packets, 0: one, with a reason | reason | result | handles
const words = new Int32Array(mailbox);
const [STATE, ENGINE, COUNT, REASON, RESULT, HANDLES] = [0, 1, 2, 3, 4, 8];
const [ASKED, DONE, ATTACH] = [1, 2, 3];
const SPINS = 20_000;

const engines = [];

function release() {
  const { _core: core, _heap: heap, _scratch: scratch } = engines[words[ENGINE]];
  const n = words[COUNT];
  if (n === 0) words[RESULT] = core.release(words[HANDLES], words[REASON]);
  else {
    heap.handles.set(words.subarray(HANDLES, HANDLES + n), scratch >>> 2);
    words[RESULT] = core.releaseBurst(scratch, n);
  }
  // What a test counts on being free must not hide here.
  core.flushMagazines();
}

/** Serves until an engine is to be attached, which takes a turn of the event loop. */
function serve() {
  for (;;) {
    let state = Atomics.load(words, STATE);
    for (let i = 0; i < SPINS && state !== ASKED && state !== ATTACH; i++) state = Atomics.load(words, STATE);
    if (state === ATTACH) return;
    if (state !== ASKED) {
      Atomics.wait(words, STATE, state);
      continue;
    }
    release();
    Atomics.store(words, STATE, DONE);
    Atomics.notify(words, STATE);
  }
}

parentPort.on("message", async ({ token, closed }) => {
  // Browsers have address space for a hundred memories or so.
  for (const index of closed) delete engines[index];
  const engine = await Engine.attach(token);
  Atomics.store(words, STATE, DONE);
  parentPort.postMessage({ index: engines.push(engine) - 1, thread: engine.thread });
  serve();
});
