// What waiting does to a process: it stays while somebody waits, ends when nobody does, and sleeps meanwhile.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Runs a process of process.mjs until it ends by itself: one that does not is killed, and that is an error. */
async function run(what: string): Promise<Record<string, unknown>> {
  const script = fileURLToPath(new URL("./process.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, what], { timeout: 100_000 });
  return JSON.parse(stdout) as Record<string, unknown>;
}

it("a process lives while its main thread waits, and no longer", async () => {
  const { woken, length, ms } = await run("alive");
  expect([woken, length]).toEqual(["ready", 4]);
  expect(ms).toBeGreaterThan(1000);
});

it("a process ends by itself when nobody waits", async () => {
  const { woken } = await run("exits");
  expect(woken).toEqual(["timed-out", "ready", "timed-out"]);
});

it("a pipeline with nothing to do takes less than 1% of a core", async () => {
  const { share, woken } = await run("idle");
  expect(woken).toBe("ended");
  expect(share).toBeLessThan(0.01);
});
