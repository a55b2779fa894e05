// The relay with what Node has.
//
// What makes it fast: nothing is copied. A receiver's packet is a header of its own and the bytes that came in, which the system
// puts together; headers lie in a ring, made once. The socket has a `lookup` that returns at once, since Node's own waits a tick
// even for addresses. There are no callbacks: nobody could do anything about a datagram that was not sent.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { meter, options, ready, stopped } from "../lib/program.mjs";

const HEADER = 12;

const socket = createSocket({
  type: "udp4",
  recvBufferSize: 4 << 20,
  lookup: (address, family, done) => done(null, address, family),
});
// With such a `lookup` it listens before `bind` returns.
const listening = once(socket, "listening");
socket.bind(0, "127.0.0.1");
await listening;
const receivers = [];

function join({ address, port }) {
  receivers.push({
    address,
    port,
    ssrc: 0x1000 + receivers.length,
    first: receivers.length * 1000,
    // What it needs to send a packet again.
    history: Array.from({ length: options.history }, () => [Buffer.alloc(HEADER), Buffer.alloc(0)]),
    next: 0,
  });
  socket.send("joined", port, address);
}

function relay(packet) {
  const number = packet.readUInt16BE(2);
  const payload = packet.subarray(HEADER);
  for (const receiver of receivers) {
    const pieces = receiver.history[receiver.next];
    if (++receiver.next === options.history) receiver.next = 0;
    const header = pieces[0];
    packet.copy(header, 0, 0, HEADER);
    header.writeUInt16BE((number + receiver.first) & 0xffff, 2);
    header.writeUInt32BE(receiver.ssrc, 8);
    pieces[1] = payload;
    socket.send(pieces, receiver.port, receiver.address);
    meter.units += 1 / options.receivers;
  }
}

socket.on("message", (bytes, from) => (bytes.length === 4 ? join(from) : relay(bytes)));
ready({ port: socket.address().port });
await stopped;
socket.close();
