// A worker of ours.mjs.

import { Engine, Mesh, Ring } from "skbuff";
import { ANSWER_BYTES } from "./answer.mjs";
import { parent } from "./host.mjs";

const BURST = 256;

parent.receive(async ({ engine: token, there, back, i }) => {
  const engine = await Engine.attach(token);
  const receiver = Ring.attach(engine, there);
  const sender = Mesh.attach(engine, back).sender(i);
  const burst = new Array(BURST);
  while (receiver.wait({ spin: false }) === "ready") {
    const n = receiver.dequeueBurst(burst, burst.length, { reuse: true });
    for (let j = 0; j < n; j++) {
      const message = burst[j];
      message.writeU32(4, message.checksum());
      message.trim(ANSWER_BYTES);
    }
    for (let left = n - sender.enqueueBurst(burst, n); left > 0; left -= sender.enqueueBurst(burst, left))
      sender.waitWritable(undefined, { spin: false });
  }
  sender.close();
  sender.release();
  receiver.release();
  engine.detach();
  parent.post("ended");
});
