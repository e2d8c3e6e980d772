/**
 * Ollama's own wire: `POST {base}/api/chat`, answered as lines of JSON. Its compatible endpoint takes no
 * size of the context, and cuts what does not fit without a word; here the size is said, and that nothing may be cut.
 */
import { z } from "zod";
import type { Finish, Usage } from "../../domain/reply.ts";
import type { Model } from "../../ports/model.ts";
import { jsonLines, post } from "./post.ts";
import { cleanUsage } from "./seen.ts";
import { type End, hear, modelOver, type Talk, Truncated, type WireSettings } from "./wire.ts";

export interface OllamaSettings extends WireSettings {
  /** Tokens of prompt and answer together that the model is loaded for; another number loads it anew. */
  readonly contextTokens: number;
}

export function ollamaModel(settings: OllamaSettings): Model {
  const converse = (talk: Talk) => converseWith(talk, settings.contextTokens);
  return modelOver(settings, { path: "", converse });
}

/** Between two calls lie proofs, which may take longer than the five minutes after which a model is unloaded. */
const keepAlive = "15m";

const number = z.number().nullish().catch(undefined);
const Chunk = z.object({
  message: z
    .object({ content: z.string().nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
  done: z.boolean().nullish().catch(undefined),
  done_reason: z.string().nullish().catch(undefined),
  prompt_eval_count: number,
  eval_count: number,
  error: z.unknown().optional(),
});

async function converseWith(talk: Talk, contextTokens: number): Promise<End> {
  const { settings, prompt } = talk;
  const key = settings.key?.reveal();
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const url = `${settings.baseUrl.replace(/\/api$/, "")}/api/chat`;
  const response = await post(talk, url, headers, {
    model: settings.name,
    messages: [
      { role: "system", content: prompt.system },
      ...prompt.messages.map(({ from, text }) => ({
        role: from === "user" ? "user" : "assistant",
        content: text,
      })),
    ],
    // Also where nobody watches: a whole answer has no header before its end, and Node waits 300 s for one.
    stream: true,
    keep_alive: keepAlive,
    ...{ truncate: false, shift: false },
    options: { num_ctx: contextTokens, num_predict: prompt.outputTokensMax, temperature: prompt.temperature },
  });
  let finish: Finish | undefined;
  for await (const raw of jsonLines(response)) finish = taken(raw, talk) ?? finish;
  if (finish === undefined) throw new Truncated("the stream ended early");
  return { text: talk.seen.text, finish, usage: talk.seen.usage };
}

/** Notes what one object says; how it ended, once it does. An error can follow a status of 200. */
function taken(raw: unknown, talk: Talk): Finish | undefined {
  const chunk = Chunk.safeParse(raw);
  if (!chunk.success) return undefined;
  const { message, done, done_reason: reason, error, ...counts } = chunk.data;
  if (error !== undefined && error !== null) {
    talk.seen.error ??= JSON.stringify(raw);
    throw new Truncated("an error came instead of the rest");
  }
  const said = message?.content ?? "";
  if (said !== "") hear(said, talk);
  if (done !== true) return undefined;
  talk.seen.usage = usageOf(counts);
  if (reason === "length") return "length";
  // Versions before 0.1.40 say no reason.
  return reason === "stop" || !reason ? "stop" : "other";
}

/** A prefix that is still in memory may be missing in the count of the prompt: whoever sent it knows better. */
function usageOf(counts: {
  prompt_eval_count?: number | null | undefined;
  eval_count?: number | null | undefined;
}): Usage {
  return cleanUsage({
    inputTokens: counts.prompt_eval_count ?? 0,
    outputTokens: counts.eval_count ?? 0,
    inputTokenDetails: {},
  });
}
