import type { BeadId, GoalId } from "./id.ts";

/** What a goal may spend. Undefined means no bound was asked for. */
export interface Budget {
  readonly usdMax: number | undefined;
  readonly tokensMax: number | undefined;
  readonly wallMsMax: number | undefined;
  /** Store's clock: `wallMsMax` counts from here. Undefined: from the goal's beginning. */
  readonly wallFrom: number | undefined;
}

export const unbounded: Budget = {
  usdMax: undefined,
  tokensMax: undefined,
  wallMsMax: undefined,
  wallFrom: undefined,
};

/** What the user gives of a new budget; undefined leaves that bound as it is. */
export type BudgetWish = Pick<Budget, "usdMax" | "tokensMax" | "wallMsMax">;

/**
 * What one bead may take of its goal's budget, in all its attempts. Minutes are those of its own work, from its first
 * claim; cost and tokens hold for those below it in its plan too.
 */
export interface Ration extends BudgetWish {
  readonly below: readonly BeadId[];
}

/** New bounds of one bead; what the wish does not name stays. */
export function rerationed(ration: Ration | undefined, wish: BudgetWish): Ration {
  return {
    usdMax: wish.usdMax ?? ration?.usdMax,
    tokensMax: wish.tokensMax ?? ration?.tokensMax,
    wallMsMax: wish.wallMsMax ?? ration?.wallMsMax,
    below: ration?.below ?? [],
  };
}

/** New totals of cost and tokens; new minutes count from `now`, so that a pause is not counted. */
export function rebudgeted(budget: Budget, wish: BudgetWish, now: number): Budget {
  return {
    usdMax: wish.usdMax ?? budget.usdMax,
    tokensMax: wish.tokensMax ?? budget.tokensMax,
    wallMsMax: wish.wallMsMax ?? budget.wallMsMax,
    wallFrom: wish.wallMsMax === undefined ? budget.wallFrom : now,
  };
}

/** Tells whether the wish says anything. */
export function isWish({ usdMax, tokensMax, wallMsMax }: BudgetWish): boolean {
  return usdMax !== undefined || tokensMax !== undefined || wallMsMax !== undefined;
}

/** What was spent: settled calls, plus what is reserved for calls in flight. `usd` counts only models whose price is known. */
export interface Spend {
  readonly requests: number;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly usd: number;
  readonly reservedTokens: number;
  readonly reservedUsd: number;
}

export const nothingSpent: Spend = {
  requests: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  usd: 0,
  reservedTokens: 0,
  reservedUsd: 0,
};

/** An estimate before a call: tokens of prompt and largest answer, USD at list price (0 when unknown). */
export interface Estimate {
  readonly tokens: number;
  readonly usd: number;
}

/** Sums of USD are kept in whole billionths, so that what was reserved and given back leaves exactly nothing behind. */
const billionth = 1e9;

function addUsd(left: number, right: number): number {
  return (Math.round(left * billionth) + Math.round(right * billionth)) / billionth;
}

export function reserve(spend: Spend, estimate: Estimate): Spend {
  return {
    ...spend,
    reservedTokens: spend.reservedTokens + estimate.tokens,
    reservedUsd: addUsd(spend.reservedUsd, estimate.usd),
  };
}

/** The reservation goes, what was really used comes: never both. */
export function settle(
  spend: Spend,
  estimate: Estimate,
  used: {
    readonly input: number;
    readonly cachedInput: number;
    readonly output: number;
    readonly usd: number;
  },
): Spend {
  return {
    requests: spend.requests + 1,
    inputTokens: spend.inputTokens + used.input,
    cachedInputTokens: spend.cachedInputTokens + used.cachedInput,
    outputTokens: spend.outputTokens + used.output,
    usd: addUsd(spend.usd, used.usd),
    reservedTokens: spend.reservedTokens - estimate.tokens,
    reservedUsd: addUsd(spend.reservedUsd, -estimate.usd),
  };
}

/** What several spent together. */
export function addSpend(left: Spend, right: Spend): Spend {
  return {
    requests: left.requests + right.requests,
    inputTokens: left.inputTokens + right.inputTokens,
    cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    usd: addUsd(left.usd, right.usd),
    reservedTokens: left.reservedTokens + right.reservedTokens,
    reservedUsd: addUsd(left.reservedUsd, right.reservedUsd),
  };
}

/** Calls that are out as they count when they are cut: each is paid with its whole estimate, which is reserved. */
export function cutOff(spend: Spend, calls: number): Spend {
  return {
    ...spend,
    requests: spend.requests + calls,
    inputTokens: spend.inputTokens + spend.reservedTokens,
    usd: addUsd(spend.usd, spend.reservedUsd),
    reservedTokens: 0,
    reservedUsd: 0,
  };
}

/** A bound that stands in the way, and a larger one as the command line takes it. */
export interface Overrun {
  readonly why: string;
  /** "--budget-tokens 24000": double the bound, or half more than what was needed, whatever is more. */
  readonly raise: string;
}

/** Why a call with this estimate may not start, or undefined when it fits. Checked before the call, reservations included. */
export function overrun(
  budget: Budget,
  spend: Spend,
  ask: { readonly estimate: Estimate; readonly elapsedMs: number },
): Overrun | undefined {
  const { tokensMax, usdMax, wallMsMax } = budget;
  const tokens = spend.inputTokens + spend.outputTokens + spend.reservedTokens + ask.estimate.tokens;
  if (tokensMax !== undefined && tokens > tokensMax)
    return {
      why: `the next call could bring it to ${tokens} tokens, the budget is ${tokensMax}`,
      raise: `--budget-tokens ${roundUp(Math.max(2 * tokensMax, 1.5 * tokens))}`,
    };
  const usd = addUsd(addUsd(spend.usd, spend.reservedUsd), ask.estimate.usd);
  if (usdMax !== undefined && usd > usdMax)
    return {
      why: `the next call could bring it to ${usd.toFixed(4)} USD, the budget is ${usdMax}`,
      raise: `--budget-usd ${roundUp(Math.max(2 * usdMax, 1.5 * usd))}`,
    };
  if (wallMsMax !== undefined && ask.elapsedMs >= wallMsMax)
    return overtime(`${minutes(ask.elapsedMs)} have passed, the budget is ${minutes(wallMsMax)}`, wallMsMax);
  return undefined;
}

/** A question as it would be put, in tokens. */
export interface Wanted {
  /** Of the prompt. */
  readonly inputTokens: number;
  /** The longest answer that the model would give, and by how much it may go beyond what is asked of it. */
  readonly outputTokensMax: number;
  readonly surplusTokens: number;
  /** What so many tokens of answer cost with the prompt. */
  usdOf(outputTokens: number): number;
  readonly elapsedMs: number;
}

/** fits: as long as this the answer may be. later: only what other calls have reserved is in the way of at least `needs`, and may come back. */
export type Fit =
  | { readonly kind: "fits"; readonly outputTokensMax: number; readonly estimate: Estimate }
  | { readonly kind: "later"; readonly needs: Estimate; readonly why: string }
  | { readonly kind: "over"; readonly overrun: Overrun };

/** Tokens of an answer that could still hold a function. */
const answerTokensMin = 256;

/**
 * A small budget shortens the answer rather than forbidding the question. But what is reserved is mostly given back: it
 * neither forbids a question for good nor cuts its answer to less than half; until then the question waits.
 */
export function fitting(budget: Budget, spend: Spend, wanted: Wanted): Fit {
  const back = { ...spend, reservedTokens: 0, reservedUsd: 0 };
  const [now, then] = [sized(budget, spend, wanted), sized(budget, back, wanted)];
  const { elapsedMs } = wanted;
  const never = overrun(budget, back, { estimate: then.estimate, elapsedMs });
  if (never !== undefined) return { kind: "over", overrun: never };
  const isShort = 2 * now.outputTokensMax < then.outputTokensMax;
  const over = overrun(budget, spend, { estimate: now.estimate, elapsedMs });
  if (over === undefined && !isShort) return { kind: "fits", ...now };
  const half = estimateOf(wanted, Math.max(answerTokensMin, Math.ceil(then.outputTokensMax / 2)));
  // No answer is shortened for its price: whatever length there is room for has to be affordable.
  const needs = { tokens: half.tokens, usd: then.estimate.usd };
  const why = `${over?.why ?? "little of the budget is left"}, while other calls are out that may leave some`;
  return { kind: "later", needs, why };
}

/** The longest answer that is left room for, and what the call may take in all. */
function sized(
  { tokensMax = Number.POSITIVE_INFINITY }: Budget,
  { inputTokens, outputTokens, reservedTokens }: Spend,
  wanted: Wanted,
): { readonly outputTokensMax: number; readonly estimate: Estimate } {
  const { surplusTokens: surplus } = wanted;
  const left = tokensMax - inputTokens - outputTokens - reservedTokens - wanted.inputTokens - surplus;
  const outputTokensMax = Math.min(wanted.outputTokensMax, Math.max(answerTokensMin, left));
  return { outputTokensMax, estimate: estimateOf(wanted, outputTokensMax) };
}

function estimateOf(wanted: Wanted, outputTokens: number): Estimate {
  const { inputTokens, surplusTokens } = wanted;
  const tokens = inputTokens + outputTokens + surplusTokens;
  return { tokens, usd: wanted.usdOf(outputTokens + surplusTokens) };
}

/** Below a minute in seconds: a tenth of a minute would hide what was asked for. */
function minutes(ms: number): string {
  const [count, unit] =
    ms < 60_000 ? [Math.round(ms / 100) / 10, "second"] : [Math.round(ms / 6_000) / 10, "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** How long a call stood in line when its time was over, ms, and what for: "claude: input tokens". */
export interface Stood {
  readonly ms: number;
  readonly why: string;
}

/** What was still going on when the goal's minutes ran out has been cut. `stood`: that was a stand in line. */
export function timeIsOver({ wallMsMax = 0 }: Budget, stood?: Stood): Overrun {
  const over = `the budget of ${minutes(wallMsMax)} ran out`;
  if (stood === undefined) return overtime(`${over}, and what was going on was cut`, wallMsMax);
  const part = `the last ${minutes(Math.min(stood.ms, wallMsMax))} of it in line for ${stood.why}`;
  // Whoever begins anew may stand as long again.
  return overtime(`${over}, ${part}`, Math.min(stood.ms, wallMsMax) + Math.max(wallMsMax, 60_000));
}

/**
 * The most tokens by which replies of one model went beyond what was asked of it, after one more reply. Each reservation
 * holds the surplus known before it, so what is beyond the reservation adds to it. Undefined: another model's call.
 */
export function surplusAfter(
  surplus: number,
  reservedTokens: number | undefined,
  used: { readonly input: number; readonly output: number },
): number {
  return reservedTokens === undefined
    ? surplus
    : surplus + Math.max(0, used.input + used.output - reservedTokens);
}

/** What time is over, or would be; `neededMs` is what it is known to take. New minutes count anew, so they need not be more. */
export function overtime(why: string, neededMs: number): Overrun {
  return { why, raise: `--max-minutes ${Math.max(1, Math.ceil(neededMs / 60_000))}` };
}

/** The two leading digits of a positive number, rounded up: 12,345 is 13,000 and 0.0123 is 0.013. */
function roundUp(value: number): string {
  const digits = Math.floor(Math.log10(value)) - 1;
  // Tiny quotients of floating point are no reason for the next digit.
  const leading = Math.ceil(value / 10 ** digits - 1e-9);
  return digits >= 0 ? String(leading * 10 ** digits) : (leading / 10 ** -digits).toFixed(-digits);
}

/** Parts why a goal is out of its budget from the command that goes on: faces show that one alone, to be copied. */
const onward = "; with more of it: ";

/** The reason of a goal whose bound stands in the way. */
export function outOfBudget({ why, raise }: Overrun, goal: GoalId): string {
  return withCommand(why, `rigs goal resume ${goal} ${raise}`);
}

/** A reason, and the command that goes on with what it speaks of. */
export function withCommand(why: string, command: string): string {
  return `${why}${onward}${command}`;
}

/** The two parts of `withCommand`; any other reason has no command. */
export function partsOf(reason: string): { readonly why: string; readonly command: string | undefined } {
  const [why = "", command] = reason.split(onward);
  return { why, command };
}
