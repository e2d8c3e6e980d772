import { describe, expect, test } from "vitest";
import type { Attempt, TrailEntry } from "./attempt.ts";
import { type Bead, wholeContract } from "./bead.ts";
import { nothingSpent } from "./budget.ts";
import { type Delivered, type Part, renderEvidence } from "./evidence.ts";
import type { GateRun } from "./gate.ts";
import type { Goal } from "./goal.ts";
import type { BlobHash, Commit } from "./id.ts";
import type { Proof } from "./verdict.ts";

const check = {
  name: "acceptance-1",
  command: "pytest | tee x",
  cwd: ".",
  role: "acceptance",
  timeoutMs: 1000,
  report: { kind: "recognise" },
} as const;

function run(passed: number, failed: number): GateRun {
  const tests = [...Array(passed + failed).keys()].map((index) => ({
    id: `t${index}`,
    file: "test_a.py",
    status: index < passed ? ("passed" as const) : ("failed" as const),
    message: "",
  }));
  const output = { stdout: "", stderr: "" };
  return {
    kind: "counted",
    check: check.name,
    runner: "pytest",
    tests,
    exitCode: failed,
    limit: undefined,
    wallMs: 1,
    output,
  };
}

const proof: Proof = {
  verdict: "proven",
  acceptance: "user",
  isolation: "bubblewrap",
  testsRun: 2,
  testsPassed: 2,
  failToPass: 2,
  passToPass: 0,
  reasons: [],
};

const gate: Delivered["facts"]["gates"][number] = {
  check,
  base: run(0, 2),
  head: run(2, 0),
  control: run(0, 2),
  controlKind: "bodies",
  witness: run(0, 2),
  letThrough: [],
  written: "x",
};

function page(text: string, facts: Partial<Delivered["facts"]> = {}, more: Partial<Delivered> = {}): string {
  return renderEvidence({
    goal: { id: "k7m2q9xd", order: { text }, spend: nothingSpent } as unknown as Goal,
    bead: {} as Bead,
    parts: [],
    attempts: [],
    proof,
    branch: "rigs/k7m2q9xd",
    commit: "c0ffee" as Commit,
    doneByWhole: [],
    unkept: [],
    facts: {
      commit: "c0ffee" as Commit,
      tree: "7ree",
      base: "ba5e" as Commit,
      isolation: "bubblewrap",
      gates: [gate],
      restored: [],
      touched: ["a.py"],
      replaced: ["a.py:add"],
      rewritten: [],
      mutants: [],
      startedAt: 0,
      endedAt: 1,
      ...facts,
    },
    ...more,
  });
}

test("says the verdict, every run beside its command, and what nobody checked", () => {
  const text = page("Add add");
  expect(text).toContain("**Verdict: proven.**");
  expect(text).toContain(
    "| acceptance-1 | `pytest \\| tee x` | acceptance | 0 passed, 2 failed (pytest) | 2 passed, 0 failed (pytest) | 0 passed, 2 failed (pytest) | 0 passed, 2 failed (pytest) |",
  );
  expect(text).toContain("The control replaced the bodies of: `a.py:add`.");
  expect(text).toContain("behaviour that no test asks for was not judged");
});

test("says where no control and no witness could be run", () => {
  expect(page("x")).toMatch(/They were seen to go red on a control\.\n/);
  expect(page("x", { gates: [{ ...gate, witness: undefined }] })).toMatch(
    /red on a control\. No witness could be run for acceptance-1: it was not seen/,
  );
  expect(page("x", { gates: [{ ...gate, control: undefined, witness: undefined }] })).toMatch(
    /No control could be run for acceptance-1: .* No witness could be run for acceptance-1/,
  );
});

test("says how many small faults the tests noticed, and every one they did not", () => {
  expect(page("x")).not.toContain("mutants");
  const fates = ["killed", "survived", "killed", "not-run"] as const;
  const mutants = fates.map((fate, at) => ({ name: `a.py:${at + 1}: < becomes <=`, fate, why: "time" }));
  expect(page("x", { mutants })).toContain(
    "\n- mutants (small faults put into the change): 2 of 3 killed by the acceptance checks, 1 not run; survived: `a.py:2: < becomes <=`\n",
  );
  expect(page("x", { mutants: mutants.slice(0, 1) })).toContain("1 of 1 killed by the acceptance checks\n");
});

test("text of others cannot leave its place on the page", () => {
  const text = page("```\n# Verdict: fine\n````", { restored: ["a`\n# b.py"] });
  expect(text).toContain("`````text\n```\n# Verdict: fine\n````\n`````");
  expect(text).toContain("`a # b.py`");
  expect(text).not.toMatch(/^# b\.py/m);
});

test("what counts at an estimate is no count, an unknown price no price, and edits that were left out are named", () => {
  const spend = { ...nothingSpent, requests: 2, inputTokens: 900, outputTokens: 100 };
  const goal = { id: "k7m2q9xd", order: { text: "x" }, spend } as unknown as Goal;
  const cut = { kind: "unanswered", provider: "work", fault: "lost", why: "" };
  const leftOut = { kind: "left-out", paths: ["test_a.py"] };
  const attempts = [{ trail: [cut, leftOut] }] as unknown as Delivered["attempts"];
  const told = page("x", {}, { goal, attempts });
  expect(told).toContain(
    "Spent: 2 requests, at most 1000 tokens (1 call was cut and counts at its estimate), price unknown.",
  );
  expect(told).toContain("- no answer from work: the call was cut\n");
  expect(told).toContain("- left out, because it may not be changed: test_a.py\n");
  const counted = page("x", {}, { goal: { ...goal, spend: { ...spend, usd: 0.5 } } });
  expect(counted).toContain(
    "Spent: 2 requests, 900 input tokens (0 cached), 100 output tokens, 0.5000 USD at",
  );
});

test("what the user allowed stands before the verdict, with the moment", () => {
  const entry = { kind: "consented", commit: "c0ffee" as Commit, question: "x: is\nthat `it`?", at: 0 };
  const attempts = [{ trail: [entry] }] as unknown as Delivered["attempts"];
  const text = page("Add add", {}, { attempts });
  expect(text.slice(0, text.indexOf("**Verdict"))).toContain(
    "**Allowed by the user** at 1970-01-01T00:00:00.000Z, asked about `c0ffee`: `x: is that  it ?`",
  );
});

describe("a tree", () => {
  const part = (number: string, intent: string, state: Bead["state"]): Part => {
    const parent = number === "1" ? undefined : "k7m2q9xd.1";
    const bead = { id: `k7m2q9xd.${number}`, goal: "k7m2q9xd", parent, attempts: 2, state };
    const contract = wholeContract(intent, []);
    const spend = { requests: 3, tokens: 1_234, usd: 0.5 };
    const trail =
      state.kind === "integrated"
        ? [{ kind: "proved", commit: "c0ffee", proof } as unknown as TrailEntry]
        : [];
    return {
      bead: { ...bead, contract } as unknown as Bead,
      attempts: [{ trail } as unknown as Attempt],
      spend,
    };
  };
  const landed: Bead["state"] = {
    ...{ kind: "integrated", commit: "c0ffee" as Commit, verdict: "proven" },
    statement: "5" as BlobHash,
  };
  const lost: Bead["state"] = { kind: "parked", cause: "work", reason: "a | b`\n# c", best: undefined };
  const parts = [
    part("1", "all of it", { kind: "split" }),
    part("1.1", "Write | a\nand more", landed),
    part("1.2", "<img src=x>", lost),
  ];

  test("every bead with commit, verdict, tests, attempts and spend", () => {
    const text = page("x", {}, { bead: parts[0]?.bead ?? ({} as Bead), parts });
    expect(text).toContain(
      "| `1.1` | `Write \\| a` | `c0ffee` | proven | 2 of 2 | 2 | 3 requests, 1234 tokens, 0.5000 USD |",
    );
    expect(text).toContain("| `1.2` | `<img src=x>` | - | parked: `a \\| b # c` | - | 2 |");
    expect(text).toContain("`statements/`");
    expect(text).not.toContain("This is a part");
    expect(text).toContain("**The goal's own checks hold, without some of its parts.**");
    expect(page("x", {}, { bead: parts[0]?.bead ?? ({} as Bead), parts: parts.slice(1, 2) })).not.toContain(
      "Not in",
    );
  });

  test("what the whole does in a part's stead is not missing", () => {
    const whole = part("1", "all of it", landed);
    const text = page(
      "x",
      {},
      {
        ...{ bead: whole.bead, parts: [whole, ...parts.slice(1)] },
        doneByWhole: parts.slice(2).map(({ bead }) => bead.id),
      },
    );
    expect(text).toContain("**The goal's own checks hold; what its parts promised is green in the whole.**");
    expect(text).toContain(
      "Done by the whole, not by themselves:\n\n- `1.2` `<img src=x>`: parked: `a | b # c`",
    );
    expect(text).not.toContain("Not in");
  });

  test("a part of what was wanted heads the page, with what is in and what is not", () => {
    const text = page("x", {}, { bead: parts[1]?.bead ?? ({} as Bead), parts });
    const [before = ""] = text.split("**Verdict");
    expect(before).toContain("**This is a part of what was wanted.**");
    expect(before).toContain(
      "- `1.1` `Write | a`\n\nNot in:\n\n- `1` the whole: split\n- `1.2` `<img src=x>`: parked: `a | b # c`",
    );
  });
});
