// The page of benchmarks is what its results say.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { page } from "../bench/page.mjs";

it("docs/benchmarks.md is made from bench/results", () => {
  expect(readFileSync(new URL("../docs/benchmarks.md", import.meta.url), "utf8")).toBe(page());
});
