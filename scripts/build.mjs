// Builds the core (assembly/) for Wasm and for JavaScript into build/, then the package into dist/.

import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { zlib } from "@gfx/zopfli";
import { build } from "esbuild";
import { coreNames, INTERNAL, KEPT, shorteningCore, shortNames } from "./names.mjs";
import { compileCore, memoryFlagsAt, renamed } from "./wasm.mjs";

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL("..", import.meta.url));
const TSC = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");

function run(script, ...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`${args.join(" ")}: exit ${code}`)),
    );
  });
}

const ITERATIONS = 15;

/** Returns the short names of what the core exports, by its own. */
async function wasm() {
  const long = await compileCore(root);
  const names = coreNames(WebAssembly.Module.exports(new WebAssembly.Module(long)).map(({ name }) => name));
  const bytes = renamed(long, names);
  // Deflated, then base64: compressed once more on its way to a page, it is hardly longer than deflated. Zopfli's is a
  // sixteenth shorter than zlib's; more iterations than these gain nothing.
  const deflated = await promisify(zlib)(bytes, { numiterations: ITERATIONS });
  const base64 = Buffer.from(deflated).toString("base64");
  await writeFile(
    join(root, "build/wasm.js"),
    `export const deflated = "${base64}";\nexport const memoryFlags = ${memoryFlagsAt(bytes)};\n`,
  );
  return names;
}

/**
 * Bundles the core into a function, so that every call makes an instance with module state of its own. With assertions, or
 * without: those for users have none.
 */
async function javascript(name, memory, debug, names) {
  await build({
    absWorkingDir: root,
    stdin: {
      contents: 'export * from "./index"; export { bind } from "./memory";',
      resolveDir: join(root, "assembly"),
      loader: "ts",
    },
    outfile: `build/${name}.js`,
    bundle: true,
    format: "iife",
    globalName: "core",
    banner: { js: `export default function instantiate() {\n${debug ? ASSERT : ""}` },
    define: { DEBUG: String(debug) },
    // Takes assertions away altogether, where there are none.
    minifySyntax: true,
    footer: {
      js: `const named = {};
for (const [name, value] of Object.entries(core)) named[NAMES[name] ?? name] = value;
return named;
}
const NAMES = ${JSON.stringify(Object.fromEntries(names))};`,
    },
    platform: "neutral",
    target: "es2022",
    logLevel: "warning",
    plugins: [
      {
        name: "memory",
        setup(bundle) {
          bundle.onResolve({ filter: /^\.\/memory$/ }, () => ({ path: join(root, "assembly", memory) }));
        },
      },
    ],
  });
}

/** AssemblyScript has it built in. */
const ASSERT =
  'function assert(condition, message) { if (!condition) throw new Error("core: not so: " + message); }';

async function core() {
  const names = await wasm();
  await javascript("core-js", "memory.host.ts", false, names);
  await javascript("core-js-checked", "memory.host.ts", true, names);
  return names;
}

async function declarations() {
  await writeFile(
    join(root, "build/wasm.d.ts"),
    "export declare const deflated: string;\nexport declare const memoryFlags: number;\n",
  );
  await writeFile(
    join(root, "build/core-js.d.ts"),
    `type Core = typeof import("../assembly/index");
type Host = Pick<typeof import("../assembly/memory.host"), "bind">;
export default function instantiate(): Core & Host;
`,
  );
  // For tests, which see nothing of the core's source.
  await writeFile(
    join(root, "build/core-js-checked.d.ts"),
    "export default function instantiate(): object;\n",
  );
  await run(TSC, "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", "dist/types");
}

/**
 * What many import and some do not: a module each, which bundlers leave out as a whole. Within a module they keep classes that
 * nobody uses, since making one might do something. As entries they get modules of their own; by these nobody finds them.
 */
const APART = Object.fromEntries(
  [
    "build/wasm.js",
    "src/errors.ts",
    "src/mesh.ts",
    "src/queue.ts",
    "src/ring.ts",
    "src/ubuf.ts",
    "src/user-region.ts",
  ].map((file) => [`apart/${basename(file, extname(file))}`, file]),
);

async function bundle(names) {
  await build({
    absWorkingDir: root,
    // Beside each other, and beside what they share, because workers are found by their URL relative to the module that
    // starts them, wherever the bundler has put that.
    entryPoints: {
      index: "src/index.ts",
      attach: "src/attach.ts",
      inspect: "src/inspect/index.ts",
      js: "src/js.ts",
      node: "src/node/index.ts",
      web: "src/web/index.ts",
      pipeline: "src/pipeline/index.ts",
      "tap-worker": "src/node/tap-worker.ts",
      "pipeline-worker": "src/pipeline/worker.ts",
      ...APART,
    },
    outdir: "dist",
    chunkNames: "chunk-[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    external: ["node:*"],
    // Puts the constants where they are used, which bundlers of users cannot: by then they are variables.
    minifySyntax: true,
    // See there.
    define: { "Symbol.dispose": "DISPOSE" },
    inject: ["src/dispose.ts"],
    mangleProps: INTERNAL,
    reserveProps: KEPT,
    mangleCache: await shortNames(join(root, "src")),
    plugins: [shorteningCore(join(root, "src"), names)],
    logLevel: "warning",
  });
  await rm(join(root, "dist/apart"), { recursive: true });
  await tidy(join(root, "dist"));
}

/** What imports the core in base64, and nothing else. */
const CORE_IMPORT = /^import \{\s+deflated,\s+memoryFlags\s+\} from "[^"]*";\n/m;

/**
 * Modules that are only loaded, for what they do, do nothing: bundlers of users warn of that. And the core is the first in the
 * bundle of whoever imports it: base64 beside a program is a thirtieth longer when it is compressed if it lies between.
 */
async function tidy(folder) {
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".js"))) {
    const text = await readFile(join(folder, file), "utf8");
    const [core = ""] = CORE_IMPORT.exec(text) ?? [];
    const rest = text.replace(CORE_IMPORT, "").replace(/^import "\.\/chunk-[^"]*";\n/gm, "");
    if (text === "") await rm(join(folder, file));
    else await writeFile(join(folder, file), core + rest);
  }
}

/**
 * The command. It uses the package as anybody does, by its name, and carries the libraries it is made with, so that who
 * installs the package installs nothing else.
 */
async function command() {
  const { metafile } = await build({
    absWorkingDir: root,
    // Each thread of a replay is a module that is started by its URL.
    entryPoints: ["main", "reader", "looker", "transmitter", "receiver"].map((name) => `cli/${name}.ts`),
    outdir: "dist/cli",
    chunkNames: "chunk-[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["skbuff", "skbuff/inspect", "skbuff/node"],
    // What is bundled of the older kind asks for Node's modules in the older way.
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);',
    },
    metafile: true,
    logLevel: "warning",
  });
  await writeFile(join(root, "dist/cli/THIRD-PARTY.txt"), await licences(Object.keys(metafile.inputs)));
}

/** The licences of the packages that files come from. */
async function licences(files) {
  const folders = new Set(
    files.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
  );
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8"));
    const file = (await readdir(join(root, folder))).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name}: no licence`);
    return `${name} ${version}\n\n${await readFile(join(root, folder, file), "utf8")}`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

async function report(folder) {
  const entries = await readdir(join(root, folder), { recursive: true });
  for (const entry of entries.filter((name) => /\.(js|wasm)$/.test(name)).sort()) {
    const { size } = await stat(join(root, folder, entry));
    console.log(`${String(size).padStart(8)}  ${join(folder, entry)}`);
  }
}

await rm(join(root, "dist"), { recursive: true, force: true });
await mkdir(join(root, "build"), { recursive: true });
await Promise.all([declarations(), core().then(bundle), command()]);
await report("build");
await report("dist");
