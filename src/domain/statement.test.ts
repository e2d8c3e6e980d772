import { expect, test } from "vitest";
import type { Commit } from "./id.ts";
import { statementOf } from "./statement.ts";
import type { Proof, Verdict } from "./verdict.ts";

const facts = {
  commit: "c".repeat(40) as Commit,
  tree: "e".repeat(40),
  base: "b".repeat(40) as Commit,
  isolation: "bubblewrap",
  gates: [],
  restored: [],
  touched: [],
  replaced: ["a.py:f"],
  rewritten: [],
  mutants: [{ name: "a.py:2: + becomes -", fate: "killed" }],
  startedAt: 0,
  endedAt: 1_000,
} as const;

function said(verdict: Verdict) {
  const proof: Proof = {
    ...{ verdict, acceptance: "user", isolation: "bubblewrap", testsRun: 2, testsPassed: 1 },
    ...{ failToPass: 1, passToPass: 0, reasons: [] },
  };
  const story = { check: "acceptance-1", base: "failed", control: "failed" } as const;
  const stories = [
    { ...story, id: "a", head: "passed" },
    { ...story, id: "b", head: "failed" },
    { ...story, id: "c", head: "skipped" },
  ] as const;
  return JSON.parse(statementOf({ facts, proof, stories, proofId: "g.1/a1/p1" }));
}

test("an in-toto statement over commit and tree, with the names of the tests", () => {
  const statement = said("proven");
  expect(statement).toMatchObject({
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "commit", digest: { gitCommit: facts.commit } },
      { name: "tree", digest: { gitTree: facts.tree } },
    ],
    predicateType: "https://in-toto.io/attestation/test-result/v0.1",
    predicate: {
      result: "PASSED",
      configuration: [{ name: "base", digest: { gitCommit: facts.base } }],
      passedTests: ["acceptance-1: a"],
      warnedTests: ["acceptance-1: c"],
      failedTests: ["acceptance-1: b"],
      rigs: {
        verdict: "proven",
        failToPass: 1,
        failToPassTests: ["acceptance-1: a"],
        proofId: "g.1/a1/p1",
        mutants: facts.mutants,
      },
    },
  });
  expect(statement.predicate.rigs.endedAt).toBe("1970-01-01T00:00:01.000Z");
});

test("only what is proven is called passed", () => {
  const check = (verdict: Verdict, result: string) => expect(said(verdict).predicate.result).toBe(result);
  check("proven", "PASSED");
  check("no-regression", "WARNED");
  check("unisolated-pass", "WARNED");
  check("refuted", "FAILED");
  check("could-not-run", "FAILED");
});
