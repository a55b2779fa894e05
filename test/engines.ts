// The engines that every suite of the contract runs on: two cores, each on shared and on unshared memory; and one whose
// packets are released by another thread.

import { Engine, type EngineOptions } from "skbuff";
import { audit } from "skbuff/inspect";
import { afterAll, afterEach, describe, expect } from "vitest";
import { patient, SHARED_MEMORY } from "./environment.js";
import { Releaser } from "./threads/releaser.js";

/** Makes an engine of the kind under test. It is audited and closed after the test. */
export type Make = (options?: EngineOptions) => Promise<Engine>;

/** The engine whose packets end on another thread. */
export const ELSEWHERE = "wasm, released on another thread";

const KINDS = [
  { name: "wasm on shared memory", core: "wasm", shared: true },
  { name: "wasm on unshared memory", core: "wasm", shared: false },
  { name: "js on a SharedArrayBuffer", core: "js", shared: true },
  { name: "js on an ArrayBuffer", core: "js", shared: false },
  { name: ELSEWHERE, core: "wasm", shared: true },
] as const;

/** Those that there can be here. */
const HERE = KINDS.filter(({ shared }) => !shared || SHARED_MEMORY);

/** Runs a suite on each engine that there can be here. Small arenas: what runs out of memory should do so soon. */
export function forEachEngine(suite: (name: string, make: Make) => void): void {
  describe.each(HERE)("$name", ({ name, core, shared }) => {
    const made: Engine[] = [];
    let releaser: Releaser | undefined;

    afterEach(() => {
      for (const engine of made.splice(0)) {
        if (engine.closed) continue;
        expect(audit(engine)).toMatchObject({ problems: [], complete: true });
        engine.close({ force: true });
      }
    });

    afterAll(() => releaser?.stop());

    suite(name, async (options) => {
      const given = { memory: 1024 * 1024, threads: 1, core, shared, ...options };
      if (name === ELSEWHERE) given.threads++;
      const engine = patient(await Engine.create(given));
      made.push(engine);
      if (name === ELSEWHERE) {
        releaser ??= new Releaser();
        await releaser.serve(engine);
      }
      return engine;
    });
  });
}

/** What the tests use of the core behind an engine, which is no part of the public interface. */
export interface Inside {
  /** Lets the `nth` allocation from now fail (1 is the next), or none (0). Returns what was left. */
  failAllocation(nth: number): number;
}

export function inside(engine: Engine): Inside {
  return (engine as unknown as { _core: Inside })._core;
}

/**
 * Where an allocation is made to fail there is memory all the same, so nobody would ever give some back: this does, once, when it is waited
 * for. Returns what takes that back.
 */
export function givesWhenWaited(engine: Engine): () => void {
  const held = engine.alloc(0);
  const wait = engine.waitMemoryAsync.bind(engine);
  engine.waitMemoryAsync = (options) => {
    const waited = wait(options);
    held[Symbol.dispose]();
    return waited;
  };
  return () => {
    held[Symbol.dispose]();
    engine.waitMemoryAsync = wait;
  };
}
