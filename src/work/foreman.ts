/**
 * The orchestration loop. Decide, then do.
 *
 * 1. Every decision is `decide(look)`: the loop holds no state of its own but which decisions are being performed.
 * 2. What is performed may be cut anywhere: each step ends in one guarded append, and is decided again after a crash.
 * 3. Waiting is one timer at the earliest wake-up, or the doorbell; never polling.
 * 4. Only goals that were asked for are worked on: an open goal of yesterday spends nothing until it is resumed.
 */

import type { Bead } from "../domain/bead.ts";
import { outOfBudget, timeIsOver } from "../domain/budget.ts";
import { type Decision, decide, ended } from "../domain/decision.ts";
import type { Goal, GoalEnd } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import { present, unreachable } from "../kit/assert.ts";
import { Doorbell } from "../kit/doorbell.ts";
import type { NewEvent } from "../ports/store.ts";
import { deliver } from "./delivery.ts";
import { endCancelled, endFailed, endOf } from "./ending.ts";
import { integrate } from "./integration.ts";
import { Interrupted } from "./interrupted.ts";
import { TimeOver, untilEnd } from "./keepalive.ts";
import { work } from "./polecat.ts";
import { record } from "./record.ts";
import { firstBeads } from "./splitting.ts";
import { survey } from "./survey.ts";
import type { Sight, Tools } from "./tools.ts";

export interface Foreman {
  /** Takes a goal on; resolves with its end. Rejects with `signal.reason` when the foreman is stopped before. */
  run(goal: GoalId): Promise<GoalEnd>;
  /** Looks again now: something was appended from outside (a cancellation, an answer). */
  ring(): void;
  /** Stops cleanly: polecats give their beads back, nothing new starts. Resolves when all is at rest. */
  stop(): Promise<void>;
}

interface Job {
  readonly goal: GoalId;
  readonly ended: PromiseWithResolvers<GoalEnd>;
  /** Aborts what is being done for this goal only. */
  readonly cancel: AbortController;
  /** Decisions being performed, by a name that is the same for the same decision. */
  readonly running: Map<string, Promise<void>>;
}

/** What the loop and its parts share. */
interface Post {
  readonly tools: Tools;
  readonly workersMax: number;
  readonly jobs: Map<GoalId, Job>;
  readonly bell: Doorbell;
  readonly stop: AbortController;
  /** Claims ever started, to tell them apart. */
  claims: number;
}

/** Starts the loop. `workersMax` bounds polecats over all goals; the owner of the store calls `reap` before. */
export function startForeman(tools: Tools, workersMax: number): Foreman {
  const bell = new Doorbell();
  const watch = (sight: Sight) => {
    tools.watch(sight);
    // It may leave room in the budget for a bead that was held back.
    if (sight.kind === "recorded" && sight.recorded.event.type === "call-settled") bell.ring();
  };
  const post: Post = {
    // No copy: what is behind the tools changes, the secrets of a guest's goal come later.
    tools: Object.create(tools, { watch: { value: watch } }) as Tools,
    workersMax,
    jobs: new Map(),
    bell,
    stop: new AbortController(),
    claims: 0,
  };
  const loop = turn(post);
  return {
    run(goal) {
      const known = post.jobs.get(goal);
      if (known !== undefined) return known.ended.promise;
      const job: Job = {
        goal,
        ended: Promise.withResolvers(),
        cancel: new AbortController(),
        running: new Map(),
      };
      post.jobs.set(goal, job);
      post.bell.ring();
      return job.ended.promise;
    },
    ring: () => post.bell.ring(),
    async stop() {
      const reason = new Interrupted();
      post.stop.abort(reason);
      await loop;
      for (const job of post.jobs.values()) {
        await Promise.allSettled(job.running.values());
        job.ended.reject(reason);
      }
      post.jobs.clear();
    },
  };
}

async function turn(post: Post): Promise<void> {
  while (!post.stop.signal.aborted) {
    let until: number | undefined;
    for (const job of [...post.jobs.values()]) {
      const wake = await look(post, job).catch((error: unknown) => fail(post, job, error));
      if (wake !== undefined) until = Math.min(until ?? wake, wake);
    }
    await post.bell.wait(until, post.tools.clock, post.stop.signal).catch(() => undefined);
  }
}

/** Starts what has been decided for one goal; gives the moment at which to look again without being rung. */
async function look(post: Post, job: Job): Promise<number | undefined> {
  const { tools } = post;
  const goal = present(await tools.store.view.goal(job.goal), `goal ${job.goal} exists`);
  if (goal.end !== undefined) {
    if (job.running.size > 0) return undefined;
    post.jobs.delete(job.goal);
    job.ended.resolve(goal.end);
    return undefined;
  }
  let until = await freeTheForgotten(post, job, goal);
  const beads = await beadsToLookAt(goal, tools);
  // It failed or was cancelled while this looked: whoever ends it waits for what runs, so nothing new may start.
  if (job.cancel.signal.aborted) return undefined;
  for (const decision of decide({ goal, beads, now: tools.clock.now() })) {
    if (decision.kind === "wait") until = Math.min(until ?? decision.until, decision.until);
    else
      for (const name of namesOf(post, decision, Math.max(0, goal.order.workersMax - claimsOf(job))))
        start(post, job, name, () => perform(post, goal, decision, job));
  }
  return until;
}

/**
 * Beads in hands that are not this process's: a worker that lost its lease (the machine slept) left its bead claimed.
 * Frees those whose lease ran out; for the others gives the moment by which it has.
 */
async function freeTheForgotten({ tools, bell }: Post, job: Job, goal: Goal): Promise<number | undefined> {
  const held = (goal.beads.claimed ?? 0) + (goal.beads.proving ?? 0);
  if (held <= claimsOf(job)) return undefined;
  const freed = await tools.store.leases.reap("expired");
  if (freed.length === 0) return tools.clock.now() + tools.leaseMs;
  bell.ring();
  return undefined;
}

async function beadsToLookAt(goal: Goal, tools: Tools): Promise<readonly Bead[]> {
  const kinds = [
    ...(["proven", "integrating", "waiting", "integrated", "needs-answer", "parked"] as const),
    ...(["blocked", "split", "cancelled"] as const),
    // A parent waits for all its children, also for those in somebody's hands.
    ...((goal.beads.split ?? 0) > 0 ? (["ready", "claimed", "proving"] as const) : []),
  ];
  const found: Bead[] = [];
  for (const state of kinds)
    if ((goal.beads[state] ?? 0) > 0)
      found.push(...(await tools.store.view.beads({ goal: goal.id, state, countMax: 200 })));
  return found;
}

type Act = Exclude<Decision, { readonly kind: "wait" }>;

/**
 * One name a performance, the same for the same decision: there is one integration at a time. Claims are as many as
 * there are free workers, here and in the goal: a claim that is being made is not seen in its state yet.
 */
function namesOf(post: Post, decision: Act, freeInGoal: number): readonly string[] {
  switch (decision.kind) {
    case "claim":
      return Array.from(
        { length: Math.min(decision.count, freeWorkers(post), freeInGoal) },
        () => `claim ${++post.claims}`,
      );
    case "wake":
    case "unblock":
    case "give-up":
    case "join":
      return [`${decision.kind} ${decision.bead}`];
    default:
      return [decision.kind];
  }
}

function freeWorkers({ jobs, workersMax }: Post): number {
  const running = [...jobs.values()].reduce((sum, job) => sum + claimsOf(job), 0);
  return Math.max(0, workersMax - running);
}

function claimsOf({ running }: Job): number {
  return [...running.keys()].filter((name) => name.startsWith("claim")).length;
}

function start(post: Post, job: Job, name: string, act: () => Promise<void>): void {
  if (job.running.has(name)) return;
  const done = act()
    .catch((error: unknown) => fail(post, job, error, name))
    .finally(() => {
      job.running.delete(name);
      post.bell.ring();
    });
  job.running.set(name, done);
}

/**
 * A bug, a lost verifier or a lost store. The end is recorded where that is still possible, so that nobody who follows
 * the goal from elsewhere waits for ever; it can be resumed. Whoever asked here learns the error itself.
 */
async function fail(post: Post, job: Job, error: unknown, performance?: string): Promise<undefined> {
  const isStopped = job.cancel.signal.aborted && performance !== "cancel";
  if (post.stop.signal.aborted || isStopped) return undefined;
  job.cancel.abort(error);
  post.jobs.delete(job.goal);
  const others = [...job.running].filter(([name]) => name !== performance);
  await Promise.allSettled(others.map(([, done]) => done));
  const end = endOf(error);
  await endFailed(job.goal, end, post.tools).catch(() => undefined);
  if (end.outcome === "cancelled") job.ended.resolve(end);
  else job.ended.reject(error);
  return undefined;
}

async function perform(post: Post, goal: Goal, decision: Act, job: Job): Promise<void> {
  const { tools } = post;
  const signal = AbortSignal.any([post.stop.signal, job.cancel.signal]);
  const unchanged = { kind: "unchanged", goal: goal.id, version: goal.version } as const;
  /** A refused guard is no failure: the loop looks again and decides anew. */
  const append = async (...events: NewEvent[]) => void (await record(tools, events, unchanged));
  switch (decision.kind) {
    case "survey":
      return inTime(goal, { tools, signal, append }, (bounded) => survey(goal, tools, bounded));
    case "create-bead":
      return inTime(goal, { tools, signal, append }, async (bounded) =>
        append(...(await firstBeads(goal, tools, bounded))),
      );
    case "unblock":
      return append({
        type: "bead-ready",
        goal: goal.id,
        bead: decision.bead,
        why: "what it needs is integrated",
      });
    case "join":
      return append({ type: "bead-ready", goal: goal.id, bead: decision.bead, why: "its parts are settled" });
    case "give-up":
      return append({
        ...{ type: "bead-parked", goal: goal.id, bead: decision.bead, cause: "work", best: undefined },
        reason: decision.why,
      });
    case "wake":
      return append({ type: "bead-ready", goal: goal.id, bead: decision.bead, why: "the wait is over" });
    case "claim": {
      const lease = await tools.store.leases.claim({
        by: tools.polecat,
        leaseMs: tools.leaseMs,
        goal: goal.id,
      });
      return lease === undefined ? undefined : work(goal.id, lease, tools, signal);
    }
    case "integrate":
      return integrate(goal, decision.beads, tools, signal);
    case "deliver":
      return deliver(goal, decision.bead, tools);
    case "cancel":
      return cancel(goal, job, tools);
    case "end":
      return append({ type: "goal-ended", goal: goal.id, end: decision.end });
    default:
      return unreachable(decision);
  }
}

/** Installing and the checks on base are bounded by the goal's minutes as all work is. */
async function inTime(
  goal: Goal,
  {
    tools,
    signal,
    append,
  }: {
    readonly tools: Tools;
    readonly signal: AbortSignal;
    readonly append: (event: NewEvent) => Promise<void>;
  },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await using time = untilEnd(goal, tools.clock);
  const bounded = AbortSignal.any([signal, time.over]);
  try {
    bounded.throwIfAborted();
    await work(bounded);
  } catch (error) {
    if (!(bounded.reason instanceof TimeOver)) throw error;
    const end = ended("out-of-budget", outOfBudget(timeIsOver(goal.order.budget), goal.id));
    await append({ type: "goal-ended", goal: goal.id, end });
  }
}

/** Stops every polecat of the goal first. */
async function cancel(goal: Goal, job: Job, tools: Tools): Promise<void> {
  job.cancel.abort(new Error("the goal was cancelled"));
  await Promise.allSettled([...job.running].filter(([name]) => name !== "cancel").map(([, done]) => done));
  await endCancelled(goal, tools);
}
