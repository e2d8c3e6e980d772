/** What the program of the verifier does; `../verifier.ts` starts it. */
import { openControls } from "../edges/control/rewrite.ts";
import { openGates } from "../edges/gates/run.ts";
import { bubblewrapJail } from "../edges/jails/bubblewrap.ts";
import { findHost } from "../edges/jails/host.ts";
import { repository } from "../edges/jails/limits.ts";
import { unisolatedJail } from "../edges/jails/unisolated.ts";
import { type Service, serveVerifier } from "../edges/verifier/process.ts";
import { openResults } from "../edges/verifier/results.ts";
import type { Opening } from "../edges/verifier/wire.ts";
import { openWorkshop } from "../edges/verifier/workshop.ts";
import type { Controls } from "../ports/gates.ts";
import type { Jail, Limits } from "../ports/jail.ts";
import type { VerifierTools } from "../work/runs.ts";
import { proveTrial, runTrial } from "../work/verifier.ts";

/** Serves over this process's standard input and output, and ends the process with its input. */
export function serveHere(): void {
  const { stdin: input, stdout: output, stderr: words } = process;
  serveVerifier(open, { input, output, words, exit: (code) => process.exit(code) });
}

function open(opening: Opening): Service {
  const { isolation, workRoot, resultFolder, cores, memoryBytes, runsMax } = opening;
  const jail = isolation === "none" ? unisolatedJail({ workRoot }) : jailAt(workRoot);
  const machine = { cores, memoryBytes, workers: runsMax };
  const tools: VerifierTools = {
    isolation,
    gates: openGates({ jail, limits: (check) => repository(machine, check.timeoutMs) }),
    controls: openControls(),
    workshop: openWorkshop(jail),
    results: openResults(resultFolder),
    clock: { now: () => Date.now(), sleep: () => Promise.reject(new Error("the verifier never sleeps")) },
    runsMax,
  };
  if (opening.task === "prove") void warm(tools.controls, jail, repository(machine, 5_000));
  return {
    expect(gitDir, base) {
      const history = tools.workshop.history(gitDir);
      void Promise.all([history.list(base), history.treeOf(base)]).catch(() => undefined);
    },
    run: (trial, signal) => runTrial(trial, tools, signal),
    prove: (trial, signal, first) => proveTrial(trial, tools, signal, first),
  };
}

/**
 * A process is slow at what it does for the first time (some 150 ms in all), and has to wait for its question anyway.
 * What goes wrong here is told by the first real run.
 */
async function warm(controls: Controls, jail: Jail, limits: Limits): Promise<void> {
  const sources = [
    { path: "a.js", before: undefined, after: "const one = () => 1;\n" },
    { path: "a.py", before: undefined, after: "def one():\n    return 1\n" },
  ];
  const tests = new Map([
    ["test.js", 'import { test } from "node:test";\ntest("one", () => {});\n'],
    ["test.py", "def test_one():\n    assert True\n"],
  ]);
  const nothing = { binds: [], scratch: [], variables: {}, network: { kind: "none" } } as const;
  const job = { command: "exit 0", cwd: "/tmp", limits, ...nothing };
  const never = new AbortController().signal;
  await controls.breakages(sources).catch(() => undefined);
  await controls.withoutBodies(sources).catch(() => undefined);
  await controls.withFailures(tests).catch(() => undefined);
  await jail.run(job, never).catch(() => undefined);
}

/** The self-test ran in the foreman's process; here only the parts are found again. */
function jailAt(workRoot: string): Jail {
  const found = findHost({ workRoot });
  if (found.kind === "refused") throw new Error(`${found.why}: ${found.remedy}`);
  return bubblewrapJail(found.host, { privateHosts: [] });
}
