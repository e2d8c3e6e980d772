import { expect, test } from "vitest";
import { nothingSpent } from "../../domain/budget.ts";
import type { Plan, PlannedBead } from "../../domain/plan.ts";
import type { Model } from "../../ports/model.ts";
import { exits } from "./exit.ts";
import { openFakeHouse, runOver } from "./house.case.ts";
import { planLines, prospectOf } from "./plan.ts";

const bead = (name: string, facts: Partial<PlannedBead> = {}): PlannedBead => ({
  ...{
    name,
    intent: `Write ${name}.`,
    owns: [`${name}.py`],
    shares: [],
    reads: [],
    exports: [],
    behaviours: [],
  },
  ...{
    dependsOn: [],
    checks: [`pytest ${name}`],
    tokens: { low: 1_000, high: 20_000 },
    budget: undefined,
    beads: [],
  },
  ...facts,
});
const plan: Plan = {
  skeleton: { "kinds.py": "Item = tuple\n" },
  beads: [bead("shop", { beads: [bead("price")] }), bead("cart", { dependsOn: ["shop"] })],
};
const price = { inputUsd: 1, cachedInputUsd: 0.1, outputUsd: 5 };
const model: Model = {
  provider: "work",
  name: "m",
  price,
  ask: () => Promise.reject(new Error("not asked")),
};
const spend = { ...nothingSpent, requests: 1, inputTokens: 900, outputTokens: 100 };
const goalPlan = ["goal", "plan", "a shop", "--check", "pytest"];

const order = { checks: [], workersMax: 2 };
const unknown = { price: undefined, tokensPerSecond: undefined, checkMs: new Map<string, number>() };
const linesOf = (shown: Plan, outlook = {}) =>
  planLines(shown, prospectOf(shown, order, { ...unknown, ...outlook }));

test("a plan is a tree with owners, arrows, checks and costs", () => {
  expect(linesOf(plan, { price, tokensPerSecond: 500, checkMs: new Map([["pytest cart", 1_000]]) })).toEqual([
    "skeleton: kinds.py",
    "shop: Write shop.",
    "  owns:    shop.py",
    "  check:   pytest shop",
    "  takes:   1,000 to 20,000 tokens, $0.0010 to $0.1000, 2.0 s to 40 s",
    "  price: Write price.",
    "    owns:    price.py",
    "    check:   pytest price",
    "    takes:   1,000 to 20,000 tokens, $0.0010 to $0.1000, 2.0 s to 40 s",
    "cart: Write cart.",
    "  owns:    cart.py",
    "  needs:   shop",
    "  check:   pytest cart",
    "  takes:   1,000 to 20,000 tokens, $0.0010 to $0.1000, 4.0 s to 48 s",
    "in all: 3 tasks, 3,000 to 60,000 tokens, $0.0030 to $0.3000, 8.0 s to 2 min 08 s with 2 workers",
    "times assume 500 tokens a second, read and written (as its model's calls here), each check 2 to 8 times what it took before the change (1 of 3 known here), and no wait for limits",
  ]);
});

test("where no price is known no cost is made up", () => {
  expect(linesOf(plan).slice(-2)).toEqual([
    "in all: 3 tasks, 3,000 to 60,000 tokens, 12 s to 4 min 00 s with 2 workers (no price is known)",
    "times assume 250 tokens a second, read and written (no call of its model was answered here yet), each check 2 to 8 times what it took before the change (0 of 3 known here), and no wait for limits",
  ]);
});

test("what a model wrote cannot draw on the terminal", () => {
  const nasty = { skeleton: {}, beads: [bead("a", { intent: "\u001b[31mred\nsecond line" })] };
  expect(linesOf(nasty).join("\n")).not.toContain("\u001b");
  expect(linesOf(nasty)).toHaveLength(6);
});

test("it is shown and written, and nothing is begun", async () => {
  const fake = openFakeHouse({ drawn: { kind: "plan", plan, model, spend } });
  const { code, out, err } = await runOver(fake, [...goalPlan, "--out", "plan.yaml"]);
  expect(code).toBe(exits.done);
  expect(out.at(-1)).toBe("work on it: rigs goal execute ... --plan plan.yaml");
  expect(err).toContain("1 request, 900 tokens in, 100 out");
  expect(fake.written.get("plan.yaml")).toEqual(plan);
  expect(await fake.house.reader(), "no goal was made").toBeUndefined();
});

test("as JSON", async () => {
  const fake = openFakeHouse({ drawn: { kind: "plan", plan, model, spend } });
  const { out } = await runOver(fake, [...goalPlan, "--json"]);
  expect(JSON.parse(out.join(""))).toMatchObject({
    ...{ mode: "solo", plan: JSON.parse(JSON.stringify(plan)), spend, file: null },
    all: {
      ...{ tokens: { low: 3_000, high: 60_000 }, usd: { low: 0.003, high: 0.3 } },
      ...{ ms: { low: 12_000, high: 240_000 }, assumes: expect.stringMatching(/^times assume 250 tokens/) },
    },
    beads: [{ name: "shop", ms: { low: 4_000, high: 80_000 } }, { name: "price" }, { name: "cart" }],
  });
});

test("a planner without a plan is a failure, and no file is written", async () => {
  const faults = ["beads.0: cart has no check", "beads.1.owns.0: price and cart both own shop/a.py"];
  const fake = openFakeHouse({ drawn: { kind: "none", why: "no plan after 3 answers", faults, spend } });
  const { code, err } = await runOver(fake, [...goalPlan, "--out", "plan.yaml"]);
  expect(code).toBe(exits.failed);
  expect(err.slice(-4)).toEqual([
    "no plan after 3 answers",
    "what was wrong with the last answer:",
    ...faults.map((fault) => `  ${fault}`),
  ]);
  expect(err, "how it would be worked on is not asked here").not.toContain("solo: it fits");
  expect(fake.written.size).toBe(0);
  const { out } = await runOver(fake, [...goalPlan, "--json"]);
  expect(out.map((line) => JSON.parse(line))).toEqual([{ error: "no plan after 3 answers", faults, spend }]);
});

test("a file that is there is not written over, and nobody is asked for that", async () => {
  const fake = openFakeHouse({ drawn: { kind: "plan", plan, model, spend } });
  const { refused } = await runOver(fake, [...goalPlan, "--out", "there.yaml"]);
  expect(refused).toContain("there.yaml exists already");
  expect(fake.wishes).toEqual([]);
});

test("--solo and --fleet contradict each other, and --solo has no plan", async () => {
  const fake = openFakeHouse();
  expect((await runOver(fake, [...goalPlan, "--solo", "--fleet"])).refused).toContain("contradict");
  expect((await runOver(fake, [...goalPlan, "--solo"])).refused).toContain("without a plan");
});
