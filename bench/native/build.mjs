// Builds and runs the programs of this folder where DPDK is installed, so that the native figures are this machine's.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const TIMEOUT = 60_000;

/** Builds `name`.c. Returns a function that measures once, or null if DPDK or a C compiler is missing. */
export async function buildDpdk(name) {
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "skbuff-bench-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const { stdout: version } = await run("pkg-config", ["--modversion", "libdpdk"]);
    const { stdout: flags } = await run("pkg-config", ["--cflags", "--libs", "libdpdk"]);
    const program = join(folder, name);
    await run("cc", ["-O3", "-o", program, source, ...flags.trim().split(/\s+/)]);
    const measure = async () => {
      const { stdout } = await run(program, [], { timeout: TIMEOUT });
      return JSON.parse(stdout.trim().split("\n").at(-1));
    };
    await measure();
    return { version: version.trim(), measure, remove };
  } catch {
    await remove();
    return null;
  }
}
