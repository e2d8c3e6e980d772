/** What models say, whatever wire it came on: the parts that an answer is made of, in order. */
import { noUsage, type Usage } from "../../domain/reply.ts";

/** `calls`: it wants tools to be run. `word`: it came to one of the words to stop at. */
export type Stop = "stop" | "length" | "calls" | "refused" | "word";

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  /** A call of a tool begins; what follows as `input` belongs to it. */
  | { readonly kind: "call"; readonly id: string; readonly name: string }
  /** A part of the JSON of a call's input. */
  | { readonly kind: "input"; readonly text: string }
  /** Each field that is known by now. */
  | { readonly kind: "usage"; readonly usage: Usage }
  | { readonly kind: "end"; readonly stop: Stop; readonly word: string | undefined }
  /** A part of the answer that another wire has no word for: left out, it would be another answer. */
  | { readonly kind: "unsayable"; readonly why: string }
  /** The provider says that it failed; `body` is its JSON. */
  | { readonly kind: "failed"; readonly body: string };

/** An answer put together. */
export interface Spoken {
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: string }[];
  readonly usage: Usage;
  readonly stop: Stop;
  readonly word: string | undefined;
}

export function spokenOf(pieces: readonly Piece[]): Spoken {
  let text = "";
  const calls: { id: string; name: string; input: string }[] = [];
  let usage = noUsage;
  let stop: Stop = "stop";
  let word: string | undefined;
  for (const piece of pieces) {
    if (piece.kind === "text") text += piece.text;
    else if (piece.kind === "call") calls.push({ id: piece.id, name: piece.name, input: "" });
    else if (piece.kind === "input") {
      const last = calls.at(-1);
      if (last !== undefined) last.input += piece.text;
    } else if (piece.kind === "usage") usage = piece.usage;
    else if (piece.kind === "end") {
      stop = piece.stop;
      word = piece.word;
    }
  }
  return { text, calls, usage, stop, word };
}

/** Reads what a provider sends into pieces. */
export interface Reader {
  /** An event of a stream, or one whole answer. Throws Error for what is no such answer. */
  read(json: unknown): readonly Piece[];
  /** What the provider's own mark of the end ("[DONE]") lets go that was held back. Throws Error as `read` does. */
  end(): readonly Piece[];
}

/** Writes an answer in a caller's wire. Streams are texts of server-sent events. */
export interface Writer {
  /** What comes before anything is said. */
  open(): string;
  piece(piece: Piece): string;
  /** What comes after all is said. */
  close(): string;
  whole(spoken: Spoken): object;
  /** Events written so far, for the wire that numbers them. */
  readonly sequence: number;
}

/** Names of an answer: `id` without a wire's own beginning, `at` in ms. */
export interface Heading {
  readonly id: string;
  readonly model: string;
  readonly at: number;
}
