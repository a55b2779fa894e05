import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/both-cores.ts"],
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
