/**
 * Sizes of texts in tokens. No local tokenizer is right for every model: o200k counts exactly for OpenAI's newer models
 * and is the common yardstick for the others, whose true figure comes back with each reply's usage.
 */

/** Counts tokens in one text. Never throws; special-token spellings are counted as ordinary text. */
export type Size = (text: string) => number;

let loading: Promise<Size> | undefined;

/** Loads the o200k tables once (about a tenth of a second, tens of megabytes), hence asynchronous; later calls are free. */
export function loadSizeOf(): Promise<Size> {
  loading ??= import("gpt-tokenizer/encoding/o200k_base").then(({ countTokens }) => {
    const ordinary = { disallowedSpecial: new Set<string>() };
    return (text) => sizeInPieces(text, (piece) => countTokens(piece, ordinary));
  });
  return loading;
}

/** The estimate where tables are not worth loading: a token for four UTF-16 units, rounded up; about a fifth too many for code. */
export function roughSize(text: string): number {
  return Math.ceil(text.length / 4);
}

/** A run of one character costs the encoder quadratic time; pieces bound it. A cut adds at most one token each. */
const pieceCharactersMax = 10_000;

function sizeInPieces(text: string, sizeOf: Size): number {
  if (text.length <= pieceCharactersMax) return sizeOf(text);
  let tokens = 0;
  for (let from = 0; from < text.length; from += pieceCharactersMax)
    tokens += sizeOf(text.slice(from, from + pieceCharactersMax));
  return tokens;
}
