// Other people's captures, through the whole command: what it says they hold, and what comes out of a replay, beside what
// tcpdump and capinfos say.

import { spawnSync } from "node:child_process";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Info } from "../../cli/info.js";
import { some } from "../amount.js";
import { FOLDER, filesIn } from "../folder.js";
import { checkTools, TOOLS } from "../node/tools.js";
import { folder, OWN_CAPTURE, replayed, start } from "./run.js";

const FILES = [OWN_CAPTURE, ...filesIn(/\.pcap(ng)?$/).map((name) => join(FOLDER, name))];

checkTools();

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

describe.each(some(FILES, 10).map((file) => [basename(file), file]))("%s", (name, file) => {
  it("holds what capinfos says", async () => {
    const { code, stdout } = await start("info", "--json", file).ended;
    const info = JSON.parse(stdout) as Info;
    expect([code, info.error]).toEqual([0, null]);
    expect(info.packets).toBeGreaterThan(0);
    const { good, bad, unverifiable, none } = info.checksums;
    expect(good + bad + unverifiable + none).toBe(info.packets);
    if (!TOOLS.capinfos) return;
    const theirs = capinfos(file);
    // Its data size is what was on the wire.
    expect({ packets: info.packets, bytes: info.originalBytes }).toEqual(theirs);
  });

  it("comes out of a replay as it went in", async () => {
    const tap = join(folder, `${name}.tap.pcapng`);
    const { code, result } = await replayed(file, "--tap", tap);
    expect([code, result.errors, result.out, result.tap?.difference]).toEqual([0, [], [], null]);
    if (TOOLS.capinfos) expect(capinfos(tap)).toEqual(capinfos(file));
    // It reads no link type that it does not know, and pcapng only if all interfaces have the same.
    if (TOOLS.tcpdump && !name.startsWith("pcapng-")) expect(tcpdump(tap)).toEqual(tcpdump(file));
  });
});
