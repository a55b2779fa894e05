// A worker of packets.mjs.

import { parentPort, workerData } from "node:worker_threads";
import { Engine, Ring } from "skbuff";
import { Dissector } from "./dissect.mjs";
import { Flows } from "./flows.mjs";

const engine = await Engine.attach(workerData.engine);
const ring = Ring.attach(engine, workerData.ring);
const burst = new Array(128);
let dissector = new Dissector();
let flows = new Flows();
let packets = 0;

function end() {
  parentPort.postMessage({ packets, good: dissector.good, bad: dissector.bad, flows: flows.rows() });
  dissector = new Dissector();
  flows = new Flows();
  packets = 0;
}

while (ring.wait({ spin: false }) === "ready") {
  const n = ring.dequeueBurst(burst, burst.length, { reuse: true });
  for (let i = 0; i < n; i++) {
    const packet = burst[i];
    if (packet.mark === workerData.last) end();
    else {
      if (dissector.take(packet)) flows.add(dissector.key, 1, packet.length);
      packets++;
    }
  }
  engine.releaseBurst(burst, n);
}
ring.release();
engine.detach();
