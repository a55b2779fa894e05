// The contract and the threads' tests on every runtime that is like Node, and skbuff/web over a real WebTransport.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import Table from "cli-table3";
import { bundleTests } from "./bundle.js";
import { folder, install, RUNTIMES } from "./installed.js";
import type { Outcome } from "./vitest.js";
import { webTransport } from "./webtransport.js";

const tests = join(folder, "tests");
/** Milliseconds for all files on one runtime. */
const ALL_MS = 600_000;

/** Runs files on a runtime. Returns what became of each that ended. */
async function run(program: string, args: readonly string[], files: readonly string[]): Promise<Outcome[]> {
  const child = spawn(program, [...args, join(tests, "cli.mjs"), ...files], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { SKBUFF_STRESS_SECONDS: "3", ...process.env },
    timeout: ALL_MS,
    killSignal: "SIGKILL",
  });
  const outcomes: Outcome[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"file"')) continue; // What the tests print themselves.
    const outcome = JSON.parse(line) as Outcome;
    outcomes.push(outcome);
    for (const text of outcome.failed) console.log(`${outcome.file}: ${text.slice(0, 3000)}`);
  }
  return outcomes;
}

const only = process.argv[2]?.toLowerCase() ?? "";
const { contract, threads } = await bundleTests({
  outdir: tests,
  skbuff: "../../../dist/index.js",
  browser: false,
});
// All files run in one process: first the one that needs a place where nothing was compiled yet.
const FIRST = "contract-short.test";
const files = [FIRST, ...[...contract, ...threads].filter((file) => file !== FIRST)];
const table = new Table({ head: ["runtime", "files", "passed", "skipped", "failed", "seconds"] });
let good = true;
for (const runtime of RUNTIMES.filter(({ name }) => name.toLowerCase().includes(only))) {
  const program = await install(runtime);
  const start = performance.now();
  const outcomes = await run(program, runtime.args, files);
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
  const [passed, failed] = [sum((one) => one.passed), sum((one) => one.failed.length)];
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  table.push([
    runtime.name,
    `${outcomes.length} of ${files.length}`,
    passed,
    sum((one) => one.skipped),
    failed,
    seconds,
  ]);
  if (outcomes.length < files.length)
    console.log(`${runtime.name}: ended in ${files[outcomes.length]}, or before it`);
  if (failed > 0 || passed === 0 || outcomes.length < files.length) good = false;
}
for await (const { name, passed, skipped, failed, seconds } of webTransport(only)) {
  table.push([name, "", passed, skipped, failed, seconds.toFixed(1)]);
  if (failed > 0) good = false;
}
console.log(table.toString());
process.exitCode = good ? 0 : 1;
