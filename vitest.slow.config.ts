import { defineConfig } from "vitest/config";
import { skippedTests } from "./test/support/skipped.ts";

/** The suites that are slower than people wait for, run by CI: killed processes, other people's runners, real tasks. */
export default defineConfig({
  test: {
    include: ["test/slow/**/*.test.ts"],
    reporters: [skippedTests, "default"],
    pool: "forks",
    maxWorkers: 2,
    maxConcurrency: 2,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
