// npm run bench:hop: what it costs to pass packets to another thread, beside postMessage, other rings, bare Atomics and
// native DPDK.
//
// Rounds over all cases, each in a process of its own. One way, figures are grouped by how far apart the two threads' cores were
// (hop/distance.mjs), and of each group the best round counts: ratios are taken within a state, between rounds of one invocation. Of
// latencies it is the middle round, of meshes the best.

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { STATES, stateOf } from "./hop/distance.mjs";
import { LATENCIES } from "./hop/latency.mjs";
import { MESHES } from "./hop/mesh.mjs";
import { PIPES } from "./hop/pipe.mjs";
import { cpuTable, DPDK, latencyTable, markTable, meshTable, pipeTable } from "./hop/report.mjs";
import { buildDpdk } from "./native/build.mjs";

const USAGE = `node bench/hop.mjs [--quick] [--rounds <n>]

  --quick   one short round (about 20 s); writes no results
  --rounds  rounds over all cases. Default: 5`;

const RESULTS = new URL("./results/", import.meta.url);
const CASE = fileURLToPath(new URL("./hop/case.mjs", import.meta.url));
const TIMEOUT = 120_000;
const ROUNDS = 5;

/** How many packets, messages or round trips a case takes: about a second's worth. */
const COUNTS = {
  pipe: {
    default: 200_000,
    handles: 8_000_000,
    handled: 4_000_000,
    skbuff: 8_000_000,
    fresh: 8_000_000,
    touched: 4_000_000,
    js: 2_000_000,
    bytes: 2_000_000,
  },
  latency: { default: 20_000, spinning: 200_000, "bare-spinning": 200_000 },
  mesh: { default: 1_000_000 },
};
const CASES = [
  ...PIPES.map(({ id }) => ({ kind: "pipe", id })),
  ...LATENCIES.map(({ id }) => ({ kind: "latency", id })),
  ...MESHES.map(({ id }) => ({ kind: "mesh", id })),
];

async function measure({ kind, id }, quick) {
  const n = Math.ceil((COUNTS[kind][id] ?? COUNTS[kind].default) / (quick ? 8 : 1));
  const { stdout } = await promisify(execFile)(process.execPath, [CASE, kind, id, String(n)], {
    timeout: TIMEOUT,
  });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Of each state the best round, and how many there were. */
function byState(rounds) {
  const found = {};
  for (const { id } of STATES) {
    const those = rounds.filter(({ trips }) => stateOf(trips) === id);
    if (those.length > 0) found[id] = { ...best(those), rounds: those.length, worst: worst(those) };
  }
  return found;
}

function worst(rounds) {
  return Math.max(...rounds.map(({ ns }) => ns));
}

/** The round with the least time: its other figures belong to it. */
function best(rounds) {
  return rounds.reduce((least, one) => (one.ns < least.ns ? one : least));
}

/** The round in the middle: how long a wake-up takes depends on how deep the other core sleeps, and the least is luck. */
function middle(rounds) {
  return rounds.toSorted((a, b) => a.p50 - b.p50)[rounds.length >>> 1];
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measureAll(rounds, quick) {
  const dpdk = await buildDpdk("hop");
  const found = { pipe: {}, latency: {}, mesh: {} };
  const native = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const one of CASES) {
        progress(`round ${round} of ${rounds}: ${one.kind} ${one.id}`);
        found[one.kind][one.id] ??= [];
        found[one.kind][one.id].push(await measure(one, quick));
      }
      if (dpdk !== null) native.push(...(await dpdk.measure()));
    }
  } finally {
    await dpdk?.remove();
    progress("");
  }
  const summary = { pipe: byState, latency: middle, mesh: best };
  for (const [kind, ids] of Object.entries(found))
    for (const id of Object.keys(ids)) ids[id] = summary[kind](ids[id]);
  const dpdkOf = (op) => byState(native.filter((one) => one.op === op));
  const figures = dpdk && {
    version: dpdk.version,
    ...Object.fromEntries(DPDK.map(({ id }) => [id, dpdkOf(id)])),
  };
  return { ...found, dpdk: figures };
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: String(ROUNDS) },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const results = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    // nanoseconds
    ...(await measureAll(values.quick ? 1 : Number(values.rounds), values.quick)),
  };
  console.log(`skbuff on Node ${results.node}, ${results.cores} cores of ${results.cpu}. Nanoseconds.`);
  for (const table of [pipeTable, cpuTable, latencyTable, meshTable, markTable])
    console.log(`\n${table(results)}`);
  if (values.quick) return;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL("hop.json", RESULTS), `${JSON.stringify(results, null, 2)}\n`);
  console.log("\nWritten: bench/results/hop.json");
}

await main();
