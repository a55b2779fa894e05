import { Engine } from "skbuff";
import { audit } from "skbuff/inspect";

const engine = await Engine.create({ memory: 16 * 1024 * 1024 });

// A packet, with room for headers in front of it.
const skb = engine.alloc(1500, { headroom: 64 });
skb.putData(new TextEncoder().encode("hello, wire"));
skb.pushData(Uint8Array.of(0x30, 0x39, 0x00, 0x35, 0x00, 0x13, 0x00, 0x00));
skb.writeU16(6, ~skb.checksum() & 0xffff);

// A tap reads the same bytes. Nothing is copied.
const tap = skb.clone();
console.log(`tap: ${tap.length} bytes to port ${tap.readU16(2)}, checksum ${tap.checksum() === 0xffff}`);
tap.release();

// Memory of yours goes into the packet as it is, and you are told when you may write it again.
const region = engine.userRegion(64 * 1024);
region.bytes.fill(7);
const ubuf = engine.ubuf(({ desc, status }) => console.log(`buffer ${desc} is free: ${status}`), { desc: 1 });
skb.addUserFrag(region, 0, 4000, ubuf);
console.log(`packet: ${skb.length} bytes in ${skb.segments().length} pieces`);
skb.release();

// What is still out has a name. Nothing is, so this closes.
region.release();
console.log(`audit: ${audit(engine).clean ? "clean" : "not clean"}`);
engine.close();
