// npm run bench:stream: what it costs to get messages from a guest thread through a host thread to a device, lent, copied by
// the engine, and by postMessage. The table of Shirley Ma's zero-copy patch of 2011, for JavaScript.
//
// Rounds over all cases, each in a process of its own, those that are compared one after the other, in turned order each
// round. Of each figure the median of the rounds, of ratios the median of each round's ratio: what disturbs the machine for
// a while disturbs both sides of it.

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { figuresOf, spreadAll } from "./stream/figures.mjs";
import { markdown } from "./stream/markdown.mjs";
import { CASES, idOf } from "./stream/plan.mjs";
import { report } from "./stream/report.mjs";

const USAGE = `node bench/stream.mjs [--quick] [--only <regex>] [--json <file>] [--markdown]

  --quick     one short round (about 3 minutes); writes no results
  --only      only cases whose name matches, as stream/tcp/zero-copy/4096, and
              the cost of the checks if "impact" does; writes no results
  --json      writes the figures to this file, whatever was measured
  --markdown  measures nothing: prints bench/results/stream.json for docs/benchmarks.md`;

const RESULTS = new URL("./results/", import.meta.url);
const CASE = fileURLToPath(new URL("./stream/case.mjs", import.meta.url));
const IMPACT = fileURLToPath(new URL("./stream/impact.mjs", import.meta.url));
const TIMEOUT = 60_000;
const ROUNDS = 5;
const IMPACT_ROUNDS = 500;
/** Milliseconds of each case: of CPU time to warm up, and measured. */
const TIMES = { warmUp: 700, ms: 350 };
const QUICK_TIMES = { warmUp: 300, ms: 200 };

/** Where one message is under way at a time, code is seldom run, and compiled later. */
const RR_WARM_UP = 3;

const run = promisify(execFile);

async function measure(one, times) {
  const warmUp = times.warmUp * (one.mode === "rr" ? RR_WARM_UP : 1);
  const { stdout } = await run(process.execPath, [CASE, JSON.stringify({ ...one, ...times, warmUp })], {
    timeout: TIMEOUT,
    maxBuffer: 1 << 24,
  }).catch((error) => {
    throw new Error(`${idOf(one)}: ${error.stderr || error.message}`, { cause: error });
  });
  return figuresOf(one, JSON.parse(stdout.trim().split("\n").at(-1)));
}

async function measureImpact(rounds) {
  const { stdout } = await run(process.execPath, [IMPACT, String(rounds)], { timeout: 4 * TIMEOUT });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measureAll(cases, quick) {
  const times = quick ? QUICK_TIMES : TIMES;
  const rounds = quick ? 1 : ROUNDS;
  const found = new Map(cases.map((one) => [idOf(one), []]));
  try {
    for (let round = 1; round <= rounds; round++) {
      const order = round % 2 === 0 ? cases.toReversed() : cases;
      for (const [i, one] of order.entries()) {
        progress(`round ${round} of ${rounds}, ${i + 1} of ${order.length}: ${idOf(one)}`);
        found.get(idOf(one)).push(await measure(one, times));
      }
    }
  } finally {
    progress("");
  }
  return {
    rounds,
    ...times,
    cases: cases.map((one) => {
      const figures = found.get(idOf(one));
      // Of what ratios are taken of, each round.
      const each = { gbps: figures.map(({ gbps }) => gbps), cpu: figures.map(({ cpu }) => cpu) };
      return { ...one, each, ...spreadAll(figures) };
    }),
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (values.markdown) {
    console.log(markdown(JSON.parse(await readFile(new URL("stream.json", RESULTS), "utf8"))));
    return;
  }
  const wanted = new RegExp(values.only ?? "");
  const cases = CASES.filter((one) => wanted.test(idOf(one)));
  const impact = wanted.test("impact");
  if (cases.length === 0 && !impact) {
    console.error(`No case is called like ${values.only}`);
    process.exitCode = 2;
    return;
  }
  const results = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    ...(await measureAll(cases, values.quick)),
    impact: impact ? await measureImpact(values.quick ? IMPACT_ROUNDS / 5 : IMPACT_ROUNDS) : null,
  };
  console.log(report(results));
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(results));
  if (values.quick || values.only !== undefined) return;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL("stream.json", RESULTS), `${JSON.stringify(results, rounded)}\n`);
  const { drawAll } = await import("./stream/charts.mjs");
  const charts = await drawAll(results);
  for (const [name, svg] of Object.entries(charts)) await writeFile(new URL(name, RESULTS), svg);
  console.log(`\nWritten to bench/results: ${["stream.json", ...Object.keys(charts)].join(", ")}`);
}

/** Five digits are more than a figure has. */
function rounded(_name, value) {
  return typeof value === "number" ? Number(value.toPrecision(5)) : value;
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
