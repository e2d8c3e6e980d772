/** What the demo's page promises to show has to happen, whoever of its two workers is first. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";

const { test } = await needing("jail");
const program = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

/** Of the page, with what differs from run to run left out. */
const sentences = [
  /r1: 4 of 5 tests pass; nothing at all is an error: .*"TypeError"/,
  /\nr2 reverted: it scores below r1\n/,
  /\ndelivered, proven: 5 tests turned green, 2 stayed green/,
  /in all: 5 tasks/,
  /1\.3 .*: r1: 1 of 3 tests pass; empty lines are left out: TypeError/,
  /1\.[12] .*: comes back from the merge queue: .* > no two reports answer to the same letter/,
  /1\.[12] .*: a2\/r2: (\d+) of \1 tests pass/,
  /1\.4 .*: r2 reverted: it scores below r1/,
  /1\.[45] .*: comes back from the merge queue: it contradicts what was integrated by bead .*: README\.md/,
  /\n1\.5 .*: integrated as/,
  /\n## The timesheet\n[^#]*\n## The letters\n/,
  /\n1 the whole: integrated as/,
  /\ndelivered, proven: 2 tests turned green, 9 stayed green/,
  /: 1\.1\.json, 1\.2\.json, 1\.3\.json, 1\.4\.json, 1\.5\.json, 1\.json\n/,
];

test("the demo fails, mends, reverts, comes back from the queue and delivers twice, and says how to remove it", () => {
  // As one page: progress is told on standard error.
  const words = ["-c", 'exec "$0" "$1" 2>&1', process.execPath, program];
  const ran = spawnSync("/bin/sh", words, { encoding: "utf8", timeout: 110_000 });
  const made = /\nRemove all of it: {3}rm -rf (.+)\n$/.exec(ran.stdout)?.[1]?.split(" ") ?? [];
  for (const path of made) rmSync(path, { recursive: true, force: true });
  expect(ran.status, ran.stdout).toBe(0);
  for (const sentence of sentences) expect(ran.stdout).toMatch(sentence);
  expect(
    ran.stdout.match(/reverted:|comes back from|no answer/g),
    "and nothing else goes wrong",
  ).toHaveLength(4);
  expect(made[0]).toContain("rigs-demo-");
});
