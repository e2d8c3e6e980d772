/** Anthropic's Messages wire (`POST {base}/messages`), version 2023-06-01. */
import type { Model } from "../../ports/model.ts";
import { type Connect, sdkModel } from "./sdk.ts";
import type { WireSettings } from "./wire.ts";

/** The wire's temperature ends at 1. */
export function anthropicModel(settings: WireSettings): Model {
  return sdkModel(settings, connect, (temperature) => Math.min(1, temperature));
}

/** A given key, even an empty place-holder, keeps the SDK from looking into the process's own environment for one. */
const connect: Connect = async ({ name, baseUrl, key }, send) => {
  const { createAnthropic } = await import("@ai-sdk/anthropic");
  const open = createAnthropic({ baseURL: baseUrl, apiKey: key?.reveal() ?? "none", fetch: send });
  return open(name);
};
