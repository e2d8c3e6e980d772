import type { Usage } from "../domain/reply.ts";
import type { Model } from "../ports/model.ts";
import { endOf } from "./keepalive.ts";
import type { Scene } from "./scene.ts";
import type { Offer } from "./tools.ts";

/** A model that may be asked, with its bounds. */
export type Able = Extract<Offer, { readonly kind: "model" }>;

/** Whom to ask, in the order of preference; or why nobody can be. */
export type Choice =
  | { readonly kind: "models"; readonly models: readonly [Able, ...Able[]] }
  | { readonly kind: "none"; readonly why: string };

/** The providers that the goal allows, but for those that refused this bead for good. Those that are open go before those that are not. */
export async function ableModels({ goal, attempt, tools }: Scene): Promise<Choice> {
  const hopeless = new Map<string, string>();
  for (const entry of attempt.trail)
    if (
      entry.kind === "unanswered" &&
      (entry.fault === "auth" ||
        entry.fault === "billing" ||
        entry.fault === "request" ||
        entry.fault === "too-large")
    )
      hopeless.set(entry.provider, entry.why);
  const able: Able[] = [];
  const reasons: string[] = [];
  for (const name of goal.order.providers) {
    const refusal = hopeless.get(name);
    const offer: Offer =
      refusal === undefined ? await tools.offer(name, goal.id) : { kind: "unusable", why: refusal };
    if (offer.kind === "model") able.push(offer);
    else reasons.push(`${name}: ${offer.why}`);
  }
  const end = endOf(goal);
  const isOpen = ({ source }: Able) => tools.capacity.isOpen(source, end);
  const [first, ...others] = [...able.filter(isOpen), ...able.filter((each) => !isOpen(each))];
  return first === undefined
    ? { kind: "none", why: nobody(reasons) }
    : { kind: "models", models: [first, ...others] };
}

/** The sentence of a bead that no provider will answer. */
export function nobody(reasons: readonly string[]): string {
  return `no provider can answer: ${reasons.join("; ") || "none is configured"}`;
}

/** USD of a usage at the model's list price; 0 where the price is not known. Cached input is part of input. */
export function usdOf(model: Model, usage: Usage): number {
  if (model.price === undefined) return 0;
  const { inputUsd, cachedInputUsd, outputUsd } = model.price;
  const fresh = usage.input - usage.cachedInput;
  return (fresh * inputUsd + usage.cachedInput * cachedInputUsd + usage.output * outputUsd) / 1_000_000;
}
