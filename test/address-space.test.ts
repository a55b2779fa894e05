// Processes that may not have much address space, of which a WebAssembly memory takes many times its size.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const KIB_PER_GIB = 2 ** 20;

/** Runs a program with `gib` GiB of address space. Returns what it prints and its exit code; null if Node cannot start with so little. */
async function run(gib: number, program: string): Promise<{ printed: string; code: number | null } | null> {
  const text = `console.log("started"); ${program}`;
  const child = spawn(
    "sh",
    ["-c", `ulimit -v ${gib * KIB_PER_GIB} && exec "$0" --input-type=module -e "$1"`, process.execPath, text],
    { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
  );
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data) => {
      printed += data;
    });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return printed.startsWith("started\n") ? { printed: printed.slice(8), code } : null;
}

const MAKE = `
  const { Engine } = await import("skbuff");
  const made = [];
  try {
    for (let i = 0; i < 3; i++) {
      const engine = await Engine.create({ memory: 2 ** 24 });
      engine.alloc(100).release();
      made.push(engine.core);
      engine.close();
    }
  } catch (error) { made.push(error.code); }
  console.log(made.join());`;

// 15 GiB is where one memory fits and another does not, with today's Node.
describe.each([2, 4, 15, 24])("in %i GiB of address space", (gib) => {
  it("an engine is made, on the core that can be, and nothing is thrown past its promise", async () => {
    const got = await run(gib, `await import("skbuff/js"); ${MAKE}`);
    // Who cannot start Node with so little has nothing to see here; with the most, everybody can.
    if (got === null && gib < 24) return;
    expect(got).toMatchObject({
      code: 0,
      printed: expect.stringMatching(/^(wasm|js),(wasm|js),(wasm|js)\n$/),
    });
  });

  it("without the JS core it is made, or the promise says why not", async () => {
    const got = await run(gib, MAKE);
    // Who cannot start Node with so little has nothing to see here; with the most, everybody can.
    if (got === null && gib < 24) return;
    expect(got).toMatchObject({
      code: 0,
      printed: expect.stringMatching(/^(wasm,)*(wasm|ERR_SKB_UNSUPPORTED)\n$/),
    });
  });
});
