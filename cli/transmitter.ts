// The transmitter's thread: packets from the lookers, in order, to a socket and past the tap.

import { once } from "node:events";
import { ftruncateSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { DropReason, Engine, Mesh, PoolExhaustedError, type Skb } from "skbuff";
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
/** Datagrams that may wait for the system. */
const IN_FLIGHT = 64;
/** Packets that may wait for the tap. */
const TAP_PACKETS = 4096;
/** Milliseconds that a receiver has that takes nothing, once the replay is to end. */
const LAST_MS = 1000;
/** Milliseconds without memory for the tap's copy after which there will never be any. */
const STARVED_MS = 10_000;
/** Milliseconds for the network to say that nobody took the last datagram. */
const ECHO_MS = 20;
/** Milliseconds between turns of the event loop, which timers and messages of this thread wait for. */
const TURN_MS = 10;
/** Milliseconds between looks at what is waited for. */
const LOOK_MS = 50;

const {
  engine: token,
  back,
  target,
  tap: tapFile,
  longest,
  stopped,
  received,
} = workerData as TransmitterWork;

/** ES2024. */
type WithWaitAsync = typeof Atomics & {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    timeout: number,
  ): { value: Promise<string> | string };
};

/** A socket to send through, or nowhere. */
interface Way {
  readonly out: Transmitter;
  /** Packets and their bytes that it has sent, and others. */
  stats(): { sent: number; bytes: number; failed: number; tooLong: number; refused: number };
  close(): Promise<void>;
  /** Gives up what it has not sent. */
  abort(): void;
}

/** Sends nowhere, to see how fast the rest is. */
function nowhere(): Way {
  const totals = { sent: 0, bytes: 0, failed: 0, tooLong: 0, refused: 0 };
  const out: Transmitter = {
    enqueue(skb: Skb): boolean {
      totals.sent++;
      totals.bytes += skb.length;
      skb.release();
      return true;
    },
    enqueueBurst(skbs: Skb[], count = skbs.length): number {
      for (let i = 0; i < count; i++) this.enqueue(skbs[i] as Skb);
      return count;
    },
    waitWritableAsync: async () => "ready",
  };
  return { out, stats: () => totals, close: async () => {}, abort: () => {} };
}

async function udp(engine: Engine, { host, port }: Target): Promise<Way> {
  const out = await UdpSender.open(engine, {
    host,
    port,
    inFlight: IN_FLIGHT,
    onError: ({ cause }) => complain(cause),
  });
  return {
    out,
    stats: () => {
      const { errors, ...stats } = out.stats();
      return { ...stats, refused: errors };
    },
    close: async () => {
      await out.waitWritableAsync(IN_FLIGHT);
      await sleep(ECHO_MS);
      await out.close();
    },
    abort: () => {},
  };
}

async function tcp(engine: Engine, { host, port }: Target): Promise<Way> {
  const socket = connect({ host, port });
  const connected = once(socket, "connect");
  while (!(await Promise.race([connected.then(() => true), sleep(LOOK_MS)]))) {
    if (!isStopped()) continue;
    socket.destroy();
    throw new Error(`interrupted: ${host}:${port} does not answer`);
  }
  const out = new StreamSender(engine, socket, { framing: "length32" });
  return {
    out,
    // Without the length in front of each.
    stats: () => {
      const { sent, bytes, failed } = out.stats();
      return { sent, bytes: bytes - 4 * sent, failed, tooLong: 0, refused: 0 };
    },
    close: async () => {
      await out.close();
      // The system has it all; a peer that never closes its side must not keep this thread.
      socket.unref();
    },
    abort: () => socket.destroy(new Error("interrupted: the receiver takes nothing")),
  };
}

function isStopped(): boolean {
  return Atomics.load(stopped, 0) !== 0;
}

const engine = await Engine.attach(token);
const receiver = Mesh.attach(engine, back).receiver(0);
const order = new Order();
const due: Skb[] = [];
const batch: Skb[] = [];
let way: Way | null = null;
let tap: Tap | null = null;
/** For the tap: a copy of the packet that is to be sent next. */
let twin: Skb | null = null;
let failure: unknown = null;
let complaint: string | null = null;
let taken = 0;
/** Packets that were released unsent, because the socket had failed or an earlier one is missing. */
let unsent = 0;
/** What was sent, less what the receiver will not get any more, as `creditOf` counts. */
let credit = 0;
let ended = 0;

const reporter = new Reporter<TransmitterReport>(() => {
  const { sent, bytes, failed, tooLong, refused } = way?.stats() ?? {
    sent: 0,
    bytes: 0,
    failed: 0,
    tooLong: 0,
    refused: 0,
  };
  const taped = tap?.stats();
  return {
    taken,
    packets: sent,
    bytes,
    ended,
    tooLong,
    failed: failed + unsent,
    refused,
    complaint,
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

/** What the system says of datagrams; the first time is enough. */
function complain(cause: unknown): void {
  complaint ??= cause instanceof Error ? cause.message : String(cause);
}

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

/** Waits until the receiver has got more, but not for long. */
async function moreReceived(): Promise<void> {
  if (received === null) return;
  const seen = Atomics.load(received, 0);
  if (((credit - seen) | 0) <= CREDIT_MOST) return;
  const { value } = (Atomics as WithWaitAsync).waitAsync(received, 0, seen, LOOK_MS);
  // For a promise like this Node does not stay.
  const stay = setTimeout(() => {}, LOOK_MS);
  await value;
  clearTimeout(stay);
}

/** What a packet waits for; null if for nothing. */
type Wait = "tap" | "memory" | "receiver" | "socket" | null;

/** Takes a packet, if it can be sent at once. Returns what it waits for. */
function sendNow(skb: Skb): Wait {
  if (way === null || failure !== null) {
    skb.release(DropReason.notSpecified);
    unsent++;
    return null;
  }
  if (outstanding() > CREDIT_MOST) return "receiver";
  if (tap !== null) {
    if (tap.room === 0) return "tap";
    if (!hasTwin(skb)) return "memory";
  }
  const n = skb.length;
  if (!way.out.enqueue(skb)) return "socket";
  taken++;
  credit = (credit + creditOf(n)) | 0;
  if (twin !== null) {
    // It shares what was copied: that takes no memory but for a struct.
    tap?.offer(twin);
    letTwinGo();
  }
  return null;
}

/** Makes the copy of a packet's lent bytes, so that the tap does not hold them up. Returns whether there is memory for it. */
function hasTwin(skb: Skb): boolean {
  try {
    twin ??= skb.clone();
    // The tap's clone takes a struct, which is at hand then.
    twin.clone().release();
    return true;
  } catch (error) {
    if (error instanceof PoolExhaustedError) return false;
    throw error;
  }
}

function letTwinGo(): void {
  twin?.release();
  twin = null;
}

async function send(skb: Skb): Promise<void> {
  const start = performance.now();
  let since = start;
  let seen = "";
  for (let wait = sendNow(skb); wait !== null; wait = sendNow(skb)) {
    reporter.tick();
    // Whether anything is going on at all.
    const { sent, bytes } = way?.stats() ?? { sent: 0, bytes: 0 };
    const { written = 0, bytes: taped = 0 } = tap?.stats() ?? {};
    const now = `${sent} ${bytes} ${written} ${taped} ${outstanding()}`;
    if (now !== seen) since = performance.now();
    seen = now;
    const idle = performance.now() - since;
    if (isStopped() && idle > LAST_MS) throw new Error("interrupted: the receiver takes nothing");
    if (wait === "memory") {
      if (idle > STARVED_MS) throw new Error("there is no memory for the tap: use a larger --memory");
      await engine.waitMemoryAsync({ timeout: LOOK_MS });
    } else if (wait === "receiver") {
      await moreReceived();
      if (performance.now() - start > PATIENCE_MS) credit -= outstanding();
    } else if (wait === "tap") await tap?.waitWritableAsync(undefined, { timeout: LOOK_MS });
    else await way?.out.waitWritableAsync(undefined, { timeout: LOOK_MS });
  }
}

async function sendDue(): Promise<void> {
  for (const skb of due) {
    try {
      if (sendNow(skb) !== null) await send(skb);
    } catch (error) {
      fail(error);
      letTwinGo();
      if (skb.alive) {
        skb.release(DropReason.notSpecified);
        unsent++;
      }
    }
  }
  due.length = 0;
}

/** Waits for the end of what takes a while, but not for ever once the replay is to end. */
async function ending(what: Promise<unknown>, giveUp: () => void): Promise<void> {
  let done = false;
  const settled = what.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  for (let stoppedAt = 0; !done; ) {
    await Promise.race([settled.catch(() => {}), sleep(LOOK_MS)]);
    if (isStopped()) stoppedAt ||= performance.now();
    if (!done && stoppedAt !== 0 && performance.now() - stoppedAt > LAST_MS) {
      giveUp();
      break;
    }
  }
  await settled;
}

/** Where nothing more can be taped there is no use in going on. */
async function checkTap(): Promise<void> {
  if (tap === null || failure !== null || tap.stats().dropped.failed === 0) return;
  try {
    await tap.close();
  } catch (error) {
    fail(error);
  }
}

async function open(): Promise<void> {
  way = target === null ? nowhere() : await (target.kind === "udp" ? udp : tcp)(engine, target);
  if (tapFile === null) return;
  tap = await Tap.open(engine, tapFile.fd, { capacity: TAP_PACKETS, snapLength: longest });
  // Only now: whatever could go wrong before has not.
  if (tapFile.empty) ftruncateSync(tapFile.fd);
}

// The capture must be understood before anything is written.
const [go] = parentPort === null ? [true] : await once(parentPort, "message");
try {
  if (go === true) await open();
} catch (error) {
  fail(error);
}
reporter.ready();
let turned = clock();
while ((await receiver.waitAsync()) !== "ended") {
  const n = receiver.dequeueBurst(batch, BURST, { reuse: true });
  for (let i = 0; i < n; i++) order.add(batch[i] as Skb, due);
  await sendDue();
  await checkTap();
  ended = clock();
  reporter.tick();
  if (ended - turned < TURN_MS) continue;
  await turn();
  turned = clock();
}
for (const skb of order.rest()) {
  skb.release(DropReason.notSpecified);
  unsent++;
}
const last = way as Way | null;
const taped = tap as Tap | null;
try {
  if (last !== null) await ending(last.close(), () => last.abort());
} catch (error) {
  fail(error);
}
try {
  await taped?.close();
} catch (error) {
  fail(error);
}
receiver.release();
await engine.detachAsync({ completions: "wait", timeout: 5000 });
reporter.end();
