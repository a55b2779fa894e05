// Who sends to the relay, and who receives from it.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { arrived, check, delivered, drive, info, now, options } from "../lib/traffic.mjs";

/** Where in the header the time is: microseconds, which comes back as it is. */
const TIME = 4;
const JOIN = Buffer.from("join");
/** Bytes of the system's buffer of a receiver: it is not to drop what came while this process did something else. */
const BUFFER = 4 << 20;

const lookup = (address, family, done) => done(null, address, family);
const peer = { host: "127.0.0.1", port: info.port };

async function connected() {
  const socket = createSocket({ type: "udp4", lookup, recvBufferSize: BUFFER });
  const event = once(socket, "connect");
  socket.connect(peer.port, peer.host);
  await event;
  return socket;
}

const sender = await connected();
const receivers = [];
for (let place = 0; place < options.receivers; place++) {
  const receiver = await connected();
  receivers.push(receiver);
  receiver.send(JOIN);
  // So that they join in order.
  await once(receiver, "message");
  receiver.on("message", (bytes) => {
    delivered(place, bytes);
    // Of the last, so that it is the time of all of them.
    if (place === options.receivers - 1) arrived(bytes.readUInt32BE(TIME) * 1000);
  });
}

let number = 0;
const packet = Buffer.alloc(options.bytes, 0x5a);
packet[0] = 0x80;
packet.writeUInt32BE(0x11223344, 8);

await drive(
  (n) => {
    for (let i = 0; i < n; i++) {
      packet.writeUInt16BE(number & 0xffff, 2);
      packet.writeUInt32BE(check ? number : Math.floor(now() / 1000), TIME);
      number++;
      // The system has taken it when this returns, or has no room.
      sender.send(packet);
    }
  },
  { outputs: options.receivers },
);
for (const socket of [sender, ...receivers]) socket.close();
