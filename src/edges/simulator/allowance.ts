import type { Usage } from "../../domain/reply.ts";
import type { QuotaLevels, RateLevel } from "./quota.ts";

type Resource = "requests" | "input" | "output";

/** Per minute, the sizes of a middling paid tier; a provider gives whole numbers. */
const limits: Readonly<Record<Resource, number>> = { requests: 1_000, input: 2_000_000, output: 400_000 };

/**
 * Keeps the figures for the headers: one continuous bucket a resource, owner and model, refilled within a minute. They
 * tell a story that fits the traffic but refuse nothing: limits that hold are a scenario's accounts.
 */
export interface Allowance {
  /** Takes what a call used and says what is left; `owner` names key and model. */
  draw(owner: string, usage: Usage, now: number): QuotaLevels;
}

const ownersMax = 1_000;

export function allowance(): Allowance {
  const buckets = new Map<string, { readonly used: Record<Resource, number>; at: number }>();
  return {
    draw(owner, usage, now) {
      const bucket = buckets.get(owner) ?? { used: { requests: 0, input: 0, output: 0 }, at: now };
      buckets.set(owner, bucket);
      const oldest = buckets.size > ownersMax ? buckets.keys().next().value : undefined;
      if (oldest !== undefined) buckets.delete(oldest);
      const minutes = Math.max(0, now - bucket.at) / 60_000;
      bucket.at = Math.max(now, bucket.at);
      const spent = { requests: 1, input: usage.input - usage.cachedInput, output: usage.output };
      const level = (resource: Resource): RateLevel => {
        const limit = limits[resource];
        const used = Math.max(0, bucket.used[resource] - minutes * limit) + spent[resource];
        bucket.used[resource] = Math.min(limit, used);
        const remaining = Math.floor(limit - bucket.used[resource]);
        return { resource, limit, remaining, resetMs: Math.ceil((bucket.used[resource] / limit) * 60_000) };
      };
      return { rates: [level("requests"), level("input"), level("output")], windows: [] };
    },
  };
}
