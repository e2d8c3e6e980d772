import type { Check, GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { Isolation, ProofFacts } from "../domain/verdict.ts";
import type { Environment } from "./environment.ts";

/** Runs checks on a folder that a worker may have written: feedback for the loop, never proof. */
export interface Trial {
  readonly checks: readonly Check[];
  /** A commit of the bare repository; checked out clean, with protected files restored from `base`. */
  readonly gitDir: string;
  readonly commit: Commit;
  readonly base: Commit;
  readonly protect: readonly string[];
  readonly allowChange: readonly string[];
  readonly environment: Environment;
  /** Small faults of the change that a proof puts to the acceptance checks, 0 to 100; 0 where a person stands behind them. */
  readonly mutantsMax: number;
}

/** What the loop learns of a proof while it goes on. */
export interface FirstLook {
  /** Those of the trial's checks that the loop goes by, by name, each with the loop's own time limit for the run on head. */
  readonly checks: readonly Check[];
  /** Called once, before the proof ends: what each of them did on head. */
  seen(runs: readonly GateRun[]): void;
}

/**
 * The trusted process. It has an empty environment, no key, no store, and believes nothing a worker could write.
 * Both methods reject only with `signal.reason` when aborted, with VerifierLost when the process was killed over the
 * call (asking again starts another one), or with VerifierError when it cannot do what it is asked.
 */
export interface Verifier {
  readonly isolation: Isolation;
  run(trial: Trial, signal: AbortSignal): Promise<readonly GateRun[]>;
  /**
   * In a fresh process: a clean checkout of the commit, every check on base, head and control. With `first`, the loop's
   * checks have their turn before the others, and whoever asked stops a proof that is not worth its end. Mutants come last,
   * when acceptance was green on head, and for a bounded time: what was not run of them is said.
   */
  prove(trial: Trial, signal: AbortSignal, first?: FirstLook): Promise<ProofFacts>;
}

export class VerifierError extends Error {
  override readonly name: string = "VerifierError";
}

export class VerifierLost extends VerifierError {
  override readonly name = "VerifierLost";
}
