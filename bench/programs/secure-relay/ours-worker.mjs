import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { Engine, Mesh, Ring } from "skbuff";
import { setDestination } from "skbuff/node";
import { cipherFor, HEADER, receiversOf, TAG } from "./seal.mjs";

const BURST = 64;

const engine = await Engine.attach(workerData.engine);
const ring = Ring.attach(engine, workerData.ring);
const sender = Mesh.attach(engine, workerData.mesh).sender(workerData.worker);
const receivers = receiversOf(workerData.worker, workerData.receivers);
const places = [];
const header = Buffer.alloc(HEADER);
const burst = new Array(BURST);
const out = [];

function seal(packet) {
  const { length } = packet;
  const payload = packet.bytes.subarray(HEADER);
  packet.copyBits(0, header);
  const number = header.readUInt16BE(2);
  for (const receiver of receivers) {
    const cipher = cipherFor(receiver, number, header);
    const own = engine
      .alloc(length + TAG)
      .putData(header)
      .putData(cipher.update(payload));
    cipher.final();
    own.putData(cipher.getAuthTag());
    own.mark = receiver.i;
    own.hash = 0;
    setDestination(own, places[receiver.i]);
    out.push(own);
  }
  packet.release();
}

parentPort.postMessage("ready");
while (ring.wait({ spin: false }) === "ready") {
  for (let said = receiveMessageOnPort(parentPort); said; said = receiveMessageOnPort(parentPort))
    places.push(said.message);
  const n = ring.dequeueBurst(burst);
  for (let i = 0; i < n; i++) seal(burst[i]);
  for (;;) {
    // Those that it has no room for are the first then.
    out.length -= sender.enqueueBurst(out);
    if (out.length === 0) break;
    sender.waitWritable();
  }
}
sender.close();
engine.detach();
