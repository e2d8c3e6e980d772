/** Work that is recorded first and run later: tasks of their own, joined by hand, and one part of a tree. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { type Ended, file, openGround, processesAbout, type ScriptedLine } from "../support/rigs.ts";

const { test, describe } = await needing("jail");

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const head = 'import { equal } from "node:assert";\nimport { test } from "node:test";\n';
const greet = (...ways: readonly string[]) =>
  file(
    "src/greet.js",
    `export const greet = (who, way) => {\n${ways.join("")}  return "Hello " + who;\n};\n`,
  );
const way = (name: string, word: string) => `  if (way === "${name}") return "${word} " + who;\n`;
const [loud, soft] = [way("loud", "HELLO"), way("soft", "hello")];
const testOf = (name: string, word: string) =>
  `${head}import { greet } from "../src/greet.js";\ntest("${name}", () => equal(greet("x", "${name}"), "${word} x"));\n`;
const files = {
  "package.json": '{ "name": "greet", "type": "module", "private": true }\n',
  "src/greet.js": 'export const greet = (who, way) => {\n  return "Hello " + who;\n};\n',
  "test/loud.test.js": testOf("loud", "HELLO"),
  "test/soft.test.js": testOf("soft", "hello"),
  "soft.mjs":
    'import { greet } from "./src/greet.js";\nprocess.exit(greet("x", "soft") === "hello x" ? 0 : 1);\n',
};
const answer = (words: string, text: string): ScriptedLine => ({ when: [words] as unknown as string, text });
const of = (ended: Ended, type: string) => ended.lines.filter((line) => line.type === type);
const only = (ended: Ended, code = 0) => {
  expect(ended.code, ended.err).toBe(code);
  return ended.lines.at(-1) as Record<string, unknown>;
};

describe("work that waits for its person", () => {
  const ground = openGround();
  const user = ground.repository("user", files);
  const rigs = (...words: readonly string[]) => ground.rigs(user.top, ...words);
  const create = async (...words: readonly string[]) =>
    String(only(await rigs("bead", "create", ...words, "--json")).bead);
  afterAll(() => {
    for (const { id, words } of processesAbout(ground.home))
      if (words.includes("foreman run")) process.kill(id, "SIGKILL");
    ground[Symbol.dispose]();
  });

  test("two tasks that edit one function, joined while a foreman runs: one branch with both, every revision kept", async () => {
    ground.script(
      answer("Add the loud way", greet(way("loud", "HELO"))),
      answer("HELO x", greet(loud)),
      answer("Add the soft way", greet(way("soft", "helo"))),
      answer("exit code 1", greet(soft)),
      answer("Merge conflict marker", greet(loud, soft)),
    );
    const first = await create("Add the loud way", "--check", "node --test test/loud.test.js");
    const second = await create(
      "Add the soft way",
      "--check-exit",
      "node soft.mjs",
      "--owns",
      "src/greet.js",
    );
    const foreman = ground.start(user.top, ["foreman", "run", "--json"]);
    await foreman.said("foreman-said");
    // A foreman goes on with what is open, and this was never begun.
    expect((await rigs("status")).out).toContain(`not begun, run it with: rigs bead run ${first}`);
    expect((await rigs("convoy", "create", "both", "--bead", first)).err).toContain("joins 2 to 5 tasks");
    const words = [
      "convoy",
      "create",
      "Greet both ways",
      "--bead",
      first,
      "--bead",
      second,
      "--keep-revisions",
    ];
    const convoy = String(
      only(await rigs(...words, "--check", "node --test test/soft.test.js", "--json")).convoy,
    );
    expect((await rigs("goal", "list")).out).toContain(`in convoy ${convoy}  Add the loud way`);
    expect((await rigs("bead", "run", first)).err).toContain(`rigs convoy run ${convoy}`);
    expect((await rigs("convoy", "create", "x", "--bead", first, "--bead", second)).err).toContain("already");
    expect((await rigs("events")).out, "nothing was asked or run").not.toMatch(/asking|before the change/);

    const ended = await rigs("convoy", "run", convoy, "--workers", "2", "--json");
    expect(only(ended)).toMatchObject({ type: "goal-end", outcome: "delivered", branch: `rigs/${convoy}` });
    // Both were begun on the same ground; whoever was slower comes back with both sides.
    const [before, after] = of(ended, "bead-integrated").map((line) => line.bead);
    expect([before, after].toSorted()).toEqual([`${convoy}.1.1`, `${convoy}.1.2`]);
    expect(of(ended, "bead-returned")).toMatchObject([{ bead: after }]);
    const branch = `rigs/${convoy}`;
    expect(user.git("show", `${branch}:src/greet.js`)).toContain(loud + soft.trimEnd());
    const trailers = "--format=%(trailers:key=Rigs-Revision,key=Rigs-Bead,separator=%x2C)";
    expect(
      user
        .git("log", "--reverse", trailers, `main..${branch}`)
        .split("\n")
        .filter((line) => line !== ""),
    ).toEqual([`Rigs-Revision: ${before}/a1/r1`, `Rigs-Bead: ${before}`, `Rigs-Bead: ${after}`]);
    // What was proven is the very commit that the branch points at.
    expect(user.git("rev-parse", branch)).toBe(only(ended).commit);
    for (const commit of user.git("rev-list", `main..${branch}`).split("\n"))
      expect(user.git("show", `${commit}:src/greet.js`)).not.toContain("<<<<<<<");
    foreman.process.kill("SIGINT");
    expect((await foreman.ended).code).toBe(0);
  });

  test("a task of its own is run alone; of a tree one part is, and then the rest is left as it is", async () => {
    ground.script(answer("Add the loud way", greet(loud)));
    const own = await create(
      "Add the loud way",
      "--check",
      "node --test test/loud.test.js",
      "--max-minutes",
      "5",
    );
    expect(only(await rigs("bead", "run", own, "--json"))).toMatchObject({
      type: "goal-end",
      outcome: "delivered",
    });
    expect((await rigs("bead", "run", own)).code).toBe(2);

    const part = (name: string) =>
      `  - name: ${name}\n    intent: Add the ${name} way\n    shares: [src/greet.js]\n    checks: ["node --test test/${name}.test.js"]\n`;
    const plan = join(ground.folder, "plan.yaml");
    writeFileSync(plan, `goal: both\nbeads:\n${part("loud")}${part("soft")}`);
    ground.script(answer("Add the loud way", greet(loud)));
    const words = [
      "goal",
      "execute",
      "both",
      "--plan",
      plan,
      "--check",
      "node --test test/*.test.js",
      "--json",
    ];
    const { goal } = only(await rigs(...words), 5);
    ground.script(answer("Add the soft way", greet(loud, soft)));
    const run = await rigs("bead", "run", `${goal}.1.2`, "--json");
    expect(only(run)).toMatchObject({ type: "bead-end", state: "integrated", outcome: null });
    expect((await rigs("bead", "run", `${goal}.1.2`)).err).toContain("is in already");
    expect((await rigs("goal", "list")).out).toContain(`${goal}  interrupted  both`);
  });
});
