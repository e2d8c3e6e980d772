import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { GateRun } from "../../domain/gate.ts";
import { withheldMark } from "../../domain/secrets.ts";
import { openCleansing, openResults } from "./results.ts";

const canary = "sk-canary-2c9e7745d1aa";
const run = (word: string): GateRun => ({
  ...{ kind: "counted", check: "c", runner: "pytest", exitCode: 1, limit: undefined, wallMs: 1 },
  tests: [{ id: `t[${word}]`, file: "t.py", status: "failed", message: `'x' != '${word}'` }],
  output: { stdout: "", stderr: `E ${word}\n` },
});

test("results that a verifier kept on base lose it, once it is known; all others stay as they are", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rigs-results-"));
  try {
    const results = openResults(folder);
    await results.put(["a"], run(canary));
    await results.put(["b"], run("harmless"));
    let secrets: readonly string[] = [];
    const cleanse = openCleansing(folder, () => secrets);
    const bytes = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
    await cleanse();
    expect(bytes().join()).toContain(canary);
    secrets = [canary];
    await cleanse();
    expect(bytes().join()).not.toContain(canary);
    expect(await results.get(["a"])).toMatchObject({ tests: [{ id: `t[${withheldMark}]` }] });
    expect(await results.get(["b"])).toEqual(run("harmless"));
    await results.put(["c"], run(canary));
    await cleanse();
    expect(bytes().join()).not.toContain(canary);
    expect(bytes()).toHaveLength(3);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
