// Where WebAssembly gets no memory, or may not be used, an engine is of the other core, or says why there is none.

import { Engine, type EngineOptions } from "skbuff";
import { audit } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { SHARED_MEMORY } from "../environment.js";
import "skbuff/js";

const SMALL = { memory: 256 * 1024, threads: 2 };

/** What `WebAssembly[name]` is while `run` runs. */
async function instead<K extends "compile" | "Memory", T>(
  name: K,
  replacement: unknown,
  run: () => Promise<T>,
): Promise<T> {
  const real = WebAssembly[name];
  WebAssembly[name] = replacement as (typeof WebAssembly)[K];
  try {
    return await run();
  } finally {
    WebAssembly[name] = real;
  }
}

/** Makes an engine, uses and closes it. Returns its core, and whether it is shared. */
async function used(options: EngineOptions): Promise<[string, boolean]> {
  const engine = await Engine.create({ ...SMALL, ...options });
  engine.alloc(100).release();
  expect(audit(engine).problems).toEqual([]);
  engine.close();
  return [engine.core, engine.shared];
}

describe("compiling", () => {
  // In one test, since what was compiled once is kept.
  it("that fails is tried again by the next engine, and called what it is", async () => {
    const short = new RangeError("WebAssembly.compile(): Out of memory: cannot allocate code space");
    const policy = new WebAssembly.CompileError("violates the following Content Security Policy directive");
    for (const [error, wanted] of [
      [short, /^"memory" expected enough for WebAssembly, got too little$/],
      [policy, /^"core" expected permission to use WebAssembly .*wasm-unsafe-eval/],
    ] as const) {
      const fails = (): Promise<never> => Promise.reject(error);
      await instead("compile", fails, async () => {
        const failed = expect(used({ core: "wasm", shared: false })).rejects;
        await failed.toMatchObject({
          code: "ERR_SKB_UNSUPPORTED",
          cause: error,
          message: expect.stringMatching(wanted),
        });
        expect(await used({ core: "auto", shared: false })).toEqual(["js", false]);
      });
    }
    expect(await used({ core: "wasm", shared: false })).toEqual(["wasm", false]);
  });
});

describe("a memory that is refused", () => {
  function refuse(): never {
    throw new RangeError("WebAssembly.Memory(): could not allocate memory");
  }

  it.each([false, true])("makes it a plain buffer with the JS core, shared: %s", async (shared) => {
    if (shared && !SHARED_MEMORY) return;
    await instead("Memory", refuse, async () => {
      expect(await used({ shared })).toEqual(["js", shared]);
      expect(await used({ shared, core: "js" })).toEqual(["js", shared]);
      await expect(used({ shared, core: "wasm" })).rejects.toMatchObject({
        code: "ERR_SKB_UNSUPPORTED",
        message: '"memory" expected 262144 bytes, and room for them in the address space, got too little',
      });
    });
  });
});
