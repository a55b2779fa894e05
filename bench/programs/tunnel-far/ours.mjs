// The far end with the package.
//
// What makes it fast: datagrams are taken out in bursts. A frame of one is that datagram without its header, one of several has them
// one behind the other, none is copied; the system is given all frames of a burst by one call.

import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "skbuff";
import { answerTo, CaptureWriter, UdpSocket } from "skbuff/node";
import { meter, ready, stopped } from "../lib/program.mjs";
import { HEADER } from "../lib/tunnel.mjs";

const BURST = 64;

const engine = await Engine.create({ memory: 8 << 20, threads: 1 });
const socket = await UdpSocket.open(engine, { host: "127.0.0.1", receiveBuffer: 4 << 20 });
const file = join(fs.mkdtempSync(join(tmpdir(), "tunnel-")), "frames.pcap");
const writer = CaptureWriter.open(engine, file, { format: "pcap", batch: BURST });
const burst = new Array(BURST);
const out = [];
let coming = null;
let frames = 0;

function take(piece) {
  const number = piece.readU32(0);
  const at = piece.readU16(4);
  const total = piece.readU16(6);
  piece.pull(HEADER);
  if (at === 0) {
    // What was lost of the one before is not written.
    coming?.release();
    coming = piece;
  } else if (coming?.length !== at) {
    piece.release();
    return;
  } else if (!coming.tryCoalesce(piece)) coming.addFragList(piece);
  if (coming.length !== total) return;
  out.push(coming);
  coming = null;
  frames = number + 1;
}

let over = false;
stopped.then(() => {
  over = true;
  return socket.close();
});
ready({ port: socket.port, file });
while ((await socket.waitAsync()) === "ready") {
  const n = socket.dequeueBurst(burst);
  const reply = engine.alloc(4);
  answerTo(reply, burst[0]);
  for (let i = 0; i < n; i++) take(burst[i]);
  writer.enqueueBurst(out);
  writer.flush();
  meter.units += out.length;
  out.length = 0;
  reply.put(4);
  reply.writeU32(0, frames);
  if (over || !socket.enqueue(reply)) reply.release();
}
coming?.release();
writer.closeSync();
fs.rmSync(join(file, ".."), { recursive: true });
