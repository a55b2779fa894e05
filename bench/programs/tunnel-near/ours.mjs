// The near end with the package.
//
// What makes it fast: frames are read in bursts, lie where they were read, and have room for a header in front. What is cut off a
// long one shares its bytes. All datagrams of a burst go to the system by one call.

import { Engine } from "skbuff";
import { CaptureReader, sourceOf, UdpReceiver, UdpSender } from "skbuff/node";
import { meter, ready, stopped } from "../lib/program.mjs";
import { CAPTURE, HEADER, PIECE } from "../lib/tunnel.mjs";

const BURST = 64;

const engine = await Engine.create({ memory: 8 << 20, threads: 1 });
const requests = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
stopped.then(() => requests.close());
ready({ port: requests.port });
await requests.waitAsync();
const first = requests.dequeue();
const tunnel = await UdpSender.open(engine, { host: "127.0.0.1", port: sourceOf(first).port });
let wanted = first.readU32(0);
first.release();

const frames = new Array(BURST);
const out = [];
let number = 0;
let reader = CaptureReader.open(engine, CAPTURE, { headroom: HEADER });

/** Reads up to `n` frames; from the beginning again if there are no more. */
function read(n) {
  for (;;) {
    const got = reader.readBurst(frames, n);
    if (got > 0) return got;
    reader.close();
    reader = CaptureReader.open(engine, CAPTURE, { headroom: HEADER });
  }
}

function push(piece, at, total) {
  piece.push(HEADER);
  piece.writeU32(0, number);
  piece.writeU16(4, at);
  piece.writeU16(6, total);
  out.push(piece);
}

function cut(frame) {
  const total = frame.length;
  if (total <= PIECE) {
    push(frame, 0, total);
    return;
  }
  for (let at = 0; at < total; at += PIECE)
    push(frame.extract(at, Math.min(PIECE, total - at), { headroom: HEADER }), at, total);
  frame.release();
}

async function send(n) {
  for (let i = 0; i < n; i++, number++) cut(frames[i]);
  for (let sent = 0; out.length > 0; out.splice(0, sent)) {
    sent = tunnel.enqueueBurst(out);
    if (sent < out.length) await tunnel.waitWritableAsync();
  }
  meter.units += n;
}

for (;;) {
  while (wanted > 0) {
    const n = read(Math.min(wanted, BURST));
    wanted -= n;
    await send(n);
  }
  if ((await requests.waitAsync()) !== "ready") break;
  for (let skb = requests.dequeue(); skb !== null; skb = requests.dequeue()) {
    wanted += skb.readU32(0);
    skb.release();
  }
}
reader.close();
await tunnel.close();
