// The devices that packets go out by: write to a TCP socket, or send as datagrams. Their threads do not block, since a
// socket lives on the event loop.

import { Ring } from "skbuff";
import { StreamSender, UdpSender } from "skbuff/node";
import { attach, BURST } from "./packets.mjs";
import { awaited } from "./sockets.mjs";

const REUSE = { reuse: true };

/** Moves packets from a ring to a sender until the ring has ended. */
export async function drain(ring, sender, meter) {
  const burst = new Array(BURST);
  do {
    const n = ring.dequeueBurst(burst, burst.length, REUSE);
    for (let i = 0; i < n; i++) meter.bytes += burst[i].length;
    meter.messages += n;
    let rest = n < BURST ? burst.slice(0, n) : burst;
    for (;;) {
      const taken = sender.enqueueBurst(rest);
      if (taken === rest.length) break;
      rest = rest.slice(taken);
      await sender.waitWritableAsync();
    }
    meter.look();
  } while ((await ring.waitAsync()) === "ready");
}

export async function tcp({ meter, role }) {
  const engine = await attach({ meter, role });
  const from = Ring.attach(engine, role.up);
  const { port, connected } = await awaited();
  const run = async () => {
    const sender = new StreamSender(engine, await connected, { inFlight: role.below * role.size });
    await drain(from, sender, meter);
    await sender.close();
  };
  return { port, run, end: () => engine.detach() };
}

export async function udp({ meter, role }) {
  const engine = await attach({ meter, role });
  const from = Ring.attach(engine, role.up);
  const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: role.port, inFlight: role.below });
  const run = async () => {
    await drain(from, sender, meter);
    await sender.close();
  };
  return { run, end: () => engine.detach() };
}
