/** Which providers can take a request as it is, and what it may come to there. */
import type { Caller } from "../../domain/caller.ts";
import type { Usage } from "../../domain/reply.ts";
import { assert } from "../../kit/assert.ts";
import type { Upstream } from "../../ports/upstream.ts";
import type { Problem } from "./problem.ts";
import { candidatesFor, namesOf } from "./route.ts";
import { type Asked, boundIn, boundNames, talkOf } from "./talk.ts";
import type { Offered } from "./tools.ts";

export interface Able {
  readonly upstream: Offered;
  readonly isVerbatim: boolean;
  /** The body for it. Written when it is sent: calls that wait would hold one for every candidate. */
  write(): string;
  readonly outputTokensMax: number;
}

/** A body that is not worth writing twice, characters. */
const smallMax = 65_536;

/** Who can take this very request, or what is wrong with it. */
export function ableOf(
  upstreams: readonly Offered[],
  asked: Asked,
  caller: Caller,
): readonly Able[] | Problem {
  const { model } = asked.body;
  if (typeof model !== "string" || model === "")
    return { kind: "bad-request", why: "model is missing", field: "model" };
  const unbounded = whyUnbounded(asked);
  if (unbounded !== undefined) return unbounded;
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
  let refused: Problem | undefined;
  const able = priced.flatMap((upstream): readonly Able[] => {
    const isVerbatim = asked.wire === upstream.wire;
    const written = isVerbatim ? undefined : talk(upstream);
    if (written?.kind === "untranslatable") {
      refused ??= { kind: "bad-request", why: written.why, field: written.field };
      return [];
    }
    const kept = written !== undefined && written.body.length <= smallMax ? written.body : undefined;
    const write = () => {
      if (kept !== undefined) return kept;
      const again = talk(upstream);
      assert(again.kind === "written", "what could be written once can be written again");
      return again.body;
    };
    return [{ upstream, isVerbatim, write, outputTokensMax: boundIn(asked) ?? upstream.outputTokensMax }];
  });
  if (able.length > 0) return able;
  assert(refused !== undefined, "whoever cannot take it said why");
  return refused;
}

/** A call is counted as one answer within one bound: what asks for more than that is refused by its name. */
function whyUnbounded({ body }: Asked): Problem | undefined {
  for (const field of ["n", "best_of"] as const) {
    const count = body[field] ?? 1;
    if (count !== 1) return bad(field, "may only be 1: a call here is one answer");
  }
  const given = boundNames.filter((name) => (body[name] ?? undefined) !== undefined);
  const wrong = given.find((name) => !Number.isSafeInteger(body[name]) || Number(body[name]) < 1);
  if (wrong !== undefined) return bad(wrong, "is a whole number of tokens, 1 or more");
  const [first, ...others] = given;
  const second = others.find((name) => first !== undefined && body[name] !== body[first]);
  return second === undefined ? undefined : bad(second, `differs from ${first}: give one bound`);
}

function bad(field: string, why: string): Problem {
  return { kind: "bad-request", why: `${field} ${why}`, field };
}

/** The most that any of them could take; `inputFor`: tokens of the prompt as such a provider may count them. */
export function estimateOf(able: readonly Able[], inputFor: (source: string) => number) {
  const usages = able.map(({ upstream, outputTokensMax: output }) => {
    return { upstream, usage: { input: inputFor(upstream.source), cachedInput: 0, output } };
  });
  const input = Math.max(...usages.map(({ usage }) => usage.input));
  const output = Math.max(...usages.map(({ usage }) => usage.output));
  const usd = Math.max(...usages.map(({ upstream, usage }) => usdOf(upstream, usage)));
  return { tokens: input + output, input, output, usd };
}

export function usdOf({ price }: Upstream, { input, cachedInput, output }: Usage): number {
  if (price === undefined) return 0;
  const { inputUsd, cachedInputUsd, outputUsd } = price;
  return ((input - cachedInput) * inputUsd + cachedInput * cachedInputUsd + output * outputUsd) / 1e6;
}
