// A process of its own, for what concerns its life and its processor time. Prints one line of JSON.

import { isMainThread, Worker, workerData } from "node:worker_threads";
import { Engine, Ring, Ubuf, UserRegion } from "skbuff";

const [what] = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function started(engine, task, tokens) {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { task, engine: engine.share(), tokens },
  });
  await new Promise((resolve) => worker.once("message", resolve));
  return worker;
}

const TASKS = {
  /** Enqueues one packet after a while. */
  async late(engine, [out]) {
    await sleep(1500);
    out.enqueue(engine.alloc(4).putZeros(4));
    out.release();
    engine.detach();
  },
  /** Passes on what comes. */
  pass(engine, [from, to]) {
    while (from.wait() !== "ended")
      for (let skb = from.dequeue(); skb !== null; skb = from.dequeue())
        while (!to.enqueue(skb)) to.waitWritable(1);
    to.close();
    from.release();
    to.release();
    engine.detach();
  },
};

const MAINS = {
  /** Nothing but the wait keeps the process alive. */
  async alive() {
    const engine = await Engine.create({ memory: 2 ** 20 });
    const ring = new Ring(engine);
    (await started(engine, "late", [ring.share()])).unref();
    const start = performance.now();
    const woken = await ring.waitAsync();
    const skb = ring.dequeue();
    console.log(JSON.stringify({ woken, length: skb.length, ms: performance.now() - start }));
  },
  /** Waits have ended, completions are awaited, other threads are attached: nothing of it keeps it alive. */
  async exits() {
    const engine = await Engine.create({ memory: 2 ** 20 });
    const [ring, other] = [new Ring(engine), new Ring(engine)];
    (await started(engine, "pass", [ring.share(), other.share()])).unref();
    const region = new UserRegion(engine, 10);
    const skb = engine.alloc(1);
    skb.addUserFrag(region, 0, 10, new Ubuf(engine));
    const woken = [await other.waitAsync({ timeout: 20 })];
    ring.enqueue(engine.alloc(1));
    woken.push(await other.waitAsync());
    const unshared = await Engine.create({ memory: 2 ** 20, shared: false });
    woken.push(await new Ring(unshared).waitAsync({ timeout: 5 }));
    console.log(JSON.stringify({ woken }));
  },
  /** Two workers that sleep, and a main thread that waits. */
  async idle() {
    const engine = await Engine.create({ memory: 2 ** 20 });
    const rings = [new Ring(engine), new Ring(engine), new Ring(engine)];
    for (let i = 0; i < 2; i++) await started(engine, "pass", [rings[i].share(), rings[i + 1].share()]);
    const last = rings[2];
    rings[0].enqueue(engine.alloc(1));
    await last.waitAsync();
    last.dequeue().release();
    const waiting = last.waitAsync();
    await sleep(500);
    const before = process.cpuUsage();
    const start = performance.now();
    await sleep(2000);
    const { user, system } = process.cpuUsage(before);
    const ms = performance.now() - start;
    rings[0].close();
    console.log(JSON.stringify({ share: (user + system) / 1000 / ms, woken: await waiting }));
  },
};

if (isMainThread) await MAINS[what]();
else {
  const { task, engine: token, tokens } = workerData;
  const engine = await Engine.attach(token);
  const rings = tokens.map((one) => Ring.attach(engine, one));
  const { parentPort } = await import("node:worker_threads");
  parentPort.postMessage("started");
  await TASKS[task](engine, rings);
}
