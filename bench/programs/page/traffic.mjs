// The server: sends messages and takes answers.

import { once } from "node:events";
import { WebSocketServer } from "ws";
import { arrived, check, delivered, drive, info, load, now } from "../lib/traffic.mjs";

/** Bytes of a message in a check. */
const CHECKED_BYTES = 1200;

const server = new WebSocketServer({ host: "127.0.0.1", port: info.port });
const [socket] = await once(server, "connection");
// Answers of several workers overtake each other; what came out is looked at in the order of what went in.
const early = new Map();
let next = 0;
socket.on("message", (answer) => {
  const n = answer.readUInt32BE(0);
  arrived(answer.readDoubleBE(8));
  if (!check) return;
  early.set(n, answer);
  for (let one = early.get(next); one !== undefined; one = early.get(next)) {
    delivered(0, one);
    early.delete(next++);
  }
});

let number = 0;
const bytes = check ? CHECKED_BYTES : load.bytes;
const pattern = Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 37) & 0xff));

function send(n) {
  for (let i = 0; i < n; i++) {
    // The socket keeps it until the system has taken it.
    const message = Buffer.from(pattern);
    message.writeUInt32BE(number, 0);
    message.writeDoubleBE(check ? number : now(), 8);
    number++;
    socket.send(message);
  }
}

await drive(send, { lossless: true });
socket.close();
server.close();
