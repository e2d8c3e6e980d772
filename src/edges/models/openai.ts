/**
 * OpenAI's chat wire (`POST {base}/chat/completions`), which many servers speak: vLLM, llama.cpp, Ollama, gateways,
 * DeepSeek and Google's compatible endpoint among them.
 */
import type { Model } from "../../ports/model.ts";
import { type Connect, sdkModel } from "./sdk.ts";
import type { WireSettings } from "./wire.ts";

/** OpenAI itself: the bound of the answer has a newer name there, and its reasoning models refuse a temperature. */
export function openaiModel(settings: WireSettings): Model {
  const isReasoning = /^(o\d|gpt-[5-9])/.test(settings.name);
  return sdkModel(settings, connectWith(renameBound), (temperature) =>
    isReasoning ? undefined : temperature,
  );
}

/** Any other server on that wire, with the names all of them know. */
export function compatibleModel(settings: WireSettings): Model {
  return sdkModel(settings, connectWith(unchanged), (temperature) => temperature);
}

type Body = Record<string, unknown>;

function connectWith(transformRequestBody: (body: Body) => Body): Connect {
  return async ({ provider, name, baseUrl, key }, send) => {
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    const open = createOpenAICompatible({
      name: provider,
      baseURL: baseUrl,
      ...(key === undefined ? {} : { apiKey: key.reveal() }),
      // Usage in streams must be asked for on this wire.
      includeUsage: true,
      fetch: send,
      transformRequestBody,
    });
    return open.chatModel(name);
  };
}

function renameBound({ max_tokens, ...body }: Body): Body {
  return max_tokens === undefined ? body : { ...body, max_completion_tokens: max_tokens };
}

function unchanged(body: Body): Body {
  return body;
}
