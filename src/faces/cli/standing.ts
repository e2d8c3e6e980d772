/** Where goals and beads stand, and what was spent, in words. */
import { cutWords } from "../../domain/attempt.ts";
import type { BeadState } from "../../domain/bead.ts";
import { type BudgetWish, isWish, partsOf, type Spend } from "../../domain/budget.ts";
import type { Goal } from "../../domain/goal.ts";
import { type BeadId, goalOf } from "../../domain/id.ts";
import { unreachable } from "../../kit/assert.ts";
import type { Reader } from "../../ports/store.ts";
import type { AtWork, InLine } from "../house.ts";
import {
  budgetWords,
  clockTime,
  dollars,
  duration,
  grouped,
  moment,
  oneLine,
  outcomeWords,
} from "./sentences.ts";

/** Where a bead stands, in words, with why: "parked: the tries are spent". */
export function stateWords(state: BeadState, inLine?: string): string {
  const why = whyOf(state);
  const head = headOf(state, inLine);
  return why === "" ? head : `${head}: ${why}`;
}

/** "in line for claude: input tokens (12 s)", by bead. */
export function linesOf(atWork: AtWork, now: number): ReadonlyMap<BeadId, string> {
  const queued = atWork.kind === "process" ? atWork.queued : [];
  return new Map(
    queued.map(({ bead, since, why }) => [bead, `in line for ${oneLine(why)} (${sinceWords(since, now)})`]),
  );
}

function sinceWords(since: number, now: number): string {
  return duration(Math.max(0, now - since));
}

/** Where a part stands that did not get there by itself, and whose checks are green in what was delivered. */
export const doneByWhole = "done by the whole";

/** What it waits for, asks or stopped at; empty where its state says it all. */
export function whyOf(state: BeadState): string {
  switch (state.kind) {
    case "waiting":
      return oneLine(state.why);
    case "needs-answer":
      return oneLine(state.question);
    case "parked":
      return oneLine(partsOf(state.reason).why);
    default:
      return "";
  }
}

/** The same without why: "waiting until 14:05:30". `inLine`: what its call stands in line for, where it does. */
export function headOf(state: BeadState, inLine?: string): string {
  switch (state.kind) {
    case "blocked":
      return "blocked by other beads";
    case "ready":
      return "ready";
    case "claimed":
      return inLine ?? `claimed by ${state.by}`;
    case "waiting":
      return "needs" in state ? "waiting" : `waiting until ${clockTime(state.until)}`;
    case "needs-answer":
      return "needs an answer";
    case "proving":
      return `proving ${state.commit.slice(0, 12)}`;
    case "proven":
    case "integrating":
    case "integrated":
      return state.verdict === "proven" && state.kind === "proven"
        ? "proven"
        : `${state.kind} (${state.verdict})`;
    case "split":
      return "split";
    case "parked":
      return "parked";
    case "cancelled":
      return "cancelled";
    case "joined":
      return `in convoy ${state.convoy}`;
    default:
      return unreachable(state);
  }
}

/** What an open goal is doing; a goal that nobody works on waits for nothing but its person. */
export type Now =
  /** `queued`: its beads whose call stands in line for a place with a provider. */
  | { readonly standing: "running"; readonly process: number; readonly queued: readonly InLine[] }
  | { readonly standing: "waiting"; readonly process: number; readonly until: number; readonly why: string }
  | { readonly standing: "interrupted" }
  /** Only recorded: it waits to be run. */
  | { readonly standing: "not-begun" }
  | { readonly standing: "unknown" };

export async function nowOf(goal: Goal, atWork: AtWork, reader: Reader | undefined): Promise<Now> {
  if (goal.isUnbegun) return { standing: "not-begun" };
  if (atWork.kind === "silent") return { standing: "unknown" };
  if (atWork.kind === "nobody" || !atWork.goals.includes(goal.id)) return { standing: "interrupted" };
  const { process } = atWork;
  const queued = atWork.queued.filter(({ bead }) => goalOf(bead) === goal.id);
  const isWaiting = queued.length === 0 && (goal.beads.waiting ?? 0) > 0;
  const [waiting] = isWaiting
    ? ((await reader?.view.beads({ goal: goal.id, state: "waiting", countMax: 1 })) ?? [])
    : [];
  // Others are at work while one is held back for what their calls may leave.
  if (waiting?.state.kind !== "waiting" || "needs" in waiting.state)
    return { standing: "running", process, queued };
  return { standing: "waiting", process, until: waiting.state.until, why: waiting.state.why };
}

/** `standing`, and what it waits for; `now` is what `nowOf` says of an open goal, undefined of one that has ended. */
export function standingNow(goal: Goal, atWork: AtWork, now: Now | undefined, at: number): string {
  if (goal.end === undefined && !goal.cancelAsked && now?.standing === "waiting")
    return `waiting until ${moment(now.until, at)}: ${oneLine(now.why)}`;
  const words = standing(goal, atWork);
  if (now?.standing !== "running") return words;
  const [first] = now.queued.toSorted((left, right) => left.since - right.since);
  if (first === undefined) return words;
  const others = (goal.beads.claimed ?? 0) > 1 ? `${now.queued.length} of ${goal.beads.claimed} ` : "";
  return `${words}, ${others}in line for ${oneLine(first.why)} (${sinceWords(first.since, at)})`;
}

/** The goal's own standing: its outcome, or who works on it, or that nobody does. */
export function standing(goal: Goal, atWork: AtWork): string {
  if (goal.end !== undefined) return outcomeWords(goal.end);
  if (goal.cancelAsked) return "cancelling";
  if (goal.isUnbegun) return "not begun";
  if (atWork.kind === "silent") return "open";
  if (atWork.kind === "process" && atWork.goals.includes(goal.id))
    return `running (process ${atWork.process})`;
  return "interrupted";
}

/**
 * What was spent. `out`: calls that are reserved and not settled; `isRunning`: somebody works on the goal, so they will
 * be, else their process let go of them. `cut`: settled calls that count at their estimates: what holds estimates is not
 * told as a count. `unpriced`: providers that the sum of USD leaves out.
 */
export function spendWords(
  spend: Spend,
  {
    isRunning,
    out,
    cut,
    unpriced,
  }: {
    readonly isRunning: boolean;
    readonly out: number;
    readonly cut: number;
    readonly unpriced: readonly string[];
  },
): string {
  const { requests, inputTokens, outputTokens, reservedTokens, usd } = spend;
  const open = outWords(reservedTokens, Math.max(1, out), isRunning);
  if (requests === 0) return reservedTokens > 0 ? open : "no model was asked";
  const tokens =
    cut === 0
      ? `${grouped(inputTokens)} tokens in, ${grouped(outputTokens)} out`
      : `at most ${grouped(inputTokens + outputTokens)} tokens (${cutWords(cut)})`;
  const settled = `${requests} request${requests === 1 ? "" : "s"}, ${tokens}${dollars(usd)}${withoutWords(usd, unpriced)}`;
  return reservedTokens > 0 ? `${settled}; ${open}` : settled;
}

/** " without x and y, whose prices are not known": beside a sum; in its place where all of it is unknown. */
function withoutWords(usd: number, unpriced: readonly string[]): string {
  if (unpriced.length === 0) return "";
  const names = unpriced.join(", ");
  const one = unpriced.length === 1;
  if (usd > 0) return ` without ${names}, whose price${one ? " is" : "s are"} not known`;
  return `, the price${one ? "" : "s"} of ${names} ${one ? "is" : "are"} not known`;
}

/** What was taken of each bound that there is, what calls that are out have reserved included. */
function takenOf({ order, spend, createdAt, end }: Goal, now: number) {
  const { tokensMax, usdMax, wallMsMax, wallFrom } = order.budget;
  const tokens = spend.inputTokens + spend.outputTokens + spend.reservedTokens;
  const usd = spend.usd + spend.reservedUsd;
  const ms = Math.max(0, now - (wallFrom ?? createdAt));
  const of = (taken: number, max: number | undefined, words: (value: number) => string) =>
    max === undefined ? [] : [{ share: taken / max, words: `${words(taken)} of ${words(max)}` }];
  return [
    ...of(tokens, tokensMax, grouped).map((each) => ({ ...each, words: `${each.words} tokens` })),
    ...of(usd, usdMax, (value) => `$${value.toFixed(4)}`),
    // What is over is not timed any more.
    ...(end === undefined ? of(ms, wallMsMax, duration) : []),
  ];
}

/** "3,000 of 30,000 tokens (10 %), $0.0100 of $2.0000 (1 %)"; undefined where no bound was asked for. */
export function budgetTaken(goal: Goal, now: number): string | undefined {
  const taken = takenOf(goal, now);
  if (taken.length === 0) return undefined;
  return taken.map(({ share, words }) => `${words} (${Math.round(share * 100)} %)`).join(", ");
}

/** "budget 93 % used": of the bound that is nearest; empty where it is far or there is none, and once the goal is over. */
export function nearBudget(goal: Goal, now: number): string {
  const share = Math.max(0, ...takenOf(goal, now).map((each) => each.share));
  return goal.end === undefined && share >= nearShare ? `budget ${Math.round(share * 100)} % used` : "";
}

/** From here on lists speak of it. */
const nearShare = 0.5;

/** " of 24,000 tokens, $0.5000, 3 minutes": what it may take; "" where nobody bounded it. */
export function boundWords(budget: BudgetWish | undefined): string {
  return budget === undefined || !isWish(budget) ? "" : `, of ${budgetWords(budget)}`;
}

/** "2 calls are out; 18,106 tokens are reserved for them". */
function outWords(reservedTokens: number, calls: number, isRunning: boolean): string {
  const tokens = `${grouped(reservedTokens)} tokens`;
  if (calls === 1)
    return isRunning
      ? `1 call is out; ${tokens} are reserved for it`
      : `1 call was cut; counted at its estimate of ${tokens}`;
  return isRunning
    ? `${calls} calls are out; ${tokens} are reserved for them`
    : `${calls} calls were cut; counted at their estimates of ${tokens}`;
}
