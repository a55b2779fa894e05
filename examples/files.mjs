import { fileURLToPath } from "node:url";
import { Engine } from "skbuff";
import { stats } from "skbuff/inspect";
import { CaptureReader, Tap, UdpSender } from "skbuff/node";

const engine = await Engine.create({ memory: 32 * 1024 * 1024 });
const capture = fileURLToPath(new URL("captures/two-hosts.pcap", import.meta.resolve("skbuff/package.json")));
const reader = CaptureReader.open(engine, capture);
const sender = await UdpSender.open(engine, { host: "127.0.0.1", port: 9 });
const tap = await Tap.open(engine, "sent.pcapng", { capacity: 4096 });
const out = tap.on(sender);

// A packet is the pages that the file was read into; the socket reads them there, and the tap shares them. Only a short packet that lies
// in two reads is put together for the socket.
for await (const skb of reader) {
  while (!out.enqueue(skb)) await out.waitWritableAsync();
}
reader.close();
await sender.close();
const { written } = await tap.close();
const { bytesCopied } = stats(engine);
console.log(`${reader.stats().packets} packets read, ${written} in sent.pcapng, ${bytesCopied} bytes copied`);
engine.close();
