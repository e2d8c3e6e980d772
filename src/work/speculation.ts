/**
 * A proof begun before anybody knows that it is wanted: the loop's run of a revision is the first part of its proof, so
 * a green revision has not to run again. A red one ends it, and with it the process that had begun.
 */
import type { GateRun } from "../domain/gate.ts";
import type { Commit } from "../domain/id.ts";
import type { ProofFacts } from "../domain/verdict.ts";
import type { Trial, Verifier } from "../ports/verifier.ts";

/** What is asked: the deliverable commit, every check in force, and those the loop goes by. */
export interface Wager {
  readonly verifier: Verifier;
  readonly trial: Trial;
  /** The proof's name, which the commit's message holds. */
  readonly proofId: string;
  readonly loop: Trial["checks"];
}

export interface Begun {
  readonly commit: Commit;
  readonly facts: Promise<ProofFacts>;
}

/** At most one proof at a time; letting go of it ends it. Nothing of it is ever kept. */
export class Speculation implements Disposable {
  #proofId = "";
  #tree = "";
  #begun: Begun | undefined;
  #stop = new AbortController();

  /** Begins the proof of a revision's tree and resolves with the loop's runs. Rejects like `Verifier.prove`. */
  async begin(
    { verifier, trial, proofId, loop }: Wager,
    tree: string,
    signal: AbortSignal,
  ): Promise<readonly GateRun[]> {
    this[Symbol.dispose]();
    this.#stop = new AbortController();
    const runs = Promise.withResolvers<readonly GateRun[]>();
    const until = AbortSignal.any([signal, this.#stop.signal]);
    const facts = verifier.prove(trial, until, { checks: loop, seen: runs.resolve });
    facts.catch(runs.reject);
    this.#proofId = proofId;
    this.#tree = tree;
    this.#begun = { commit: trial.commit, facts };
    return runs.promise;
  }

  /** The proof under way of this tree under this name, once; undefined when there is none. */
  take(proofId: string, tree: string): Begun | undefined {
    const begun = this.#proofId === proofId && this.#tree === tree ? this.#begun : undefined;
    if (begun !== undefined) this.#begun = undefined;
    return begun;
  }

  /** Ends a proof that nobody took. */
  [Symbol.dispose](): void {
    if (this.#begun !== undefined) this.#stop.abort(new Error("the proof is not wanted"));
    this.#begun = undefined;
  }
}
