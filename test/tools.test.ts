import { describe, expect, test } from "vitest";
import { type Machine, planFor, tools, verdictOf } from "../scripts/tools.ts";

const debian: Machine = { platform: "linux", isRoot: true, debian: "Debian GNU/Linux 12" };
const missing = [
  { name: "git", debianPackage: "git" },
  { name: "the jail", debianPackage: "bubblewrap" },
];

describe("what is done about missing programs", () => {
  test("nothing is missing: nothing is said", () => expect(planFor([], debian)).toEqual({ kind: "go" }));

  test("root on Debian: they are installed, said aloud before", () => {
    const plan = planFor(missing, debian);
    expect(plan).toMatchObject({ kind: "install", packages: ["git", "bubblewrap"] });
    expect(plan.kind === "install" && plan.lines.at(-1)).toContain(
      "you are root on Debian GNU/Linux 12, so this is done now: apt-get update && apt-get install -y git bubblewrap",
    );
  });

  test("anybody else is told the exact command, and nothing is installed", () => {
    expect(planFor(missing, { ...debian, isRoot: false })).toEqual({
      kind: "tell",
      lines: ["missing: git", "missing: the jail", "install it: sudo apt-get install -y git bubblewrap"],
    });
    const elsewhere = planFor(missing, { ...debian, debian: undefined });
    expect(elsewhere.kind === "tell" && elsewhere.lines.at(-1)).toContain("git bubblewrap");
  });

  test("another system than Linux: what it takes", () => {
    const plan = planFor(missing, { ...debian, platform: "darwin" });
    expect(plan.kind === "tell" && plan.lines.at(-1)).toContain("Linux");
  });
});

test("without its tools the demo stops, and the tests go on and say what they skip", () => {
  expect(verdictOf("demo")).toEqual({ code: 2, lines: [] });
  expect(verdictOf("test")).toMatchObject({ code: 0, lines: [expect.stringContaining("skipped, by name")] });
});

test("the demo needs nothing that the tests do not", () => {
  for (const tool of tools) expect(tool.neededFor).toContain("test");
});
