// Asks the near end for so many frames, and is the far end that they come to.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { arrived, delivered, drive, info, now } from "../lib/traffic.mjs";
import { HEADER } from "../lib/tunnel.mjs";

const socket = createSocket({
  type: "udp4",
  recvBufferSize: 4 << 20,
  lookup: (address, family, done) => done(null, address, family),
});
const listening = once(socket, "listening");
socket.bind(0, "127.0.0.1");
await listening;

/** More than are ever under way; a power of two. */
const KNOWN = 1 << 16;
/** When each frame was asked for. */
const times = new Float64Array(KNOWN);
let asked = 0;
let pieces = [];

socket.on("message", (bytes) => {
  const number = bytes.readUInt32BE(0);
  const offset = bytes.readUInt16BE(4);
  const total = bytes.readUInt16BE(6);
  if (offset === 0) pieces = [];
  pieces.push(bytes);
  if (offset + bytes.length - HEADER !== total) return;
  arrived(times[number & (KNOWN - 1)]);
  delivered(0, Buffer.concat(pieces));
});

const request = Buffer.alloc(4);
await drive((n) => {
  const time = now();
  for (let i = 0; i < n; i++) times[asked++ & (KNOWN - 1)] = time;
  request.writeUInt32BE(n);
  socket.send(request, info.port, "127.0.0.1");
});
socket.close();
