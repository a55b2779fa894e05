// npm run bench:browser: what the operations and a hop to another thread cost in the browsers of this machine.
//
// The programs are those of `npm run bench` and `npm run bench:hop`, bundled. Rounds over all cases, and of each figure the
// best round; no ratio is taken between two browsers.

import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findBrowsers, launch, missingBrowsers } from "../test/browser/browsers.js";
import { serve } from "../test/browser/server.js";
import { bundleBenchmarks } from "./browser/bundle.mjs";
import { HOPS, OPS, SIZES, SUBJECTS } from "./browser/plan.mjs";
import { hopTable, marksTable, microTable } from "./browser/report.mjs";

const USAGE = `npm run bench:browser -- [--quick] [--browser <name>]

  --quick    one short round; writes no results
  --browser  only this one: chromium, firefox or webkit; writes no results`;

const root = process.cwd();
const ROUNDS = 3;

/** Runs a case in a module worker of a new page, as a case has a process of its own in Node. */
const RUN = `
  const worker = new Worker("/bench/worker.mjs", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      worker.terminate();
      if (data.error === undefined) resolve(data.value);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(args[0]);
  });`;

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** The least of each figure, whatever the shape of what holds them. */
function best(rounds) {
  if (typeof rounds[0] !== "object") return Math.min(...rounds.filter(Number.isFinite));
  return Object.fromEntries(Object.keys(rounds[0]).map((key) => [key, best(rounds.map((one) => one[key]))]));
}

async function measure(found, quick) {
  const folder = join(root, "build/bench");
  const served = await serve({
    root: { "/bench": folder, "/dist": join(root, "dist") },
    isolated: true,
    routes: { "/": { body: '<!doctype html><title>bench</title><link rel="icon" href="data:,">' } },
  });
  const browser = await launch(found);
  const page = await browser.newPage();
  const run = async (what) => {
    await page.goto(`${served.url}/`);
    return page.evaluate(RUN, what);
  };
  const rounds = { hop: [], micro: [] };
  try {
    for (let round = 1; round <= (quick ? 1 : ROUNDS); round++) {
      const [hop, micro] = [{}, {}];
      for (const { what, id, n } of HOPS) {
        progress(`${found.name}, round ${round}: hop ${id}`);
        hop[id] = await run({ what, id, n: Math.ceil(n / (quick ? 8 : 1)) });
      }
      for (const { id } of SUBJECTS) {
        progress(`${found.name}, round ${round}: micro ${id}`);
        micro[id] = await run({ what: "micro", id, ops: OPS.map((op) => op.id), sizes: SIZES, quick });
      }
      rounds.hop.push(hop);
      rounds.micro.push(micro);
    }
    return { version: browser.version, hop: best(rounds.hop), micro: best(rounds.micro) };
  } finally {
    progress("");
    await browser.close();
    await served.close();
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      browser: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  await bundleBenchmarks(join(root, "build/bench"));
  const browsers = {};
  for (const found of findBrowsers().filter(({ name }) => (values.browser ?? name) === name))
    browsers[found.name] = await measure(found, values.quick);
  const results = {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    // nanoseconds
    browsers,
  };
  for (const name of missingBrowsers()) console.log(`${name}: not found on this machine`);
  console.log(`skbuff in browsers, ${results.cores} cores of ${results.cpu}. Nanoseconds.`);
  for (const table of [hopTable, microTable, marksTable]) console.log(`\n${table(results)}`);
  if (values.quick || values.browser !== undefined) return;
  await mkdir(join(root, "bench/results"), { recursive: true });
  await writeFile(join(root, "bench/results/browser.json"), `${JSON.stringify(results, null, 2)}\n`);
  console.log("\nWritten: bench/results/browser.json");
}

await main();
