// Short names for what is inside of the library. Minifiers of users cannot shorten the names of properties, since they do not
// know who else uses them.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What starts so is nobody's but the library's. */
export const INTERNAL = /^_[a-z]\w*$/i;

/** Keep their names: those of Node's streams, and of what tests reach into the library by. */
export const KEPT =
  /^_(construct|read|write|writev|destroy|final|core|heap|waiter|scratch|parts|engine|handle|address|provideJs|crossing|bufferCopyLeast)$/;

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The nth short name. */
function short(n) {
  const letter = LETTERS[n % LETTERS.length];
  return n < LETTERS.length ? letter : `${short(Math.floor(n / LETTERS.length) - 1)}${letter}`;
}

/**
 * For esbuild's `mangleCache`: a short name for each internal one in `folder`, the shortest for what is there most often. They
 * start as the long ones do, by which one sees that they are internal.
 */
export async function shortNames(folder) {
  const counts = new Map();
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith(".ts")) continue;
    const text = await readFile(join(folder, file), "utf8");
    for (const [name] of text.matchAll(/(?<![\w$])_[a-z]\w*/gi))
      if (!KEPT.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  // By name where they are as often there, so that each build gives the same.
  const names = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
  return Object.fromEntries(names.map((name, n) => [name, `_${short(n)}`]));
}

/** Functions of the core that keep their names: tests put others in their place, or call them. */
const KEPT_OF_CORE = new Set([
  "failAllocation",
  "flushMagazines",
  "release",
  "releaseBurst",
  "ringState",
  "skbAddress",
  "takeCompletion",
  "threadState",
]);

/** A short name for each function that the core offers, for both of its builds. */
export function coreNames(names) {
  const shortened = names.filter((name) => !KEPT_OF_CORE.has(name)).sort();
  return new Map(shortened.map((name, n) => [name, short(n)]));
}

/**
 * For esbuild: in `folder`, calls the core's functions by their short names. They are what is asked of something named `core`,
 * or of what `coreOf` returns.
 */
export function shorteningCore(folder, names) {
  const core = "(?<=\\b(?:_?core|coreOf\\((?:[^()]|\\([^()]*\\))*\\))\\.)";
  const called = new RegExp(`${core}(?:${[...names.keys()].join("|")})(?![\\w$])`, "g");
  return {
    name: "core-names",
    setup(bundle) {
      bundle.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!path.startsWith(folder)) return undefined;
        const text = await readFile(path, "utf8");
        return { contents: text.replace(called, (name) => names.get(name)), loader: "ts" };
      });
    },
  };
}
