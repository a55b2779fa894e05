// The figures as text, at most 80 columns wide.

import { BURST, OPS, SIZE_LABELS, SIZES, SUBJECTS } from "./micro/ops.mjs";

const [FIRST] = SUBJECTS;
/** Slower than this many times another subject is a loss. */
const LOSS = 1.1;
const KIB = 1024;

/** Three significant digits or so, at most six characters. */
function number(value) {
  if (value === undefined) return "-";
  if (value < 9.995) return value.toFixed(2);
  if (value < 99.95) return value.toFixed(1);
  return value < 99_999.5 ? value.toFixed(0) : `${(value / 1000).toFixed(0)}k`;
}

function ratioText(value) {
  if (value >= 99.5) return value.toFixed(0);
  return value < 9.95 ? value.toFixed(2).slice(0, 4) : value.toFixed(1);
}

/** Rows of cells as lines, the first column to the left. */
function columns(rows, widths) {
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" "),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}

export function opTable({ id, title }, { ns }) {
  const header = ["bytes", ...SUBJECTS.map(({ short }) => short)];
  const rows = SIZES.map((size) => {
    const ours = ns[FIRST.id][id]?.[size];
    const cells = SUBJECTS.slice(1).map((subject) => {
      const theirs = ns[subject.id][id]?.[size];
      if (theirs === undefined || ours === undefined) return number(theirs);
      return `${number(theirs)} (${ratioText(theirs / ours)})`;
    });
    return [String(size), number(ours), ...cells];
  });
  return `${title}\n${columns([header, ...rows], [5, 8, 12, 12, 12, 12, 12])}`;
}

/** Every cell in which another subject beats Wasm shared, those of one operation and subject on a line. */
export function lossList({ ns }) {
  const groups = [];
  for (const { id } of OPS) {
    for (const { id: rival, short } of SUBJECTS.slice(1)) {
      const cells = SIZES.map((size, i) => ({
        label: SIZE_LABELS[i],
        ratio: ns[FIRST.id][id]?.[size] / ns[rival][id]?.[size],
      }))
        .filter(({ ratio }) => ratio > LOSS)
        .sort((a, b) => b.ratio - a.ratio);
      if (cells.length > 0) groups.push({ id, short, cells });
    }
  }
  groups.sort((a, b) => b.cells[0].ratio - a.cells[0].ratio);
  const lines = groups.map(({ id, short, cells }) => {
    const factors = cells.map(({ label, ratio }) => `${label}:${ratio.toFixed(1)}`);
    return `${id.padEnd(10)}${short.padEnd(10)}${factors.join(" ")}`;
  });
  const title = "Where we lose: operation, to whom, and at which size by what factor";
  return [title, ...(lines.length === 0 ? ["(nowhere)"] : lines)].join("\n");
}

function densityLimits({ density }) {
  const limits = { 64: 512, 1500: 2.5 * KIB, 65536: 1.1 * 65536 };
  return density.map((row) => ({ ...row, limit: limits[row.size] }));
}

export function densityTable(results) {
  const rows = densityLimits(results).map(({ size, packets, truesize, measured, limit }) =>
    [size, packets, truesize, Math.round(measured), Math.round(limit)].map(String),
  );
  const header = ["bytes", "packets", "truesize", "measured", "limit"];
  return `Arena bytes a packet, in 16 MiB filled, each with 64 bytes of headroom\n${columns(
    [header, ...rows],
    [5, 10, 10, 10, 10],
  )}`;
}

function nativeMarks(ns, dpdk) {
  // Times DPDK; without it, times what DPDK took where the marks were made.
  const marks = [
    { op: "alloc", title: "alloc + release", most: 3.5, native: 5.4 },
    { op: "burst", title: `alloc + release in bursts of ${BURST}, a packet`, most: 1.7, native: 10 },
    { op: "reuse", as: "burst", title: "the same, Skb objects reused", most: 1.3, native: 10 },
    { op: "handles", as: "burst", title: "the same, without objects", most: 0.8, native: 10 },
    { op: "twin", title: "alloc + clone + release x 2", most: 1.8, native: 21.5 },
  ];
  return marks.map(({ op, as = op, title, most, native }) => {
    const ours = ns[FIRST.id][op]?.[1500];
    if (dpdk === null) return { title: `${title}, ns`, value: ours, most: most * native };
    const theirs = dpdk.ns[as];
    const note = `${number(ours)} / ${number(theirs)} ns`;
    return { title: `${title}: times DPDK`, value: ours / theirs, most, note };
  });
}

/** What the project has said it will reach, with what it did. */
export function marks({ ns, dpdk, wasmBytes, ...rest }) {
  const us = ns[FIRST.id];
  const js = ns["js-shared"];
  const faster = (op, size) => js[op]?.[size] / us[op]?.[size];
  const copies = SIZES.filter((size) => size >= 1500).map((size) => faster("copy", size));
  return [
    ...nativeMarks(ns, dpdk),
    { title: "alloc + release: times faster than the JS core", value: faster("alloc", 1500), least: 2.5 },
    { title: "clone + release: times faster than the JS core", value: faster("clone", 1500), least: 2.5 },
    { title: "copy, 1500 bytes and more: times faster than JS core", value: Math.min(...copies), least: 3 },
    {
      title: "clone of 64 KiB: times cheaper than its copy",
      value: us.copy?.[65536] / us.clone?.[65536],
      least: 50,
    },
    { title: "checksum: times faster than the JS core", value: faster("checksum", 1500), least: 8 },
    { title: "Wasm for shared memory, KiB", value: wasmBytes / KIB, most: 24 },
    ...densityLimits(rest).map(({ size, measured, limit }) => ({
      title: `arena bytes for a packet of ${size}`,
      value: measured,
      most: limit,
    })),
  ];
}

export function markTable(results) {
  const lines = marks(results)
    // What was not measured has no mark.
    .filter(({ value }) => Number.isFinite(value))
    .flatMap(({ title, value, least, most, note }) => {
      const mark = least === undefined ? `<= ${number(most)}` : `>= ${number(least)}`;
      const passed = least === undefined ? value <= most : value >= least;
      const line = columns([[title, number(value), mark, passed ? "pass" : "FAIL"]], [53, 7, 9, 5]);
      // On a line of its own, or the table would be too wide.
      return note === undefined ? [line] : [line, `    ${note}`];
    });
  const { dpdk } = results;
  const judged =
    dpdk === null
      ? "DPDK is not installed: its marks are judged by nanoseconds."
      : `Against DPDK ${dpdk.version}, measured in this run: marks are ratios.`;
  return ["Marks, at 1500 bytes where nothing else is said", judged, ...lines].join("\n");
}
