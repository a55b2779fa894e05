// What other people's programs say of a capture. They need not be installed; where CI is set, they must be.

import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { Got } from "./reading.js";

export const TOOLS = { tcpdump: has("tcpdump"), tshark: has("tshark"), capinfos: has("capinfos") };

const MISSING = Object.entries(TOOLS)
  .filter(([, found]) => !found)
  .map(([name]) => name);

function has(tool: string): boolean {
  try {
    execFileSync(tool, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Says which tools are missing, and fails if they must not be. */
export function checkTools(): void {
  if (MISSING.length > 0) console.warn(`captures: not compared with ${MISSING.join(", ")}: not installed`);
  it.runIf(process.env.CI)("all tools to compare with are installed", () => expect(MISSING).toEqual([]));
}

interface Said {
  readonly lines: string[];
  /** Complaints; empty if there are none. */
  readonly stderr: string;
}

async function run(tool: string, ...args: string[]): Promise<Said> {
  const { stdout, stderr } = await promisify(execFile)(tool, args, { maxBuffer: 2 ** 26 }).catch(
    (error) => error,
  );
  return { lines: stdout.split("\n").filter((line: string) => line !== ""), stderr };
}

/** Seconds since 1970, as tcpdump and tshark print them. */
function seconds(time: bigint): string {
  return `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, "0")}`;
}

/** Time, length and captured length of each packet, by tshark. */
export async function bytshark(path: string): Promise<{ got: string[]; stderr: string }> {
  const fields = ["frame.time_epoch", "frame.len", "frame.cap_len"].flatMap((field) => ["-e", field]);
  const { lines, stderr } = await run(
    "tshark",
    "-r",
    path,
    "-n",
    "-T",
    "fields",
    ...fields,
    "-E",
    "separator=,",
  );
  // What a packet has no time of we call 1970.
  return { got: lines.map((line) => line.replace(/^,/, "0.000000000,")), stderr: withoutRoot(stderr) };
}

export function astshark(frames: readonly Got[]): string[] {
  return frames.map(({ time, length, bytes }) => `${seconds(time)},${length},${bytes.length}`);
}

function withoutRoot(stderr: string): string {
  return stderr.replace(/^Running as user "root".*\n/gm, "");
}

/** Time of each packet, by tcpdump. */
export async function bytcpdump(path: string): Promise<{ got: string[]; stderr: string }> {
  const { lines, stderr } = await run("tcpdump", "-r", path, "-n", "-tt", "--nano", "-q");
  const got = lines
    .map((line) => /^(\d+\.\d{9})(?: |$)/.exec(line)?.[1])
    .filter((time) => time !== undefined);
  return {
    got,
    stderr: stderr.replace(/^reading from file .*\n/gm, "").replace(/^Warning: interface names.*\n/gm, ""),
  };
}

export function astcpdump(frames: readonly Got[]): string[] {
  return frames.map(({ time }) => seconds(time));
}

/** Packets and bytes of each capture, by capinfos. */
export async function bycapinfos(paths: string[]): Promise<{ got: string[]; stderr: string }> {
  const { lines, stderr } = await run("capinfos", "-T", "-r", "-c", "-d", "-M", ...paths);
  return { got: lines.map((line) => line.split("\t").slice(1).join(",")), stderr: withoutRoot(stderr) };
}

export function ascapinfos(frames: readonly Got[]): string {
  return `${frames.length},${frames.reduce((sum, { length }) => sum + length, 0)}`;
}
