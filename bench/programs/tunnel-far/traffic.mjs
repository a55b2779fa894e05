// Is the near end: sends frames, and hears which were written.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { arrived, check, delivered, drive, info, now } from "../lib/traffic.mjs";
import { CAPTURE, FILE_HEADER, framesOf, HEADER, PIECE, RECORD_HEADER } from "../lib/tunnel.mjs";

const socket = createSocket({ type: "udp4", lookup: (address, family, done) => done(null, address, family) });
const connected = once(socket, "connect");
socket.connect(info.port, "127.0.0.1");
await connected;

/** The datagrams of each frame of the capture. */
const frames = framesOf(CAPTURE).map((frame) => {
  const datagrams = [];
  for (let at = 0; at < frame.length; at += PIECE) {
    const piece = frame.subarray(at, at + PIECE);
    const datagram = Buffer.alloc(HEADER + piece.length);
    datagram.writeUInt16BE(at, 4);
    datagram.writeUInt16BE(frame.length, 6);
    piece.copy(datagram, HEADER);
    datagrams.push(datagram);
  }
  return datagrams;
});

/** More than are ever under way; a power of two. */
const KNOWN = 1 << 16;
/** When each frame was sent. */
const times = new Float64Array(KNOWN);
let sent = 0;
let written = 0;

socket.on("message", (bytes) => {
  for (const upTo = bytes.readUInt32BE(0); written < upTo; written++) {
    arrived(times[written & (KNOWN - 1)]);
    if (check) delivered(0, recordOf(written));
  }
});

/** What stands in the file of a frame: the last thing that was looked at is read again if it is not there yet. */
let file = Buffer.alloc(0);
let at = FILE_HEADER;
function recordOf() {
  const whole = () => at + RECORD_HEADER <= file.length && recordEnd() <= file.length;
  const recordEnd = () => at + RECORD_HEADER + file.readUInt32LE(at + 8);
  if (!whole()) file = readFileSync(info.file);
  const record = file.subarray(at, recordEnd());
  at += record.length;
  return record;
}

await drive((n) => {
  for (let i = 0; i < n; i++) {
    times[sent & (KNOWN - 1)] = now();
    for (const datagram of frames[sent % frames.length]) {
      datagram.writeUInt32BE(sent, 0);
      socket.send(datagram);
    }
    sent++;
  }
});
socket.close();
