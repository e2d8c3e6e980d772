/** One run of one check, in a clean folder of its own. */
import type { Check, GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { Isolation } from "../domain/verdict.ts";
import type { Clock } from "../kit/clock.ts";
import type { Controls, CutRun, Gates, Place, Results, Workshop } from "../ports/gates.ts";
import { VerifierError } from "../ports/verifier.ts";
import type { Files, Outset } from "./outset.ts";

export interface VerifierTools {
  readonly isolation: Isolation;
  readonly gates: Gates;
  readonly controls: Controls;
  readonly workshop: Workshop;
  readonly results: Results;
  readonly clock: Clock;
  /** Runs at one time, 1 or more. */
  readonly runsMax: number;
}

/** A folder to run in: a commit with other files above it. */
export interface Checkout {
  readonly outset: Outset;
  readonly commit: Commit;
  readonly put: Files;
  readonly readOnly: readonly string[];
}

/** Rejects with `signal.reason`, or for a repository that cannot be read. */
export async function runOnce(
  check: Check,
  { outset, commit, put, readOnly }: Checkout,
  { gates, workshop }: VerifierTools,
  signal: AbortSignal,
): Promise<GateRun> {
  const run = await runTwice(check, { outset, commit, put, readOnly }, { gates, workshop }, signal);
  return run.kind === "cut" ? run.otherwise : run;
}

/** One kill may be chance: what happens to a second run, in a clean folder of its own, is the answer. */
async function runTwice(
  check: Check,
  { outset, commit, put, readOnly }: Checkout,
  { gates, workshop }: Pick<VerifierTools, "gates" | "workshop">,
  signal: AbortSignal,
): Promise<GateRun | CutRun> {
  const once = async () => {
    signal.throwIfAborted();
    await using folder = await workshop.checkout({ history: outset.history, commit, put }, signal);
    const place: Place = { folder: folder.path, environment: outset.trial.environment, readOnly };
    return await gates.run(check, place, signal);
  };
  const first = await once();
  return first.kind === "cut" ? once() : first;
}

/** The same on base, from what is known where it is known. Rejects like runOnce, and when a kill would weaken the proof. */
export async function runOnBase(
  check: Check,
  { outset, base }: { readonly outset: Outset; readonly base: Commit },
  tools: VerifierTools,
  signal: AbortSignal,
): Promise<GateRun> {
  const { command, cwd, timeoutMs, report } = check;
  const key = [
    await outset.history.treeOf(base),
    outset.trial.environment.key,
    JSON.stringify({ command, cwd, timeoutMs, report, readOnly: outset.readOnly }),
    tools.isolation,
    tools.gates.version,
  ];
  const known = await tools.results.get(key);
  if (known !== undefined) return named(known, check);
  const place = { outset, commit: base, put: new Map(), readOnly: outset.readOnly };
  const run = await runTwice(check, place, tools, signal);
  if (run.kind === "cut") {
    // A guard that seems unable to run on base would never be asked again: a kill must not weaken the proof.
    const { otherwise } = run;
    if (otherwise.kind === "could-not-run")
      throw new VerifierError(`${check.name}, on base: ${otherwise.why}`);
    return otherwise;
  }
  // Only what would be the same again: a limit or a missing runner is news.
  if (run.kind !== "could-not-run" && run.limit === undefined) await tools.results.put(key, run);
  return run;
}

/** What is known of a command under any name: the one test of an exit code or a program is called as its check. */
function named(known: GateRun, { name, report }: Check): GateRun {
  if (known.kind !== "counted" || report.kind === "recognise" || report.kind === "junit")
    return { ...known, check: name };
  return { ...known, check: name, tests: known.tests.map((test) => ({ ...test, id: name })) };
}
