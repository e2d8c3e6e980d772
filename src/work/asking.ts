import type { ParkCause } from "../domain/bead.ts";
import { surplusAfter } from "../domain/budget.ts";
import { rankStepMs } from "../domain/fairness.ts";
import { type CallId, callId } from "../domain/id.ts";
import { type Affordable, affordable } from "../domain/level.ts";
import type { Move } from "../domain/move.ts";
import { atLeastSeen, atMostPossible, type Reply, type Usage } from "../domain/reply.ts";
import { findSecrets, withheldIn } from "../domain/secrets.ts";
import { present } from "../kit/assert.ts";
import type { Model, Prompt } from "../ports/model.ts";
import type { NewEvent } from "../ports/store.ts";
import { type Means, meansOf, tooLateReason } from "./affording.ts";
import type { Granted, Later } from "./capacity.ts";
import { type Able, ableModels, nobody, usdOf } from "./choice.ts";
import { endOf, StoodInLine } from "./keepalive.ts";
import type { Outcome } from "./outcome.ts";
import { composePlanQuestion } from "./planning.ts";
import { composeQuestion } from "./question.ts";
import { record } from "./record.ts";
import { keep, parked, type Scene } from "./scene.ts";
import { composeTestsQuestion } from "./testing.ts";

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

/** One question to a model that has room for it, or a wait for one: reserved, made, heard and settled. */
export async function ask(scene: Scene, move: Ask): Promise<"over" | "goes-on"> {
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
  let queued: { readonly at: number; readonly why: string } | undefined;
  const entering = tools.capacity.enter(
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
    (why) => {
      queued = { at: tools.clock.now(), why };
      tools.watch({ kind: "queued", bead: scene.lease.bead, why });
    },
  );
  const place = await entering.catch((error: unknown) => {
    if (queued === undefined || !signal.aborted) throw error;
    throw new StoodInLine({ ms: tools.clock.now() - queued.at, why: queued.why }, error);
  });
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
