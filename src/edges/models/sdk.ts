/** Wires that the AI SDK speaks: a connection for each, and what its answers are to us. */
import type { LanguageModel } from "ai";
import type { Finish } from "../../domain/reply.ts";
import type { Model } from "../../ports/model.ts";
import { cleanUsage, watch } from "./seen.ts";
import { type End, hear, Misunderstood, modelOver, type Talk, Truncated, type WireSettings } from "./wire.ts";

/** Makes the SDK's handle of one model that sends through the given fetch; imports its package when called. */
export type Connect = (settings: WireSettings, send: typeof fetch) => Promise<LanguageModel>;

/** What the wire does to the temperature: `undefined` leaves it out. */
export type Warmth = (temperature: number) => number | undefined;

export function sdkModel(settings: WireSettings, connect: Connect, warmth: Warmth): Model {
  return modelOver(settings, { path: "/v1", converse: (talk) => converse(talk, connect, warmth) });
}

async function converse(talk: Talk, connect: Connect, warmth: Warmth): Promise<End> {
  const { settings, prompt, send, signal } = talk;
  const temperature = warmth(prompt.temperature);
  const call: Call = {
    model: await connect(settings, send),
    instructions: prompt.system,
    messages: prompt.messages.map(({ from, text }) => ({
      role: from === "user" ? ("user" as const) : ("assistant" as const),
      content: text,
    })),
    maxOutputTokens: prompt.outputTokensMax,
    ...(temperature === undefined ? {} : { temperature }),
    maxRetries: 0,
    abortSignal: signal,
  };
  return talk.onText === undefined ? await whole(call, talk) : await streamed(call, talk);
}

interface Call {
  readonly model: LanguageModel;
  readonly instructions: string;
  readonly messages: { readonly role: "user" | "assistant"; readonly content: string }[];
  readonly maxOutputTokens: number;
  readonly temperature?: number;
  readonly maxRetries: 0;
  readonly abortSignal: AbortSignal;
}

async function whole(call: Call, { seen }: Talk): Promise<End> {
  const { generateText } = await loadSdk();
  const result = await generateText({ ...call, include: { responseBody: true } });
  seen.usage = cleanUsage(result.usage);
  const { finishReason, rawFinishReason, text, response } = result;
  // Why it broke off may stand beside the choice, which only the body tells.
  if (isBroken(rawFinishReason)) throw new Misunderstood(JSON.stringify(response.body ?? {}));
  return { text, finish: finishOf(finishReason), usage: seen.usage };
}

async function streamed(call: Call, talk: Talk): Promise<End> {
  const { streamText } = await loadSdk();
  const { seen } = talk;
  // Without a handler of our own the SDK prints errors, request and all, to the console.
  const result = streamText({ ...call, include: { rawChunks: true }, onError: () => undefined });
  let finish: Finish | undefined;
  for await (const part of result.stream) {
    if (part.type === "raw") watch(part.rawValue, seen);
    else if (part.type === "error") throw part.error;
    else if (part.type === "text-delta") hear(part.text, talk);
    else if (part.type === "finish-step") {
      if (isBroken(part.rawFinishReason)) throw new Truncated("the provider broke off");
      finish = finishOf(part.finishReason);
      seen.usage = cleanUsage(part.usage);
    }
  }
  if (finish === undefined) throw new Truncated("the stream ended early");
  return { text: seen.text, finish, usage: seen.usage };
}

/** The SDK takes a tenth of a second to load, so only a first question pays for it. Its warnings are for its own users. */
async function loadSdk(): Promise<typeof import("ai")> {
  globalThis.AI_SDK_LOG_WARNINGS = false;
  return await import("ai");
}

/**
 * Ends that are none: what OpenRouter says of a stream that failed on a 200, DeepSeek of one that it had no more room for,
 * vLLM of one that was stopped from outside. To the SDK they are ends of another kind.
 */
function isBroken(reason: string | undefined): boolean {
  return ["error", "insufficient_system_resource", "abort"].includes(reason ?? "");
}

/** Throws Truncated where the provider reports a broken end. */
function finishOf(reason: string): Finish {
  switch (reason) {
    case "stop":
      return "stop";
    case "length":
      return "length";
    case "content-filter":
      return "refused";
    case "error":
    case "interrupted":
      throw new Truncated("the provider broke off");
    default:
      return "other";
  }
}
