// A replay for people: a line while it runs, a table at the end, both at most 80 columns wide.

import Table from "cli-table3";
import type { Progress, Result } from "./replay.js";

const MEMORY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const DATA_UNITS = ["bytes", "kB", "MB", "GB", "TB"];

export function count(n: number): string {
  return n.toLocaleString("en");
}

function scaled(n: number, step: number, units: readonly string[]): string {
  let value = n;
  let unit = 0;
  for (; value >= step && unit < units.length - 1; unit++) value /= step;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Memory, which comes in powers of two. */
export function memoryText(n: number): string {
  return scaled(n, 1024, MEMORY_UNITS);
}

/** What was read or sent, in powers of ten, as rates are. */
export function dataText(n: number): string {
  return scaled(n, 1000, DATA_UNITS);
}

function rate(n: number, seconds: number): string {
  return `${seconds === 0 ? 0 : ((n * 8) / seconds / 1e9).toFixed(2)} Gb/s`;
}

function plural(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? "" : "s"}`;
}

export function progressLine({ seconds, packets, bytes: n, dropped, used, memory }: Progress): string {
  const pool = `${memoryText(used)} of ${memoryText(memory)}`;
  return `${seconds.toFixed(1)} s  ${plural(packets, "packet")}  ${rate(n, seconds)}  pool ${pool}  dropped ${count(dropped)}`;
}

function checksums({ good, bad, unverifiable, none }: Result["looked"]): string {
  return `${count(good)} good, ${count(bad)} bad, ${count(unverifiable)} unverifiable, ${count(none)} without`;
}

function cpuLine({ cpu }: Result): string {
  return cpu.map(({ thread, ns }) => `${thread} ${count(Math.round(ns / 1e6))} ms`).join(", ");
}

export function resultTable(result: Result): string {
  const { read, sent, looked, seconds, completions, receiver, tap, memory, out, errors } = result;
  const rows: [string, string][] = [
    [
      "read",
      `${plural(read.packets, "packet")}, ${dataText(read.bytes)}, ${plural(result.rounds, "time")} through the file`,
    ],
    [
      "sent",
      `${plural(sent.packets, "packet")}, ${dataText(sent.bytes)}${sent.tooLong === 0 ? "" : `, ${count(sent.tooLong)} too long for a datagram`}${sent.failed === 0 ? "" : `, ${count(sent.failed)} not sent`}`,
    ],
    [
      "time",
      `${seconds.toFixed(3)} s, ${rate(sent.bytes, seconds)}, ${count(Math.round(sent.packets / (seconds || 1)))} packets/s`,
    ],
    ["CPU", cpuLine(result)],
    ["checksums", checksums(looked)],
    ["flows", count(result.flows)],
    ["completions", `${count(completions.sent)} sent, ${count(completions.copied)} copied`],
  ];
  if (receiver !== null)
    rows.push([
      "received",
      `${plural(receiver.packets, "datagram")}, ${dataText(receiver.bytes)}, ${receiver.same ? "the same bytes in the same order" : "NOT what was sent"}`,
    ]);
  if (tap !== null)
    rows.push([
      "tap",
      `${tap.file}: ${plural(tap.packets, "packet")}, ${tap.dropped === 0 ? "" : `${count(tap.dropped)} passed over, `}${tap.difference === null ? "byte for byte the input" : `DIFFERS: ${tap.difference}`}`,
    ]);
  rows.push([
    "memory",
    `arena ${memoryText(memory.arena)}; resident ${memoryText(memory.early)} early, ${memoryText(memory.most)} at most, ${memoryText(memory.end)} at the end`,
  ]);
  rows.push([
    "buffers",
    out.length === 0 ? "every one came back, audit clean" : `NOT BACK: ${out.slice(0, 10).join("; ")}`,
  ]);
  if (result.interrupted) rows.push(["ended", "interrupted; what was under way came through"]);
  for (const error of errors) rows.push(["ERROR", error]);
  const table = new Table({ colWidths: [13, 64], wordWrap: true, style: { head: [], border: [] } });
  table.push(...rows);
  return table.toString();
}
