/** Which providers can take a request as it is, and what it may come to there. */
import type { Caller } from "../../domain/caller.ts";
import type { Usage } from "../../domain/reply.ts";
import { assert } from "../../kit/assert.ts";
import type { Upstream } from "../../ports/upstream.ts";
import type { Problem } from "./problem.ts";
import { candidatesFor, namesOf } from "./route.ts";
import { type Asked, boundIn, talkOf, type Written } from "./talk.ts";

export interface Able {
  readonly upstream: Upstream;
  readonly written: Extract<Written, { readonly kind: "written" }>;
  readonly outputTokensMax: number;
}

/** Who can take this very request, or what is wrong with it. */
export function ableOf(
  upstreams: readonly Upstream[],
  asked: Asked,
  caller: Caller,
): readonly Able[] | Problem {
  const { model } = asked.body;
  if (typeof model !== "string" || model === "")
    return { kind: "bad-request", why: "model is missing", field: "model" };
  const named = candidatesFor(model, upstreams);
  if (named.length === 0) {
    const known = namesOf(upstreams).slice(0, 20).join(", ") || "none: no provider can be used";
    return { kind: "no-model", why: `there is no model "${model.slice(0, 100)}" here; there are: ${known}` };
  }
  const priced = caller.usdMax === undefined ? named : named.filter(({ price }) => price !== undefined);
  if (priced.length === 0) {
    const why = `token ${caller.name} has a budget in USD, and nobody knows the price of ${model.slice(0, 100)}`;
    return { kind: "out-of-budget", why };
  }
  const talk = talkOf(asked);
  const found = priced.map((upstream) => ({ upstream, written: talk(upstream) }));
  const able = found.flatMap(({ upstream, written }): readonly Able[] =>
    written.kind === "written"
      ? [{ upstream, written, outputTokensMax: boundIn(asked) ?? upstream.outputTokensMax }]
      : [],
  );
  if (able.length > 0) return able;
  const [first] = found;
  assert(first?.written.kind === "untranslatable", "whoever cannot take it said why");
  return { kind: "bad-request", why: first.written.why, field: first.written.field };
}

/** The most that any of them could take. */
export function estimateOf(able: readonly Able[], input: number) {
  const tokens = Math.max(...able.map(({ outputTokensMax }) => input + outputTokensMax));
  const usd = Math.max(
    ...able.map(({ upstream, outputTokensMax }) =>
      usdOf(upstream, { input, cachedInput: 0, output: outputTokensMax }),
    ),
  );
  return { tokens, usd };
}

export function usdOf({ price }: Upstream, { input, cachedInput, output }: Usage): number {
  if (price === undefined) return 0;
  const { inputUsd, cachedInputUsd, outputUsd } = price;
  return ((input - cachedInput) * inputUsd + cachedInput * cachedInputUsd + output * outputUsd) / 1e6;
}
