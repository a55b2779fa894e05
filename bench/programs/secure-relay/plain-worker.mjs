import { parentPort, workerData } from "node:worker_threads";
import { cipherFor, HEADER, receiversOf, TAG } from "./seal.mjs";

const receivers = receiversOf(workerData.worker, workerData.receivers);
const header = Buffer.alloc(HEADER);

parentPort.on("message", ({ lengths, own }) => {
  const packets = Buffer.from(own.buffer, own.byteOffset, own.byteLength);
  const n = lengths.length * receivers.length;
  const sealed = Buffer.allocUnsafeSlow(receivers.length * (packets.length + lengths.length * TAG));
  const [sizes, places] = [new Array(n), new Array(n)];
  let at = 0;
  let to = 0;
  let i = 0;
  for (const length of lengths) {
    const packet = packets.subarray(at, at + length);
    const payload = packet.subarray(HEADER);
    at += length;
    packet.copy(header, 0, 0, HEADER);
    const number = header.readUInt16BE(2);
    for (const receiver of receivers) {
      const cipher = cipherFor(receiver, number, header);
      sealed.set(header, to);
      sealed.set(cipher.update(payload), to + HEADER);
      cipher.final();
      sealed.set(cipher.getAuthTag(), to + length);
      to += length + TAG;
      sizes[i] = length + TAG;
      places[i++] = receiver.i;
    }
  }
  parentPort.postMessage({ lengths: sizes, places, own: sealed }, [sealed.buffer]);
});
parentPort.postMessage("ready");
