/** Names every skipped test at the end of a run: a count alone would hide what was not looked at. */
import type { Reporter, TestModule } from "vitest/node";

export const skippedTests: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    for (const module of modules)
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const note = result.state === "skipped" && result.note !== undefined ? ` (${result.note})` : "";
        process.stdout.write(`skipped: ${module.relativeModuleId} > ${test.fullName}${note}\n`);
      }
  },
};
