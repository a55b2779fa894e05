// What waiting for a socket does to a process.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const script = fileURLToPath(new URL("./process.mjs", import.meta.url));

it("a process lives while something is awaited, and no longer", async () => {
  const start = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [script, "wait"], { timeout: 20_000 });
  expect(JSON.parse(stdout)).toEqual(["timed-out", "ended"]);
  expect(performance.now() - start).toBeGreaterThan(300);
});
