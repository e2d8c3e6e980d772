/** Limits that are given back at one moment: a day's requests, a subscription's windows. */
import {
  type Counted,
  type QuotaLevels,
  type QuotaRefusal,
  type QuotaSettings,
  type RateLevel,
  rounded,
  type Weights,
  type WindowLevel,
  type WindowSettings,
} from "./counting.ts";

interface Period {
  used: number;
  /** Undefined: it begins with the next call. */
  resetAt: number | undefined;
}

const dayMs = 86_400_000;
/** Midnight where Gemini's days end, without summer time. */
const dayShiftMs = 8 * 3_600_000;
const weightsUsual: Weights = { input: 1, cachedInput: 0.1, output: 5 };
const warningAt = 0.8;

export class Periods {
  readonly #windows = new Map<string, Period>();
  #day: Period = { used: 0, resetAt: undefined };
  #rolledAt: number;

  constructor(now: number) {
    this.#rolledAt = now;
  }

  /** Ends what is over, and takes the second client's part of what is not. */
  roll({ windows = [], foreign, rpd = 0 }: QuotaSettings, now: number): void {
    const span = Math.max(0, now - this.#rolledAt);
    this.#rolledAt = Math.max(this.#rolledAt, now);
    const share = foreign?.share ?? 0;
    if (this.#day.resetAt !== undefined && now >= this.#day.resetAt)
      this.#day = { used: 0, resetAt: undefined };
    this.#day.resetAt ??= dayEnd(now);
    this.#day.used += (share * rpd * Math.min(span, dayMs)) / dayMs;
    for (const { name, allowance, periodMs } of windows) {
      const window = this.#window(name);
      if (window.resetAt !== undefined && now >= window.resetAt) {
        window.used = 0;
        window.resetAt = undefined;
      } else if (window.resetAt !== undefined)
        window.used += (share * allowance * Math.min(span, periodMs)) / periodMs;
    }
  }

  /** One more request was let in. */
  arrived(): void {
    this.#day.used += 1;
  }

  /** What a call took of the windows. */
  took(settings: QuotaSettings, { arrival, wrote }: Counted, now: number): void {
    const own = settings.weights?.[arrival.model ?? ""] ?? weightsUsual;
    const fresh = arrival.input - arrival.cachedInput;
    const weight = fresh * own.input + arrival.cachedInput * own.cachedInput + wrote * own.output;
    this.roll(settings, now);
    for (const { name, periodMs } of settings.windows ?? []) {
      const window = this.#window(name);
      window.used += weight;
      window.resetAt ??= now + periodMs;
    }
  }

  /** The one that shuts longest; undefined: none does. Rolled before. */
  refusal({ windows = [], rpd }: QuotaSettings, now: number): QuotaRefusal | undefined {
    const over = windows.flatMap((window): readonly QuotaRefusal[] => {
      const { used, resetAt } = this.#window(window.name);
      if (used < window.allowance) return [];
      const retryAfterMs = window.allowance === 0 ? Number.POSITIVE_INFINITY : (resetAt ?? now) - now;
      const { name, allowance: limit } = window;
      return [{ kind: "refused", resource: "window", name, limit, used, requested: 0, retryAfterMs }];
    });
    const day = rpd === undefined ? [] : this.#dayRefusal(rpd, now);
    return [...over, ...day].sort((left, right) => (right.retryAfterMs ?? 0) - (left.retryAfterMs ?? 0))[0];
  }

  #dayRefusal(limit: number, now: number): readonly QuotaRefusal[] {
    const { used, resetAt } = this.#day;
    if (used + 1 <= limit) return [];
    const retryAfterMs = limit === 0 ? Number.POSITIVE_INFINITY : (resetAt ?? dayEnd(now)) - now;
    const figures = { limit, used: Math.floor(used), requested: 1, retryAfterMs };
    return [{ kind: "refused", resource: "day", name: "day", ...figures }];
  }

  /** The day's rate, where there is one, and the windows. */
  levels(settings: QuotaSettings, now: number): QuotaLevels {
    this.roll(settings, now);
    const { rpd, windows = [] } = settings;
    const { used, resetAt } = this.#day;
    const limit = rpd ?? 0;
    const remaining = Math.max(0, Math.floor(limit - used));
    const day: RateLevel = { resource: "day", limit, remaining, resetMs: (resetAt ?? dayEnd(now)) - now };
    const levels = windows.map((window) => this.#windowLevel(window, settings.shareStep ?? 0.01, now));
    return { rates: rpd === undefined ? [] : [day], windows: levels };
  }

  #windowLevel({ name, allowance, periodMs }: WindowSettings, step: number, now: number): WindowLevel {
    const { used, resetAt } = this.#window(name);
    const share = allowance === 0 ? 1 : used / allowance;
    const isOver = share >= 1;
    const told = Math.min(1, rounded(share, step));
    const status = isOver ? "rejected" : told >= warningAt ? "allowed_warning" : "allowed";
    return { name, utilization: isOver ? 1 : told, status, resetAt: resetAt ?? now + periodMs, periodMs };
  }

  #window(name: string): Period {
    const window = this.#windows.get(name) ?? { used: 0, resetAt: undefined };
    this.#windows.set(name, window);
    return window;
  }
}

function dayEnd(now: number): number {
  return (Math.floor((now - dayShiftMs) / dayMs) + 1) * dayMs + dayShiftMs;
}
