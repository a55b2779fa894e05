import { Engine } from "skbuff";

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });
const skb = engine.alloc(1500, { headroom: 64 }); // room for headers in front
skb.putData(new TextEncoder().encode("hello, wire"));
skb.pushData(Uint8Array.of(0x30, 0x39, 0x00, 0x35, 0x00, 0x13, 0x00, 0x00)); // a UDP header
const tap = skb.clone(); // shares the bytes, copies nothing
tap.pull(8);
console.log(`${skb.length} bytes to port ${skb.readU16(2)}, ${tap.length} of payload`);
skb.release();
tap.release();
engine.close(); // would throw, and name it, if anything were still out
