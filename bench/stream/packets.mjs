// Guest and host of the paths through the engine, and the devices that read packets on the spot.

import { Engine, Ring, Ubuf, UserRegion } from "skbuff";
import { stats } from "skbuff/inspect";
import "skbuff/js";
import { CHECKED_EVERY, checkPart, fill, headOf } from "./message.mjs";
import { Fifo, fillerOf, slotOf } from "./source.mjs";

export const BURST = 64;
const REUSE = { reuse: true };
const LENT = 1;
const FREE = 0;

/** A role's way into the arena, with the core that the path asks for. */
export async function attach({ meter, role }) {
  const engine = await Engine.attach(role.engine, { core: role.path.engine });
  meter.parks = () => stats(engine).threads.find(({ thread }) => thread === engine.thread).parks;
  return engine;
}

/**
 * Passes a burst on. While the guest's memory is in the packets, a ring has room for all that may be in flight; copies may fill
 * it. Blocks.
 */
export function pass(ring, burst, n, wait) {
  let done = ring.enqueueBurst(burst, n);
  while (done < n) {
    ring.waitWritable(undefined, wait);
    done += ring.enqueueBurst(burst.slice(done, n));
  }
}

/** The slots of the guest's own memory, and which of them are lent. */
export class Slots {
  sent = 0;
  copied = 0;
  #engine;
  #region;
  #size;
  #stride;
  #states;
  #free;
  #completed;

  constructor(engine, size, count) {
    this.#engine = engine;
    this.#size = size;
    // Each on pages of its own, as a guest's buffers are.
    this.#stride = Math.ceil(size / 4096) * 4096;
    this.#region = new UserRegion(engine, this.#stride * count);
    this.#states = new Uint8Array(count);
    this.#free = new Fifo(this.#states.keys());
    this.#completed = ({ desc, status }) => {
      if (this.#states[desc] !== LENT) throw new Error(`slot ${desc} came back twice`);
      this.#states[desc] = FREE;
      this.#free.put(desc);
      this[status]++;
    };
  }

  get free() {
    return this.#free.size;
  }

  get all() {
    return this.#states.length;
  }

  /** A view of each slot. */
  views() {
    const { bytes } = this.#region;
    return Array.from(this.#states, (_, i) =>
      bytes.subarray(i * this.#stride, i * this.#stride + this.#size),
    );
  }

  /** The slot that has been free for longest. */
  take() {
    const slot = this.#free.take();
    this.#states[slot] = LENT;
    return slot;
  }

  /** Puts a slot into a packet. */
  lend(slot, skb) {
    const ubuf = new Ubuf(this.#engine, this.#completed, { desc: slot });
    skb.addUserFrag(this.#region, slot * this.#stride, this.#size, ubuf);
  }

  release() {
    this.#region.release();
  }
}

/** Lends messages until it is told to stop, then waits until all have come back. Blocks. */
export async function guest({ meter, role }) {
  const { size, window, wait, down } = role;
  const engine = await attach({ meter, role });
  const ring = Ring.attach(engine, down);
  const slots = new Slots(engine, size, window);
  const memory = slots.views().map(slotOf);
  for (const { words } of memory) fill(words, 0);
  const prepare = fillerOf(role);
  const least = Math.ceil(window / 4);
  const burst = new Array(BURST);
  const run = () => {
    while (!meter.look()) {
      // Whoever goes on with the first slot that is back wakes two threads for one message.
      while (slots.free < least) engine.wait(wait);
      const n = Math.min(slots.free, BURST);
      engine.allocBurst(burst, 0, n, REUSE);
      for (let i = 0; i < n; i++) {
        const slot = slots.take();
        prepare(memory[slot], meter.messages++);
        slots.lend(slot, burst[i]);
      }
      pass(ring, burst, n, wait);
      meter.bytes += n * size;
    }
    while (slots.free < slots.all) engine.wait(wait);
    ring.close();
  };
  const end = () => {
    slots.release();
    engine.detach();
    return { sent: slots.sent, copied: slots.copied };
  };
  return { run, end };
}

/** Makes of the guest's packet what goes down: the same one, or one with bytes of its own. Blocks. */
export async function host({ meter, role }) {
  const { path, wait, up, down } = role;
  const engine = await attach({ meter, role });
  const [from, to] = [Ring.attach(engine, up), Ring.attach(engine, down)];
  const burst = new Array(BURST);
  const run = () => {
    do {
      const n = from.dequeueBurst(burst, burst.length, REUSE);
      for (let i = 0; i < n; i++) {
        meter.bytes += burst[i].length;
        if (path.copies) burst[i].copyUbufs();
      }
      pass(to, burst, n, wait);
      meter.messages += n;
      meter.look();
    } while (from.wait(wait) === "ready");
    to.close();
  };
  return { run, end: () => engine.detach() };
}

/** Lets packets go, after reading them if the device is `sum`. Blocks. */
export async function localDevice({ meter, role }) {
  const { wait, up, device, dirty } = role;
  const engine = await attach({ meter, role });
  const from = Ring.attach(engine, up);
  const burst = new Array(BURST);
  const run = () => {
    let sum = 0;
    do {
      const n = from.dequeueBurst(burst, burst.length, REUSE);
      for (let i = 0; i < n; i++) {
        const skb = burst[i];
        if (device === "sum") sum ^= skb.checksum();
        if (dirty) check(skb, meter.messages);
        meter.messages++;
        meter.bytes += skb.length;
      }
      engine.releaseBurst(burst, n);
      meter.look();
    } while (from.wait(wait) === "ready");
    return sum;
  };
  return { run, end: () => engine.detach() };
}

/** Whether a packet is message `seq`: by its first word, and by all its bytes now and then. */
function check(skb, seq) {
  // Numbers in packets are big-endian, those in a Uint32Array as the machine has them: its lowest byte is the first.
  if (skb.readU8(0) !== (headOf(seq) & 0xff)) throw new Error(`message ${seq} is missing, or is another one`);
  if (seq % CHECKED_EVERY !== 0) return;
  let position = 0;
  for (const view of skb.segments()) {
    checkPart(view, 0, view.length, seq, position);
    position += view.length;
  }
}
