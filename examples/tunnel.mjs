// A tunnel: datagrams that come in at one end go through a TCP connection and out at the other, each with its number in front.
//
//     node tunnel.mjs out TCP_PORT UDP_PORT        at the far end: sends to UDP_PORT of this machine
//     node tunnel.mjs in UDP_PORT TCP_PORT [HOST]  at the near end

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Engine } from "skbuff";
import { StreamReceiver, StreamSender, UdpSocket } from "skbuff/node";

/** Bytes of the number in front of each datagram. */
const HEADER = 4;
const framing = "length16";

const [end, from, to, host = "127.0.0.1"] = process.argv.slice(2);
const isPort = (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65535;
if (!["in", "out"].includes(end) || !isPort(from) || !isPort(to)) {
  console.error(
    "usage: node tunnel.mjs out TCP_PORT UDP_PORT\n       node tunnel.mjs in UDP_PORT TCP_PORT [HOST]",
  );
  process.exit(2);
}

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
await (end === "in" ? near() : far());
engine.close();

async function near() {
  // Headroom for the number; the length of the frame needs none.
  const receiver = await UdpSocket.open(engine, { host: "127.0.0.1", port: Number(from), headroom: HEADER });
  const socket = connect(Number(to), host);
  await once(socket, "connect");
  const sender = new StreamSender(engine, socket, { framing });
  process.once("SIGINT", () => receiver.close());
  console.log(`in at port ${receiver.port}`);
  let number = 0;
  for await (const skb of receiver) {
    skb.push(HEADER);
    skb.writeU32(0, number++);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
  }
  await receiver.close();
  await sender.close();
  console.log(`${number} datagrams sent`);
}

async function far() {
  const server = createServer().listen(Number(from), "127.0.0.1");
  await once(server, "listening");
  console.log(`out at port ${server.address().port}`);
  const [socket] = await once(server, "connection");
  server.close();
  const receiver = StreamReceiver.from(engine, socket, { framing });
  const sender = await UdpSocket.open(engine, { peer: { host: "127.0.0.1", port: Number(to) } });
  let next = 0;
  for await (const skb of receiver) {
    if (skb.readU32(0) !== next++) console.log(`number ${skb.readU32(0)} is out of order`);
    skb.pull(HEADER);
    while (!sender.enqueue(skb)) await sender.waitWritableAsync();
  }
  await sender.close();
  await receiver.close();
  console.log(`${next} datagrams received`);
}
