// A WebSocket server that sends back what it gets.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

export class EchoServer {
  #server: WebSocketServer | undefined;
  url = "";

  async open(): Promise<void> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 64 * 1024 * 1024 });
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
    await once(server, "listening");
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const server = this.#server as WebSocketServer;
    for (const socket of server.clients) socket.terminate();
    server.close();
    await once(server, "close");
  }
}
