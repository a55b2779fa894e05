// TCP_MAERTS: the peer sends, the device receives, the host passes on, the guest reads every byte. The packets.

import { Ring } from "skbuff";
import { StreamReceiver } from "skbuff/node";
import { CHECKED_EVERY, SOURCE_MESSAGES, StreamCheck } from "./message.mjs";
import { attach, BURST, pass } from "./packets.mjs";

const REUSE = { reuse: true };

/** Reads what comes, and checks it now and then. Blocks. */
export async function guest({ meter, role }) {
  const { wait, down, size } = role;
  const engine = await attach({ meter, role });
  const from = Ring.attach(engine, down);
  const burst = new Array(BURST);
  const check = new StreamCheck(size, { every: CHECKED_EVERY, wrap: SOURCE_MESSAGES });
  const run = () => {
    let sum = 0;
    do {
      const n = from.dequeueBurst(burst, burst.length, REUSE);
      for (let i = 0; i < n; i++) {
        const skb = burst[i];
        sum ^= skb.checksum();
        if (check.wants(skb.length)) for (const view of skb.segments()) check.feed(view);
        else check.skip(skb.length);
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

/** Passes packets up, as they are or as copies. Blocks. */
export async function host({ meter, role }) {
  const { path, wait, up, down } = role;
  const engine = await attach({ meter, role });
  const [from, to] = [Ring.attach(engine, down), Ring.attach(engine, up)];
  const burst = new Array(BURST);
  const run = () => {
    do {
      const n = from.dequeueBurst(burst, burst.length, REUSE);
      for (let i = 0; i < n; i++) {
        meter.bytes += burst[i].length;
        if (!path.copies) continue;
        const copy = burst[i].copy();
        burst[i].release();
        burst[i] = copy;
      }
      meter.messages += n;
      pass(to, burst, n, wait);
      meter.look();
    } while (from.wait(wait) === "ready");
    to.close();
  };
  return { run, end: () => engine.detach() };
}

/** Receives from the socket, straight into the pool's pages. */
export async function device({ meter, role }) {
  const engine = await attach({ meter, role });
  const to = Ring.attach(engine, role.up);
  const receiver = await StreamReceiver.connect(engine, { host: "127.0.0.1", port: role.port });
  const burst = new Array(BURST);
  const run = async () => {
    do {
      const n = receiver.dequeueBurst(burst);
      for (let i = 0; i < n; i++) meter.bytes += burst[i].length;
      meter.messages += n;
      let rest = burst.slice(0, n);
      for (;;) {
        rest = rest.slice(to.enqueueBurst(rest));
        if (rest.length === 0) break;
        await to.waitWritableAsync();
      }
      meter.look();
    } while ((await receiver.waitAsync()) === "ready");
    to.close();
    await receiver.close();
  };
  return { run, end: () => engine.detach() };
}
