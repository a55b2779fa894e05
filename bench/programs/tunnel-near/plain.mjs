// The near end with what Node has.
//
// What makes it fast: a frame is not copied. A datagram is a header and a piece of what was read of the file, which the system puts
// together. The socket is connected, so that the system need not look up the way for each.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { meter, ready, stopped } from "../lib/program.mjs";
import { CAPTURE, FILE_HEADER, HEADER, PIECE, RECORD_HEADER } from "../lib/tunnel.mjs";

const CHUNK = 1 << 18;

const lookup = (address, family, done) => done(null, address, family);
const requests = createSocket({ type: "udp4", lookup });
const listening = once(requests, "listening");
requests.bind(0, "127.0.0.1");
await listening;
const tunnel = createSocket({ type: "udp4", lookup });
// The far end may be gone before this one.
tunnel.on("error", () => {});

let wanted = 0;
let more;
let over = false;
stopped.then(() => {
  over = true;
  more?.();
});
requests.on("message", (bytes) => {
  wanted += bytes.readUInt32BE(0);
  more?.();
});
ready({ port: requests.address().port });
const [, { port }] = await once(requests, "message");
const connected = once(tunnel, "connect");
tunnel.connect(port, "127.0.0.1");
await connected;

let number = 0;

function send(frame) {
  for (let at = 0; at < frame.length; at += PIECE) {
    // The system may have no room yet, so each datagram has a header of its own.
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32BE(number, 0);
    header.writeUInt16BE(at, 4);
    header.writeUInt16BE(frame.length, 6);
    const piece = frame.length <= PIECE ? frame : frame.subarray(at, at + PIECE);
    tunnel.send([header, piece]);
  }
  number++;
  meter.units++;
}

/** Sends the whole frames of what was read, as many as are wanted, and returns the rest. */
async function sendAll(bytes, start) {
  let at = start;
  while (at + RECORD_HEADER <= bytes.length) {
    const end = at + RECORD_HEADER + bytes.readUInt32LE(at + 8);
    if (end > bytes.length) break;
    while (wanted === 0 && !over)
      await new Promise((resolve) => {
        more = resolve;
      });
    if (over) return bytes;
    wanted--;
    send(bytes.subarray(at + RECORD_HEADER, end));
    at = end;
  }
  return bytes.subarray(at);
}

while (!over) {
  let rest = null;
  for await (const chunk of createReadStream(CAPTURE, { highWaterMark: CHUNK })) {
    rest =
      rest === null
        ? await sendAll(chunk, FILE_HEADER)
        : await sendAll(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), 0);
    if (over) break;
  }
}
requests.close();
tunnel.close();
