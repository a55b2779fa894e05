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

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/both-cores.ts"],
    sequence: { sequencer: BrowsersFirst },
    pool: "forks",
    // Also where there are two cores: tests wait more than they work.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    // Node loads the built package itself, as it does for users and in worker threads.
    server: { deps: { external: [/\/dist\//] } },
  },
});
