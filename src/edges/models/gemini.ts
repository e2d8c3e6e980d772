/**
 * Google's own wire: `POST {base}/models/{model}:generateContent`, or `:streamGenerateContent?alt=sse`, the key in
 * `x-goog-api-key`. By hand and not by a client: those go on by themselves where an answer was cut, which would be a second
 * request. No header of a success speaks of limits.
 */
import { z } from "zod";
import type { Finish, Usage } from "../../domain/reply.ts";
import type { Model } from "../../ports/model.ts";
import { jsonEvents, jsonOf, post } from "./post.ts";
import { cleanUsage } from "./seen.ts";
import { type End, hear, Misunderstood, modelOver, type Talk, Truncated, type WireSettings } from "./wire.ts";

export function geminiModel(settings: WireSettings): Model {
  return modelOver(settings, { path: "/v1beta", converse });
}

const number = z.number().nullish().catch(undefined);
const word = z.string().nullish().catch(undefined);

const Chunk = z.object({
  candidates: z
    .array(
      z.object({
        content: z
          .object({
            parts: z
              .array(z.object({ text: word, thought: z.boolean().nullish().catch(undefined) }))
              .nullish(),
          })
          .nullish()
          .catch(undefined),
        finishReason: word,
      }),
    )
    .nullish()
    .catch(undefined),
  promptFeedback: z.object({ blockReason: word }).nullish().catch(undefined),
  usageMetadata: z
    .object({
      promptTokenCount: number,
      toolUsePromptTokenCount: number,
      cachedContentTokenCount: number,
      candidatesTokenCount: number,
      thoughtsTokenCount: number,
    })
    .nullish()
    .catch(undefined),
  error: z.unknown().optional(),
});

async function converse(talk: Talk): Promise<End> {
  const { settings, onText } = talk;
  const method = onText === undefined ? "generateContent" : "streamGenerateContent?alt=sse";
  const key = settings.key?.reveal();
  const headers: Record<string, string> = key === undefined ? {} : { "x-goog-api-key": key };
  const response = await post(
    talk,
    `${settings.baseUrl}/${pathOf(settings.name)}:${method}`,
    headers,
    bodyOf(talk),
  );
  let finish: Finish | undefined;
  const take = (raw: unknown) => {
    finish = taken(raw, talk) ?? finish;
  };
  if (onText === undefined) {
    const { json, text } = await jsonOf(response);
    take(json);
    if (finish === undefined) throw new Misunderstood(text);
  } else for await (const raw of jsonEvents(response)) take(raw);
  if (finish === undefined) throw new Truncated("the stream ended early");
  return { text: talk.seen.text, finish, usage: talk.seen.usage };
}

/** "gemini-2.5-flash" is one of the public models; what has a slash names its collection itself. */
function pathOf(model: string): string {
  const path = model.includes("/") ? model : `models/${model}`;
  return path.split("/").map(encodeURIComponent).join("/");
}

function bodyOf({ prompt }: Talk): unknown {
  const { system, messages, outputTokensMax, temperature } = prompt;
  return {
    systemInstruction: { parts: [{ text: system }] },
    contents: messages.map(({ from, text }) => ({ role: from, parts: [{ text }] })),
    generationConfig: { maxOutputTokens: outputTokensMax, temperature },
  };
}

/** Notes what one answer, or one piece of it, says; how it ended, once it does. */
function taken(raw: unknown, talk: Talk): Finish | undefined {
  const chunk = Chunk.safeParse(raw);
  if (!chunk.success) return undefined;
  const { candidates, promptFeedback, usageMetadata, error } = chunk.data;
  if (error !== undefined && error !== null) {
    talk.seen.error ??= JSON.stringify(raw);
    throw new Truncated("an error came instead of the rest");
  }
  if (usageMetadata) talk.seen.usage = usageOf(usageMetadata);
  const candidate = candidates?.[0];
  // What the model thought is no part of its answer, but is paid as one.
  const said = candidate?.content?.parts
    ?.map(({ text, thought }) => (thought === true ? "" : (text ?? "")))
    .join("");
  if (said !== undefined && said !== "") hear(said, talk);
  const { finishReason } = candidate ?? {};
  if (finishReason) return finishOf(finishReason);
  const { blockReason } = promptFeedback ?? {};
  return blockReason && !/UNSPECIFIED$/.test(blockReason) ? "refused" : undefined;
}

/** The prompt's count includes what came from the cache; thoughts are written and paid like the answer. */
function usageOf(usage: NonNullable<z.infer<typeof Chunk>["usageMetadata"]>): Usage {
  return cleanUsage({
    inputTokens: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
    outputTokens: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
    inputTokenDetails: { cacheReadTokens: usage.cachedContentTokenCount ?? 0 },
  });
}

const refusals = /^(?:SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII|LANGUAGE|IMAGE_SAFETY)$/;

function finishOf(reason: string): Finish {
  if (reason === "STOP") return "stop";
  // The second: a cap of the request below its own bound. What is missing would cost another request.
  if (reason === "MAX_TOKENS" || reason === "CONTINUATION") return "length";
  return refusals.test(reason) ? "refused" : "other";
}
