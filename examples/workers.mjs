import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Engine, Mesh } from "skbuff";
import { audit } from "skbuff/inspect";

if (isMainThread) {
  const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
  const [there, back] = [new Mesh(engine, 1, 2), new Mesh(engine, 2, 1)]; // a flow's packets stay in order
  const tokens = { engine: engine.share(), there: there.share(), back: back.share() };
  for (const i of [0, 1]) new Worker(new URL(import.meta.url), { workerData: { ...tokens, i } });
  const [sender, receiver] = [there.sender(0), back.receiver(0)];
  const send = async () => {
    for (let n = 0; n < 100_000; n++) {
      const skb = engine.alloc(1000, { headroom: 64 }).putData(new Uint8Array(1000).fill(n));
      skb.hash = n % 64; // its flow
      while (!sender.enqueue(skb)) await sender.waitWritableAsync();
    }
    sender.close();
  };
  const receive = async () => {
    let good = 0;
    for await (const skb of receiver) {
      if (skb.mark === skb.checksum()) good++;
      skb.release();
    }
    console.log(`${good} packets came back, audit: ${audit(engine).clean ? "clean" : "not clean"}`);
  };
  await Promise.all([send(), receive()]);
} else {
  const engine = await Engine.attach(workerData.engine);
  const receiver = Mesh.attach(engine, workerData.there).receiver(workerData.i);
  const sender = Mesh.attach(engine, workerData.back).sender(workerData.i);
  while (receiver.wait() === "ready") {
    const skb = receiver.dequeue();
    skb.mark = skb.checksum();
    while (!sender.enqueue(skb)) sender.waitWritable();
  }
  sender.close();
  engine.detach();
}
