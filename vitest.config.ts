import { defineConfig } from "vitest/config";
import { skippedTests } from "./test/support/skipped.ts";

/** Two cores are the machine this project promises its five minutes on. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/slow/**", "node_modules/**"],
    setupFiles: ["test/support/seed.ts"],
    reporters: [skippedTests, "default"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
