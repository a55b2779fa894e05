import { Engine } from "skbuff";
import { Pipeline } from "skbuff/pipeline";

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });

function* packets() {
  const payload = new Uint8Array(1000);
  for (let n = 0; n < 100_000; n++) {
    const skb = engine.alloc(1000, { headroom: 64 }).putData(payload.fill(n));
    skb.hash = n % 64; // its flow
    yield skb;
  }
}

let good = 0;
const pipeline = await Pipeline.open(engine, {
  source: packets(),
  stages: [{ module: new URL("./checksum.mjs", import.meta.url), threads: 2 }], // the packets of a flow keep their order
  sink: (skb) => {
    if (skb.mark === skb.checksum()) good++;
    skb.release();
  },
});
await pipeline.done;
console.log(`${good} packets came back, ${engine.close().length} are missing`);
