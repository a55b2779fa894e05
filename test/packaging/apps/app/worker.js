// Puts a header in front of each packet and sends it back.

import { Engine, Ring } from "skbuff/attach";

self.onmessage = async ({ data }) => {
  const engine = await Engine.attach(data.engine);
  const [there, back] = [Ring.attach(engine, data.there), Ring.attach(engine, data.back)];
  while (there.wait() === "ready") {
    const skb = there.dequeue();
    skb.push(4);
    skb.writeU32(0, skb.mark);
    while (!back.enqueue(skb)) back.waitWritable();
  }
  back.close();
  for (const ring of [there, back]) ring.release();
  engine.detach();
  postMessage("left");
};
