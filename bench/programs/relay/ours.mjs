// The relay with the package.
//
// What makes it fast: packets are taken out and sent in bursts. A receiver's packet is a copy, which the core makes within the
// arena in less time than the system needs for a second piece; its clone goes out and the packet stays in the history, so nothing
// is copied again if it has to be sent again.

import { Engine, SkbQueue } from "skbuff";
import { setDestination, sourceOf, UdpSocket } from "skbuff/node";
import { meter, options, ready, stopped } from "../lib/program.mjs";

const BURST = 64;

const engine = await Engine.create({ memory: 8 << 20, threads: 1 });
const socket = await UdpSocket.open(engine, { host: "127.0.0.1", receiveBuffer: 4 << 20 });
const receivers = [];
const burst = new Array(BURST);
const out = [];

function join(packet) {
  const place = sourceOf(packet);
  receivers.push({
    place,
    ssrc: 0x1000 + receivers.length,
    first: receivers.length * 1000,
    history: new SkbQueue(engine),
  });
  setDestination(packet, place);
  packet.trim(0);
  packet.putData(Buffer.from("joined"));
  out.push(packet);
}

function relay(packet) {
  const number = packet.readU16(2);
  for (const { place, ssrc, first, history } of receivers) {
    const own = packet.copy();
    own.writeU16(2, (number + first) & 0xffff);
    own.writeU32(8, ssrc);
    setDestination(own, place);
    history.pushTail(own);
    if (history.length > options.history) history.popHead().release();
    out.push(own.clone());
  }
  packet.release();
}

async function send() {
  for (let sent = socket.enqueueBurst(out); sent < out.length; sent += socket.enqueueBurst(out)) {
    out.splice(0, sent);
    sent = 0;
    await socket.waitWritableAsync();
  }
  meter.units += out.length / options.receivers;
  out.length = 0;
}

let over = false;
stopped.then(() => {
  over = true;
  return socket.close();
});
ready({ port: socket.port });
while ((await socket.waitAsync()) === "ready" && !over) {
  const n = socket.dequeueBurst(burst);
  for (let i = 0; i < n; i++) {
    if (burst[i].length === 4) join(burst[i]);
    else relay(burst[i]);
  }
  await send();
}
await socket[Symbol.asyncDispose]();
for (const { history } of receivers) history.purge();
engine.close();
