// TCP_RR: one message goes down through all roles, is sent back by the peer, and comes up again, then the next. The packets.

import { Mesh, Ring } from "skbuff";
import { StreamReceiver, StreamSender } from "skbuff/node";
import { Latency } from "./latency.mjs";
import { drain } from "./packet-devices.mjs";
import { attach, BURST, pass, Slots } from "./packets.mjs";

const REUSE = { reuse: true };
/** What `skb.queue` says of a packet on its way to the host: from below, or the guest's last. From above if nothing. */
const UP = 1;
const LAST = 2;

/** Sends a message, waits for the answer, and so on. Blocks. */
export async function guest({ meter, role }) {
  const { size, window, wait, down, mesh } = role;
  const engine = await attach({ meter, role });
  const [sender, answers] = [Mesh.attach(engine, mesh).sender(0), Ring.attach(engine, down)];
  const slots = new Slots(engine, size, window);
  const trips = new Latency();
  const waiting = { ...wait, completions: true };
  const run = () => {
    while (!meter.look()) {
      const start = performance.now();
      while (slots.free === 0) engine.wait(wait);
      const skb = engine.alloc(0);
      slots.lend(slots.take(), skb);
      sender.enqueue(skb);
      // An answer may come in pieces.
      for (let left = size; left > 0; ) {
        while (answers.wait(waiting) === "completed");
        const answer = answers.dequeue();
        left -= answer.length;
        if (left < 0) throw new Error(`the answer is ${-left} bytes too long`);
        answer.release();
      }
      meter.messages++;
      meter.bytes += size;
      if (meter.measures) trips.add(performance.now() - start);
    }
    while (slots.free < slots.all) engine.wait(wait);
    const last = engine.alloc(0);
    last.queue = LAST;
    sender.enqueue(last);
    sender.close();
    while (answers.wait() !== "ended");
  };
  const end = () => {
    slots.release();
    engine.detach();
    return { sent: slots.sent, copied: slots.copied, trips: trips.report() };
  };
  return { run, end };
}

/** Passes packets on, down and up, copying them if the path does. Blocks. */
export async function host({ meter, role }) {
  const { path, wait, up, down, mesh } = role;
  const engine = await attach({ meter, role });
  const from = Mesh.attach(engine, mesh).receiver(0);
  const [above, below] = [Ring.attach(engine, up), Ring.attach(engine, down)];
  const burst = new Array(BURST);
  const one = [null];
  const forward = (skb) => {
    if (skb.queue === LAST) {
      skb.release();
      below.close();
      return;
    }
    const rises = skb.queue === UP;
    if (!rises) {
      meter.messages++;
      meter.bytes += skb.length;
    }
    one[0] = skb;
    if (path.copies && rises) {
      one[0] = skb.copy();
      skb.release();
    } else if (path.copies) skb.copyUbufs();
    pass(rises ? above : below, one, 1, wait);
  };
  const run = () => {
    do {
      const n = from.dequeueBurst(burst, burst.length, REUSE);
      for (let i = 0; i < n; i++) forward(burst[i]);
      meter.look();
    } while (from.wait(wait) === "ready");
    above.close();
  };
  return { run, end: () => engine.detach() };
}

/** Between the socket and the host. */
export async function device({ meter, role }) {
  const engine = await attach({ meter, role });
  const from = Ring.attach(engine, role.up);
  const to = Mesh.attach(engine, role.mesh).sender(1);
  const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port: role.port });
  receiver.socket.setNoDelay();
  const rise = async () => {
    for await (const skb of receiver) {
      skb.queue = UP;
      while (!to.enqueue(skb)) await to.waitWritableAsync();
      meter.look();
    }
    to.close();
  };
  const sink = async () => {
    const sender = new StreamSender(engine, receiver.socket);
    await drain(from, sender, meter);
    await sender.close();
  };
  const run = async () => {
    await Promise.all([rise(), sink()]);
    await receiver.close();
  };
  return { run, end: () => engine.detach() };
}
