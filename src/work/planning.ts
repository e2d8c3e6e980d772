/**
 * The planner's turn: a goal that is to become a tree asks for its plan before anything else.
 *
 * 1. What is asked and what comes next follow from the trail, so a killed planner goes on where it was.
 * 2. A plan that cannot be worked on goes back with every fault; after the last answer the goal is tried whole.
 * 3. The tree stands in one append under the lease: the split and all its beads, or nothing.
 */

import type { Bead } from "../domain/bead.ts";
import { nothingSpent, overrun, reserve, type Spend, settle } from "../domain/budget.ts";
import { type Goal, groundOf, type Order } from "../domain/goal.ts";
import type { BlobHash } from "../domain/id.ts";
import type { Move } from "../domain/move.ts";
import { type Ground, groundOver, type Plan } from "../domain/plan.ts";
import {
  type PlannerAsk,
  type PlanReader,
  planAnswersMax,
  plannerPrompt,
  planTurn,
  readPlannerAnswer,
} from "../domain/planning.ts";
import { findSecrets, withheldIn } from "../domain/secrets.ts";
import { entriesOf } from "../domain/turn.ts";
import { present } from "../kit/assert.ts";
import type { Clock } from "../kit/clock.ts";
import type { Message, Model, Prompt } from "../ports/model.ts";
import type { Repository } from "../ports/repository.ts";
import type { Capacity } from "./capacity.ts";
import { usdOf } from "./choice.ts";
import { namedIn, readTracked } from "./files.ts";
import { leftOf } from "./meeting.ts";
import { parked, type Scene } from "./scene.ts";
import { linesOf, splitting } from "./splitting.ts";
import type { Offer } from "./tools.ts";

/** Whether the bead is a whole goal that waits for its plan. */
export function plansFirst({ goal, bead }: Scene): boolean {
  const { mode } = goal.order;
  return mode.kind === "fleet" && mode.plan === undefined && bead.parent === undefined && !bead.isParent;
}

/**
 * Whether a planner is asked for another contract of what is left: parts came back from the merge queue and could not be put
 * together with the others. Once in a goal; a person's plan is left to the person.
 */
export async function plansAgain({ goal, bead, attempt, tools }: Scene): Promise<boolean> {
  const { mode } = goal.order;
  if (mode.kind !== "fleet" || mode.plan !== undefined || !bead.isParent) return false;
  const { view } = tools.store;
  const parts = await view.beads({ goal: goal.id, state: "parked", countMax: 1_000 });
  if (!parts.some(isUnfit)) return false;
  const before = (await view.attempts(bead.id)).filter(
    ({ id, start }) => id !== attempt.id && start !== undefined,
  );
  return before.every(({ trail }) => entriesOf(trail, planTurn).length === 0);
}

/** Its contract does not fit what others did. */
function isUnfit({ state, returned }: Bead): boolean {
  return state.kind === "parked" && state.cause === "work" && returned !== undefined;
}

/** Whether the bead is a whole goal whose plan the user gave, and which is no tree yet: tests came first. */
export function splitsFirst({ goal, bead }: Scene): boolean {
  const { mode } = goal.order;
  return mode.kind === "fleet" && mode.plan !== undefined && bead.parent === undefined && !bead.isParent;
}

/** The user's plan becomes the tree; parked with every fault where it cannot be worked on. */
export async function splitAsGiven({ goal, lease, site, tools, signal, append }: Scene): Promise<"over"> {
  const { mode } = goal.order;
  const plan = present(mode.kind === "fleet" ? mode.plan : undefined, "a plan was given");
  const where = linesOf(mode);
  const tree = await splitting(goal, lease.bead, plan, { site, tools, signal, where });
  if (tree.kind === "tree") await append(...tree.events);
  else {
    const reason = `the plan cannot be worked on: ${tree.faults.join("; ")}`;
    await append(parked(lease, goal.id, { cause: "input", reason, best: undefined }));
  }
  return "over";
}

interface Question {
  readonly system: string;
  readonly messages: readonly Message[];
  readonly temperature: number;
}

/** What the planner is asked now, rebuilt from the trail. */
export async function composePlanQuestion(
  scene: Scene,
  limits: { readonly contextTokensMax: number },
): Promise<Question> {
  const { goal, attempt, tools, site } = scene;
  const refused: { answer: string; faults: string }[] = [];
  let answer: BlobHash | undefined;
  for (const entry of attempt.trail) {
    if (entry.kind === "answered") answer = entry.answer;
    if (entry.kind === "rejected" && answer !== undefined)
      refused.push({ answer: await textOf(scene, answer), faults: entry.detail });
  }
  const { ask: seen } = await sightOf(goal, site.repository, goal.checks);
  const left = scene.bead.isParent ? await leftOf(goal, scene.bead, tools.store) : "";
  const ask = left === "" ? seen : { ...seen, goal: `${seen.goal}\n\n${left}\n\n${onlyTheRest}` };
  const contextTokensMax = Math.min(tools.contextTokensMax, limits.contextTokensMax);
  return questionOf({ ...ask, refused, size: tools.size, contextTokensMax });
}

const onlyTheRest =
  "Plan only what was not done, on top of the files below, without skeleton files. It was cut as said and did not fit together: cut it otherwise, one task where the parts meet.";

function questionOf(ask: PlannerAsk): Question {
  return { ...plannerPrompt(ask), temperature: ask.refused.length === 0 ? 0.2 : 0.7 };
}

/** The repository as the planner sees it, and as its plan is measured against. */
async function sightOf(
  goal: Pick<Goal, "order" | "tests" | "head">,
  repository: Repository,
  checks: PlannerAsk["checks"],
): Promise<{
  readonly ground: Ground;
  readonly ask: Pick<PlannerAsk, "goal" | "checks" | "protect" | "readOnly" | "files">;
}> {
  const { text, protect } = goal.order;
  const base = goal.head ?? groundOf(goal);
  const isFirst = namedIn(text, ...checks.map(({ command }) => command));
  const files = await readTracked(repository, base, isFirst);
  const paths = (await repository.list(base)).map((entry) => entry.path);
  const ground = groundOver(paths, goal.order);
  const readOnly = new Set([...files.keys()].filter(ground.isProtected));
  return { ground, ask: { goal: text, checks, protect, readOnly, files } };
}

/** From an answer to the tree; or to the faults it goes back with. */
export async function takePlan(
  scene: Scene,
  move: Extract<Move, { kind: "take" }>,
): Promise<"over" | "goes-on"> {
  const { goal, attempt, tools, site, lease, signal } = scene;
  const { ground } = await sightOf(goal, site.repository, goal.checks);
  const last = attempt.trail.findLast((entry) => entry.kind === "answered");
  const text = await textOf(scene, move.answer);
  const answer = readPlannerAnswer(text, last?.finish ?? "stop", { ground, read: tools.readPlan });
  if (answer.kind === "faulty") return reject(scene, move, answer.faults);
  const { plan, where } = answer;
  const tree = await splitting(goal, lease.bead, plan, { site, tools, signal, where });
  if (tree.kind === "refused") return reject(scene, move, tree.faults);
  await scene.append(...tree.events);
  return "over";
}

/** Characters of faults that an event keeps. */
const detailCharactersMax = 2_000;

async function reject(
  { goal, attempt, lease, append }: Scene,
  { call }: Extract<Move, { kind: "take" }>,
  faults: readonly string[],
): Promise<"goes-on"> {
  const before = attempt.trail.filter((entry) => entry.kind === "rejected").length;
  const isLast = before + 1 >= planAnswersMax;
  const giveUp = `no plan after ${planAnswersMax} answers, so the goal is tried whole; the last one: `;
  await append({
    type: "answer-rejected",
    goal: goal.id,
    bead: lease.bead,
    attempt: attempt.id,
    call,
    reason: "faulty-plan",
    detail: `${isLast ? giveUp : ""}${faults.join("\n")}`.slice(0, detailCharactersMax),
  });
  return "goes-on";
}

async function textOf({ tools }: Scene, hash: BlobHash): Promise<string> {
  const bytes = await tools.store.blobs.get(hash);
  return new TextDecoder().decode(present(bytes, "blobs of an unfinished attempt are kept"));
}

/** What a plan is drawn with where no goal is begun. */
export interface DrawTools {
  readonly repository: Repository;
  /** In the order they are tried. */
  readonly offers: readonly Offer[];
  /** The limits as the owner of the home saw them last. */
  readonly capacity: Capacity;
  readonly clock: Clock;
  readonly secrets: readonly string[];
  readonly contextTokensMax: number;
  readonly readPlan: PlanReader;
  size(text: string): number;
}

/** `none`: why there is no plan, in one line, and what was wrong with the last answer, a line each. What was spent was spent either way. */
export type Drawn = { readonly spend: Spend } & (
  | { readonly kind: "plan"; readonly plan: Plan; readonly model: Model }
  | { readonly kind: "none"; readonly why: string; readonly faults: readonly string[] }
);

/** Asks the planner and keeps nothing: no goal, no event, no commit. The order's budget holds. Rejects with `signal.reason`. */
export async function drawPlan(order: Order, tools: DrawTools, signal: AbortSignal): Promise<Drawn> {
  const { ground, ask } = await sightOf(
    { order, tests: undefined, head: undefined },
    tools.repository,
    order.checks,
  );
  const refused: { answer: string; faults: string }[] = [];
  const reasons: string[] = [];
  const startedAt = tools.clock.now();
  let spend = nothingSpent;
  let faults: readonly string[] = [];
  const none = (why: string): Drawn => ({ kind: "none", why, faults, spend });
  const usable = tools.offers.flatMap((offer) => {
    if (offer.kind === "unusable") reasons.push(offer.why);
    return offer.kind === "model" ? [offer] : [];
  });
  for (let provider = 0; refused.length < planAnswersMax; ) {
    const offer = usable[provider];
    if (offer === undefined)
      return none(`no provider answered: ${reasons.join("; ") || "none is configured"}`);
    const { model } = offer;
    const contextTokensMax = Math.min(tools.contextTokensMax, offer.contextTokensMax);
    const asked = questionOf({ ...ask, refused, size: tools.size, contextTokensMax });
    const question = withheldIn(asked, tools.secrets);
    const bound = boundOf(order, spend, question, { offer, tools });
    const over = overrun(order.budget, spend, {
      estimate: bound.estimate,
      elapsedMs: tools.clock.now() - startedAt,
    });
    if (over !== undefined) return none(`${over.why}; raise it: ${over.raise}`);
    const prompt: Prompt = { role: "planner", ...question, outputTokensMax: bound.outputTokensMax };
    const input = bound.estimate.tokens - bound.outputTokensMax;
    const draft = { input, cachedInput: 0, output: bound.outputTokensMax, outputMax: bound.outputTokensMax };
    const place = await tools.capacity.enter(
      {
        ...{
          id: "plan",
          rank: startedAt,
          tenant: "plan",
          series: "plan",
          outputLikely: draft.output,
          end: undefined,
        },
        candidates: [{ provider: model.provider, draft, floor: 0 }],
      },
      signal,
    );
    if (place.kind !== "granted") {
      reasons.push(place.kind === "later" ? `${place.why}, until ${moment(place.until)}` : place.why);
      provider += 1;
      continue;
    }
    spend = reserve(spend, bound.estimate);
    const reply = await model.ask(prompt, signal).catch((error: unknown) => {
      place.end({ kind: "lost" });
      throw error;
    });
    place.end(reply);
    spend = settle(spend, bound.estimate, { ...reply.usage, usd: usdOf(model, reply.usage) });
    if (reply.kind === "failed") {
      reasons.push(`${model.provider}: ${reply.fault.why}`);
      provider += 1;
      continue;
    }
    if (findSecrets(reply.text, tools.secrets).length > 0)
      return none("the answer holds one of your secrets, so it was not kept");
    const answer = readPlannerAnswer(reply.text, reply.finish, { ground, read: tools.readPlan });
    if (answer.kind === "plan") return { kind: "plan", plan: answer.plan, model, spend };
    faults = answer.faults;
    refused.push({ answer: reply.text, faults: faults.join("\n") });
  }
  return none(`no plan after ${planAnswersMax} answers; goal execute would try it whole`);
}

/** "2026-11-21 14:05 UTC". */
function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A small budget shortens the answer rather than forbidding the question, as for every call. */
function boundOf(
  { budget }: Order,
  spend: Spend,
  { system, messages }: Question,
  { offer, tools }: { readonly offer: Extract<Offer, { kind: "model" }>; readonly tools: DrawTools },
) {
  const input = tools.size(system) + messages.reduce((sum, { text }) => sum + tools.size(text) + 4, 0);
  const left =
    (budget.tokensMax ?? Number.POSITIVE_INFINITY) - spend.inputTokens - spend.outputTokens - input;
  const outputTokensMax = Math.min(offer.outputTokensMax, Math.max(256, left));
  const usd = usdOf(offer.model, { input, cachedInput: 0, output: outputTokensMax });
  return { outputTokensMax, estimate: { tokens: input + outputTokensMax, usd } };
}
