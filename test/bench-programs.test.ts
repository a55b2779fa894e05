// The benchmark of whole programs: that each does the same work as the one that it is compared with, and that it still measures.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findBrowsers } from "./browser/browsers.js";

interface Spread {
  readonly median: number;
}

interface Measured {
  readonly name: string;
  /** What came out of each side for the same input. */
  readonly checked: Record<string, Checked | null>;
  readonly loads: readonly {
    readonly sides: Record<string, Record<string, Spread>>;
    readonly ratios: Record<string, Record<string, Spread>>;
  }[];
}

interface Checked {
  /** Units that went in. */
  readonly sent: number;
  /** Units that came out. */
  readonly came: number;
  /** Of all bytes at each place where they come out. */
  readonly digests: readonly string[];
}

const program = fileURLToPath(new URL("../bench/programs.mjs", import.meta.url));
const hasChromium = findBrowsers().some(({ name }) => name === "chromium");
const names = readFileSync(fileURLToPath(new URL("../bench/programs/cases.mjs", import.meta.url)), "utf8")
  .match(/^import \w+ from "\.\/([\w-]+)\/case\.mjs"/gm)
  ?.map((line) => line.replace(/.*"\.\/([\w-]+)\/.*/, "$1"))
  // What runs in a browser runs where there is one.
  .filter((name) => name !== "page-chromium" || hasChromium) as string[];

describe.each(names)("%s", (name) => {
  let folder = "";
  let measured: Measured;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "skbuff-"));
    const file = join(folder, "programs.json");
    execFileSync(process.execPath, [program, "--quick", "--only", `^${name}$`, "--json", file]);
    [measured] = (JSON.parse(readFileSync(file, "utf8")) as { cases: [Measured] }).cases;
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("all sides put out the same bytes, and lose nothing", () => {
    const { ours, ...others } = measured.checked;
    expect(Object.keys(others).length).toBeGreaterThan(0);
    expect(ours?.sent).toBeGreaterThan(0);
    expect(ours?.digests.length).toBeGreaterThan(0);
    expect(ours?.came).toBe((ours?.sent ?? 0) * (ours?.digests.length ?? 0));
    for (const other of Object.values(others)) expect(other).toEqual(ours);
  });

  test("is measured, ours beside the others", () => {
    for (const { sides, ratios } of measured.loads) {
      for (const { cpu, rate, memory } of Object.values(sides)) {
        expect(cpu?.median).toBeGreaterThan(0);
        expect(rate?.median).toBeGreaterThan(0);
        expect(memory?.median).toBeGreaterThan(1 << 20);
      }
      for (const { cpu } of Object.values(ratios)) expect(cpu?.median).toBeGreaterThan(0);
    }
  });
});
