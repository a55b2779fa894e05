import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The browsers take minutes each: whoever begins with them does not wait for one at the end. */
class BrowsersFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isBrowser = ({ moduleId }: TestSpecification): boolean => /browser\/\w+\.test\.ts$/.test(moduleId);
    // WebKit takes longest, and is the last by name.
    const first = sorted.filter(isBrowser).sort((a, b) => (a.moduleId < b.moduleId ? 1 : -1));
    return [...first, ...sorted.filter((file) => !isBrowser(file))];
  }
}

/** What takes longer than an edit: `npm run test:quick` leaves it out. */
const LONG = [
  "test/bench-programs.test.ts",
  "test/bench-stream.test.ts",
  "test/browser/**",
  "test/cli/captures.test.ts",
  "test/cli/command.test.ts",
  "test/cli/files.test.ts",
  "test/cli/replay.test.ts",
  "test/docs.test.ts",
  "test/explore/**",
  "test/failure.test.ts",
  "test/growth-tables.test.ts",
  "test/node/capture-files.test.ts",
  "test/node/capture-format.test.ts",
  "test/node/capture-reader.test.ts",
  "test/node/stream-receiver.test.ts",
  "test/package.test.ts",
  "test/packaging/**",
  "test/threads/pool.test.ts",
  "test/threads/process.test.ts",
  "test/threads/stress.test.ts",
  "test/threads/wait.test.ts",
  "test/web/web-stream.test.ts",
];

/** What only `npm run test:all` does: the rest of what browsers are tried with. */
const THOROUGH = ["test/browser/pipeline.test.ts", "test/browser/web.test.ts", "test/packaging/apps.test.ts"];

// `vitest --mode quick` and `vitest --mode all`; see test/amount.ts.
export default defineConfig(({ mode }) => ({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: mode === "quick" ? LONG : mode === "all" ? [] : THOROUGH,
    env: { SKBUFF_TESTS: mode },
    setupFiles: ["test/both-cores.ts"],
    sequence: { sequencer: BrowsersFirst },
    pool: "forks",
    // Also where there are two cores: tests wait more than they work.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // What hangs is found even so; what is slow, on a machine with much else to do, is no fault.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // Node loads the built package itself, as it does for users and in worker threads.
    server: { deps: { external: [/\/dist\//] } },
  },
}));
