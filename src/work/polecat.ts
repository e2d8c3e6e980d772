/**
 * The worker on one bead. What comes next is `next(trail)`; this file only performs it.
 *
 * 1. Every step ends in one append fenced by the lease: a polecat that lost its lease can change nothing.
 * 2. It keeps nothing in memory that the trail does not hold: killed anywhere, the next one goes on from the last entry.
 * 3. A call is reserved before it is made and settled after, also when it fails; a lost one is counted as paid.
 */
import type { Attempt } from "../domain/attempt.ts";
import { groundOf } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import { type Move, next } from "../domain/move.ts";
import { planTurn } from "../domain/planning.ts";
import { testTurn } from "../domain/testing.ts";
import { type Turn, turnMove, withoutTurn } from "../domain/turn.ts";
import { present, unreachable } from "../kit/assert.ts";
import type { Lease, NewEvent } from "../ports/store.ts";
import { meansOf, timeReason } from "./affording.ts";
import { ask } from "./asking.ts";
import { keepAlive, LeaseLost, StoodInLine, TimeOver, untilEnd } from "./keepalive.ts";
import { sharedBy, withLeave } from "./meeting.ts";
import { plansAgain, plansFirst, splitAsGiven, splitsFirst, takePlan } from "./planning.ts";
import { type Noted, probe } from "./probing.ts";
import { askAgain, prove } from "./proving.ts";
import { lostCall, record } from "./record.ts";
import { takeAnswer, tryStart } from "./revision.ts";
import { parked, type Scene } from "./scene.ts";
import { Speculation } from "./speculation.ts";
import { openSite, type Site } from "./survey.ts";
import { takeTests, testingMove } from "./testing.ts";
import type { Tools } from "./tools.ts";

/** A bound far above what the policy's own bounds allow, so that a bug cannot spin for ever. */
const turnsMax = 200;

/** Works until the bead is proven, parked, waiting, or given back. Rejects only for bugs and a lost store. */
export async function work(goal: GoalId, lease: Lease, tools: Tools, stop: AbortSignal): Promise<void> {
  await using alive = keepAlive(lease, tools.store.leases, tools.clock, tools.leaseMs);
  const bounds = present(await tools.store.view.goal(goal), "the goal of a claim exists");
  const claimed = present(await tools.store.view.bead(lease.bead), "the bead of a claim exists");
  await using time = untilEnd(bounds, tools.clock, claimed);
  const signal = AbortSignal.any([stop, alive.lost, time.over]);
  const append = async (...events: NewEvent[]) => {
    if ((await record(tools, events, { kind: "lease", lease })) === "refused") throw new LeaseLost(lease);
  };
  try {
    await turns(goal, lease, tools, { signal, append });
  } catch (error) {
    if (error instanceof LeaseLost || alive.lost.aborted) return;
    if (signal.reason instanceof TimeOver)
      return void (await record(tools, await whenTimeIsOver(goal, lease, tools, error), {
        kind: "lease",
        lease,
      }));
    const why = signal.aborted ? reasonOf(stop.reason) : `the work failed: ${reasonOf(error)}`;
    const released = { type: "bead-released", goal, bead: lease.bead, token: lease.token, why } as const;
    if (signal.aborted) await record(tools, [released], { kind: "lease", lease });
    else {
      // The first error is the one to tell; a store that is lost too has nothing to add.
      await record(tools, [released], { kind: "lease", lease }).catch(() => undefined);
      throw error;
    }
  }
}

/** The bead is parked, and a call that was cut counts as paid. */
async function whenTimeIsOver(
  goal: GoalId,
  lease: Lease,
  tools: Tools,
  error: unknown,
): Promise<readonly NewEvent[]> {
  const attempt = present(await tools.store.view.attempt(lease.attempt), "the attempt of a claim exists");
  const best = attempt.trail.findLast((entry) => entry.kind === "revised")?.revision;
  const reason = timeReason(
    await meansOf(lease.bead, goal, tools),
    error instanceof StoodInLine ? error.stood : undefined,
  );
  return [
    ...(attempt.open === undefined ? [] : [lostCall(attempt, attempt.open)]),
    parked(lease, goal, { cause: "budget", reason, best }),
  ];
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function turns(
  id: GoalId,
  lease: Lease,
  tools: Tools,
  hands: { readonly signal: AbortSignal; readonly append: Scene["append"] },
): Promise<void> {
  let site: Site | undefined;
  let shared: readonly string[] | undefined;
  const noted: Noted = new Set();
  using speculation = new Speculation();
  for (let turn = 0; turn < turnsMax; turn++) {
    hands.signal.throwIfAborted();
    const goal = present(await tools.store.view.goal(id), "the goal of a claim exists");
    const bead = present(await tools.store.view.bead(lease.bead), "the bead of a claim exists");
    const attempt = present(await tools.store.view.attempt(lease.attempt), "the attempt of a claim exists");
    if (site === undefined) {
      const opened = await openSite(goal, tools, hands.signal);
      if (opened.kind === "failed")
        return hands.append(parked(lease, id, { cause: "input", reason: opened.why, best: undefined }));
      site = opened.site;
    }
    const base = attempt.base ?? groundOf(goal);
    const ground = attempt.start ?? base;
    shared ??= await sharedBy(goal, bead, attempt, site.repository);
    const scene: Scene = {
      ...{ goal: withLeave(goal, shared), bead, attempt: undisturbed(attempt), base, ground, shared },
      ...{ site, lease, tools, speculation, ...hands },
    };
    if (attempt.open !== undefined) {
      await scene.append(lostCall(attempt, attempt.open));
      continue;
    }
    // What is left may want another contract before what stands is tried.
    const again = (await plansAgain(scene)) ? turnMove(attempt.trail, planTurn, tools.policy) : undefined;
    if (again !== undefined) {
      if ((await perform(scene, again)) === "over") return;
      continue;
    }
    if (attempt.start !== undefined && withoutTurn(attempt.trail, planTurn).length === 0) {
      await tryStart(scene, attempt.start);
      continue;
    }
    const last = attempt.trail.at(-1);
    if (last?.kind === "revised" && last.step !== "join") await probe(scene, last.commit, noted);
    if ((await step(scene)) === "over") return;
  }
  await hands.append(
    parked(lease, id, { cause: "work", reason: `${turnsMax} turns without an end`, best: undefined }),
  );
}

/** What was seen of others' work changes no move: who asks next is told of it. */
function undisturbed(attempt: Attempt): Attempt {
  return { ...attempt, trail: attempt.trail.filter(({ kind }) => kind !== "clash") };
}

/** The test-writer's turn where nobody gave a check, the planner's where a tree was asked for; else, and when those came to nothing, the work. */
async function step(scene: Scene): Promise<"over" | "goes-on"> {
  const testing = await testingMove(scene);
  if (testing !== undefined) return perform(scene, testing);
  const { attempt, tools } = scene;
  const planned = without(scene, attempt.trail, testTurn);
  if (splitsFirst(planned)) return splitAsGiven(planned);
  const planning = plansFirst(planned) ? turnMove(planned.attempt.trail, planTurn, tools.policy) : undefined;
  if (planning !== undefined) return perform(planned, planning);
  const worked = without(planned, planned.attempt.trail, planTurn);
  return perform(worked, next(worked.attempt.trail, tools.policy));
}

/** What comes after a turn does not see what it left in the trail. */
function without(scene: Scene, trail: Scene["attempt"]["trail"], turn: Turn): Scene {
  return { ...scene, attempt: { ...scene.attempt, trail: withoutTurn(trail, turn) } };
}

async function perform(scene: Scene, move: Move): Promise<"over" | "goes-on"> {
  const { lease, goal } = scene;
  switch (move.kind) {
    case "ask":
      return ask(scene, move);
    case "take":
      return take(scene, move);
    case "revert":
      await scene.append({
        type: "revision-reverted",
        goal: goal.id,
        bead: lease.bead,
        attempt: lease.attempt,
        from: move.revision,
        to: move.to ?? scene.ground,
        why: move.why,
      });
      return "goes-on";
    case "prove":
      return prove(scene, move.revision);
    case "accepted":
      return askAgain(scene);
    case "park":
      await scene.append(parked(lease, goal.id, { cause: move.cause, reason: move.why, best: move.best }));
      return "over";
    default:
      return unreachable(move);
  }
}

function take(scene: Scene, move: Extract<Move, { kind: "take" }>): Promise<"over" | "goes-on"> {
  switch (move.step) {
    case "tests":
      return takeTests(scene, move);
    case "plan":
      return takePlan(scene, move);
    default:
      return takeAnswer(scene, move);
  }
}
