// npm run size: how long the package is, in bytes. Fails if anything is longer than its limit.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const KIB = 1024;

/** Bytes of a page's script that does `statement` with the package, all inlined: minified, and then compressed. */
async function bundled(statement) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: { contents: statement, resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const [{ contents }] = outputFiles;
  return { minified: contents.length, compressed: gzipSync(contents, { level: 9 }).length };
}

/** What `npm pack` says of the package. */
function packed() {
  const shell = process.platform === "win32";
  const json = execFileSync("npm", ["pack", "--json", "--dry-run", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    shell,
  });
  return JSON.parse(json)[0];
}

/**
 * Each figure with its limit, which nothing may pass, and, where the limit is not what we want, our aim. A limit is a little
 * above what is there: who passes it has added something, and should know.
 */
export async function sizes() {
  const core = await readFile(new URL("../build/core.wasm", import.meta.url));
  const manifest = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  const { deflated } = await import("../build/wasm.js");
  const inlined = Buffer.from(deflated, "base64");
  const attach = await bundled('import { Engine } from "skbuff/attach"; globalThis.Engine = Engine;');
  const engine = await bundled('import { Engine } from "skbuff"; globalThis.Engine = Engine;');
  const both = await bundled(
    'import { Engine } from "skbuff"; import "skbuff/js"; globalThis.Engine = Engine;',
  );
  const { size, unpackedSize } = packed();
  return [
    { what: "core, Wasm", bytes: core.length, limit: 32_500 },
    { what: "core, Wasm, as it is inlined", bytes: inlined.length, limit: 11_850 },
    { what: "import { Engine }, minified", bytes: engine.minified, limit: 60_500 },
    { what: "the same, gzip -9", bytes: engine.compressed, limit: 27_800, aim: 24 * KIB },
    { what: "and the JS core, gzip -9", bytes: both.compressed, limit: 43_900 },
    { what: "only to attach, gzip -9", bytes: attach.compressed, limit: 15_900 },
    { what: "package, packed", bytes: size, limit: 1_340_000 },
    { what: "package, installed", bytes: unpackedSize, limit: 3_420_000 },
    { what: "dependencies", bytes: Object.keys(manifest.dependencies ?? {}).length, limit: 0 },
  ];
}

/** A table of what `sizes` returns. */
export function table(rows) {
  const number = (value) => String(value.toLocaleString("en")).padStart(11);
  const lines = rows.map(({ what, bytes, limit, aim }) => {
    const missed = aim === undefined || bytes <= aim ? "" : `   aim ${aim.toLocaleString("en")}, missed`;
    return `${what.padEnd(28)}${number(bytes)}${number(limit)}${bytes > limit ? "   TOO LONG" : missed}`;
  });
  return [`${"".padEnd(28)}${"bytes".padStart(11)}${"limit".padStart(11)}`, ...lines].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = await sizes();
  console.log(table(rows));
  if (rows.some(({ bytes, limit }) => bytes > limit)) process.exitCode = 1;
}
