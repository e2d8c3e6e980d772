import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Score, TrailEntry } from "./attempt.ts";
import type { BlobHash, CallId, Commit, RevisionId } from "./id.ts";
import { defaultPolicy, type Move, next } from "./move.ts";

const call = "g.1/a1/c1" as CallId;
const blob = "b" as BlobHash;

const answered = (step: "draft" | "repair" | "fresh" | "reask" | "read"): TrailEntry => ({
  kind: "answered",
  call,
  step,
  answer: blob,
  finish: "stop",
});
const rejected: TrailEntry = { kind: "rejected", call, reason: "no-files", detail: "" };
const fault: TrailEntry = {
  kind: "unanswered",
  call,
  step: "draft",
  provider: "p",
  fault: "capacity",
  why: "overloaded",
};

function score(testsPassed: number): Score {
  return { runs: true, collects: true, testsPassed, testsFailed: 9 - testsPassed, lintFindings: 0 };
}

let count = 0;
function revised(passed: number, facts: { tree?: string; failure?: string } = {}): TrailEntry {
  count += 1;
  return {
    kind: "revised",
    revision: `r${count}` as RevisionId,
    commit: `c${count}` as Commit,
    parent: "c0" as Commit,
    step: "draft",
    tree: facts.tree ?? `t${count}`,
    files: ["a.py"],
    evaluation: {
      isGreen: passed === 9,
      score: score(passed),
      failureClass: passed === 9 ? undefined : "test",
      headline: "test: it fails",
      failureHash: facts.failure ?? `f${count}`,
      couldNotRun: [],
      runs: blob,
    },
  };
}
const proved = (verdict: "proven" | "refuted" | "could-not-run"): TrailEntry => ({
  kind: "proved",
  commit: "c1" as Commit,
  proof: {
    verdict,
    acceptance: "user",
    isolation: "bubblewrap",
    testsRun: 9,
    testsPassed: 9,
    failToPass: 9,
    passToPass: 0,
    reasons: ["because"],
  },
  statement: blob,
  evidence: blob,
});

function check(trail: readonly TrailEntry[], kind: Move["kind"], step?: string) {
  const move = next(trail, defaultPolicy);
  expect(move.kind).toBe(kind);
  if (step !== undefined) expect(move).toMatchObject({ step });
  return move;
}

describe("the next move", () => {
  test("is the same with edits that were left out before the revision", () => {
    const leftOut: TrailEntry = { kind: "left-out", call, paths: ["test_a.py"] };
    const trail = [answered("draft"), revised(3)] as const;
    expect(next([trail[0], leftOut, trail[1]], defaultPolicy)).toEqual(next(trail, defaultPolicy));
    expect(next([trail[0], leftOut], defaultPolicy)).toEqual(next([trail[0]], defaultPolicy));
  });
  test("a draft comes first, and its answer is taken", () => {
    check([], "ask", "draft");
    check([answered("draft")], "take", "draft");
  });

  test("an unusable answer gets one re-ask, then a fresh start", () => {
    check([answered("draft"), rejected], "ask", "reask");
    check([answered("draft"), rejected, answered("reask")], "take", "draft");
    check([answered("draft"), rejected, answered("reask"), rejected], "ask", "fresh");
  });

  test("red is repaired twice, then begun anew twice, then parked with the best revision", () => {
    const red = () => revised(1);
    const best = revised(5);
    const line = [answered("draft"), best];
    check(line, "ask", "repair");
    const spent = [...line, answered("repair"), revised(5), answered("repair"), revised(5)];
    check(spent, "ask", "fresh");
    const round = (): TrailEntry[] => {
      const worse = red() as Extract<TrailEntry, { kind: "revised" }>;
      return [worse, { kind: "reverted", from: worse.revision, to: "c" as Commit, why: "worse" }];
    };
    const again = [
      ...spent,
      answered("fresh"),
      ...round(),
      answered("repair"),
      ...round(),
      answered("repair"),
      ...round(),
    ];
    check(again, "ask", "fresh");
    const end = [
      ...again,
      answered("fresh"),
      ...round(),
      answered("repair"),
      ...round(),
      answered("repair"),
      ...round(),
    ];
    expect(check(end, "park")).toMatchObject({ best: (best as { revision: RevisionId }).revision });
  });

  test("a revision below the best is reverted to it", () => {
    const best = revised(5) as Extract<TrailEntry, { kind: "revised" }>;
    expect(check([answered("draft"), best, answered("repair"), revised(2)], "revert")).toMatchObject({
      to: best.commit,
    });
  });

  test("the same code or the same failure twice jumps to a fresh start", () => {
    check(
      [answered("draft"), revised(1, { tree: "t" }), answered("repair"), revised(1, { tree: "t" })],
      "ask",
      "fresh",
    );
    check(
      [answered("draft"), revised(1, { failure: "f" }), answered("repair"), revised(1, { failure: "f" })],
      "ask",
      "fresh",
    );
  });

  test("a fresh start keeps the best code only where it passes a test", () => {
    const twice = (passed: number) => [
      answered("draft"),
      revised(passed, { failure: "f" }),
      answered("repair"),
      revised(passed, { failure: "f" }),
    ];
    expect(check(twice(0), "ask", "fresh")).toMatchObject({ from: undefined });
    const kept = twice(3);
    expect(check(kept, "ask", "fresh")).toMatchObject({ from: (kept[1] as { commit: Commit }).commit });
  });

  test("green is proved, never believed", () => {
    check([answered("draft"), revised(9)], "prove");
    check([answered("draft"), revised(9), proved("proven")], "accepted");
    check([answered("draft"), revised(9), proved("refuted")], "ask", "repair");
    check([answered("draft"), revised(9), proved("could-not-run")], "park");
  });

  test("provider failures in a row park the bead, an answer forgets them", () => {
    check([fault], "ask", "draft");
    const many = Array.from({ length: defaultPolicy.faultsMax - 1 }, () => fault);
    check(many, "ask", "draft");
    check([...many, fault], "park");
    check([...many, answered("draft"), rejected, fault], "ask", "draft");
  });
});

describe("laws of the next move", () => {
  /** Plays a random model and judge against the policy until the move says it is over. */
  function play(choices: readonly number[]): { moves: Move[]; trail: TrailEntry[] } {
    const trail: TrailEntry[] = [];
    const moves: Move[] = [];
    for (const choice of choices) {
      const move = next(trail, defaultPolicy);
      moves.push(move);
      if (move.kind === "park" || move.kind === "accepted") break;
      if (move.kind === "ask")
        trail.push(choice % 10 === 0 ? fault : ({ ...answered("draft"), step: move.step } as TrailEntry));
      if (move.kind === "take") {
        if (choice % 5 === 0) trail.push(rejected);
        else if (choice % 5 === 1) trail.push({ kind: "asked-for-files", call, paths: ["a"] });
        else trail.push(revised(choice % 10, { tree: `t${choice % 7}`, failure: `f${choice % 5}` }));
      }
      if (move.kind === "revert")
        trail.push({ kind: "reverted", from: move.revision, to: move.to ?? ("c0" as Commit), why: move.why });
      if (move.kind === "prove") trail.push(proved(choice % 3 === 0 ? "proven" : "refuted"));
    }
    return { moves, trail };
  }
  const choices = fc.array(fc.nat(1000), { minLength: 200, maxLength: 200 });

  test("every game ends, and within the calls allowed", () => {
    fc.assert(
      fc.property(choices, (game) => {
        const { moves, trail } = play(game);
        expect(["park", "accepted"]).toContain(moves.at(-1)?.kind);
        expect(trail.filter((entry) => entry.kind === "answered").length).toBeLessThanOrEqual(
          defaultPolicy.callsMax,
        );
      }),
    );
  });

  test("nothing is accepted without a proof of the newest revision, and only green is proved", () => {
    fc.assert(
      fc.property(choices, (game) => {
        const { moves, trail } = play(game);
        if (moves.at(-1)?.kind === "accepted")
          expect(trail.at(-1)).toMatchObject({ kind: "proved", proof: { verdict: "proven" } });
        for (const move of moves)
          if (move.kind === "prove") expect(move.revision.evaluation.isGreen).toBe(true);
      }),
    );
  });

  test("an answer is applied to the very files that the question showed", () => {
    fc.assert(
      fc.property(choices, (game) => {
        let shown: Commit | undefined;
        for (const move of play(game).moves) {
          if (move.kind === "ask") shown = move.from;
          if (move.kind === "take") expect(move.from).toBe(shown);
        }
      }),
    );
  });

  test("work never goes on from a revision that scores below the best", () => {
    fc.assert(
      fc.property(choices, (game) => {
        const { trail } = play(game);
        let best = -1;
        let head = -1;
        for (const entry of trail) {
          // A best that passes nothing is no loss: a fresh start may then begin from the base.
          if (entry.kind === "answered" && best > 0) expect(head).toBe(best);
          if (entry.kind === "revised") {
            head = entry.evaluation.score.testsPassed;
            best = Math.max(best, head);
          }
          if (entry.kind === "reverted") head = best;
        }
      }),
    );
  });
});
