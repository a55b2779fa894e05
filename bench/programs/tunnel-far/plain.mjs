// The far end with what Node has.
//
// What makes it fast: what comes in a turn of the event loop is put together in one Buffer, headers and all, and written by one call.
// To copy small frames costs less than to give the system a list of them.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { meter, ready, stopped } from "../lib/program.mjs";
import { FILE_HEADER, HEADER, RECORD_HEADER } from "../lib/tunnel.mjs";

/** Bytes that are written at once. */
const ROOM = 1 << 18;
/** The longest that a frame is. */
const LONGEST = 1 << 16;

const file = join(fs.mkdtempSync(join(tmpdir(), "tunnel-")), "frames.pcap");
const fd = fs.openSync(file, "w");
const out = Buffer.alloc(ROOM + LONGEST);
// Nanoseconds, version 2.4, snap length, Ethernet.
const header = new Uint32Array([0xa1b23c4d, 0x00040002, 0, 0, 262144, 1]);
fs.writeSync(fd, new Uint8Array(header.buffer, 0, FILE_HEADER));

const socket = createSocket({
  type: "udp4",
  recvBufferSize: 4 << 20,
  lookup: (address, family, done) => done(null, address, family),
});
const listening = once(socket, "listening");
socket.bind(0, "127.0.0.1");
await listening;

/** Bytes of `out` that are whole frames, and those of the one that is coming. */
let end = 0;
let coming = 0;
let scheduled = false;
let frames = 0;
let peer;
let over = false;

const reply = Buffer.alloc(4);

function flush() {
  scheduled = false;
  if (over) return;
  fs.writeSync(fd, out, 0, end);
  // What is there of a frame is its beginning.
  out.copyWithin(0, end, end + coming);
  end = 0;
  reply.writeUInt32BE(frames);
  socket.send(reply, peer.port, peer.address);
}

socket.on("message", (bytes, from) => {
  const at = bytes.readUInt16BE(4);
  const total = bytes.readUInt16BE(6);
  // What was lost of the one before is not written.
  if (at === 0) coming = RECORD_HEADER;
  else if (at !== coming - RECORD_HEADER) return;
  bytes.copy(out, end + coming, HEADER);
  coming += bytes.length - HEADER;
  if (coming - RECORD_HEADER !== total) return;
  out.writeUInt32LE(0, end);
  out.writeUInt32LE(0, end + 4);
  out.writeUInt32LE(total, end + 8);
  out.writeUInt32LE(total, end + 12);
  end += coming;
  coming = 0;
  frames = bytes.readUInt32BE(0) + 1;
  meter.units++;
  peer = from;
  if (end >= ROOM) flush();
  else if (!scheduled) {
    scheduled = true;
    setImmediate(flush);
  }
});

ready({ port: socket.address().port, file });
await stopped;
over = true;
socket.close();
fs.closeSync(fd);
fs.rmSync(join(file, ".."), { recursive: true });
