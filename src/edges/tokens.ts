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

/**
 * The estimate where tables are not worth loading: a token for four UTF-16 units of ASCII, two of other alphabets, one of
 * what lies above (Chinese, emoji), rounded up. Within a tenth for code and prose; of what nobody writes (hexadecimal,
 * base64) it sees less than half.
 */
export function roughSize(text: string): number {
  let quarters = text.length;
  if (!isAscii.test(text))
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= firstWide) quarters += 3;
      else if (unit >= firstBeyondAscii) quarters += 1;
    }
  return Math.ceil(quarters / 4);
}

const firstBeyondAscii = 0x80;
/** After the alphabets of Europe and the Near East. */
const firstWide = 0x800;
const isAscii = /^[\x00-\x7f]*$/;

/** The encoder's time grows with the square of a word's length; pieces bound it. A cut adds at most one token each. */
const pieceCharactersMax = 10_000;
const wordCharactersMax = 500;
const longWord = new RegExp(`\\S{${wordCharactersMax + 1}}`);

function sizeInPieces(text: string, sizeOf: Size, charactersMax = pieceCharactersMax): number {
  let tokens = 0;
  for (let from = 0; from < text.length; from += charactersMax) {
    const piece = text.slice(from, from + charactersMax);
    const isHard = piece.length > wordCharactersMax && longWord.test(piece);
    tokens += isHard ? sizeInPieces(piece, sizeOf, wordCharactersMax) : sizeOf(piece);
  }
  return tokens;
}
