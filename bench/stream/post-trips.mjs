// TCP_RR by postMessage.

import { once } from "node:events";
import { connect } from "node:net";
import { Latency } from "./latency.mjs";

const listOf = (path, bytes) => (path.transfers ? [bytes.buffer] : []);

export function guest({ meter, role }) {
  const { size, path, down } = role;
  const trips = new Latency();
  const run = () =>
    new Promise((resolve) => {
      let left = 0;
      let start = 0;
      let bytes = new Uint8Array(size);
      const send = () => {
        if (meter.look()) {
          down.postMessage(null);
          return;
        }
        start = performance.now();
        left = size;
        // What was transferred came back as the answer, or as its pieces.
        if (bytes.length !== size) bytes = new Uint8Array(size);
        down.postMessage(bytes, listOf(path, bytes));
      };
      down.on("message", (answer) => {
        if (answer === null) {
          down.close();
          resolve();
          return;
        }
        left -= answer.length;
        if (left < 0) throw new Error(`the answer is ${-left} bytes too long`);
        if (path.transfers) bytes = answer;
        if (left > 0) return;
        meter.messages++;
        meter.bytes += size;
        if (meter.measures) trips.add(performance.now() - start);
        send();
      });
      send();
    });
  return { run, end: () => ({ trips: trips.report() }) };
}

export function host({ meter, role }) {
  const { path, up, down } = role;
  const run = () =>
    new Promise((resolve) => {
      const pass = (to, bytes) => to.postMessage(bytes, bytes === null ? [] : listOf(path, bytes));
      up.on("message", (bytes) => {
        if (bytes !== null) {
          meter.messages++;
          meter.bytes += bytes.length;
        }
        pass(down, bytes);
        meter.look();
      });
      down.on("message", (bytes) => {
        pass(up, bytes);
        if (bytes !== null) return;
        down.close();
        up.close();
        resolve();
      });
    });
  return { run, end: () => {} };
}

export async function device({ meter, role }) {
  const { path, up, port } = role;
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const run = () =>
    new Promise((resolve) => {
      up.on("message", (bytes) => {
        if (bytes === null) {
          socket.end();
          return;
        }
        meter.messages++;
        meter.bytes += bytes.length;
        socket.write(bytes);
        meter.look();
      });
      socket.on("data", (bytes) => up.postMessage(bytes, listOf(path, bytes)));
      socket.on("end", () => {
        up.postMessage(null);
        up.close();
        resolve();
      });
    });
  return { run, end: () => {} };
}
