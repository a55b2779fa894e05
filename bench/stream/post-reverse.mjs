// TCP_MAERTS by postMessage.

import { once } from "node:events";
import { connect } from "node:net";
import { CHECKED_EVERY, readAll, SOURCE_MESSAGES, StreamCheck } from "./message.mjs";

const listOf = (path, bytes) => (path.transfers ? [bytes.buffer] : []);

/** Reads what comes, and acknowledges it by the quarter of what may be in flight. */
export function guest({ meter, role }) {
  const { size, window, down, acks } = role;
  const most = (size * window) / 4;
  const check = new StreamCheck(size, { every: CHECKED_EVERY, wrap: SOURCE_MESSAGES });
  let owed = 0;
  const run = () =>
    new Promise((resolve) => {
      down.on("message", (bytes) => {
        if (bytes === null) {
          down.close();
          acks.close();
          resolve();
          return;
        }
        readAll(bytes);
        check.feed(bytes);
        meter.messages++;
        meter.bytes += bytes.length;
        owed += bytes.length;
        if (owed >= most) {
          acks.postMessage(owed);
          owed = 0;
        }
        meter.look();
      });
    });
  return { run, end: () => {} };
}

export function host({ meter, role }) {
  const { path, up, down } = role;
  const run = () =>
    new Promise((resolve) => {
      down.on("message", (bytes) => {
        if (bytes === null) {
          up.postMessage(null);
          down.close();
          resolve();
          return;
        }
        meter.messages++;
        meter.bytes += bytes.length;
        up.postMessage(bytes, listOf(path, bytes));
        meter.look();
      });
    });
  return { run, end: () => {} };
}

/** Receives into buffers as Node makes them, and passes them on while not too much is in flight. */
export async function device({ meter, role }) {
  const { path, up, acks, port, size, window } = role;
  const socket = connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  let credit = size * window;
  const run = () =>
    new Promise((resolve) => {
      acks.on("message", (bytes) => {
        credit += bytes;
        if (credit > 0) socket.resume();
      });
      socket.on("data", (bytes) => {
        meter.messages++;
        meter.bytes += bytes.length;
        credit -= bytes.length;
        up.postMessage(bytes, listOf(path, bytes));
        if (credit <= 0) socket.pause();
        meter.look();
      });
      socket.on("end", () => {
        up.postMessage(null);
        acks.close();
        up.close();
        resolve();
      });
    });
  return { run, end: () => {} };
}
