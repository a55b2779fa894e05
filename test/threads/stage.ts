// An engine and workers for one test: at its end everything has been given back, or the test fails.

import { Engine, type EngineOptions } from "skbuff";
import { audit, stats } from "skbuff/inspect";
import { afterEach, expect } from "vitest";
import { patient } from "../environment.js";
import { Agent } from "./agent.js";

const engines: Engine[] = [];
const agents: Agent[] = [];
const spare: Agent[] = [];

/** An engine on shared memory, audited and closed after the test. */
export async function shared(options?: EngineOptions): Promise<Engine> {
  const engine = patient(await Engine.create({ memory: 1024 * 1024, shared: true, threads: 8, ...options }));
  engines.push(engine);
  return engine;
}

/** A worker. Later tests use it again if it has left its engine. */
export function agent(): Agent {
  const one = spare.pop() ?? new Agent();
  agents.push(one);
  return one;
}

/** Workers that are attached. */
export async function attached(
  engine: Engine,
  n: number,
  core?: (i: number) => "wasm" | "js",
): Promise<Agent[]> {
  return Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const one = agent();
      await one.attach(engine, core === undefined ? undefined : { core: core(i) });
      return one;
    }),
  );
}

/** That the arena is as it was when it was made: everybody has left and everything is free. */
export function expectAllBack(engine: Engine): void {
  engine.poll();
  expect(audit(engine)).toMatchObject({
    ...{ problems: [], complete: true, packets: [], ubufs: 0, dataPages: 0, ringPages: 0 },
  });
  const { skbs, ubufTable, threads, allocs, releases } = stats(engine);
  expect({ skbs: skbs.used, ubufs: ubufTable.used, threads: threads.length, out: allocs - releases }).toEqual(
    {
      ...{ skbs: 0, ubufs: 0, threads: 1, out: 0 },
    },
  );
}

/** Milliseconds after which something that should have happened will not. */
const PATIENCE_MS = 100_000;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks until something is so. */
export async function until(is: () => boolean, hint: string, ms = PATIENCE_MS): Promise<void> {
  const deadline = performance.now() + ms;
  while (!is()) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${hint}`);
    await sleep(1);
  }
}

afterEach(async () => {
  await Promise.all(
    agents.splice(0).map(async (one) => {
      // One that blocks, after a test that failed, does not answer.
      const free = await Promise.race([
        one.run((seat) => seat.engine === undefined || seat.engine.closed).catch(() => false),
        sleep(5000).then(() => false),
      ]);
      if (free) spare.push(one);
      else await one.stop();
    }),
  );
  for (const engine of engines.splice(0)) {
    if (engine.closed) continue;
    expect(audit(engine).problems).toEqual([]);
    engine.close({ force: true });
  }
});
