// Runs the files of tests that are named as arguments, one after the other, and prints a line of JSON for each.

import process from "node:process";
import type { Outcome } from "./vitest.js";

const { runFile } = (await import(new URL("vitest.mjs", import.meta.url).href)) as {
  runFile(file: string): Promise<Outcome>;
};

let failed = 0;
for (const file of process.argv.slice(2)) {
  const outcome = await runFile(file);
  failed += outcome.failed.length;
  console.log(JSON.stringify(outcome));
}
// Workers that a failed test has left would keep the process.
process.exit(failed === 0 ? 0 : 1);
