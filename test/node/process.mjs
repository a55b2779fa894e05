// Processes of their own: peers that can be killed, and writers to their standard output. Say on stdout what they are ready for.

import { once } from "node:events";
import { createServer } from "node:net";
import { isMainThread, Worker } from "node:worker_threads";
import { Engine } from "skbuff";
import { audit } from "skbuff/inspect";
import { StreamSender, UdpReceiver } from "skbuff/node";

const [what, ...args] = process.argv.slice(2);

const MAINS = {
  /** Listens; reads a little from each connection, then nothing any more. */
  async sink() {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.pause());
    }).listen(...(args[0] === undefined ? [0, "127.0.0.1"] : [args[0]]));
    await once(server, "listening");
    console.log(JSON.stringify(server.address()));
  },
  /** Listens, and sends each connection so many bytes, over and over. */
  async source() {
    const bytes = Buffer.from(JSON.parse(args[0]));
    const server = createServer((socket) => {
      const more = () => {
        while (socket.write(bytes));
        socket.once("drain", more);
      };
      socket.on("error", () => {});
      more();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    console.log(JSON.stringify(server.address()));
  },
  /** Writes numbered packets to standard output. */
  async print() {
    const engine = await Engine.create({ memory: 2 ** 20 });
    const sender = new StreamSender(engine, process.stdout, { framing: "length16", inFlight: 20_000 });
    for (let i = 0; i < 3000; i++) {
      const skb = engine.alloc(200, { headroom: 8 }).putData(Buffer.alloc(i % 200, i));
      while (!sender.enqueue(skb)) await sender.waitWritableAsync();
    }
    await sender.close();
    const clean = audit(engine).clean && engine.close().length === 0;
    // Standard output is still open.
    process.stdout.write(JSON.stringify({ clean, copies: sender.copies, ...sender.stats() }));
  },
  /** Waits for a datagram; nothing else keeps the process. */
  async wait() {
    const engine = await Engine.create({ memory: 2 ** 20 });
    const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
    receiver.socket.unref();
    const woken = [await receiver.waitAsync({ timeout: 300 })];
    await receiver.close();
    woken.push(await receiver.waitAsync());
    console.log(JSON.stringify(woken));
  },
};

if (isMainThread && what !== undefined && args[0] === "in a worker") {
  new Worker(new URL(import.meta.url), { argv: [what] });
} else await MAINS[what]();
