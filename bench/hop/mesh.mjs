// One sender, 1, 2 or 4 workers that read every packet's bytes, one receiver: nanoseconds a packet, and the CPU time of
// each thread for it.

import { isMainThread, workerData } from "node:worker_threads";
import { Engine, Mesh } from "skbuff";
import { cpuTime, say, start } from "./thread.mjs";

const BURST = 32;
const SIZE = 256;
const FLOWS = 1024;

export const MESHES = [1, 2, 4].map((workers) => ({ id: String(workers), title: `${workers} workers` }));

/** Sends `n` packets through `id` workers. */
export async function run(id, n) {
  const workers = Number(id);
  const engine = await Engine.create({ memory: 64 << 20 });
  const [there, back] = [new Mesh(engine, 1, workers), new Mesh(engine, workers, 1)];
  const data = { engine: engine.share(), there: there.share(), back: back.share() };
  const url = new URL(import.meta.url);
  const threads = [await start(url, { ...data, role: "receiver" })];
  for (let i = 0; i < workers; i++) threads.push(await start(url, { ...data, role: "worker", i }));
  const sender = there.sender(0);
  const found = threads.map((thread) => thread.next());
  const [time, cpu] = [performance.now(), cpuTime()];
  const bytes = new Uint8Array(SIZE).fill(7);
  const burst = new Array(BURST);
  for (let sent = 0; sent < n; sent += BURST) {
    const got = engine.allocBurst(burst, SIZE, burst.length, { reuse: true });
    for (let i = 0; i < got; i++) burst[i].putData(bytes).hash = (sent + i) % FLOWS;
    for (let left = got; left > 0; ) {
      left -= sender.enqueueBurst(burst, left);
      if (left > 0) sender.waitWritable();
    }
  }
  sender.close();
  const sending = (cpuTime() - cpu) / n;
  const [receiver, ...working] = await Promise.all(found);
  return {
    ns: ((performance.now() - time) * 1e6) / n,
    sender: sending,
    workers: working.map(({ cpu }) => cpu / n),
    receiver: receiver.cpu / n,
  };
}

if (!isMainThread) {
  const { role, i, engine: token, there, back } = workerData;
  const engine = await Engine.attach(token);
  const burst = new Array(BURST);
  if (role === "receiver") {
    const receiver = Mesh.attach(engine, back).receiver(0);
    say("ready");
    const cpu = cpuTime();
    do {
      const n = receiver.dequeueBurst(burst, burst.length, { reuse: true });
      engine.releaseBurst(burst, n);
    } while (receiver.wait() === "ready");
    say({ cpu: cpuTime() - cpu });
  } else {
    const receiver = Mesh.attach(engine, there).receiver(i);
    const sender = Mesh.attach(engine, back).sender(i);
    say("ready");
    const cpu = cpuTime();
    do {
      const n = receiver.dequeueBurst(burst, burst.length, { reuse: true });
      for (let k = 0; k < n; k++) burst[k].checksum();
      for (let left = n; left > 0; ) {
        left -= sender.enqueueBurst(burst, left);
        if (left > 0) sender.waitWritable();
      }
    } while (receiver.wait() === "ready");
    sender.close();
    say({ cpu: cpuTime() - cpu });
  }
}
