import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { skippedTests } from "./test/support/skipped.ts";

// Workers, and the verifiers that tests start, keep compiled code from one run to the next.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/rigs");

/** Two cores are the machine this project promises its five minutes on. */
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/slow/**", "node_modules/**"],
    setupFiles: ["test/support/seed.ts"],
    reporters: [skippedTests, "default"],
    pool: "forks",
    maxWorkers: 2,
    // Modules are loaded once for each worker, not for each file: a test leaves nothing of its own in a module or the process.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
