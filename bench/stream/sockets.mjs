// How devices come by their sockets.

import { once } from "node:events";
import { createServer } from "node:net";

/** A server for one connection: its port, and the socket once it is there. */
export async function awaited() {
  const server = createServer({ noDelay: true });
  const connected = once(server, "connection").then(([socket]) => {
    server.close();
    return socket;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: server.address().port, connected };
}
