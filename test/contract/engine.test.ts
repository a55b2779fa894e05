// Making and ending an engine: options, environments that lack something, and what debug tells.

import {
  Engine,
  type EngineOptions,
  InUseError,
  type Skb,
  type SkbuffError,
  StaleSkbError,
  UserRegion,
} from "skbuff";
import { debug, stats } from "skbuff/inspect";
import { describe, expect, it } from "vitest";
import { forEachEngine } from "../engines.js";
import { SHARED_MEMORY } from "../environment.js";
import { caught, expectTyped } from "../packets.js";

/** What `Engine.create` rejects with. */
async function rejection(options: unknown): Promise<SkbuffError | undefined> {
  try {
    (await Engine.create(options as EngineOptions)).close();
  } catch (error) {
    expectTyped(error, String(options));
    return error as SkbuffError;
  }
  return undefined;
}

/** Runs `body` in an environment without a global, or with another one in its place. */
async function withGlobal<T>(name: string, value: unknown, body: () => Promise<T>): Promise<T> {
  const real = Object.getOwnPropertyDescriptor(globalThis, name) as PropertyDescriptor;
  if (value === undefined) Reflect.deleteProperty(globalThis, name);
  else Object.defineProperty(globalThis, name, { ...real, value });
  try {
    return await body();
  } finally {
    Object.defineProperty(globalThis, name, real);
  }
}

const SMALL = { memory: 256 * 1024, threads: 1 };

describe("Engine.create", () => {
  it.each([
    ["memory", [0, -1, 262143, 2 ** 32 + 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "5", {}, 1n, true]],
    ["skbs", [0, -1, 2 ** 20 + 1, 0.5, Number.NaN, "5", {}, 1n]],
    ["ubufs", [0, -1, 2 ** 16 + 1, 0.5, Number.NaN, "5", {}, 1n]],
    ["threads", [0, -1, 65, 0.5, Number.NaN, "5", {}, 1n]],
    ["magazine", [0, -1, 256, 0.5, Number.NaN, "5", {}, 1n]],
    ["core", ["none", "WASM", 1, {}, true, 1n]],
    ["shared", ["none", "yes", 1, 0, {}, 1n]],
    ["debug", ["none", "yes", 1, 0, {}, 1n, true, null, () => ({})]],
    ["onLeak", [null, 1, "f", {}, 1n]],
    ["onError", [null, 1, "f", {}, 1n]],
  ])("refuses wild values of %s", async (name, values) => {
    for (const value of values) {
      const error = await rejection({ ...SMALL, [name]: value });
      expect(error?.message, String(value)).toContain(`"${name}" expected`);
      expect(["ERR_SKB_RANGE", "ERR_SKB_TYPE"], String(value)).toContain(error?.code);
    }
  });

  it("refuses what are no options", async () => {
    for (const wild of [null, 1, "options", true, 1n, () => 1]) {
      expect((await rejection(wild))?.code, String(wild)).toBe("ERR_SKB_TYPE");
    }
  });

  it("refuses a memory too small for its tables", async () => {
    for (const options of [
      { threads: 64 },
      { threads: 1, skbs: 2 ** 20 },
      { threads: 1, ubufs: 2 ** 16 },
      { threads: 1, skbs: 1985 },
    ]) {
      const error = await rejection({ memory: 256 * 1024, ...options });
      expect(error?.code, JSON.stringify(options)).toBe("ERR_SKB_RANGE");
      expect(error?.message).toContain(`"${Object.keys(options).at(-1)}" expected fewer (their`);
    }
  });

  it.each([
    ["wasm", true],
    ["wasm", false],
    ["js", true],
    ["js", false],
  ] as const)("makes what was asked for: %s, shared %s", async (core, shared) => {
    if (shared && !SHARED_MEMORY) {
      expect((await rejection({ ...SMALL, core, shared }))?.code).toBe("ERR_SKB_UNSUPPORTED");
      return;
    }
    const engine = await Engine.create({ ...SMALL, memory: 256 * 1024 + 1, core, shared });
    expect([engine.core, engine.shared, engine.memory, engine.closed]).toEqual([
      core,
      shared,
      320 * 1024,
      false,
    ]);
    const { buffer } = new UserRegion(engine, 1).bytes;
    expect(buffer).toBeInstanceOf(shared ? SharedArrayBuffer : ArrayBuffer);
    expect(buffer.byteLength).toBe(320 * 1024);
    engine.close({ force: true });
  });

  it("takes Wasm and shared memory if nothing else is said, and 64 MiB", async () => {
    const engine = await Engine.create();
    expect([engine.core, engine.shared, engine.memory]).toEqual(["wasm", SHARED_MEMORY, 64 * 1024 * 1024]);
    expect(stats(engine).skbs.total).toBeGreaterThanOrEqual(32000);
    engine.close();
  });

  it.runIf(SHARED_MEMORY).each(["wasm", "js"] as const)("without SharedArrayBuffer, %s", async (core) => {
    await withGlobal("SharedArrayBuffer", undefined, async () => {
      const engine = await Engine.create({ ...SMALL, core, shared: "auto" });
      expect(engine.shared).toBe(false);
      engine.alloc(10).putZeros(10).release();
      engine.close();
      expect((await rejection({ ...SMALL, core, shared: true }))?.code).toBe("ERR_SKB_UNSUPPORTED");
    });
    expect(typeof SharedArrayBuffer).toBe("function");
  });

  it("without WebAssembly", async () => {
    await withGlobal("WebAssembly", undefined, async () => {
      const engine = await Engine.create({ ...SMALL, core: "auto" });
      expect(engine.core).toBe("js");
      engine.alloc(10).putZeros(10).release();
      engine.close();
      expect((await rejection({ ...SMALL, core: "wasm" }))?.code).toBe("ERR_SKB_UNSUPPORTED");
    });
  });

  it("says so when the environment refuses the memory", async () => {
    const refusal = new RangeError("no more");
    class Refuse {
      constructor() {
        throw refusal;
      }
    }
    await withGlobal("ArrayBuffer", Refuse, async () => {
      const error = await rejection({ ...SMALL, core: "js", shared: false });
      expect([error?.code, error?.cause]).toEqual(["ERR_SKB_UNSUPPORTED", refusal]);
    });
  });

  it("keeps engines apart, also on one core", async () => {
    const engines = await Promise.all(
      (["wasm", "js"] as const).flatMap((core) => [0, 1].map(() => Engine.create({ ...SMALL, core }))),
    );
    const skbs = engines.map((engine, i) => engine.alloc(10).putData(new Uint8Array(10).fill(i)));
    for (const [i, skb] of skbs.entries()) expect(skb.readU8(9)).toBe(i);
    for (const [i, skb] of skbs.entries()) {
      skb.release();
      expect(engines[i]?.close()).toEqual([]);
    }
  });
});

forEachEngine((_name, make) => {
  describe("close", () => {
    it("does nothing to an engine from which something is out", async () => {
      const engine = await make();
      const skb = engine.alloc(10).putZeros(3);
      const error = caught(() => engine.close()) as InUseError;
      expect(error).toBeInstanceOf(InUseError);
      expect([error.holders, engine.closed]).toEqual([
        [`skb ${skb.handle}: 3 bytes, 1 users, thread 1`],
        false,
      ]);
      expect(skb.length).toBe(3);
      const { handle } = skb.get();
      expect(engine.close({ force: true })).toEqual([`skb ${handle}: 3 bytes, 2 users, thread 1`]);
      expect([engine.closed, engine.close(), engine.close({ force: true })]).toEqual([true, [], []]);
    });
  });

  describe("debug", () => {
    // Bundled, it is another kind of file.
    const HERE = /engine\.test\.m?[jt]s/;

    it("says where a stale packet was allocated and let go", async () => {
      const engine = await make({ debug });
      const gone: Record<string, (skb: Skb) => void> = {
        released: (skb) => skb.release(),
        "released in a burst": (skb) => engine.releaseBurst([skb]),
        "given away": (skb) => engine.alloc(1).addFragList(skb),
        coalesced: (skb) => engine.alloc(10).tryCoalesce(skb),
      };
      for (const [how, end] of Object.entries(gone)) {
        const skb = engine.alloc(1);
        end(skb);
        const error = caught(() => skb.length) as StaleSkbError;
        expect(error, how).toBeInstanceOf(StaleSkbError);
        expect(error.allocatedAt, how).toMatch(HERE);
        expect(error.releasedAt, how).toMatch(HERE);
        // The first line of a stack is the caller's, not the library's.
        expect(error.allocatedAt?.split("\n")[0], how).toMatch(HERE);
        expect(error.releasedAt?.split("\n")[0], how).toMatch(HERE);
        expect(error.message, how).toContain(error.allocatedAt);
      }
      engine.close({ force: true });
    });

    it("close says where what is out was allocated", async () => {
      const engine = await make({ debug });
      const skb = engine.alloc(1);
      const burst: Skb[] = [];
      engine.allocBurst(burst, 1, 1);
      const others = [skb.clone(), skb.copy(), skb.copyHead(), skb.split(0), burst[0]];
      const error = caught(() => engine.close()) as InUseError;
      expect(error.holders.length).toBe(1 + others.length);
      for (const line of error.holders) expect(line).toMatch(HERE);
      engine.close({ force: true });
    });

    it("still says so when a second reference was taken and released", async () => {
      const engine = await make({ debug });
      const skb = engine.alloc(1);
      skb.get().release();
      expect(skb.alive).toBe(true);
      expect(String(engine.close({ force: true }))).toMatch(HERE);
    });
  });

  it("without debug there are no stacks", async () => {
    const engine = await make();
    const skb = engine.alloc(1);
    skb.release();
    const error = caught(() => skb.length) as StaleSkbError;
    expect([error.allocatedAt, error.releasedAt]).toEqual([undefined, undefined]);
  });
});
