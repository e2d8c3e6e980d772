import type { Usage } from "../domain/reply.ts";
import type { Model } from "../ports/model.ts";
import { endOf } from "./keepalive.ts";
import { askableAt } from "./limits.ts";
import type { Scene } from "./scene.ts";

/** Whom to ask now; or the earliest moment somebody could answer; or that nobody can. */
export type Choice =
  | {
      readonly kind: "model";
      readonly model: Model;
      readonly contextTokensMax: number;
      readonly outputTokensMax: number;
    }
  | { readonly kind: "later"; readonly until: number; readonly why: string }
  | { readonly kind: "none"; readonly why: string };

/** The first provider of the goal's list that can answer now. One that refused this bead for good is not asked again. */
export async function chooseModel(scene: Scene): Promise<Choice> {
  const { goal, attempt, tools } = scene;
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
  let later: Extract<Choice, { kind: "later" }> | undefined;
  const reasons: string[] = [];
  for (const name of goal.order.providers) {
    const refusal = hopeless.get(name);
    if (refusal !== undefined) {
      reasons.push(`${name}: ${refusal}`);
      continue;
    }
    const offer = await tools.offer(name, goal.id);
    if (offer.kind === "unusable") {
      reasons.push(`${name}: ${offer.why}`);
      continue;
    }
    const limit = tools.limitOf(name);
    if (limit === undefined) return offer;
    const until = askableAt(limit, endOf(goal)) ?? limit.until;
    if (until <= tools.clock.now()) return offer;
    if (later === undefined || until < later.until)
      later = { kind: "later", until, why: `${name}: ${limit.why}` };
  }
  return (
    later ?? { kind: "none", why: `no provider can answer: ${reasons.join("; ") || "none is configured"}` }
  );
}

/** USD of a usage at the model's list price; 0 where the price is not known. Cached input is part of input. */
export function usdOf(model: Model, usage: Usage): number {
  if (model.price === undefined) return 0;
  const { inputUsd, cachedInputUsd, outputUsd } = model.price;
  const fresh = usage.input - usage.cachedInput;
  return (fresh * inputUsd + usage.cachedInput * cachedInputUsd + usage.output * outputUsd) / 1_000_000;
}
