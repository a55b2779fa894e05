// A page whose packets go through workers, where it is cross-origin isolated; where it is not, through the page's own thread.

import { Engine } from "skbuff";
import { Pipeline } from "skbuff/pipeline";

const WORKERS = 2;
const PACKETS = 10_000;

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });

/** Packets whose bytes are all zero, and whose sum is therefore known when they are inverted. */
function* packets() {
  for (let n = 0; n < PACKETS; n++) yield engine.alloc(1000).putZeros(1000);
}

let right = 0;
const pipeline = await Pipeline.open(engine, {
  source: packets(),
  stages: [
    {
      worker: () => new Worker(new URL("./stage.js", import.meta.url), { type: "module" }),
      load: () => import("./stage.js"),
      threads: WORKERS,
    },
  ],
  spread: "in-turn",
  sink: (skb) => {
    if (skb.mark === 0xffff) right++;
    skb.release();
  },
});
await pipeline.done;
engine.close();

const where = engine.shared ? `through ${WORKERS} workers` : "on one thread";
document.getElementById("result").textContent = `${right} of ${PACKETS} packets came back right, ${where}`;
