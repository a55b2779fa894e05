// Bundles the page, with the built package under the name that everybody uses, into a folder that any server can serve.

import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Writes the page into `folder`, an absolute path. */
export async function buildDemo(folder) {
  await mkdir(folder, { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: ["main.ts", "worker.ts", "style.css"],
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: "chunk-[name]-[hash]",
    format: "esm",
    target: "es2022",
    minify: true,
    logLevel: "warning",
  });
  await copyFile(join(here, "index.html"), join(folder, "index.html"));
}
