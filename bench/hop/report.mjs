// The figures as text, at most 80 columns wide.

import { STATES } from "./distance.mjs";
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

/** What DPDK does in the same run: pools that a cache holds, and that none does. */
export const DPDK = [
  { id: "hop", title: "untouched, pool of 8191" },
  { id: "touched", title: "8 bytes written and read" },
  { id: "large", title: "untouched, pool of 65535" },
];

/** Time of the best round, in each state, and what a postMessage takes of it; with how many rounds there were. */
export function pipeTable({ pipe, dpdk }) {
  const cells = (found) =>
    STATES.flatMap(({ id }) => {
      const [ours, post] = [found?.[id], pipe.post[id]];
      return [
        number(ours?.ns),
        number(ours && post ? post.ns / ours.ns : undefined),
        String(ours?.rounds ?? 0),
      ];
    });
  const lines = PIPES.map(({ id, title }) => [title, ...cells(pipe[id])]);
  if (dpdk !== null)
    for (const { id, title } of DPDK) lines.push([`DPDK ${dpdk.version}, ${title}`, ...cells(dpdk[id])]);
  const head = STATES.flatMap(({ title }) => [title, "post /", "n"]);
  return rows(["one way, a packet or message", ...head], lines);
}

/** CPU time of both threads, of the best round of the state that there was most of. */
export function cpuTable({ pipe }) {
  const lines = PIPES.map(({ id, title }) => {
    const most = Object.values(pipe[id]).toSorted((a, b) => b.rounds - a.rounds)[0] ?? {};
    return [title, number(most.sender || Number.NaN), number(most.receiver || Number.NaN)];
  });
  return rows(["CPU time, a packet or message", "here", "there"], lines);
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

/** What was aimed at, in ratios within a state of the machine, since machines differ. */
export function marks({ pipe, latency, mesh, dpdk }) {
  const aims = { apart: { skbuff: 1, handles: 0.7 }, together: { skbuff: 2.5, handles: 1.4 } };
  const touched = { apart: 4, together: 2 };
  const hops = STATES.flatMap(({ id, title }) => {
    const ratio = (ours, theirs) => pipe[ours][id]?.ns / dpdk?.[theirs]?.[id]?.ns;
    return [
      { what: `hop, objects reused / DPDK, ${title}`, is: ratio("skbuff", "hop"), most: aims[id].skbuff },
      { what: `hop, without objects / DPDK, ${title}`, is: ratio("handles", "hop"), most: aims[id].handles },
      { what: `hop touched / DPDK, ${title}`, is: ratio("handled", "touched"), most: touched[id] },
      {
        what: `postMessage of 1500 bytes / a hop, ${title}`,
        is: pipe.post[id]?.ns / pipe.skbuff[id]?.ns,
        least: 100,
      },
    ];
  });
  return [
    ...hops.filter(({ is }) => Number.isFinite(is)),
    {
      what: "round trip asleep / bare wait and notify",
      is: latency.parked.p50 / latency["bare-parked"].p50,
      most: 1.3,
    },
    {
      what: "round trip async / bare waitAsync",
      is: latency.async.p50 / latency["bare-async"].p50,
      most: 1.3,
    },
    { what: "mesh with 4 workers / with 1", is: mesh[4].ns / mesh[1].ns, most: 1.1 },
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
