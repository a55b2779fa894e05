// Random programs, run on the Wasm core, on the JS core and on the naive model. After each operation all three agree,
// and both audits are clean.

import fc from "fast-check";
import { expect, test } from "vitest";
import { amount } from "../amount.js";
import { Machine } from "./machine.js";
import { OPERATIONS, WEIGHTED } from "./operations.js";

/** More with SKBUFF_FUZZ_OPERATIONS=5000000; again with SKBUFF_FUZZ_SEED. */
const WANTED = Number(process.env.SKBUFF_FUZZ_OPERATIONS ?? amount(4_000, 40_000, 200_000));
const SEED = Number(process.env.SKBUFF_FUZZ_SEED ?? Date.now() % 2 ** 31);

const kinds = Object.keys(OPERATIONS).length;
const number = fc.integer({ min: 0, max: 2 ** 20 });
const program = fc.array(fc.tuple(fc.constantFrom(...WEIGHTED), number, number, number), {
  minLength: 1,
  maxLength: 800,
  size: "max",
});

test(`both cores and the model agree (seed ${SEED})`, { timeout: 24 * 3600 * 1000 }, async () => {
  expect(kinds).toBeGreaterThanOrEqual(60);
  console.log(`fuzz: seed ${SEED}, at least ${WANTED} operations of ${kinds} kinds`);
  let operations = 0;
  for (let round = 0; operations < WANTED; round++) {
    const property = fc.asyncProperty(program, fc.boolean(), async (steps, shared) => {
      const machine = await Machine.make(shared);
      for (const [name, a, b, c] of steps) {
        const touched = OPERATIONS[name]?.(machine, a, b, c) ?? [];
        if (name !== "failNext") machine.failing = 0;
        machine.check(touched.filter((packet) => packet !== undefined));
      }
      machine.finish();
      operations += machine.operations;
    });
    await fc.assert(property, {
      numRuns: 25,
      seed: (SEED + round) % 2 ** 31,
      endOnFailure: process.env.SKBUFF_FUZZ_SHRINK !== "1",
    });
  }
  console.log(`fuzz: ${operations} operations`);
});
