// A receiver of our own, for a replay that is told no other: gets datagrams, and says what they were.

import { parentPort, workerData } from "node:worker_threads";
import { Engine } from "skbuff";
import { UdpReceiver } from "skbuff/node";
import { Digest } from "./digest.js";
import { creditOf } from "./roles.js";

export interface ReceiverWork {
  /** Where it counts what it has got, as `creditOf` does. */
  readonly received: Int32Array;
}

export interface ReceiverReport {
  readonly packets: number;
  readonly bytes: number;
  readonly dropped: number;
  /** Of all datagrams in order. */
  readonly digest: string;
}

const { received } = workerData as ReceiverWork;
// An arena of its own: it stands for another machine.
const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const socket = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
parentPort?.once("message", () => socket.close());
parentPort?.postMessage(socket.port);

const digest = new Digest();
let packets = 0;
let bytes = 0;
for await (const skb of socket) {
  digest.add(skb);
  packets++;
  bytes += skb.length;
  Atomics.add(received, 0, creditOf(skb.length));
  skb.release();
}
const { dropped } = socket.stats();
engine.close();
const report: ReceiverReport = {
  packets,
  bytes,
  dropped: dropped.full + dropped.exhausted,
  digest: digest.hex(),
};
parentPort?.postMessage(report);
