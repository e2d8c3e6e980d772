import { describe, test } from "vitest";
import { check, facts, guard, promise, ran, says } from "./judge.case.ts";
import type { GateFacts, Verdict } from "./verdict.ts";

test("exit codes count as one test", () => {
  const exit = (isGood: boolean) => ran(isGood ? "promise" : "promise!", { runner: "exit-code" });
  says(facts([promise(exit(false), exit(true), exit(false))], { touched: ["test/a.py"] }), "proven");
  says(facts([promise(exit(true), exit(true), exit(true))]), "no-regression");
});

describe("exit codes", () => {
  const exit = (isGood: boolean) => ran(isGood ? "promise" : "promise!", { runner: "exit-code" });
  const by = (command: string, more: Partial<GateFacts> = {}): GateFacts => ({
    ...promise(exit(false), exit(true), exit(false)),
    check: { ...check("promise", "acceptance"), command, report: { kind: "exit-code" } },
    written: command,
    ...more,
  });
  const judged = (command: string, touched: readonly string[], more: Partial<GateFacts> = {}) =>
    facts([by(command, more)], { touched });

  test("what the command runs must be base's: a program of the change proves nothing by its own word", () => {
    says(
      judged("python3 verify.py", ["verify.py"]),
      "no-regression",
      /runs verify\.py, which the change brought/,
    );
    says(judged("npm run verify", ["package.json"]), "no-regression", /runs package\.json/);
    says(judged("make verify", ["Makefile", "src/a.py"]), "no-regression", /runs Makefile, which/);
    says(
      judged("npm test", ["verify.js"], { written: "( node verify.js )" }),
      "no-regression",
      /runs verify\.js, which the change/,
    );
  });
  test("what exercises the change, or compares what it prints, is believed", () => {
    says(judged("make test", ["src/a.py", "docs/x.md"]), "proven");
    says(judged("node -e \"import('./a.js').then((m) => m.check())\"", ["a.js"]), "proven");
    says(judged("python3 app.py 2 3 | grep -qx 5", ["app.py"]), "proven");
    says(judged("make test", ["tests/test_new.py", "a.py"]), "proven");
  });
  test("tests of the change that it may run prove nothing: nobody can tell whose test passed", () => {
    says(judged("python3 -m pytest tests", ["tests/test_new.py"]), "no-regression", /give it as --check/);
    says(
      judged("npm test", ["a.test.js"], { written: "( node --test )" }),
      "no-regression",
      /give it as --check/,
    );
    const bare = { control: undefined, controlKind: "none" } as const;
    says(judged("make test", ["tests/test_new.py"], bare), "no-regression", /no code did/);
  });

  /** Acceptance turns green; a guard beside it on the same tests, or on others. */
  const rows: readonly (readonly [
    acceptance: "counted" | "exit",
    guard: "counted" | "exit",
    tests: "same" | "other",
    base: "green" | "red",
    head: "green" | "red",
    verdict: Verdict,
    why: RegExp,
  ])[] = (["counted", "exit"] as const).flatMap((acceptance) =>
    (["counted", "exit"] as const).flatMap((guarding) =>
      (["same", "other"] as const).flatMap((tests) => {
        const row = [acceptance, guarding, tests] as const;
        // A guard's exit code may be red for more than the tests that acceptance counts.
        const isKnown = tests === "same" && (guarding === "counted" || acceptance === "exit");
        return [
          [...row, "green", "green", "proven", /(?:)/],
          [...row, "red", "green", "proven", /guard: red-on-base: .*; green now/],
          [...row, "green", "red", "refuted", /guard: passed before the change and fails now/],
          [
            ...row,
            "red",
            "red",
            isKnown ? "refuted" : "proven",
            isKnown
              ? /promise and guard run the same tests and disagree.*failing for the other/
              : /guard: red-on-base: .*; still red: 1 of 1 tests fail: \S+/,
          ],
        ] as const;
      }),
    ),
  );
  test.each(rows)(
    "acceptance %s, guard %s on the %s tests, %s on base and %s on the commit: %s",
    (acceptance, guarding, tests, base, head, verdict, why) => {
      const commandOf = (name: string) => `pytest ${name}`;
      const file = tests === "same" ? "t.py" : "u.py";
      const accepted =
        acceptance === "exit"
          ? by(commandOf("t.py"))
          : promise(ran("t.py:a!"), ran("t.py:a"), ran("t.py:a!"));
      const seen = (state: "green" | "red") =>
        guarding === "exit"
          ? ran(state === "green" ? "guard" : "guard!", { runner: "exit-code" })
          : ran(state === "green" ? `${file}:a` : `${file}:a!`);
      const plain = guard(seen(base), seen(head));
      const guarded =
        guarding === "exit"
          ? {
              ...plain,
              check: { ...plain.check, report: { kind: "exit-code" } as const },
              written: commandOf(file),
            }
          : plain;
      says(facts([accepted, guarded]), verdict, why);
    },
  );
  test("where an option leaves tests out, the two need not agree, and what still fails is listed", () => {
    const red = ran("t.py:b!");
    says(
      facts([by("pytest -k a t.py"), guard(red, red)]),
      "proven",
      /guard: red-on-base: .*still red: 1 of 1 tests fail: t\.py:b.*counts as one test/,
    );
  });
});
