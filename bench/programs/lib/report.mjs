// The figures as text and as a section of docs/benchmarks.md.

import { FIGURES, marksOf } from "./figures.mjs";

/** A ratio that is worse than this is a loss. */
const LOSS = 1.05;

function number(value) {
  if (value === undefined || !Number.isFinite(value)) return "-";
  if (value >= 10_000) return `${(value / 1000).toFixed(value < 99_950 ? 1 : 0)}k`;
  return value >= 99.5 ? value.toFixed(0) : value.toPrecision(3);
}

const shown = (sides) =>
  Object.keys(FIGURES).filter((figure) => Object.values(sides).some((side) => side[figure] !== undefined));

/** Rows of a load: a side each, and how many times theirs ours is. */
function rowsOf({ title, sides, ratios }, figures) {
  const rows = Object.entries(sides).map(([side, all]) => [
    side === "ours" ? title : "",
    side,
    ...figures.map((figure) => number(all[figure]?.median * FIGURES[figure].scale)),
  ]);
  for (const [side, all] of Object.entries(ratios)) {
    const cells = figures.map((figure) => {
      const ratio = all[figure];
      return ratio === undefined
        ? "-"
        : `${ratio.median.toFixed(2)} (${ratio.least.toFixed(2)}-${ratio.most.toFixed(2)})`;
    });
    rows.push(["", `ours / ${side}`, ...cells]);
  }
  return rows;
}

/** Where ours is worse, by figure and load. */
function lossesOf({ loads }) {
  const found = [];
  for (const { title, ratios } of loads)
    for (const [side, all] of Object.entries(ratios))
      for (const [figure, { median }] of Object.entries(all)) {
        const worse = FIGURES[figure].more ? 1 / median : median;
        if (worse > LOSS) found.push({ title, side, figure, worse });
      }
  return found.sort((a, b) => b.worse - a.worse);
}

/** How far apart the cores were, over all runs; two threads of one core take some 70 to 120 ns. */
function distanceText({ loads }) {
  const all = loads.flatMap(({ sides }) => Object.values(sides).flatMap(({ apart }) => apart ?? []));
  if (all.length === 0) return "";
  const [least, most] = [Math.min(...all.map((one) => one.least)), Math.max(...all.map((one) => one.most))];
  return ` A word went there and back between two threads in ${least.toFixed(0)} to ${most.toFixed(0)} ns.`;
}

const lossText = ({ title, side, figure, worse }) =>
  `${FIGURES[figure].title.split(",")[0]} against ${side}, ${title}: ${worse.toFixed(2)} times`;

const markText = ({ figure, against, most, least, load, is, met }) =>
  `${FIGURES[figure].title.split(",")[0]}${load === undefined ? "" : ` (${load})`}, ours${against === "nothing" ? "" : ` / ${against}`}: ${is
    .map((ratio) => ratio.toFixed(2))
    .join(
      ", ",
    )}; mark ${most === undefined ? `at least ${least}` : `at most ${most}`}: ${met ? "met" : "missed"}`;

function columns(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
    )
    .join("\n");
}

export function text(measured, cases) {
  return measured
    .map((one) => {
      const known = cases.find(({ name }) => name === one.name);
      const figures = shown(one.loads[0].sides);
      const head = ["", "", ...figures.map((figure) => FIGURES[figure].title)];
      const rows = one.loads.flatMap((load) => rowsOf(load, figures));
      const marks = marksOf(known, one).map(markText);
      return [`${one.name}: ${known.title}`, columns([head, ...rows]), ...marks].join("\n");
    })
    .join("\n\n");
}

/** A section for each program: what is lost first, then marks, then all figures. */
export function markdown({ cases: measured }, cases) {
  return measured
    .map((one) => {
      const known = cases.find(({ name }) => name === one.name);
      const figures = shown(one.loads[0].sides);
      const head = ["load", "", ...figures.map((figure) => FIGURES[figure].title)];
      const rule = head.map((_, i) => (i < 2 ? "---" : "--:"));
      const rows = one.loads.flatMap((load) => rowsOf(load, figures));
      const table = [head, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
      const losses = lossesOf(one).map((loss) => `- ${lossText(loss)}`);
      const marks = marksOf(known, one).map(
        (mark) => `- ${mark.met ? "" : "**"}${markText(mark)}${mark.met ? "" : "**"}`,
      );
      return [
        `### ${known.title}`,
        `Node ${one.node}, ${one.cores} cores of ${one.cpu}, ${one.date.slice(0, 10)}; medians of ${one.rounds} rounds, least and most in brackets; CPU is that of a ${known.unit}, of the whole process.${distanceText(one)}`,
        losses.length === 0 ? "Ours loses nowhere by more than 5%." : `Ours loses:\n\n${losses.join("\n")}`,
        `Marks:\n\n${marks.join("\n")}`,
        table,
        ...(known.notes === undefined ? [] : [known.notes]),
      ].join("\n\n");
    })
    .join("\n\n");
}
