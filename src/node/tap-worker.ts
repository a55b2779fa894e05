// The tap's worker: takes clones from the ring and writes them, until the ring is closed and drained.

import { parentPort, workerData } from "node:worker_threads";
import makeJs from "../../build/core-js.js";
import { provideJs } from "../driver.js";
import { Engine } from "../engine.js";
import { DropReason } from "../reason.js";
import { Ring } from "../ring.js";
import type { Skb } from "../skb.js";
import { CaptureWriter } from "./capture-writer.js";
import { threadCpuTime } from "./cpu.js";
import { CaptureError } from "./errors.js";
import { Halt } from "./halt.js";
import type { TapFile, TapReport, TapWork } from "./tap-writer.js";

/** Milliseconds between reports. */
const REPORT_MS = 50;
/** What is dequeued, and written, at once. */
const BATCH = 256;

// The engine may have either core.
provideJs(makeJs);

const { engine: token, ring: ringToken, snapLength, halt } = workerData as TapWork;
const engine = await Engine.attach(token);
const ring = attachRing();
const batch: Skb[] = [];
let writer: CaptureWriter | null = null;
let error: TapReport["error"] = null;
let failed = 0;
let reported = 0;
let unreported = false;

function attachRing(): Ring {
  try {
    return Ring.attach(engine, ringToken);
  } catch (error) {
    engine.detach();
    throw error;
  }
}

function report(ended: boolean): void {
  const { packets: written, bytes, dropped } = writer?.stats() ?? { packets: 0, bytes: 0, dropped: 0 };
  parentPort?.postMessage({
    written,
    bytes,
    failed: failed + dropped,
    cpu: threadCpuTime(),
    ended,
    error,
  } satisfies TapReport);
  reported = performance.now();
  unreported = false;
}

/** Does something with the file. What goes wrong with it ends the writing, not the worker: the ring has to be drained. */
function attempt(what: () => void): void {
  if (error !== null) return;
  try {
    what();
  } catch (caught) {
    if (!(caught instanceof CaptureError)) throw caught;
    const { cause } = caught;
    error = { offset: caught.offset, got: cause instanceof Error ? cause.message : caught.message };
    ring.close();
    report(false);
  }
}

/** Takes the first `n` of the batch. */
function write(n: number): void {
  attempt(() => {
    for (let done = 0; done < n; ) {
      done += writer?.enqueueBurst(batch.slice(done, n)) ?? 0;
      writer?.flush();
    }
  });
  for (const skb of batch) {
    if (!skb.alive) continue;
    skb.release(DropReason.notSpecified);
    failed++;
  }
}

/** Writes until there will be nothing any more. */
function run(file: string | number): void {
  attempt(() => {
    const options = snapLength === undefined ? {} : { snapLength };
    writer = CaptureWriter._open(engine, file, options, new Halt(halt));
  });
  // Sleeps without end once everything is reported.
  while (ring.wait(unreported ? { timeout: REPORT_MS } : {}) !== "ended") {
    const n = ring.dequeueBurst(batch, BATCH, { reuse: true });
    write(n);
    unreported ||= n > 0;
    if (unreported && performance.now() - reported > REPORT_MS) report(false);
  }
  attempt(() => writer?.closeSync());
}

parentPort?.postMessage("attached");
const file = await new Promise<TapFile>((resolve) => parentPort?.once("message", resolve));
if (file !== null) run(file);
ring.release();
engine.detach();
report(true);
