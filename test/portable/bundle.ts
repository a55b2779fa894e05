// Bundles the tests for places without vitest: browsers, and the other runtimes. What they test stays what it is, the
// built package, and is not bundled.

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { textWith } from "../explore/bundle.js";
import { BLUNDERS } from "../explore/mistakes.js";
import { coresOf, nameOf } from "./cores.js";

const tests = join(process.cwd(), "test");

/** Where tests are to run. */
export interface Target {
  /** The folder that is made. */
  readonly outdir: string;
  /** What `import "skbuff"` shall be there: a URL, or a path. */
  readonly skbuff: string;
  /** Whether it is a browser; else what has the modules of Node. */
  readonly browser: boolean;
}

/** Files that are no tests of their own: threads of tests. */
const THREADS = ["threads/agent.mjs", "threads/releaser.mjs", "threads/traffic.mjs"];

/** Needs processes, or the end of a worker as Node tells it, so it stays with Node. */
const NODE_ONLY = new Set(["threads/ends.test.ts", "threads/process.test.ts"]);

async function suitesOf(folder: string): Promise<string[]> {
  const files = (await readdir(join(tests, folder))).filter((file) => file.endsWith(".test.ts"));
  return files.map((file) => `${folder}/${file}`).filter((file) => !NODE_ONLY.has(file));
}

/** `contract/bytes.test.ts` is `contract-bytes.test` when it is bundled: all files lie beside each other. */
function flatName(file: string): string {
  return file.replace("/", "-").replace(/\.ts$/, "");
}

/** Where another module of the package is, `js` say, if its main module is at `skbuff`. */
function besideOf(skbuff: string, module: string): string {
  return skbuff.replace(/index\.js$/, `${module}.js`);
}

function plugin({ skbuff, browser }: Target): Plugin {
  return {
    name: "portable",
    setup(bundle) {
      bundle.onResolve({ filter: /^skbuff$/ }, () => ({ path: skbuff, external: true }));
      bundle.onResolve({ filter: /^skbuff\/\w+$/ }, ({ path }) => ({
        path: besideOf(skbuff, path.replace("skbuff/", "")),
        external: true,
      }));
      bundle.onResolve({ filter: /^vitest$/ }, () => ({ path: "./vitest.mjs", external: true }));
      if (browser)
        bundle.onResolve({ filter: /^node:worker_threads$/ }, () => ({
          path: join(tests, "portable/worker-threads.ts"),
        }));
      bundle.onResolve({ filter: /\/bundle\.js$/ }, ({ importer }) =>
        dirname(importer) === join(tests, "explore") ? { path: join(tests, "portable/cores.ts") } : undefined,
      );
    },
  };
}

/** Makes the bundles. Returns the names that `runFile` knows the suites by, by folder. */
export async function bundleTests(
  target: Target,
): Promise<{ contract: string[]; threads: string[]; explore: string[] }> {
  const { outdir, browser } = target;
  await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  const [contract, threads] = await Promise.all([suitesOf("contract"), suitesOf("threads")]);
  const explore = ["explore/explore.test.ts"];
  const entries = [...contract, ...threads, ...explore].map((file) => ({
    in: join(tests, file),
    out: flatName(file),
  }));
  for (const file of THREADS) entries.push({ in: join(tests, file), out: basename(file, ".mjs") });
  const common = {
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm" as const,
    target: "es2022",
    logLevel: "warning" as const,
    platform: browser ? ("browser" as const) : ("node" as const),
    inject: [join(tests, browser ? "portable/globals.ts" : "portable/globals-node.ts")],
  } satisfies BuildOptions;
  // What test/both-cores.ts is for vitest. Not injected: nothing uses what it exports, so it would be left out.
  const banner = { js: `import "${besideOf(target.skbuff, "js")}";` };
  await build({ ...common, banner, entryPoints: entries, plugins: [plugin(target)] });
  // These are bundled with the runner in them, once.
  const own = ["vitest", ...(browser ? ["worker", "relay"] : ["cli"])].map((name) => ({
    in: join(tests, `portable/${name}.ts`),
    out: name,
  }));
  await build({ ...common, entryPoints: own });
  const cores = coresOf(BLUNDERS);
  for (const mistakes of cores) {
    const text = await textWith(mistakes);
    await writeFile(join(outdir, nameOf(cores, mistakes)), `export default ${text};\n`);
  }
  return {
    contract: contract.map(flatName),
    threads: threads.map(flatName),
    explore: explore.map(flatName),
  };
}
