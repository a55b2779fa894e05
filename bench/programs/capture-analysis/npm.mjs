// The analysis with pcap-parser, which of the readers on npm is the fastest that works, on one thread.

import fs from "node:fs";
import pcap from "pcap-parser";
import { options, work } from "../lib/program.mjs";
import { Dissector } from "./dissect.mjs";
import { captureOf } from "./file.mjs";
import { Flows } from "./flows.mjs";
import { Frame } from "./frame.mjs";
import { reportOf } from "./report.mjs";

/** It copies what is left of each piece that it gets, so larger ones are cheaper; still larger ones gain nothing. */
const CHUNK = 1 << 20;

function analyse(file) {
  const dissector = new Dissector();
  const flows = new Flows();
  let packets = 0;
  let frame;
  return new Promise((resolve, reject) => {
    const parser = pcap.parse(fs.createReadStream(file, { highWaterMark: CHUNK }));
    parser.on("packet", ({ data }) => {
      if (frame?.view.buffer !== data.buffer) frame = new Frame(new Uint8Array(data.buffer));
      frame.start = data.byteOffset;
      if (dissector.take(frame)) flows.add(dissector.key, 1, data.length);
      packets++;
    });
    parser.on("error", reject);
    parser.on("end", () => {
      resolve(reportOf([{ packets, good: dissector.good, bad: dissector.bad, flows: flows.rows() }]));
    });
  });
}

const file = captureOf(options.check ? options.checked : options.load.bytes);
await work(() => analyse(file));
