// A relay: what comes in at a UDP port goes to everybody who has sent "join" to it, the last packets first.
//
//     node relay.mjs [PORT]

import { DropReason, Engine, SkbQueue } from "skbuff";
import { setDestination, sourceOf, UdpSocket } from "skbuff/node";

/** Packets that a new listener gets. */
const HISTORY = 100;
const JOIN = 0x6a6f696e;

const [text = "5000"] = process.argv.slice(2);
const port = Number(text);
if (!/^\d{1,5}$/.test(text) || port > 65535) {
  console.error("usage: node relay.mjs [PORT]");
  process.exit(2);
}

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const socket = await UdpSocket.open(engine, {
  host: "127.0.0.1",
  port,
  inFlight: 4096,
});
const history = new SkbQueue(engine);
const listeners = new Map();

/** Sends a listener its own reference to the bytes. What there is no room for is dropped, and holds up nobody. */
function send(listener, skb) {
  const twin = skb.clone();
  setDestination(twin, listener);
  if (!socket.enqueue(twin)) twin.release(DropReason.full);
}

process.once("SIGINT", () => socket.close());
console.log(`listening at port ${socket.port}`);
for await (const skb of socket) {
  if (skb.length === 4 && skb.readU32(0) === JOIN) {
    const listener = sourceOf(skb);
    skb.release();
    for (const old of history) send(listener, old);
    listeners.set(`${listener.address} ${listener.port}`, listener);
    continue;
  }
  for (const listener of listeners.values()) send(listener, skb);
  history.pushTail(skb);
  if (history.length > HISTORY) history.popHead().release();
}
await socket.close();
console.log(`${history.purge()} packets of history, ${listeners.size} listeners`);
engine.close();
