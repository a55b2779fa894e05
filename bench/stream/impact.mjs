// What packets pay that have no ubuf for those that have one: the core as it is against one without the checks, on packets
// that carry nothing. `node impact.mjs <rounds>`, JSON on stdout.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ratiosOf } from "./figures.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Of 64 KiB each: 16 MiB. */
const MEMORY_PAGES = 256;
/** Where the engine puts its arena, too. */
const BASE = 4096;
const SIZE = 1500;
const CALLS = 4000;
const WARM_UP_ROUNDS = 30;

/** Where a packet is asked whether it carries a ubuf: the file, what stands there, and what is true if none ever does. */
const CHECKS = [
  ["clone.ts", "carriesUbuf(skb) && orphanFrags(skb) !== OK) {\n    freeSkb(", "false) {\n    freeSkb("],
  ["clone.ts", "carriesUbuf(skb) && orphanFrags(skb) !== OK) {\n    freeFor", "false) {\n    freeFor"],
  ["rehead.ts", "const ubuf = load32(from + SHINFO_UBUF);", "const ubuf: u32 = 0;"],
  ["skb.ts", "const ubuf = load32(shinfo + SHINFO_UBUF);", "const ubuf: u32 = 0;"],
];

export const IMPACTS = [
  { id: "alloc", title: "alloc + release" },
  { id: "twin", title: "alloc + clone + release × 2" },
  { id: "head", title: "copyHead + release" },
];

/** @throws Error if the source is not what this file takes it for. */
async function withoutChecks(folder) {
  for (const [name, check, instead] of CHECKS) {
    const file = join(folder, "assembly", name);
    const parts = (await readFile(file, "utf8")).split(check);
    if (parts.length !== 2)
      throw new Error(`assembly/${name}: expected "${check}" once, found it ${parts.length - 1} times`);
    await writeFile(file, parts.join(instead));
  }
}

/** Compiles a copy of the source, after `change` was made to it. */
async function compile(change) {
  // Here, because it takes a second, and others want only the names above.
  const { compileCore } = await import("../../scripts/wasm.mjs");
  const folder = await mkdtemp(join(tmpdir(), "skbuff-bench-"));
  try {
    for (const name of ["assembly", "asconfig.json"])
      await cp(join(ROOT, name), join(folder, name), { recursive: true });
    await change(folder);
    return await compileCore(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// Made of text, and of another text for each core: else they share code, and a call that has met two instances is no longer a
// direct one.
const loopsFor = (name) => `// ${name}
return {
  alloc(n) {
    for (let i = 0; i < n; i++) core.release(core.alloc(${SIZE}, 0), 0);
  },
  twin(n) {
    for (let i = 0; i < n; i++) {
      const skb = core.alloc(${SIZE}, 0);
      const twin = core.clone(skb);
      core.release(skb, 0);
      core.release(twin, 0);
    }
  },
  head(n) {
    for (let i = 0; i < n; i++) core.release(core.copyHead(packet), 0);
  },
};`;

async function loopsOf(name, bytes) {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const { exports: core } = instance;
  if (core.format(BASE, MEMORY_PAGES * 16 - 1, 1024, 1024, 1, 1, 0) !== 0)
    throw new Error("the arena is too small");
  core.attachArena(BASE);
  core.claimThread();
  const packet = core.alloc(SIZE, 0);
  core.put(packet, SIZE);
  return new Function("core", "packet", loopsFor(name))(core, packet);
}

/** Nanoseconds a call. */
function time(loop) {
  const start = performance.now();
  loop(CALLS);
  return ((performance.now() - start) * 1e6) / CALLS;
}

/**
 * Of each operation the ratio of the times with and without the checks, in rounds. `same` is the ratio of the core to a second
 * instance of itself: what cannot be told from 1.
 */
async function measure(rounds) {
  const [whole, bare] = [await compile(() => {}), await compile(withoutChecks)];
  const cores = {};
  for (const [name, bytes] of Object.entries({ with: whole, without: bare, again: whole }))
    cores[name] = await loopsOf(name, bytes);
  const names = Object.keys(cores);
  const found = {};
  for (const { id } of IMPACTS) {
    const times = { with: [], without: [], again: [] };
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      // Another one goes first each time.
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + round + WARM_UP_ROUNDS) % names.length];
        const ns = time(cores[name][id]);
        if (round >= 0) times[name].push(ns);
      }
    }
    found[id] = { checks: ratiosOf(times.with, times.without), same: ratiosOf(times.with, times.again) };
  }
  return found;
}

// Started as a program, not imported for its names.
if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await measure(Number(process.argv[2]))));
