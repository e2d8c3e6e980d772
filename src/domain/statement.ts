/**
 * What is signed: an in-toto Statement v1 with the test-result predicate v0.1. Field names follow
 * github.com/in-toto/attestation, spec/v1/statement.md and spec/predicates/test-result.md: `result` is PASSED, WARNED or
 * FAILED; `configuration` is a list of resource descriptors; `passedTests`, `warnedTests`, `failedTests` are lists of names.
 */
import type { GateRun } from "./gate.ts";
import type { GateFacts, Proof, ProofFacts, TestStory } from "./verdict.ts";

/** The media type of the signed payload. */
export const statementType = "application/vnd.in-toto+json";

/** Names kept in a statement; the counts beside them are whole. */
const namesMax = 2_000;

/** The statement's exact text: what is signed byte for byte. `proofId` says which proof of which attempt it was. */
export function statementOf(seen: {
  readonly facts: ProofFacts;
  readonly proof: Proof;
  readonly stories: readonly TestStory[];
  readonly proofId: string;
}): string {
  const { facts, proof, stories, proofId } = seen;
  const { commit, tree, base } = facts;
  const named = (holds: (story: TestStory) => boolean) =>
    stories.filter(holds).slice(0, namesMax).map(nameOf);
  // What was before a part is in that part's own statement.
  const parts = new Set(facts.gates.flatMap(({ check }) => (check.role === "part" ? [check.name] : [])));
  return JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "commit", digest: { gitCommit: commit } },
      { name: "tree", digest: { gitTree: tree } },
    ],
    predicateType: "https://in-toto.io/attestation/test-result/v0.1",
    predicate: {
      result: resultOf(proof),
      configuration: [{ name: "base", digest: { gitCommit: base } }],
      passedTests: named((story) => story.head === "passed"),
      warnedTests: named((story) => story.head === "skipped"),
      failedTests: named((story) => story.head === "failed"),
      rigs: {
        version: 1,
        proofId,
        ...proof,
        startedAt: new Date(facts.startedAt).toISOString(),
        endedAt: new Date(facts.endedAt).toISOString(),
        failToPassTests: named(
          ({ check, base, head }) => !parts.has(check) && base !== "passed" && head === "passed",
        ),
        restored: facts.restored,
        replaced: facts.replaced,
        mutants: facts.mutants,
        gates: facts.gates.map(gateOf),
      },
    },
  });
}

/** FAILED whenever something does not hold or is not known; PASSED is not `proven`, which only the verdict beside it says. */
function resultOf({ verdict }: Proof): "PASSED" | "WARNED" | "FAILED" {
  if (verdict === "proven") return "PASSED";
  return verdict === "no-regression" || verdict === "unisolated-pass" ? "WARNED" : "FAILED";
}

function nameOf({ check, id }: TestStory): string {
  return `${check}: ${id}`;
}

function gateOf({ check, base, head, control, controlKind, witness, letThrough }: GateFacts): unknown {
  const { name, command, cwd, role, report } = check;
  return {
    ...{ name, command, cwd, role, report, controlKind, letThrough },
    ...{ base: runOf(base), head: runOf(head), control: runOf(control), witness: runOf(witness) },
  };
}

function runOf(run: GateRun | undefined): unknown {
  if (run === undefined) return null;
  if (run.kind === "could-not-run") return { kind: run.kind, why: run.why };
  const { kind, runner, exitCode, limit, wallMs } = run;
  const about = { kind, runner, exitCode: exitCode ?? null, limit: limit ?? null, wallMs };
  if (run.kind === "no-report") return { ...about, why: run.why };
  const count = (status: string) => run.tests.filter((each) => each.status === status).length;
  return { ...about, passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
}
