// The figures as text, at most 80 columns wide.

import { number } from "../hop/report.mjs";
import { breakEven } from "./figures.mjs";
import { IMPACTS } from "./impact.mjs";
import { isMet, losses, marks } from "./marks.mjs";
import { DEVICES, MODES } from "./plan.mjs";

const LOSSES_MOST = 20;
const THREADS = ["guest", "host", "device"];

export function rows(head, lines) {
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i].length)));
  const row = (line) =>
    line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" ");
  return [row(head), ...lines.map(row)].map((line) => line.trimEnd()).join("\n");
}

const of = (figure) => (figure ? number(figure.median) : "-");
/** Without a decimal, where there is no room for it. */
const whole = (figure) => (figure ? figure.median.toFixed(0) : "-");

function throughputTable(cases) {
  const lines = cases.map(({ roles, ...one }) => [
    String(one.size),
    one.path,
    one.gbps.median.toFixed(2),
    `${one.gbps.least.toFixed(1)}..${one.gbps.most.toFixed(1)}`,
    ...THREADS.map((name) => whole(roles[name].cpu)),
    whole(one.other),
    whole(one.cpu),
    whole(roles.peer?.cpu),
  ]);
  return rows(["bytes", "path", "Gb/s", "range", "guest", "host", "device", "other", "all", "peer"], lines);
}

function loadTable(cases) {
  const lines = cases.map(({ roles, ...one }) => [
    String(one.size),
    one.path,
    ...[...THREADS, "peer"].map((name) => whole(roles[name]?.percent)),
    ...THREADS.map((name) => of(roles[name].sleeps)),
    of(one.sent),
    of(one.copied),
    of(one.bytesCopied),
  ]);
  const head = ["bytes", "path", "g%", "h%", "d%", "p%", "g/s", "h/s", "d/s", "sent", "copied", "bytes"];
  return rows(head, lines);
}

function tripTable(cases) {
  const lines = cases.map((one) => [
    String(one.size),
    one.path,
    number(one.rate.median),
    `${number(one.rate.least)}..${number(one.rate.most)}`,
    number(one.p50.median / 1000),
    number(one.p99.median / 1000),
    number((one.cpu.median * one.size) / 1024 / 1000),
  ]);
  return rows(["bytes", "path", "trips/s", "range", "p50 µs", "p99 µs", "CPU µs a trip"], lines);
}

function lostTable(cases) {
  const lost = cases.filter(({ arrived }) => arrived && arrived.median < 0.9995);
  if (lost.length === 0) return [];
  const lines = lost.map((one) => [
    String(one.size),
    one.path,
    `${(one.arrived.median * 100).toFixed(1)}%`,
    `${(one.arrived.least * 100).toFixed(1)}..${(one.arrived.most * 100).toFixed(1)}`,
  ]);
  return [`Of the datagrams the peer has received\n${rows(["bytes", "path", "", "range"], lines)}`];
}

function breakEvens(results) {
  const size = (at) => {
    if (at === 0) return "below 256 bytes";
    return at === Number.POSITIVE_INFINITY ? "above 64 KiB" : `${at.toFixed(0)} bytes`;
  };
  const lines = DEVICES.map(({ id }) => {
    const costs = [({ cpu }) => cpu.median, ({ gbps }) => 1 / gbps.median];
    return [id, ...costs.map((cost) => breakEven(results, id, cost))];
  })
    .filter(([, ...sizes]) => sizes.every((at) => at !== undefined))
    .map(([id, ...sizes]) => [id, ...sizes.map(size)]);
  if (lines.length === 0) return [];
  return [`Copying in the engine is cheaper below\n${rows(["device", "by CPU", "by throughput"], lines)}`];
}

function impactTable({ impact }) {
  if (impact === null) return [];
  const text = ({ median, low, high }) => `${median.toFixed(2)} (${low.toFixed(2)}..${high.toFixed(2)})`;
  const lines = IMPACTS.map(({ id, title }) => {
    const { checks, same } = impact[id];
    return [title, number(checks.other), number(checks.ns), text(checks.ratio), text(same.ratio)];
  });
  const head = ["nanoseconds", "without", "with", "ratio, quartiles", "to itself"];
  return [`What packets without a ubuf pay for the checks\n${rows(head, lines)}`];
}

function markTable(results) {
  const list = marks(results);
  if (list.length === 0) return [];
  const lines = list.map((mark) => [
    mark.what,
    mark.is.toFixed(2),
    mark.least === undefined ? `<= ${mark.most}` : `>= ${mark.least}`,
    isMet(mark) ? "PASS" : "FAIL",
  ]);
  return [rows(["mark", "is", "aim", ""], lines)];
}

function lossList(results) {
  const list = losses(results);
  const lines = list
    .slice(0, LOSSES_MOST)
    .map(({ id, to, figure, factor }) => [
      id.replace("/zero-copy", ""),
      to,
      figure === "gbps" ? "throughput" : "CPU",
      factor.toFixed(2),
    ]);
  const more = list.length > LOSSES_MOST ? `\nand ${list.length - LOSSES_MOST} more` : "";
  const text = lines.length === 0 ? "(nowhere)" : rows(["case", "to", "in", "factor"], lines);
  return [`Where zero-copy loses by more than a tenth\n${text}${more}`];
}

function modeTables(results, mode) {
  return DEVICES.flatMap(({ id, title }) => {
    const cases = results.cases.filter((one) => one.mode === mode.id && one.device === id);
    if (cases.length === 0) return [];
    const head = mode.id === "stream" ? `${mode.title}; ${title}` : `${mode.title}; to ${id}`;
    if (mode.id === "rr") return [`${mode.title}\n${tripTable(cases)}`];
    return [`${head}\n${throughputTable(cases)}\n\n${loadTable(cases)}`, ...lostTable(cases)];
  });
}

export function report(results) {
  const { node, cores, cpu, rounds, ms } = results;
  return [
    `skbuff on Node ${node}, ${cores} cores of ${cpu}.
Medians of ${rounds} rounds of ${ms} ms. Gb/s of payload, and their range; CPU
nanoseconds a KiB of guest, host and device thread, of other threads of the
process, of all of it, and of the peer process. Then percent of a core, and how
often a second each thread went to sleep;
completions, and bytes copied, as counted.`,
    ...MODES.flatMap((mode) => modeTables(results, mode)),
    ...breakEvens(results),
    ...impactTable(results),
    ...markTable(results),
    ...lossList(results),
  ].join("\n\n");
}
