import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { type Ended, file, openGround, type ScriptedLine, untouched } from "../support/rigs.ts";

const { test } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown> & { readonly goal: string };
const testOf = (name: string, value: number) =>
  `import { equal } from "node:assert";\nimport { test } from "node:test";\n\ntest("${name}", async () => {\n  const { ${name} } = await import("../src/${name}.js");\n  equal(${name}(${value}), ${value * 2});\n});\n`;
const files = {
  "package.json": '{ "name": "parts", "type": "module", "private": true }\n',
  "test/double.test.js": testOf("double", 4),
  "test/twice.test.js": testOf("twice", 5),
};
const goal = "Write double(n) and twice(n), each in its own file below src";
const check = "node --test test/double.test.js test/twice.test.js";

const bead = (name: string, owns: string) => ({
  ...{ name, intent: `Write ${name}(n) in src/${name}.js.`, owns: [owns] },
  checks: [`node --test test/${name}.test.js`],
});
const planned = (...beads: readonly object[]) =>
  `\`\`\`json\n${JSON.stringify({ beads }, undefined, 1)}\n\`\`\`\n`;
const good = planned(bead("double", "src/double.js"), bead("twice", "src/twice.js"));
const overlapping = planned(bead("double", "src/double.js"), bead("twice", "src/**"));
const plan = (text: string, more: object = {}): ScriptedLine => ({
  text,
  role: "planner",
  ...more,
});
const part = (name: string): ScriptedLine => ({
  text: file(`src/${name}.js`, `export const ${name} = (n) => n * 2;\n`),
  when: `Write ${name}(n) in src/${name}.js.`,
});

describe("a goal without a plan becomes a tree", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const user = ground.repository("user", files);
  const execute = ["goal", "execute", goal, "--check", check, "--fleet", "--json"];

  test("a planner that was killed goes on: its faults are not asked for twice, and each bead is one commit", async () => {
    ground.script(plan(overlapping), plan(good, { delayMs: 600_000 }));
    const running = ground.start(user.top, execute);
    const { goal: id } = (await running.said("goal-start")) as { readonly goal?: string };
    const rejected = await running.said("answer-rejected");
    expect(rejected).toMatchObject({ reason: "faulty-plan" });
    expect(String(rejected.detail)).toMatch(/^line \d+: double and twice both own src\/\*\*/);
    running.process.kill("SIGKILL");
    await running.ended;
    ground.script(plan(overlapping), plan(good), plan(good), part("double"), part("twice"));
    const ended = await ground.rigs(user.top, "goal", "resume", String(id), "--json");
    expect(ended.code, ended.err).toBe(0);
    expect(end(ended)).toMatchObject({ outcome: "delivered", beads: { total: 3, integrated: 3 } });
    const types = ended.lines.map(({ type }) => type);
    expect(types).not.toContain("answer-rejected");
    expect(types.filter((type) => type === "bead-split")).toHaveLength(1);
    const subjects = user
      .git("log", "--format=%s", `${end(ended).base}..rigs/${id}`)
      .trim()
      .split("\n");
    expect(subjects.sort()).toEqual(["Write double(n) in src/double.js.", "Write twice(n) in src/twice.js."]);
  });

  test("parts that cannot be put together: the planner is asked once more, for what is left, and its parts go on from what stands", async () => {
    // Each is right alone; what the first is asked does not bear how the second is written.
    const picky = `import { readdirSync, readFileSync } from "node:fs";
test("the others multiply the other way round", () => {
  for (const name of readdirSync("src").filter((each) => each !== "double.js"))
    equal(readFileSync("src/" + name, "utf8").includes("2 * n"), true);
});
`;
    const meeting = ground.repository("meeting", {
      ...files,
      "test/double.test.js": `${testOf("double", 4)}${picky}`,
    });
    const rest = { ...bead("twice", "src/twice.js"), name: "rest", intent: "Write the rest." };
    ground.script(
      plan(good),
      part("double"),
      { ...part("twice"), delayMs: 2_500 },
      { text: file("src/twice.js", "export const twice = (n) => 2 * n;\n"), when: "Write the rest." },
      plan(planned(rest), { when: "It was not done" }),
      ...Array.from({ length: 12 }, () => ({ text: "I would write it.", role: "coder" })),
    );
    const ended = await ground.rigs(meeting.top, ...execute, "--workers", "2");
    expect(ended.code, ended.err).toBe(0);
    expect(end(ended)).toMatchObject({ outcome: "delivered", beads: { total: 4, integrated: 3, parked: 1 } });
    const root = `${end(ended).goal}.1`;
    const beads = (type: string) => ended.lines.filter((line) => line.type === type).map((line) => line.bead);
    expect(beads("bead-split")).toEqual([root, root]);
    expect(beads("bead-parked")).toEqual([`${root}.2`]);
    expect(beads("bead-integrated")).toEqual([`${root}.1`, `${root}.3`, root]);
  });

  test("three answers that are no plan, and it is tried whole, said aloud", async () => {
    const whole = file("src/double.js", "export const double = (n) => n * 2;\n");
    const both = `${whole}\n${file("src/twice.js", "export const twice = (n) => n * 2;\n")}`;
    ground.script(plan("I would do it in two."), plan(overlapping), plan("No."), {
      text: both,
      role: "coder",
    });
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(0);
    expect(end(ended)).toMatchObject({ outcome: "delivered", beads: { total: 1 }, spend: { requests: 4 } });
    const rejected = ended.lines.filter(({ type }) => type === "answer-rejected");
    expect(rejected.map(({ detail }) => String(detail))).toEqual([
      expect.stringMatching(/no fenced json block/),
      expect.stringMatching(/both own/),
      expect.stringMatching(/^no plan after 3 answers, so the goal is tried whole; the last one: /),
    ]);
  });

  test("a skeleton that does not parse goes back to the planner", async () => {
    const broken = `${good}\nsrc/kinds.js\n\`\`\`\nexport const = 1;\n\`\`\`\n`;
    const whole = `${good}\nsrc/kinds.js\n\`\`\`\nexport const factor = 2;\n\`\`\`\n`;
    ground.script(plan(broken), plan(whole), part("double"), part("twice"));
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(0);
    const [rejected] = ended.lines.filter(({ type }) => type === "answer-rejected");
    expect(String(rejected?.detail)).toMatch(/skeleton/);
    const { base, branch } = end(ended) as unknown as { readonly base: string; readonly branch: string };
    expect(user.git("log", "--format=%s", `${base}..${branch}`).trim().split("\n")).toHaveLength(3);
    expect(user.git("show", `${branch}:src/kinds.js`)).toContain("factor");
  });

  test("a budget that the planner's question would pass ends it as any question's does", async () => {
    ground.script(plan(good));
    const ended = await ground.rigs(user.top, ...execute, "--budget-tokens", "900");
    expect(ended.code, ended.err).toBe(4);
    expect(end(ended)).toMatchObject({ outcome: "out-of-budget", spend: { requests: 0 } });
  });

  test("goal plan asks, shows, writes, and touches nothing else; the file is what execute takes", async () => {
    const before = untouched(user.top);
    const path = join(ground.folder, "plan.yaml");
    ground.script(plan(overlapping), plan(good));
    const ended = await ground.rigs(user.top, "goal", "plan", goal, "--check", check, "--out", path);
    expect(ended.code, ended.err).toBe(0);
    expect(ended.err, "how it would be worked on without one").not.toMatch(/^solo: |acceptance tests/m);
    expect(ended.err).toContain("2 requests");
    expect(ended.out).toContain("twice: Write twice(n) in src/twice.js.");
    expect(untouched(user.top)).toEqual(before);
    expect(readFileSync(path, "utf8")).toContain(`goal: ${goal}`);
    const again = await ground.rigs(user.top, "goal", "plan", goal, "--check", check, "--out", path);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining("exists already")]);
    const given = await ground.rigs(user.top, "goal", "plan", goal, "--check", check, "--plan", path);
    expect([given.code, given.out]).toEqual([0, ended.out.replace(/work on it: .*\n/, "")]);
    expect(given.err, "nobody is asked for what is there").not.toContain("request");
    const faulty = await ground.rigs(
      user.top,
      "goal",
      "plan",
      goal,
      "--check",
      check,
      "--plan",
      path,
      "--solo",
    );
    expect([faulty.code, faulty.err]).toEqual([2, expect.stringContaining("--solo works without a plan")]);
  });
});
