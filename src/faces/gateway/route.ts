/** Who may answer, by what a request calls its model. */
import type { Upstream } from "../../ports/upstream.ts";

export const tiers = ["cheap", "standard", "strong"] as const;
/** Whoever is free, in the configuration's order. */
export const anyone = "auto";

/** In the order of preference; empty: nobody is called that. A provider's name goes before a model's, that before a tier. */
export function candidatesFor<Known extends Upstream>(
  model: string,
  upstreams: readonly Known[],
): readonly Known[] {
  if (model === anyone) return upstreams;
  const named = upstreams.filter(({ provider }) => provider === model);
  if (named.length > 0) return named;
  const serving = upstreams.filter((each) => each.model === model);
  return serving.length > 0 ? serving : upstreams.filter(({ tier }) => tier === model);
}

/** Every word that can be asked for, each once. */
export function namesOf(upstreams: readonly Upstream[]): readonly string[] {
  if (upstreams.length === 0) return [];
  const used = tiers.filter((tier) => upstreams.some((each) => each.tier === tier));
  const providers = upstreams.map(({ provider }) => provider);
  return [...new Set([anyone, ...used, ...providers, ...upstreams.map(({ model }) => model)])];
}
