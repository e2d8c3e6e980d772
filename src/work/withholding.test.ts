import { expect, test } from "vitest";
import type { GateRun } from "../domain/gate.ts";
import { withheldMark } from "../domain/secrets.ts";
import type { ProofFacts } from "../domain/verdict.ts";
import type { FirstLook, Trial, Verifier } from "../ports/verifier.ts";
import { withholding } from "./withholding.ts";

const canary = "sk-canary-2c9e7745d1aa";
const run = (word: string): GateRun => ({
  ...{ kind: "counted", check: "c", runner: "pytest", exitCode: 1, limit: undefined, wallMs: 1 },
  tests: [{ id: `t[${word}]`, file: "t.py", status: "failed", message: `'x' != '${word}'` }],
  output: { stdout: Buffer.from(word).toString("base64"), stderr: `E ${word}\n` },
});
const { signal } = new AbortController();

test("no answer of the verifier holds a key, in any form, early or late; a rejection is told all the same", async () => {
  const facts = { gates: [{ head: run(canary), base: run(canary) }] } as unknown as ProofFacts;
  const early: (readonly GateRun[])[] = [];
  let answered = 0;
  const first: FirstLook = { checks: [], seen: (runs) => void early.push(runs) };
  const inner: Verifier = {
    isolation: "none",
    run: async ({ commit }) => (commit === "" ? Promise.reject(new Error("no")) : [run(canary)]),
    prove: async (_, __, look) => {
      look?.seen([run(canary)]);
      return facts;
    },
  };
  const shown = withholding(inner, { secrets: () => [canary], answered: async () => void answered++ });
  const trial = { commit: "c" } as Trial;
  const all = JSON.stringify([
    await shown.run(trial, signal),
    await shown.prove(trial, signal, first),
    early,
  ]);
  expect(all).not.toContain(canary);
  expect(all).not.toContain(Buffer.from(canary).toString("base64").slice(2, -4));
  // Four runs; a name, a message and two outputs in each.
  expect(all.split(withheldMark)).toHaveLength(4 * 4 + 1);
  await expect(shown.run({ commit: "" } as Trial, signal)).rejects.toThrow("no");
  expect(answered).toBe(3);
});
