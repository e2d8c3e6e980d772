/** A request, whatever wire it came on: what all wires have words for. */

export type Image =
  | { readonly kind: "data"; readonly mediaType: string; readonly base64: string }
  | { readonly kind: "url"; readonly url: string };

export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** `detail` as OpenAI names it; undefined or "auto": the model's choice. */
  | { readonly kind: "image"; readonly image: Image; readonly detail: string | undefined }
  /** A tool that the model called; `input` is the text of its JSON, as it was written. */
  | { readonly kind: "call"; readonly id: string; readonly name: string; readonly input: string }
  | {
      readonly kind: "result";
      readonly id: string;
      readonly parts: readonly Extract<Part, { readonly kind: "text" | "image" }>[];
      readonly isError: boolean;
    };

export interface Turn {
  readonly from: "user" | "model";
  readonly parts: readonly Part[];
}

export interface Tool {
  readonly name: string;
  readonly description: string | undefined;
  /** A JSON schema of its input. */
  readonly schema: object;
  readonly isStrict: boolean;
}

export type Choice =
  | { readonly kind: "auto" | "none" | "required" }
  | { readonly kind: "one"; readonly name: string };

export interface Conversation {
  readonly system: string | undefined;
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly choice: Choice | undefined;
  /** Whether it may call several tools at once; undefined: as the model does. */
  readonly isParallel: boolean | undefined;
  readonly outputTokensMax: number | undefined;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly stops: readonly string[];
  /** Settings of OpenAI's models as the chat wire spells them: what Anthropic's has no word for. */
  readonly openai: Readonly<Record<string, unknown>>;
}

/** This request cannot be said on another wire: `field` is where. */
export class Untranslatable extends Error {
  override readonly name = "Untranslatable";
  readonly field: string;

  constructor(field: string, why: string) {
    super(`${field} ${why}`);
    this.field = field;
  }
}

/** What decides about tools, where there are any: "auto" and "none" say nothing without. Throws Untranslatable. */
export function withTools({ choice, tools }: Conversation): Choice | undefined {
  if (tools.length > 0 || choice === undefined) return choice;
  if (choice.kind === "required" || choice.kind === "one")
    throw new Untranslatable("tool_choice", "asks for a tool, and there are none");
  return undefined;
}

/** Neighbours that speak with one voice, as one turn; wires differ in who may speak twice. */
export function merged(turns: readonly Turn[]): readonly Turn[] {
  const found: { from: Turn["from"]; parts: Part[] }[] = [];
  for (const { from, parts } of turns) {
    const last = found.at(-1);
    if (last?.from === from) last.parts.push(...parts);
    else found.push({ from, parts: [...parts] });
  }
  return found;
}
