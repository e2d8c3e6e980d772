/**
 * The polecat's next move, as a function of the durable trail alone (so a killed worker goes on where it was).
 *
 *   DRAFT -> PARSE (malformed: one re-ask) -> RUN -> REPAIR (at most 2) -> FRESH (at most 2) -> WIDEN -> ESCALATE -> SPLIT -> PARKED
 *
 * 1. Every path ends: each ask is counted against `callsMax`, each round against a bound of its own.
 * 2. A revision that scores below the best so far is reverted before anything else is asked.
 * 3. Nothing is called done here: a green run only leads to `prove`, and only a proof ends the attempt well.
 */
import { compareScores, rejectionWords, type Step, type TrailEntry } from "./attempt.ts";
import type { ParkCause } from "./bead.ts";
import type { BlobHash, CallId, Commit, RevisionId } from "./id.ts";

/** Every number is a setting; reasons in methods A1 and B3. A stage that is not built yet has the bound 0 and is passed over. */
export interface Policy {
  /** Repairs in one line of descent. */
  readonly repairsMax: number;
  /** Fresh starts of the bead. */
  readonly freshMax: number;
  /** Candidates side by side in WIDEN. */
  readonly widthMax: number;
  /** Stronger models to go to in ESCALATE. */
  readonly escalationsMax: number;
  /** Revisions without a better score before ESCALATE. */
  readonly staleMax: number;
  /** Terse re-asks for one unusable answer. */
  readonly reasksMax: number;
  /** Rounds of asking for files. */
  readonly readsMax: number;
  /** Calls of the attempt in all. */
  readonly callsMax: number;
  /** Provider faults in a row before the bead is parked; at the usual waits between them (2 s, doubled to a minute) some four minutes. */
  readonly faultsMax: number;
  /** Proofs that may be refused before the bead is parked. */
  readonly proofsMax: number;
}

export const defaultPolicy: Policy = {
  repairsMax: 2,
  freshMax: 2,
  widthMax: 0,
  escalationsMax: 0,
  staleMax: 3,
  reasksMax: 1,
  readsMax: 3,
  callsMax: 14,
  faultsMax: 10,
  proofsMax: 3,
};

type Revised = Extract<TrailEntry, { readonly kind: "revised" }>;

/** `from` is the commit the answer is applied to; undefined means the base. */
export type Move =
  | { readonly kind: "ask"; readonly step: Step; readonly from: Commit | undefined; readonly why: string }
  | {
      readonly kind: "take";
      readonly call: CallId;
      readonly step: Step;
      readonly answer: BlobHash;
      readonly from: Commit | undefined;
    }
  | {
      readonly kind: "revert";
      readonly revision: RevisionId;
      readonly to: Commit | undefined;
      readonly why: string;
    }
  | { readonly kind: "prove"; readonly revision: Revised }
  | { readonly kind: "accepted" }
  | {
      readonly kind: "park";
      readonly cause: ParkCause;
      readonly why: string;
      readonly best: RevisionId | undefined;
    };

/** What the trail adds up to. */
interface Standing {
  /** The commit new answers apply to; undefined is the base. */
  readonly head: Commit | undefined;
  readonly best: Revised | undefined;
  readonly calls: number;
  /** Repairs since the newest draft or fresh start. */
  readonly repairs: number;
  readonly fresh: number;
  /** Re-asks since the newest question that was not one. */
  readonly reasks: number;
  readonly reads: number;
  /** Provider faults since the newest answer. */
  readonly faults: number;
  readonly proofs: number;
  /** Revisions since the best one. */
  readonly stale: number;
  /** The step whose answer is being sought, whatever re-asks and reads lie between. */
  readonly seeking: Step;
  readonly trees: ReadonlySet<string>;
  readonly failures: ReadonlySet<string>;
}

const start: Standing = {
  head: undefined,
  best: undefined,
  calls: 0,
  repairs: 0,
  fresh: 0,
  reasks: 0,
  reads: 0,
  faults: 0,
  proofs: 0,
  stale: 0,
  seeking: "draft",
  trees: new Set(),
  failures: new Set(),
};

function asked(standing: Standing, step: Step): Standing {
  const next = { ...standing, calls: standing.calls + 1 };
  switch (step) {
    case "reask":
      return { ...next, reasks: standing.reasks + 1 };
    case "read":
      return { ...next, reads: standing.reads + 1 };
    case "repair":
      return { ...next, repairs: standing.repairs + 1, reasks: 0, seeking: step };
    case "fresh":
      return {
        ...next,
        head: freshHead(standing),
        fresh: standing.fresh + 1,
        repairs: 0,
        reasks: 0,
        seeking: step,
        failures: new Set(),
      };
    default:
      return { ...next, repairs: 0, reasks: 0, seeking: step };
  }
}

function advance(standing: Standing, entry: TrailEntry): Standing {
  switch (entry.kind) {
    case "answered":
      return { ...asked(standing, entry.step), faults: 0 };
    case "unanswered":
      // A lost call may have been paid, so it counts as a call; a fault was not, and has its own bound.
      return entry.fault === "lost"
        ? { ...standing, calls: standing.calls + 1 }
        : { ...standing, faults: standing.faults + 1 };
    case "revised": {
      const isBest =
        standing.best === undefined ||
        compareScores(entry.evaluation.score, standing.best.evaluation.score) > 0;
      return {
        ...standing,
        head: entry.commit,
        best: isBest ? entry : standing.best,
        stale: isBest ? 0 : standing.stale + 1,
        trees: new Set([...standing.trees, entry.tree]),
        failures: new Set([...standing.failures, entry.evaluation.failureHash]),
      };
    }
    case "reverted":
      return { ...standing, head: standing.best?.commit };
    case "proved":
      return { ...standing, proofs: standing.proofs + 1 };
    default:
      return standing;
  }
}

/** The best code so far is worth keeping only if it passes something; else a fresh start begins where everything began. */
function freshHead({ best }: Standing): Commit | undefined {
  return best !== undefined && best.evaluation.score.testsPassed > 0 ? best.commit : undefined;
}

/** The commit that an answer after this trail applies to; undefined is the base. */
export function headAfter(trail: readonly TrailEntry[]): Commit | undefined {
  return trail.reduce(advance, start).head;
}

/** Total and pure: the same trail always gives the same move. */
export function next(trail: readonly TrailEntry[], policy: Policy): Move {
  let standing = start;
  let before = start;
  for (const entry of trail) {
    before = standing;
    standing = advance(standing, entry);
  }
  const last = trail.at(-1);
  if (last === undefined) return { kind: "ask", step: "draft", from: undefined, why: "the first try" };
  switch (last.kind) {
    case "answered":
      return {
        kind: "take",
        call: last.call,
        step: standing.seeking,
        answer: last.answer,
        from: standing.head,
      };
    case "unanswered":
      return afterFault(standing, last, policy);
    case "rejected":
      if (last.reason === "unchanged") return startOver(standing, policy, "the answer changed nothing");
      if (standing.reasks < policy.reasksMax)
        return ask(standing, policy, "reask", rejectionWords(last.reason));
      return startOver(standing, policy, `${rejectionWords(last.reason)}, again`);
    case "asked-for-files":
      if (standing.reads < policy.readsMax) return ask(standing, policy, "read", "it asked for files");
      if (standing.reasks < policy.reasksMax)
        return ask(standing, policy, "reask", "it asked for files too often");
      return startOver(standing, policy, "it only asked for files");
    case "left-out":
    case "clash":
    case "tests-written":
      // These only tell.
      return next(trail.slice(0, -1), policy);
    case "revised":
      return afterRevision(before, standing, last, policy);
    case "reverted":
      return mend(standing, policy, last.why);
    case "proved":
      return afterProof(standing, last, policy);
    case "consented":
      return { kind: "accepted" };
  }
}

function ask(standing: Standing, policy: Policy, step: Step, why: string): Move {
  if (standing.calls >= policy.callsMax) return park(standing, `${policy.callsMax} calls are spent; ${why}`);
  return { kind: "ask", step, from: step === "fresh" ? freshHead(standing) : standing.head, why };
}

function park(standing: Standing, why: string, cause: ParkCause = "work"): Move {
  return { kind: "park", cause, why, best: standing.best?.revision };
}

/** The question stays open; who is asked, and when, is decided where the providers are known. */
function afterFault(
  standing: Standing,
  last: Extract<TrailEntry, { readonly kind: "unanswered" }>,
  policy: Policy,
): Move {
  if (standing.faults >= policy.faultsMax)
    return park(standing, `${standing.faults} provider failures in a row, the last: ${last.why}`, "capacity");
  return ask(standing, policy, last.step, last.why);
}

function afterRevision(before: Standing, standing: Standing, last: Revised, policy: Policy): Move {
  if (last.evaluation.couldNotRun.length > 0)
    return park(standing, `a check could not run: ${last.evaluation.couldNotRun[0]}`, "input");
  if (last.evaluation.isGreen) return { kind: "prove", revision: last };
  const best = before.best;
  if (best !== undefined && compareScores(last.evaluation.score, best.evaluation.score) < 0)
    return {
      kind: "revert",
      revision: last.revision,
      to: best.commit,
      why: `it scores below ${best.revision}`,
    };
  const { headline, failureHash } = last.evaluation;
  if (before.trees.has(last.tree)) return startOver(standing, policy, `the same code twice: ${headline}`);
  if (before.failures.has(failureHash))
    return startOver(standing, policy, `the same failure twice: ${headline}`);
  return mend(standing, policy, headline);
}

/** Red and kept, or red and reverted: mend it while that still pays, else begin anew. */
function mend(standing: Standing, policy: Policy, why: string): Move {
  if (standing.stale >= policy.staleMax && policy.escalationsMax > 0)
    return ask(standing, policy, "escalate", why);
  if (standing.repairs < policy.repairsMax) return ask(standing, policy, "repair", why);
  return startOver(standing, policy, `${standing.repairs} repairs did not mend it: ${why}`);
}

/** FRESH, then the later stages in their order; those whose bound is 0 are passed over. */
function startOver(standing: Standing, policy: Policy, why: string): Move {
  if (standing.fresh < policy.freshMax) return ask(standing, policy, "fresh", why);
  if (policy.widthMax > 0 && standing.seeking !== "widen" && standing.seeking !== "escalate")
    return ask(standing, policy, "widen", why);
  if (policy.escalationsMax > 0 && standing.seeking !== "escalate")
    return ask(standing, policy, "escalate", why);
  return park(standing, why);
}

function afterProof(
  standing: Standing,
  last: Extract<TrailEntry, { readonly kind: "proved" }>,
  policy: Policy,
): Move {
  switch (last.proof.verdict) {
    case "proven":
    case "no-regression":
    case "unisolated-pass":
      return { kind: "accepted" };
    case "could-not-run":
      return park(
        standing,
        `the proof could not run: ${last.proof.reasons[0] ?? "no reason given"}`,
        "input",
      );
    case "refuted": {
      const why = `the verifier refuted it: ${last.proof.reasons[0] ?? "no reason given"}`;
      if (standing.proofs >= policy.proofsMax) return park(standing, why);
      return mend(standing, policy, why);
    }
  }
}
