// The other end of the socket, in a process of its own. `node peer.mjs <what it is, as JSON>`, told over IPC when it is
// measured.

import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { fill, readAll, SOURCE_MESSAGES, StreamCheck } from "./message.mjs";
import { sleeps } from "./meter.mjs";
import { slotOf } from "./source.mjs";

const READ_BYTES = 256 * 1024;
const UDP_BUFFER = 4 << 20;

let messages = 0;
let bytes = 0;

const kinds = {
  /** Reads a stream to its end. Connects, since only who connects can say where the bytes are to go. */
  sink({ port, size, dirty, every, wrap }) {
    const check = new StreamCheck(size, { every, wrap });
    const buffer = Buffer.alloc(READ_BYTES);
    const take = (n) => {
      const part = buffer.subarray(0, n);
      if (dirty) readAll(part);
      if (every !== undefined) check.feed(part);
      bytes += n;
      return true;
    };
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer, callback: take } });
    socket.on("end", end);
  },

  /** Takes datagrams. */
  udp({ size }) {
    const socket = createSocket({ type: "udp4", recvBufferSize: UDP_BUFFER });
    socket.on("message", (datagram) => {
      if (datagram.length !== size) throw new Error(`a datagram has ${datagram.length} bytes`);
      messages++;
      bytes += datagram.length;
    });
    socket.bind(0, "127.0.0.1", () => process.send({ port: socket.address().port }));
  },

  /** Sends everything back. */
  echo() {
    listen((socket) => {
      socket.on("data", (data) => {
        bytes += data.length;
        socket.write(data);
      });
      socket.on("end", end);
    });
  },

  /** Sends messages as fast as they are taken, until it is told to stop. */
  source({ size }) {
    listen((socket) => {
      const slots = Array.from({ length: SOURCE_MESSAGES }, () => slotOf(Buffer.allocUnsafeSlow(size)));
      for (const [seq, { words }] of slots.entries()) fill(words, seq);
      const send = () => {
        if (stopped) {
          socket.end();
          end();
          return;
        }
        socket.cork();
        for (const { bytes: data } of slots) {
          messages++;
          bytes += size;
          socket.write(data);
        }
        socket.uncork();
        socket.write("", send);
      };
      send();
    });
  },
};

let stopped = false;

function listen(use) {
  const server = createServer({ noDelay: true }, (socket) => {
    server.close();
    use(socket);
  });
  server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
}

function end() {
  process.send({ end: { bytes, messages } });
}

process.on("message", (told) => {
  if (told === "stop") stopped = true;
  const { user, system } = process.cpuUsage();
  const cpu = (user + system) * 1000;
  process.send({ sample: { time: performance.now(), cpu, sleeps: sleeps(), bytes, messages } });
});

// Whoever asks is gone.
process.on("disconnect", () => process.exit());

const given = JSON.parse(process.argv[2]);
kinds[given.kind](given);
