import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groundOver, type Plan, type PlanFault, type PlannedBead, planFaults } from "../../domain/plan.ts";
import { givenFaults } from "../../domain/planning.ts";
import { orderOf } from "../../domain/sample.case.ts";
import { readPlan, writePlan } from "./file.ts";

const minimal =
  "beads:\n  - name: price\n    intent: Write it.\n    owns: [price.py]\n    checks: [pytest]\n";
const refused = (...faults: readonly (string | RegExp)[]) => ({
  kind: "refused",
  faults: faults.map((each) => expect.stringMatching(each)),
});

test("what may be left out is filled in", () => {
  expect(readPlan(minimal, "p.yaml")).toMatchObject({
    kind: "read",
    given: {
      plan: {
        skeleton: {},
        beads: [{ name: "price", reads: [], dependsOn: [], beads: [], tokens: { low: 500, high: 40_000 } }],
      },
    },
  });
});

describe("each fault of the text has its line", () => {
  const rows: readonly (readonly [string, string, readonly (string | RegExp)[]])[] = [
    ["no YAML", "beads:\n  - name: [a\n", [/^p\.yaml:\d+: not valid YAML: /]],
    ["a key twice", `${minimal}beads: []\n`, [/^p\.yaml:6: not valid YAML: .*unique/]],
    ["no beads", "goal: x\n", [/^p\.yaml:1: beads: /]],
    ["a list at the top", "- a\n", [/^p\.yaml holds no plan: /]],
    ["an empty file", "", [/^p\.yaml holds no plan: /]],
    [
      "an unknown field at the top",
      `${minimal}workers: 3\n`,
      [/^p\.yaml:6: workers: there is no such field$/],
    ],
    [
      "an unknown field of a bead",
      `${minimal}    own: [x]\n`,
      [/^p\.yaml:6: beads\.0\.own: there is no such field$/],
    ],
    ["a missing intent", "beads:\n  - name: a\n    owns: []\n", [/^p\.yaml:2: beads\.0\.intent: /]],
    [
      "wrong types, all of them",
      "beads:\n  - name: 3\n    intent: x\n    owns: src\n",
      [/^p\.yaml:2: beads\.0\.name: /, /^p\.yaml:4: beads\.0\.owns: /],
    ],
    [
      "a wrong item of a list",
      "beads:\n  - name: a\n    intent: x\n    owns:\n      - a\n      - 7\n",
      [/^p\.yaml:6: beads\.0\.owns\.1: /],
    ],
    ["a skeleton that is no text", `skeleton:\n  a.py: [1]\n${minimal}`, [/^p\.yaml:2: skeleton\.a\.py: /]],
    [
      "an alias",
      `beads:\n  - &a\n    name: a\n    intent: x\n  - *a\n`,
      ["p.yaml: aliases are not read: write each bead out"],
    ],
  ];
  test.each(rows)("%s", (_, text, faults) => {
    const read = readPlan(text, "p.yaml");
    const told = ({ at, why }: PlanFault) => (read.kind === "read" ? `${read.given.where(at)}: ${why}` : "");
    expect(read.kind === "read" ? read.given.unread.map(told) : read.faults).toEqual(
      refused(...faults).faults,
    );
  });
});

describe("a fault of form hides no other, and none is made up of it", () => {
  const ground = groundOver(["old.py", "tests/test_old.py"], orderOf("t"));
  const places = (text: string) => {
    const read = readPlan(text, "p.yaml");
    if (read.kind === "refused") throw new Error(read.faults.join());
    return givenFaults(read.given, ground).map(({ at }) => at.join("."));
  };
  const bead = (name: string, rest: string) => `  - name: ${name}\n    intent: x\n${rest}`;
  test("what could be read is looked at whole", () => {
    const text = `beads:
${bead("a", "    owns: [a.py]\n    checks: [3]\n")}${bead("b", "    owns: [a.py, ../x]\n    dependsOn: [c]\n")}${bead("d e", "    owns: [d.py]\n    reads: [no.py]\n    checks: [pytest tests/test_no.py]\n")}`;
    expect(places(text)).toEqual([
      ...["beads.0.checks.0", "beads.1.checks", "beads.1.owns.1", "beads.2.name", "beads.2.checks.0"],
      ...["beads.2.reads.0", "beads.1.dependsOn.0", "beads.1.owns.0"],
    ]);
  });
  test("nothing is said of what may only follow from the unread", () => {
    const good = "    owns: [b.py]\n    checks: [pytest tests/test_old.py]\n";
    const check = (first: string, second: string, ...expected: readonly string[]) =>
      expect(places(`beads:\n${first}${second}`)).toEqual(expected);
    const needs = bead("b", `${good}    dependsOn: [a]\n`);
    check(bead("3", "    owns: [a.py]\n    checks: [pytest]\n"), needs, "beads.0.name");
    check("  - nothing\n", needs, "beads.0");
    check(
      bead("a", "    owns: 3\n    checks: [pytest]\n"),
      bead("b", `${good}    reads: [a.py]\n`),
      "beads.0.owns",
    );
    check("", "", "beads");
  });
});

test("a huge text is refused before it is read", () => {
  expect(readPlan(`# ${"x".repeat(1_000_000)}`, "p.yaml")).toEqual(refused(/larger than 1000000 characters/));
});

test("a bomb of aliases is refused", () => {
  const lines = Array.from({ length: 30 }, (_, index) =>
    index === 0 ? "a0: &a0 [x, x]" : `a${index}: &a${index} [*a${index - 1}, *a${index - 1}]`,
  );
  expect(readPlan(lines.join("\n"), "p.yaml")).toEqual(refused(/aliases are not read/));
});

test("what is no plan at all is said in one line", () => {
  for (const text of [
    "",
    "  \n\n",
    "# only words\n",
    "hello",
    "42",
    "- a\n",
    "\0\0",
    String.fromCharCode(255, 254),
  ])
    expect(readPlan(text, "p.yaml")).toEqual({
      kind: "refused",
      faults: [expect.stringMatching(/^p\.yaml holds no plan: it begins with "beads:"/)],
    });
  const deep = readPlan(`beads: ${"[".repeat(20_000)}${"]".repeat(20_000)}`, "p.yaml");
  expect(deep).toEqual(refused(/^p\.yaml:1: not valid YAML: it is nested too deep$/));
  expect(readPlan(`${minimal}---\n${minimal}`, "p.yaml")).toEqual(
    refused(/it holds several plans; keep one$/),
  );
});

test("a plan with Windows line ends and a byte order mark is the same plan", () => {
  const read = (text: string) => {
    const found = readPlan(text, "p.yaml");
    return found.kind === "read" ? found.given.plan : found.faults;
  };
  expect(read(`\ufeff${minimal.replaceAll("\n", "\r\n")}`)).toEqual(read(minimal));
});

test("no text makes it throw", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json(), fc.string({ unit: fc.constantFrom(..."beads:-&*[]{}\n \t|>'\"") })),
      (text) => {
        const read = readPlan(text, "p.yaml");
        if (read.kind === "refused") expect(read.faults.length).toBeGreaterThan(0);
      },
    ),
  );
});

test("the line of a place is that of what is written there, else of its bead", () => {
  const text = `goal: x\n${minimal}  - name: cart\n    intent: Write it.\n    owns:\n      - cart.py\n      - cart/**\n    beads:\n      - name: part\n        intent: y\n`;
  const read = readPlan(text, "p.yaml");
  if (read.kind === "refused") throw new Error(read.faults.join());
  const line = (...at: (string | number)[]) => read.given.where(at);
  expect([
    line("beads"),
    line("beads", 0, "name"),
    line("beads", 1, "owns", 1),
    line("beads", 1, "checks"),
    line("beads", 1, "beads", 0, "owns"),
    line("nothing"),
  ]).toEqual(["p.yaml:2", "p.yaml:3", "p.yaml:11", "p.yaml:7", "p.yaml:13", "p.yaml:1"]);
});

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "yes", "1", "~", "a: b", "- x\n\n", " x ", "#"),
);
const texts = fc.array(text, { maxLength: 3 });
const beadOver = (below: fc.Arbitrary<readonly PlannedBead[]>): fc.Arbitrary<PlannedBead> =>
  fc.record({
    ...{
      name: text,
      intent: text,
      owns: texts,
      shares: texts,
      reads: texts,
      exports: texts,
      behaviours: texts,
    },
    ...{ dependsOn: texts, checks: texts },
    tokens: fc.record({ low: fc.nat(), high: fc.nat() }),
    budget: fc.constantFrom(
      undefined,
      { usdMax: 0.25, tokensMax: 9_000, wallMsMax: 90_000 },
      { usdMax: undefined, tokensMax: undefined, wallMsMax: 1 },
    ),
    beads: below,
  });
const bead = beadOver(fc.array(beadOver(fc.constant([])), { maxLength: 2 }));
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  skeleton: fc.dictionary(
    text.filter((key) => key !== "__proto__"),
    text,
    { maxKeys: 2, noNullPrototype: true },
  ),
  beads: fc.array(bead, { maxLength: 3 }),
});

test("a plan that is written reads back as the same plan", () => {
  fc.assert(
    fc.property(anyPlan, text, (plan, goal) => {
      const read = readPlan(writePlan(plan, goal), "p.yaml");
      expect(read.kind === "read" ? read.given.plan : read.faults).toEqual(plan);
    }),
    { numRuns: 60 },
  );
});

test("the example of docs/plan.md is a plan that can be worked on", () => {
  const page = readFileSync(new URL("../../../docs/plan.md", import.meta.url), "utf8");
  const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const read = readPlan(example, "docs/plan.md");
  if (read.kind === "refused") throw new Error(read.faults.join("\n"));
  const paths = ["README.md", "tests/test_price.py", "tests/test_checkout.py"];
  expect(planFaults(read.given.plan, groundOver(paths, orderOf("t")))).toEqual([]);
  expect(read.given.plan.beads.map(({ name }) => name)).toEqual(["price", "checkout"]);
  const fields = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, field]) => field);
  const [first] = read.given.plan.beads;
  expect(fields.sort()).toEqual(["goal", "skeleton", "beads", ...Object.keys(first ?? {})].sort());
});

test("a budget is read in USD, tokens and minutes, and its faults have their lines", () => {
  const budget = (text: string) => readPlan(`${minimal}    budget: ${text}\n`, "p.yaml");
  expect(budget("{ usd: 0.5, tokens: 9000, minutes: 1.5 }")).toMatchObject({
    given: {
      unread: [],
      plan: { beads: [{ budget: { usdMax: 0.5, tokensMax: 9_000, wallMsMax: 90_000 } }] },
    },
  });
  const faultsIn = (text: string) => {
    const read = budget(text);
    if (read.kind === "refused") return read.faults;
    const { plan, unread, where } = read.given;
    const ground = groundOver([], orderOf("t"));
    return givenFaults({ plan, unread }, ground).map(({ at, why }) => `${where(at)}: ${why}`);
  };
  expect(faultsIn("{ dollars: 3 }")).toEqual(["p.yaml:6: beads.0.budget.dollars: there is no such field"]);
  expect(faultsIn("{}")).toEqual(["p.yaml:6: beads.0.budget: bounds nothing: give usd, tokens or minutes"]);
  expect(faultsIn("{ tokens: many }")).toEqual([
    expect.stringMatching(/^p\.yaml:6: beads\.0\.budget\.tokens: /),
  ]);
  expect(faultsIn("{ minutes: 0 }")).toEqual(["p.yaml:6: 0 minutes is no bound: give more than 0"]);
});
