// The contract and the threads' tests on every runtime that is like Node: the newest of each line of Node that is
// supported, Bun and Deno. Their binaries come as packages of npm; nothing else of them is used.

import { execFile, spawn } from "node:child_process";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import Table from "cli-table3";
import { bundleTests } from "./bundle.js";
import type { Outcome } from "./vitest.js";

interface Runtime {
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly binary: string;
  readonly args: readonly string[];
}

const { platform, arch } = process;
const node = (version: string): Runtime => ({
  name: `Node ${version}`,
  package: `node-${platform === "win32" ? "win" : platform}-${arch}`,
  version,
  binary: platform === "win32" ? "bin/node.exe" : "bin/node",
  args: [],
});

const ARM = arch === "arm64";
const RUNTIMES: readonly Runtime[] = [
  node("20.20.2"),
  node("22.23.3"),
  node("24.21.0"),
  node("26.10.0"),
  {
    name: "Bun 1.4.5",
    package: `@oven/bun-${platform === "win32" ? "windows" : platform}-${ARM ? "aarch64" : "x64"}`,
    version: "1.4.5",
    binary: platform === "win32" ? "bin/bun.exe" : "bin/bun",
    args: [],
  },
  {
    name: "Deno 2.9.6",
    package: `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`,
    version: "2.9.6",
    binary: platform === "win32" ? "deno.exe" : "deno",
    args: ["run", "--allow-all", "--no-lock", "--no-config"],
  },
];

const root = process.cwd();
const folder = join(root, "build/runtimes");
const tests = join(folder, "tests");
/** Milliseconds for all files on one runtime. */
const ALL_MS = 600_000;

/** Installs a runtime if it is not there. Returns its program. */
async function install({ package: name, version, binary }: Runtime): Promise<string> {
  const own = join(folder, `${name.replace("/", "-")}-${version}`);
  const program = join(own, "node_modules", name, binary);
  try {
    await access(program);
  } catch {
    await mkdir(own, { recursive: true });
    await writeFile(join(own, "package.json"), '{ "private": true }\n');
    const args = [
      "install",
      "--no-audit",
      "--no-fund",
      "--no-save",
      "--ignore-scripts",
      `${name}@${version}`,
    ];
    await promisify(execFile)("npm", args, { cwd: own, shell: platform === "win32" });
  }
  return program;
}

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
const files = [...contract, ...threads];
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
console.log(table.toString());
process.exitCode = good ? 0 : 1;
