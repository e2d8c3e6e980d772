/**
 * One call from its request to its end.
 *
 * 1. Money is reserved before anything else and settled at the end, whatever happens; what nobody can count counts whole,
 *    for every provider that was asked.
 * 2. A place in the tanks is given back in every way out: answered, failed, the caller gone.
 * 3. Before the first word another provider may answer, a bounded number of times; after it nobody else does.
 */
import type { ServerResponse } from "node:http";
import type { Caller } from "../../domain/caller.ts";
import { atLeastSeen, atMostPossible, type Fault, noUsage, type Usage } from "../../domain/reply.ts";
import { assert } from "../../kit/assert.ts";
import type { Granted } from "../../work/capacity.ts";
import { type Able, ableOf, usdOf } from "./able.ts";
import type { Hold } from "./hold.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { opensAt, placeFor, tooLong, withWait } from "./place.ts";
import { type Problem, problemOf } from "./problem.ts";
import { type Relayed, relayed } from "./relay.ts";
import type { EventStream } from "./stream.ts";
import { type Asked, writerOf } from "./talk.ts";
import type { GatewayTools } from "./tools.ts";
import { type Alive, headOf, keepAlive, refuse } from "./voice.ts";

export interface Call {
  readonly id: string;
  readonly asked: Asked;
  readonly caller: Caller;
  /** Tokens of the request by our own count. */
  readonly inputTokens: number;
  /** Whether its token still counts: it may be taken back while the call waits. */
  isWelcome(): boolean;
  /** The beginning of the body: calls of one series have it alike. */
  readonly series: string;
  /** Of the caller's headers, those that belong to the wire. */
  readonly headers: Readonly<Record<string, string>>;
  readonly reply: ServerResponse;
  /** The same, for an answer that is one of events. */
  readonly stream: EventStream;
  /** What it holds of the gateway's memory. */
  readonly hold: Hold;
  /** Aborted when the caller is gone, has waited too long, or the gateway stops. */
  readonly stop: AbortController;
}

/** Providers asked for one call at most. */
const hopsMax = 3;
/** A stream that waits says so from now on, ms: before, an error can still be one by its status. */
const quietQueueMs = 2_000;
const quietModelMs = 15_000;

/** What a caller is told whose answer finds no memory, ms. */
const fullWaitMs = 5_000;

const noMemory = "the gateway holds all the answers that it can hold";

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
  const { asked, caller } = call;
  const { clock, upstreams } = tools;
  const able = ableOf(upstreams, asked, caller);
  if ("kind" in able) return refusedAtOnce(tools, call, able);
  const ledger = openLedger(tools, call, able);
  const over = ledger.reserve();
  if (over !== undefined) return refusedAtOnce(tools, call, over);
  const startedAt = clock.now();
  const alive = keepAlive(call);
  let end: Ended = { outcome: "lost", provider: "-", usage: undefined, usd: 0 };
  try {
    end = await tried(tools, call, { able, alive, ledger });
  } finally {
    alive.stop();
    // Whoever is still there is told: the gateway stops.
    if (call.stop.signal.aborted) refuse(clock, call, stopping);
    const usage = end.outcome === "unmade" ? ledger.withdraw() : ledger.settle(end.usage, end.usd);
    count(tools, call, { ...end, usage });
    tools.metrics.took("whole", clock.now() - startedAt);
  }
}

function count(tools: GatewayTools, call: Call, { provider, outcome, usage = noUsage }: Ended): void {
  tools.metrics.ended({ wire: call.asked.wire, provider, caller: call.caller.name, outcome });
  countTokens(tools, call, provider, usage);
}

function countTokens({ metrics }: GatewayTools, call: Call, provider: string, usage: Usage): void {
  const { name } = call.caller;
  if (provider === "-") return;
  metrics.tokens({ provider, caller: name, direction: "input" }, usage.input);
  metrics.tokens({ provider, caller: name, direction: "output" }, usage.output);
}

function refusedAtOnce(tools: GatewayTools, call: Call, problem: Problem): void {
  refuse(tools.clock, call, problem);
  count(tools, call, { outcome: problem.kind, provider: "-", usage: noUsage, usd: 0 });
}

interface Failure {
  readonly fault: Fault;
  readonly chosen: Able;
}

interface Way {
  readonly able: readonly Able[];
  readonly alive: Alive;
  readonly ledger: Ledger;
}

async function tried(tools: GatewayTools, call: Call, { able, alive, ledger }: Way): Promise<Ended> {
  const { clock, patienceMs } = tools;
  const until = clock.now() + patienceMs;
  const refused = (problem: Problem): Ended => {
    refuse(clock, call, problem);
    return { outcome: problem.kind, provider: "-", usage: noUsage, usd: 0 };
  };
  let left = able;
  let failure: Failure | undefined;
  for (let hop = 0; hop < hopsMax && left.length > 0; hop++) {
    alive.after(quietQueueMs);
    const place = await placeFor(tools, call, left, { hop, until });
    if (place.kind === "gone") return { outcome: "unmade", provider: "-", usage: noUsage, usd: 0 };
    if (place.kind !== "granted") {
      if (failure !== undefined) break;
      return refused(tooLong(place, opensAt(tools, left), clock.now()));
    }
    const problem = call.isWelcome() ? ledger.reserve() : takenBack;
    if (problem !== undefined) {
      place.end({ kind: "unmade" });
      return refused(problem);
    }
    const chosen = left.find(({ upstream }) => upstream.source === place.provider);
    assert(chosen !== undefined, "a place is with a candidate");
    alive.after(quietModelMs);
    const end = await asked(tools, call, { chosen, place, alive });
    if (end.kind === "ended") return end.end;
    const { provider } = chosen.upstream;
    failure = { fault: end.fault, chosen };
    if (end.isPaid) {
      countTokens(tools, call, provider, ledger.settle(undefined, 0));
    }
    if (!mayHop(end.fault)) break;
    // Who was only at its limit may have room again before the patience is over; who is broken is not asked again.
    if (!isLimit(end.fault)) left = left.filter((each) => each !== chosen);
  }
  assert(failure !== undefined, "whoever was asked failed");
  const { provider } = failure.chosen.upstream;
  refuse(clock, call, withWait(problemOf(failure.fault, provider), opensAt(tools, [failure.chosen])));
  return { outcome: "failed", provider, usage: noUsage, usd: 0 };
}

const takenBack: Problem = { kind: "no-token", why: "this token was taken back while its call waited" };

/** Another provider would refuse what is wrong with the request itself. */
function mayHop(fault: Fault): boolean {
  return fault.kind !== "request" || fault.isOfPlace === true;
}

function isLimit({ kind }: Fault): boolean {
  return kind === "throttle" || kind === "window";
}

/** `isPaid`: the provider began to answer, and nobody knows what that cost. */
type Tried =
  | { readonly kind: "ended"; readonly end: Ended }
  | { readonly kind: "failed"; readonly fault: Fault; readonly isPaid: boolean };

interface Turn {
  readonly chosen: Able;
  readonly place: Granted;
  readonly alive: Alive;
}

/** Asks one provider and passes its answer on. The place is given back in `finally`, where nothing else did. */
async function asked(tools: GatewayTools, call: Call, { chosen, place, alive }: Turn): Promise<Tried> {
  const { clock, metrics, capacity } = tools;
  const { upstream, isVerbatim } = chosen;
  const { provider } = upstream;
  const { signal } = call.stop;
  const kind = `gateway ${call.caller.name}`;
  const sentAt = clock.now();
  const ended = (end: Omit<Ended, "provider">): Tried => ({ kind: "ended", end: { provider, ...end } });
  try {
    const answer = await upstream.ask({ body: chosen.write(), headers: headersFor(call, chosen) }, signal);
    if (answer.kind === "failed") {
      const { fault, headers, readings, isPaid } = answer;
      place.end({ kind: "failed", fault, usage: noUsage, headers, readings });
      return { kind: "failed", fault, isPaid };
    }
    const writer = writerOf(call.asked, { id: call.id, model: upstream.model, at: sentAt });
    const heard = () => {
      metrics.took("first-byte", clock.now() - sentAt);
      alive.stop();
    };
    const { headers, body, spread } = answer;
    const { stream, hold } = call;
    const end = await relayed({
      ...{ asked: call.asked, upstream, isVerbatim, headers, body, spread, writer, stream, hold },
      begin() {
        heard();
        if (!stream.isOpen) stream.open(headOf(call, provider, "text/event-stream"));
        // The head went out with the first keep-alive, when nobody knew who would answer.
        else stream.writeText(`: x-rigs-provider ${provider}\n\n`);
      },
      answer(text) {
        heard();
        call.reply.writeHead(200, headOf(call, provider, "application/json"));
        call.reply.end(text, "latin1");
      },
    });
    // An answer that is whole costs what it cost, whether or not somebody is still there.
    if (end.kind !== "said" && signal.aborted) return ended({ outcome: "lost", usage: undefined, usd: 0 });
    if (end.kind === "full") {
      const problem: Problem = { kind: "overloaded", why: noMemory, until: clock.now() + fullWaitMs };
      refuse(clock, call, problem, writer.sequence);
      return ended({ outcome: problem.kind, usage: undefined, usd: 0 });
    }
    if (end.kind === "failed") {
      const { fault, isSilent } = end;
      place.end({ kind: "failed", fault, usage: end.usage, headers, readings: [] });
      if (isSilent) return { kind: "failed", fault, isPaid: true };
      refuse(clock, call, problemOf(fault, provider), writer.sequence);
      // What it said before may have been paid, and nobody says how much it was.
      return ended({ outcome: "failed", usage: undefined, usd: 0 });
    }
    if (end.isCut) {
      place.end({ kind: "lost" });
      return ended({ outcome: "said", usage: undefined, usd: 0 });
    }
    const { usage, isPossible } = countOf(call, chosen, end);
    place.end({ kind: "said", usage, headers });
    // What no such call can take tells nobody what it took: all that was reserved counts, and nothing is learned.
    if (!isPossible) return ended({ outcome: "said", usage: undefined, usd: 0 });
    capacity.learn(upstream.source, kind, usage);
    return ended({ outcome: "said", usage, usd: usdOf(upstream, usage) });
  } catch (error) {
    if (signal.aborted) return ended({ outcome: "lost", usage: undefined, usd: 0 });
    throw error;
  } finally {
    place.end({ kind: "lost" });
  }
}

/** What an answer took, as far as the report of it can be true; else what was seen of it. */
function countOf(
  { inputTokens: input }: Call,
  { outputTokensMax: outputMax }: Able,
  { usage: reported, seenOutput: output }: Extract<Relayed, { readonly kind: "said" }>,
): { readonly usage: Usage; readonly isPossible: boolean } {
  const possible = atMostPossible(reported, { input, outputMax });
  const isPossible = possible.input === reported.input && possible.output === reported.output;
  return { isPossible, usage: atLeastSeen(isPossible ? reported : noUsage, { input, output }) };
}

/** The caller's own where it speaks the provider's wire; else what that wire asks of every request. */
function headersFor({ headers }: Call, { upstream, isVerbatim }: Able): Readonly<Record<string, string>> {
  if (isVerbatim) return headers;
  return upstream.wire === "messages" ? { "anthropic-version": "2023-06-01" } : {};
}
