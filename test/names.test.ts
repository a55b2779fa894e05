// Short names in what is built: of the core's functions none is called by its long name, which it no longer has there.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { coreNames } from "../scripts/names.mjs";

const textsIn = (folder: string, ending: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending) && !file.startsWith("cli"))
    .map((file) => readFileSync(join(folder, file), "utf8"));

it("the core's functions are called by the names that they have", () => {
  const core = new WebAssembly.Module(new Uint8Array(readFileSync("build/core.wasm")));
  const long = WebAssembly.Module.exports(core).map(({ name }) => name);
  const short = coreNames(long);
  expect(new Set(short.values()).size).toBe(short.size);
  const source = textsIn("src", ".ts").join("\n");
  // Others have members of the same names: `length`, say.
  const only = [...short.keys()].filter(
    (name) => !new RegExp(`(?<!core|coreOf\\([^\\n]*\\))\\??\\.${name}\\b`).test(source),
  );
  expect(only.length).toBeGreaterThan(50);
  const called = new RegExp(`\\.(${only.join("|")})\\(`, "g");
  for (const text of textsIn("dist", ".js")) expect(text.match(called) ?? []).toEqual([]);
});
