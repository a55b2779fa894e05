// Somebody to talk to: listens by TCP and by UDP at the same port of 127.0.0.1. By TCP it sends back what it gets.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export class Peer {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #udp: UdpSocket | undefined;
  port = 0;

  async open(): Promise<void> {
    // The port that TCP gets may be in use by UDP.
    for (let tries = 0; ; tries++) {
      const server = createServer((socket) => {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => this.#sockets.delete(socket));
        socket.pipe(socket);
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const udp = createSocket("udp4");
      try {
        udp.bind(port, "127.0.0.1");
        await once(udp, "listening");
      } catch (error) {
        server.close();
        udp.close();
        if (tries === 10) throw error;
        continue;
      }
      this.port = port;
      this.#server = server;
      this.#udp = udp;
      return;
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#udp?.close();
    this.#server?.close();
    await (this.#server === undefined ? undefined : once(this.#server, "close"));
  }
}
