// Small apps, built from the installed package as its users build theirs, in every browser of this machine.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build as esbuild } from "esbuild";
import { rollup } from "rollup";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import webpack from "webpack";
import { type Browser, findBrowsers, launch, missingBrowsers } from "../browser/browsers.js";
import { type Served, serve } from "../browser/server.js";
import { installed, type Project } from "./installed.js";

const apps = fileURLToPath(new URL("apps", import.meta.url));
const example = fileURLToPath(new URL("../../examples/page", import.meta.url));

type Bundle = (app: string, modules: readonly string[]) => Promise<unknown>;

const ESBUILD = { bundle: true, splitting: true, minify: true, format: "esm", logLevel: "error" } as const;

/**
 * Builds the app in a folder into its folder `dist`; `modules` are those that a page or worker starts with. What stands here is
 * all that a bundler must be told.
 */
const BUNDLERS: Record<string, Bundle> = {
  vite: (app) => vite({ root: app, configFile: false, logLevel: "error" }),
  webpack: (app) =>
    new Promise<void>((resolve, reject) => {
      webpack(
        { mode: "production", context: app, entry: "./main.js", output: { path: join(app, "dist") } },
        (error, stats) => {
          if (error) reject(error);
          else if (stats?.hasErrors() || stats?.hasWarnings()) reject(new Error(stats.toString()));
          else resolve();
        },
      );
    }),
  // These two leave `new Worker(new URL(...))` as it is, so the worker is an entry beside the page's.
  async rollup(app, modules) {
    const bundle = await rollup({
      input: modules.map((file) => join(app, file)),
      plugins: [nodeResolve({ browser: true })],
      onwarn: (warning) => {
        throw new Error(warning.message);
      },
    });
    await bundle.write({ dir: join(app, "dist"), format: "es" });
    await bundle.close();
  },
  esbuild: (app, modules) =>
    esbuild({
      ...ESBUILD,
      entryPoints: modules.map((file) => join(app, file)),
      outdir: join(app, "dist"),
    }),
};

const WITH_WASM = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
const WITHOUT_WASM = "script-src 'self'; worker-src 'self'";

const COUNT = 2000;

/** WebKit's driver says that a page is there before its modules have run. */
const RESULT = `
  while (globalThis.result === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  return globalThis.result;`;

let project: Project;
const servers: Served[] = [];
/** The URL of the page of each app. */
const pages = new Map<string, string>();

async function open(name: string, folder: string, isolated: boolean, policy?: string): Promise<void> {
  const headers: Record<string, string> = policy === undefined ? {} : { "Content-Security-Policy": policy };
  const served = await serve({ root: folder, isolated, headers });
  servers.push(served);
  pages.set(name, `${served.url}/index.html`);
}

/** Copies an app's sources into the project. Returns the folder. */
function copied(source: string, name: string): string {
  const app = join(project.folder, name);
  cpSync(join(apps, source), app, { recursive: true });
  return app;
}

/** Builds an app and opens it. Returns where it was built. */
async function openBundled(bundler: string, source: string, name: string): Promise<string> {
  const app = copied(source, name);
  await BUNDLERS[bundler]?.(app, source === "app" ? ["main.js", "worker.js"] : ["main.js"]);
  // vite has made one of its own.
  if (bundler !== "vite") cpSync(join(apps, "app/index.html"), join(app, "dist/index.html"));
  await open(name, join(app, "dist"), true);
  return join(app, "dist");
}

/** The example of a page, built as it is. */
async function openExample(bundler: string): Promise<void> {
  const app = join(project.folder, `example-${bundler}`);
  cpSync(example, app, { recursive: true });
  await BUNDLERS[bundler]?.(app, ["main.js", "stage.js"]);
  if (bundler !== "vite") cpSync(join(app, "index.html"), join(app, "dist/index.html"));
  await open(`example, ${bundler}`, join(app, "dist"), true);
  await open(`example, ${bundler}, not isolated`, join(app, "dist"), false);
}

/** The same app without a bundler. */
async function openScript(): Promise<void> {
  const app = copied("app", "script");
  cpSync(join(apps, "script"), app, { recursive: true });
  await open("script", project.folder, true);
  pages.set("script", `${servers.at(-1)?.url}/script/index.html`);
}

beforeAll(async () => {
  project = installed();
  const built: Record<string, string> = {};
  for (const bundler of Object.keys(BUNDLERS)) {
    built[bundler] = await openBundled(bundler, "app", bundler);
    await openBundled(bundler, "js", `${bundler}, js`);
  }
  await openScript();
  for (const bundler of Object.keys(BUNDLERS)) await openExample(bundler);
  await open("not isolated", built.vite as string, false);
  await open("with a policy", built.esbuild as string, true, WITH_WASM);
  const policy = await openBundled("esbuild", "policy", "policy");
  await open("Wasm allowed", policy, true, WITH_WASM);
  await open("Wasm forbidden", policy, true, WITHOUT_WASM);
}, 180_000);

afterAll(async () => {
  await Promise.all(servers.map((served) => served.close()));
  project?.remove();
});

for (const name of missingBrowsers()) {
  // Where tests must not be left out, a browser must not be missing.
  if (process.env.CI) it(`${name} is on this machine`, () => expect.fail(`${name} was not found`));
  else it.skip(`${name}: not found on this machine`, () => {});
}

describe.each(findBrowsers())("$name", (found) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launch(found);
  });

  afterAll(() => browser?.close());

  /** What the page of an app found. */
  async function resultOf(name: string): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(pages.get(name) as string);
      const result = await page.evaluate(RESULT);
      return result;
    } finally {
      await page.close();
    }
  }

  it.each([...Object.keys(BUNDLERS), "script", "with a policy"])(
    "%s: packets go to a worker and back",
    async (name) => {
      expect(await resultOf(name)).toEqual({ good: COUNT, clean: true, packets: 0, holders: [] });
    },
  );

  const EXAMPLES = Object.keys(BUNDLERS).flatMap((bundler) => [
    [`example, ${bundler}`, "through 2 workers"] as const,
    [`example, ${bundler}, not isolated`, "on one thread"] as const,
  ]);

  it.each(EXAMPLES)("the page in examples: %s", async (name, where) => {
    const page = await browser.newPage();
    try {
      await page.goto(pages.get(name) as string);
      const text = await page.evaluate(`
        const at = document.getElementById("result");
        while (at.textContent === "Running.") await new Promise((resolve) => setTimeout(resolve, 5));
        return at.textContent;`);
      expect(text).toBe(`10000 of 10000 packets came back right, ${where}`);
    } finally {
      await page.close();
    }
  });

  it.each(Object.keys(BUNDLERS))("%s keeps skbuff/js, which is imported for what it does", async (name) => {
    expect(await resultOf(`${name}, js`)).toBe("js");
  });

  it("without isolation the page is told what is missing", async () => {
    expect(await resultOf("not isolated")).toMatchObject({
      name: "SharedMemoryError",
      message: expect.stringContaining("Cross-Origin-Opener-Policy: same-origin"),
    });
  });

  it("a policy that allows Wasm", async () => {
    expect(await resultOf("Wasm allowed")).toEqual({
      alone: ["wasm", "wasm", expect.stringContaining('expected import "skbuff/js"')],
      besideJs: ["wasm", "wasm", "js"],
    });
  });

  it("a policy that does not", async () => {
    const refused = expect.stringMatching(/^ERR_SKB_UNSUPPORTED: "core" expected .*'wasm-unsafe-eval'/);
    expect(await resultOf("Wasm forbidden")).toEqual({
      alone: [refused, refused, expect.stringContaining('expected import "skbuff/js"')],
      besideJs: [refused, "js", "js"],
    });
  });
});
