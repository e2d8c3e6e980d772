/**
 * One call from its request to its end.
 *
 * 1. Money is reserved before anything else and settled at the end, whatever happens; what nobody can count counts whole.
 * 2. A place in the tanks is given back in every way out: answered, failed, the caller gone.
 * 3. Before the first word another provider may answer, a bounded number of times; after it nobody else does.
 */
import type { ServerResponse } from "node:http";
import { type Caller, overBudget, spendOf } from "../../domain/caller.ts";
import { atLeastSeen, type Fault, noUsage, type Usage } from "../../domain/reply.ts";
import { assert } from "../../kit/assert.ts";
import type { Granted } from "../../work/capacity.ts";
import { type Able, ableOf, estimateOf, usdOf } from "./able.ts";
import { placeFor, tooLong } from "./place.ts";
import { brokenStream, type Problem, problemOf } from "./problem.ts";
import { relayed } from "./relay.ts";
import { type Asked, writerOf } from "./talk.ts";
import type { GatewayTools } from "./tools.ts";
import { type Alive, headOf, keepAlive, refuse } from "./voice.ts";

export interface Call {
  readonly id: string;
  readonly asked: Asked;
  readonly caller: Caller;
  /** Tokens of the request, roughly. */
  readonly inputTokens: number;
  /** The beginning of the body: calls of one series have it alike. */
  readonly series: string;
  /** Of the caller's headers, those that belong to the wire. */
  readonly headers: Readonly<Record<string, string>>;
  readonly reply: ServerResponse;
  /** Aborted when the caller is gone, has waited too long, or the gateway stops. */
  readonly stop: AbortController;
}

/** Providers asked for one call at most. */
const hopsMax = 3;
/** A stream that waits says so from now on, ms: before, an error can still be one by its status. */
const quietQueueMs = 2_000;
const quietModelMs = 15_000;

const stopping: Problem = { kind: "overloaded", why: "the gateway stops", until: undefined };

/** `usage` undefined: nobody knows, so all that was reserved counts. */
interface Ended {
  readonly outcome: "said" | "unmade" | "lost" | "failed" | Problem["kind"];
  readonly provider: string;
  readonly usage: Usage | undefined;
  readonly usd: number;
}

/** Answers, one way or the other. Never rejects for what caller or provider do. */
export async function answerCall(tools: GatewayTools, call: Call): Promise<void> {
  const { asked, caller, id } = call;
  const { book, clock, upstreams } = tools;
  const able = ableOf(upstreams, asked, caller);
  if ("kind" in able) return refusedAtOnce(tools, call, able);
  const estimate = estimateOf(able, call.inputTokens);
  const over = overBudget(caller, spendOf(book.accounts, caller.hash), estimate);
  if (over !== undefined) {
    const why = `the budget of token ${caller.name} does not allow this call: ${over}`;
    return refusedAtOnce(tools, call, { kind: "out-of-budget", why });
  }
  const startedAt = clock.now();
  book.add({ kind: "reserved", call: id, hash: caller.hash, estimate });
  const alive = keepAlive(call);
  let end: Ended = { outcome: "lost", provider: "-", usage: undefined, usd: 0 };
  try {
    end = await tried(tools, call, able, alive);
  } finally {
    alive.stop();
    // Whoever is still there is told: the gateway stops.
    if (call.stop.signal.aborted) refuse(clock, call, stopping);
    const output = Math.max(0, estimate.tokens - call.inputTokens);
    const usage = end.usage ?? { input: call.inputTokens, cachedInput: 0, output };
    const usd = end.usage === undefined ? estimate.usd : end.usd;
    if (end.outcome === "unmade") book.add({ kind: "withdrawn", call: id });
    else book.add({ kind: "settled", call: id, usage, usd });
    count(tools, call, { ...end, usage });
    tools.metrics.took("whole", clock.now() - startedAt);
  }
}

function count({ metrics }: GatewayTools, { asked, caller: { name } }: Call, end: Ended): void {
  const { provider, outcome, usage } = end;
  metrics.ended({ wire: asked.wire, provider, caller: name, outcome });
  if (usage === undefined || provider === "-") return;
  metrics.tokens({ provider, caller: name, direction: "input" }, usage.input);
  metrics.tokens({ provider, caller: name, direction: "output" }, usage.output);
}

function refusedAtOnce(tools: GatewayTools, call: Call, problem: Problem): void {
  refuse(tools.clock, call, problem);
  count(tools, call, { outcome: problem.kind, provider: "-", usage: noUsage, usd: 0 });
}

interface Failure {
  readonly fault: Fault;
  readonly provider: string;
}

async function tried(tools: GatewayTools, call: Call, able: readonly Able[], alive: Alive): Promise<Ended> {
  const { clock, patienceMs } = tools;
  const until = clock.now() + patienceMs;
  let left = able;
  let failure: Failure | undefined;
  for (let hop = 0; hop < hopsMax && left.length > 0; hop++) {
    alive.after(quietQueueMs);
    const place = await placeFor(tools, call, left, { hop, until });
    if (place.kind === "gone") return { outcome: "unmade", provider: "-", usage: noUsage, usd: 0 };
    if (place.kind !== "granted") {
      if (failure !== undefined) break;
      const problem = tooLong(place, clock.now());
      refuse(clock, call, problem);
      return { outcome: problem.kind, provider: "-", usage: noUsage, usd: 0 };
    }
    const chosen = left.find(({ upstream }) => upstream.provider === place.provider);
    assert(chosen !== undefined, "a place is with a candidate");
    alive.after(quietModelMs);
    const end = await asked(tools, call, { chosen, place, alive });
    if (end.kind === "ended") return end.end;
    failure = { fault: end.fault, provider: place.provider };
    if (!mayHop(end.fault)) break;
    left = left.filter((each) => each !== chosen);
  }
  assert(failure !== undefined, "whoever was asked failed");
  refuse(clock, call, problemOf(failure.fault, failure.provider));
  return { outcome: "failed", provider: failure.provider, usage: noUsage, usd: 0 };
}

/** Another provider would refuse what is wrong with the request itself. */
function mayHop({ kind }: Fault): boolean {
  return kind !== "request";
}

type Tried = { readonly kind: "ended"; readonly end: Ended } | ({ readonly kind: "failed" } & Failure);

interface Turn {
  readonly chosen: Able;
  readonly place: Granted;
  readonly alive: Alive;
}

/** Asks one provider and passes its answer on. The place is given back in `finally`, where nothing else did. */
async function asked(tools: GatewayTools, call: Call, { chosen, place, alive }: Turn): Promise<Tried> {
  const { clock, metrics, capacity } = tools;
  const { upstream, written } = chosen;
  const { provider } = upstream;
  const { signal } = call.stop;
  const kind = `gateway ${call.caller.name}`;
  const sentAt = clock.now();
  const ended = (end: Omit<Ended, "provider">): Tried => ({ kind: "ended", end: { provider, ...end } });
  try {
    const answer = await upstream.ask({ body: written.body, headers: headersFor(call, chosen) }, signal);
    if (answer.kind === "failed") {
      const { fault, headers, readings } = answer;
      place.end({ kind: "failed", fault, usage: noUsage, headers, readings });
      return { kind: "failed", fault, provider };
    }
    const writer = writerOf(call.asked, { id: call.id, model: upstream.model, at: sentAt });
    const begin = (contentType: string) => {
      metrics.took("first-byte", clock.now() - sentAt);
      alive.stop();
      if (!call.reply.headersSent) call.reply.writeHead(200, headOf(call, provider, contentType));
    };
    const { headers, body } = answer;
    const end = await relayed({
      ...call,
      upstream,
      isVerbatim: written.isVerbatim,
      headers,
      body,
      writer,
      begin,
    });
    if (signal.aborted) return ended({ outcome: "lost", usage: undefined, usd: 0 });
    if (end.kind === "failed") {
      const { fault, isSilent } = end;
      place.end({ kind: "failed", fault, usage: end.usage, headers, readings: [] });
      if (isSilent) return { kind: "failed", fault, provider };
      call.reply.end(brokenStream(problemOf(fault, provider), call.asked.wire, writer.sequence));
      // What it said before may have been paid, and nobody says how much it was.
      return ended({ outcome: "failed", usage: undefined, usd: 0 });
    }
    const usage = atLeastSeen(end.usage, { input: call.inputTokens, output: end.seenOutput });
    place.end({ kind: "said", usage, headers });
    capacity.learn(provider, kind, usage);
    return ended({ outcome: "said", usage, usd: usdOf(upstream, usage) });
  } catch (error) {
    if (signal.aborted) return ended({ outcome: "lost", usage: undefined, usd: 0 });
    throw error;
  } finally {
    place.end({ kind: "lost" });
  }
}

/** The caller's own where it speaks the provider's wire; else what that wire asks of every request. */
function headersFor({ headers }: Call, { upstream, written }: Able): Readonly<Record<string, string>> {
  if (written.isVerbatim) return headers;
  return upstream.wire === "messages" ? { "anthropic-version": "2023-06-01" } : {};
}
