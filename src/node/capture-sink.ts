// CaptureSink: packets that wait to be written, and the calls that write them; CaptureWriter is the face of it.

import { checkOpen, deliver } from "../driver.js";
import type { Engine } from "../engine.js";
import { type CaptureFile, pause, sleep } from "./capture-file.js";
import type { PacketRecord, RecordFormat } from "./capture-records.js";
import { CaptureError } from "./errors.js";
import { RecordBatch } from "./record-batch.js";

/** Views that one call takes (IOV_MAX of Linux). */
const VIEWS_MOST = 1024;
/** Milliseconds before the next try when a call has written nothing and does not say why. */
const NOTHING_MS = 1;

export class CaptureSink {
  /** Packets that were written, and that never will be. */
  packets = 0;
  dropped = 0;
  /** Bytes that were written. */
  bytes = 0;
  readonly #engine: Engine;
  readonly #file: CaptureFile;
  readonly #format: RecordFormat;
  readonly #batch: RecordBatch;
  /** Whether a packet has come, and the capture's header with it. */
  #begun = false;
  /** Why nothing can be written any more. */
  #failed: CaptureError | null = null;
  /** Whether it takes nothing any more; and whether nothing is written any more but by the last flush. */
  #ending = false;
  #closed = false;
  /** The reason, once it was aborted. */
  #aborted: { readonly reason: unknown } | null = null;
  /** Whether the file was let go of. */
  #letGone = false;
  /** Whether a flush is under way; and if it does not block, its promise. */
  #busy = false;
  #flushing: Promise<void> | null = null;

  // What is being flushed: views, and which of them is the next to go; for each of the packets, in bytes of all views, where
  // it ends; and how many of those packets and bytes have gone.
  readonly #views: Uint8Array[] = [];
  #next = 0;
  readonly #ends: number[] = [];
  #gone = 0;
  #bytesGone = 0;

  constructor(engine: Engine, file: CaptureFile, format: RecordFormat, most: number) {
    this.#engine = engine;
    this.#file = file;
    this.#format = format;
    this.#batch = new RecordBatch(engine, format, most);
  }

  /** The file, as it was named. */
  get name(): string {
    return this.#file.name;
  }

  /** Whether it takes no more packets until the next flush. */
  get full(): boolean {
    return this.#batch.full;
  }

  /** Packets that it takes before the next flush. */
  get room(): number {
    return this.#batch.room;
  }

  /** Whether no packets can be taken any more. */
  get ended(): boolean {
    return this.#ending || this.#failed !== null;
  }

  /** Whether a write ends soon, whoever reads. */
  get prompt(): boolean {
    return this.#file.regular;
  }

  get aborted(): boolean {
    return this.#aborted !== null;
  }

  /** Whether a flush is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Whether packets can be taken at all. @throws CaptureError, the reason of `abort` */
  check(): void {
    this.#checkOpen(this.#ending);
  }

  #checkOpen(ended: boolean): void {
    this.#checkAborted();
    if (ended) throw this.#error("an open writer", "a closed one");
    if (this.#failed !== null) throw this.#failed;
    checkOpen(this.#engine);
  }

  /** Takes a packet. Trusts that it is not full. @throws CaptureError for one that this capture cannot hold */
  add(handle: number, record: PacketRecord): void {
    const refusal = this.#format.refuse(record);
    if (refusal !== null) throw this.#error(refusal.wanted, refusal.got);
    this.#batch.add(handle, record);
    this.#begun = true;
  }

  #error(wanted: string, got: string): CaptureError {
    return new CaptureError(this.#file.name, this.bytes, wanted, got);
  }

  // ─── Flushing ────────────────────────────────────────────────────────────────────────────────────────

  flush(): void {
    this.#checkOpen(this.#closed);
    this.#begin();
    try {
      this.#writeAll();
    } finally {
      this.#end();
    }
  }

  async flushAsync(): Promise<void> {
    // What was taken while another one was under way is none of that one's business; the next one may have written it.
    if (this.#flushing !== null) {
      while (this.#flushing !== null) await this.#flushing;
      if (this.#batch.count === 0) return;
    }
    this.#checkOpen(this.#closed);
    this.#begin();
    await this.#writeAllAsync();
  }

  #begin(): void {
    if (this.#busy) throw this.#error("one flush at a time", "another one");
    this.#busy = true;
    if (this.#batch.count > 0) this.#batch.show(this.#views, this.#ends);
  }

  #writeAll(): void {
    while (this.#next < this.#views.length) {
      let n: number;
      try {
        n = this.#file.write(this.#some());
      } catch (cause) {
        throw this.#fail(cause);
      }
      this.#wrote(n);
      if (n === 0) sleep(NOTHING_MS);
    }
  }

  #writeAllAsync(): Promise<void> {
    this.#flushing = (async () => {
      // Whoever made the promise has it before anything can fail.
      await null;
      try {
        while (this.#next < this.#views.length) {
          const n = await this.#file.writeAsync(this.#some());
          this.#wrote(n);
          this.#checkAborted();
          if (n === 0) await pause(NOTHING_MS);
        }
      } catch (cause) {
        this.#checkAborted();
        throw this.#fail(cause);
      } finally {
        this.#flushing = null;
        this.#end();
      }
    })();
    return this.#flushing;
  }

  #some(): readonly Uint8Array[] {
    const { length } = this.#views;
    return length <= VIEWS_MOST && this.#next === 0
      ? this.#views
      : this.#views.slice(this.#next, this.#next + VIEWS_MOST);
  }

  /** Says that so many bytes have been written; releases the packets that they complete. */
  #wrote(n: number): void {
    this.bytes += n;
    this.#bytesGone += n;
    let left = n;
    let view = this.#views[this.#next];
    while (view !== undefined && left >= view.length) {
      left -= view.length;
      view = this.#views[++this.#next];
    }
    if (view !== undefined && left > 0) this.#views[this.#next] = view.subarray(left);
    const before = this.#gone;
    while (this.#gone < this.#ends.length && (this.#ends[this.#gone] as number) <= this.#bytesGone)
      this.#gone++;
    this.#release(this.#gone - before);
    this.packets += this.#gone - before;
  }

  /** @throws the reason, if it was aborted */
  #checkAborted(): void {
    if (this.#aborted !== null) throw this.#aborted.reason;
  }

  #release(n: number): void {
    if (!this.#engine.closed) this.#batch.release(n);
  }

  /** Says for good that nothing can be written any more, and releases everything that was taken. */
  #fail(cause: unknown): CaptureError {
    this.#failed = this.#file.failure(this.bytes, "a file that takes what is written", cause);
    this.#drop();
    return this.#failed;
  }

  #drop(): void {
    this.dropped += this.#batch.count;
    this.#release(this.#batch.count);
  }

  /** After a flush, however it ended. */
  #end(): void {
    this.#views.length = 0;
    this.#ends.length = 0;
    this.#next = 0;
    this.#gone = 0;
    this.#bytesGone = 0;
    this.#busy = false;
    deliver(this.#engine);
  }

  // ─── Closing ─────────────────────────────────────────────────────────────────────────────────────────

  /** `empty`: what tells a capture without packets its link type. */
  close(empty: PacketRecord): void {
    if (this.#closed) return;
    if (this.#busy) throw this.#error("no flush under way (else use close)", "one");
    this.#ending = true;
    this.#closed = true;
    try {
      if (this.#prepare(empty)) {
        try {
          this.#writeAll();
        } finally {
          this.#end();
        }
      }
    } finally {
      this.#letGo();
    }
    this.#checkLost();
  }

  async closeAsync(empty: PacketRecord): Promise<void> {
    this.#ending = true;
    while (this.#flushing !== null) await this.#flushing.catch(() => {});
    if (!this.#closed) {
      this.#closed = true;
      try {
        if (this.#prepare(empty)) await this.#writeAllAsync();
      } finally {
        this.#letGo();
      }
    }
    this.#checkAborted();
    this.#checkLost();
  }

  /**
   * Releases what was not written, and closes. While the system reads packets, which ends with a call that it has got, those stay.
   */
  abort(reason: unknown): void {
    if (this.#letGone || this.#aborted !== null) return;
    this.#ending = true;
    this.#closed = true;
    this.#aborted = { reason };
    if (this.#flushing === null) this.#giveUp();
    else {
      this.#file.stop();
      this.#flushing.catch(() => {}).finally(() => this.#giveUp());
    }
  }

  #giveUp(): void {
    try {
      this.#letGo();
    } catch {
      // Who has broken it off does not ask what arrived.
    }
  }

  /** @throws CaptureError if packets that it took could not be written */
  #checkLost(): void {
    if (this.#failed !== null && this.dropped > 0) throw this.#failed;
  }

  /** Begins the last flush. Returns whether there is anything to write. */
  #prepare(empty: PacketRecord): boolean {
    if (this.#aborted !== null || this.#failed !== null || this.#engine.closed) return false;
    this.#begin();
    const preface = this.#begun ? null : this.#format.preface(empty);
    if (preface !== null) this.#views.push(preface);
    return true;
  }

  #letGo(): void {
    if (this.#letGone) return;
    this.#letGone = true;
    this.#drop();
    this.#file.close(this.bytes);
  }
}
