// A worker of ours.mjs: takes the packets of parcels apart.

import { parentPort, workerData } from "node:worker_threads";
import { Engine, Ring } from "skbuff";
import { Dissector } from "./dissect.mjs";
import { Flows } from "./flows.mjs";

const RECORD_HEADER = 16;

/** A frame in a parcel, read as an Skb is: what dissect.mjs takes. */
class Frame {
  start = 0;
  #parcel;
  #view;

  /** Goes to a parcel. Returns a view of it. */
  enter(parcel) {
    const [bytes] = parcel.segments();
    this.#parcel = parcel;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return this.#view;
  }

  readU8(offset) {
    return this.#view.getUint8(this.start + offset);
  }

  readU16(offset) {
    return this.#view.getUint16(this.start + offset);
  }

  readU32(offset) {
    return this.#view.getUint32(this.start + offset);
  }

  checksum(offset, n, seed) {
    return this.#parcel.checksum(this.start + offset, n, seed);
  }
}

const engine = await Engine.attach(workerData.engine);
const ring = Ring.attach(engine, workerData.ring);
const frame = new Frame();
let dissector = new Dissector();
let flows = new Flows();
let packets = 0;
while (ring.wait({ spin: false }) === "ready") {
  const parcel = ring.dequeue();
  if (parcel.length === 0) {
    parentPort.postMessage({ packets, good: dissector.good, bad: dissector.bad, flows: flows.rows() });
    dissector = new Dissector();
    flows = new Flows();
    packets = 0;
  } else {
    const view = frame.enter(parcel);
    for (let at = parcel.mark; at < view.byteLength; ) {
      const bytes = view.getUint32(at + 8, true);
      frame.start = at + RECORD_HEADER;
      if (dissector.take(frame)) flows.add(dissector.key, 1, bytes);
      packets++;
      at = frame.start + bytes;
    }
  }
  parcel.release();
}
ring.release();
engine.detach();
