// The benchmark of streams: that it still runs, and measures what it says. Each case itself fails if a message or a
// completion is lost or comes twice, if bytes are copied that should not be, or if anything is left in the arena.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

interface Case {
  readonly mode: string;
  readonly device: string;
  readonly path: string;
  readonly size: number;
  readonly gbps: Spread;
  readonly cpu: Spread;
  readonly roles: Record<string, { readonly percent: Spread }>;
  readonly messages?: Spread;
  readonly bytesCopied?: Spread;
  readonly sent?: Spread;
  readonly copied?: Spread;
  readonly p50?: Spread;
}

const program = fileURLToPath(new URL("../bench/stream.mjs", import.meta.url));
const only = "^(dirty/sum/(zero|engine|post)-copy/4096|stream/tcp/zero-copy/16384|rr/tcp/zero-copy/1500)$";
let folder = "";
let text = "";
let cases: readonly Case[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "skbuff-"));
  const file = join(folder, "stream.json");
  text = execFileSync(process.execPath, [program, "--quick", "--only", only, "--json", file], {
    encoding: "utf8",
  });
  ({ cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: readonly Case[] });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const find = (mode: string, path: string): Case =>
  cases.find((one) => one.mode === mode && one.path === path) as Case;

test("measures what was asked for", () => {
  const names = cases.map(({ mode, device, path, size }) => `${mode}/${device}/${path}/${size}`);
  expect(names).toHaveLength(5);
  for (const name of names) expect(name).toMatch(new RegExp(only));
});

test("messages went through every role, and took time on each", () => {
  for (const { mode, gbps, cpu, roles } of cases) {
    expect(gbps.median).toBeGreaterThan(0);
    expect(cpu.median).toBeGreaterThan(0);
    const peer = mode === "dirty" ? [] : ["peer"];
    expect(Object.keys(roles).sort()).toEqual(["device", "guest", "host", ...peer].sort());
  }
});

test("lent messages are not copied, and each comes back once, as sent", () => {
  for (const one of cases.filter(({ path }) => path === "zero-copy")) {
    expect(one.bytesCopied?.most).toBe(0);
    expect(one.copied?.most).toBe(0);
    expect(one.sent?.median).toBe(one.messages?.median);
    expect(one.sent?.median).toBeGreaterThan(0);
  }
});

test("copied messages are copied once, and each comes back once, as copied", () => {
  const { bytesCopied, messages, sent, copied, size } = find("dirty", "engine-copy");
  expect(sent?.most).toBe(0);
  expect(copied?.median).toBe(messages?.median);
  expect(bytesCopied?.median).toBe((messages?.median ?? 0) * size);
});

test("by postMessage there is no engine to count anything", () => {
  expect(find("dirty", "post-copy").bytesCopied).toBeUndefined();
});

test("round trips have their times", () => {
  expect(find("rr", "zero-copy").p50?.median).toBeGreaterThan(1000);
});

test("no line of the tables is longer than 80 columns", () => {
  for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
});
