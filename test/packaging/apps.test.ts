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

const ESBUILD = { bundle: true, splitting: true, minify: true, format: "esm", logLevel: "error" } as const;

/** Builds the app in a folder into its folder `dist`. What stands here is all that a bundler must be told. */
const BUNDLERS: Record<string, (app: string) => Promise<unknown>> = {
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
  async rollup(app) {
    const bundle = await rollup({
      input: { main: join(app, "main.js"), worker: join(app, "worker.js") },
      plugins: [nodeResolve({ browser: true })],
      onwarn: (warning) => {
        throw new Error(warning.message);
      },
    });
    await bundle.write({ dir: join(app, "dist"), format: "es" });
    await bundle.close();
  },
  esbuild: (app) =>
    esbuild({
      ...ESBUILD,
      entryPoints: [join(app, "main.js"), join(app, "worker.js")],
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

async function openBundled(name: string, build: (app: string) => Promise<unknown>): Promise<void> {
  const app = copied("app", name);
  await build(app);
  // vite has made one of its own.
  if (name !== "vite") cpSync(join(app, "index.html"), join(app, "dist/index.html"));
  await open(name, join(app, "dist"), true);
  if (name === "vite") await open("not isolated", join(app, "dist"), false);
  if (name === "esbuild") await open("with a policy", join(app, "dist"), true, WITH_WASM);
}

/** The same app without a bundler. */
async function openScript(): Promise<void> {
  const app = copied("app", "script");
  cpSync(join(apps, "script"), app, { recursive: true });
  await open("script", project.folder, true);
  pages.set("script", `${servers.at(-1)?.url}/script/index.html`);
}

async function openPolicies(): Promise<void> {
  const app = copied("policy", "policy");
  cpSync(join(apps, "app/index.html"), join(app, "dist/index.html"));
  await esbuild({ ...ESBUILD, entryPoints: [join(app, "main.js")], outdir: join(app, "dist") });
  await open("Wasm allowed", join(app, "dist"), true, WITH_WASM);
  await open("Wasm forbidden", join(app, "dist"), true, WITHOUT_WASM);
}

beforeAll(async () => {
  project = installed();
  for (const [name, build] of Object.entries(BUNDLERS)) await openBundled(name, build);
  await openScript();
  await openPolicies();
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
  }, 60_000);

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
    { timeout: 60_000 },
    async (name) => {
      expect(await resultOf(name)).toEqual({ good: COUNT, clean: true, packets: 0, holders: [] });
    },
  );

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
