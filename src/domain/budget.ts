/** What a goal may spend. Undefined means no bound was asked for; the tree of budgets below goals comes with the tanks. */
export interface Budget {
  readonly usdMax: number | undefined;
  readonly tokensMax: number | undefined;
  readonly wallMsMax: number | undefined;
}

export const unbounded: Budget = { usdMax: undefined, tokensMax: undefined, wallMsMax: undefined };

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

/** Why a call with this estimate may not start, or undefined when it fits. Checked before the call, reservations included. */
export function overrun(
  budget: Budget,
  spend: Spend,
  ask: { readonly estimate: Estimate; readonly elapsedMs: number },
): string | undefined {
  const tokens = spend.inputTokens + spend.outputTokens + spend.reservedTokens + ask.estimate.tokens;
  if (budget.tokensMax !== undefined && tokens > budget.tokensMax)
    return `the next call could bring it to ${tokens} tokens, the budget is ${budget.tokensMax}`;
  const usd = addUsd(addUsd(spend.usd, spend.reservedUsd), ask.estimate.usd);
  if (budget.usdMax !== undefined && usd > budget.usdMax)
    return `the next call could bring it to ${usd.toFixed(4)} USD, the budget is ${budget.usdMax}`;
  if (budget.wallMsMax !== undefined && ask.elapsedMs >= budget.wallMsMax)
    return `${Math.round(ask.elapsedMs / 60_000)} minutes have passed, the budget is ${budget.wallMsMax / 60_000}`;
  return undefined;
}
