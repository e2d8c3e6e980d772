/**
 * Triton's generate extension: `POST {base}/v2/models/{model}/generate`, or `/generate_stream` for server-sent events. One
 * text in, one text out:
 *
 * 1. A conversation goes as one text with its turns plainly marked (`flatten`). What a backend repeats of it is taken off,
 *    and so is a turn of the user that the model makes up: an answer ends where the next question would begin.
 * 2. Nothing is counted: both texts are sized here, roughly.
 * 3. No stream has an end of its own, and its status is fixed by the first response: an error may follow a 200.
 * 4. Few backends say why they stopped. Without a word, an answer of about its bound counts as cut.
 */
import { z } from "zod";
import type { Finish } from "../../domain/reply.ts";
import type { Model, Prompt } from "../../ports/model.ts";
import { roughSize } from "../tokens.ts";
import { jsonEvents, jsonOf, post } from "./post.ts";
import { type End, hear, Misunderstood, modelOver, type Talk, Truncated, type WireSettings } from "./wire.ts";

/** A name with a version is written as in the address: "ensemble/versions/2". */
export function tritonModel(settings: WireSettings): Model {
  return modelOver(settings, { path: "", converse });
}

const userMark = "### User:";
const modelMark = "### Assistant:";
/** What a model writes when it goes on with a question of its own. */
const nextTurn = `\n${userMark}\n`;

/** System, then the turns, each below its mark; the last mark is the model's own. */
export function flatten({ system, messages }: Pick<Prompt, "system" | "messages">): string {
  const turns = messages.map(({ from, text }) => `${from === "user" ? userMark : modelMark}\n${text}`);
  return [system, ...turns, `${modelMark}\n`].join("\n\n");
}

/** Whatever else comes, logits above all, is left where it is. */
const Outputs = z.object({
  text_output: z.string().nullish().catch(undefined),
  finish_reason: z.string().nullish().catch(undefined),
  error: z.unknown().optional(),
});

async function converse(talk: Talk): Promise<End> {
  const { settings, prompt, onText, seen } = talk;
  const text = flatten(prompt);
  const answer = new Answer(text);
  const key = settings.key?.reveal();
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await post(
    talk,
    urlOf(settings, onText === undefined ? "generate" : "generate_stream"),
    headers,
    {
      text_input: text,
      parameters: {
        stream: onText !== undefined,
        temperature: prompt.temperature,
        max_tokens: prompt.outputTokensMax,
      },
    },
  );
  let finish: Finish | undefined;
  const take = (raw: unknown) => {
    finish = taken(raw, { talk, answer }) ?? finish;
  };
  try {
    if (onText === undefined) {
      const { json, text: body } = await jsonOf(response);
      take(json);
      if (!answer.isBegun) throw new Misunderstood(body);
    } else
      for await (const raw of jsonEvents(response)) {
        take(raw);
        if (answer.isOver) break;
      }
    if (!answer.isBegun) throw new Truncated("no text came");
    tell(answer.rest(), talk);
  } finally {
    if (answer.isBegun) seen.usage = { input: roughSize(text), cachedInput: 0, output: roughSize(seen.text) };
  }
  return { text: seen.text, finish: finish ?? guessed(seen.text, prompt), usage: seen.usage };
}

function urlOf({ baseUrl, name }: WireSettings, method: "generate" | "generate_stream"): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `${baseUrl.replace(/\/v2$/, "")}/v2/models/${path}/${method}`;
}

/** Notes what one object says; how it ended, where it tells. */
function taken(
  raw: unknown,
  { talk, answer }: { readonly talk: Talk; readonly answer: Answer },
): Finish | undefined {
  const outputs = Outputs.safeParse(raw);
  if (!outputs.success) return undefined;
  const { text_output: text, finish_reason: reason, error } = outputs.data;
  if (error !== undefined && error !== null) {
    talk.seen.error ??= JSON.stringify(raw);
    throw new Truncated("an error came instead of the rest");
  }
  if (typeof text === "string") tell(answer.more(text), talk);
  if (reason === "length" || reason === "stop") return reason;
  return undefined;
}

function tell(said: string, talk: Talk): void {
  if (said !== "") hear(said, talk);
}

/** Rough sizes of code and prose lie within a tenth of the true ones. */
function guessed(text: string, { outputTokensMax }: Prompt): Finish {
  return roughSize(text) >= 0.9 * outputTokensMax ? "length" : "stop";
}

/** The answer in what comes: without the prompt before it and without turns after it. */
class Answer {
  readonly #prompt: string;
  /** What may be the prompt again, or the mark of a next turn. */
  #held = "";
  #isBeyondPrompt = false;
  isBegun = false;
  isOver = false;

  constructor(prompt: string) {
    this.#prompt = prompt;
  }

  /** What of the answer is certain by now and has not been given yet. */
  more(text: string): string {
    this.isBegun = true;
    if (this.isOver) return "";
    this.#held += text;
    if (!this.#isBeyondPrompt) {
      if (this.#held.length < this.#prompt.length && this.#prompt.startsWith(this.#held)) return "";
      if (this.#held.startsWith(this.#prompt)) this.#held = this.#held.slice(this.#prompt.length);
      this.#isBeyondPrompt = true;
    }
    const end = this.#held.indexOf(nextTurn);
    this.isOver = end >= 0;
    const certain = this.isOver ? end : this.#held.length - begun(this.#held, nextTurn);
    const given = this.#held.slice(0, certain);
    this.#held = this.isOver ? "" : this.#held.slice(certain);
    return given;
  }

  /** Nothing follows: what was held back is part of the answer after all. */
  rest(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/** How many characters at the end of a text may be the start of the mark. */
function begun(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--)
    if (mark.startsWith(text.slice(-length))) return length;
  return 0;
}
