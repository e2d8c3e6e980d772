import { oneLine } from "./sentences.ts";

/**
 * What commander says of words it does not understand, as one line in our own form: what is wrong, and where help is.
 * `path` is the command as typed: "rigs goal execute". Words beyond a command are not repeated: one may be a key.
 */
export function complaint(said: string, path: string): string {
  const text = oneLine(said.replace(/^error: /, ""));
  for (const [pattern, words] of forms) {
    const found = pattern.exec(text);
    if (found !== null) return words(found, path);
  }
  return `rigs: ${text}; ${help(path)}`;
}

type Words = (found: RegExpExecArray, path: string) => string;

const forms: readonly (readonly [RegExp, Words])[] = [
  [
    /^unknown (option|command) '(.*?)'(?: \(Did you mean (?:one of )?(.*)\?\))?$/,
    ([, kind, word = "", near], path) =>
      near === undefined
        ? `${path}: no ${kind} "${short(word)}"; ${help(path)}`
        : `${path}: no ${kind} "${short(word)}"; did you mean ${near}?`,
  ],
  [
    /^option '(.*)' argument missing$/,
    ([, flags = ""], path) => `${path}: ${flags.split(" ")[0]} needs a value: ${flags}; ${help(path)}`,
  ],
  [
    /^option '(\S+) .*?' argument '(.*)' is invalid\. (.*)$/,
    ([, name, value = "", why], path) => `${path}: ${name} ${why}, not "${short(value)}"`,
  ],
  [
    /^required option '(.*)' not specified/,
    ([, flags = ""], path) => `${path}: ${flags} is missing; ${help(path)}`,
  ],
  [
    /^missing required argument '(.*)'$/,
    ([, name = ""], path) => `${path}: the ${name.toUpperCase()} is missing; ${help(path)}`,
  ],
  [
    /^too many arguments/,
    (_found, path) =>
      path in texts
        ? `${path}: the ${texts[path]} is one text, put it in quotes: ${path} "…"`
        : `${path}: more words than it takes; ${help(path)}`,
  ],
];

/** Commands that take a text of several words, and what it is. */
const texts: Readonly<Record<string, string>> = {
  "rigs goal execute": "goal",
  "rigs goal plan": "goal",
  "rigs bead create": "task",
  "rigs convoy create": "goal",
};

function help(path: string): string {
  return `${path} --help shows what there is`;
}

function short(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
