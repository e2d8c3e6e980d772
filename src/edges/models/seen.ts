/** What a running stream has shown so far, kept so that a call that breaks off is still counted. */
import { z } from "zod";
import type { Usage } from "../../domain/reply.ts";

export interface Seen {
  text: string;
  usage: Usage;
  /** The JSON of an error that came inside a 200, the first one. */
  error: string | undefined;
  /** What the caller's own `onText` threw. */
  watcherError: { readonly error: unknown } | undefined;
}

/** The SDK's usage; any field may be missing, and servers are known to report nonsense. */
export interface ReportedUsage {
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly inputTokenDetails?: { readonly cacheReadTokens?: number | undefined } | undefined;
}

/** Whole numbers from 0 to a billion, the cached part never more than the whole. Never throws. */
export function cleanUsage(reported: ReportedUsage): Usage {
  const input = count(reported.inputTokens);
  const cachedInput = Math.min(input, count(reported.inputTokenDetails?.cacheReadTokens));
  return { input, cachedInput, output: count(reported.outputTokens) };
}

const number = z.number().nullish().catch(undefined).optional();

/** Anthropic opens with the input in `message.usage` and goes on with `usage`; OpenAI's chat wire ends with `usage`. */
const AnthropicUsage = z.object({
  input_tokens: number,
  output_tokens: number,
  cache_creation_input_tokens: number,
  cache_read_input_tokens: number,
});
const ChatUsage = z.object({
  prompt_tokens: z.number(),
  completion_tokens: number,
  prompt_tokens_details: z.object({ cached_tokens: number }).nullish().catch(undefined),
});
const Chunk = z.object({
  type: z.string().optional().catch(undefined),
  error: z.unknown().optional(),
  choices: z
    .array(z.object({ error: z.unknown().optional() }))
    .optional()
    .catch(undefined),
  usage: z.union([ChatUsage, AnthropicUsage]).nullish().catch(undefined),
  message: z.object({ usage: AnthropicUsage }).optional().catch(undefined),
});

/** Takes note of usage and errors in one raw chunk of either wire; anything else passes. */
export function watch(raw: unknown, seen: Seen): void {
  const chunk = Chunk.safeParse(raw);
  if (!chunk.success) return;
  const { choices, usage, message } = chunk.data;
  const error = chunk.data.error ?? choices?.[0]?.error;
  if (error !== undefined && error !== null) seen.error ??= JSON.stringify(raw);
  if (message !== undefined) seen.usage = fromAnthropic(message.usage, seen.usage);
  if (!usage) return;
  seen.usage = "prompt_tokens" in usage ? fromChat(usage) : fromAnthropic(usage, seen.usage);
}

function fromChat(usage: z.infer<typeof ChatUsage>): Usage {
  return cleanUsage({
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens ?? 0,
    inputTokenDetails: { cacheReadTokens: usage.prompt_tokens_details?.cached_tokens ?? 0 },
  });
}

/** Later chunks repeat only some fields: what is absent keeps its value. Anthropic's input excludes the cache. */
function fromAnthropic(usage: z.infer<typeof AnthropicUsage>, before: Usage): Usage {
  const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = usage;
  const hasInput = typeof input_tokens === "number";
  const cached = cache_read_input_tokens ?? 0;
  return cleanUsage({
    inputTokens: hasInput ? input_tokens + (cache_creation_input_tokens ?? 0) + cached : before.input,
    outputTokens: output_tokens ?? before.output,
    inputTokenDetails: { cacheReadTokens: hasInput ? cached : before.cachedInput },
  });
}

function count(value: number | null | undefined): number {
  if (typeof value !== "number" || !Number.isFinite(value)) return 0;
  return Math.min(1_000_000_000, Math.max(0, Math.round(value)));
}
