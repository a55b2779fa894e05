// Bundles the core's own source with the explorer's memory, and lets the explorer reach the variables of its modules.

import { readFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { Script } from "node:vm";
import { build, type Plugin } from "esbuild";
import type { Port, Variables } from "./memory.js";

type Exports = typeof import("../../assembly/index");

/** The core as a thread of the explorer has it: what it offers, and its modules by name. */
export interface Core extends Exports {
  readonly arenas: typeof import("../../assembly/arena");
  readonly heads: typeof import("../../assembly/head");
  readonly magazines: typeof import("../../assembly/magazine");
  readonly pages: typeof import("../../assembly/page");
  readonly parks: typeof import("../../assembly/park");
  readonly pools: typeof import("../../assembly/pool");
  readonly shinfos: typeof import("../../assembly/shinfo");
  readonly skbs: typeof import("../../assembly/skb");
  readonly ubufs: typeof import("../../assembly/ubuf");
  readonly memory: typeof import("./memory.js");
}

/** A change of the core's source that the explorer is to find. */
export interface Mistake {
  /** Within the repository. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly find: string;
  readonly replace: string;
}

const MODULES = {
  arenas: "arena",
  heads: "head",
  magazines: "magazine",
  pages: "page",
  parks: "park",
  pools: "pool",
  shinfos: "shinfo",
  skbs: "skb",
  ubufs: "ubuf",
};

const VARIABLE = /^(?:export )?let (\w+): u32 = [^;]+;/;

/** The names of a module's variables. They are state of the thread, so one that was missed would be a wrong search. */
function variablesOf(file: string, source: string): string[] {
  const names: string[] = [];
  for (const line of source.split("\n")) {
    if (!/^(export\s+)?(let|var)\b/.test(line)) continue;
    const name = VARIABLE.exec(line)?.[1];
    if (name === undefined) throw new Error(`${file}: no declaration that the explorer can read: ${line}`);
    names.push(name);
  }
  return names;
}

/** Makes a module hand its variables to the memory module, when it is evaluated. */
function withVariables(file: string, source: string): string {
  const names = variablesOf(file, source);
  if (names.length === 0) return source;
  const save = names.map((name, i) => `to[at + ${i}] = ${name};`).join(" ");
  const load = names.map((name, i) => `${name} = from[at + ${i}];`).join(" ");
  return `${source}
import { registerVariables as explorerVariables } from "./memory";
explorerVariables(${JSON.stringify(names)}, (to, at) => { ${save} }, (from, at) => { ${load} });
`;
}

function withMistake(source: string, { file, find, replace }: Mistake): string {
  const parts = source.split(find);
  if (parts.length !== 2) throw new Error(`${file}: found ${parts.length - 1} times, not once: ${find}`);
  return parts.join(replace);
}

function plugin(root: string, mistakes: readonly Mistake[], applied: Set<Mistake>): Plugin {
  return {
    name: "explorer",
    setup(bundle) {
      bundle.onResolve({ filter: /^\.\/memory$/ }, () => ({ path: join(root, "test/explore/memory.ts") }));
      bundle.onLoad({ filter: /[\\/]assembly[\\/]\w+\.ts$/ }, async ({ path }) => {
        let source = await readFile(path, "utf8");
        for (const mistake of mistakes) {
          if (relative(root, path) !== mistake.file) continue;
          source = withMistake(source, mistake);
          applied.add(mistake);
        }
        return { contents: withVariables(basename(path), source), loader: "ts" };
      });
    },
  };
}

/** Makes instances of the core. Each has its own variables, so each is a thread. */
export type Instantiate = () => Core & {
  readonly memory: { bind(port: Port): void; allVariables(): readonly Variables[] };
};

/** The text of a function that makes instances of the core, with deliberate mistakes or without. */
export async function textWith(mistakes: readonly Mistake[], root = process.cwd()): Promise<string> {
  const applied = new Set<Mistake>();
  const modules = Object.entries(MODULES).map(([name, file]) => `export * as ${name} from "./${file}";`);
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: {
      contents: `export * from "./index"; export * as memory from "./memory"; ${modules.join(" ")}`,
      resolveDir: join(root, "assembly"),
      loader: "ts",
    },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "core",
    platform: "neutral",
    target: "es2022",
    define: { DEBUG: "true" },
    logLevel: "warning",
    plugins: [plugin(root, mistakes, applied)],
  });
  for (const mistake of mistakes)
    if (!applied.has(mistake)) throw new Error(`${mistake.file}: not in the bundle`);
  const text = (outputFiles[0] as { text: string }).text;
  // The spread turns esbuild's getters into plain properties.
  return `function instantiate() {
function assert(condition, message) { if (!condition) throw new Error(message); }
${text}\nreturn { ...core };\n}`;
}

async function bundle(root: string, mistakes: readonly Mistake[]): Promise<Instantiate> {
  const script = new Script(`(${await textWith(mistakes, root)})`, { filename: "core.js" });
  return script.runInThisContext() as Instantiate;
}

const bundles = new Map<string, Promise<Instantiate>>();

/** The core's factory, with deliberate mistakes or without. */
export function coreWith(mistakes: readonly Mistake[] = [], root = process.cwd()): Promise<Instantiate> {
  const key = JSON.stringify(mistakes);
  const known = bundles.get(key) ?? bundle(root, mistakes);
  bundles.set(key, known);
  return known;
}
