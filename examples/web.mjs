import { Engine } from "skbuff";
import { audit } from "skbuff/inspect";
import { WebStreamReceiver, WebStreamSender } from "skbuff/web";

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });

// In place of a stream of WebTransport, whose two ends are of the same kinds.
const { readable, writable } = new TransformStream();
const sender = new WebStreamSender(engine, writable, { framing: "length32" });
const receiver = new WebStreamReceiver(engine, readable, { framing: "length32", headroom: 64 });

const send = async () => {
  for (let n = 0; n < 10_000; n++) {
    const skb = engine.alloc(1000).putZeros(1000);
    skb.writeU32(0, n);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
  }
  await sender.close();
};
const receive = async () => {
  let next = 0;
  for await (const skb of receiver) {
    if (skb.readU32(0) === next) next++;
    skb.release();
  }
  console.log(`${next} packets in order, audit: ${audit(engine).clean ? "clean" : "not clean"}`);
};
await Promise.all([send(), receive()]);
engine.close();
