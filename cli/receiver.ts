// A receiver of our own, for a replay that is told no other: gets datagrams, and says what they were.

import { parentPort, workerData } from "node:worker_threads";
import { Engine } from "skbuff";
import { UdpReceiver } from "skbuff/node";
import { Digest } from "./digest.js";
import { creditOf, Reporter } from "./roles.js";

/** Milliseconds for each datagram that is still on its way at the end. */
const LATE_MS = 1000;

export interface ReceiverWork {
  /** Where it counts what it has got, as `creditOf` does; it notifies of that. */
  readonly received: Int32Array;
}

export interface ReceiverReport {
  readonly port: number;
  readonly packets: number;
  readonly bytes: number;
  readonly dropped: number;
  /** Of all datagrams in order; only at the end. */
  readonly digest: string;
}

const { received } = workerData as ReceiverWork;
// An arena of its own: it stands for another machine.
const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const socket = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
const { port } = socket;
const digest = new Digest();
let packets = 0;
let bytes = 0;
let dropped = 0;
let ended = false;
/** What it is to get, as `received` counts; null until that is known. */
let all: number | null = null;
let late: NodeJS.Timeout | undefined;

const reporter = new Reporter<ReceiverReport>(() => ({
  port,
  packets,
  bytes,
  dropped,
  digest: ended ? digest.hex() : "",
}));

function endIfAll(): void {
  if (Atomics.load(received, 0) === all) void socket.close();
}

parentPort?.once("message", (sent: number) => {
  all = sent;
  late = setTimeout(() => socket.close(), LATE_MS);
  endIfAll();
});
reporter.ready();
for await (const skb of socket) {
  digest.add(skb);
  packets++;
  bytes += skb.length;
  Atomics.add(received, 0, creditOf(skb.length));
  Atomics.notify(received, 0);
  skb.release();
  late?.refresh();
  endIfAll();
}
clearTimeout(late);
dropped = socket.stats().dropped.full + socket.stats().dropped.exhausted;
engine.close();
ended = true;
reporter.end();
