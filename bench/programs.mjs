// npm run bench:programs: whole programs, each twice, with the package and as one writes it today without it.
//
// Each run has a process for the program and one for its traffic. Runs of the two alternate, and who comes first alternates, too:
// ratios are of runs side by side, and of them the median. What disturbs the machine for a while disturbs both.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { CASES } from "./programs/cases.mjs";
import { summaryOf } from "./programs/lib/figures.mjs";
import { machine } from "./programs/lib/machine.mjs";
import { markdown, text } from "./programs/lib/report.mjs";
import { check, measure } from "./programs/lib/run.mjs";

const USAGE = `node bench/programs.mjs [--quick] [--only <regex>] [--rounds <n>] [--json <file>]
                            [--markdown] [--profile <folder>]

  --quick     looks whether both do the same work, and measures one short
              round of the lightest load; writes no results
  --only      only programs whose name matches, as relay; the results of the
              others stay
  --rounds    rounds of each load. Default: 5
  --load      only loads whose name matches, as 20000; writes no results
  --json      writes the figures to this file, whatever was measured
  --profile   writes a CPU profile of each program to this folder; writes no
              results
  --markdown  measures nothing: prints bench/results/programs.json for
              docs/benchmarks.md`;

const RESULTS = new URL("./results/programs.json", import.meta.url);
const ROUNDS = 5;
/** Milliseconds of each run: warming up, the load settling, and measured. */
const TIMES = { warmUp: 2000, settle: 500, ms: 3000 };
const QUICK_TIMES = { warmUp: 300, settle: 100, ms: 500 };

function progress(words) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${words}`);
}

/** Of each load of a case, and each of its programs, the figures of all rounds. */
async function measureCase(one, { rounds, times, loads, profile }) {
  const found = [];
  for (const load of loads) {
    const runs = Object.fromEntries(Object.keys(one.programs).map((side) => [side, []]));
    for (let round = 0; round < rounds; round++) {
      const sides = Object.keys(one.programs);
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        progress(`${one.name}, ${load.id}: round ${round + 1} of ${rounds}, ${side}`);
        runs[side].push(await measure(one, side, load, { ...times, profile }));
      }
    }
    found.push(summaryOf(one, load, runs));
  }
  progress("");
  return found;
}

async function checkCase(one) {
  const sides = Object.keys(one.programs);
  const found = {};
  for (const side of sides) {
    progress(`${one.name}: what ${side} does`);
    found[side] = await check(one, side);
  }
  progress("");
  return found;
}

async function stored() {
  try {
    return JSON.parse(await readFile(RESULTS, "utf8")).cases;
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      load: { type: "string", default: "" },
      rounds: { type: "string" },
      json: { type: "string" },
      profile: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (values.markdown) {
    console.log(markdown(JSON.parse(await readFile(RESULTS, "utf8")), CASES));
    return;
  }
  const { quick, only, profile, load: wanted } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : ROUNDS));
  const cases = CASES.filter(({ name }) => new RegExp(only).test(name));
  if (cases.length === 0) throw new Error(`No program is called like ${only}`);
  const keeps = !quick && profile === undefined && wanted === "";
  const measured = [];
  for (const one of cases) {
    const checked = await checkCase(one);
    const loads = one.loads.filter(({ id }) => new RegExp(wanted).test(id));
    const setting = {
      rounds,
      times: quick ? QUICK_TIMES : TIMES,
      loads: quick ? loads.slice(0, 1) : loads,
      profile,
    };
    const found = { name: one.name, ...machine(), rounds, checked, loads: await measureCase(one, setting) };
    measured.push(found);
    console.log(`${text([found], CASES)}\n`);
    // At once: the next one takes minutes, and may fail.
    if (keeps) await store(found);
  }
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify({ cases: measured }));
  if (keeps) console.log("Written: bench/results/programs.json");
}

/** Puts the figures of a case in the place of its last ones. */
async function store(found) {
  const order = CASES.map(({ name }) => name);
  const all = [...(await stored()).filter(({ name }) => name !== found.name), found];
  all.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  await mkdir(new URL(".", RESULTS), { recursive: true });
  await writeFile(RESULTS, `${JSON.stringify({ cases: all }, rounded, 1)}\n`);
}

/** Five digits are more than a figure has. */
function rounded(_name, value) {
  return typeof value === "number" ? Number(value.toPrecision(5)) : value;
}

await main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
