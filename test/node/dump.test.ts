// The bytes that `dump` shows, beside those of tcpdump.

import { execFileSync } from "node:child_process";
import { Engine } from "skbuff";
import { dump } from "skbuff/inspect";
import { CaptureReader } from "skbuff/node";
import { expect, it } from "vitest";
import { bytesAt } from "../packets.js";
import { Folder, pcapHeader, pcapRecord } from "./made.js";
import { checkTools, TOOLS } from "./tools.js";

checkTools();

const folder = new Folder();

/** The lines of bytes of each packet, as `tcpdump -XX` prints them. */
function printed(path: string): string[] {
  const text = execFileSync("tcpdump", ["-XX", "-n", "-t", "-r", path], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const packets: string[] = [];
  let open = false;
  for (const line of text.split("\n")) {
    const isBytes = line.startsWith("\t0x");
    if (isBytes && open) packets.push(`${packets.pop()}\n${line}`);
    else if (isBytes) packets.push(line);
    open = isBytes;
  }
  return packets;
}

const LENGTHS = [14, 15, 16, 17, 31, 32, 33, 100, 1500, 5000];

it.runIf(TOOLS.tcpdump).each([
  ["a real one", "captures/two-hosts.pcap"],
  [
    "packets of all lengths",
    folder.file(Buffer.concat([pcapHeader(), ...LENGTHS.map((n) => pcapRecord(bytesAt(n * 7, n)))])),
  ],
])("shows bytes as tcpdump does: %s", async (_what, path) => {
  const engine = await Engine.create({ memory: 16 * 1024 * 1024, threads: 1 });
  const wanted = printed(path);
  expect(wanted.length).toBeGreaterThan(5);
  const shown: string[] = [];
  for await (const skb of CaptureReader.open(engine, path)) {
    const lines = dump(skb, { bytes: 65_536 }).split("\n");
    if (shown.length < 2000) shown.push(lines.filter((line) => line.startsWith("\t0x")).join("\n"));
    skb.release();
  }
  expect(shown).toEqual(wanted.slice(0, shown.length));
  expect(shown.length).toBe(Math.min(2000, wanted.length));
  engine.close();
});
