#!/usr/bin/env node
// The command: skbuff replay, skbuff info.

import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { createLogUpdate } from "log-update";
import { info, infoTable } from "./info.js";
import { replay } from "./replay.js";
import { progressLine, resultTable } from "./report.js";
import type { Target } from "./roles.js";

/** The capture that comes with the package. */
const OWN_CAPTURE = fileURLToPath(new URL("../../captures/two-hosts.pcap", import.meta.url));
/** Where the tap of the replay without arguments writes. */
const OWN_TAP = "two-hosts.tap.pcapng";
/** What a shell says of a program that was interrupted. */
const INTERRUPTED = 130;
const FAILED = 1;

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least || n > most || text.trim() === "")
      throw new InvalidArgumentError(`Expected ${least}..${most}.`);
    return n;
  };
}

/** HOST:PORT, an IPv6 host in brackets. */
function endpoint(text: string): { host: string; port: number } {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65535)
    throw new InvalidArgumentError("Expected HOST:PORT, as 127.0.0.1:4000 or [::1]:4000.");
  return { host, port: Number(port) };
}

/** Times as fast as recorded; 0 is as fast as it goes. */
function speed(text: string): number {
  if (text === "max") return 0;
  if (text === "real") return 1;
  const times = Number(text);
  if (!(times > 0) || times === Number.POSITIVE_INFINITY)
    throw new InvalidArgumentError("Expected real, max, or a number above 0.");
  return times;
}

interface ReplayFlags {
  udp?: { host: string; port: number };
  tcp?: { host: string; port: number };
  tap?: string;
  workers: number;
  speed: number;
  loop: number;
  memory: number;
  json?: boolean;
}

async function runReplay(input: string | undefined, flags: ReplayFlags): Promise<void> {
  const named: Target | null =
    flags.udp !== undefined
      ? { kind: "udp", ...flags.udp }
      : flags.tcp !== undefined
        ? { kind: "tcp", ...flags.tcp }
        : null;
  const demo = input === undefined;
  const line = process.stderr.isTTY && flags.json !== true ? createLogUpdate(process.stderr) : null;
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  const result = await replay({
    file: input ?? OWN_CAPTURE,
    target: named ?? (demo ? "own" : null),
    tap: flags.tap ?? (demo ? OWN_TAP : null),
    workers: flags.workers,
    speed: flags.speed,
    loop: flags.loop,
    memory: flags.memory * 1024 * 1024,
    signal: interrupt.signal,
    onProgress: (progress) => {
      line?.(progressLine(progress));
    },
  });
  line?.done();
  console.log(flags.json === true ? JSON.stringify(result, null, 2) : resultTable(result));
  if (!result.good) process.exitCode = result.interrupted ? INTERRUPTED : FAILED;
}

const program = new Command("skbuff").description("Pooled, reference-counted packet buffers: what they do.");

program
  .command("replay")
  .description("send the packets of a capture, through worker threads, to a socket")
  .argument("[IN]", "pcap or pcapng file; without it, one of our own to a receiver of our own")
  .addOption(
    new Option("--udp <HOST:PORT>", "a datagram for each packet").argParser(endpoint).conflicts("tcp"),
  )
  .addOption(
    new Option("--tcp <HOST:PORT>", "one stream, each packet behind its length in 4 bytes").argParser(
      endpoint,
    ),
  )
  .option("--tap <OUT.pcapng>", "write what is sent to a file")
  .option("--workers <N>", "threads that look at every packet", integer(1, 32), 2)
  .option("--speed <real|max|X>", "as recorded, as fast as it goes, or X times as recorded", speed, 0)
  .option("--loop <N>", "times that the file is replayed; 0 is without end", integer(0, 2 ** 31), 1)
  .option("--memory <MiB>", "size of the arena", integer(8, 4096), 64)
  .option("--json", "print the result as JSON, and nothing else")
  .action(runReplay);

program
  .command("info")
  .description("print what a capture holds")
  .argument("<FILE>", "pcap or pcapng file")
  .option("--json", "print it as JSON")
  .action(async (file: string, flags: { json?: boolean }) => {
    const found = await info(file);
    console.log(flags.json === true ? JSON.stringify(found, null, 2) : infoTable(found));
    if (found.error !== null) process.exitCode = FAILED;
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`skbuff: ${error instanceof Error ? error.message : error}`);
  process.exitCode = FAILED;
}
