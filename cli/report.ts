// A replay for people: a line while it runs, a table at the end, both at most 80 columns wide.

import { plain } from "./plain.js";
import type { Progress, Result } from "./replay.js";
import { type Row, type Screen, tableOf } from "./table.js";

/** Seconds that one can wait without being told what for. */
const LONG_WAIT = 3;

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

/** A length of time in the two largest units that it has. */
export function durationText(seconds: number): string {
  const units: [number, string][] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  let left = Math.ceil(seconds);
  const parts: string[] = [];
  for (const [length, unit] of units) {
    const n = Math.floor(left / length);
    left -= n * length;
    if (n > 0 || (unit === "s" && parts.length === 0)) parts.push(`${n} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

/** What is waited for, if it is worth saying. */
export function waitText({ wait, next, input, seconds }: Progress): string | null {
  if (input !== null) return seconds < LONG_WAIT ? null : `waiting for ${plain(input)}`;
  return wait < LONG_WAIT ? null : `packet ${count(next)} is due in ${durationText(wait)}`;
}

/** How far it is, in `width` columns: what matters most, and as much of the rest as there is room for. */
export function progressLine(progress: Progress, width: number): string {
  const { seconds, packets, bytes: n, dropped, used, memory } = progress;
  const wait = waitText(progress);
  const parts: [number, string][] = [
    [1, `${seconds.toFixed(1)} s`],
    [0, plural(packets, "packet")],
    [4, rate(n, seconds)],
    [5, `pool ${memoryText(used)} of ${memoryText(memory)}`],
    [dropped > 0 ? 2 : 6, `dropped ${count(dropped)}`],
  ];
  if (wait !== null) parts.push([3, wait]);
  for (;;) {
    const line = parts.map(([, text]) => text).join("  ");
    if (line.length <= width || parts.length === 1) return line.slice(0, width);
    const least = Math.max(...parts.map(([rank]) => rank));
    parts.splice(
      parts.findIndex(([rank]) => rank === least),
      1,
    );
  }
}

function checksums({ good, bad, unverifiable, none }: Result["looked"]): string {
  return `${count(good)} good, ${count(bad)} bad, ${count(unverifiable)} unverifiable, ${count(none)} without`;
}

function cpuLine({ cpu }: Result): string {
  return cpu.map(({ thread, ns }) => `${thread} ${count(Math.round(ns / 1e6))} ms`).join(", ");
}

function sentText({ sent }: Result): Row {
  const { packets, bytes, tooLong, failed, refused, complaint } = sent;
  const parts = [plural(packets, "packet"), dataText(bytes)];
  if (tooLong > 0) parts.push(`${count(tooLong)} too long for a datagram`);
  if (failed > 0) parts.push(`${count(failed)} not sent`);
  if (refused > 0) parts.push(`at least ${count(refused)} that nobody took`);
  const why = complaint === null ? "" : ` (${plain(complaint)})`;
  const text = `${parts.join(", ")}${why}`;
  return tooLong + failed + refused === 0 ? ["sent", text] : ["sent", text, "bad"];
}

function tapText({ file, packets, dropped, difference, uncompared }: NonNullable<Result["tap"]>): Row {
  const parts = [plural(packets, "packet")];
  if (dropped > 0) parts.push(`${count(dropped)} passed over`);
  if (uncompared !== null) parts.push(`not compared: ${uncompared}`);
  else parts.push(difference === null ? "byte for byte the input" : `DIFFERS: ${plain(difference)}`);
  const text = `${plain(file)}: ${parts.join(", ")}`;
  return dropped === 0 && difference === null ? ["tap", text] : ["tap", text, "bad"];
}

function readText({ read, rounds }: Result): string {
  const skipped =
    read.skipped === 0 ? "" : `, ${plural(read.skipped, "packet")} passed over as too long (see --longest)`;
  return `${plural(read.packets, "packet")}, ${dataText(read.bytes)}, ${plural(rounds, "time")} through the file${skipped}`;
}

export function resultTable(result: Result, screen: Screen): string {
  const { read, sent, looked, seconds, completions, receiver, tap, memory, out, errors } = result;
  const rows: Row[] = [
    read.skipped === 0 ? ["read", readText(result)] : ["read", readText(result), "bad"],
    sentText(result),
    [
      "time",
      `${seconds.toFixed(3)} s, ${rate(sent.bytes, seconds)}, ${count(Math.round(sent.packets / (seconds || 1)))} packets/s`,
    ],
    ["CPU", cpuLine(result)],
    ["checksums", checksums(looked)],
    ["flows", count(result.flows)],
    ["completions", `${count(completions.sent)} sent, ${count(completions.copied)} copied`],
  ];
  if (receiver !== null) {
    const text = `${plural(receiver.packets, "datagram")}, ${dataText(receiver.bytes)}, `;
    if (receiver.same) rows.push(["received", `${text}the same bytes in the same order`]);
    else rows.push(["received", `${text}NOT what was sent`, "bad"]);
  }
  if (tap !== null) rows.push(tapText(tap));
  rows.push([
    "memory",
    `arena ${memoryText(memory.arena)}; resident ${memoryText(memory.early)} early, ${memoryText(memory.most)} at most, ${memoryText(memory.end)} at the end`,
  ]);
  if (out.length === 0) rows.push(["buffers", "every one came back, audit clean"]);
  else rows.push(["buffers", `NOT BACK: ${out.slice(0, 10).join("; ")}`, "bad"]);
  if (result.interrupted) {
    if (sent.packets === read.packets) rows.push(["ended", "interrupted; what was under way came through"]);
    else rows.push(["ended", "interrupted; what was under way did NOT all come through", "bad"]);
  }
  for (const error of errors) rows.push(["ERROR", plain(error), "bad"]);
  return tableOf(rows, screen);
}
