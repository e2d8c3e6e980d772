/** Asking providers how they stand, in the process that keeps the tanks. */
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import type { ProviderKind } from "../edges/config/kind.ts";
import { openModel, type World } from "../edges/models/open.ts";
import { type Effort, refreshReadings, type Refreshed as Said } from "../edges/models/refresh.ts";
import type { Refreshed, RefreshWish } from "../faces/house.ts";
import { unreachable } from "../kit/assert.ts";
import type { Model, Prompt } from "../ports/model.ts";
import type { Capacity } from "../work/capacity.ts";
import type { Outcome } from "../work/outcome.ts";

export interface RefreshTools {
  readonly capacity: Capacity;
  readonly config: Config;
  readonly world: World;
  /** Makes a provider's tanks known, under the name that is given back. */
  offer(provider: ProviderConfig): string;
  /** A name for a call that nobody else has. */
  callName(): string;
}

/** In the order of the names. Rejects only with `signal.reason`. */
export function refreshAll(
  { names, effort }: RefreshWish,
  tools: RefreshTools,
  signal: AbortSignal,
): Promise<readonly Refreshed[]> {
  return Promise.all(
    names.map(async (name): Promise<Refreshed> => {
      const provider = tools.config.providers.find((each) => each.name === name);
      if (provider === undefined)
        return { name, kind: "failed", text: "is not configured any more: rigs provider list" };
      const opened = await openModel(provider, tools.world);
      if (opened.kind === "unusable") return { name, kind: "failed", text: opened.why };
      const source = tools.offer(provider);
      tools.capacity.tryAgain(source, effort !== "look");
      const named = { provider, source };
      switch (effort) {
        case "look":
          return looked(named, tools, signal);
        case "ask":
          return asked(named, tools, signal);
        case "try":
          return tried({ ...named, model: opened.model }, tools, signal);
        default:
          return unreachable(effort);
      }
    }),
  );
}

/** A provider, and what the tanks call it. */
interface Named {
  readonly provider: ProviderConfig;
  readonly source: string;
}

async function looked(named: Named, tools: RefreshTools, signal: AbortSignal): Promise<Refreshed> {
  const said = await refreshReadings(named.provider, tools.world, "look", signal);
  return settled(named, said, "look", tools.capacity);
}

/** A call like any other: it has a place first, or is not made. */
async function asked(named: Named, tools: RefreshTools, signal: AbortSignal): Promise<Refreshed> {
  const { name } = named.provider;
  const place = await placeFor(named.source, smallest, tools, signal);
  if (place.kind !== "granted") return { name, kind: "later", text: `not asked: ${place.why}` };
  let outcome: Outcome = { kind: "lost" };
  try {
    const said = await refreshReadings(named.provider, tools.world, "ask", signal);
    outcome = outcomeOf(said);
    return settled(named, said, "ask", tools.capacity);
  } finally {
    place.end(outcome);
  }
}

/** One short question, to see whether it answers: a call like any other. */
async function tried(
  { provider: { name }, source, model }: Named & { readonly model: Model },
  tools: RefreshTools,
  signal: AbortSignal,
): Promise<Refreshed> {
  const place = await placeFor(source, short, tools, signal);
  if (place.kind !== "granted")
    return { name, kind: "later", text: `(${model.name}) not asked: ${place.why}` };
  let outcome: Outcome = { kind: "lost" };
  try {
    const reply = await model.ask(areYouThere, signal);
    outcome = reply;
    if (reply.kind === "failed") {
      const { kind, why } = reply.fault;
      return { name, kind: "failed", text: `(${model.name}) did not answer (${kind}): ${why}` };
    }
    const { input, output } = reply.usage;
    const text = `(${model.name}) answered in ${reply.wallMs} ms: ${input} tokens in, ${output} out`;
    return { name, kind: "told", text };
  } finally {
    place.end(outcome);
  }
}

/** Tokens of the smallest call, and of a short question, at most. */
const smallest = { input: 20, cachedInput: 0, output: 16, outputMax: 16 };
const short = { input: 60, cachedInput: 0, output: 256, outputMax: 256 };

const areYouThere: Prompt = {
  role: "coder",
  system: "Role: coder\nAnswer with the single word: ready",
  messages: [{ from: "user", text: "Are you there?" }],
  outputTokensMax: short.outputMax,
  temperature: 0,
};

async function placeFor(
  provider: string,
  draft: typeof smallest,
  { capacity, callName }: RefreshTools,
  signal: AbortSignal,
) {
  const id = callName();
  // A person waits: it goes before everything else, and may take what is kept for urgent work.
  const wish = { id, rank: 0, tenant: "refresh", series: id, end: undefined, outputLikely: draft.output };
  return capacity.enter({ ...wish, candidates: [{ provider, draft, floor: 0 }] }, signal);
}

/** Where nothing was called the place was not used. */
function outcomeOf(said: Said): Outcome {
  switch (said.kind) {
    case "silent":
      return { kind: "unmade" };
    case "told":
      return said.usage.input + said.usage.output === 0
        ? { kind: "unmade" }
        : { kind: "said", usage: said.usage, headers: {} };
    default:
      return { kind: "failed", fault: said.fault, usage: said.usage, headers: {}, readings: said.readings };
  }
}

/** Their replies say nothing of limits either. */
const silentKinds: readonly ProviderKind[] = ["scripted", "gemini", "gguf"];

function settled({ provider, source }: Named, said: Said, effort: Effort, capacity: Capacity): Refreshed {
  const { name, kind } = provider;
  switch (said.kind) {
    case "told":
      capacity.inform(source, said.readings);
      return { name, kind: "told", text: said.says };
    case "silent": {
      const more =
        effort === "look" && !silentKinds.includes(kind)
          ? `; one small call would tell: rigs tank refresh ${name} --ask`
          : "";
      return { name, kind: "silent", text: `${said.why}${more}` };
    }
    default:
      capacity.inform(source, said.readings);
      return { name, kind: "failed", text: said.fault.why };
  }
}
