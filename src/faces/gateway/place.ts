/** Waiting for a place in the tanks: short waits are waited out, long ones are handed back at once. */
import type { LeaseId } from "../../domain/meter.ts";
import type { Candidate, Granted } from "../../work/capacity.ts";
import type { Able } from "./able.ts";
import type { Call } from "./call.ts";
import type { Problem } from "./problem.ts";
import type { GatewayTools } from "./tools.ts";

/** When a place comes free is nobody's to know; then this is what a caller is told, ms. */
const unknownWaitMs = 5_000;

class OutOfPatience extends Error {
  override readonly name = "OutOfPatience";
}

/** `until` undefined: nobody knows when. */
export type Place =
  | Granted
  | { readonly kind: "later"; readonly until: number | undefined; readonly why: string }
  | { readonly kind: "never"; readonly why: string }
  /** Whoever called waits no longer. */
  | { readonly kind: "gone" };

/** At most until the moment given, ms. Whoever is granted a place ends it. */
export async function placeFor(
  tools: GatewayTools,
  call: Call,
  able: readonly Able[],
  { hop, until }: { readonly hop: number; readonly until: number },
): Promise<Place> {
  const { capacity, clock, metrics } = tools;
  const { signal } = call.stop;
  const enteredAt = clock.now();
  const kind = `gateway ${call.caller.name}`;
  const candidates = able.map((each) => candidateOf(tools, call, each, kind));
  const outputLikely = candidates[0]?.likely ?? 0;
  const stop = () => call.stop.abort(new OutOfPatience("it waited too long for a place"));
  const opens = opensAt(tools, able);
  if (opens !== undefined && opens > until)
    return { kind: "later", until: opens, why: "all that may answer this are closed" };
  const timer = setTimeout(stop, Math.max(0, until - enteredAt));
  try {
    for (let turn = 0; ; turn++) {
      const place = await capacity.enter(
        {
          ...{ id: `${call.id}-${hop}-${turn}` as LeaseId, rank: enteredAt, candidates, outputLikely },
          ...{ tenant: kind, series: `${kind} ${call.series}`, end: undefined },
        },
        signal,
      );
      if (place.kind === "granted") metrics.took("queue", clock.now() - enteredAt);
      if (place.kind !== "later" || place.until > until) return place;
      await clock.sleep(Math.max(1, place.until - clock.now()), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    if (!(signal.reason instanceof OutOfPatience)) return { kind: "gone" };
    return { kind: "later", until: undefined, why: "none came free" };
  } finally {
    clearTimeout(timer);
  }
}

function candidateOf(
  { capacity }: GatewayTools,
  { inputTokens }: Call,
  { upstream: { source: provider }, outputTokensMax }: Able,
  kind: string,
): Candidate & { readonly likely: number } {
  const { output, likely } = capacity.expected(provider, kind, outputTokensMax);
  const input = capacity.inputOf(provider, inputTokens).likely;
  const draft = { input, cachedInput: 0, output, outputMax: outputTokensMax };
  return { provider, draft, floor: 0, likely };
}

/** When the first of them opens again, ms; undefined: one is open, or nobody knows. */
export function opensAt({ capacity }: GatewayTools, able: readonly Able[]): number | undefined {
  const closures = capacity.closures();
  const moments = able.map(({ upstream }) => closures.get(upstream.source)?.until ?? Number.NaN);
  const first = Math.min(...moments);
  return Number.isFinite(first) ? first : undefined;
}

/** A refusal with the wait that the tanks know of: a provider that names none, or nonsense, is closed all the same. */
export function withWait(problem: Problem, until: number | undefined): Problem {
  if (problem.kind !== "limited" && problem.kind !== "overloaded") return problem;
  return until === undefined ? problem : { ...problem, until };
}

/** What a caller is told that gets no place. `opens`: see `opensAt`. `now` in ms. */
export function tooLong(
  place: Extract<Place, { readonly kind: "later" | "never" }>,
  opens: number | undefined,
  now: number,
): Problem {
  if (place.kind === "never")
    return { kind: "closed", why: "no provider that may answer this can be used now" };
  const until = place.until ?? opens ?? now + unknownWaitMs;
  return { kind: "limited", why: `no place within the patience of this gateway: ${place.why}`, until };
}
