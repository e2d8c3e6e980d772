import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BudgetWish, unbounded } from "./budget.ts";
import {
  chainLengths,
  type Ground,
  groundOver,
  meet,
  type Place,
  type Plan,
  type PlannedBead,
  placedBeads,
  planBounds,
  planFaults,
} from "./plan.ts";

const orderless = { protect: [], allowChange: [], allowDependencies: false, budget: unbounded };
const ground: Ground = groundOver(["README.md", "src/old.py", "tests/test_old.py"], orderless);

function beadOf(name: string, facts: Partial<PlannedBead> = {}): PlannedBead {
  return {
    name,
    intent: `Write ${name}.`,
    owns: [`src/${name}.py`],
    shares: [],
    reads: [],
    exports: [],
    behaviours: [],
    dependsOn: [],
    checks: ["pytest tests/test_old.py"],
    tokens: { low: 500, high: 9_000 },
    budget: undefined,
    beads: [],
    ...facts,
  };
}

/** Good plans: names in one order, arrows only to earlier names that are not ancestors, files of one's own. */
const goodPlan: fc.Arbitrary<Plan> = fc
  .record({
    shape: fc.array(fc.array(fc.nat(2), { maxLength: 3 }), { minLength: 1, maxLength: planBounds.fanOutMax }),
    arrows: fc.infiniteStream(fc.nat(99)),
    hasSkeleton: fc.boolean(),
    isFolder: fc.boolean(),
  })
  .map(({ shape, arrows, hasSkeleton, isFolder }) => {
    let count = 0;
    const settled: string[] = [];
    const grow = (below: readonly (readonly unknown[])[]): PlannedBead => {
      const beads = below.map((inner) => grow(inner as readonly (readonly unknown[])[]));
      const name = `bead-${++count}`;
      const folder = `src/${name}`;
      const dependsOn = settled
        .filter((other) => !beads.some((bead) => bead.name === other))
        .filter(() => (arrows.next().value ?? 0) % 4 === 0);
      const facts = {
        owns: isFolder ? [`${folder}/**`, `tests/new/test_${count}.py`] : [`${folder}.py`],
        reads: hasSkeleton ? ["src/kinds.py", "src/old.py"] : ["src/old.py", "tests/**"],
        exports: isFolder ? [`${folder}/main.py: run() -> int`] : [`${folder}.py: run() -> int`],
        dependsOn,
      };
      settled.push(name);
      return beadOf(name, { ...facts, beads });
    };
    const nested = shape.map((inner) => inner.map((leaves) => Array.from({ length: leaves }, () => [])));
    const beads = nested.map(grow);
    return { skeleton: hasSkeleton ? { "src/kinds.py": "Item = tuple\n" } : {}, beads };
  })
  .filter((plan) => placedBeads(plan).length <= planBounds.beadsMax);

const faultsIn = (plan: Plan) => planFaults(plan, ground);

test("a good plan has no fault", () => {
  fc.assert(fc.property(goodPlan, (plan) => void expect(faultsIn(plan)).toEqual([])));
});

/** The plan with the bead at a place changed. */
function changed(plan: Plan, at: Place, change: (bead: PlannedBead) => PlannedBead): Plan {
  const within = (beads: readonly PlannedBead[], rest: Place): readonly PlannedBead[] =>
    beads.map((bead, index) => {
      if (index !== rest[0]) return bead;
      return rest.length === 1 ? change(bead) : { ...bead, beads: within(bead.beads, rest.slice(2)) };
    });
  return { ...plan, beads: within(plan.beads, at.slice(1)) };
}

interface Injury {
  readonly plan: Plan;
  /** The field the fault is found at. */
  readonly at: Place;
  readonly why: RegExp;
}

/** What may be wrong with one bead, `place` of a good plan with at least two. */
const injuries: Readonly<
  Record<string, (plan: Plan, bead: PlannedBead, at: Place, other: PlannedBead) => Injury>
> = {
  "an overlap": (plan, bead, at, other) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: [...each.owns, ...other.owns] })),
    at: [...at, "owns", bead.owns.length],
    why: /both own/,
  }),
  "an unknown name": (plan, bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, dependsOn: [...each.dependsOn, "nobody"] })),
    at: [...at, "dependsOn", bead.dependsOn.length],
    why: /depends on nobody, which is no bead/,
  }),
  "a twin name": (plan, _bead, at, other) => ({
    plan: changed(plan, at, (each) => ({ ...each, name: other.name })),
    at: [...at, "name"],
    why: /two beads are called/,
  }),
  "a bad name": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, name: "no name!" })),
    at: [...at, "name"],
    why: /is no name/,
  }),
  "a circle of one": (plan, bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, dependsOn: [...each.dependsOn, each.name] })),
    at: [...at, "dependsOn", bead.dependsOn.length],
    why: /wait for each other/,
  }),
  "a path that leaves": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: ["../etc/passwd", ...each.owns] })),
    at: [...at, "owns", 0],
    why: /no path inside the repository/,
  }),
  "git's own folder": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: [".git/hooks/post-merge", ...each.owns] })),
    at: [...at, "owns", 0],
    why: /no path inside the repository/,
  }),
  "a pattern": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: ["src/*.py", ...each.owns] })),
    at: [...at, "owns", 0],
    why: /cannot be kept apart/,
  }),
  "a protected file": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: ["setup.cfg", ...each.owns] })),
    at: [...at, "owns", 0],
    why: /is protected/,
  }),
  "an existing test": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: ["tests/test_old.py", ...each.owns] })),
    at: [...at, "owns", 0],
    why: /is protected/,
  }),
  "nothing owned": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, owns: [], exports: [] })),
    at: [...at, "owns"],
    why: /owns nothing/,
  }),
  "a missing check": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, checks: [] })),
    at: [...at, "checks"],
    why: /has no check/,
  }),
  "an empty check": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, checks: ["make", " "] })),
    at: [...at, "checks", 1],
    why: /an empty check/,
  }),
  "no intent": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, intent: " " })),
    at: [...at, "intent"],
    why: /has no intent/,
  }),
  "an unknown read": (plan, bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, reads: [...each.reads, "lib/none.py"] })),
    at: [...at, "reads", bead.reads.length],
    why: /is not in the repository/,
  }),
  "an export of another's file": (plan, bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, exports: [...each.exports, "src/old.py: f()"] })),
    at: [...at, "exports", bead.exports.length],
    why: /which it does not own/,
  }),
  "an export without a file": (plan, bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, exports: [...each.exports, "f"] })),
    at: [...at, "exports", bead.exports.length],
    why: /is no export/,
  }),
  "a range the wrong way": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, tokens: { low: 9, high: 3 } })),
    at: [...at, "tokens"],
    why: /is no range/,
  }),
  "a range of nothing": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({ ...each, tokens: { low: 0.5, high: Number.NaN } })),
    at: [...at, "tokens"],
    why: /is no range/,
  }),
  "too many side by side below it": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({
      ...each,
      beads: Array.from({ length: planBounds.fanOutMax + 1 }, (_, index) => beadOf(`below-${index}`)),
    })),
    at: [...at, "beads"],
    why: /beads below .*, at most 5/,
  }),
  "too deep": (plan, _bead, at) => ({
    plan: changed(plan, at, (each) => ({
      ...each,
      beads: [beadOf("d2", { beads: [beadOf("d3", { beads: [beadOf("d4", { beads: [beadOf("d5")] })] })] })],
    })),
    // The first that is too deep, wherever the bead itself lies.
    at: [
      ...at,
      ...Array.from({ length: planBounds.depthMax - (at.length - 2) / 2 }, () => ["beads", 0]).flat(),
    ],
    why: /lies 4 deep, at most 3/,
  }),
};

describe("each fault is found at its place", () => {
  test.each(Object.entries(injuries))("%s", (_, injure) => {
    fc.assert(
      fc.property(goodPlan, fc.nat(), (plan, choice) => {
        const placed = placedBeads(plan);
        fc.pre(placed.length >= 2);
        // The first bead is whose name and files the injured one takes: a twin is found where it is met again.
        const { bead, at } = placed[1 + (choice % (placed.length - 1))] ?? present();
        const injury = injure(plan, bead, at, placed[0]?.bead ?? present());
        const found = faultsIn(injury.plan).filter(({ why }) => injury.why.test(why));
        expect(found.map((fault) => fault.at)).toContainEqual(injury.at);
      }),
      { numRuns: 30 },
    );
  });

  const checkWhole = (plan: Plan, at: Place, why: RegExp) => {
    const found = faultsIn(plan).find((fault) => why.test(fault.why));
    expect(found?.at).toEqual(at);
  };

  test("a circle of two is told once, whole, where it closes", () => {
    const [a, b] = [beadOf("a", { dependsOn: ["b"] }), beadOf("b", { dependsOn: ["a"] })];
    expect(faultsIn({ skeleton: {}, beads: [a, b] })).toEqual([
      { at: ["beads", 1, "dependsOn", 0], why: "beads wait for each other: a -> b -> a; take one arrow out" },
    ]);
  });

  test("a child that waits for its parent is a circle too", () => {
    const plan = { skeleton: {}, beads: [beadOf("a", { beads: [beadOf("b", { dependsOn: ["a"] })] })] };
    checkWhole(plan, ["beads", 0, "beads", 0, "dependsOn", 0], /a -> b -> a/);
  });

  test("a name with the wrong case is guessed", () => {
    const plan = { skeleton: {}, beads: [beadOf("Cart"), beadOf("b", { dependsOn: ["cart"] })] };
    checkWhole(plan, ["beads", 1, "dependsOn", 0], /is Cart meant\?/);
  });

  test("everything, owned by one", () => {
    checkWhole(
      { skeleton: {}, beads: [beadOf("a", { owns: ["**"] })] },
      ["beads", 0, "owns", 0],
      /everything/,
    );
  });

  test("no bead at all", () => checkWhole({ skeleton: {}, beads: [] }, ["beads"], /no bead/));

  test("too many, in all and side by side", () => {
    const beads = Array.from({ length: planBounds.beadsMax + 1 }, (_, index) => beadOf(`b${index}`));
    checkWhole({ skeleton: {}, beads }, ["beads"], /41 beads, at most 40/);
    checkWhole({ skeleton: {}, beads }, ["beads"], /41 beads side by side, at most 5/);
  });

  test.each([
    ["README.md", /exists already/],
    ["setup.cfg", /is protected/],
    ["../x.py", /no path/],
    [".git/config", /no path/],
    ["src/**", /names a file|no file|folder/],
  ])("a skeleton over %s", (path, why) => {
    checkWhole({ skeleton: { [path]: "" }, beads: [beadOf("a")] }, ["skeleton", path], why);
  });

  test.each([
    ["src", /^src is a folder: name a file in it/],
    ["README.md/x.py", /^README\.md\/x\.py cannot be: README\.md is a file, not a folder$/],
  ])("a skeleton's file at %s, where files and folders meet", (path, why) => {
    checkWhole({ skeleton: { [path]: "" }, beads: [beadOf("a")] }, ["skeleton", path], why);
  });

  test("files of the skeleton that need each other's place, and owned files below a file", () => {
    const twice = { skeleton: { "x/y.py": "", x: "" }, beads: [beadOf("a")] };
    checkWhole(twice, ["skeleton", "x/y.py"], /x is a file, not a folder/);
    checkWhole(twice, ["skeleton", "x"], /x is a folder/);
    const below = { skeleton: {}, beads: [beadOf("a", { owns: ["src/new.py", "src/old.py/**"] })] };
    checkWhole(below, ["beads", 0, "owns", 1], /src\/old\.py is a file, not a folder/);
    const instead = { skeleton: {}, beads: [beadOf("a", { owns: ["src/old.py", "src/old.py/**"] })] };
    expect(faultsIn(instead)).toEqual([]);
    const folder = { skeleton: {}, beads: [beadOf("a", { owns: ["src"], shares: [] })] };
    checkWhole(folder, ["beads", 0, "owns", 0], /src is a folder: .* or "src\/\*\*" as owned/);
  });

  test("a new test may be in the skeleton", () => {
    expect(faultsIn({ skeleton: { "tests/test_all.py": "" }, beads: [beadOf("a")] })).toEqual([]);
  });

  test.each(["tests/conftest.py", "conftest.py", "tests/sitecustomize.py", "tests/setup.cfg"])(
    "what a runner loads by itself is never a new test: %s",
    (path) => {
      checkWhole({ skeleton: { [path]: "" }, beads: [beadOf("a")] }, ["skeleton", path], /is protected/);
      checkWhole(
        { skeleton: {}, beads: [beadOf("a", { owns: [path] })] },
        ["beads", 0, "owns", 0],
        /is protected/,
      );
    },
  );

  test.each([
    [".envrc", /runs or loads by itself/],
    [".vscode/tasks.json", /runs or loads by itself/],
    [".github/workflows/ci.yml", /runs or loads by itself/],
    ["tests/helper.py", /can stand in for what is tested/],
    ["package.json", /a dependency manifest/],
    ["lib/fast.so", /cannot be read/],
  ])("what only the user may bring is no planner's to plant: %s", (path, why) => {
    const plan = { skeleton: { [path]: "" }, beads: [beadOf("a")] };
    expect(planFaults(plan, ground, "planner")).toEqual([
      { at: ["skeleton", path], why: expect.stringMatching(why) },
    ]);
    // A person's plan has it, and the whole asks about it at the end.
    expect(planFaults(plan, ground)).toEqual([]);
    expect(
      planFaults(plan, groundOver(ground.paths, { ...orderless, allowChange: [path] }), "planner"),
    ).toEqual([]);
  });

  test("--protect binds skeletons and owners, new tests too", () => {
    const bound = groundOver(ground.paths, { ...orderless, protect: ["tests/**", "vault/**"] });
    const skeleton = { "tests/test_extra.py": "", "vault/x.txt": "" };
    const plan = { skeleton, beads: [beadOf("a", { owns: ["tests/test_new.py"] })] };
    expect(planFaults(plan, bound).map(({ at }) => at)).toEqual([
      ["beads", 0, "owns", 0],
      ["skeleton", "tests/test_extra.py"],
      ["skeleton", "vault/x.txt"],
    ]);
  });
});

test("a check that names a test which nobody has or writes is a fault; what cannot be told is left to the run", () => {
  const check = (command: string, change: Partial<PlannedBead> = {}, others: readonly PlannedBead[] = []) =>
    faultsIn({
      skeleton: { "tests/test_whole.py": "" },
      beads: [beadOf("a", { checks: ["make", command], ...change }), ...others],
    });
  expect(check("pytest -q tests/test_new.py::test_x")).toEqual([
    {
      at: ["beads", 0, "checks", 1],
      why: expect.stringMatching(
        /^the check of a names tests\/test_new\.py, which is neither .* no bead writes it/,
      ),
    },
  ]);
  const writer = beadOf("b", { owns: ["src/b.py", "tests/test_new.py"] });
  const near = beadOf("c", { dependsOn: ["b"] });
  const fault = {
    at: ["beads", 0, "checks", 1],
    why: expect.stringMatching(/which b writes: let a depend on it$/),
  };
  expect(check("pytest tests/test_new.py", {}, [writer])).toEqual([fault]);
  expect(check("pytest tests/test_new.py", { dependsOn: ["c"] }, [writer, near])).toEqual([]);
  expect(check("pytest tests/test_new.py", { owns: ["src/a.py", "tests/test_new.py"] })).toEqual([]);
  expect(check("cd sub && pytest tests/test_new.py")).toEqual([]);
  for (const good of [
    "pytest",
    "pytest tests/test_whole.py",
    "python3 src/new.py | grep -q done",
    "pytest -k new",
  ])
    expect(check(good)).toEqual([]);
});

test("a huge or endless plan is answered soon, with at most 50 faults", () => {
  const wide = Array.from({ length: 5_000 }, (_, index) => beadOf(`b${index % 7}`, { owns: ["src/**"] }));
  expect(faultsIn({ skeleton: {}, beads: wide })).toHaveLength(planBounds.faultsMax);
});

test("two areas meet exactly when some path lies in both", () => {
  const area = fc.constantFrom("a", "a/b", "a/bc", "a/b/c", "a/**", "a/b/**", "ab/**", "b");
  const paths = ["a", "a/b", "a/bc", "a/b/c", "a/x", "a/b/x", "ab/x", "b"];
  const holds = (one: string, path: string) =>
    one.endsWith("/**") ? path.startsWith(one.slice(0, -2)) : path === one;
  fc.assert(
    fc.property(area, area, (left, right) => {
      const isShared = paths.some((path) => holds(left, path) && holds(right, path));
      const isSame = left.replace("/**", "") === right.replace("/**", "");
      expect(meet(left, right)).toBe(isShared || isSame);
      expect(meet(right, left)).toBe(meet(left, right));
    }),
  );
});

test("a chain is one longer than the longest chain of what waits for it", () => {
  fc.assert(
    fc.property(goodPlan, (plan) => {
      const lengths = chainLengths(plan);
      for (const { bead } of placedBeads(plan)) {
        const behind = placedBeads(plan).filter(
          (each) =>
            each.bead.dependsOn.includes(bead.name) || each.bead.beads.some(({ name }) => name === bead.name),
        );
        const longest = Math.max(0, ...behind.map((each) => lengths.get(each.bead.name) ?? 0));
        expect(lengths.get(bead.name)).toBe(1 + longest);
      }
    }),
  );
});

function present(): never {
  throw new Error("a plan of two beads has them");
}

describe("budgets", () => {
  const bound = (given: Partial<BudgetWish>): BudgetWish => ({ ...unbounded, ...given });
  const plan: Plan = {
    skeleton: {},
    beads: [
      beadOf("shop", {
        budget: bound({ tokensMax: 9_000, usdMax: 0.3, wallMsMax: 60_000 }),
        beads: [
          beadOf("price", { budget: bound({ tokensMax: 5_000, usdMax: 0.1, wallMsMax: 60_000 }) }),
          beadOf("cart", { budget: bound({ tokensMax: 4_000, usdMax: 0.2, wallMsMax: 60_000 }) }),
        ],
      }),
      beadOf("bill", { budget: bound({ tokensMax: 1_000 }) }),
    ],
  };
  const faults = (given: Plan, budget: Partial<BudgetWish> = {}) =>
    planFaults(given, { ...ground, budget: bound(budget) }).map(({ at, why }) => `${at.join(".")}: ${why}`);

  test("what lies below a bead is together no more than it, and the beads no more than the goal", () => {
    expect(faults(plan, { tokensMax: 10_000, usdMax: 0.3, wallMsMax: 60_000 })).toEqual([]);
    expect(faults(plan, { tokensMax: 9_999, wallMsMax: 30_000 })).toEqual([
      "beads: the goal has a budget of 9999 tokens, but its beads have 10000 tokens together: raise the one or lower the other",
      "beads: the goal has a budget of 0.5 minutes, but one of its beads has 1 minute: raise the one or lower the other",
    ]);
    const poor = changed(plan, ["beads", 0], (bead) => ({ ...bead, budget: bound({ tokensMax: 8_000 }) }));
    expect(faults(poor)).toEqual([
      "beads.0.budget: shop has a budget of 8000 tokens, but the beads below it have 9000 tokens together: raise the one or lower the other",
    ]);
    const open = changed(plan, ["beads", 0], (bead) => ({ ...bead, budget: undefined }));
    expect(faults(open, { usdMax: 0.2 }), "what has no bound takes what is below it").toHaveLength(1);
  });

  test("a bound is a number above 0, and a person's", () => {
    const none = changed(plan, ["beads", 1], (bead) => ({
      ...bead,
      budget: bound({ tokensMax: 0.5, usdMax: -1 }),
    }));
    expect(faults(none)).toEqual([
      "beads.1.budget.usd: -1 USD is no bound: give more than 0",
      "beads.1.budget.tokens: 0.5 tokens is no bound: give more than 0, whole",
    ]);
    expect(planFaults(plan, ground, "planner").map(({ at }) => at.join("."))).toEqual([
      "beads.0.budget",
      "beads.0.beads.0.budget",
      "beads.0.beads.1.budget",
      "beads.1.budget",
    ]);
  });
});
