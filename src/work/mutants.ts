/**
 * Whether the tests notice: the acceptance checks on the change with one small fault at a time.
 *
 * 1. Only what an acceptance check said of a mutant counts: one that could not run, or was cut because time was out, says nothing.
 * 2. All of it takes a bounded time, whatever the faults do to the code. Only what mutants themselves take counts against it:
 *    a verdict must not depend on who else had his turn.
 */
import { oneLine } from "../domain/fence.ts";
import { type Check, type GateRun, isGreen } from "../domain/gate.ts";
import type { GateFacts, MutantFate } from "../domain/verdict.ts";
import type { Clock } from "../kit/clock.ts";
import type { Turns } from "../kit/turns.ts";
import type { Faulty, Files } from "./outset.ts";

/** A fault may let a loop run for ever: then a run is cut after so many times what head took, and that long at least. */
const runFactor = 5;
const runMsMin = 10_000;

/** After so many times what head took, run by mutants all together, nothing new is begun; and that long at least. */
const allFactor = 30;
const allMsMin = 5 * 60_000;

/** A check is not given less. */
const timeoutMsMin = 1_000;

const whyCharactersMax = 300;

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
  const allMs = Math.max(allMsMin, allFactor * headMs);
  let spentMs = 0;
  const timed: Bench["run"] = async (check, put) => {
    const startedAt = clock.now();
    const seen = await run(check, put);
    spentMs += clock.now() - startedAt;
    return seen;
  };
  return Promise.all(
    mutants.map(async ({ name, put }) => {
      const leftMs = () => allMs - spentMs;
      const fate = await turns(() => fateOf(promises, { leftMs, put, run: timed }));
      return { name, ...fate };
    }),
  );
}

type Fate = { readonly fate: "killed" | "survived" } | { readonly fate: "not-run"; readonly why: string };

async function fateOf(
  promises: readonly GateFacts[],
  { leftMs, put, run }: { leftMs(): number; readonly put: Files; readonly run: Bench["run"] },
): Promise<Fate> {
  const unrun = (why: string): Fate => ({ fate: "not-run", why: oneLine(why, whyCharactersMax) });
  for (const { check, head } of promises) {
    const left = leftMs();
    if (left < timeoutMsMin) return unrun("time was out");
    const ownMs = Math.min(check.timeoutMs, Math.max(runMsMin, runFactor * wallMsOf(head)));
    const timeoutMs = Math.min(ownMs, left);
    const first = await run({ ...check, timeoutMs }, put);
    // It ran on head: what keeps it from running here may be over by now.
    const seen = first.kind === "could-not-run" ? await run({ ...check, timeoutMs }, put) : first;
    if (seen.kind === "could-not-run") return unrun(seen.why);
    const isCut = timeoutMs < ownMs && (seen.limit === "wall" || seen.limit === "cpu");
    if (isCut) return unrun("time was out");
    if (!isGreen(seen)) return { fate: "killed" };
  }
  return { fate: "survived" };
}

function wallMsOf(run: GateRun): number {
  return run.kind === "could-not-run" ? 0 : run.wallMs;
}
