// npm run bench: what the operations cost, on every core, beside Node's Buffer, bl and native DPDK.
//
// Rounds over all subjects, each in a process of its own, and of each figure the best round: what disturbs the
// machine for a while disturbs all subjects alike, and no ratio is taken between two invocations.

import { fork } from "node:child_process";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chart } from "./chart.mjs";
import { density } from "./micro/density.mjs";
import { OPS, SIZES, SUBJECTS } from "./micro/ops.mjs";
import { buildDpdk } from "./native/build.mjs";
import { densityTable, lossList, markTable, opTable } from "./report.mjs";

const ROUNDS = 8;

const USAGE = `node bench/micro.mjs [--quick] [--rounds <n>] [--op <id>]...

  --quick   one short round (about 30 s); writes no results
  --rounds  rounds over all subjects. Default: ${ROUNDS}
  --op      only this operation; writes no results. Operations:
            ${OPS.map(({ id }) => id).join(" ")}`;

const DENSITY_SIZES = [64, 1500, 65536];
const RESULTS = new URL("./results/", import.meta.url);
const WASM = new URL("../build/core.wasm", import.meta.url);

function measureSubject(id, ops, quick) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("./micro/child.mjs", import.meta.url)), {
      execArgv: ["--expose-gc"],
    });
    let times;
    child.once("message", (message) => {
      times = message;
    });
    child.once("error", reject);
    child.once("exit", (code) => (times ? resolve(times) : reject(new Error(`${id}: exit ${code}`))));
    child.send({ id, ops, quick });
  });
}

/** One figure of several rounds: the best, but of differences, whose best is the luckiest, the median. */
function summary(figures, { less }) {
  const sorted = figures.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[less === undefined ? 0 : sorted.length >>> 1];
}

/** A subject's figures from those of all rounds. */
function summarise(rounds) {
  const measured = OPS.filter(({ id }) => rounds[0][id] !== undefined);
  return Object.fromEntries(
    measured.map((op) => {
      const figures = SIZES.map((size) => [
        size,
        summary(
          rounds.map((times) => times[op.id][size]),
          op,
        ),
      ]);
      return [op.id, Object.fromEntries(figures)];
    }),
  );
}

async function measureAll(ops, rounds, quick) {
  const dpdk = await buildDpdk("dpdk");
  const native = [];
  const measured = Object.fromEntries(SUBJECTS.map(({ id }) => [id, []]));
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const { id, title } of SUBJECTS) {
        progress(`round ${round} of ${rounds}: ${title}`);
        measured[id].push(await measureSubject(id, ops, quick));
      }
      if (dpdk !== null) native.push(await dpdk.measure());
    }
  } finally {
    await dpdk?.remove();
    progress("");
  }
  const least = (op) => Math.min(...native.map((ns) => ns[op]));
  return {
    ns: Object.fromEntries(Object.entries(measured).map(([id, times]) => [id, summarise(times)])),
    dpdk: dpdk && {
      version: dpdk.version,
      ns: { alloc: least("alloc"), burst: least("burst"), twin: least("twin") },
    },
  };
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: String(ROUNDS) },
      op: { type: "string", multiple: true, default: [] },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const unknown = values.op.find((op) => OPS.every(({ id }) => id !== op));
  if (values.help || unknown !== undefined) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const ops = values.op.length > 0 ? values.op : OPS.map(({ id }) => id);
  const { ns, dpdk } = await measureAll(ops, values.quick ? 1 : Number(values.rounds), values.quick);
  const results = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model ?? "unknown",
    wasmBytes: (await stat(WASM)).size,
    density: await Promise.all(DENSITY_SIZES.map(density)),
    dpdk,
    // nanoseconds: subject, operation, payload bytes
    ns,
  };

  console.log(`skbuff on Node ${results.node}, ${results.cpu}`);
  console.log("Nanoseconds an operation, and in brackets the ratio to Wasm shared: above 1,");
  console.log("Wasm shared is faster. Columns: Wasm and JS cores on shared and unshared memory.");
  for (const op of OPS.filter(({ id }) => ops.includes(id))) console.log(`\n${opTable(op, results)}`);
  console.log(`\n${densityTable(results)}\n\n${lossList(results)}\n\n${markTable(results)}`);

  if (values.quick || values.op.length > 0) return;
  await mkdir(RESULTS, { recursive: true });
  await writeFile(new URL("micro.json", RESULTS), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(new URL("micro.svg", RESULTS), chart(results));
  console.log("\nWritten: bench/results/micro.json and micro.svg");
}

await main();
