import { describe, expect, test } from "vitest";
import type { Check, GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { Entry, Gates, History, Results } from "../ports/gates.ts";
import type { Trial } from "../ports/verifier.ts";
import type { VerifierTools } from "./runs.ts";
import { proveTrial, runTrial } from "./verifier.ts";

/** A repository of two commits whose one function and one test are words; a run says by them how it ends. */
const base = "a".repeat(40) as Commit;
const head = "b".repeat(40) as Commit;
const commits: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [base]: { "code.py": "wrong", "test_code.py": "test" },
  [head]: { "code.py": "right", "test_code.py": "test" },
};
const check: Check = {
  name: "acceptance-1",
  command: "pytest",
  cwd: ".",
  role: "acceptance",
  timeoutMs: 60_000,
  report: { kind: "recognise" },
};
const trial: Trial = {
  gitDir: "/repository",
  commit: head,
  base,
  checks: [check],
  protect: [],
  allowChange: [],
  environment: { key: "", binds: [], scratch: [], variables: {}, path: [], owned: [] },
  mutantsMax: 0,
};
const never = new AbortController().signal;

/**
 * `meet` is told which folder a run starts in ("wrong/test") and may hold it; runs end green for "right/test". `says` are
 * the words of the failures of a folder's run.
 */
function open(
  meet: (folder: string, signal: AbortSignal) => Promise<void>,
  put: Readonly<Record<string, string>> = {},
  more: { readonly says?: Readonly<Record<string, string>>; readonly mutants?: readonly string[] } = {},
) {
  const kept = new Map<string, GateRun>();
  const started: string[] = [];
  const results: Results = {
    get: async (key) => kept.get(key.join()),
    put: async (key, run) => void kept.set(key.join(), run),
  };
  const filesOf = (commit: string) => ({ ...commits[commit], ...(commit === head ? put : {}) });
  const history: History = {
    list: async (commit) =>
      Object.entries(filesOf(commit)).map(([path, text]) => ({ path, kind: "file", bytes: text.length })),
    read: async (commit, path) => new TextEncoder().encode(filesOf(commit)[path]),
    changes: async (from, to) =>
      from === to ? [] : [{ path: "code.py", kind: "modified", before: "file", after: "file" }],
    treeOf: async (commit) => `tree of ${commit}`,
    checkout: () => Promise.reject(new Error("the workshop checks out")),
  };
  const words = (files: Readonly<Record<string, string>>, above: ReadonlyMap<string, Entry | undefined>) =>
    ["code.py", "test_code.py"].map((path) => {
      const entry = above.get(path);
      return entry === undefined ? files[path] : new TextDecoder().decode(entry.bytes);
    });
  const tools: VerifierTools = {
    isolation: "bubblewrap",
    gates: {
      version: "1",
      run: async ({ name }, { folder }, signal) => {
        started.push(folder);
        await meet(folder, signal);
        signal.throwIfAborted();
        const isGreen = folder === "right/test" || folder.startsWith("unnoticed");
        const status = isGreen ? "passed" : "failed";
        const message = more.says?.[folder] ?? "";
        const tests = [{ id: "t", file: "test_code.py", status, message } as const];
        const about = { check: name, runner: "toy", exitCode: 0, limit: undefined, wallMs: 1 };
        return { kind: "counted", ...about, tests, output: { stdout: "", stderr: "" } };
      },
    },
    controls: {
      withoutBodies: async () => ({
        files: new Map([["code.py", "raise"]]),
        replaced: ["code.py:f"],
        left: [],
      }),
      withFailures: async () => ({
        files: new Map([["test_code.py", "fail"]]),
        replaced: [],
        left: [],
        mark: "let through",
      }),
      breakages: async () => [],
      mutants: async (_, { countMax }) =>
        (more.mutants ?? []).slice(0, countMax).map((text) => ({ name: text, path: "code.py", text })),
    },
    workshop: {
      history: () => history,
      checkout: async (ask) => ({
        path: words(filesOf(ask.commit), ask.put).join("/"),
        [Symbol.asyncDispose]: async () => {},
      }),
    },
    results,
    clock: { now: () => 0, sleep: () => Promise.reject(new Error("nobody sleeps here")) },
    runsMax: 3,
  };
  return { tools, started };
}

test("what base showed before the work is not run again for the proof", async () => {
  const { tools, started } = open(async () => {});
  const [surveyed] = await runTrial({ ...trial, commit: base }, tools, never);
  const { gates } = await proveTrial(trial, tools, never);
  expect(gates[0]?.base).toEqual(surveyed);
  expect(started.toSorted()).toEqual(["raise/test", "right/fail", "right/test", "wrong/test"]);
});

test("the one test of an exit code is called as its check, also where base was asked under another name", async () => {
  const { tools } = open(async () => {});
  const byExit = (name: string) => ({
    ...trial,
    checks: trial.checks.map((check) => ({ ...check, name, report: { kind: "exit-code" } as const })),
  });
  await runTrial({ ...byExit("acceptance-exit-1"), commit: base }, tools, never);
  const { gates } = await proveTrial(byExit("1.2-1"), tools, never);
  expect(gates[0]?.base).toMatchObject({ check: "1.2-1", tests: [{ id: "1.2-1" }] });
});

test("head, control and witness run beside each other", async () => {
  const all = Promise.withResolvers<void>();
  const { tools, started } = open(async (folder) => {
    if (folder === "wrong/test") return;
    if (started.length === 4) all.resolve();
    await all.promise;
  });
  const { gates } = await proveTrial(trial, tools, never);
  expect(gates[0]).toMatchObject({
    head: { kind: "counted" },
    control: { kind: "counted" },
    witness: { kind: "counted" },
  });
});

test("what the loop goes by runs first, once, and is told before the rest has ended", async () => {
  const told = Promise.withResolvers<readonly GateRun[]>();
  const guard = { ...check, name: "guard-1", command: "pytest all", role: "guard" } as const;
  let heads = 0;
  const { tools } = open(async (folder) => {
    if (folder !== "right/test") return void (await told.promise);
    heads += 1;
    // The guard's run on head is the second one, and waits for the loop's to be told.
    if (heads === 2) expect(await Promise.race([told.promise, "not yet"])).not.toBe("not yet");
  });
  const facts = await proveTrial({ ...trial, checks: [guard, check] }, tools, never, {
    checks: [{ ...check, timeoutMs: 1_000 }],
    seen: told.resolve,
  });
  const promise = facts.gates.find((gate) => gate.check === check);
  expect(await told.promise).toEqual([promise?.head]);
  expect(heads).toBe(2);
  expect(promise).toMatchObject({ control: { kind: "counted" }, witness: { kind: "counted" } });
});

test("what does not parse is told at once, and its run is stopped", async () => {
  const { tools } = open((folder, signal) =>
    folder === "right/test"
      ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
      : Promise.resolve(),
  );
  const breakage = { path: "code.py", line: 1, text: "right", why: "SyntaxError: no" };
  const broken = { ...tools, controls: { ...tools.controls, breakages: async () => [breakage] } };
  const told = Promise.withResolvers<readonly GateRun[]>();
  const facts = await proveTrial(trial, broken, never, { checks: [check], seen: told.resolve });
  const why = "code.py:1: SyntaxError: no; not run";
  expect(await told.promise).toMatchObject([{ kind: "no-report", why }]);
  expect(facts.gates[0]).toMatchObject({ head: { kind: "no-report", why }, control: undefined });
});

test("a red head stops control and witness, and nothing they could show is kept", async () => {
  const stopped: string[] = [];
  const { tools, started } = open(
    (folder, signal) =>
      folder === "wrong/test"
        ? Promise.resolve()
        : new Promise((go, stop) => {
            signal.addEventListener("abort", () => {
              stopped.push(folder);
              stop(signal.reason);
            });
            if (folder === "still wrong/test") void until(() => started.length === 4).then(go);
          }),
    { "code.py": "still wrong" },
  );
  const { gates } = await proveTrial(trial, tools, never);
  expect(gates[0]).toMatchObject({ control: undefined, witness: undefined, controlKind: "bodies" });
  expect(stopped.toSorted()).toEqual(["raise/test", "still wrong/fail"]);
});

test("a test that lets a wrong value through is named, but for one that did so before the change", async () => {
  const check = async (says: Readonly<Record<string, string>>, found: readonly string[], runs: number) => {
    const { tools, started } = open(async () => {}, {}, { says });
    const { gates } = await proveTrial(trial, tools, never);
    expect(gates[0]?.letThrough).toEqual(found);
    expect(started).toHaveLength(runs);
  };
  await check({ "right/fail": "AssertionError: let through" }, ["t"], 5);
  // Base is asked four times, with other wrong values each, before it excuses a test.
  await check({ "right/fail": "let through", "wrong/fail": "let through" }, [], 8);
  await check({ "right/fail": "assert 1 == 2", "raise/test": "let through" }, [], 4);
});

test("an aborted proof ends with its reason", async () => {
  const stop = new AbortController();
  const { tools } = open(
    (_folder, signal) =>
      new Promise((_go, refuse) => {
        signal.addEventListener("abort", () => refuse(signal.reason));
        stop.abort(new Error("enough"));
      }),
  );
  await expect(proveTrial(trial, tools, stop.signal)).rejects.toThrow("enough");
});

describe("mutants", () => {
  const asked = { ...trial, mutantsMax: 3 };
  const mutants = ["noticed 1", "unnoticed 1", "noticed 2", "noticed 3"];

  test("are put to the acceptance checks, as many as are wanted, last, and to no other", async () => {
    const { tools, started } = open(async () => {}, {}, { mutants });
    const guard = { ...check, name: "guard-1", role: "guard" } as const;
    const facts = await proveTrial({ ...asked, checks: [check, guard] }, tools, never);
    expect(facts.mutants).toEqual([
      { name: "noticed 1", fate: "killed" },
      { name: "unnoticed 1", fate: "survived" },
      { name: "noticed 2", fate: "killed" },
    ]);
    expect(started.slice(-3).toSorted()).toEqual(["noticed 1/test", "noticed 2/test", "unnoticed 1/test"]);
    expect(started.filter((folder) => folder.includes("noticed"))).toHaveLength(3);
  });

  test("are none where none is wanted, where a check is red, or where there is no acceptance", async () => {
    const none = async (changed: Partial<Trial>, put: Readonly<Record<string, string>> = {}) => {
      const { tools, started } = open(async () => {}, put, { mutants });
      expect((await proveTrial({ ...asked, ...changed }, tools, never)).mutants).toEqual([]);
      expect(started.filter((folder) => folder.includes("noticed"))).toEqual([]);
    };
    await none({ mutantsMax: 0 });
    await none({}, { "code.py": "still wrong" });
    await none({ checks: [{ ...check, role: "guard" }] });
  });

  test("that are noticed by one check are not put to the next", async () => {
    const { tools, started } = open(async () => {}, {}, { mutants });
    const other = { ...check, name: "acceptance-2" };
    await proveTrial({ ...asked, checks: [check, other] }, tools, never);
    expect(started.filter((folder) => folder === "noticed 1/test")).toHaveLength(1);
    expect(started.filter((folder) => folder === "unnoticed 1/test")).toHaveLength(2);
  });

  test("have a bounded time in all and each; what was cut or could not run says nothing", async () => {
    const given: number[] = [];
    let now = 0;
    const fate = async (takesMs: number, mutantEnds: (timeoutMs: number, run: number) => GateRun) => {
      const { tools } = open(async () => {}, {}, { mutants });
      const { gates } = tools;
      let runs = 0;
      const run: Gates["run"] = async (asked, place, signal) => {
        if (!place.folder.includes("noticed")) return gates.run(asked, place, signal);
        given.push(asked.timeoutMs);
        now += takesMs;
        runs += 1;
        return mutantEnds(asked.timeoutMs, runs);
      };
      const timed = {
        ...tools,
        gates: { ...gates, run },
        clock: { ...tools.clock, now: () => now },
        runsMax: 1,
      };
      return (await proveTrial(asked, timed, never)).mutants.map((each) => each.fate);
    };
    const output = { stdout: "", stderr: "" };
    const about = { check: check.name, runner: "toy", exitCode: undefined, output };
    const hung = (wallMs: number): GateRun => ({
      ...{ kind: "no-report", why: "it hung", limit: "wall", wallMs, ...about },
    });
    const minute = 60_000;
    expect(await fate(100_000, hung), "a machine that is busy").toEqual(["killed", "killed", "killed"]);
    expect(await fate(147_000, hung)).toEqual(["killed", "killed", "not-run"]);
    expect(await fate(5 * minute, hung)).toEqual(["killed", "not-run", "not-run"]);
    expect(given).toEqual([10_000, 10_000, 10_000, 10_000, 10_000, 6_000, 10_000]);
    const refused: GateRun = { kind: "could-not-run", check: check.name, why: "no jail", output };
    expect(await fate(1, () => refused)).toEqual(["not-run", "not-run", "not-run"]);
    const once = (ms: number, run: number) => (run === 1 ? refused : hung(ms));
    expect(await fate(1, once), "asked once more").toEqual(["killed", "killed", "killed"]);
  });
});

/** Each step of the proof is a few microtasks; a turn of the event loop lets all of them pass. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((turn) => setImmediate(turn));
}

describe("a run that was cut", () => {
  const why = "the jail was killed, twice in a row";
  const otherwise: GateRun = {
    kind: "could-not-run",
    check: check.name,
    why,
    output: { stdout: "", stderr: "" },
  };
  /** The same tools; the first so many runs are cut. */
  const cutting = (cuts: number) => {
    const { tools, started } = open(async () => {});
    let left = cuts;
    const run: Gates["run"] = async (...words) => {
      if (left === 0) return tools.gates.run(...words);
      left -= 1;
      started.push("cut");
      return { kind: "cut", otherwise };
    };
    return { tools: { ...tools, gates: { ...tools.gates, run } }, started };
  };

  test("is made again in a clean folder; the second time it counts as what it is", async () => {
    const once = cutting(1);
    const [again] = await runTrial(trial, once.tools, never);
    expect([again?.kind, once.started]).toEqual(["counted", ["cut", "right/test"]]);
    const twice = cutting(2);
    expect(await runTrial(trial, twice.tools, never)).toEqual([otherwise]);
    expect(twice.started).toEqual(["cut", "cut"]);
  });

  test("on base is never taken for a check that cannot run there, which would guard nothing from then on", async () => {
    const onBase = { ...trial, commit: base };
    await expect(runTrial(onBase, cutting(2).tools, never)).rejects.toThrow(`acceptance-1, on base: ${why}`);
    expect((await runTrial(onBase, cutting(1).tools, never))[0]?.kind).toBe("counted");
  });
});
