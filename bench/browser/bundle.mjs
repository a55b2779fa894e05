// Bundles the benchmarks' programs for browsers. The package is not bundled: it is the built one.

import { join } from "node:path";
import { build } from "esbuild";

const root = process.cwd();

/** Stand-ins for what a browser has not. Whoever needs them is not run there. */
const ABSENT = `
export const readFileSync = () => { throw new Error("no files"); };
export const fileURLToPath = String;
export default class Absent {}`;

const plugin = {
  name: "browser",
  setup(bundle) {
    bundle.onResolve({ filter: /^skbuff$/ }, () => ({ path: "/dist/index.js", external: true }));
    bundle.onResolve({ filter: /^skbuff\/js$/ }, () => ({ path: "/dist/js.js", external: true }));
    bundle.onResolve({ filter: /^node:worker_threads$/ }, () => ({
      path: join(root, "test/portable/worker-threads.ts"),
    }));
    bundle.onResolve({ filter: /^(node:.*|os|bun:.*|thread-stream)$/ }, ({ path }) => ({
      path,
      namespace: "absent",
    }));
    bundle.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: ABSENT }));
  },
};

export async function bundleBenchmarks(outdir) {
  const entries = { worker: "browser/worker", pipe: "hop/pipe", latency: "hop/latency" };
  await build({
    entryPoints: Object.fromEntries(
      Object.entries(entries).map(([out, file]) => [out, join(root, `bench/${file}.mjs`)]),
    ),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    inject: [join(root, "test/portable/globals.ts")],
    plugins: [plugin],
    logLevel: "warning",
  });
}
