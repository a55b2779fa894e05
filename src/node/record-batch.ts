// Packets on their way into a capture, and what stands between them.
//
// The headers lie in one buffer that is used again and again. In front of each is room for the end of the record before, so
// that between two packets there is one view, and there are few enough different ones to make each only once:
//
//     slot    0 padding, up to 3 B, and the trailer, 4 B, of the record before   8 header
//             └──── right-aligned: they end where the header begins ────────┘
//
// Slots are a ring, of one more than there are packets: the last record's end is in the slot behind its own.

import { SEGMENTS_MOST } from "../../assembly/layout.js";
import { coreOf, heapOf, scratchOf } from "../driver.js";
import type { Engine } from "../engine.js";
import type { PacketRecord, RecordFormat } from "./capture-records.js";

const HEADER = 8;
const SLOT = 40;
/** Lengths that a record's end has: none, or a trailer and up to 3 bytes in front of it. */
const ENDS = 5;
const TRAILER = 4;

export class RecordBatch {
  readonly #engine: Engine;
  readonly #format: RecordFormat;
  readonly #slots: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Views of a slot from each possible end on, once they were needed. */
  readonly #joints: (Uint8Array | undefined)[];
  readonly #handles: Int32Array;
  readonly #captured: Uint32Array;
  /** Bytes of the headers. */
  readonly #headers: Uint8Array;
  /** What must be written before the record. */
  readonly #prefaces: (Uint8Array | null)[];
  /** Bytes of the end of the record before. */
  readonly #ends: Uint8Array;
  /** Slot of the oldest packet. */
  #first = 0;
  #count = 0;

  /** For up to `most` packets. */
  constructor(engine: Engine, format: RecordFormat, most: number) {
    this.#engine = engine;
    this.#format = format;
    this.#slots = most + 1;
    this.#bytes = new Uint8Array(this.#slots * SLOT);
    this.#view = new DataView(this.#bytes.buffer);
    this.#joints = new Array(this.#slots * ENDS);
    this.#handles = new Int32Array(this.#slots);
    this.#captured = new Uint32Array(this.#slots);
    this.#headers = new Uint8Array(this.#slots);
    this.#prefaces = new Array(this.#slots).fill(null);
    this.#ends = new Uint8Array(this.#slots);
  }

  /** Packets that are in it. */
  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#slots - 1;
  }

  /** Packets that there is room for. */
  get room(): number {
    return this.#slots - 1 - this.#count;
  }

  /** Adds a packet, which the format does not refuse. Takes it. Trusts that there is room. */
  add(handle: number, record: PacketRecord): void {
    const slot = (this.#first + this.#count) % this.#slots;
    const next = (slot + 1) % this.#slots;
    this.#handles[slot] = handle;
    this.#captured[slot] = record.captured;
    this.#prefaces[slot] = this.#format.preface(record);
    this.#headers[slot] = this.#format.header(record);
    const total = this.#format.write(record, this.#view, slot * SLOT + HEADER);
    if (this.#format.trailer !== 0) {
      // What pads it is 0 already: nobody writes there.
      this.#view.setUint32(next * SLOT + HEADER - TRAILER, total, true);
      this.#ends[next] = TRAILER + (-record.captured & 3);
    }
    this.#count++;
  }

  /** The header in a slot, and `end` bytes in front of it. */
  #joint(slot: number, end: number): Uint8Array {
    const which = slot * ENDS + (end === 0 ? 0 : end - TRAILER + 1);
    const header = this.#headers[slot] as number;
    let joint = this.#joints[which];
    if (joint?.length !== end + header) {
      const at = slot * SLOT + HEADER;
      joint = this.#bytes.subarray(at - end, at + header);
      this.#joints[which] = joint;
    }
    return joint;
  }

  /** The end of the record before a slot's. */
  #end(slot: number): Uint8Array {
    const at = slot * SLOT + HEADER;
    return this.#bytes.subarray(at - (this.#ends[slot] as number), at);
  }

  /**
   * Appends to `views` all that is to be written, and to `ends`, for each packet, the number of bytes up to its last one.
   * What it has shown must be written as a whole, however much is added meanwhile.
   */
  show(views: Uint8Array[], ends: number[]): void {
    let bytes = 0;
    const show = (view: Uint8Array): void => {
      bytes += view.length;
      views.push(view);
    };
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#first + i) % this.#slots;
      // The end of the one before the first has been written with that.
      const end = i === 0 ? 0 : (this.#ends[slot] as number);
      const preface = this.#prefaces[slot] as Uint8Array | null;
      if (preface === null) show(this.#joint(slot, end));
      else {
        if (end !== 0) show(this.#end(slot));
        show(preface);
        show(this.#joint(slot, 0));
        this.#prefaces[slot] = null;
      }
      this.#showPacket(slot, show);
      ends.push(bytes);
    }
    if (this.#format.trailer !== 0) show(this.#end((this.#first + this.#count) % this.#slots));
  }

  #showPacket(slot: number, show: (view: Uint8Array) => void): void {
    const [core, heap, pairs] = [coreOf(this.#engine), heapOf(this.#engine), scratchOf(this.#engine)];
    core.startSegments(this.#handles[slot] as number, 0, this.#captured[slot] as number);
    let n: number;
    do {
      n = core.nextSegments();
      for (let i = 0; i < n; i++) show(heap.view(heap.word(pairs + i * 8), heap.word(pairs + i * 8 + 4)));
    } while (n === SEGMENTS_MOST);
  }

  /** Releases the first `n` packets. Runs no callbacks. */
  release(n: number): void {
    for (let i = 0; i < n; i++) {
      coreOf(this.#engine).release(this.#handles[this.#first] as number, 0);
      this.#first = (this.#first + 1) % this.#slots;
    }
    this.#count -= n;
  }
}
