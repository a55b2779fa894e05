// Bundles a program in TypeScript and runs it: `node scripts/bundled.mjs test/explore/main.ts [arguments]`.

import { join, parse } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [program] = process.argv.splice(2, 1);
const outfile = join(root, "build", `${parse(program).name}.mjs`);

process.chdir(root);
await build({
  entryPoints: [program],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  logLevel: "warning",
});
await import(pathToFileURL(outfile).href);
