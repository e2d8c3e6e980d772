import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GateRun } from "./gate.ts";
import { crashed, facts, guard, promise, ran, unrun } from "./judge.case.ts";
import { judge } from "./judge.ts";
import type { Proof, ProofFacts, Verdict } from "./verdict.ts";

describe("laws", () => {
  const word = fc
    .tuple(fc.constantFrom("a", "b", "c", "n.py:x", "t.py@", "t.py:y"), fc.constantFrom("", "!", "?"))
    .map(([name, mark]) => (name.endsWith("@") ? `${name}!` : name + mark));
  const words = fc.uniqueArray(word, { maxLength: 5, selector: (each) => each.replace(/[!?]$/, "") });
  const run = fc.oneof(
    { weight: 8, arbitrary: words.map((all) => ran(all.join(" "))) },
    { weight: 1, arbitrary: fc.constant(crashed) },
    { weight: 1, arbitrary: fc.constant(unrun) },
    { weight: 1, arbitrary: words.map((all) => ran(all.join(" "), { exitCode: 1 })) },
  );
  const maybe = fc.option(run, { nil: undefined });
  const gate = fc
    .tuple(run, run, maybe, maybe, fc.boolean())
    .map(([base, head, control, witness, isPromise]) =>
      isPromise ? promise(base, head, control, { witness }) : guard(base, head),
    );
  const fates = fc.array(
    fc.constantFrom("killed" as const, "killed" as const, "survived" as const, "not-run" as const),
    {
      maxLength: 6,
    },
  );
  const world = fc
    .tuple(
      fc.array(gate, { maxLength: 3 }),
      fc.constantFrom("bubblewrap" as const, "none" as const),
      fc.subarray(["n.py", "t.py", "src/a.py"]),
      fc.constantFrom("user" as const, "model" as const, "none" as const),
      fates,
    )
    .map(([gates, isolation, touched, acceptance, all]) => ({
      seen: facts(
        gates.map((each, index) => ({ ...each, check: { ...each.check, name: `gate-${index}` } })),
        { isolation, touched, mutants: all.map((fate, at) => ({ name: `m${at}`, fate, why: "" })) },
      ),
      acceptance,
    }));
  /** Often good, so that the laws are not only about refusals. */
  const hopeful = fc.tuple(world, fc.nat(2), fc.boolean()).map(([{ seen, acceptance }, others, isGood]) => {
    const good = promise(ran("a! b"), ran("a b"), ran("a! b"));
    const gates = isGood ? [good, ...seen.gates.slice(0, others)] : seen.gates;
    return { seen: { ...seen, gates }, acceptance };
  });
  const holds = (law: (seen: ProofFacts, acceptance: Proof["acceptance"], proof: Proof) => boolean) =>
    fc.assert(
      fc.property(hopeful, ({ seen, acceptance }) => law(seen, acceptance, judge(seen, acceptance).proof)),
      { numRuns: 500 },
    );
  const worth: Readonly<Record<Verdict, number>> = {
    proven: 3,
    "unisolated-pass": 2,
    "no-regression": 2,
    refuted: 1,
    "could-not-run": 1,
  };
  const statusOn = (each: GateRun, id: string) =>
    each.kind === "counted" ? (each.tests.find((one) => one.id === id)?.status ?? "absent") : "absent";

  test("proven means: tests passed, one was red, in a jail, with somebody's acceptance", () => {
    let proven = 0;
    holds((_, acceptance, proof) => {
      if (proof.verdict !== "proven") return true;
      proven += 1;
      return (
        proof.testsPassed > 0 &&
        proof.failToPass > 0 &&
        proof.isolation === "bubblewrap" &&
        acceptance !== "none"
      );
    });
    expect(proven).toBeGreaterThan(5);
  });
  test("tests by a model prove only where they kill enough mutants; a person's verdict never looks at them", () => {
    let proven = 0;
    holds((seen, acceptance, proof) => {
      const unasked = judge({ ...seen, mutants: [] }, acceptance).proof;
      if (acceptance !== "model") return JSON.stringify(unasked) === JSON.stringify(proof);
      const run = seen.mutants.filter(({ fate }) => fate !== "not-run");
      const killed = run.filter(({ fate }) => fate === "killed").length;
      if (proof.verdict === "proven") proven += 1;
      const isEnough = run.length > 1 && killed / run.length >= 0.6;
      return unasked.verdict !== "proven" && (proof.verdict !== "proven" || isEnough);
    });
    expect(proven).toBeGreaterThan(5);
  });
  test("a test that passed on base and does not on the commit is never delivered", () =>
    holds((seen, _, proof) => {
      const isLost = seen.gates.some(
        ({ base, head }) =>
          base.kind === "counted" &&
          base.tests.some((one) => one.status === "passed" && statusOn(head, one.id) !== "passed"),
      );
      return !isLost || worth[proof.verdict] === 1;
    }));
  test("one more red test never makes it better", () =>
    holds((seen, acceptance, proof) => {
      const worse = seen.gates.map((each) =>
        each.head.kind === "counted"
          ? {
              ...each,
              head: {
                ...each.head,
                tests: [
                  ...each.head.tests,
                  { id: "red", file: "t.py", status: "failed" as const, message: "" },
                ],
              },
            }
          : each,
      );
      return worth[judge({ ...seen, gates: worse }, acceptance).proof.verdict] <= worth[proof.verdict];
    }));
  test("a gate that stays green on control or witness never proves", () =>
    holds((seen, acceptance) => {
      const blind = seen.gates.map((each) =>
        each.check.role === "acceptance"
          ? { ...each, control: each.head, controlKind: "bodies" as const }
          : each,
      );
      return judge({ ...seen, gates: blind }, acceptance).proof.verdict !== "proven";
    }));
  test("files that the change touched never hold its proof", () =>
    holds((seen, acceptance) => {
      const touched = ["t.py", "n.py"];
      const named = seen.gates.filter((each) => each.head.kind === "counted");
      return judge({ ...seen, gates: named, touched }, acceptance).proof.failToPass === 0;
    }));
  test("counts agree with themselves, and a verdict below proven has a reason", () =>
    holds(
      (_, __, proof) =>
        proof.testsPassed <= proof.testsRun &&
        proof.failToPass + proof.passToPass <= Math.max(proof.testsPassed, 0) &&
        (proof.verdict === "proven" || proof.reasons.length > 0),
    ));
});
