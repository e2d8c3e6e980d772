import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { node } from "../support/projects.ts";
import { type Ended, file, openGround, type ScriptedLine } from "../support/rigs.ts";

const { test } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown> & { readonly goal: string };
const path = "test/count.test.js";
const suite = (cases: string) =>
  file(
    path,
    `import { deepEqual, equal } from "node:assert";\nimport { test } from "node:test";\nimport * as words from "../src/words.js";\n\n${cases}\n`,
  );
const trivial = suite('test("shouts", () => equal(words.shout("a"), "A"));');
const empty = suite('test("counts words", () => { words.count("a b"); equal(1, 1); });');
const honest = suite(
  `test("counts words", () => equal(words.count("a b"), 2));
test("blanks around and between do not count", () => equal(words.count("  a   b "), 2));
test("nothing has no words", () => equal(words.count(""), 0));
test("one more word is one more", () => {
  for (const text of ["", "a", "a b", "a b c"]) equal(words.count(text + " x"), words.count(text) + 1);
});
test("still shouts", () => equal(words.shout("a"), "A"));`,
);
const writer = (text: string, more: object = {}): ScriptedLine => ({ text, role: "test-writer", ...more });
const coder = (text: string, more: object = {}): ScriptedLine => ({ text, role: "coder", ...more });

describe("a goal without a check, in a repository without a test", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const user = ground.repository("user", {
    "package.json": node.files["package.json"],
    "src/words.js": node.files["src/words.js"],
  });
  const execute = ["goal", "execute", node.goal, "--json"];

  test("tests come first, red for the right reason; then code that leaves them alone is proven by them", async () => {
    const edited = file(path, 'import { test } from "node:test";\n\ntest("counts words", () => {});\n');
    ground.script(writer(trivial), writer(empty), writer(honest), coder(edited), coder(node.right));
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(0);
    expect(ended.err).toContain("a model writes acceptance tests first");
    const told = ended.lines.filter(({ type }) => type === "answer-rejected" || type === "tests-written");
    expect(told).toMatchObject([
      { reason: "faulty-tests", detail: expect.stringMatching(/^every test passes before/) },
      { reason: "faulty-tests", detail: expect.stringMatching(/^no assertion compares a call/) },
      { files: [path], red: 4, green: 1, checks: [{ command: `node --test ${path}`, role: "acceptance" }] },
      { reason: "forbidden-path" },
    ]);
    const { base, branch, goal, proof } = end(ended);
    expect(end(ended)).toMatchObject({ outcome: "delivered", spend: { requests: 5 } });
    expect(proof).toMatchObject({ verdict: "proven", acceptance: "model", failToPass: 4 });
    const log = user.git("log", "--format=%s", "--name-only", `${base}..${branch}`);
    expect(log.split(/\n+/).filter((line) => line !== "")).toEqual([
      ...[node.goal, "src/words.js", `Tests: ${node.goal}`, path],
    ]);
    expect(user.git("show", `${branch}:${path}`)).toContain("one more word is one more");
    const page = readFileSync(join(ground.home, "evidence", goal, "evidence.md"), "utf8");
    expect(page).toMatch(/acceptance by: model/);
    expect(page).toContain(`tests written by a model: \`${path}\`, 4 red and 1 green before the change`);
    expect((await ground.rigs(user.top, "goal", "show", goal)).out).toMatch(
      /tests: +test\/count\.test\.js, by a model/,
    );
  });

  test("killed after they stand, with the private clone lost: the same tests are written again, and nobody is asked twice", async () => {
    ground.script(writer(honest), coder(node.right, { delayMs: 600_000 }));
    const running = ground.start(user.top, execute);
    const { goal } = (await running.said("goal-start")) as { readonly goal?: string };
    await running.said("tests-written");
    running.process.kill("SIGKILL");
    await running.ended;
    rmSync(join(ground.home, "repositories"), { recursive: true });
    ground.script(writer(honest), coder(node.right));
    const ended = await ground.rigs(user.top, "goal", "resume", String(goal), "--json");
    expect(ended.code, ended.err).toBe(0);
    expect(ended.err).toContain("the same ones are written again");
    expect(ended.lines.filter(({ type }) => type === "tests-written")).toHaveLength(0);
    const { base, branch } = end(ended);
    expect(end(ended)).toMatchObject({ outcome: "delivered", proof: { acceptance: "model" } });
    const subjects = user.git("log", "--format=%s", `${base}..${branch}`).trim().split("\n");
    expect(subjects).toEqual([node.goal, `Tests: ${node.goal}`]);
  });

  test("three answers without a usable test, and nothing that could judge: it ends, and says what to do", async () => {
    const foreign = suite('import chai from "chai";\ntest("counts", () => equal(words.count("a"), 1));');
    const guessed = suite('test("counts", () => equal(count("a"), 1));');
    // Twenty coins do not fall alike twice.
    const coins = suite(
      'test("counts", () => equal(words.count("a"), 1));\nfor (let coin = 0; coin < 20; coin++) test("coin " + coin, () => equal(Math.random() < 0.5, true));',
    );
    ground.script(writer(coins), writer(foreign), writer(guessed), coder(node.right));
    const ended = await ground.rigs(user.top, ...execute);
    expect(ended.code, ended.err).toBe(2);
    expect(end(ended)).toMatchObject({ outcome: "failed", spend: { requests: 3 } });
    expect(String(end(ended).reason)).toMatch(/^no tests after 3 answers, and nothing passes .*give a check/);
    const rejected = ended.lines.filter(({ type }) => type === "answer-rejected");
    expect(rejected.map(({ detail }) => String(detail))).toEqual([
      expect.stringMatching(/^not the same twice: /),
      expect.stringMatching(/chai does not give/),
      expect.stringMatching(/^no tests after 3 answers, .*a name they neither define nor import/),
    ]);
  });
});
