/** Beginnings that the keys of known providers have, and no name of a variable. */
const beginnings =
  /^(sk|pk|rk|gsk|hf|ghp|gho|ghs|glpat|xai|xox[abp]|nvapi|pplx|r8|tgp|fw|csk)[-_]|^(AIza|AKIA|ASIA|eyJ)/;

/** Tells whether somebody pasted a key where the name of a variable belongs. A guess: it errs towards a name for what is in capitals. */
export function looksLikeKey(text: string): boolean {
  const word = text.trim();
  if (beginnings.test(word)) return !/^[A-Z_]+$/.test(word);
  if (word.length < 20) return false;
  const hasDigits = /\d/.test(word);
  const isMixed = /[a-z]/.test(word) && /[A-Z]/.test(word);
  return hasDigits && (isMixed || !word.includes("_"));
}
