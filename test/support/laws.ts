/**
 * What must hold after every event, looked at from outside: a store that is watched. The laws keep their own books (who
 * holds what, what was paid, what was accepted) and believe neither the ledger nor the workers.
 */
import { isDeepStrictEqual } from "node:util";
import { type Bead, type BeadStateKind, isHeld, isSettledKind } from "../../src/domain/bead.ts";
import { overrun } from "../../src/domain/budget.ts";
import type { Event, EventType } from "../../src/domain/event.ts";
import { type Goal, groundOf } from "../../src/domain/goal.ts";
import { type BeadId, type CallId, type Commit, type GoalId, goalOf } from "../../src/domain/id.ts";
import { emptyWorld, fold, touches } from "../../src/domain/state.ts";
import type { Clock } from "../../src/kit/clock.ts";
import type { Guard, NewEvent, Store } from "../../src/ports/store.ts";
import { endOf } from "../../src/work/keepalive.ts";

/** Everything that only the holder of a bead may say. */
const workerEvents: ReadonlySet<EventType> = new Set([
  "bead-released",
  "bead-waiting",
  "bead-held-back",
  "call-reserved",
  "call-settled",
  "answer-rejected",
  "files-asked",
  "edits-left-out",
  "tests-written",
  "revision-recorded",
  "revision-reverted",
  "conflict-seen",
  "proof-started",
  "proof-ended",
  "bead-parked",
  "bead-needs-answer",
]);

/** What takes time and is bounded by the goal's minutes. */
const fruits: ReadonlySet<EventType> = new Set([
  "base-surveyed",
  "call-reserved",
  "revision-recorded",
  "proof-ended",
]);

/** What may still be said of a goal that has ended. */
const afterlife: ReadonlySet<EventType> = new Set([
  ...(["goal-resumed", "bead-ready", "bead-resumed", "bead-blocked", "head-lost"] as const),
  "tests-rewritten",
]);

/** Tokens by which what is reserved for the frames of messages may differ between two questions. */
const framesMax = 40;

/** What a question of the simulation takes at most, with the shortest answer that is asked for. */
const questionTokensMax = 4_000;

/** Claims of this name come from outside: no owner of the store would make them. */
export const stranger = "rival@";

/** What a simulated model may say, and nothing may write down. */
export const secret = "sk-simulated-0123456789abcdef";

export interface Laws {
  /** The same store; every change to it is judged. */
  readonly store: Store;
  /** Laws that were broken, in the order of breaking. */
  readonly broken: string[];
  /** The list of events, one line each. */
  readonly story: string[];
  /** A branch is about to move. */
  delivering(goal: GoalId, commit: Commit): void;
  /** A model has been paid. */
  paid(goal: GoalId, tokens: number): void;
  /** Somebody interferes: from now on not all that should follow at once does. */
  disturbed(): void;
  /** The machine slept: from now on timers may ring late. */
  slept(): void;
  /** Somebody's claim on the bead still stands. */
  isHeldNow(bead: BeadId): boolean;
  /** A run of Rigs is about to end, with no call out. */
  atRest(): Promise<void>;
}

interface Claim {
  readonly token: number;
  readonly until: number;
}

/** What the laws know of commits without the system's help. */
export interface Truth {
  /** Whether the commit really does what the bead, or where it is the whole the goal, asks. */
  isDone(goal: Goal, bead: Bead, commit: Commit): boolean;
  /** Whether the commit has every test that was written for the goal as it was written; true where none was. */
  isFrozen(goal: Goal, commit: Commit): boolean;
  /** Whether both commits have the same files. */
  isSame(one: Commit, other: Commit): boolean;
  /** Whether the commit is the other one, or stands on it with nothing between but, where the goal keeps them, revisions. */
  standsOn(goal: Goal, commit: Commit, other: Commit): boolean;
  parentOf(commit: Commit): Commit | undefined;
  /** Whether everything that a commit did to its parent is still so in another one. */
  isKept(commit: Commit, by: Commit): boolean;
  /** Whether no file of a commit holds a conflict marker. */
  isUnmarked(commit: Commit): boolean;
}

export function lawful(store: Store, clock: Clock, truth: Truth): Laws {
  const broken: string[] = [];
  const story: string[] = [];
  const world = emptyWorld();
  const held = new Map<BeadId, Claim>();
  /** Claims up to this token of a bead are over: the log may tell so before the answer to the claim is here. */
  const over = new Map<BeadId, number>();
  /** Beads that somebody from outside took once: they may lose them when their goal has ended. */
  const taken = new Set<BeadId>();
  /** What each bead asks now. */
  const questions = new Map<BeadId, string>();
  const accepted = new Map<BeadId, Commit>();
  const integrated = new Map<BeadId, Commit>();
  /** Goals whose tests a model wrote, and those where something was revised. */
  const written = new Map<GoalId, Commit>();
  const revised = new Set<GoalId>();
  const delivered = new Map<GoalId, Set<Commit>>();
  const handedOver = new Set<GoalId>();
  const paidTokens = new Map<GoalId, number>();
  const reserved = new Map<
    CallId,
    { readonly model: string; readonly tokens: number; readonly isWarned: boolean }
  >();
  const surprises = new Set<string>();
  const surpluses = new Map<GoalId, readonly number[]>();
  /** Tokens that calls took beyond their reservations since the newest one was made. */
  const beyondSince = new Map<GoalId, number>();
  const clashes = new Set<string>();
  let hasSlept = false;
  let isDisturbed = false;
  let newestAt = 0;
  let seen = 0;
  let looking = Promise.resolve();

  const law = (holds: boolean, sentence: string) => {
    if (!holds && broken.length < 20) broken.push(`${sentence} (after event ${seen})`);
  };

  /** Judges whatever the log has gained; one look at a time. */
  function look(): Promise<void> {
    looking = looking.then(lookOnce);
    return looking;
  }

  async function lookOnce(): Promise<void> {
    for (;;) {
      const page = await store.log.read(seen + 1, 100);
      if (page.length === 0) return;
      for (const { sequence, event } of page) {
        law(sequence === seen + 1, "sequences have no gap");
        const before = world.goals.get(event.goal);
        if (event.at > newestAt && !isDisturbed) judgeHeldBack();
        newestAt = event.at;
        seen = sequence;
        story.push(line(sequence, event));
        try {
          fold(world, event);
        } catch (error) {
          law(false, `the log folds: ${(error as Error).message}`);
        }
        judgeEvent(event, before);
      }
      for (const { event } of page) await judgeState(event);
    }
  }

  function judgeEvent(event: Event, before: Goal | undefined): void {
    if (before?.end !== undefined) {
      const isLost = event.type === "bead-released" && taken.has(event.bead);
      // The rival looks and takes in two steps; whoever works here does both in one loop.
      const isRivals = event.type === "bead-claimed" && event.by.startsWith(stranger);
      law(
        isLost || isRivals || afterlife.has(event.type),
        `nothing happens to an ended goal, but ${event.type} did`,
      );
    }
    const end = before === undefined || hasSlept ? undefined : endOf(before);
    if (end !== undefined && fruits.has(event.type))
      law(event.at <= end, `nothing goes on after the goal's minutes, but ${event.type} did`);
    switch (event.type) {
      case "bead-released":
      case "bead-waiting":
      case "bead-held-back":
      case "bead-parked":
      case "bead-needs-answer":
      case "bead-cancelled":
      case "bead-split":
        letGo(event.bead);
        questions.delete(event.bead);
        if (event.type === "bead-parked") judgePark(event);
        if (event.type === "bead-needs-answer") questions.set(event.bead, event.question);
        return;
      case "proof-ended":
        if (!event.isAccepted) return;
        letGo(event.bead);
        accepted.set(event.bead, event.commit);
        if (event.proof.verdict !== "proven") return;
        law(before !== undefined && isDone(before, event.bead, event.commit), "what is proven is true");
        if (before?.order.acceptance !== "model" || !isWhole(event.bead)) return;
        law(before.tests !== undefined, "no goal without a check is proven without tests");
        law(event.proof.acceptance === "model", "a proof says whose tests it stands on");
        return;
      case "tests-written":
        law(before?.tests === undefined && !written.has(event.goal), "tests are written once");
        law(!revised.has(event.goal), "tests are written before any work");
        law(
          before !== undefined && truth.parentOf(event.commit) === before.order.base,
          "tests are written on the order's base",
        );
        written.set(event.goal, event.commit);
        return;
      case "tests-rewritten": {
        const first = written.get(event.goal);
        law(first !== undefined && truth.isSame(first, event.commit), "lost tests come back as they were");
        return;
      }
      case "revision-recorded":
        revised.add(event.goal);
        judgeFrozen(before, event.commit);
        return;
      case "head-lost":
        for (const bead of [...integrated.keys()]) if (goalOf(bead) === event.goal) integrated.delete(bead);
        return;
      case "bead-claimed":
        judgeClaim(event, before);
        if (event.by.startsWith(stranger)) taken.add(event.bead);
        return;
      case "bead-consented": {
        accepted.set(event.bead, event.commit);
        const state = world.beads.get(event.bead)?.state;
        law(questions.get(event.bead) === event.question, "only the question that stands is answered");
        if (before !== undefined && state?.kind === "proven" && state.verdict === "proven")
          law(isDone(before, event.bead, event.commit), "what is proven is true");
        return;
      }
      case "bead-integrated":
        judgeIntegration(event, before);
        return;
      case "call-reserved": {
        const isWarned = surprises.has(`${event.goal} ${event.model}`);
        reserved.set(event.call, { model: event.model, tokens: event.estimate.tokens, isWarned });
        beyondSince.set(event.goal, 0);
        const { budget, ...spent } = present(world.goals.get(event.goal));
        const tokens = spent.tokens + spent.reserved;
        law(budget.tokensMax === undefined || tokens <= budget.tokensMax, "no call passes the token budget");
        law(
          budget.usdMax === undefined || spent.usd <= budget.usdMax + 1e-9,
          "no call passes the USD budget",
        );
        return;
      }
      case "call-settled": {
        const call = reserved.get(event.call);
        reserved.delete(event.call);
        const beyond = event.usage.input + event.usage.output - (call?.tokens ?? 0);
        beyondSince.set(event.goal, (beyondSince.get(event.goal) ?? 0) + Math.max(0, beyond));
        judgeSpend(event.goal);
        if (beyond <= 0 || call === undefined) return;
        const name = `${event.goal} ${call.model}`;
        // Every server of a simulation that does not heed its bound passes it by the same amount.
        // A question of fewer messages reserves a few tokens less for their frames than the one that surprised.
        law(
          !call.isWarned || beyond <= framesMax,
          "a model goes past a reservation by the same amount once in a goal",
        );
        surprises.add(name);
        surpluses.set(event.goal, [...(surpluses.get(event.goal) ?? []), beyond]);
        return;
      }
      case "conflict-seen": {
        const pair = [event.bead, event.with].sort().join(" ");
        const key = `${pair}: ${[...event.paths].sort().join(" ")}`;
        law(!clashes.has(key), "two beads are told of one set of paths once");
        clashes.add(key);
        return;
      }
      case "goal-ended":
        judgeEnd(event);
        return;
      default:
        return;
    }
  }

  function isDone(goal: Goal, id: BeadId, commit: Commit): boolean {
    const bead = world.beads.get(id);
    return bead !== undefined && truth.isDone(goal, bead, commit);
  }

  function isWhole(bead: BeadId): boolean {
    return world.beads.get(bead)?.parent === undefined;
  }

  function judgeFrozen(goal: Goal | undefined, commit: Commit): void {
    law(goal !== undefined && truth.isFrozen(goal, commit), "the tests of a model stay as they were written");
  }

  function letGo(bead: BeadId): void {
    held.delete(bead);
    over.set(bead, world.beads.get(bead)?.token ?? 0);
  }

  function isStanding({ bead, token }: { readonly bead: BeadId; readonly token: number }): boolean {
    return token > (over.get(bead) ?? 0);
  }

  /** Before any time passes: no timer had to tell. */
  function judgeHeldBack(): void {
    for (const { goal: id, state } of world.beads.values()) {
      const goal = world.goals.get(id);
      if (state.kind !== "waiting" || !("needs" in state) || goal === undefined || goal.end !== undefined)
        continue;
      const full = overrun(goal.order.budget, goal.spend, { estimate: state.needs, elapsedMs: 0 });
      law(full !== undefined, "what was held back goes on as soon as there is room");
      law(goal.spend.reservedTokens > 0, "nothing is held back for calls that nobody makes");
    }
  }

  /** With the newest reservation everything fitted: only calls that were out then, and took more than was theirs, go past it. */
  function judgeSpend(id: GoalId): void {
    const { budget, tokens, reserved } = present(world.goals.get(id));
    law(
      budget.tokensMax === undefined || tokens + reserved <= budget.tokensMax + (beyondSince.get(id) ?? 0),
      "only calls of one moment ever go past the budget",
    );
  }

  /** What others have reserved is no reason to stop: it may come back. */
  function judgePark({ goal, cause, reason }: Extract<Event, { type: "bead-parked" }>): void {
    const { order, spend } = present(world.goals.get(goal)).goal;
    const { tokensMax } = order.budget;
    if (cause !== "budget" || tokensMax === undefined || !/could bring it to \d+ tokens/.test(reason)) return;
    const surplus = (surpluses.get(goal) ?? []).reduce((sum, each) => sum + each, 0);
    const left = tokensMax - spend.inputTokens - spend.outputTokens;
    law(left < questionTokensMax + surplus, "nobody stops over tokens that other calls may give back");
  }

  function judgeClaim(
    { bead, goal }: Extract<Event, { type: "bead-claimed" }>,
    before: Goal | undefined,
  ): void {
    const beads = [...world.beads.values()].filter((each) => each.goal === goal);
    const held = beads.filter(
      ({ state }) => isHeld(state) && !("by" in state && state.by.startsWith(stranger)),
    );
    law(held.length <= (before?.order.workersMax ?? 0), "no more beads are claimed than the order allows");
    const parts = beads.filter(({ parent }) => parent === bead);
    // Where a stranger held it while its goal was resumed, it could not be told to wait for its parts again.
    law(
      taken.has(bead) || parts.every(({ state }) => isSettledKind(state.kind)),
      "a parent has its turn when its parts are settled",
    );
    const needs = world.beads.get(bead)?.dependsOn ?? [];
    law(
      needs.every((id) => world.beads.get(id)?.state.kind === "integrated"),
      "a bead is worked on when what it needs is integrated",
    );
  }

  /** Each on the head that was there, proven there, with nothing lost of what it and the others brought. */
  function judgeIntegration(
    { bead, goal, commit }: Extract<Event, { type: "bead-integrated" }>,
    before: Goal | undefined,
  ): void {
    if (before === undefined) return;
    const head = before.head ?? groundOf(before);
    law(!integrated.has(bead), "a bead is integrated once");
    const own = accepted.get(bead);
    law(own !== undefined && truth.isKept(own, commit), "what is integrated is what was accepted");
    law(isDone(before, bead, commit), "what is integrated does what its bead asks");
    law(truth.standsOn(before, commit, head), "what is integrated stands on the head");
    judgeFrozen(before, commit);
    law(truth.isUnmarked(commit), "no conflict marker is integrated");
    for (const [other, theirs] of integrated) {
      if (goalOf(other) !== goal) continue;
      law(truth.isKept(theirs, commit), "what is integrated stays integrated");
      law(isDone(before, other, commit), "both sides' tests hold where two lines of work have met");
    }
    if (own === commit) {
      const attempt = [...world.attempts.values()].findLast((each) => each.bead === bead);
      const stands = world.beads.get(bead)?.isParent === true ? attempt?.start : attempt?.base;
      law((stands ?? groundOf(before)) === head, "what lands unmoved was proven on this head");
    }
    integrated.set(bead, commit);
  }

  function judgeEnd({ goal, end }: Extract<Event, { type: "goal-ended" }>): void {
    for (const { goal: of, state } of world.beads.values()) {
      const isStranger = "by" in state && state.by.startsWith(stranger);
      if (of === goal) law(!isHeld(state) || isStranger, "an ended goal has no bead in anybody's hands");
    }
    for (const attempt of world.attempts.values())
      if (attempt.goal === goal) law(attempt.open === undefined, "an ended goal has no call out");
    if (end.outcome !== "delivered" && end.outcome !== "partial") return;
    law(!handedOver.has(goal), "a goal is handed over once");
    if (end.outcome === "delivered") handedOver.add(goal);
    for (const [bead, commit] of integrated)
      if (goalOf(bead) === goal)
        law(end.commit !== undefined && truth.isKept(commit, end.commit), "no integrated commit is lost");
    law(end.commit !== undefined && delivered.get(goal)?.has(end.commit) === true, "what ends delivered was");
    law([...integrated.values()].includes(end.commit as Commit), "what is delivered was integrated");
    if (end.outcome === "delivered") law(end.proof?.verdict === "proven", "delivered means proven");
  }

  /** The rows that the event touched, against the fold of the whole log. */
  async function judgeState(event: Event): Promise<void> {
    const { goal, bead, attempt } = touches(event);
    const found = {
      goal: await store.view.goal(goal),
      bead: bead === undefined ? undefined : await store.view.bead(bead),
      attempt: attempt === undefined ? undefined : await store.view.attempt(attempt),
    };
    // Something happened while this looked: the next look sees it.
    const version = (await store.view.goal(goal))?.version;
    if (found.goal?.version !== version || version !== world.goals.get(goal)?.version) return;
    const folded = {
      goal: world.goals.get(goal),
      bead: bead === undefined ? undefined : world.beads.get(bead),
      attempt: attempt === undefined ? undefined : world.attempts.get(attempt),
    };
    law(isDeepStrictEqual(found, folded), "the stored goal, bead and attempt are the fold of the log");
    judgeCounts(present(world.goals.get(goal)).goal);
  }

  function judgeCounts(goal: Goal): void {
    const counts: Record<string, number> = {};
    for (const bead of world.beads.values())
      if (bead.goal === goal.id) counts[bead.state.kind] = (counts[bead.state.kind] ?? 0) + 1;
    law(isDeepStrictEqual({ ...goal.beads }, counts), "the counts of beads are the counts of beads");
    let reserved = 0;
    for (const attempt of world.attempts.values())
      if (attempt.goal === goal.id) reserved += attempt.open?.estimate.tokens ?? 0;
    law(goal.spend.reservedTokens === reserved, "what is reserved is what the calls that are out may cost");
  }

  function judgeWriter(
    events: readonly NewEvent[],
    guard: Guard,
    { kinds, at }: { readonly kinds: ReadonlyMap<BeadId, BeadStateKind>; readonly at: number },
  ): void {
    const isEnding = events.some((event) => event.type === "goal-ended");
    for (const event of events) {
      if (!workerEvents.has(event.type) || !("bead" in event)) continue;
      const kind = kinds.get(event.bead);
      // A call that was cut with its worker is counted by whoever ends the goal, or begins the bead anew.
      const isLost = event.type === "call-settled" && event.settled.kind === "lost";
      if (isLost && (isEnding || (kind !== "claimed" && kind !== "proving"))) continue;
      // What is in the foreman's hands it may give up: what waits for others, and what does not fit.
      if (event.type === "bead-parked" && (kind === "blocked" || kind === "integrating")) continue;
      // A person's no, which nobody who works can say.
      if (event.type === "bead-parked" && event.reason.startsWith("you said no to: ")) continue;
      const claim = held.get(event.bead);
      const isFenced =
        (guard.kind === "lease" || guard.kind === "spending" || guard.kind === "looked") &&
        guard.lease.bead === event.bead;
      law(
        isFenced && claim?.token === guard.lease.token && at < claim.until,
        `only the holder of a bead says ${event.type}`,
      );
    }
  }

  const watched: Store = {
    ...store,
    log: {
      ...store.log,
      async append(events, guard) {
        // The machine may sleep between the append and its answer: what counts is when it was made.
        const at = clock.now();
        const claims = new Map(held);
        const kinds = new Map([...world.beads.values()].map(({ id, state }) => [id, state.kind]));
        const appended = await store.log.append(events, guard);
        if (appended.kind === "appended") {
          const now = new Map(held);
          for (const [bead, claim] of claims) held.set(bead, claim);
          judgeWriter(events, guard, { kinds, at });
          for (const bead of claims.keys()) if (!now.has(bead)) held.delete(bead);
        }
        await look();
        return appended;
      },
    },
    blobs: {
      ...store.blobs,
      async put(bytes) {
        law(!new TextDecoder().decode(bytes).includes(secret), "no secret is kept");
        return store.blobs.put(bytes);
      },
    },
    leases: {
      async claim(ask) {
        const lease = await store.leases.claim(ask);
        // First what happened before it, and since.
        await look();
        if (lease !== undefined && isStanding(lease)) {
          law(!held.has(lease.bead), "a bead is in one hand at a time");
          held.set(lease.bead, { token: lease.token, until: lease.until });
        }
        return lease;
      },
      async renew(lease, leaseMs) {
        const at = clock.now();
        const renewed = await store.leases.renew(lease, leaseMs);
        const claim = held.get(lease.bead);
        if (renewed === "renewed" && isStanding(lease)) {
          law(claim?.token === lease.token && at < claim.until, "a lost lease never comes back");
          held.set(lease.bead, { token: lease.token, until: at + leaseMs });
        }
        return renewed;
      },
      async reap(who) {
        const at = clock.now();
        const beads = await store.leases.reap(who);
        for (const bead of beads) {
          const claim = held.get(bead);
          law(who === "everyone" || (claim?.until ?? 0) <= at, "only what ran out is reaped");
        }
        await look();
        return beads;
      },
    },
  };

  return {
    store: watched,
    broken,
    story,
    delivering(goal, commit) {
      const beads = [...world.beads.values()].filter((bead) => bead.goal === goal);
      law(
        beads.some(({ state }) => state.kind === "integrated" && state.commit === commit),
        "only what is integrated is delivered",
      );
      const commits = delivered.get(goal) ?? new Set();
      law(
        [...commits].every((each) => truth.isKept(each, commit)),
        "what is delivered again has what was delivered before",
      );
      delivered.set(goal, commits.add(commit));
    },
    paid(goal, tokens) {
      paidTokens.set(goal, (paidTokens.get(goal) ?? 0) + tokens);
    },
    slept() {
      hasSlept = true;
    },
    disturbed() {
      isDisturbed = true;
    },
    isHeldNow: (bead) => clock.now() < (held.get(bead)?.until ?? 0),
    async atRest() {
      await look();
      for (const [goal, tokens] of paidTokens) {
        const { spend } = present(world.goals.get(goal)).goal;
        const counted = spend.inputTokens + spend.outputTokens;
        law(counted >= tokens, `what was paid is counted: ${tokens} paid, ${counted} counted`);
      }
      for (const fault of await store.audit()) law(false, `the audit finds nothing: ${fault}`);
    },
  };

  function present(goal: Goal | undefined) {
    if (goal === undefined) throw new Error("the goal of an event is known");
    const { spend, order } = goal;
    return {
      goal,
      budget: order.budget,
      tokens: spend.inputTokens + spend.outputTokens,
      reserved: spend.reservedTokens,
      usd: spend.usd + spend.reservedUsd,
    };
  }
}

function line(sequence: number, event: Event): string {
  const { at, type, goal, ...rest } = event;
  const said = JSON.stringify(rest, (_, value: unknown) =>
    typeof value === "string" && value.length > 60 ? `${value.slice(0, 12)}…` : value,
  );
  return `${String(sequence).padStart(4)} ${at} ${type} ${goal} ${said.slice(0, 300)}`;
}
