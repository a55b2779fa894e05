// npx skbuff replay: starts the threads, watches them, and proves at the end that nothing was lost.

import { basename } from "node:path";
import { Engine, Mesh } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { threadCpuTime } from "skbuff/node";
import { buffersFor } from "./buffers.js";
import { addCounts, type Counts, Flows, noCounts } from "./counts.js";
import { type Input, lookAtInput, Output } from "./files.js";
import type { ReceiverReport, ReceiverWork } from "./receiver.js";
import {
  creditOf,
  type LookerReport,
  type LookerWork,
  type ReaderReport,
  type ReaderWork,
  RING_PACKETS,
  type Target,
  type TransmitterReport,
  type TransmitterWork,
} from "./roles.js";
import { Thread } from "./thread.js";
import { compareCaptures, compareChain, digestOf } from "./verify.js";

/** Milliseconds between looks at the memory and calls of `onProgress`. */
const WATCH_MS = 100;

/** Bytes of packets that are compared at once, when somebody waits for the end. */
const COMPARED_MOST = 64 * 1024 * 1024;

export interface ReplayOptions {
  readonly file: string;
  /** Where to send to; `null` nowhere, `"own"` to a receiver that is started for it. */
  readonly target: Target | "own" | null;
  readonly tap: string | null;
  /** Bytes that a packet may have; longer ones are passed over. */
  readonly longest: number;
  /** Seconds from one packet to the next at most. */
  readonly gapMost: number;
  readonly workers: number;
  /** Times as fast as it was recorded; 0 is as fast as it goes. */
  readonly speed: number;
  /** Times that the file is read; 0 is without end. */
  readonly loop: number;
  /** Bytes of the arena. */
  readonly memory: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Told what the replay waits for before it begins. */
  readonly onWait?: (what: string) => void;
  /** Ends the replay; what is under way still comes through. */
  readonly signal?: AbortSignal;
}

/** How far a replay is. */
export interface Progress {
  readonly seconds: number;
  readonly packets: number;
  readonly bytes: number;
  readonly dropped: number;
  /** Seconds until the next packet is due, and which it is; 0 if none is waited for. */
  readonly wait: number;
  readonly next: number;
  /** What is waited for before the first packet; null from there on. */
  readonly input: string | null;
  /** Bytes of the arena that are in use, and its size. */
  readonly used: number;
  readonly memory: number;
}

/** What came of a replay. Bytes are those of packets, CPU times nanoseconds. */
export interface Result {
  readonly file: string;
  /** From the first packet that was read to the last that was sent. */
  readonly seconds: number;
  readonly interrupted: boolean;
  readonly rounds: number;
  readonly read: { readonly packets: number; readonly bytes: number; readonly skipped: number };
  readonly sent: {
    readonly packets: number;
    readonly bytes: number;
    readonly tooLong: number;
    /** Packets that the system did not take, and those of which the network said that nobody took them. */
    readonly failed: number;
    readonly refused: number;
    /** What the system said of the first of them. */
    readonly complaint: string | null;
  };
  readonly looked: Counts;
  readonly flows: number;
  readonly completions: { readonly sent: number; readonly copied: number };
  readonly cpu: readonly { readonly thread: string; readonly ns: number }[];
  readonly receiver: {
    readonly packets: number;
    readonly bytes: number;
    readonly dropped: number;
    readonly same: boolean;
  } | null;
  readonly tap: {
    readonly file: string;
    readonly packets: number;
    readonly bytes: number;
    readonly dropped: number;
    /** What differs from the input; null if nothing does, or nothing can be said. */
    readonly difference: string | null;
    /** Why it was not compared; null if it was. */
    readonly uncompared: string | null;
  } | null;
  readonly memory: {
    readonly arena: number;
    /** Resident bytes of the process: when a tenth of the packets was through, at most, and at the end. */
    readonly early: number;
    readonly most: number;
    readonly end: number;
  };
  /** What was still out at the end, a line each; empty if every buffer came back. */
  readonly out: readonly string[];
  readonly errors: readonly string[];
  /** Whether everything is as it should be. */
  readonly good: boolean;
}

const NOTHING_READ: ReaderReport = {
  packets: 0,
  skipped: 0,
  wait: 0,
  digest: null,
  bytes: 0,
  rounds: 0,
  started: 0,
  completions: { sent: 0, copied: 0 },
};
const NOTHING_SENT: TransmitterReport = {
  taken: 0,
  packets: 0,
  bytes: 0,
  ended: 0,
  tooLong: 0,
  failed: 0,
  refused: 0,
  complaint: null,
  tap: null,
};

/**
 * Replays a capture. Rejects if it cannot begin: then nothing is written. Else resolves when every thread has ended, whatever
 * went wrong: `errors` says it.
 */
export async function replay(options: ReplayOptions): Promise<Result> {
  const input = lookAtInput(options.file);
  if (!input.again && options.loop !== 1)
    throw new Error(`${input.name} can be read only once: it cannot be replayed with --loop`);
  const buffers = buffersFor(options.longest, options.memory);
  const output =
    options.tap === null
      ? null
      : await Output.open(
          options.tap,
          input,
          () => options.onWait?.(`waiting for somebody to read ${options.tap}`),
          options.signal,
        );
  let written = false;
  try {
    const { result, tapped } = await run(options, input, output, buffers);
    written = tapped;
    return result;
  } finally {
    if (written) output?.close();
    else output?.abandon();
  }
}

async function run(
  options: ReplayOptions,
  input: Input,
  output: Output | null,
  buffers: number,
): Promise<{ result: Result; tapped: boolean }> {
  const { workers, speed, loop, memory, longest, signal } = options;
  const engine = await Engine.create({ memory, threads: Math.min(workers + 8, 64), rings: 2 * workers + 8 });
  const there = new Mesh(engine, 1, workers, { capacity: RING_PACKETS, spread: "in-turn" });
  const back = new Mesh(engine, workers, 1, { capacity: RING_PACKETS });
  const links = { engine: engine.share(), there: there.share(), back: back.share() };
  const { target, receiver: own, received } = await targetOf(options);
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const stop = once(() => there.close());
  const abandon = once(() => back.close());
  const interrupt = (): void => {
    Atomics.store(stopped, 0, 1);
    Atomics.notify(stopped, 0);
  };

  const start = performance.now();
  // Whatever goes wrong, no more packets are read. Behind a thread that died nobody must wait for it, either.
  const watch = (thread: Thread<unknown>): void => {
    if (thread.error !== null) stop();
    if (thread.died) abandon();
  };
  const readerWork: ReaderWork = {
    ...links,
    file: input.file,
    loop,
    speed,
    gapMost: options.gapMost * 1000,
    buffers,
    longest,
    stopped,
    digested: !input.again && output?.again === true,
  };
  const reader = new Thread<ReaderReport>("reader", "./reader.js", readerWork, watch);
  const lookers = Array.from({ length: workers }, (_, i) => {
    const work: LookerWork = { ...links, i };
    return new Thread<LookerReport>(`worker ${i + 1}`, "./looker.js", work, watch);
  });
  const transmitterWork: TransmitterWork = {
    ...links,
    target,
    tap: output && { fd: output.fd, empty: output.again },
    longest,
    stopped,
    received,
  };
  const transmitter = new Thread<TransmitterReport>(
    "transmitter",
    "./transmitter.js",
    transmitterWork,
    watch,
  );
  signal?.addEventListener("abort", interrupt);
  if (signal?.aborted) interrupt();
  // Nothing is sent or written before the capture is understood, and nothing is read on before it can be sent.
  void reader.ready.then((ready) => transmitter.tell(ready));
  void transmitter.ready.then(() => reader.tell("go"));

  const resident: number[] = [];
  const progress = (): Progress => {
    const sent = transmitter.last?.report;
    const { pages } = stats(engine);
    return {
      seconds: (performance.now() - start) / 1000,
      packets: sent?.packets ?? 0,
      bytes: sent?.bytes ?? 0,
      dropped: (sent?.tooLong ?? 0) + (sent?.failed ?? 0) + (sent?.tap?.dropped ?? 0),
      wait: (reader.last?.report?.wait ?? 0) / 1000,
      next: (reader.last?.report?.packets ?? 0) + 1,
      input: reader.last?.ready === true ? null : input.name,
      used: pages.used * 4096,
      memory,
    };
  };
  const timer = setInterval(() => {
    resident.push(process.memoryUsage.rss());
    options.onProgress?.(progress());
  }, WATCH_MS);
  await Promise.all([reader, ...lookers, transmitter].map((thread) => thread.ended));
  clearInterval(timer);
  resident.push(process.memoryUsage.rss());
  options.onProgress?.(progress());
  signal?.removeEventListener("abort", interrupt);

  const sent = transmitter.last?.report ?? NOTHING_SENT;
  const read = reader.last?.report ?? NOTHING_READ;
  own?.tell((sent.bytes + sent.packets * creditOf(0)) | 0);
  await own?.ended;
  there.release();
  back.release();
  const { problems } = audit(engine);
  const out = [...engine.close({ force: true }), ...problems];
  const interrupted = signal?.aborted === true;
  // The threads know descriptors only.
  const named = (error: string): string =>
    error.replace('"fd 0,', `"${input.name},`).replace(`"fd ${output?.fd},`, `"${output?.name},`);
  const errors = [reader, ...lookers, transmitter, ...(own === null ? [] : [own])].flatMap(({ error }) =>
    error === null ? [] : named(error),
  );

  const extent = { rounds: loop, packets: sent.taken, longest };
  const uncompared = whyNotCompared(output, interrupted, read, sent);
  const difference = async (): Promise<string | null> => {
    if (uncompared !== null || output === null) return null;
    return read.digest === null
      ? compareCaptures(input.file, output.name, extent)
      : compareChain(output.name, read.digest, extent);
  };
  const got = own?.last?.report;
  const receiver =
    got === undefined
      ? null
      : {
          packets: got.packets,
          bytes: got.bytes,
          dropped: got.dropped,
          same: got.digest === (await digestOf(input.file, extent)),
        };
  const taped =
    output === null || sent.tap === null
      ? null
      : {
          file: output.name,
          packets: sent.tap.written,
          bytes: sent.tap.bytes,
          dropped: sent.tap.dropped,
          difference: await difference(),
          uncompared,
        };
  const looked = lookers.reduce((sum, { last }) => addCounts(sum, last?.report?.counts), noCounts());
  const flows = new Flows();
  for (const { last } of lookers) flows.addAll(last?.report?.flows ?? []);
  const { packets, bytes, tooLong, failed, refused, complaint } = sent;
  const result = {
    file: basename(input.name),
    seconds: sent.taken === 0 ? 0 : Math.max(sent.ended - read.started, 0) / 1000,
    interrupted,
    rounds: read.rounds,
    read: { packets: read.packets, bytes: read.bytes, skipped: read.skipped },
    sent: { packets, bytes, tooLong, failed, refused, complaint },
    looked,
    flows: flows.size,
    completions: read.completions,
    cpu: [
      ...[reader, ...lookers, transmitter].map(({ name, last }) => ({ thread: name, ns: last?.cpu ?? 0 })),
      ...(sent.tap === null ? [] : [{ thread: "tap", ns: sent.tap.cpu }]),
      { thread: "main", ns: threadCpuTime() },
    ],
    receiver,
    tap: taped,
    memory: {
      arena: memory,
      early: resident[Math.floor(resident.length / 10)] ?? 0,
      most: Math.max(...resident),
      end: resident.at(-1) ?? 0,
    },
    out,
    errors,
  };
  return { result: { ...result, good: isGood(result) }, tapped: sent.tap !== null };
}

/** Where to send to: to a receiver of our own, which is started, if nobody is named. */
async function targetOf({ target }: ReplayOptions): Promise<{
  target: Target | null;
  receiver: Thread<ReceiverReport> | null;
  received: Int32Array | null;
}> {
  if (target !== "own") return { target, receiver: null, received: null };
  const received = new Int32Array(new SharedArrayBuffer(4));
  const receiver = new Thread<ReceiverReport>("receiver", "./receiver.js", {
    received,
  } satisfies ReceiverWork);
  if (!(await receiver.ready)) throw new Error(receiver.error ?? "the receiver died");
  const { port = 0 } = receiver.last?.report ?? {};
  return { target: { kind: "udp", host: "127.0.0.1", port }, receiver, received };
}

/** Why nobody can or need say whether a tap has what was read; null if it is to be compared. */
function whyNotCompared(
  output: Output | null,
  interrupted: boolean,
  read: ReaderReport,
  sent: TransmitterReport,
): string | null {
  if (output === null || !output.again) return "it cannot be read back";
  // Of packets that are gone only the sum of all is known.
  if (read.digest !== null && sent.taken !== read.packets) return "not all that was read was sent";
  if (interrupted && sent.bytes > COMPARED_MOST) return "the replay was interrupted";
  return null;
}

/** Whether all that was read was sent, received and taped as it was, and everything came back. */
function isGood({ interrupted, read, sent, receiver, tap, out, errors }: Omit<Result, "good">): boolean {
  return (
    !interrupted &&
    errors.length === 0 &&
    out.length === 0 &&
    read.skipped === 0 &&
    sent.packets === read.packets &&
    sent.tooLong + sent.failed + sent.refused === 0 &&
    (receiver === null || receiver.same) &&
    (tap === null || (tap.dropped === 0 && tap.difference === null))
  );
}

function once(what: () => void): () => void {
  let done = false;
  return () => {
    if (!done) what();
    done = true;
  };
}
