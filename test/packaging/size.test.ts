// What the package may weigh, and what it must not lean on.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { sizes, table } from "../../scripts/size.mjs";
import { memoryFlagsAt } from "../../scripts/wasm.mjs";

const core = new Uint8Array(readFileSync(new URL("../../build/core.wasm", import.meta.url)));

it("is no longer than it may be", async () => {
  const rows = await sizes();
  console.log(table(rows));
  expect(rows.filter(({ bytes, limit }) => bytes > limit)).toEqual([]);
});

it("one binary serves both memories: a single byte says which", async () => {
  const memory = (shared: boolean) => new WebAssembly.Memory({ initial: 1, maximum: 1, shared });
  const at = memoryFlagsAt(core);
  const unshared = core.slice();
  expect(unshared[at]).toBe(3);
  unshared[at] = 1;
  for (const [bytes, shared] of [
    [core, true],
    [unshared, false],
  ] as const) {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
    new WebAssembly.Instance(module, { env: { memory: memory(shared) } });
    expect(() => new WebAssembly.Instance(module, { env: { memory: memory(!shared) } })).toThrow(
      WebAssembly.LinkError,
    );
  }
});

it("is not taken for what it is not", () => {
  const wrong = core.slice();
  wrong[memoryFlagsAt(core)] = 1;
  for (const bytes of [wrong, core.subarray(0, 8)])
    expect(() => memoryFlagsAt(bytes)).toThrow("the core's only import is not a shared memory");
});
