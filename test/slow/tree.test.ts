/** A tree of real beads, killed with SIGKILL at every kind of event: `rigs goal resume` delivers it, and nothing lands twice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openReader } from "../../src/edges/store/sqlite.ts";
import { userEnvironment } from "../../src/ports/repository.case.ts";
import { file, openGround, processesAbout, type ScriptedLine, seen } from "../support/rigs.ts";

const wrapper = fileURLToPath(new URL("../support/mortal-rigs.ts", import.meta.url));
const head = 'import { equal } from "node:assert";\nimport { test } from "node:test";\n';
const names = ["a", "b", "c"];
const testOf = (name: string) =>
  `${head}import { ${name} } from "../src/${name}.js";\ntest("${name}", () => equal(${name}(), "${name}"));\n`;
const files = {
  "package.json": '{ "name": "parts", "type": "module", "private": true }\n',
  ...Object.fromEntries(names.map((name) => [`test/${name}.test.js`, testOf(name)])),
};
const bead = (name: string, needs: string) =>
  `  - name: ${name}\n    intent: "Write part ${name}."\n    owns: [src/${name}.js]\n    checks: ["node --test test/${name}.test.js"]\n    dependsOn: [${needs}]\n`;
const plan = `goal: parts\nskeleton:\n  src/kinds.js: |\n    export {};\nbeads:\n${bead("a", "")}${bead("b", "")}${bead("c", "a")}`;
const answers = names.map(
  (name): ScriptedLine => ({
    when: [`Write part ${name}.`] as unknown as string,
    text: file(`src/${name}.js`, `export const ${name} = () => "${name}";\n`),
  }),
);

/** Runs until the log has `last` events, resumes where it was killed, and gives the kinds of all events of the goal. */
async function play(last: number): Promise<readonly string[]> {
  using ground = openGround();
  ground.script(...answers);
  const user = ground.repository("user", files);
  const planFile = join(ground.folder, "plan.yaml");
  writeFileSync(planFile, plan);
  const check = "node --test test/a.test.js test/b.test.js test/c.test.js";
  const words = ["--no-warnings", wrapper, ground.home, user.top, String(last), "parts", check, planFile];
  const child = spawn(process.execPath, words, {
    ...{ cwd: user.top, env: { ...userEnvironment, PATH: process.env.PATH ?? "" } },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [, signal] = (await once(child, "close")) as [number | null, string | null];
  // Verifiers of other tests that run beside this one are not ours to wait for.
  const left = () => processesAbout(ground.folder, ground.workRoot);
  await seen(() => (left().length === 0 ? true : undefined), "the end of every jail");
  const read = async () => {
    const reader = await openReader(ground.home);
    const [goal] = await reader.view.goals({ countMax: 10 });
    const events = await reader.log.read(1, 1_000);
    const faults = await reader.audit();
    await reader.close();
    expect(faults).toEqual([]);
    return { goal, events };
  };
  const before = await read();
  if (signal !== null && before.goal?.end === undefined) {
    const resumed = await ground.rigs(user.top, "goal", "resume", before.goal?.id ?? "", "--json");
    expect(resumed.code, resumed.err).toBe(0);
  }
  const { goal, events } = await read();
  expect(goal?.end).toMatchObject({ outcome: "delivered", proof: { verdict: "proven" } });
  const landed = events.flatMap(({ event }) => (event.type === "bead-integrated" ? [event.bead] : []));
  expect([...landed].sort()).toEqual(["", ".1", ".2", ".3"].map((each) => `${goal?.id}.1${each}`));
  const branch = `rigs/${goal?.id}`;
  expect(user.git("rev-list", "--count", `main..${branch}`), "skeleton and three parts").toBe("4");
  for (const name of names) expect(user.git("show", `${branch}:src/${name}.js`)).toContain(`"${name}"`);
  return events.map(({ event }) => event.type);
}

const undisturbed = await play(Number.MAX_SAFE_INTEGER);
const kinds = [...new Set(undisturbed)];

test("the undisturbed run has everything that a tree goes through", () => {
  for (const type of ["bead-split", "bead-ready", "proof-ended", "bead-integrating", "bead-integrated"])
    expect(kinds).toContain(type);
});

describe.concurrent("killed at an event of a tree, it is delivered, and nothing is integrated twice", () => {
  // The same moment is met twice where a kind comes once.
  const moments = kinds.flatMap((type) => [undisturbed.indexOf(type) + 1, undisturbed.lastIndexOf(type) + 1]);
  const each = [...new Set(moments)].sort((left, right) => left - right);
  test.each(each.map((moment) => [moment, undisturbed[moment - 1]] as const))(
    "event %i: %s",
    async (moment) => {
      await play(moment);
    },
  );
});
