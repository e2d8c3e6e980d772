/**
 * The worker on one bead. What comes next is `next(trail)`; this file only performs it.
 *
 * 1. Every step ends in one append fenced by the lease: a polecat that lost its lease can change nothing.
 * 2. It keeps nothing in memory that the trail does not hold: killed anywhere, the next one goes on from the last entry.
 * 3. A call is reserved before it is made and settled after, also when it fails; a lost one is counted as paid.
 */
import type { Attempt } from "../domain/attempt.ts";
import type { ParkCause } from "../domain/bead.ts";
import { surplusAfter } from "../domain/budget.ts";
import { rankStepMs } from "../domain/fairness.ts";
import { groundOf } from "../domain/goal.ts";
import { type CallId, callId, type GoalId } from "../domain/id.ts";
import { type Affordable, affordable } from "../domain/level.ts";
import { type Move, next } from "../domain/move.ts";
import { planTurn } from "../domain/planning.ts";
import { atLeastSeen, atMostPossible, type Reply, type Usage } from "../domain/reply.ts";
import { findSecrets, withheldIn } from "../domain/secrets.ts";
import { testTurn } from "../domain/testing.ts";
import { type Turn, turnMove, withoutTurn } from "../domain/turn.ts";
import { present, unreachable } from "../kit/assert.ts";
import type { Model, Prompt } from "../ports/model.ts";
import type { Lease, NewEvent } from "../ports/store.ts";
import { type Means, meansOf, timeReason, tooLateReason } from "./affording.ts";
import type { Granted, Later } from "./capacity.ts";
import { type Able, ableModels, nobody, usdOf } from "./choice.ts";
import { endOf, keepAlive, LeaseLost, TimeOver, untilEnd } from "./keepalive.ts";
import { sharedBy, withLeave } from "./meeting.ts";
import type { Outcome } from "./outcome.ts";
import {
  composePlanQuestion,
  plansAgain,
  plansFirst,
  splitAsGiven,
  splitsFirst,
  takePlan,
} from "./planning.ts";
import { type Noted, probe } from "./probing.ts";
import { askAgain, prove } from "./proving.ts";
import { composeQuestion } from "./question.ts";
import { lostCall, record } from "./record.ts";
import { takeAnswer, tryStart } from "./revision.ts";
import { keep, parked, type Scene } from "./scene.ts";
import { Speculation } from "./speculation.ts";
import { openSite, type Site } from "./survey.ts";
import { composeTestsQuestion, takeTests, testingMove } from "./testing.ts";
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
      return void (await record(tools, await whenTimeIsOver(goal, lease, tools), { kind: "lease", lease }));
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
async function whenTimeIsOver(goal: GoalId, lease: Lease, tools: Tools): Promise<readonly NewEvent[]> {
  const attempt = present(await tools.store.view.attempt(lease.attempt), "the attempt of a claim exists");
  const best = attempt.trail.findLast((entry) => entry.kind === "revised")?.revision;
  const reason = timeReason(await meansOf(lease.bead, goal, tools));
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

function compose(scene: Scene, move: Ask, limits: Able) {
  switch (move.step) {
    case "tests":
      return composeTestsQuestion(scene, limits);
    case "plan":
      return composePlanQuestion(scene, limits);
    default:
      return composeQuestion(scene, move, limits);
  }
}

function roleOf({ step }: Ask): Prompt["role"] {
  return step === "tests" ? "test-writer" : step === "plan" ? "planner" : "coder";
}

const usualPriority = 2;

async function ask(scene: Scene, move: Ask): Promise<"over" | "goes-on"> {
  const { tools, goal, attempt, signal } = scene;
  const choice = await ableModels(scene);
  if (choice.kind === "none") return park(scene, "capacity", choice.why);
  const [first, ...others] = choice.models;
  const question = withheldIn(await compose(scene, move, first), tools.secrets);
  const inputTokens =
    tools.size(question.system) + question.messages.reduce((sum, each) => sum + tools.size(each.text) + 4, 0);
  const able = [first, ...others.filter(({ contextTokensMax }) => inputTokens <= contextTokensMax)];
  const means = await meansOf(scene.lease.bead, goal.id, tools);
  const fits: Fitting[] = [];
  for (const each of able) fits.push({ able: each, fit: await fitOf(scene, means, each, inputTokens) });
  const affordable = fits.flatMap(({ able: { model, source, stance }, fit }) =>
    fit.kind === "fits" ? { model, source, stance, fit } : [],
  );
  const verdict = present(fits[0], "somebody is able").fit;
  if (affordable.length === 0 && verdict.kind === "over") return park(scene, "budget", verdict.reason);
  if (affordable.length === 0 && verdict.kind === "later") return holdBack(scene, verdict);
  const kind = kindOf(move);
  const expected = affordable.map(({ model, fit }) =>
    tools.capacity.expected(model.provider, kind, fit.outputTokensMax),
  );
  const place = await tools.capacity.enter(
    {
      id: callId(attempt.id, attempt.calls + 1),
      // Beads are claimed in the order of the depot; calls that wait at one moment are of goals that are given alike.
      rank: tools.clock.now() - (scene.bead.priority - usualPriority) * rankStepMs,
      tenant: goal.id,
      candidates: affordable.map(({ model, source, stance, fit }, index) => ({
        provider: source,
        floor:
          stance === undefined
            ? 0
            : { ...stance, strategy: goal.order.strategy, priority: goal.order.priority },
        draft: {
          ...{ input: tools.capacity.inputOf(model.provider, inputTokens).reserved, cachedInput: 0 },
          ...{ output: expected[index]?.output ?? fit.outputTokensMax, outputMax: fit.outputTokensMax },
        },
      })),
      outputLikely: expected[0]?.likely ?? 0,
      series: attempt.id,
      end: endOf(goal, scene.bead),
    },
    signal,
    (why) => tools.watch({ kind: "queued", bead: scene.lease.bead, why }),
  );
  if (place.kind === "later") return wait(scene, place);
  if (place.kind === "never") return park(scene, "capacity", nobody([place.why]));
  let outcome: Outcome = { kind: "unmade" };
  try {
    const able = present(
      choice.models.find(({ source }) => source === place.provider),
      "a place is with somebody who is able",
    );
    const reserved = await reserveCall(scene, move, {
      ...{ able, question, inputTokens, place },
      preferred: affordable.find(({ source }) => source === place.insteadOf?.provider)?.model.provider ?? "",
    });
    if (reserved === undefined) return "goes-on";
    outcome = { kind: "lost" };
    const reply = await hear(scene, reserved);
    outcome = reply;
    tools.capacity.learn(able.model.provider, kind, reply.usage, inputTokens);
    return await settle(scene, reserved, reply);
  } finally {
    place.end(outcome);
  }
}

interface Fitting {
  readonly able: Able;
  readonly fit: Affordable;
}

type Ask = Extract<Move, { kind: "ask" }>;

/** Calls of one kind take about as much. */
function kindOf({ step }: Ask): string {
  return step;
}

async function park(scene: Scene, cause: ParkCause, reason: string): Promise<"over"> {
  const best = scene.attempt.trail.findLast((entry) => entry.kind === "revised")?.revision;
  await scene.append(parked(scene.lease, scene.goal.id, { cause, reason, best }));
  return "over";
}

async function fitOf(
  scene: Scene,
  { goal, levels }: Means,
  able: Able,
  counted: number,
): Promise<Affordable> {
  const inputTokens = scene.tools.capacity.inputOf(able.model.provider, counted).likely;
  return affordable(goal, levels, {
    ...{ inputTokens, surplusTokens: await surplusOf(scene, able.model) },
    outputTokensMax: able.outputTokensMax,
    usdOf: (output) => usdOf(able.model, { input: inputTokens, cachedInput: 0, output }),
  });
}

/** What this model's replies in this goal went beyond their reservations by; the next one may do it again. */
async function surplusOf({ tools, goal }: Scene, { provider, name }: Model): Promise<number> {
  const reserved = new Map<CallId, number>();
  let surplus = 0;
  for (let from = 1; ; ) {
    const page = await tools.store.log.read(from, 1000, goal.id);
    for (const { event, sequence } of page) {
      from = sequence + 1;
      if (event.type === "call-reserved" && event.provider === provider && event.model === name)
        reserved.set(event.call, event.estimate.tokens);
      if (event.type === "call-settled")
        surplus = surplusAfter(surplus, reserved.get(event.call), event.usage);
    }
    if (page.length === 0) return surplus;
  }
}

async function wait(scene: Scene, { until, why }: Later): Promise<"over"> {
  const { lease, goal, tools } = scene;
  const means = await meansOf(lease.bead, goal.id, tools);
  const reason = tooLateReason(means, { until, why }, tools.clock.now());
  if (reason !== undefined) {
    await scene.append(parked(lease, goal.id, { cause: "budget", reason, best: undefined }));
    return "over";
  }
  await scene.append({
    type: "bead-waiting",
    goal: goal.id,
    bead: lease.bead,
    token: lease.token,
    until,
    why,
  });
  return "over";
}

/** Whatever becomes of the calls that are out, it looks again after so long, and when the goal's minutes are over. */
const heldBackMsMax = 600_000;

/** Gives the bead back until other calls are settled: one that is lost with its worker is so too. */
async function holdBack(
  { append, goal, bead: held, lease, tools }: Scene,
  { needs, why }: Extract<Affordable, { readonly kind: "later" }>,
): Promise<"over"> {
  const until = Math.min(tools.clock.now() + heldBackMsMax, endOf(goal, held) ?? Number.POSITIVE_INFINITY);
  const { bead, token } = lease;
  await append({ type: "bead-held-back", goal: goal.id, bead, token, needs, until, why });
  return "over";
}

interface Reserved {
  readonly id: CallId;
  readonly model: Model;
  readonly prompt: Prompt;
  /** The size of the prompt. */
  readonly inputTokens: number;
}

/** Workers that reserve at the same moment look again, so often at most. */
const reserveTriesMax = 20;

/**
 * Reserves the call in the goal's budget as it stands now. Undefined: it does not fit any more, or too many reserve at once;
 * then nothing was reserved and the bead looks again.
 */
async function reserveCall(
  scene: Scene,
  move: Ask,
  call: {
    readonly able: Able;
    readonly question: Omit<Prompt, "role" | "outputTokensMax">;
    readonly inputTokens: number;
    readonly place: Granted;
    /** The name of whom was to be asked. */
    readonly preferred: string;
  },
): Promise<Reserved | undefined> {
  const { tools, lease, attempt } = scene;
  const { able, question, inputTokens, place } = call;
  const { model } = able;
  const id = callId(attempt.id, attempt.calls + 1);
  for (let tries = 0; tries < reserveTriesMax; tries++) {
    // Whoever waited for a place looks at what is left by now.
    const means = await meansOf(lease.bead, scene.goal.id, tools);
    const { goal } = means;
    const fit = await fitOf(scene, means, able, inputTokens);
    if (fit.kind !== "fits") return undefined;
    const prompt: Prompt = { role: roleOf(move), ...question, outputTokensMax: fit.outputTokensMax };
    const reservation: NewEvent = {
      type: "call-reserved",
      ...{ goal: goal.id, bead: lease.bead, attempt: attempt.id, call: id, step: move.step },
      ...{ provider: model.provider, model: model.name, estimate: fit.estimate },
      insteadOf: place.insteadOf && { ...place.insteadOf, provider: call.preferred },
      prompt: await keep(tools, JSON.stringify(prompt)),
    };
    // Another worker may have reserved since this one looked at what is left: then look again.
    const guard = { kind: "spending", lease, goal: goal.id, spend: goal.spend } as const;
    if ((await record(tools, [reservation], guard)) !== "refused") return { id, model, prompt, inputTokens };
    await scene.append();
  }
  return undefined;
}

async function hear(scene: Scene, { model, prompt, inputTokens }: Reserved): Promise<Reply> {
  const { tools, lease, signal } = scene;
  let heard = "";
  const reply = await model.ask(prompt, signal, (text) => {
    heard = text;
    tools.watch({ kind: "answering", bead: lease.bead, characters: text.length });
  });
  return {
    ...reply,
    usage: usageOf(reply, { inputTokens, outputMax: prompt.outputTokensMax, heard, size: tools.size }),
  };
}

async function settle(scene: Scene, { id, model }: Reserved, reply: Reply): Promise<"over" | "goes-on"> {
  const { tools, lease, goal, attempt } = scene;
  const isLeak = reply.kind === "said" && findSecrets(reply.text, tools.secrets).length > 0;
  const settled: NewEvent = {
    type: "call-settled",
    ...{ goal: goal.id, bead: lease.bead, attempt: attempt.id, call: id },
    settled:
      reply.kind === "said"
        ? { kind: "said", finish: reply.finish, answer: await keep(tools, isLeak ? leakText : reply.text) }
        : { kind: "failed", fault: reply.fault },
    usage: reply.usage,
    usd: usdOf(model, reply.usage),
    wallMs: reply.wallMs,
  };
  if (!isLeak) {
    await scene.append(settled);
    return "goes-on";
  }
  const best = attempt.trail.findLast((entry) => entry.kind === "revised")?.revision;
  await scene.append(settled, parked(lease, goal.id, { cause: "work", reason: leakText, best }));
  return "over";
}

/** What a reply is counted at. An answer that broke off was paid as far as it came; one that never began was not. */
function usageOf(
  reply: Reply,
  seen: {
    readonly inputTokens: number;
    readonly outputMax: number;
    readonly heard: string;
    size(text: string): number;
  },
): Usage {
  const text = reply.kind === "said" ? reply.text : seen.heard;
  const { inputTokens: input, outputMax } = seen;
  const reported = atMostPossible(reply.usage, { input, outputMax });
  if (reply.kind === "failed" && text === "") return reported;
  return atLeastSeen(reported, { input, output: seen.size(text) });
}

/** Stands in the transcript for an answer that may be written nowhere. */
const leakText = "the answer holds one of your secrets, so it was not kept";
