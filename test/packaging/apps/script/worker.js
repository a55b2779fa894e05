// As in app/, but import maps do not reach into workers: here the package has its full path.

import { Engine, Ring } from "/node_modules/skbuff/dist/index.js";

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
