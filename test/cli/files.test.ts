// Other people's captures, through the whole command: what it says they hold, and what comes out of a replay, beside what
// tcpdump and capinfos say.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Info } from "../../cli/info.js";
import { folder, OWN_CAPTURE, replayed, start } from "./run.js";

const FOLDER =
  process.env.SKBUFF_CAPTURES ?? fileURLToPath(new URL("../../../shared/captures", import.meta.url));
const FOUND = existsSync(FOLDER);
if (!FOUND) console.warn(`captures: no folder ${FOLDER}; set SKBUFF_CAPTURES to one`);
const FILES = [
  OWN_CAPTURE,
  ...(FOUND
    ? readdirSync(FOLDER)
        .filter((name) => /\.pcap(ng)?$/.test(name))
        .sort()
        .map((name) => join(FOLDER, name))
    : []),
];

function tool(name: string): boolean {
  const there = spawnSync(name, ["--version"]).error === undefined;
  if (!there && process.env.CI !== undefined) throw new Error(`${name} is not installed`);
  if (!there) console.warn(`${name} is not installed: what it says is not compared`);
  return there;
}
const CAPINFOS = tool("capinfos");
const TCPDUMP = tool("tcpdump");

/** What capinfos says a file holds; an error of its own for one that is cut off or no capture. */
function capinfos(file: string): { packets: number; bytes: number } {
  const { stdout, stderr } = spawnSync("capinfos", ["-M", "-c", "-d", file], { encoding: "utf8" });
  const of = (name: string): number => Number(new RegExp(`${name}: +(\\d+)`).exec(stdout)?.[1]);
  expect(stderr.replace(/^Running as user .*\n/, "")).toBe("");
  return { packets: of("Number of packets"), bytes: of("Data size") };
}

/** A line of tcpdump for each packet, with its bytes: what it makes of them, cut off or malformed as they may be. */
function tcpdump(file: string): string[] {
  const { stdout, status, stderr } = spawnSync("tcpdump", ["-nn", "-tt", "-xx", "-r", file], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, TZ: "UTC" },
  });
  expect([status, stderr.replace(/^reading from file .*\n/gm, "").replace(/^Warning: .*\n/gm, "")]).toEqual([
    0,
    "",
  ]);
  return stdout.split("\n");
}

describe.each(FILES.map((file) => [basename(file), file]))("%s", (name, file) => {
  it("holds what capinfos says", async () => {
    const { code, stdout } = await start("info", "--json", file).ended;
    const info = JSON.parse(stdout) as Info;
    expect([code, info.error]).toEqual([0, null]);
    expect(info.packets).toBeGreaterThan(0);
    const { good, bad, unverifiable, none } = info.checksums;
    expect(good + bad + unverifiable + none).toBe(info.packets);
    if (!CAPINFOS) return;
    const theirs = capinfos(file);
    // Its data size is what was on the wire.
    expect({ packets: info.packets, bytes: info.originalBytes }).toEqual(theirs);
  });

  it("comes out of a replay as it went in", async () => {
    const tap = join(folder, `${name}.tap.pcapng`);
    const { code, result } = await replayed(file, "--tap", tap);
    expect([code, result.errors, result.out, result.tap?.difference]).toEqual([0, [], [], null]);
    if (CAPINFOS) expect(capinfos(tap)).toEqual(capinfos(file));
    // It reads no link type that it does not know, and pcapng only if all interfaces have the same.
    if (TCPDUMP && !name.startsWith("pcapng-")) expect(tcpdump(tap)).toEqual(tcpdump(file));
  });
});
