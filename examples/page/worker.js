import { Engine, Mesh } from "skbuff";
import { work } from "./work.js";

addEventListener("message", async ({ data: { engine: token, there, back, place } }) => {
  const engine = await Engine.attach(token);
  const receiver = Mesh.attach(engine, there).receiver(place);
  const sender = Mesh.attach(engine, back).sender(place);
  while (receiver.wait() === "ready") {
    const skb = receiver.dequeue();
    work(skb);
    while (!sender.enqueue(skb)) sender.waitWritable();
  }
  sender.close();
  engine.detach();
});
