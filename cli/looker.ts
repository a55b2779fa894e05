// A looker's thread: finds the headers of every packet, verifies its checksums, and tells its flow.

import { workerData } from "node:worker_threads";
import { DropReason, Engine, Mesh, RingClosedError, type Skb } from "skbuff";
import { linkTypeOf, originalLengthOf } from "skbuff/node";
import { countLook, Flows, noCounts } from "./counts.js";
import { ETHERNET, Look, look } from "./look.js";
import { BURST, type LookerReport, type LookerWork, Reporter } from "./roles.js";

const { engine: token, there, back, i } = workerData as LookerWork;
const engine = await Engine.attach(token);
const receiver = Mesh.attach(engine, there).receiver(i);
const sender = Mesh.attach(engine, back).sender(i);
const found = new Look();
const counts = noCounts();
const flows = new Flows();
const batch: Skb[] = [];
let packets = 0;
let ended = false;

const reporter = new Reporter<LookerReport>(() => ({
  packets,
  counts,
  flows: ended ? flows.list() : [],
}));

/** Sends the first `n` of the batch on. */
function send(n: number): void {
  let left = n;
  while (left > 0) {
    left -= sender.enqueueBurst(batch, left);
    if (left > 0) sender.waitWritable();
  }
}

try {
  while (receiver.wait() !== "ended") {
    const n = receiver.dequeueBurst(batch, BURST, { reuse: true });
    for (let k = 0; k < n; k++) {
      const skb = batch[k] as Skb;
      look(skb, linkTypeOf(skb) ?? ETHERNET, originalLengthOf(skb), found);
      countLook(counts, found);
      flows.add(found);
    }
    packets += n;
    send(n);
    reporter.tick();
  }
} catch (error) {
  // The main thread closes the way out if there is nobody any more to take what comes.
  if (!(error instanceof RingClosedError)) reporter.fail(error);
  receiver.close();
  for (let n = 1; n > 0; n = receiver.dequeueBurst(batch, BURST, { reuse: true }))
    for (const skb of batch) if (skb.alive) skb.release(DropReason.notSpecified);
}
sender.close();
sender.release();
receiver.release();
engine.detach();
ended = true;
reporter.end();
