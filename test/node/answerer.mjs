// A thread between a socket's two halves: makes an answer of each request, and tells whose it was.

import { parentPort, workerData } from "node:worker_threads";
import { Engine, Ring } from "skbuff";
import { answerTo, destinationOf, sourceOf } from "skbuff/node";
import "skbuff/js";

const engine = await Engine.attach(workerData.engine);
const requests = Ring.attach(engine, workerData.requests);
const answers = Ring.attach(engine, workerData.answers);
for await (const skb of requests) {
  const source = sourceOf(skb);
  answerTo(skb, skb);
  parentPort.postMessage({ source, destination: destinationOf(skb) });
  while (!answers.enqueue(skb)) await answers.waitWritableAsync();
}
answers.close();
requests.release();
answers.release();
engine.detach();
