import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { type Ended, file, openGround, type ScriptedLine } from "../support/rigs.ts";

const { test, describe } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const head = 'import { equal } from "node:assert";\nimport { test } from "node:test";\n';
const part = (name: string, answer: string) =>
  file(`src/${name}.js`, `export const ${name} = () => "${answer}";\n`);
const testOf = (name: string, wanted: string) =>
  `${head}import { ${name} } from "../src/${name}.js";\ntest("${name}", () => equal(${name}(), "${wanted}"));\n`;
/** Bears no other part that says the same. */
const jealous = `${testOf("a", "A")}import { readdirSync } from "node:fs";
test("a is alone", async () => {
  for (const name of readdirSync("src").filter((each) => each !== "a.js"))
    for (const says of Object.values(await import("../src/" + name))) equal(says() === "A", false);
});
`;
const longer = `${head}import * as b from "../src/b.js";\ntest("b", () => equal(typeof b.b(), "string"));\n`;

const files = {
  "package.json": '{ "name": "parts", "type": "module", "private": true }\n',
  "test/a.test.js": jealous,
  "test/b.test.js": longer,
  "test/c.test.js": `${head}import { c } from "../src/c.js";\ntest("c", () => equal(c(), "A and B"));\n`,
  "test/whole.test.js": `${head}import { c } from "../src/c.js";\ntest("whole", () => equal(c(), "A and B"));\n`,
};

const bead = (name: string, ...needs: readonly string[]) => `  - name: ${name}
    intent: "Write part ${name} of the alphabet"
    owns: [src/${name}.js]
    checks: ["node --test test/${name}.test.js"]
${needs.length === 0 ? "" : `    dependsOn: [${needs.join(", ")}]\n`}`;
const plan = `goal: the alphabet\nbeads:\n${bead("a")}${bead("b")}${bead("c", "a", "b")}`;

/** What is answered to a question with these words. */
const answered = (words: string, text: string): ScriptedLine => ({
  when: [words] as unknown as string,
  text,
});
const told = (name: string, text: string, delayMs = 0): ScriptedLine => ({
  ...{ when: [`Write part ${name} of the alphabet`] as unknown as string, text, delayMs },
});
const last = file(
  "src/c.js",
  'import { a } from "./a.js";\nimport { b } from "./b.js";\nexport const c = () => [a(), b()].join(" and ");\n',
);

type Line = Ended["lines"][number];
const of = (ended: Ended, type: string): readonly Line[] => ended.lines.filter((line) => line.type === type);
const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown> & { readonly goal: string };

describe("a tree of beads", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const planFile = join(ground.folder, "plan.yaml");
  writeFileSync(planFile, plan);
  let made = 0;
  const begin = (...words: readonly string[]) => {
    const user = ground.repository(`user${++made}`, files);
    const all = ["goal", "execute", "the alphabet", "--plan", planFile, "--workers", "2", "--json"];
    return {
      user,
      running: ground.start(user.top, [...all, "--check", "node --test test/whole.test.js", ...words]),
    };
  };

  test("a part that is out of its own budget stops while the goal goes on; with more of it it goes on too", async () => {
    const bounded = join(ground.folder, "bounded.yaml");
    const own = `${bead("b")}    budget: { tokens: 400 }\n`;
    writeFileSync(bounded, `goal: the alphabet\nbeads:\n${bead("a")}${own}${bead("c", "a", "b")}`);
    ground.script(told("a", part("a", "A")), told("b", part("b", "B")), told("c", last));
    const user = ground.repository("bounded", files);
    const words = ["goal", "execute", "the alphabet", "--plan", bounded, "--workers", "2", "--json"];
    const check = ["--check", "node --test test/whole.test.js"];
    const tight = await ground.start(user.top, [...words, ...check, "--budget-tokens", "300"]).ended;
    expect(tight.code).not.toBe(0);
    expect(tight.err + tight.lines.map((line) => JSON.stringify(line)).join("")).toContain(
      "the goal has a budget of 300 tokens, but its beads have 400 tokens together",
    );
    const first = await ground.start(user.top, [...words, ...check]).ended;
    const [parked] = of(first, "bead-parked");
    expect(parked, first.err).toMatchObject({
      cause: "budget",
      reason: expect.stringMatching(/^bead \S+: .*budget is 400/),
    });
    const id = String(parked?.bead);
    const [, command = ""] = /with more of it: rigs (.*)$/.exec(String(parked?.reason)) ?? [];
    expect(command).toMatch(/^bead retry \S+ --budget-tokens \d+$/);
    expect(
      of(first, "bead-integrated").map((line) => line.bead),
      "part a is in",
    ).toContain(id.replace(/2$/, "1"));
    const again = await ground.start(user.top, [...command.split(" ").slice(0, -1), "60000", "--json"]).ended;
    expect(again.code, again.err).toBe(0);
    expect(end(again)).toMatchObject({ outcome: "delivered" });
    const shown = await ground.start(user.top, ["bead", "show", id]).ended;
    expect(shown.out).toMatch(/spent: {2}1 request, .* of 60,000 tokens/);
  });
  test("two side by side and one after them: each its own commit, the user's branch goes on meanwhile", async () => {
    ground.script(
      told("a", part("a", "A")),
      told("b", part("a", "mine now")),
      answered("may not be changed", part("b", "B")),
      told("c", last),
    );
    const { user, running } = begin();
    await running.said("bead-split");
    const base = user.git("rev-parse", "HEAD");
    user.write("meanwhile.txt", "the user works on\n");
    user.commit("meanwhile");
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(0);
    expect(end(ended)).toMatchObject({ outcome: "delivered" });
    expect(of(ended, "answer-rejected"), "what another owns is not written").toMatchObject([
      { reason: "forbidden-path", detail: expect.stringContaining("src/a.js") },
    ]);
    const branch = `rigs/${end(ended).goal}`;
    expect(user.git("rev-list", "--count", `${base}..${branch}`)).toBe("3");
    expect(user.git("merge-base", "main", branch)).toBe(base);
    const trailers = user.git(
      "log",
      "--format=%(trailers:key=Rigs-Bead,valueonly,separator=%x2C)",
      `${base}..${branch}`,
    );
    const root = `${end(ended).goal}.1`;
    expect(
      trailers
        .split("\n")
        .filter((line) => line !== "")
        .sort(),
    ).toEqual([1, 2, 3].map((each) => `${root}.${each}`));
    expect(user.git("show", `${branch}:src/a.js`)).toContain('"A"');
    expect(user.git("log", "-1", "--format=%s", "main")).toBe("meanwhile");
    const page = readFileSync(join(ground.home, "evidence", end(ended).goal, "evidence.md"), "utf8");
    expect(page).toMatch(/\| acceptance-1 \| .*test\/whole\.test\.js.* \| acceptance \|/);
    for (const number of [1, 2, 3])
      expect(page, "what its parts promised was run").toMatch(
        new RegExp(`\\| 1\\.${number}-1 \\| .* \\| part \\| - \\| \\d passed, 0 failed`),
      );
    const integrated = of(ended, "bead-integrated").map((line) => line.bead);
    expect(new Set(integrated).size, "nothing lands twice").toBe(integrated.length);
  });

  test("a check that can never run is told with its line before anybody is asked", async () => {
    const file = join(ground.folder, "unrunnable.yaml");
    const absent = bead("b").replace("node --test test/b.test.js", "nosuchcommand --x");
    writeFileSync(file, `goal: x\nbeads:\n${bead("a")}${absent}`);
    const user = ground.repository("unrunnable", files);
    ground.script(told("a", part("a", "A")));
    const check = ["--check", "node --test test/whole.test.js"];
    const execute = (plan: string) =>
      ground.rigs(user.top, "goal", "execute", "the alphabet", "--plan", plan, ...check, "--json");
    const ended = await execute(file);
    expect(ended.code, ended.err).toBe(2);
    expect(end(ended)).toMatchObject({ outcome: "failed", spend: { requests: 0 } });
    expect(String(end(ended).reason)).toMatch(
      /^the plan cannot be worked on: \S+unrunnable\.yaml:10: the check of b cannot run: .*nosuchcommand/,
    );
  });

  test("a red merge: the second comes back with the failing test, goes on from the merge and mends it", async () => {
    ground.script(
      told("a", part("a", "A")),
      told("b", part("b", "A"), 2_500),
      answered("a is alone", part("b", "B")),
      told("c", last),
    );
    const { user, running } = begin();
    const ended = await running.ended;
    expect(ended.code, ended.err).toBe(0);
    const second = `${end(ended).goal}.1.2`;
    expect(of(ended, "bead-returned")).toMatchObject([
      { bead: second, why: expect.stringContaining("passed before the change and fails now") },
    ]);
    const steps = of(ended, "revision-recorded")
      .filter((line) => line.bead === second)
      .map((line) => line.step);
    expect(steps).toEqual(["draft", "join", "repair"]);
    expect(user.git("show", `rigs/${end(ended).goal}:src/b.js`)).toContain('"B"');
  });

  test("a part that nobody gets right: what stands is handed over, by name, and what waited for it is not begun", async () => {
    const nonsense = "I would write it as you asked.";
    ground.script(told("a", part("a", "A")), ...Array.from({ length: 60 }, () => ({ text: nonsense })));
    const { user, running } = begin();
    const ended = await running.ended;
    const root = `${end(ended).goal}.1`;
    expect(end(ended), ended.err).toMatchObject({ outcome: "partial" });
    const reason = String(end(ended).reason);
    expect(reason).toMatch(
      new RegExp(
        `^1 of 3 parts are in, each proven; the whole is not; not in: bead ${root}\\.2 .* is parked`,
      ),
    );
    expect(reason).toContain(`bead ${root}.3 (c) is parked (it needs bead ${root}.2`);
    expect(of(ended, "bead-integrated")).toMatchObject([{ bead: `${root}.1` }]);
    expect(user.git("show", `rigs/${end(ended).goal}:src/a.js`)).toContain('"A"');
    ground.script(told("b", part("b", "B")), told("c", last));
    const resumed = await ground.rigs(user.top, "goal", "resume", end(ended).goal, "--json");
    expect(resumed.code, resumed.err).toBe(0);
    expect(end(resumed)).toMatchObject({ outcome: "delivered" });
    expect(of(resumed, "bead-integrated").map((line) => line.bead)).toEqual([`${root}.2`, `${root}.3`, root]);
  });

  test("two that edit one function: the later comes back with both sides, may drop no test of the other, and both land", async () => {
    const greet = (...ways: readonly string[]) =>
      file(
        "src/greet.js",
        `export const greet = (who, way) => {\n${ways.join("")}  return "Hello " + who;\n};\n`,
      );
    const way = (name: string, word: string) => `  if (way === "${name}") return "${word} " + who;\n`;
    const [loud, soft] = [way("loud", "HELLO"), way("soft", "hello")];
    const asks = (...names: readonly string[]) =>
      names
        .map((name) => `test("${name}, by its own", () => equal(greet("x", "${name}").length, 7));\n`)
        .join("");
    const imports = `${head}import { greet } from "../src/greet.js";\n`;
    const own = (...names: readonly string[]) => file("test/greet.test.js", `${imports}${asks(...names)}`);
    const given = (name: string, word: string) =>
      `${imports}test("${name}", () => equal(greet("x", "${name}"), "${word} x"));\n`;
    const user = ground.repository("meeting", {
      "package.json": '{ "name": "greet", "type": "module", "private": true }\n',
      "src/greet.js": 'export const greet = (who, way) => {\n  return "Hello " + who;\n};\n',
      "test/loud.test.js": given("loud", "HELLO"),
      "test/soft.test.js": given("soft", "hello"),
    });
    const shared = (name: string) => `  - name: ${name}
    intent: "Write part ${name} of the alphabet"
    shares: [src/greet.js, test/greet.test.js]
    checks: ["node --test test/${name}.test.js test/greet.test.js"]
`;
    writeFileSync(planFile, `goal: the alphabet\nbeads:\n${shared("loud")}${shared("soft")}`);
    ground.script(
      told("loud", greet(loud) + own("loud")),
      told("soft", greet(soft) + own("soft"), 2_500),
      answered("Merge conflict marker", greet(loud, soft) + own("soft")),
      answered("has vanished", greet(loud, soft) + own("loud", "soft")),
    );
    const words = ["goal", "execute", "the alphabet", "--plan", planFile, "--workers", "2", "--json"];
    const ended = await ground.rigs(
      user.top,
      ...words,
      "--check",
      "node --test test/loud.test.js test/soft.test.js",
    );
    expect(ended.code, ended.err).toBe(0);
    const [first, second] = [1, 2].map((each) => `${end(ended).goal}.1.${each}`);
    expect(of(ended, "conflict-seen"), "told before the merge queue had to").toMatchObject([
      { bead: second, with: first, paths: ["src/greet.js", "test/greet.test.js"] },
    ]);
    expect(of(ended, "bead-returned")).toMatchObject([
      {
        bead: second,
        why: `it contradicts what was integrated by bead ${first}: src/greet.js, test/greet.test.js`,
      },
    ]);
    const steps = of(ended, "revision-recorded").filter((line) => line.bead === second);
    expect(steps.map((line) => line.step)).toEqual(["draft", "join", "repair", "repair"]);
    const refuted = of(ended, "proof-ended").filter((line) => line.isAccepted === false);
    expect(JSON.stringify(refuted), "the other's test was dropped").toContain("loud, by its own");
    expect(refuted).toHaveLength(1);
    const branch = `rigs/${end(ended).goal}`;
    expect(user.git("show", `${branch}:src/greet.js`)).toContain(loud + soft.trimEnd());
    expect(user.git("show", `${branch}:test/greet.test.js`)).toContain(asks("loud", "soft").trimEnd());
    for (const path of ["src/greet.js", "test/greet.test.js"])
      expect(user.git("show", `${branch}:${path}`)).not.toContain("<<<<<<<");
  });
});
