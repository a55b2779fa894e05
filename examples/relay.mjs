// A relay: what comes in at a UDP port goes to everybody who has sent "join" to it, the last packets first.
//
//     node relay.mjs [PORT]

import { DropReason, Engine, SkbQueue } from "skbuff";
import { sourceOf, UdpReceiver, UdpSender } from "skbuff/node";

/** Packets that a new listener gets. */
const HISTORY = 100;

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const port = Number(process.argv[2] ?? 5000);
const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port });
const history = new SkbQueue(engine);
const listeners = new Map();

/** Gives a listener its own reference to the bytes. Whoever is slow loses packets, and holds up nobody. */
function send(listener, skb) {
  const twin = skb.clone();
  if (!listener.enqueue(twin)) twin.release(DropReason.full);
}

async function join(skb) {
  const { address, port } = sourceOf(skb);
  const listener = await UdpSender.open(engine, { host: address, port });
  for (const old of history) send(listener, old);
  listeners.set(`${address} ${port}`, listener);
}

process.once("SIGINT", () => receiver.close());
console.log(`listening at port ${receiver.port}`);
for await (const skb of receiver) {
  if (skb.length === 4 && skb.readU32(0) === 0x6a6f696e) {
    await join(skb);
    skb.release();
    continue;
  }
  for (const listener of listeners.values()) send(listener, skb);
  history.pushTail(skb);
  if (history.length > HISTORY) history.popHead().release();
}
for (const listener of listeners.values()) await listener.close();
console.log(`${history.purge()} packets of history, ${listeners.size} listeners`);
engine.close();
