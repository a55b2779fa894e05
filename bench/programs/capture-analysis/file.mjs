// The capture that is analysed: the packets of captures/two-hosts.pcap again and again, as classic pcap with microseconds, which
// is what all readers read. Made once, and the same wherever it is made.

import fs from "node:fs";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../../../captures/two-hosts.pcap", import.meta.url));
const FOLDER = fileURLToPath(new URL("../../../build/captures/", import.meta.url));
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const MICROSECONDS = 0xa1b2c3d4;
/** Microseconds from the start of one repetition to that of the next. */
const PERIOD = 8_000_000;

/** The path of one of at least so many bytes, made if it is not there. */
export function captureOf(bytes) {
  const file = `${FOLDER}${bytes}.pcap`;
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(FOLDER, { recursive: true });
  // Whoever finds it there finds the whole of it.
  const unfinished = `${file}.${process.pid}`;
  make(unfinished, bytes);
  fs.renameSync(unfinished, file);
  return file;
}

function make(file, bytes) {
  const source = fs.readFileSync(SOURCE);
  const header = source.subarray(0, FILE_HEADER);
  header.writeUInt32LE(MICROSECONDS, 0);
  const records = source.subarray(FILE_HEADER);
  const times = [];
  for (let at = 0; at < records.length; at += RECORD_HEADER + records.readUInt32LE(at + 8)) {
    // The source has nanoseconds.
    times.push({ at, us: records.readUInt32LE(at) * 1e6 + Math.floor(records.readUInt32LE(at + 4) / 1000) });
  }
  const fd = fs.openSync(file, "w");
  fs.writeSync(fd, header);
  for (let n = 0; FILE_HEADER + n * records.length < bytes; n++) {
    for (const { at, us } of times) {
      records.writeUInt32LE(Math.floor((us + n * PERIOD) / 1e6), at);
      records.writeUInt32LE((us + n * PERIOD) % 1e6, at + 4);
    }
    fs.writeSync(fd, records);
  }
  fs.closeSync(fd);
}
