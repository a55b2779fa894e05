#!/usr/bin/env node
// The command: skbuff replay, skbuff info.

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { createLogUpdate } from "log-update";
import { isStandardOutput } from "./files.js";
import { info, infoTable } from "./info.js";
import { plainJson, plainLines } from "./plain.js";
import { type Progress, replay } from "./replay.js";
import { progressLine, resultTable, waitText } from "./report.js";
import type { Target } from "./roles.js";
import { print, say, sayError } from "./say.js";

/** The capture that comes with the package. */
const OWN_CAPTURE = fileURLToPath(new URL("../../captures/two-hosts.pcap", import.meta.url));
/** Where the tap of the replay without arguments writes. */
const OWN_TAP = "two-hosts.tap.pcapng";
/** What a shell adds to the number of the signal that ended a program. */
const BY_SIGNAL = 128;
const FAILED = 1;
/** Signals that ask a program to end. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Four times what libpcap captures of a packet; and as much as an arena of a common size takes. */
const LONGEST = 1024 * 1024;
const LONGEST_MOST = 32 * 1024 * 1024;

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

/** Seconds. */
function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 0) || value === Number.POSITIVE_INFINITY || text.trim() === "")
    throw new InvalidArgumentError("Expected seconds, 0 or more.");
  return value;
}

interface ReplayFlags {
  udp?: { host: string; port: number };
  tcp?: { host: string; port: number };
  tap?: string;
  workers: number;
  speed: number;
  gapLimit?: number;
  loop: number;
  longest: number;
  memory: number;
  json?: boolean;
}

/** Shows how far a replay is: as a line that changes on a terminal; else only what one would wait for in vain. */
function watcher(quiet: boolean): { show: (progress: Progress) => void; done: () => void } {
  if (quiet) return { show: () => {}, done: () => {} };
  if (process.stderr.isTTY) {
    const line = createLogUpdate(process.stderr);
    // One column is left free, or some terminals begin another line.
    const show = (progress: Progress): void =>
      line(progressLine(progress, (process.stderr.columns || 80) - 1));
    return { show, done: () => line.done() };
  }
  let said = "";
  const show = (progress: Progress): void => {
    const text = waitText(progress);
    // Once for each packet.
    const what = progress.input ?? String(progress.next);
    if (text === null || said === what) return;
    said = what;
    say(`${text}${progress.input === null ? " (--gap-limit sends it sooner)" : ""}`);
  };
  return { show, done: () => {} };
}

async function runReplay(input: string | undefined, flags: ReplayFlags): Promise<void> {
  const named: Target | null =
    flags.udp !== undefined
      ? { kind: "udp", ...flags.udp }
      : flags.tcp !== undefined
        ? { kind: "tcp", ...flags.tcp }
        : null;
  const demo = input === undefined;
  const tap = flags.tap ?? (demo ? OWN_TAP : null);
  const { show, done } = watcher(flags.json === true);
  const interrupt = new AbortController();
  let status = FAILED;
  // Once only: the second time it ends at once.
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      status = BY_SIGNAL + constants.signals[signal];
      interrupt.abort();
    });
  }
  const result = await replay({
    file: input ?? OWN_CAPTURE,
    target: named ?? (demo ? "own" : null),
    tap,
    workers: flags.workers,
    speed: flags.speed,
    gapMost: flags.gapLimit ?? Number.POSITIVE_INFINITY,
    loop: flags.loop,
    longest: flags.longest,
    memory: flags.memory * 1024 * 1024,
    signal: interrupt.signal,
    onProgress: show,
    onWait: say,
  });
  done();
  // Where the capture goes nothing else may.
  const screen = tap !== null && isStandardOutput(tap) ? process.stderr : process.stdout;
  if (!result.good) process.exitCode = result.interrupted ? status : FAILED;
  await print(flags.json === true ? plainJson(result) : resultTable(result, screen), screen);
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

const longest = (): Option =>
  new Option(
    "--longest <BYTES>",
    `longest packet that is read, 1..${LONGEST_MOST}; longer ones are passed over`,
  )
    .argParser(integer(1, LONGEST_MOST))
    .default(LONGEST);

/** What commander has to say, which it says only when it is done. */
let told = "";

const program = new Command("skbuff")
  .exitOverride()
  .configureOutput({
    writeOut: (text) => {
      told += text;
    },
    // It names what it was given.
    writeErr: (text) => void process.stderr.write(plainLines(text)),
  })
  .description("Pooled, reference-counted packet buffers: what they do.")
  .version(version(), "-V, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .showHelpAfterError("(see --help)");

program
  .command("replay")
  .description("send the packets of a capture, through worker threads, to a socket")
  .argument(
    "[IN]",
    "pcap or pcapng file, also compressed with gzip, or - for standard input; without it, one of our own to a receiver of our own",
  )
  .addOption(
    new Option("--udp <HOST:PORT>", "a datagram for each packet").argParser(endpoint).conflicts("tcp"),
  )
  .addOption(
    new Option("--tcp <HOST:PORT>", "one stream, each packet behind its length in 4 bytes").argParser(
      endpoint,
    ),
  )
  .option(
    "--tap <OUT.pcapng>",
    `write what is sent to a file, which is replaced, or with - to standard output; never to the input (default: without IN ./${OWN_TAP}, else none)`,
  )
  .option("--workers <N>", "threads that look at every packet, 1..32", integer(1, 32), 2)
  .addOption(
    new Option("--speed <real|max|X>", "as recorded, as fast as it goes, or X times as recorded")
      .argParser(speed)
      .default(0, "max"),
  )
  .option("--gap-limit <SECONDS>", "wait no longer than that from one packet to the next", seconds)
  .option(
    "--loop <N>",
    "times that the file is replayed, 0..2147483648; 0 is without end",
    integer(0, 2 ** 31),
    1,
  )
  .addOption(longest())
  .option("--memory <MiB>", "size of the arena, 8..4096", integer(8, 4096), 64)
  .option("--json", "print the result as JSON, and nothing else")
  .addHelpText(
    "after",
    `
Exit status: 0 if all that was read was sent, the tap has the same packets,
and every buffer came back; 1 if not, or if something is wrong with what was
asked for; 130 after Ctrl-C, when what was under way has come through. A second
Ctrl-C ends at once.`,
  )
  .action(runReplay);

program
  .command("info")
  .description("print what a capture holds")
  .argument("<FILE>", "pcap or pcapng file, also compressed with gzip, or - for standard input")
  .addOption(longest())
  .option("--json", "print it as JSON")
  .action(async (file: string, flags: { longest: number; json?: boolean }) => {
    const found = await info(file, flags.longest);
    if (found.error !== null) process.exitCode = FAILED;
    await print(flags.json === true ? plainJson(found) : infoTable(found, process.stdout), process.stdout);
  });

try {
  try {
    await program.parseAsync();
  } catch (error) {
    // So it ends after its help and version, too, and after errors that it has told.
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode;
  }
  if (told !== "") await print(told, process.stdout);
} catch (error) {
  sayError(error);
  process.exitCode ||= FAILED;
}
