import { countTokens as count, decode, encode } from "gpt-tokenizer/encoding/o200k_base";
import type { Asked } from "./conversation.ts";

/** Marks of special tokens are counted as ordinary text: a prompt may speak about them. */
const options = { disallowedSpecial: new Set<string>() };

/** A run of one character costs the encoder quadratic time; pieces bound it. A cut adds at most one token each. */
const pieceCharactersMax = 10_000;

/** Tokens of the o200k vocabulary; other vendors' own counts differ by some per cent. */
export function countTokens(text: string): number {
  return piecesOf(text).reduce((sum, piece) => sum + count(piece, options), 0);
}

/** The longest beginning of at most so many tokens. */
export function cutToTokens(text: string, tokensMax: number): string {
  // A token holds at least one character in all but exotic scripts, so most texts need no counting.
  if (text.length <= tokensMax) return text;
  let kept = "";
  let left = tokensMax;
  for (const piece of piecesOf(text)) {
    const tokens = encode(piece, options);
    if (tokens.length > left) return kept + decode(tokens.slice(0, left)).replace(/\ufffd+$/, "");
    kept += piece;
    left -= tokens.length;
  }
  return kept;
}

function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; from += pieceCharactersMax)
    pieces.push(text.slice(from, from + pieceCharactersMax));
  return pieces;
}

/** The prompt as one text, in the order that a provider's cache sees it. */
export function promptTextOf({ system, messages }: Asked): string {
  return [`system\n${system}`, ...messages.map(({ from, text }) => `${from}\n${text}`)].join("\n\n");
}

/** Remembers the newest prompts and says how much of a new one is already known. */
export interface PromptCache {
  /** Tokens of the longest beginning shared with a recent prompt of that owner; then remembers the prompt. */
  share(owner: string, prompt: string): number;
  /** The same, remembering nothing. */
  peek(owner: string, prompt: string): number;
}

const promptsMax = 64;
const charactersMax = 1_000_000;

/** `owner` is whoever may share: one key and model. Bounds: 64 prompts, their first million characters. */
export function promptCache(): PromptCache {
  const recent: { owner: string; prompt: string }[] = [];
  const longestOf = (owner: string, own: string): number => {
    const longest = recent.reduce(
      (most, past) => (past.owner === owner ? Math.max(most, sharedLength(past.prompt, own)) : most),
      0,
    );
    return longest === 0 ? 0 : countTokens(own.slice(0, longest));
  };
  return {
    share(owner, prompt) {
      const own = prompt.slice(0, charactersMax);
      const tokens = longestOf(owner, own);
      recent.push({ owner, prompt: own });
      if (recent.length > promptsMax) recent.shift();
      return tokens;
    },
    peek: (owner, prompt) => longestOf(owner, prompt.slice(0, charactersMax)),
  };
}

function sharedLength(left: string, right: string): number {
  const end = Math.min(left.length, right.length);
  let index = 0;
  while (index < end && left.charCodeAt(index) === right.charCodeAt(index)) index++;
  return index;
}
