// The other end of a pipe, as a process: makes a capture for standard output, or reads one from standard input.

import { writeSync } from "node:fs";
import { Engine } from "skbuff";
import { CaptureReader } from "skbuff/node";

const [what, count, length, pauseAfter] = process.argv
  .slice(2)
  .map((value, i) => (i === 0 ? value : Number(value)));

/** Writes all of it, however much the pipe takes at a time. */
function write(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

if (what === "make") {
  // Packet i has i in its first 4 bytes and as its time.
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  write(header);
  const record = 16 + length;
  const batch = Buffer.alloc(record * 64);
  for (let i = 0; i < count; ) {
    const n = Math.min(count - i, pauseAfter > 0 ? 1 : 64);
    for (let k = 0; k < n; k++, i++) {
      batch.writeUInt32LE(i, k * record);
      batch.writeUInt32LE(length, k * record + 8);
      batch.writeUInt32LE(length, k * record + 12);
      batch.writeUInt32LE(i, k * record + 16);
    }
    write(batch.subarray(0, n * record));
    // The rest only when somebody asks for it, on standard input; or at last, so that nobody who is blocked hangs.
    if (i === pauseAfter) {
      await new Promise((resolve) => {
        process.stdin.once("data", resolve);
        setTimeout(resolve, 60_000).unref();
      });
    }
  }
  process.stdin.destroy();
} else if (what === "read") {
  const engine = await Engine.create({ memory: 1024 * 1024, threads: 1 });
  const reader = CaptureReader.open(engine, "-");
  const before = reader.format;
  let sum = 0;
  for (let skb = reader.read(); skb !== null; skb = reader.read()) {
    sum += skb.readU32(0) + skb.length;
    skb.release();
  }
  reader.close();
  const { format } = reader;
  const { packets } = reader.stats();
  console.log(JSON.stringify({ before, format, packets, sum, out: engine.close() }));
}
