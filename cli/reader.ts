// The reader's thread: packets of a file, at the pace they were recorded or faster, to the lookers in turn.

import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { DropReason, Engine, Mesh, PoolExhaustedError, RingClosedError, type Skb } from "skbuff";
import { CaptureReader, timeOf } from "skbuff/node";
import { chained, NO_PACKETS } from "./digest.js";
import { Pace } from "./pace.js";
import { BURST, clock, type ReaderReport, type ReaderWork, Reporter } from "./roles.js";

/** Milliseconds to sleep at once, so that it is told how long the wait still is, and seen that nobody takes packets any more. */
const NAP_MS = 50;
/** Less than this is no wait. */
const SOON_MS = 0.05;

const {
  engine: token,
  there,
  file,
  loop,
  speed,
  gapMost,
  buffers,
  longest,
  digested,
  stopped,
} = workerData as ReaderWork;

const engine = await Engine.attach(token);
const sender = Mesh.attach(engine, there).sender(0);
const pace = new Pace(speed, gapMost);
const batch: Skb[] = [];
const totals = { packets: 0, bytes: 0, rounds: 0, started: 0 };
let reader: CaptureReader | null = null;
/** When the packet is due that is waited for, by `performance.now()`; 0 if none is. */
let awaited = 0;
let chain = NO_PACKETS;

const reporter = new Reporter<ReaderReport>(() => {
  const { sent, copied, skipped } = reader?.stats() ?? { sent: 0, copied: 0, skipped: 0 };
  const wait = awaited === 0 ? 0 : Math.max(awaited - performance.now(), 0);
  return { ...totals, skipped, wait, digest: digested ? chain : null, completions: { sent, copied } };
});

/** Bytes of the first `n` packets of the batch. */
function bytesOf(n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (batch[i] as Skb).length;
  return sum;
}

/** Sends the first `n` packets of the batch, and counts those. Throws RingClosedError once the lookers take no more. */
function send(n: number): void {
  let next = chain;
  if (digested) for (let i = 0; i < n; i++) next = chained(next, batch[i] as Skb);
  totals.bytes += bytesOf(n);
  let left = n;
  try {
    while (left > 0) {
      // What is refused, for whichever looker, is in front then.
      left -= sender.enqueueBurst(batch, left);
      if (left > 0) sender.waitWritable();
    }
    chain = next;
  } finally {
    totals.packets += n - left;
    totals.bytes -= bytesOf(left);
  }
  batch.splice(0, n);
}

/** Whether the replay is to end: what was read is still sent, but for what is not due yet. */
function isStopped(): boolean {
  return sender.closed || Atomics.load(stopped, 0) !== 0;
}

/** Sends what the batch has, each packet when it is due. */
function sendAll(): void {
  if (totals.packets === 0) totals.started = clock();
  // The order in which they are to leave.
  for (const [i, skb] of batch.entries()) skb.mark = (totals.packets + i) % 2 ** 32;
  if (speed > 0) {
    for (let i = 0; i < batch.length; ) {
      const now = performance.now();
      const due = pace.due(timeOf(batch[i] as Skb), now);
      if (due - now > SOON_MS) {
        // What is due goes before the sleep.
        send(i);
        i = 0;
        sleepUntil(due);
      }
      i++;
    }
  }
  send(batch.length);
  reporter.tick();
}

function sleepUntil(due: number): void {
  awaited = due;
  for (let left = due - performance.now(); left > SOON_MS; left = due - performance.now()) {
    reporter.tick();
    if (isStopped()) throw new RingClosedError("stopped");
    Atomics.wait(stopped, 0, 0, Math.min(left, NAP_MS));
  }
  awaited = 0;
}

// ─── A file that is at hand ──────────────────────────────────────────────────────────────────────────────

/** Reads up to a burst. 0 is the end of the file. */
function read(from: CaptureReader): number {
  for (;;) {
    try {
      const n = from.readBurst(batch, BURST);
      batch.length = n;
      return n;
    } catch (error) {
      if (!(error instanceof PoolExhaustedError)) throw error;
      // Everything is under way. What this thread has left over may be what the others need to go on.
      engine.flush();
      reporter.tick();
      if (isStopped()) return 0;
      from.wait({ timeout: NAP_MS });
    }
  }
}

/** Sends all of a file. `begin`: called when the first packets have been read, or there are none. */
async function replayFile(from: CaptureReader, begin: () => Promise<void>): Promise<void> {
  let n = isStopped() ? 0 : read(from);
  await begin();
  while (n > 0) {
    sendAll();
    n = isStopped() ? 0 : read(from);
  }
}

// ─── What comes when it comes: a pipe, or what has to be inflated ────────────────────────────────────────

/** The next packet of a reader, asked for before it is waited for. */
class Coming {
  readonly #packets: AsyncGenerator<Skb, void, undefined>;
  #came: IteratorResult<Skb, void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #wake: () => void = () => {};

  constructor(from: CaptureReader) {
    this.#packets = from[Symbol.asyncIterator]();
    this.#ask();
  }

  #ask(): void {
    this.#packets.next().then(
      (came) => {
        this.#came = came;
        this.#wake();
      },
      (error: unknown) => {
        this.#failure = { error };
        this.#wake();
      },
    );
  }

  /** The next packet, null at the end; undefined if after `ms` milliseconds there is none: with 0, what has come already. */
  async next(ms: number): Promise<Skb | null | undefined> {
    // What needs no waiting is there after a few of these.
    for (let i = 0; i < 4 && !this.#is(); i++) await null;
    if (!this.#is()) await this.#change(ms);
    if (this.#failure !== null) throw this.#failure.error;
    const came = this.#came;
    if (came === null) return undefined;
    if (came.done === true) return null;
    this.#came = null;
    this.#ask();
    return came.value;
  }

  #is(): boolean {
    return this.#came !== null || this.#failure !== null;
  }

  async #change(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms === 0) setImmediate(resolve);
      else timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  /** After the reader was closed: resolves when it is done with. */
  async end(): Promise<void> {
    while (!this.#is()) await this.#change(NAP_MS);
    if (this.#came?.done === false) this.#came.value.release();
  }
}

/** Waits for packets, and sends what has come. `begin`: called when the first has, or there is none. */
async function replayComing(from: CaptureReader, begin: () => Promise<void>): Promise<void> {
  const coming = new Coming(from);
  let begun = false;
  const sendCome = async (): Promise<void> => {
    if (!begun) await begin();
    begun = true;
    sendAll();
  };
  try {
    for (;;) {
      const skb = await coming.next(batch.length > 0 ? 0 : NAP_MS);
      if (skb === null) break;
      if (skb !== undefined) batch.push(skb);
      if (isStopped()) throw new RingClosedError("stopped");
      if (batch.length === BURST || (skb === undefined && batch.length > 0)) await sendCome();
      reporter.tick();
    }
    await sendCome();
  } catch (error) {
    from.close();
    await coming.end();
    throw error;
  }
}

// ─── All of it ───────────────────────────────────────────────────────────────────────────────────────────

/** The capture is understood, its first packet included. Resolves when the rest stands, or says to end. */
async function ready(): Promise<void> {
  reporter.ready();
  if (parentPort !== null) await once(parentPort, "message");
}

try {
  reader = CaptureReader.open(engine, file, {
    lend: buffers,
    headroom: 0,
    longest,
    patience: Number.POSITIVE_INFINITY,
  });
  const atHand = reader.format !== null;
  while ((loop === 0 || totals.rounds < loop) && !isStopped()) {
    if (totals.rounds > 0) reader.rewind();
    pace.restart();
    await (atHand ? replayFile : replayComing)(reader, totals.rounds === 0 ? ready : async () => {});
    totals.rounds++;
  }
} catch (error) {
  if (!(error instanceof RingClosedError)) reporter.fail(error);
}
// What was read and not sent is as if it had not been read.
awaited = 0;
for (const skb of batch) if (skb.alive) skb.release(DropReason.full);
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
