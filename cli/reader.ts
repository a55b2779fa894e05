// The reader's thread: packets of a file, at the pace they were recorded or faster, to the lookers in turn.

import { workerData } from "node:worker_threads";
import { DropReason, Engine, PoolExhaustedError, RingClosedError, type Sender, type Skb } from "skbuff";
import { CaptureReader } from "skbuff/node";
import { BURST, clock, type ReaderReport, type ReaderWork, Reporter } from "./roles.js";

/** Buffers that the reader lends to packets. With 64 KiB each they are all the memory it reads into, however long the file is. */
const BUFFERS = 64;
/** Milliseconds to sleep at once, so that an end is seen soon. */
const NAP_MS = 50;

const { engine: token, there, file, loop, speed } = workerData as ReaderWork;

/** Holds packets back until they are due. */
class Pace {
  readonly #speed: number;
  readonly #word = new Int32Array(new SharedArrayBuffer(4));
  #first: bigint | null = null;
  #start = 0;

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** The next packet is the first of its round. */
  restart(): void {
    this.#first = null;
  }

  /** Milliseconds until the packet is due. */
  due(skb: Skb): number {
    if (this.#speed === 0) return 0;
    const stamp = skb.timestampNanoseconds;
    if (this.#first === null) {
      this.#first = stamp;
      this.#start = performance.now();
    }
    return this.#start + Number(stamp - this.#first) / 1e6 / this.#speed - performance.now();
  }

  nap(ms: number): void {
    Atomics.wait(this.#word, 0, 0, Math.min(ms, NAP_MS));
  }
}

/** Sends the first `n`. Throws RingClosedError once the lookers take no more. */
function send(sender: Sender, batch: Skb[], n: number): void {
  let left = n;
  while (left > 0) {
    left -= sender.enqueueBurst(batch, left);
    if (left > 0) sender.waitWritable();
  }
}

const engine = await Engine.attach(token);
const sender = engine.openMesh(there).sender(0);
const totals = { packets: 0, bytes: 0, rounds: 0, started: 0 };
const reporter = new Reporter<ReaderReport>(() => {
  const { sent, copied } = reader?.stats() ?? { sent: 0, copied: 0 };
  return { ...totals, completions: { sent, copied } };
});
const pace = new Pace(speed);
const batch: Skb[] = [];
let reader: CaptureReader | null = null;

/** Reads up to a burst. 0 is the end of the file. */
function read(from: CaptureReader): number {
  for (;;) {
    try {
      return from.readBurst(batch, BURST);
    } catch (error) {
      if (!(error instanceof PoolExhaustedError)) throw error;
      // Everything is under way. What this thread has left over may be what the others need to go on.
      engine.flush();
      if (sender.closed) return 0;
      from.wait({ timeout: NAP_MS });
    }
  }
}

function replay(from: CaptureReader): void {
  for (let n = read(from); n > 0; n = read(from)) {
    if (totals.packets === 0) totals.started = clock();
    let done = 0;
    for (let i = 0; i < n; i++) {
      const skb = batch[i] as Skb;
      // The order in which they are to leave.
      skb.mark = totals.packets % 2 ** 32;
      totals.packets++;
      totals.bytes += skb.length;
      for (let ms = pace.due(skb); ms > 0.05; ms = pace.due(skb)) {
        // What is due goes before the sleep.
        if (i > done) {
          const ready = batch.slice(done, i);
          send(sender, ready, ready.length);
          done = i;
        }
        if (sender.closed) throw new RingClosedError("closed");
        pace.nap(ms);
        reporter.tick();
      }
    }
    send(sender, done === 0 ? batch : batch.slice(done), n - done);
    reporter.tick();
  }
}

try {
  reader = CaptureReader.open(engine, file, { lend: BUFFERS, headroom: 0 });
  while ((loop === 0 || totals.rounds < loop) && !sender.closed) {
    if (totals.rounds > 0) reader.rewind();
    pace.restart();
    replay(reader);
    totals.rounds++;
  }
} catch (error) {
  // A closed ring is how the main thread ends a replay.
  if (!(error instanceof RingClosedError)) reporter.fail(error);
}
// What was read and not sent is as if it had not been read.
for (const skb of batch) {
  if (!skb.alive) continue;
  totals.packets--;
  totals.bytes -= skb.length;
  skb.release(DropReason.full);
}
sender.close();
sender.release();
reader?.close();
// The buffers are out until the last packet is sent.
try {
  engine.detach({ completions: "wait", timeout: 5000 });
} catch (error) {
  reporter.fail(error);
}
reporter.end();
