// A worker that has something of everything, and ends in the way that it is told.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { Engine, Ring, SkbQueue, Ubuf, UserRegion } from "skbuff";
import "skbuff/js";

const { engine: token, to, from, how } = workerData;

/** Attaches, and takes packets, memory, ubufs and ends of rings. */
async function settle() {
  const engine = await Engine.attach(token);
  const [out, into] = [Ring.attach(engine, to), Ring.attach(engine, from)];
  const region = new UserRegion(engine, 4096);
  const lend = () => engine.alloc(10).addUserFrag(region, 0, 100, new Ubuf(engine, told)) && undefined;
  const carried = engine.alloc(10).putZeros(10);
  carried.addUserFrag(region, 0, 100, new Ubuf(engine, told));
  out.enqueue(carried);
  lend();
  new Ubuf(engine, told);
  const held = engine.alloc(100).putZeros(100);
  held.get();
  held.clone();
  const list = engine.alloc(10).putZeros(10);
  list.addFragList(engine.alloc(50).putZeros(50));
  const queue = new SkbQueue(engine);
  queue.pushTail(list);
  engine.alloc(10).append(new Uint8Array(20000));
  into.dequeue();
  return engine;
}

function told() {
  parentPort.postMessage("a callback ran");
}

const ways = {
  throws: async () => {
    await settle();
    setImmediate(() => {
      throw new Error("on purpose");
    });
  },
  rejects: async () => {
    await settle();
    throw new Error("on purpose");
  },
  exits: async () => {
    await settle();
    process.exit(7);
  },
  // In the middle of a delivery.
  "exits in a callback": async () => {
    const engine = await settle();
    const region = new UserRegion(engine, 100);
    const skb = engine.alloc(10);
    skb.addUserFrag(region, 0, 10, new Ubuf(engine, () => process.exit(7)));
    skb.release();
  },
  returns: settle,
  "detaches first": async () => {
    const engine = await Engine.attach(token);
    engine.detach();
  },
  "has many engines": async () => {
    process.on("warning", ({ name }) => parentPort.postMessage(name));
    for (let i = 0; i < 20; i++) await Engine.attach(token);
    await new Promise((resolve) => setTimeout(resolve, 10));
  },
  "forgets its engine": async () => {
    await (async () => void (await Engine.attach(token)).alloc(10))();
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc");
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
    }
  },
};

await ways[how]();
