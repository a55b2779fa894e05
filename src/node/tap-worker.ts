// The tap's worker: takes clones from the ring and writes them, until the ring is closed and drained.

import * as threads from "node:worker_threads";
import makeJs from "../../build/core-js.js";
import { provideJs } from "../driver.js";
import { Engine } from "../engine.js";
import { type Starter, serve } from "../io/worker.js";
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

class Writing {
  readonly #engine: Engine;
  readonly #ring: Ring;
  readonly #starter: Starter<TapFile, TapReport>;
  readonly #batch: Skb[] = [];
  #writer: CaptureWriter | null = null;
  #error: TapReport["error"] = null;
  #failed = 0;

  constructor(engine: Engine, ring: Ring, starter: Starter<TapFile, TapReport>) {
    this.#engine = engine;
    this.#ring = ring;
    this.#starter = starter;
  }

  report(): TapReport {
    const {
      packets: written,
      bytes,
      dropped,
    } = this.#writer?.stats() ?? { packets: 0, bytes: 0, dropped: 0 };
    return { written, bytes, failed: this.#failed + dropped, cpu: threadCpuTime(), error: this.#error };
  }

  /** Writes until there will be nothing any more. */
  run(file: string | number, { snapLength, halt }: TapWork): void {
    this.#attempt(() => {
      const options = snapLength === undefined ? {} : { snapLength };
      this.#writer = CaptureWriter._open(this.#engine, file, options, new Halt(halt));
    });
    let reported = performance.now();
    let unreported = false;
    // Sleeps without end once everything is reported.
    while (this.#ring.wait(unreported ? { timeout: REPORT_MS } : {}) !== "ended") {
      const n = this.#ring.dequeueBurst(this.#batch, BATCH, { reuse: true });
      this.#write(n);
      unreported ||= n > 0;
      if (!unreported || performance.now() - reported <= REPORT_MS) continue;
      this.#starter.say(this.report());
      reported = performance.now();
      unreported = false;
    }
    this.#attempt(() => this.#writer?.closeSync());
  }

  /** Takes the first `n` of the batch. */
  #write(n: number): void {
    this.#attempt(() => {
      for (let done = 0; done < n; ) {
        done += this.#writer?.enqueueBurst(this.#batch.slice(done, n)) ?? 0;
        this.#writer?.flush();
      }
    });
    for (const skb of this.#batch) {
      if (!skb.alive) continue;
      skb.release(DropReason.notSpecified);
      this.#failed++;
    }
  }

  /** Does something with the file. What goes wrong with it ends the writing, not the worker: the ring has to be drained. */
  #attempt(what: () => void): void {
    if (this.#error !== null) return;
    try {
      what();
    } catch (caught) {
      if (!(caught instanceof CaptureError)) throw caught;
      const { cause } = caught;
      this.#error = { offset: caught.offset, got: cause instanceof Error ? cause.message : caught.message };
      this.#ring.close();
      this.#starter.say(this.report());
    }
  }
}

// The engine may have either core.
provideJs(makeJs);

serve<TapWork, TapFile, TapReport, TapReport>(async (work, starter) => {
  const told = new Promise<TapFile>((resolve) => starter.listen(resolve));
  // What fails ends this thread, which gives back what it has.
  const engine = await Engine.attach(work.engine);
  const ring = Ring.attach(engine, work.ring);
  const writing = new Writing(engine, ring, starter);
  starter.ready();
  const file = await told;
  if (file !== null) writing.run(file, work);
  ring.release();
  engine.detach();
  return writing.report();
}, threads);
