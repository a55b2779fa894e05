// A page that sends packets to a worker and gets them back.

import { Engine, Ring } from "skbuff";
import { audit } from "skbuff/inspect";

const PACKETS = 2000;
const BYTES = 300;

async function send(ring, engine) {
  for (let n = 0; n < PACKETS; n++) {
    const skb = engine.alloc(BYTES, { headroom: 16 }).putData(new Uint8Array(BYTES).fill(n));
    skb.mark = n;
    while (!ring.enqueue(skb)) await ring.waitWritableAsync();
  }
  ring.close();
}

/** Counts the packets that come in order, with a header in front of what was sent. */
async function receive(ring) {
  let good = 0;
  for await (const skb of ring) {
    const bytes = skb.toBytes();
    const same = bytes.subarray(4).every((byte) => byte === (good & 0xff));
    if (skb.mark === good && skb.readU32(0) === good && bytes.length === BYTES + 4 && same) good++;
    skb.release();
  }
  return good;
}

async function run() {
  const engine = await Engine.create({ memory: 4 * 1024 * 1024, core: "wasm" });
  try {
    const [there, back] = [new Ring(engine, { capacity: 64 }), new Ring(engine, { capacity: 64 })];
    const token = engine.share();
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    const left = new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
    });
    worker.postMessage({ engine: token, there: there.share(), back: back.share() });
    const [good] = await Promise.race([
      Promise.all([receive(back), send(there, engine), left]),
      left.then(() => new Promise(() => {})),
    ]);
    worker.terminate();
    for (const ring of [there, back]) ring.release();
    const { clean, packets } = audit(engine);
    return { good, clean, packets: packets.length, holders: engine.close() };
  } finally {
    if (!engine.closed) engine.close({ force: true });
  }
}

globalThis.result = run().catch(({ name, code, message }) => ({ name, code, message }));
