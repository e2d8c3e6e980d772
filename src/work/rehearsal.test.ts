import { expect, test } from "vitest";
import type { GateRun } from "../domain/gate.ts";
import type { Goal } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import { type PlannedBead, placedBeads } from "../domain/plan.ts";
import { commitOf, orderOf } from "../domain/sample.case.ts";
import type { Trial } from "../ports/verifier.ts";
import { type Planned, rehearse } from "./rehearsal.ts";
import type { Tools } from "./tools.ts";

const lists = {
  shares: [],
  reads: [],
  exports: [],
  behaviours: [],
  dependsOn: [],
  budget: undefined,
  beads: [],
};
const bead = (name: string, checks: readonly string[], more: Partial<PlannedBead> = {}): PlannedBead => ({
  ...{ ...lists, name, intent: name, owns: [`src/${name}.js`], checks, tokens: { low: 1, high: 1 } },
  ...more,
});

/** What is said of a plan whose checks do as their first word says. */
async function rehearsed(...beads: readonly PlannedBead[]) {
  const all = placedBeads({ skeleton: {}, beads });
  const planned = all.flatMap((placed) =>
    placed.bead.checks.map(
      (command, index): Planned => ({
        ...{ placed, all, at: [...placed.at, "checks", index] },
        check: {
          ...{
            name: `${placed.bead.name}-${index}`,
            command,
            cwd: ".",
            role: "acceptance",
            timeoutMs: 1_000,
          },
          report: { kind: "recognise" },
        },
      }),
    ),
  );
  const trials: Trial[] = [];
  const output = { stdout: "", stderr: "" };
  const verifier = {
    run: async (trial: Trial) => {
      trials.push(trial);
      return trial.checks.map(({ name, command }): GateRun => {
        if (/^(?:absent|\.\/|tools\/|npm)/.test(command))
          return { kind: "could-not-run", check: name, why: "nobody knows it", output };
        const status = command.startsWith("green") ? ("passed" as const) : ("failed" as const);
        const about = { check: name, runner: "pytest", limit: undefined, wallMs: 1, output };
        const exitCode = status === "passed" ? 0 : 1;
        return { kind: "counted", ...about, exitCode, tests: [{ id: "t", file: "t", status, message: "" }] };
      });
    },
  };
  const tools = { enclosure: async () => ({ verifier }) } as unknown as Tools;
  const goal = { id: "aaaaaaaa" as GoalId, order: orderOf("x"), tests: undefined } as unknown as Goal;
  const site = { repository: { gitDir: "/g" }, environment: {} } as never;
  const { signal } = new AbortController();
  const { faults, notes } = await rehearse(goal, planned, commitOf(3), { site, tools, signal });
  const [trial] = trials;
  expect([trials.length, trial?.commit, trial?.base]).toEqual([1, commitOf(3), commitOf(3)]);
  return { faults: faults.map(({ at, why }) => `${at.join(".")}: ${why}`), notes, ran: trial?.checks.length };
}

test("what cannot run is a fault at its place, what is green a note, and a command of several is run once", async () => {
  expect(await rehearsed(bead("a", ["red", "absent --x"]), bead("b", ["red", "green y"]))).toEqual({
    faults: ["beads.0.checks.1: the check of a cannot run: nobody knows it"],
    notes: [expect.stringMatching(/^the check of b is green already before the work \(green y\)/)],
    ran: 3,
  });
});

test("what cannot run yet, because the bead or one before it brings it, is left to its time", async () => {
  const tool = bead("tool", ["red"], { owns: ["run.sh", "tools/**", "package.json"] });
  const late = { dependsOn: ["tool"] };
  expect((await rehearsed(tool, bead("a", ["./run.sh", "tools/check x", "npm test"], late))).faults).toEqual(
    [],
  );
  const faults = (await rehearsed(tool, bead("a", ["./run.sh", "tools/check x", "npm test"]))).faults;
  expect(faults).toHaveLength(3);
  expect((await rehearsed(bead("a", ["absent"], { shares: ["**"] }))).faults).toEqual([]);
});
