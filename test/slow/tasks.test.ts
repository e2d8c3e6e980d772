/**
 * `rigs bench` against `rigs simulate` on the first tasks of a real task set, which is not part of this repository:
 * TASKS=FILE npm run test:tasks. A model that knows every answer solves all of them, one that errs is mended, one that
 * cheats delivers nothing, and no proof is ever false.
 */
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { openGround } from "../support/rigs.ts";

const file = process.env.TASKS;
const needed = file === undefined ? " (no task set is named: TASKS=FILE)" : "";

test.skipIf(file === undefined).each([
  [8, "perfect", { solved: 8, delivered: 8 }],
  // Many rounds a task, always with the same mistakes. Few tasks: an endless loop among them takes a minute to be cut.
  [3, "median", { solved: expect.toSatisfy((solved) => solved > 1) }],
  [6, "cheater", { solved: 0, delivered: 0 }],
] as const)(`the first %i tasks with the %s model${needed}`, async (tasks, profile, expected) => {
  using ground = openGround();
  const set = resolve(file ?? "");
  const simulator = ground.start(ground.folder, ["simulate", "--json", "--tasks", set]);
  const url = /http:\S+\/v1/.exec(JSON.stringify(await simulator.said("simulator-ready")))?.[0];
  const provider = ['kind = "openai-compatible"', `base_url = "${url}"`, `model = "${profile}"`];
  ground.configure(["[providers.simulated]", ...provider].join("\n"));
  const bench = ["bench", set, "--count", `${tasks}`, "--provider", "simulated", "--json"];
  const ended = await ground.rigs(ground.folder, ...bench, "--resume", join(ground.folder, "bench"));
  expect(ended.code, ended.err).toBe(0);
  const counts = { type: "bench-end", tasks, falseProofs: 0, ...expected };
  expect(ended.lines.at(-1), ended.out).toMatchObject(counts);
});
