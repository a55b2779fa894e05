// bytesCopied says what receivers copied in, so that "0 bytes copied" of a relay means it.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { PassThrough } from "node:stream";
import { Engine } from "skbuff";
import { stats } from "skbuff/inspect";
import { type Inbox, StreamReceiver, UdpReceiver } from "skbuff/node";
import { WebStreamReceiver } from "skbuff/web";
import { expect, it } from "vitest";

const PACKET = Buffer.concat([Buffer.from([0x07, 0xd0]), Buffer.alloc(2000, 7)]);

/** Each receives 2,000 bytes, and what of them is copied. */
const WAYS: Record<string, [copied: number, open: (engine: Engine) => Inbox | Promise<Inbox>]> = {
  "StreamReceiver.connect, which reads into pages": [
    0,
    async (engine) => {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.end(PACKET);
        server.close();
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      return StreamReceiver.connect(engine, { host: "127.0.0.1", port, framing: "length16" });
    },
  ],
  "StreamReceiver.from": [
    2000,
    (engine) => StreamReceiver.from(engine, new PassThrough().end(PACKET), { framing: "length16" }),
  ],
  "WebStreamReceiver, into one buffer": [
    2002,
    (engine) =>
      new WebStreamReceiver(engine, new Response(PACKET).body as ReadableStream<Uint8Array>, {
        framing: "length16",
      }),
  ],
  UdpReceiver: [
    2000,
    async (engine) => {
      const receiver = await UdpReceiver.open(engine, { host: "127.0.0.1", port: 0 });
      receiver.socket.send(PACKET.subarray(2), receiver.port, "127.0.0.1");
      return receiver;
    },
  ],
};

it.each(Object.entries(WAYS))("%s", async (_, [copied, open]) => {
  const engine = await Engine.create({ memory: 1 << 20 });
  const receiver = await open(engine);
  expect(await receiver.waitAsync({ timeout: 30_000 })).toBe("ready");
  const skb = receiver.dequeue();
  expect([skb?.length, stats(engine).bytesCopied]).toEqual([2000, copied]);
  skb?.release();
  receiver.abort();
  await receiver.close();
  expect(engine.close()).toEqual([]);
});
