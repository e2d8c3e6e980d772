/**
 * Whether the tests notice: the acceptance checks on the change with one small fault at a time.
 *
 * 1. Only what an acceptance check said of a mutant counts: one that could not run, or was cut because time was out, says nothing.
 * 2. All of it takes a bounded time, whatever the faults do to the code.
 */
import { type Check, type GateRun, isGreen } from "../domain/gate.ts";
import type { GateFacts, MutantFate } from "../domain/verdict.ts";
import type { Clock } from "../kit/clock.ts";
import type { Faulty, Files } from "./outset.ts";
import type { Turns } from "./runs.ts";

/** A fault may let a loop run for ever: then a run is cut after so many times what head took, and that long at least. */
const runFactor = 5;
const runMsMin = 10_000;

/** After so many times what head took nothing new is begun, and that long at least. */
const allFactor = 10;
const allMsMin = 30_000;

/** A check is not given less. */
const timeoutMsMin = 1_000;

interface Bench {
  /** Acceptance checks with their green runs on head. */
  readonly promises: readonly GateFacts[];
  readonly clock: Pick<Clock, "now">;
  readonly turns: Turns;
  /** Rejects with `signal.reason` when aborted. */
  run(check: Check, put: Files): Promise<GateRun>;
}

/** One fate for each mutant, in their order. Rejects like `run`. */
export function fatesOf(
  mutants: readonly Faulty[],
  { promises, clock, turns, run }: Bench,
): Promise<readonly MutantFate[]> {
  const headMs = promises.reduce((sum, { head }) => sum + wallMsOf(head), 0);
  const endsAt = clock.now() + Math.max(allMsMin, allFactor * headMs);
  return Promise.all(
    mutants.map(async ({ name, put }) => {
      const fate = await turns(() => fateOf(promises, { leftMs: () => endsAt - clock.now(), put, run }));
      return { name, fate };
    }),
  );
}

async function fateOf(
  promises: readonly GateFacts[],
  { leftMs, put, run }: { leftMs(): number; readonly put: Files; readonly run: Bench["run"] },
): Promise<MutantFate["fate"]> {
  for (const { check, head } of promises) {
    const left = leftMs();
    if (left < timeoutMsMin) return "not-run";
    const ownMs = Math.min(check.timeoutMs, Math.max(runMsMin, runFactor * wallMsOf(head)));
    const timeoutMs = Math.min(ownMs, left);
    const seen = await run({ ...check, timeoutMs }, put);
    if (seen.kind === "could-not-run") return "not-run";
    const isCut = timeoutMs < ownMs && (seen.limit === "wall" || seen.limit === "cpu");
    if (isCut) return "not-run";
    if (!isGreen(seen)) return "killed";
  }
  return "survived";
}

function wallMsOf(run: GateRun): number {
  return run.kind === "could-not-run" ? 0 : run.wallMs;
}
