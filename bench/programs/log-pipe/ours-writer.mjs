// The thread of ours.mjs that writes.

import fs from "node:fs";
import { workerData } from "node:worker_threads";
import { Engine, Mesh, Ring } from "skbuff";

const engine = await Engine.attach(workerData.engine);
const receiver = Mesh.attach(engine, workerData.there).receiver(0);
const backs = workerData.backs.map((back) => Ring.attach(engine, back));
const fd = fs.openSync(workerData.file, "a");
while (receiver.wait({ spin: false }) === "ready") {
  const packet = receiver.dequeue();
  if (packet.length > 0) {
    const [bytes] = packet.segments();
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
    packet.release();
  } else backs[packet.mark].enqueue(packet);
}
fs.closeSync(fd);
for (const back of backs) back.release();
receiver.release();
engine.detach();
