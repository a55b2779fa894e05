// What the tests use of vitest, for places where vitest itself does not run: its own runner and assertions, without its
// server. Bundled once, so that whoever runs a file and the file itself mean the same.

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  addCustomEqualityTesters,
  ChaiStyleAssertions,
  chai,
  customMatchers,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from "@vitest/expect";
import { type File, startTests, type Task, type VitestRunner } from "@vitest/runner";
import { spyOn } from "@vitest/spy";
import type { ExpectStatic } from "vitest";

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(ChaiStyleAssertions);
chai.use(JestAsymmetricMatchers);

function makeExpect(): ExpectStatic {
  const made = ((value: unknown, message?: string) => chai.expect(value, message)) as unknown as ExpectStatic;
  const globals = globalThis as unknown as Record<symbol, object>;
  Object.assign(made, chai.expect, globals[ASYMMETRIC_MATCHERS_OBJECT as unknown as symbol]);
  made.getState = () => getState(made);
  made.setState = (state) => setState(state, made);
  made.addEqualityTesters = (testers) => addCustomEqualityTesters(testers);
  setState({ assertionCalls: 0 }, made);
  made.extend = (matchers) =>
    (chai.expect as unknown as { extend(to: ExpectStatic, what: object): void }).extend(made, matchers);
  made.extend(customMatchers);
  Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: made, writable: true, configurable: true });
  return made;
}

export const expect = makeExpect();
export const vi = { spyOn };

/** What became of a file of tests. */
export interface Outcome {
  readonly file: string;
  readonly passed: number;
  readonly skipped: number;
  /** Names of tests, and what they failed with. */
  readonly failed: readonly string[];
  readonly milliseconds: number;
}

const TEST_MS = 120_000;

function runner(load: (file: string) => Promise<unknown>): VitestRunner {
  return {
    config: {
      root: "/",
      setupFiles: [],
      name: undefined,
      passWithNoTests: false,
      testNamePattern: undefined,
      allowOnly: false,
      sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
      chaiConfig: undefined,
      maxConcurrency: 1,
      testTimeout: TEST_MS,
      hookTimeout: TEST_MS,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: load,
  };
}

function* testsOf(task: Task, path: string): Generator<[string, Task]> {
  const name = path === "" ? task.name : `${path} > ${task.name}`;
  if (task.type === "test") yield [name, task];
  else
    for (const one of task.tasks)
      yield* testsOf(one, task.type === "suite" && "filepath" in task ? "" : name);
}

function outcomeOf(file: string, task: File, milliseconds: number): Outcome {
  const failed: string[] = [];
  let [passed, skipped] = [0, 0];
  const errorsOf = (one: Task): string =>
    (one.result?.errors ?? []).map(({ message, stack }) => `${message}\n${stack ?? ""}`).join("\n");
  for (const [name, one] of testsOf(task, "")) {
    if (one.result?.state === "pass") passed++;
    else if (one.result?.state === "fail") failed.push(`${name}: ${errorsOf(one)}`);
    else skipped++;
  }
  // A hook, or the file as such.
  const own = (one: Task): void => {
    if (one.type !== "suite") return;
    if ((one.result?.errors?.length ?? 0) > 0) failed.push(`${one.name}: ${errorsOf(one)}`);
    one.tasks.forEach(own);
  };
  own(task);
  return { file, passed, skipped, failed, milliseconds };
}

/** Runs the tests of a file beside this one, by its name without `.mjs`. */
export async function runFile(file: string): Promise<Outcome> {
  const start = performance.now();
  const [task] = await startTests(
    [file],
    runner(() => import(new URL(`${file}.mjs`, import.meta.url).href)),
  );
  return outcomeOf(file, task as File, Math.round(performance.now() - start));
}
