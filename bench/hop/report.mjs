// The figures as text, at most 80 columns wide.

import { LATENCIES } from "./latency.mjs";
import { MESHES } from "./mesh.mjs";
import { PIPES } from "./pipe.mjs";

/** Three significant digits or so, at most six characters. */
export function number(value) {
  if (value === undefined || Number.isNaN(value)) return "-";
  if (value < 99.95) return value.toFixed(1);
  if (value < 9999.5) return value.toFixed(0);
  return value < 999_950
    ? `${(value / 1000).toFixed(value < 99_950 ? 1 : 0)}k`
    : `${(value / 1e6).toFixed(1)}M`;
}

export function rows(head, lines) {
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i].length)));
  const row = (line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  return [row(head), ...lines.map(row)].join("\n");
}

export function pipeTable({ pipe, dpdk }) {
  const lines = PIPES.map(({ id, title }) => {
    const { ns, sender, receiver } = pipe[id];
    return [
      title,
      number(ns),
      number(sender || Number.NaN),
      number(receiver || Number.NaN),
      number(pipe.post.ns / ns),
    ];
  });
  if (dpdk !== null) {
    lines.push([
      `DPDK ${dpdk.version}, untouched`,
      number(dpdk.hop),
      "-",
      "-",
      number(pipe.post.ns / dpdk.hop),
    ]);
    lines.push([
      "DPDK, 8 bytes written and read",
      number(dpdk.touched),
      "-",
      "-",
      number(pipe.post.ns / dpdk.touched),
    ]);
  }
  return rows(["one way, a packet or message", "time", "CPU here", "there", "postMessage /"], lines);
}

export function latencyTable({ latency }) {
  const lines = LATENCIES.map(({ id, title, against }) => {
    const { p50, p99, p999, max } = latency[id];
    const ratio = against === undefined ? "" : (p50 / latency[against].p50).toFixed(2);
    return [title, ...[p50, p99, p999, max].map(number), ratio];
  });
  return rows(["there and back", "p50", "p99", "p99.9", "max", "/ bare"], lines);
}

export function meshTable({ mesh }) {
  const lines = MESHES.map(({ id, title }) => {
    const { ns, sender, workers, receiver } = mesh[id];
    return [title, number(ns), number(sender), workers.map(number).join(" "), number(receiver)];
  });
  return rows(["mesh, 256 bytes summed", "time", "CPU sender", "workers", "receiver"], lines);
}

/** What was aimed at, in ratios, since machines differ. */
export function marks({ pipe, latency, dpdk }) {
  const ratio = (of, by) => of / by;
  return [
    ...(dpdk === null
      ? []
      : [{ what: "one hop of 256 bytes / DPDK's", is: ratio(pipe.skbuff.ns, dpdk.hop), most: 25 / 16 }]),
    { what: "postMessage of 1500 bytes / a hop", is: ratio(pipe.post.ns, pipe.skbuff.ns), least: 100 },
    {
      what: "round trip asleep / bare wait and notify",
      is: ratio(latency.parked.p50, latency["bare-parked"].p50),
      most: 1.3,
    },
    {
      what: "round trip async / bare waitAsync",
      is: ratio(latency.async.p50, latency["bare-async"].p50),
      most: 1.3,
    },
  ];
}

export function markTable(results) {
  const lines = marks(results).map(({ what, is, most, least }) => {
    const met = most === undefined ? is >= least : is <= most;
    const aim = most === undefined ? `at least ${least}` : `at most ${most.toFixed(2)}`;
    return [what, is.toFixed(2), aim, met ? "met" : "missed"];
  });
  return rows(["ratio", "is", "aim", ""], lines);
}
