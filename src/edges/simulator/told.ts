/** How providers tell their limits in headers: names, units and roundings after the reference on rate limits, 1.1 to 1.6. */
import type { QuotaLevels, RateLevel, WindowLevel } from "./quota.ts";

/**
 * - anthropic: of a key, and where there are windows those of a subscription. openai: of a key. codex: of a subscription.
 * - openrouter: only when refused. none: as Gemini, DeepSeek and all local servers.
 */
export type HeaderForm = "anthropic" | "openai" | "codex" | "openrouter" | "none";

export type ToldHeaders = Readonly<Record<string, string>>;

/** `now`: what the provider takes for now, ms since the epoch. */
export function toldOf(form: HeaderForm, levels: QuotaLevels, now: number, isRefused: boolean): ToldHeaders {
  if (form === "anthropic") return { ...anthropicOf(levels, now), ...unifiedOf(levels.windows) };
  if (form === "openai") return openaiOf(levels);
  if (form === "codex") return codexOf(levels.windows);
  return form === "openrouter" && isRefused ? openrouterOf(levels, now) : {};
}

function rateIn({ rates }: QuotaLevels, resource: RateLevel["resource"]): RateLevel | undefined {
  return rates.find((rate) => rate.resource === resource);
}

function anthropicOf(levels: QuotaLevels, now: number): ToldHeaders {
  const [input, output] = [rateIn(levels, "input"), rateIn(levels, "output")];
  return {
    ...anthropicRate("requests", rateIn(levels, "requests"), now),
    ...anthropicRate("input-tokens", input, now),
    ...anthropicRate("output-tokens", output, now),
    ...anthropicRate("tokens", rateIn(levels, "tokens") ?? bothOf(input, output), now),
  };
}

function bothOf(input: RateLevel | undefined, output: RateLevel | undefined): RateLevel | undefined {
  if (input === undefined || output === undefined) return input ?? output;
  return {
    resource: "tokens",
    limit: input.limit + output.limit,
    remaining: input.remaining + output.remaining,
    resetMs: Math.max(input.resetMs, output.resetMs),
  };
}

function anthropicRate(name: string, rate: RateLevel | undefined, now: number): ToldHeaders {
  if (rate === undefined) return {};
  const prefix = `anthropic-ratelimit-${name}`;
  return {
    [`${prefix}-limit`]: String(rate.limit),
    [`${prefix}-remaining`]: String(rate.remaining),
    [`${prefix}-reset`]: rfc3339(now + finite(rate.resetMs) + 999),
  };
}

/** A limit of 0 never fills; it is told as a minute. */
function finite(ms: number): number {
  return Number.isFinite(ms) ? ms : 60_000;
}

/** Seconds, as the provider writes its resets. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z");
}

const claims: Readonly<Record<string, string>> = {
  "5h": "five_hour",
  "7d": "seven_day",
  "7d_oi": "seven_day_overage_included",
};

const severity = { allowed: 0, allowed_warning: 1, rejected: 2 } as const;

/** Shares of 0 to 1, ends in epoch seconds; the window that binds gives its name to the whole. */
function unifiedOf(windows: readonly WindowLevel[]): ToldHeaders {
  const [binding] = [...windows].sort(
    (left, right) => severity[right.status] - severity[left.status] || right.utilization - left.utilization,
  );
  if (binding === undefined) return {};
  const prefix = "anthropic-ratelimit-unified";
  const each = windows.map(({ name, utilization, status, resetAt }) => ({
    [`${prefix}-${name}-utilization`]: String(utilization),
    [`${prefix}-${name}-reset`]: epochSeconds(resetAt),
    [`${prefix}-${name}-status`]: status,
    ...(status === "allowed" ? {} : { [`${prefix}-${name}-surpassed-threshold`]: "0.8" }),
  }));
  return {
    [`${prefix}-status`]: binding.status,
    [`${prefix}-reset`]: epochSeconds(binding.resetAt),
    [`${prefix}-representative-claim`]: claims[binding.name] ?? binding.name,
    ...Object.assign({}, ...each),
  };
}

function epochSeconds(at: number): string {
  return String(Math.ceil(at / 1000));
}

/** One figure for all tokens; where input and output have their own, what is left of the first less what was written. */
function openaiOf(levels: QuotaLevels): ToldHeaders {
  const requests = rateIn(levels, "requests") ?? rateIn(levels, "day");
  const [input, output] = [rateIn(levels, "input"), rateIn(levels, "output")];
  const written = output === undefined ? 0 : output.limit - output.remaining;
  const joined = input && {
    ...input,
    remaining: Math.max(0, input.remaining - written),
    resetMs: Math.max(input.resetMs, output?.resetMs ?? 0),
  };
  return {
    ...openaiRate("requests", requests),
    ...openaiRate("tokens", rateIn(levels, "tokens") ?? joined ?? output),
  };
}

function openaiRate(name: string, rate: RateLevel | undefined): ToldHeaders {
  if (rate === undefined) return {};
  return {
    [`x-ratelimit-limit-${name}`]: String(rate.limit),
    [`x-ratelimit-remaining-${name}`]: String(rate.remaining),
    [`x-ratelimit-reset-${name}`]: goDuration(finite(rate.resetMs)),
  };
}

/** Go's notation, as in `6m0s`, `1.5s` or `12ms`. */
export function goDuration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = ms / 1000;
  const rest = Number((seconds % 60).toFixed(3));
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${rest}s`;
  return minutes < 60 ? `${minutes}m${rest}s` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}s`;
}

/** Percents; slots are in the order of the settings, told apart by their length. */
function codexOf(windows: readonly WindowLevel[]): ToldHeaders {
  const told = windows.slice(0, 2).map(({ utilization, periodMs, resetAt }, index) => {
    const prefix = `x-codex-${index === 0 ? "primary" : "secondary"}`;
    return {
      [`${prefix}-used-percent`]: String(Math.round(utilization * 100)),
      [`${prefix}-window-minutes`]: String(Math.round(periodMs / 60_000)),
      [`${prefix}-reset-at`]: epochSeconds(resetAt),
    };
  });
  return Object.assign({}, ...told);
}

/** Requests alone, the end in epoch ms. */
function openrouterOf(levels: QuotaLevels, now: number): ToldHeaders {
  const rates = [rateIn(levels, "day"), rateIn(levels, "requests")].filter((rate) => rate !== undefined);
  const [rate] = rates.sort((left, right) => left.remaining - right.remaining);
  if (rate === undefined) return {};
  return {
    "x-ratelimit-limit": String(rate.limit),
    "x-ratelimit-remaining": String(rate.remaining),
    "x-ratelimit-reset": String(Math.ceil(now + finite(rate.resetMs))),
  };
}
