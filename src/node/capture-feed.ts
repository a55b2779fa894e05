// CaptureFeed: a capture's bytes as they come out of its file, and the packets in them. What reads a capture does, however its
// caller waits; CaptureReader is the face of it.

import { SKB_CB, SKB_TIMESTAMP_HIGH, SKB_TIMESTAMP_LOW } from "../../assembly/layout.js";
import { deliver, handleOf, heapOf } from "../driver.js";
import type { Engine } from "../engine.js";
import type { Skb } from "../skb.js";
import type { CaptureFile } from "./capture-file.js";
import { type CaptureFormat, type Fault, hex } from "./capture-format.js";
import { writeNote } from "./capture-note.js";
import { ChunkStream } from "./chunk-stream.js";
import { type ChunkSource, hasFree } from "./chunks.js";
import { CaptureError } from "./errors.js";
import { type Compression, compressionOf, Inflater } from "./inflate.js";
import { PcapFormat } from "./pcap.js";
import { PcapngFormat } from "./pcapng.js";

const MAGIC_BYTES = 4;

/** Settings of a reader that its parsers go by. */
export interface Limits {
  /** Bytes that a packet may have. */
  readonly longest: number;
  /** Bytes that can be available together. */
  readonly room: number;
}

export class CaptureFeed {
  /** null before anything has been read. */
  format: CaptureFormat | null = null;
  packets = 0;
  /** Bytes that were read from the file. */
  bytes = 0;
  /** Whether the file has no more bytes. */
  ended = false;
  /** Why the capture cannot be read on. */
  failed: CaptureError | null = null;
  readonly #engine: Engine;
  readonly #file: CaptureFile;
  readonly #source: ChunkSource;
  readonly #stream: ChunkStream;
  readonly #limits: Limits;
  readonly #fault: Fault = (offset, wanted, got) => this.#fail(this.error(wanted, got, offset));
  /** Whether what stands before the first packet has been read. */
  #started = false;
  /** Where in the file the next read begins; null: where the descriptor stands. */
  #at: number | null = null;
  /** Whether what was missing last is room for bytes of the file; else it is a packet for those that have come. */
  #needsRoom = false;
  /** What the file is compressed with, once that is known; and what inflates it, once somebody waits for it. */
  #compression: Compression | null = null;
  #inflater: Inflater | null = null;
  /** A read that is under way: the chunk that it goes into is the kernel's to write until then. */
  #filling: Promise<void> | null = null;
  #closed = false;
  /** In the rounds before this one. */
  #skipped = 0;

  constructor(engine: Engine, file: CaptureFile, source: ChunkSource, limits: Limits) {
    this.#engine = engine;
    this.#file = file;
    this.#source = source;
    this.#stream = new ChunkStream(engine, source);
    this.#limits = limits;
  }

  /** Packets that were passed over, because they are longer than is read. */
  get skipped(): number {
    return this.#skipped + (this.format?.skipped ?? 0);
  }

  /** Bytes of the capture before the next packet's record, or before the fault. */
  get position(): number {
    return this.#stream.position;
  }

  /** Whether `fillAsync` is at work. */
  get filling(): boolean {
    return this.#filling !== null;
  }

  error(wanted: string, got: unknown, offset = 0): CaptureError {
    return new CaptureError(this.#file.name, this.position + offset, wanted, got);
  }

  // ─── Packets ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The next packet, reading more of the file if that is allowed; null at the end, or without one if it is not. `old`: an object
   * to use again.
   */
  next(mayFill: boolean, old: Skb | null = null): Skb | null {
    for (;;) {
      if (this.failed !== null) throw this.failed;
      const need = this.#find();
      if (need === 0) return this.#make(this.format as CaptureFormat, old);
      if (this.#compression !== null && mayFill) throw this.#compressed(this.#compression);
      if (this.ended) {
        this.#checkEnd();
        return null;
      }
      if (!mayFill) return null;
      this.#fill();
    }
  }

  /** Looks for the next packet. Returns 0, or how many bytes must be available to go on. */
  #find(): number {
    const need = this.#start();
    return need === 0 ? (this.format as CaptureFormat).find() : need;
  }

  /** Reads what stands before the first packet, if that is still to be done. Returns as `#find`. */
  #start(): number {
    if (this.#started) return 0;
    const stream = this.#stream;
    if (this.format === null) {
      if (stream.available < MAGIC_BYTES) return MAGIC_BYTES;
      const { longest, room } = this.#limits;
      this.format =
        PcapFormat.of(stream, this.#fault, longest) ?? PcapngFormat.of(stream, this.#fault, longest, room);
      if (this.format === null) {
        const start = stream.u32(0, false);
        this.#compression ??= compressionOf(start);
        if (this.#inflater === null && this.#compression?.inflate != null) return MAGIC_BYTES;
        throw this.#fault(0, "a pcap or pcapng file", whatStarts(start));
      }
    }
    const need = this.format.start();
    this.#started = need === 0;
    return need;
  }

  /** Makes the packet that was found. */
  #make({ packet }: CaptureFormat, old: Skb | null): Skb {
    this.#needsRoom = false;
    const { captured, offset, after, linkType, originalLength, time, timed } = packet;
    const skb = this.#stream.take(captured, offset, old);
    const struct =
      writeNote(this.#engine, handleOf(skb), linkType, packet.interface, originalLength, timed) - SKB_CB;
    const heap = heapOf(this.#engine);
    heap.setWord(struct + SKB_TIMESTAMP_LOW, time.low);
    heap.setWord(struct + SKB_TIMESTAMP_HIGH, time.high);
    this.#stream.skip(after);
    this.packets++;
    return skb;
  }

  /** After the last byte: whether it was the last of a record. @throws CaptureError */
  #checkEnd(): void {
    const { available, position } = this.#stream;
    if (available !== 0 || this.format?.between !== true) {
      if (position + available === 0) throw this.#fault(0, "a pcap or pcapng file", "an empty one");
      const unfinished = this.format?.unfinished() ?? null;
      if (unfinished !== null) throw unfinished;
      const wanted = this.format?.wanted ?? `${MAGIC_BYTES} bytes of a magic number`;
      throw this.#fault(0, wanted, `${available} bytes`);
    }
    this.#stream.clear();
  }

  /** For callers that do not wait: Node inflates only while they do. */
  #compressed({ name }: Compression): CaptureError {
    return this.error(`for await, which inflates ${name}`, "a call that returns at once");
  }

  /** Says for good that the capture cannot be read on. */
  #fail(error: CaptureError): CaptureError {
    this.failed = error;
    this.#stream.clear();
    return error;
  }

  // ─── The file ────────────────────────────────────────────────────────────────────────────────────────

  /** Reads what stands before the first packet. */
  begin(): void {
    while (this.#start() !== 0 && this.#compression === null) {
      if (this.ended) this.#checkEnd();
      this.#fill();
    }
  }

  /** Reads again from byte 0 on. */
  rewind(): void {
    this.#inflater?.close();
    this.#inflater = null;
    this.#compression = null;
    this.#stream.restart();
    this.#skipped = this.skipped;
    this.format = null;
    this.ended = false;
    this.failed = null;
    this.#started = false;
    this.#at = 0;
  }

  close(): void {
    this.#closed = true;
    this.#file.stop();
    this.#inflater?.close();
    if (this.#filling === null) this.#end();
  }

  #end(): void {
    if (!this.#engine.closed) {
      this.#stream.clear();
      this.#source.close();
    }
    this.#file.close(this.position);
  }

  #fill(): void {
    const room = this.#room();
    let n: number;
    try {
      n = this.#file.read(room, this.#at);
    } catch (cause) {
      throw this.#readError(cause);
    }
    this.#came(n);
  }

  /** Reads more of the file. Whoever asks meanwhile gets the same promise. @throws PoolExhaustedError at once */
  fillAsync(): Promise<void> {
    this.#inflates();
    this.#filling ??= this.#fillOnce(this.#room());
    return this.#filling;
  }

  /** Begins to inflate what is compressed; what has come of it goes there, and the capture begins again. */
  #inflates(): void {
    const { inflate = null } = this.#compression ?? {};
    if (this.#inflater !== null || inflate === null) return;
    const first = this.#stream.copy(0, this.#stream.available);
    this.#inflater = new Inflater(this.#file, inflate, first, this.#at);
    this.#stream.restart();
  }

  async #fillOnce(room: Uint8Array): Promise<void> {
    const inflater = this.#inflater;
    try {
      const n =
        inflater === null ? await this.#file.readAsync(room, this.#at) : await inflater.readAsync(room);
      if (!this.#closed) this.#came(n);
    } catch (cause) {
      throw this.#readError(cause);
    } finally {
      this.#filling = null;
      if (this.#closed) this.#end();
    }
  }

  #room(): Uint8Array {
    this.#needsRoom = true;
    return this.#stream.room();
  }

  #came(n: number): void {
    if (n === 0) this.ended = true;
    this.#stream.came(n);
    this.bytes += n;
    if (this.#at !== null) this.#at += n;
  }

  #readError(cause: unknown): CaptureError {
    const { position, available } = this.#stream;
    const wanted = this.#inflater === null ? "bytes that can be read" : "bytes that can be inflated";
    const error = this.#file.failure(position + available, wanted, cause);
    return this.#closed ? error : this.#fail(error);
  }

  // ─── Memory ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether what was missing may be there now. */
  isWorthIt(): boolean {
    const engine = this.#engine;
    deliver(engine);
    if (this.#needsRoom && !this.#stream.roomy) return this.#source.ready();
    return hasFree(engine, this.#source.headroom, 0, this.#stream.parts - 1);
  }

  /** Whether what is missing comes with a completion. */
  get awaitsCompletion(): boolean {
    return this.#needsRoom && !this.#stream.roomy && this.#source.allOut;
  }
}

/** How a file is called that is no capture and starts with these bytes. */
function whatStarts(start: number): string {
  const compression = compressionOf(start);
  if (compression === null) return `one that starts with ${hex(start)}`;
  return `one that is compressed with ${compression.name}, which this Node does not inflate`;
}
