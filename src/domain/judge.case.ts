/** Facts as the tests of judging write them down: a letter is a test, and what follows it how it went. */
import { expect } from "vitest";
import type { Check, GateRun, TestResult, TestStatus } from "./gate.ts";
import type { Commit } from "./id.ts";
import { judge } from "./judge.ts";
import { collectionMark } from "./tally.ts";
import type { GateFacts, Proof, ProofFacts, Verdict } from "./verdict.ts";

export const output = { stdout: "", stderr: "" };
export const check = (name: string, role: Check["role"]): Check => ({
  name,
  command: "x",
  cwd: ".",
  role,
  timeoutMs: 1000,
  report: { kind: "recognise" },
});

/** `a b! c?`: a passed, b failed, c skipped; a file in front with a colon: `t.py:a`. */
export function ran(
  text: string,
  more: { readonly exitCode?: number; readonly runner?: string } = {},
): GateRun {
  const tests = text
    .split(" ")
    .filter((word) => word !== "")
    .map((word): TestResult => {
      const status: TestStatus = word.endsWith("!") ? "failed" : word.endsWith("?") ? "skipped" : "passed";
      const name = word.replace(/[!?]$/, "").replace("@", collectionMark);
      const named = name.includes(":") ? name.slice(0, name.indexOf(":")) : "t.py";
      const file = more.runner === "exit-code" ? undefined : named;
      return { id: name, file, status, message: "" };
    });
  const hasFailed = tests.some((each) => each.status === "failed");
  return {
    kind: "counted",
    check: "",
    runner: more.runner ?? "pytest",
    tests,
    exitCode: more.exitCode ?? (hasFailed ? 1 : 0),
    limit: undefined,
    wallMs: 1,
    output,
  };
}
export const crashed: GateRun = {
  kind: "no-report",
  check: "",
  runner: "pytest",
  why: "it crashed",
  exitCode: 1,
  limit: undefined,
  wallMs: 1,
  output,
};
export const unrun: GateRun = { kind: "could-not-run", check: "", why: "not installed", output };

export function promise(
  base: GateRun,
  head: GateRun,
  control: GateRun | undefined,
  more: Partial<GateFacts> = {},
): GateFacts {
  const controlKind = control === undefined ? "base-only" : "bodies";
  return {
    check: check("promise", "acceptance"),
    base,
    head,
    control,
    controlKind,
    witness: undefined,
    letThrough: [],
    written: "x",
    ...more,
  };
}
export function guard(base: GateRun, head: GateRun): GateFacts {
  return {
    check: check("guard", "guard"),
    base,
    head,
    control: undefined,
    controlKind: "none",
    witness: undefined,
    letThrough: [],
    written: "x",
  };
}
export function facts(gates: readonly GateFacts[], more: Partial<ProofFacts> = {}): ProofFacts {
  return {
    commit: "c".repeat(40) as Commit,
    tree: "t",
    base: "b".repeat(40) as Commit,
    isolation: "bubblewrap",
    gates,
    restored: [],
    touched: [],
    replaced: [],
    rewritten: [],
    mutants: [],
    startedAt: 0,
    endedAt: 1,
    ...more,
  };
}
export const says = (
  seen: ProofFacts,
  verdict: Verdict,
  why: RegExp = /(?:)/,
  acceptance: Proof["acceptance"] = "user",
): Proof => {
  const { proof } = judge(seen, acceptance);
  expect(`${proof.verdict}: ${proof.reasons.join("; ")}`).toMatch(new RegExp(`^${verdict}:`));
  expect(proof.reasons.join("; ")).toMatch(why);
  return proof;
};
