// Bundles the explorer (test/explore/) and runs it: `npm run explore -- --scenario NAME --replay SCHEDULE`.

import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const outfile = join(root, "build/explore.mjs");

await build({
  absWorkingDir: root,
  entryPoints: ["test/explore/main.ts"],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["esbuild"],
  logLevel: "warning",
});
process.chdir(root);
await import(pathToFileURL(outfile).href);
