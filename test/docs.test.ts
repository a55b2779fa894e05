// The documentation: the API reference is made of the docstrings and complete, every link in it leads somewhere, and
// every program in the guides runs and prints what the guide says.

import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_ROOM } from "../assembly/layout.js";
import { optionsOf, page } from "../scripts/options.mjs";
import { asserting } from "./asserting.js";
import { membersOf } from "./members.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const typedoc = join(dirname(createRequire(import.meta.url).resolve("typedoc/package.json")), "bin/typedoc");
const folder = mkdtempSync(join(tmpdir(), "skbuff-"));
const run = promisify(execFile);

/** What users can import, of every module of the package. */
const exported: { module: string; name: string; value: Record<string, unknown> & { prototype: object } }[] =
  [];
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
for (const path of Object.keys(manifest.exports)) {
  if (path.endsWith(".json")) continue;
  const module = `skbuff${path.slice(1)}`;
  for (const [name, value] of Object.entries(await import(module)))
    if (!name.startsWith("_")) exported.push({ module, name, value } as never);
}

afterAll(() => rmSync(folder, { recursive: true }));

describe("the reference", () => {
  const out = join(folder, "reference");
  let said = "";
  /** Pages, and the icons that they refer to. */
  const pages = new Map<string, string>();
  const files = new Set<string>();

  beforeAll(async () => {
    const { stdout, stderr } = await run(process.execPath, [typedoc, "--out", out], { cwd: root });
    said = stdout + stderr;
    for (const file of readdirSync(out, { recursive: true, encoding: "utf8" })) {
      files.add(join(out, file));
      if (/\.(html|svg)$/.test(file)) pages.set(join(out, file), readFileSync(join(out, file), "utf8"));
    }
  }, 240_000);

  it("is made without a warning", () => {
    expect(said).toMatch(/html generated/);
    expect(said).not.toMatch(/warning|error/i);
  });

  it.each(exported)("has $name of $module, with every member", ({ name, value }) => {
    const isClass = typeof value === "function" && /^[A-Z]/.test(name);
    const kind = isClass ? "classes" : typeof value === "function" ? "functions" : "variables";
    // What several modules export has its page in one of them.
    const [page = ""] = [...pages].flatMap(([file, text]) =>
      dirname(file) === join(out, kind) && file.endsWith(`.${name}.html`) ? text : [],
    );
    expect(page).not.toBe("");
    if (!isClass) return;
    const statics = Object.getOwnPropertyNames(value).filter(
      (key) => typeof value[key] === "function" && !key.startsWith("_"),
    );
    const absent = [...membersOf(value), ...statics].filter((member) =>
      member.endsWith("=")
        ? !page.includes(
            `<span class="tsd-signature-keyword">set</span> <span class="tsd-kind-set-signature">${member.slice(0, -1)}`,
          )
        : !page.includes(`id="${member.replace(/nodejs\.|[[\]]/g, "").toLowerCase()}"`),
    );
    expect(absent).toEqual([]);
  });

  it("has no link that leads nowhere", () => {
    const dead: string[] = [];
    for (const [file, page] of pages) {
      for (const [, link = ""] of page.matchAll(/(?:href|src)="([^"]*)"/g)) {
        if (/^[a-z]+:/i.test(link)) continue;
        const [path = "", anchor = ""] = link.split("#");
        const target = path === "" ? file : resolve(dirname(file), decodeURIComponent(path));
        const there = anchor === "" ? files.has(target) : pages.get(target)?.includes(`id="${anchor}"`);
        if (there !== true) dead.push(`${relative(out, file)}: ${link}`);
      }
    }
    expect(pages.size).toBeGreaterThan(60);
    expect(dead).toEqual([]);
  });

  it("mentions nothing that is internal", () => {
    const internals = new Set<string>();
    for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      const source = readFileSync(join(root, "src", file), "utf8");
      for (const [, name = ""] of source.matchAll(/^ +(?:[a-z]+ )*(_[a-z]\w*)/gm)) internals.add(name);
    }
    expect(internals.size).toBeGreaterThan(20);
    const mention = new RegExp(`(?<![\\w])(?:${[...internals].join("|")})(?!\\w)`);
    const bad = [...pages].filter(([, page]) => mention.test(page)).map(([file]) => relative(out, file));
    expect(bad).toEqual([]);
  });
});

interface Program {
  readonly page: string;
  /** Of its first block. */
  readonly line: number;
  code: string;
  printed: string;
}

/**
 * The programs of a guide. A block that imports nothing goes on with the program before it; a block without a language
 * is what that prints.
 */
function programsOf(page: string): Program[] {
  const text = readFileSync(join(root, "docs", page), "utf8");
  const programs: Program[] = [];
  for (const match of text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)) {
    const [, language, block = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    if (language === "js" && /^import /m.test(block)) programs.push({ page, line, code: "", printed: "" });
    const program = programs.at(-1);
    if (language !== "js" && language !== "") continue;
    if (program === undefined) throw new Error(`${page}: a block that belongs to no program, line ${line}`);
    if (language === "js") program.code += block;
    else program.printed += block;
  }
  return programs;
}

const guides = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"));

describe("the program of", () => {
  const programs = join(folder, "programs");

  beforeAll(() => {
    mkdirSync(join(programs, "node_modules"), { recursive: true });
    symlinkSync(root, join(programs, "node_modules/skbuff"), "junction");
    symlinkSync(join(root, "node_modules/bl"), join(programs, "node_modules/bl"), "junction");
  });

  it.each(guides.flatMap(programsOf))("$page, line $line", async ({ page, line, code, printed }) => {
    const file = `${page}-${line}.mjs`;
    writeFileSync(join(programs, file), `import assert from "node:assert/strict";\n${asserting(code)}`);
    const { stdout } = await run(process.execPath, [file], { cwd: programs, timeout: 100_000 });
    expect(stdout).toBe(printed);
  });
});

describe("the page of options", () => {
  it("is what the types say", () => {
    expect(readFileSync(join(root, "docs/options.md"), "utf8"), "run `npm run options`").toBe(page());
  }, 120_000);

  it("has a default for every option", () => {
    const without = [...optionsOf()].flatMap(([name, options]) =>
      options.filter(({ standard }) => standard === "").map((option) => `${name}.${option.name}`),
    );
    expect(without).toEqual([]);
  }, 120_000);
});

describe("the guides", () => {
  it("say how long a head can be", () => {
    const guide = readFileSync(join(root, "docs/coming-from.md"), "utf8");
    expect(guide).toContain(`up to ${MAX_ROOM.toLocaleString("en")} bytes less the headroom`);
  });

  it("are all in the reference", () => {
    const settings = JSON.parse(readFileSync(join(root, "typedoc.json"), "utf8"));
    expect(guides.filter((page) => !settings.projectDocuments.includes(`docs/${page}`))).toEqual([]);
  });

  it("are all linked from the README", () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    expect(guides.length).toBeGreaterThan(0);
    expect(guides.filter((page) => !readme.includes(`(docs/${page})`))).toEqual([]);
  });
});
