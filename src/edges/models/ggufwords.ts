/** What a local model's process and its owner say to each other. */
import { z } from "zod";
import type { Prompt } from "../../ports/model.ts";

/** Sent once, before any question. */
export interface LoadWords {
  readonly kind: "load";
  /** Absolute. */
  readonly path: string;
  /** Of prompt and answer together; fewer where the model was trained for fewer. */
  readonly contextTokens: number;
  readonly threads: number;
}

/** One at a time. `isWatched`: every piece of text is wanted at once. */
export interface AskWords {
  readonly kind: "ask";
  readonly prompt: Pick<Prompt, "system" | "messages" | "outputTokensMax" | "temperature">;
  readonly isWatched: boolean;
}

const count = z.int().min(0);

/** The process reads hostile files: what it says is parsed like a stranger's. */
export const Told = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("text"), text: z.string() }),
  z.object({
    kind: z.literal("said"),
    text: z.string(),
    finish: z.enum(["stop", "length", "other"]),
    usage: z.object({ input: count, cachedInput: count, output: count }),
  }),
  z.object({
    kind: z.literal("failed"),
    fault: z.enum(["request", "too-large", "capacity"]),
    why: z.string(),
  }),
]);
export type Told = z.infer<typeof Told>;
