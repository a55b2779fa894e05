// Guest and host of the paths through postMessage, and the devices that read messages on the spot.

import { CHECKED_EVERY, checkPart, fill, headOf, readAll } from "./message.mjs";
import { Fifo, fillerOf, slotOf } from "./source.mjs";

/** Sends messages while there is credit, until it is told to stop, then waits until all are acknowledged. */
export function guest({ meter, role }) {
  const { size, window, path, down, acks, dirty } = role;
  const prepare = fillerOf(role);
  const memory = Array.from({ length: window }, () => slotOf(new Uint8Array(size)));
  // Once, as the slots of a region are.
  for (const { words } of memory) fill(words, 0);
  const slots = new Fifo(memory);
  let credit = window;
  let told = false;
  /** Returns whether all is over. */
  const send = () => {
    let stop = meter.look();
    while (credit > 0 && !stop) {
      const slot = slots.take();
      prepare(slot, meter.messages++);
      meter.bytes += size;
      credit--;
      const { bytes } = slot;
      if (path.transfers) down.postMessage(bytes, [bytes.buffer]);
      else {
        // The bytes were copied before postMessage returned.
        down.postMessage(bytes);
        slots.put(slot);
      }
      stop = meter.look();
    }
    // The end goes behind the last message: whoever acknowledges by the dozen has to know that no more will come.
    if (stop && !told) down.postMessage(null);
    told = stop;
    return stop && credit === window;
  };
  const run = () =>
    new Promise((resolve) => {
      const go = () => {
        if (!send()) return;
        acks.close();
        resolve();
      };
      acks.on("message", (back) => {
        if (Array.isArray(back)) for (const bytes of back) slots.put(dirty ? slotOf(bytes) : { bytes });
        credit += Array.isArray(back) ? back.length : back;
        go();
      });
      go();
    });
  return { run, end: () => {} };
}

/** Passes messages on as they come, in the same way. null is the end. */
export function host({ meter, role }) {
  const { path, up, down } = role;
  const run = () =>
    new Promise((resolve) => {
      up.on("message", (bytes) => {
        if (bytes === null) {
          down.postMessage(null);
          up.close();
          resolve();
          return;
        }
        meter.messages++;
        meter.bytes += bytes.length;
        if (path.transfers) down.postMessage(bytes, [bytes.buffer]);
        else down.postMessage(bytes);
        meter.look();
      });
    });
  return { run, end: () => {} };
}

/**
 * Tells the guest how many messages are done with, a quarter of the window at a time: what it has to do for each is much more
 * than sending one. Buffers that were transferred go back with it.
 */
export class Acks {
  #port;
  #most;
  #returns;
  #owed = 0;
  #buffers = [];

  constructor({ acks, window, path }) {
    this.#port = acks;
    this.#most = Math.ceil(window / 4);
    this.#returns = path.transfers === true;
  }

  done(bytes) {
    if (this.#returns) this.#buffers.push(bytes);
    if (++this.#owed >= this.#most) this.flush();
  }

  flush() {
    if (this.#owed === 0) return;
    if (this.#returns)
      this.#port.postMessage(
        this.#buffers,
        this.#buffers.map(({ buffer }) => buffer),
      );
    else this.#port.postMessage(this.#owed);
    this.#owed = 0;
    this.#buffers = [];
  }
}

/** Lets messages go, after reading them if the device is `sum`. */
export function localDevice({ meter, role }) {
  const { up, device, dirty } = role;
  const acks = new Acks(role);
  const run = () =>
    new Promise((resolve) => {
      up.on("message", (bytes) => {
        if (bytes === null) {
          acks.flush();
          up.close();
          resolve();
          return;
        }
        if (device === "sum") readAll(bytes);
        if (dirty) check(bytes, meter.messages);
        meter.messages++;
        meter.bytes += bytes.length;
        acks.done(bytes);
        meter.look();
      });
    });
  return { run, end: () => {} };
}

/** Whether this is message `seq`: by its first byte, and by all of them now and then. */
function check(bytes, seq) {
  if (bytes[0] !== (headOf(seq) & 0xff)) throw new Error(`message ${seq} is missing, or is another one`);
  if (seq % CHECKED_EVERY === 0) checkPart(bytes, 0, bytes.length, seq, 0);
}
