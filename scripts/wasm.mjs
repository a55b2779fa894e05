// From assembly/ to Wasm: compiled by asc, optimised by Binaryen, and what the build knows of the binary's format.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { main as asc } from "assemblyscript/asc";
import binaryen from "binaryen";

const { Features } = binaryen;
const FEATURES =
  Features.Atomics |
  Features.BulkMemory |
  Features.BulkMemoryOpt |
  Features.MutableGlobals |
  Features.NontrappingFPToInt |
  Features.SignExt |
  Features.SIMD128;

/**
 * Small functions with several callers, on no path that is taken for each packet: inlined, they would make the binary a fortieth
 * longer. By the names that asc gives them.
 */
const NOT_INLINED = [
  "arena/pagesFor",
  "magazine/changes",
  "page/maskFrom",
  "rehead/keptHeadroom",
  "resize/eatMember",
  "scatter/inTurn",
  "scatter/target",
  "split/fragsFor",
  "stats/counter",
  "ubuf/attachUbuf",
  "wake/wakeThread",
  "zerocopy/ownFrags",
];

/**
 * Compiles the core in `root` to build/core.wasm there, and returns its bytes.
 *
 * asc only translates. Its own `-O3` runs passes that make the binary a twelfth longer and nothing faster; without the
 * inlining, though, which is what makes it long, alloc and release take twice the time.
 */
export async function compileCore(root) {
  const errors = [];
  const stderr = { write: (text) => errors.push(text) };
  // With the names of its functions, which are gone once it is optimised.
  const options = ["--config", "asconfig.json", "--baseDir", root, "--debug"];
  const { error } = await asc(["assembly/index.ts", ...options], { stderr });
  if (error) throw new Error(`asc: ${errors.join("")}`, { cause: error });
  const file = join(root, "build/core.wasm");
  const bytes = optimise(await readFile(file));
  await writeFile(file, bytes);
  return bytes;
}

function optimise(bytes) {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(FEATURES);
  binaryen.setDebugInfo(false);
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  // Instructions: of what is always inlined, of what is where nothing else is called, of what has one caller.
  binaryen.setAlwaysInlineMaxSize(8);
  binaryen.setFlexibleInlineMaxSize(65);
  binaryen.setOneCallerInlineMaxSize(80);
  // The arena begins behind the first page, and no address of the core's is outside of the memory.
  binaryen.setLowMemoryUnused(true);
  binaryen.setTrapsNeverHappen(true);
  const there = new Set();
  for (let i = 0; i < module.getNumFunctions(); i++)
    there.add(binaryen.getFunctionInfo(module.getFunctionByIndex(i)).name);
  for (const name of NOT_INLINED.map((short) => `assembly/${short}`)) {
    if (!there.has(name)) throw new Error(`the core has no function ${name}`);
    binaryen.setPassArgument("no-inline", name);
    module.runPasses(["no-inline"]);
  }
  let best;
  let next;
  do {
    best = next;
    module.optimize();
    next = module.emitBinary();
  } while (best === undefined || next.length < best.length);
  module.dispose();
  return best;
}

/** The same binary, with other names for what it exports. */
export function renamed(bytes, names) {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(FEATURES);
  const functions = new Map();
  for (let i = 0; i < module.getNumExports(); i++) {
    const { name, value } = binaryen.getExportInfo(module.getExportByIndex(i));
    functions.set(name, value);
  }
  for (const [name, other] of names) {
    module.removeExport(name);
    module.addFunctionExport(functions.get(name), other);
  }
  const short = module.emitBinary();
  module.dispose();
  return short;
}

const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
const MEMORY_IMPORT = 2;
/** Flags of a memory's limits: a maximum is given, and it is shared. */
const SHARED_WITH_MAXIMUM = 3;

/**
 * Where in a module, whose only import is a shared memory, the flags of that memory are. With 1 there in place of 3 the
 * module takes an unshared memory: nothing else in it says what memory it is made for.
 */
export function memoryFlagsAt(bytes) {
  let at = HEADER_BYTES;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const section = number();
    const size = number();
    if (section !== IMPORT_SECTION) {
      at += size;
      continue;
    }
    const count = number();
    for (const _name of ["module", "field"]) {
      const length = number();
      at += length;
    }
    if (count !== 1 || bytes[at++] !== MEMORY_IMPORT || bytes[at] !== SHARED_WITH_MAXIMUM) break;
    return at;
  }
  throw new Error("the core's only import is not a shared memory");
}
