import { describe, expect, test } from "vitest";
import type { GateRun, TestStatus } from "./gate.ts";
import { check, crashed, facts, guard, output, promise, ran, says, unrun } from "./judge.case.ts";
import { judge } from "./judge.ts";
import type { GateFacts, ProofFacts, Verdict } from "./verdict.ts";

describe("tests by a model", () => {
  const gates = [promise(ran("a! b"), ran("a b"), ran("a! b"))];
  /** `k s n`: killed, survived, not run. */
  const mutants = (fates: string): ProofFacts["mutants"] =>
    fates.split(" ").map((word, at) => {
      const name = `a.py:${at + 1}: 1 becomes 2`;
      if (word === "n") return { name, fate: "not-run", why: "time was out" };
      return { name, fate: word === "k" ? "killed" : "survived" };
    });
  const check = (fates: string, verdict: Verdict, why: RegExp) =>
    says(facts(gates, { mutants: mutants(fates) }), verdict, why, "model");

  test("most of the small faults are noticed: proven, and the rest is named", () => {
    check(
      "k k k k k s",
      "proven",
      /^the tests by a model killed 5 of 6 mutants; survived: a\.py:6: 1 becomes 2$/,
    );
    check(
      "k k k s s",
      "proven",
      /killed 3 of 5 mutants; survived: a\.py:4: 1 becomes 2, a\.py:5: 1 becomes 2$/,
    );
    check("n k n k k", "proven", /killed 3 of 3 mutants \(2 more were not run\)$/);
  });

  test("fewer than three show nothing, but for two of a change that gives no more, where every test was red on the control", () => {
    check("k k", "proven", /killed 2 of 2 mutants$/);
    const few = /too few small faults were put to the tests by a model: 2 of 2 mutants killed$/;
    const held = promise(ran("a! b!"), ran("a b"), ran("a! b"));
    says(facts([held], { mutants: mutants("k k") }), "no-regression", few, "model");
    says(facts([held], { mutants: mutants("k k k") }), "proven", undefined, "model");
    check("k", "no-regression", /too few small faults .*: 1 of 1 mutants killed/);
    check("n k n k", "no-regression", /too few .*: 2 of 2 mutants \(2 more were not run\) killed; where the/);
  });

  test("too few are: nothing is proven", () => {
    check(
      "k k s s s s",
      "no-regression",
      /^the tests by a model notice too little: 2 of 6 mutants killed; survived: a\.py:3: 1 becomes 2, .* and 1 more$/,
    );
    check("k s", "no-regression", /1 of 2 mutants killed/);
    check("k s n n n n", "no-regression", /1 of 2 mutants \(4 more were not run\) killed/);
    check("s", "no-regression", /0 of 1 mutants killed/);
  });

  test("nobody knows whether they notice: nothing is proven, and why is said", () => {
    check("n n", "no-regression", /none of 2 mutants could be run \(time was out\): where the machine/);
    const none = (gate: GateFacts, why: RegExp) => says(facts([gate]), "no-regression", why, "model");
    const [base, head] = [ran("a!"), ran("a")];
    none(promise(base, head, ran("a!")), /no small fault could be put into the changed code/);
    none(promise(base, head, undefined), /no mutants are made in the language of the change/);
    none(promise(base, head, undefined, { controlKind: "none" }), /holds no code that mutants/);
  });

  test("a red check is graver, and a person's tests are never asked", () => {
    const red = facts([promise(ran("a!"), ran("a!"), ran("a!"))]);
    expect(says(red, "refuted", undefined, "model").reasons.join()).not.toMatch(/mutant|fault/);
    const proof = says(facts(gates, { mutants: mutants("s s s") }), "proven", undefined, "user");
    expect(proof.reasons).toEqual([]);
  });
});

describe("acceptance", () => {
  test("red before, green now, red on the control: proven without a remark", () => {
    const proof = says(facts([promise(ran("a! b"), ran("a b"), ran("a! b"))]), "proven");
    expect(proof).toMatchObject({ failToPass: 1, passToPass: 1, testsRun: 2, testsPassed: 2, reasons: [] });
  });

  test("what must hold does not", () => {
    says(facts([promise(ran("a! b"), ran("a! b"), ran("a! b"))]), "refuted", /1 of 2 tests fail: a/);
    says(
      facts([promise(ran("a! b"), ran("a b!"), ran("a! b"))]),
      "refuted",
      /passed before the change and fails/,
    );
    says(facts([promise(ran("a! b"), ran("a"), ran("a!"))]), "refuted", /vanished: b/);
    says(facts([promise(ran("a! b"), ran("a b?"), ran("a! b?"))]), "refuted", /skipped now: b/);
    says(facts([promise(ran("a! b!"), ran("a b?"), ran("a! b?"))]), "refuted", /skipped or gone now/);
    says(facts([promise(ran("a! b!"), ran("a"), ran("a!"))]), "refuted", /skipped or gone now.*b/);
    says(facts([promise(ran("a!"), ran("a", { exitCode: 1 }), ran("a!"))]), "refuted", /exit code 1/);
    says(facts([promise(ran("a!"), crashed, crashed)]), "refuted", /no readable report/);
  });

  test("no test is no proof", () => {
    says(facts([promise(crashed, ran(""), crashed)]), "refuted", /ran no test/);
    says(facts([promise(crashed, ran("a?"), crashed)]), "refuted", /passed no test/);
    says(facts([]), "no-regression", /no check to run/);
  });

  test("a gate that cannot run says nothing; one that only base cannot run counts as red there", () => {
    says(facts([promise(unrun, unrun, undefined)]), "could-not-run", /not installed/);
    says(
      facts([promise(ran("a!"), ran("a"), ran("a!")), promise(ran("b"), unrun, undefined)]),
      "could-not-run",
    );
    says(facts([promise(unrun, ran("a"), ran("a!"))]), "proven", /counted as red there/);
  });

  test("nothing red before is no regression, and no more", () => {
    says(facts([promise(ran("a"), ran("a"), ran("a!"))]), "no-regression", /no acceptance test was red/);
    says(facts([promise(ran("a!"), ran("a"), ran("a!"))]), "no-regression", /nobody's acceptance/, "none");
    says(facts([guard(ran("a"), ran("a"))]), "no-regression", /nobody's acceptance/);
  });
});

describe("tests that base does not report", () => {
  const loaded = promise(ran("t.py@!"), ran("t.py:a"), ran("t.py@!"));
  test("count as red there when base could not load their unchanged file", () => {
    expect(says(facts([loaded]), "proven").failToPass).toBe(1);
    expect(says(facts([promise(crashed, ran("t.py:a"), crashed)]), "proven").failToPass).toBe(1);
  });
  test("never count when the change brought them along", () => {
    says(facts([loaded], { touched: ["t.py"] }), "no-regression");
    says(
      facts([promise(ran("b"), ran("b n.py:a"), ran("b! n.py:a!"))], { touched: ["n.py"] }),
      "no-regression",
    );
  });
  test("never count where base ran that file and knows nothing of them", () => {
    says(facts([promise(ran("b c!"), ran("b c t.py:more"), ran("b c! t.py:more!"))]), "proven");
    expect(
      judge(facts([promise(ran("b c!"), ran("b c t.py:more"), ran("b c!"))]), "user").proof.failToPass,
    ).toBe(1);
    says(facts([promise(ran("b"), ran("b t.py:more"), ran("b! t.py:more!"))]), "no-regression");
    says(facts([promise(ran("b"), ran("b u.py:more"), ran("b! u.py:more!"))]), "no-regression");
  });
  test("a report that names no files is believed unless the change touches tests", () => {
    const nameless = (run: GateRun): GateRun =>
      run.kind === "counted"
        ? { ...run, runner: "junit", tests: run.tests.map((each) => ({ ...each, file: undefined })) }
        : run;
    const gate = promise(crashed, nameless(ran("a")), nameless(ran("a!")));
    says(facts([gate], { touched: ["src/a.go"] }), "proven");
    says(facts([gate], { touched: ["src/a_test.go"] }), "no-regression");
    const strange: GateRun = {
      ...ran("a"),
      runner: "pytest",
      tests: [{ id: "a", file: undefined, status: "passed", message: "" }],
    } as GateRun;
    says(facts([promise(crashed, strange, crashed)]), "no-regression");
  });
});

describe("control and witness", () => {
  test("a gate that stays green on its control is insensitive", () => {
    says(facts([promise(ran("a!"), ran("a"), ran("a"))]), "refuted", /insensitive gate/);
    says(
      facts([promise(ran("a! b"), ran("a b"), ran("a b!"))]),
      "refuted",
      /none of the tests that the change turned green/,
    );
    says(
      facts([promise(ran("a"), ran("a"), ran("a")), promise(ran("b!"), ran("b"), ran("b!"))]),
      "no-regression",
      /insensitive gate/,
    );
  });
  test("tests by a model that stay so prove nothing, and the change is not refuted for it; a forged report refutes it", () => {
    const little = /^the tests by a model notice too little: promise: insensitive gate/;
    for (const blind of [
      promise(ran("a!"), ran("a"), ran("a")),
      promise(ran("a! b"), ran("a b"), ran("a b!")),
    ]) {
      says(facts([blind]), "no-regression", little, "model");
      says(facts([blind]), "refuted", /^promise: insensitive gate/);
    }
    const forged = promise(ran("a!"), ran("a"), ran("a"), { witness: ran("a") });
    says(facts([forged]), "refuted", /cannot be believed/, "model");
    const gutted = promise(ran("a!"), ran("a"), ran("a"), { witness: ran("a!"), letThrough: ["a"] });
    says(facts([gutted]), "refuted", /passed over a wrong value/, "model");
  });
  test("a gate that stays green while its tests are made to fail is not believed", () => {
    says(
      facts([promise(ran("a!"), ran("a"), ran("a!"), { witness: ran("a") })]),
      "refuted",
      /cannot be believed/,
    );
    says(facts([promise(ran("a!"), ran("a"), ran("a!"), { witness: ran("a!") })]), "proven");
  });
  test("a gate whose assertions let a wrong value through is not believed, and the tests are named", () => {
    says(
      facts([promise(ran("a! b"), ran("a b"), ran("a! b!"), { witness: ran("a! b!"), letThrough: ["b"] })]),
      "refuted",
      /promise: b passed over a wrong value: the change alters what its assertions do/,
    );
  });
  test("tests that run on the control and not on the commit were left out", () => {
    says(
      facts([promise(crashed, ran("a"), ran("a! b!"))]),
      "refuted",
      /on the control but not on the commit: b/,
    );
    says(
      facts([promise(crashed, ran("a"), ran("a!"), { witness: ran("a! b!") })]),
      "refuted",
      /not on the commit/,
    );
  });
  test("without a control the reasons say so", () => {
    says(facts([promise(ran("a!"), ran("a"), undefined)]), "proven", /no control is made for this language/);
    says(
      facts([promise(ran("a!"), ran("a"), undefined, { controlKind: "none" })]),
      "proven",
      /no code that a control/,
    );
    says(facts([promise(ran("a!"), ran("a"), unrun)]), "no-regression", /could not run on the control/);
  });
  test("a skip from inside the code is told from a test that always skips by the control", () => {
    says(facts([promise(crashed, ran("a b?"), ran("a! b!"))]), "refuted", /skipped on the commit/);
    says(facts([promise(crashed, ran("a b?"), ran("a! b?"))]), "proven");
  });
});

describe("what parts promised", () => {
  const good = promise(ran("a!"), ran("a"), ran("a!"));
  const part = (head: GateRun): GateFacts => ({ ...guard(unrun, head), check: check("1.1-1", "part") });
  test("has to be green on the whole", () => {
    says(facts([good, part(ran("p"))]), "proven");
    says(
      facts([good, part(ran("p q!"))]),
      "refuted",
      /^1\.1-1: a part's check is broken: 1 of 2 tests fail: q/,
    );
    says(facts([good, part(ran(""))]), "refuted", /ran no test/);
    says(facts([good, part(crashed)]), "refuted");
    says(facts([good, part(unrun)]), "could-not-run", /a part's check could not run/);
  });
  test("counts for nothing: no FAIL_TO_PASS, no promise of the whole's, and is left to its own proof", () => {
    says(facts([part(ran("p"))]), "no-regression", /nobody's acceptance/);
    const green = promise(ran("t"), ran("t"), undefined);
    says(facts([green, part(ran("p"))]), "no-regression", /no acceptance test was red before/);
    const { proof } = judge(facts([good, part(ran("p q"))]), "user");
    const { failToPass, passToPass } = judge(facts([good]), "user").proof;
    expect(proof).toMatchObject({ failToPass, passToPass, reasons: [] });
  });
});

describe("guards", () => {
  const good = promise(ran("a!"), ran("a"), ran("a!"));
  test("what was green may not turn red or vanish", () => {
    says(facts([good, guard(ran("g"), ran("g"))]), "proven");
    says(facts([good, guard(ran("g"), ran("g!"))]), "refuted", /guard: passed before/);
    says(facts([good, guard(ran("g h"), ran("g"))]), "refuted", /vanished: h/);
    says(facts([good, guard(ran("g"), unrun)]), "refuted", /vanished: g/);
    says(facts([good, guard(ran("g"), crashed)]), "refuted");
    says(facts([good, guard(ran("g"), ran("g n!"))]), "refuted", /new with the change fails: n/);
  });
  test("red on base is named, blocks nothing but itself, and its green tests still count", () => {
    says(facts([good, guard(ran("g h!"), ran("g h!"))]), "proven", /red-on-base/);
    says(facts([good, guard(ran("g h!"), ran("g! h!"))]), "refuted");
    says(facts([good, guard(crashed, crashed)]), "proven", /red-on-base/);
    says(facts([good, guard(unrun, unrun)]), "proven", /it guards nothing/);
    says(
      facts([good, guard(ran("h!"), ran("h! n.py:x!"))], { touched: ["n.py"] }),
      "refuted",
      /new with the change/,
    );
    says(facts([good, guard(ran("h@!"), ran("o.py:x!"))]), "proven", /red-on-base/);
  });
});

test("outside a jail it is an unisolated pass, or worse", () => {
  const gates = [promise(ran("a!"), ran("a"), ran("a!"))];
  says(facts(gates, { isolation: "none" }), "unisolated-pass", /outside a jail/);
  says(facts([promise(ran("a!"), ran("a!"), undefined)], { isolation: "none" }), "refuted");
});

test("one test is counted once, whatever the runners call it", () => {
  const by = (id: string, runner: string, file = "tests/test_a.py"): GateFacts => {
    const run = (status: TestStatus): GateRun => ({
      kind: "counted",
      check: "",
      runner,
      tests: [{ id, file, status, message: "" }],
      exitCode: status === "failed" ? 1 : 0,
      limit: undefined,
      wallMs: 1,
      output,
    });
    return promise(run("failed"), run("passed"), run("failed"));
  };
  const count = (...gates: readonly GateFacts[]) => {
    const { testsRun, testsPassed, failToPass, passToPass } = says(facts(gates), "proven");
    return [testsRun, testsPassed, failToPass, passToPass];
  };
  const pytest = by("tests/test_a.py::Case::test_one", "pytest");
  expect(count(pytest, by("tests.test_a.Case.test_one", "unittest"))).toEqual([1, 1, 1, 0]);
  expect(count(pytest, by("test_a.Case.test_one", "unittest"))).toEqual([1, 1, 1, 0]);
  expect(count(pytest, by("tests.test_a.Other.test_one", "unittest"))).toEqual([2, 2, 2, 0]);
  const node = by("a.test.js > sum > adds", "node:test", "a.test.js");
  expect(count(node, by("a.test.js > sum > adds", "vitest", "a.test.js"))).toEqual([1, 1, 1, 0]);
  expect(count(node, by("a.test.js > adds", "vitest", "a.test.js"))).toEqual([2, 2, 2, 0]);
});

test("the same test in two gates of one runner is one test", () => {
  const proof = says(
    facts([promise(ran("a! b"), ran("a b"), ran("a! b")), guard(ran("a! b"), ran("a b"))]),
    "proven",
  );
  expect(proof).toMatchObject({ testsRun: 2, testsPassed: 2, failToPass: 1, passToPass: 1 });
});

test("what is delivered is the tree that was judged: a commit with files that were put back is refuted", () => {
  says(
    facts([promise(ran("a!"), ran("a"), ran("a!"))], { restored: ["tests/a.py"] }),
    "refuted",
    /judged as on base: tests\/a.py; leave them/,
  );
});

test("a test that was made to fail and passed all the same proves nothing, though others of its gate went red", () => {
  const [base, head] = [ran("t.py:a! t.py:b!"), ran("t.py:a t.py:b")];
  const made = (witness: string, rewritten: readonly string[]) =>
    facts([promise(base, head, ran("t.py:a! t.py:b!"), { witness: ran(witness) })], { rewritten });
  says(made("t.py:a! t.py:b!", ["t.py"]), "proven");
  says(made("t.py:a! t.py:b", ["t.py"]), "no-regression", /made to fail and passed all the same.*b/);
  // What was not rewritten had no reason to fail.
  says(made("t.py:a! t.py:b", []), "proven");
});

test("so does one that base saw pass, where the change touched its file; elsewhere it is base's own", () => {
  const [base, head] = [ran("t.py:a! u.py:b"), ran("t.py:a u.py:b")];
  const made = (witness: string, touched: readonly string[]) =>
    facts([promise(base, head, ran("t.py:a! u.py:b!"), { witness: ran(witness) })], {
      ...{ rewritten: ["t.py", "u.py"], touched },
    });
  says(made("t.py:a! u.py:b!", ["u.py"]), "proven");
  says(made("t.py:a! u.py:b", ["u.py"]), "no-regression", /made to fail and passed all the same.*b/);
  says(made("t.py:a! u.py:b", []), "proven");
});
