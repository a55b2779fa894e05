// The transmitter's thread: packets from the lookers, in order, to a socket and past the tap.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { workerData } from "node:worker_threads";
import { DropReason, Engine, type Skb } from "skbuff";
import { StreamSender, Tap, type Transmitter, UdpSender } from "skbuff/node";
import { Order } from "./order.js";
import {
  BURST,
  clock,
  creditOf,
  Reporter,
  type Target,
  type TransmitterReport,
  type TransmitterWork,
} from "./roles.js";

/** What may be under way to a receiver of ours, as `creditOf` counts: less than the kernel's default receive buffer holds. */
const CREDIT_MOST = 64 * 1024;
/** Milliseconds after which what the receiver did not get is taken for lost. */
const PATIENCE_MS = 500;
/** Packets that may wait for the tap. */
const TAP_PACKETS = 4096;

const { engine: token, back, target, tap: tapFile, waitForTap, received } = workerData as TransmitterWork;

/** A socket to send through, or nowhere. */
interface Socket extends Transmitter {
  stats(): { sent: number; bytes: number; failed: number; tooLong?: number };
  close(): Promise<void>;
}

/** Sends nowhere, for who wants to see how fast the rest is. */
class Nowhere implements Socket {
  #sent = 0;
  #bytes = 0;

  enqueue(skb: Skb): boolean {
    this.#sent++;
    this.#bytes += skb.length;
    skb.release();
    return true;
  }

  enqueueBurst(skbs: Skb[], count = skbs.length): number {
    for (let i = 0; i < count; i++) this.enqueue(skbs[i] as Skb);
    return count;
  }

  async waitWritableAsync(): Promise<"ready"> {
    return "ready";
  }

  stats(): { sent: number; bytes: number; failed: number } {
    return { sent: this.#sent, bytes: this.#bytes, failed: 0 };
  }

  async close(): Promise<void> {}
}

async function open(engine: Engine, to: Target | null): Promise<Socket> {
  if (to === null) return new Nowhere();
  const { host, port } = to;
  if (to.kind === "udp") return UdpSender.open(engine, { host, port });
  const socket = connect({ host, port });
  await once(socket, "connect");
  return new StreamSender(engine, socket, { framing: "length32" });
}

const engine = await Engine.attach(token);
const receiver = engine.openMesh(back).receiver(0);
const order = new Order();
const due: Skb[] = [];
const batch: Skb[] = [];
let out: Socket | null = null;
let tap: Tap | null = null;
let way: Transmitter | null = null;
let failure: unknown = null;
let packets = 0;
let bytes = 0;
/** Packets that were released unsent, because the socket had failed or an earlier one is missing. */
let unsent = 0;
/** What was sent, less what the receiver will not get any more, as `creditOf` counts. */
let credit = 0;
let ended = 0;

const reporter = new Reporter<TransmitterReport>(() => {
  const sent = out?.stats();
  const taped = tap?.stats();
  return {
    packets,
    bytes,
    ended,
    tooLong: sent?.tooLong ?? 0,
    failed: (sent?.failed ?? 0) + unsent,
    tap:
      taped === undefined
        ? null
        : {
            written: taped.written,
            bytes: taped.bytes,
            dropped: taped.dropped.full + taped.dropped.exhausted + taped.dropped.failed,
            cpu: taped.cpu,
          },
  };
});

/** From here on packets are only released, and the main thread is told, so that no more come. */
function fail(error: unknown): void {
  if (failure !== null) return;
  failure = error;
  reporter.fail(error);
}

/** What is under way to a receiver of ours. The counters wrap; their difference is small. */
function outstanding(): number {
  return received === null ? 0 : (credit - Atomics.load(received, 0)) | 0;
}

/** Takes a packet, if it can be sent at once. */
function sendNow(skb: Skb): boolean {
  if (way === null || failure !== null) {
    skb.release(DropReason.notSpecified);
    unsent++;
    return true;
  }
  if (tap !== null && waitForTap && tap.room === 0) return false;
  if (outstanding() > CREDIT_MOST) return false;
  const n = skb.length;
  if (!way.enqueue(skb)) return false;
  packets++;
  bytes += n;
  credit = (credit + creditOf(n)) | 0;
  return true;
}

async function send(skb: Skb): Promise<void> {
  const start = performance.now();
  while (!sendNow(skb)) {
    reporter.tick();
    if (tap !== null && waitForTap && tap.room === 0) await tap.waitWritableAsync();
    else if (outstanding() > CREDIT_MOST) {
      await sleep(1);
      if (performance.now() - start > PATIENCE_MS) credit -= outstanding();
    } else await way?.waitWritableAsync();
  }
}

async function sendDue(): Promise<void> {
  for (const skb of due) {
    try {
      if (!sendNow(skb)) await send(skb);
    } catch (error) {
      fail(error);
      if (skb.alive) {
        skb.release(DropReason.notSpecified);
        unsent++;
      }
    }
  }
  due.length = 0;
}

try {
  out = await open(engine, target);
  way = out;
  if (tapFile !== null) {
    tap = await Tap.open(engine, tapFile, { capacity: TAP_PACKETS });
    way = tap.on(out);
  }
} catch (error) {
  fail(error);
}
while ((await receiver.waitAsync()) !== "ended") {
  const n = receiver.dequeueBurst(batch, { reuse: true }, BURST);
  for (let i = 0; i < n; i++) order.add(batch[i] as Skb, due);
  await sendDue();
  ended = clock();
  reporter.tick();
}
for (const skb of order.rest()) {
  skb.release(DropReason.notSpecified);
  unsent++;
}
try {
  await out?.close();
} catch (error) {
  fail(error);
}
try {
  await tap?.close();
} catch (error) {
  fail(error);
}
receiver.release();
await engine.detachAsync({ completions: "wait", timeout: 5000 });
reporter.end();
