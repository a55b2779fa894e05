// npm run bench:page: makes docs/benchmarks.md from the JSON files in bench/results, and from those of bench/results/before, which
// are of the version before. Measures nothing. Losses come first.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { STATES } from "./hop/distance.mjs";
import { LATENCIES } from "./hop/latency.mjs";
import { MESHES } from "./hop/mesh.mjs";
import { PIPES } from "./hop/pipe.mjs";
import { DPDK, marks as hopMarks, number } from "./hop/report.mjs";
import { OPS, SUBJECTS } from "./micro/ops.mjs";
import { CASES } from "./programs/cases.mjs";
import { markdown as programs } from "./programs/lib/report.mjs";
import { marks as microMarks } from "./report.mjs";
import { markdown as streams } from "./stream/markdown.mjs";

const PAGE = fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url));
const SIZES = [64, 1500, 65536];
/** A ratio below this is a tie: the machines that we have are noisy. */
const TIE = 1.4;

/** What was stored of a benchmark; null if it has not been run. */
function stored(name, folder = "results") {
  try {
    return JSON.parse(readFileSync(new URL(`./${folder}/${name}.json`, import.meta.url), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function table(head, lines, texts = 1) {
  const rule = head.map((_, i) => (i < texts ? "---" : "--:"));
  return [head, rule, ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

const whole = (ns) => (ns === undefined ? "-" : ns < 99.5 ? ns.toPrecision(2) : number(ns));

const machineOf = ({ node, cpu, cores, date }) =>
  `Node ${node}, ${cpu}${cores === undefined ? "" : `, ${cores} cores`}, ${date.slice(0, 10)}`;

const aims = (marks) =>
  table(
    ["", "is", "aim", ""],
    marks.map(({ title, what = title, is, value = is, most, least }) => [
      what,
      value.toFixed(2),
      least === undefined ? `at most ${number(most)}` : `at least ${number(least)}`,
      (least === undefined ? value <= most : value >= least) ? "met" : "**missed**",
    ]),
  );

// ─── Operations ────────────────────────────────────────────────────────────────────────────────────────

/** Where another subject is faster, by more than a tie: the operation, and for each subject the sizes and factors. */
function microLosses({ ns }) {
  const [us, ...others] = SUBJECTS;
  const lines = OPS.flatMap(({ id, title }) =>
    others.flatMap((other) => {
      const worse = Object.entries(ns[us.id][id] ?? {}).flatMap(([size, ours]) => {
        const ratio = ours / ns[other.id][id]?.[size];
        return ratio > TIE ? [`${size} (${ratio.toFixed(1)})`] : [];
      });
      return worse.length === 0 ? [] : [`- ${title}, to ${other.title}: ${worse.join(", ")}`];
    }),
  );
  return lines.length === 0 ? "Nowhere." : lines.join("\n");
}

function operations(results, before) {
  const [us, ...others] = SUBJECTS;
  const lines = OPS.flatMap(({ id, title }) =>
    SIZES.flatMap((size, i) => {
      const ours = results.ns[us.id][id]?.[size];
      if (ours === undefined) return [];
      const cells = others.map(({ id: other }) => {
        const theirs = results.ns[other][id]?.[size];
        return theirs === undefined ? "-" : `${whole(theirs)} (${(theirs / ours).toFixed(1)})`;
      });
      return [
        [
          i === 0 ? title : "",
          String(size),
          whole(before?.ns[us.id][id]?.[size]),
          `**${whole(ours)}**`,
          ...cells,
        ],
      ];
    }),
  );
  const head = ["", "bytes", "before", us.title, ...others.map(({ title }) => title)];
  return [
    "## Operations",
    `\`npm run bench\`. ${machineOf(results)}. Nanoseconds a packet, the best of several rounds; in brackets the ratio to Wasm on shared
memory, above 1 where that is faster. "Before" is that column of ${before?.date.slice(0, 10) ?? "-"}, measured on another day: only what is in one column, or one
run, can be compared. The machine is a noisy one: a ratio between 0.7 and ${TIE} is a tie. All sizes are in
[micro.json](../bench/results/micro.json), drawn in [micro.svg](../bench/results/micro.svg).`,
    `**Where we lose**, by bytes and factor:\n\n${microLosses(results)}\n\nJavaScript copies to and from shared memory slowly, and a byte that
comes from outside must be copied so once. From 4 KiB on a head is a run of pages, searched for in a bitmap.`,
    aims(microMarks(results).filter(({ value }) => Number.isFinite(value))),
    table(head, lines),
    `Node and bl release nothing: their collector does, and its time is in their figures. Their clone is \`subarray\` and
\`duplicate\`, their linearize \`Buffer.concat\` and \`slice\`, their checksum the usual loop.`,
  ].join("\n\n");
}

// ─── From thread to thread ─────────────────────────────────────────────────────────────────────────────

/** A figure of before has no states. */
const beforeOf = (before, id) => whole(before?.pipe[id]?.ns);

function hops(results, before) {
  const { pipe, latency, mesh, dpdk } = results;
  const cells = (found) =>
    STATES.flatMap(({ id }) => {
      const one = found?.[id];
      return one === undefined ? ["-", "-"] : [`**${whole(one.ns)}**`, `${whole(one.worst)} (${one.rounds})`];
    });
  const lines = PIPES.map(({ id, title }) => [title, beforeOf(before, id), ...cells(pipe[id])]);
  for (const { id, title } of dpdk === null ? [] : DPDK)
    lines.push([`DPDK ${dpdk.version}, ${title}`, whole(before?.dpdk?.[id]), ...cells(dpdk[id])]);
  const head = ["one way", "before", ...STATES.flatMap(({ title }) => [title, "worst (rounds)"])];
  return [
    "## From thread to thread",
    `\`npm run bench:hop\`. ${machineOf(results)}. Nanoseconds a packet or message. Virtual cores are now two cores and now one core's two
threads, and the host changes that within seconds: how long a word takes there and back tells which it is, before and after each
round. Figures stand by state, the best of its rounds; a round in which the state changed counts in none. "Before", of ${before?.date.slice(0, 10) ?? "-"},
does not know states. All figures are in [hop.json](../bench/results/hop.json).`,
    aims(hopMarks(results)),
    table(head, lines),
    "There and back, the middle one of the rounds:",
    table(
      ["", "p50", "p99", "p99.9", "p50 / bare"],
      LATENCIES.map(({ id, title, against }) => {
        const { p50, p99, p999 } = latency[id];
        return [
          title,
          number(p50),
          number(p99),
          number(p999),
          against ? (p50 / latency[against].p50).toFixed(2) : "",
        ];
      }),
    ),
    "A mesh: 256 bytes written, summed, released; time, and CPU time of each thread:",
    table(
      ["", "time", "sender", "each worker", "receiver"],
      MESHES.map(({ id, title }) => {
        const { ns, sender, workers, receiver } = mesh[id];
        return [title, number(ns), number(sender), workers.map(number).join(" "), number(receiver)];
      }),
    ),
  ].join("\n\n");
}

// ─── In browsers ───────────────────────────────────────────────────────────────────────────────────────

function browsers({ browsers: found, date, cpu, cores }) {
  const list = Object.values(found);
  const lines = PIPES.filter(({ id }) => list.some(({ hop }) => hop[id] !== undefined)).map(
    ({ id, title }) => [
      title,
      ...list.flatMap(({ hop }) => [whole(hop[id]), (hop.post / hop[id]).toFixed(1)]),
    ],
  );
  return [
    "## In browsers",
    `\`npm run bench:browser\`. ${cpu}, ${cores} cores, ${date.slice(0, 10)}. Nanoseconds a packet or message from one worker to another, the best
of three rounds, and how many times as long \`postMessage\` of 1500 bytes takes. All figures are in
[browser.json](../bench/results/browser.json). In Firefox a worker's making a worker hangs for minutes now and then, and the benchmark with it.`,
    table(["", ...list.flatMap(({ version }) => [version.replace(/(\d)\.[\d.]*$/, "$1"), ""])], lines),
  ].join("\n\n");
}

/** The page. */
export function page() {
  const micro = stored("micro");
  const hop = stored("hop");
  const whole = stored("programs");
  return `${[
    "# Benchmarks",
    `What whole programs, operations, hops between threads and streams cost, beside what one writes today without the package, and native
DPDK. Nothing here is a promise: measure on your machine (\`npm run bench:programs\`, \`bench\`, \`bench:hop\`, \`bench:stream\`,
\`bench:browser\` in a clone). This page is made from their results by \`npm run bench:page\`; a test compares it with them.`,
    ...(whole === null
      ? []
      : [
          "## Whole programs",
          `\`npm run bench:programs\`: each program twice, with the package and as one writes it today without it (\`bench/programs\`
in a clone), with traffic by a third process.`,
          programs(whole, CASES),
        ]),
    operations(micro, stored("micro", "results/before")),
    hops(hop, stored("hop", "results/before")),
    browsers(stored("browser")),
    "## Streams: zero-copy, copies and postMessage",
    streams(stored("stream"))
      .replace(/^### The patch's table\n\n/, "")
      .replaceAll("(bench/results/", "(../bench/results/"),
  ].join("\n\n")}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, page());
