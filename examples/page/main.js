// A page whose packets go through workers, where it is cross-origin isolated; where it is not, through the page's own thread.

import { Engine, Mesh } from "skbuff";
import { work } from "./work.js";

const WORKERS = 2;
const PACKETS = 10_000;

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const { sender, receiver } = engine.shared ? throughWorkers() : onThisThread();
const [, right] = await Promise.all([send(), receive()]);
// The engine stays: it is for the life of a page. `engine.close()` would wait for no worker, but refuse while one is attached.
const where = engine.shared ? `through ${WORKERS} workers` : "on one thread";
document.getElementById("result").textContent = `${right} of ${PACKETS} packets came back right, ${where}`;

/** Sends packets whose bytes are all zero, and whose sum is therefore known when they are inverted. */
async function send() {
  for (let n = 0; n < PACKETS; n++) {
    // Whoever sends faster than the others work waits: for memory, then for room.
    let skb = engine.tryAlloc(1000);
    for (; skb === null; skb = engine.tryAlloc(1000)) await new Promise((resolve) => setTimeout(resolve));
    skb.putZeros(1000);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
  }
  sender.close();
}

async function receive() {
  let right = 0;
  for await (const skb of receiver) {
    if (skb.mark === 0xffff) right++;
    skb.release();
  }
  return right;
}

function throughWorkers() {
  const there = new Mesh(engine, 1, WORKERS, { spread: "in-turn" });
  const back = new Mesh(engine, WORKERS, 1);
  const tokens = { engine: engine.share(), there: there.share(), back: back.share() };
  for (let place = 0; place < WORKERS; place++) {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.postMessage({ ...tokens, place });
  }
  return { sender: there.sender(0), receiver: back.receiver(0) };
}

/** Looks like the above: what is sent is worked on at once, and can be received. */
function onThisThread() {
  const mesh = new Mesh(engine, 1, 1);
  const sender = mesh.sender(0);
  return {
    sender: {
      enqueue: (skb) => {
        if (skb.mark === 0) work(skb);
        return sender.enqueue(skb);
      },
      waitWritableAsync: () => sender.waitWritableAsync(),
      close: () => sender.close(),
    },
    receiver: mesh.receiver(0),
  };
}
