import { expect, test } from "vitest";
import type { Check, GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { ProofFacts } from "../domain/verdict.ts";
import type { FirstLook, Trial, Verifier } from "../ports/verifier.ts";
import { Speculation } from "./speculation.ts";

const check: Check = {
  ...{ name: "acceptance-1", command: "pytest", cwd: ".", role: "acceptance", timeoutMs: 60_000 },
  report: { kind: "recognise" },
};
const trial: Trial = {
  ...{ gitDir: "/repository", commit: "c".repeat(40) as Commit, base: "b".repeat(40) as Commit },
  ...{ checks: [check], protect: [], allowChange: [] },
  environment: { key: "", binds: [], scratch: [], variables: {}, path: [], owned: [] },
  mutantsMax: 0,
};
const run: GateRun = {
  ...{ kind: "could-not-run", check: check.name, why: "a toy" },
  output: { stdout: "", stderr: "" },
};
const never = new AbortController().signal;

/** A proof that goes on until it is stopped; `last` is the newest one. */
function open() {
  const proofs: { readonly first: FirstLook | undefined; readonly signal: AbortSignal }[] = [];
  const verifier: Verifier = {
    isolation: "bubblewrap",
    run: () => Promise.reject(new Error("nothing is run but proofs")),
    prove: (_, signal, first) => {
      proofs.push({ first, signal });
      return new Promise<ProofFacts>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason)),
      );
    },
  };
  return { wager: { verifier, trial, proofId: "a/p1", loop: [check] }, last: () => proofs.at(-1) };
}

test("a proof under way is taken once, for its own name and tree only", async () => {
  const { wager, last } = open();
  using speculation = new Speculation();
  const runs = speculation.begin(wager, "tree", never);
  last()?.first?.seen([run]);
  expect(await runs).toEqual([run]);
  expect(last()?.first?.checks).toEqual([check]);
  expect(speculation.take("a/p2", "tree")).toBeUndefined();
  expect(speculation.take("a/p1", "another tree")).toBeUndefined();
  expect(speculation.take("a/p1", "tree")).toMatchObject({ commit: trial.commit });
  expect(speculation.take("a/p1", "tree")).toBeUndefined();
  speculation[Symbol.dispose]();
  expect(last()?.signal.aborted).toBe(false);
});

test("a proof that nobody took ends with the next one, and with its owner", async () => {
  const { wager, last } = open();
  const speculation = new Speculation();
  const first = speculation.begin(wager, "tree", never);
  const before = last();
  const second = speculation.begin(wager, "another tree", never);
  expect(before?.signal.aborted).toBe(true);
  await expect(first).rejects.toThrow("not wanted");
  expect(last()?.signal.aborted).toBe(false);
  speculation[Symbol.dispose]();
  await expect(second).rejects.toThrow("not wanted");
});

test("a proof that is lost before it showed anything loses the runs, with its reason", async () => {
  const { wager } = open();
  using speculation = new Speculation();
  const stop = new AbortController();
  const runs = speculation.begin(wager, "tree", stop.signal);
  stop.abort(new Error("stopped by the test"));
  await expect(runs).rejects.toThrow("stopped by the test");
});
