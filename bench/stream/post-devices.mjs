// The devices that messages go out by: write to a TCP socket, or send as datagrams.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Acks } from "./posts.mjs";
import { awaited } from "./sockets.mjs";

/** What comes through `up`, until null comes: `take` is called with each, `finish` with the last. */
function each(up, take, finish) {
  return new Promise((resolve, reject) => {
    up.on("message", (bytes) => {
      if (bytes !== null) {
        take(bytes);
        return;
      }
      up.close();
      finish().then(resolve, reject);
    });
  });
}

/** What arrives together is written together, by one writev. */
export async function tcp({ meter, role }) {
  const { port, connected } = await awaited();
  const acks = new Acks(role);
  const run = async () => {
    const socket = await connected;
    let corked = false;
    const uncork = () => {
      corked = false;
      socket.uncork();
    };
    const take = (bytes) => {
      if (!corked) {
        corked = true;
        socket.cork();
        // The event loop gets here after it has passed on all messages that were there.
        setImmediate(uncork);
      }
      meter.messages++;
      meter.bytes += bytes.length;
      socket.write(bytes, () => acks.done(bytes));
      meter.look();
    };
    const finish = async () => {
      socket.end();
      await once(socket, "finish");
      acks.flush();
    };
    await each(role.up, take, finish);
  };
  return { port, run, end: () => {} };
}

export async function udp({ meter, role }) {
  const socket = createSocket("udp4");
  socket.connect(role.port, "127.0.0.1");
  await once(socket, "connect");
  const acks = new Acks(role);
  let sending = 0;
  let sent = () => {};
  const run = () => {
    const take = (bytes) => {
      meter.messages++;
      meter.bytes += bytes.length;
      sending++;
      socket.send(bytes, (error) => {
        if (error) throw error;
        sending--;
        acks.done(bytes);
        sent();
      });
      meter.look();
    };
    const finish = async () => {
      while (sending > 0)
        await new Promise((resolve) => {
          sent = resolve;
        });
      acks.flush();
      socket.close();
    };
    return each(role.up, take, finish);
  };
  return { run, end: () => {} };
}
