/** Which files a coder sees, when the whole repository is too much. Pure and stable: the same values choose the same files in the same order. */
import { oneLine, shownFile } from "./fence.ts";
import type { Check } from "./gate.ts";
import { outline } from "./outline.ts";
import { nameOf } from "./path.ts";
import { isTestFile } from "./protected.ts";

/** A tracked file. `large` and `binary` are only ever named. */
export type Tracked =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "binary" }
  | { readonly kind: "large" };

export interface SelectionAsk {
  readonly files: ReadonlyMap<string, Tracked>;
  /** The goal or the contract, in the user's words. */
  readonly goal: string;
  readonly checks: readonly Check[];
  /** Paths that stack traces or earlier answers named. */
  readonly named: readonly string[];
  readonly size: (text: string) => number;
  readonly tokensMax: number;
}

/** Paths, each sorted; together they are all files. `isWhole`: everything that can be shown is. */
export interface Selection {
  readonly whole: readonly string[];
  /** Too long to be shown whole, but named: shown as declarations. */
  readonly outlined: readonly string[];
  readonly listed: readonly string[];
  readonly isWhole: boolean;
}

/** No usual text has more characters in a token; what is longer is not measured. */
const charactersPerTokenMax = 10;

export function selectFiles(ask: SelectionAsk): Selection {
  const { files, size, tokensMax } = ask;
  const paths = [...files.keys()].sort();
  const readable = paths.filter((path) => files.get(path)?.kind === "text" && !isNoise(path));
  const costs = new Map<string, number>();
  const costOf = (path: string, text: string) => {
    if (text.length > tokensMax * charactersPerTokenMax) return Number.POSITIVE_INFINITY;
    const known = costs.get(path) ?? size(`${shownFile(path, text)}\n\n`) + 1;
    costs.set(path, known);
    return known;
  };
  const listedBeside = (shown: ReadonlySet<string>) => paths.filter((path) => !shown.has(path));
  const characters = readable.reduce((sum, path) => sum + textOf(files, path).length, 0);
  if (characters <= tokensMax * charactersPerTokenMax) {
    const total = readable.reduce((sum, path) => sum + costOf(path, textOf(files, path)), 0);
    if (total <= tokensMax)
      return { whole: readable, outlined: [], listed: listedBeside(new Set(readable)), isWhole: true };
  }
  const scores = relevance(ask, readable);
  const wanted = readable
    .filter((path) => (scores.get(path) ?? 0) > 0)
    .sort((left, right) => (scores.get(right) ?? 0) - (scores.get(left) ?? 0) || (left < right ? -1 : 1));
  let left = tokensMax;
  const whole: string[] = [];
  const outlined: string[] = [];
  for (const path of wanted) {
    const text = textOf(files, path);
    const cost = costOf(path, text);
    const short =
      cost <= left ? undefined : size(`${shownFile(path, outline(text.slice(0, 400_000)))}\n\n`) + 1;
    if (short === undefined) whole.push(path);
    else if (short <= left) outlined.push(path);
    left -= cost <= left ? cost : short !== undefined && short <= left ? short : 0;
  }
  const shown = new Set([...whole, ...outlined]);
  return { whole: whole.sort(), outlined: outlined.sort(), listed: listedBeside(shown), isWhole: false };
}

/** Files no selection ever shows. */
export function hiddenFiles(files: ReadonlyMap<string, Tracked>): ReadonlyMap<string, Tracked> {
  return new Map([...files].filter(([path, file]) => file.kind !== "text" || isNoise(path)));
}

function textOf(files: ReadonlyMap<string, Tracked>, path: string): string {
  const file = files.get(path);
  return file?.kind === "text" ? file.text : "";
}

/** Text that no coder reads: lockfiles, minified and generated code. */
function isNoise(path: string): boolean {
  const name = nameOf(path);
  return (
    /(?:^|[.-])lock(?:\.\w{1,5}|file)?$|^(?:package-lock\.json|npm-shrinkwrap\.json|go\.sum)$/.test(name) ||
    /\.min\.(?:js|css)$|\.(?:map|svg|snap)$/.test(name)
  );
}

const linesScanned = 200;

/** Points of each file that has any: named by a trace, the checks or the goal, defining what the goal names, imported by such a file, testing it. */
function relevance(ask: SelectionAsk, paths: readonly string[]): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  const raise = (path: string, points: number) => scores.set(path, Math.max(points, scores.get(path) ?? 0));
  const goal = ask.goal.slice(0, 100_000);
  const goalWords = new Set(goal.split(/[^\w./-]{1,100}/).map((word) => word.replace(/[.]$/, "")));
  const symbols = symbolsIn(goal);
  const commands = new Set(
    ask.checks
      .flatMap((check) => check.command.split(/[\s"'=:]{1,20}/))
      .map((word) => word.replace(/^\.\//, "")),
  );
  for (const path of ask.named) if (paths.includes(path)) raise(path, 100);
  for (const path of paths) {
    const stem = stemOf(path);
    if (goalWords.has(path)) raise(path, 95);
    else if (goalWords.has(nameOf(path))) raise(path, 90);
    else if (stem.length >= 4 && goalWords.has(stem)) raise(path, 60);
    if (commands.has(path)) raise(path, 92);
    else if (inNamedFolder(path, commands)) raise(path, 50);
    if (symbols.length > 0 && defines(textOf(ask.files, path), symbols)) raise(path, 80);
  }
  const chosen = [...scores].filter(([, points]) => points >= 60).map(([path]) => path);
  const imported = new Set(chosen.slice(0, 40).flatMap((path) => importedWords(textOf(ask.files, path))));
  const stems = new Set(chosen.map(stemOf).filter((stem) => stem.length >= 3));
  for (const path of paths) {
    if (imported.has(stemOf(path)) && stemOf(path).length >= 2) raise(path, 40);
    if (isTestFile(path) && [...stems].some((stem) => nameOf(path).includes(stem))) raise(path, 55);
  }
  return scores;
}

function stemOf(path: string): string {
  const name = nameOf(path);
  const dot = name.indexOf(".", 1);
  return dot < 0 ? name : name.slice(0, dot);
}

/** `pytest tests/shop` names a folder; "src" alone in a command is taken as one too. */
function inNamedFolder(path: string, commands: ReadonlySet<string>): boolean {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1))
    if (commands.has(path.slice(0, slash)) || commands.has(path.slice(0, slash + 1))) return true;
  return false;
}

/** Names in the goal that look like code: in backticks, with an underscore or inner capital, or before a parenthesis. At most 30. */
function symbolsIn(goal: string): readonly string[] {
  const found =
    goal.match(
      /\b[A-Za-z_]\w{2,60}\b(?=[(`])|\b[a-z]+_\w{1,60}\b|\b[A-Za-z][a-z0-9]{0,40}[A-Z]\w{0,40}\b/g,
    ) ?? [];
  return [...new Set(found)].slice(0, 30);
}

function defines(text: string, symbols: readonly string[]): boolean {
  const words = [
    "def",
    "class",
    "function",
    "const",
    "let",
    "interface",
    "type",
    "fn",
    "func",
    "struct",
    "enum",
  ];
  return symbols.some(
    (symbol) => text.includes(symbol) && words.some((word) => text.includes(`${word} ${symbol}`)),
  );
}

function importedWords(text: string): readonly string[] {
  return text
    .split("\n", linesScanned)
    .filter((line) =>
      /^\s{0,8}(?:import|from|export .{0,200} from|use|#include|using)\b|\brequire\(/.test(
        line.slice(0, 400),
      ),
    )
    .flatMap((line) => line.slice(0, 400).split(/[^\w-]{1,20}/));
}

/** The tree as a list of paths, folded into folders with counts where it would cost more than `tokensMax`. */
export function repositoryMap(
  files: ReadonlyMap<string, Tracked>,
  size: (text: string) => number,
  tokensMax: number,
): string {
  const paths = [...files.keys()].sort();
  const label = (path: string) => {
    const kind = files.get(path)?.kind;
    return kind === "text" || kind === undefined ? oneLine(path, 400) : `${oneLine(path, 400)} (${kind})`;
  };
  for (const depth of [64, 5, 4, 3, 2, 1]) {
    const folded = fold(paths, depth, label);
    if (folded.length > tokensMax) continue;
    const text = folded.join("\n");
    if (size(text) <= tokensMax) return text;
  }
  return `${paths.length} files`;
}

function fold(paths: readonly string[], depth: number, label: (path: string) => string): readonly string[] {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  for (const path of paths) {
    const parts = path.split("/");
    if (parts.length <= depth) lines.push(label(path));
    else {
      const folder = `${parts.slice(0, depth).join("/")}/`;
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  const folders = [...counts].map(([folder, count]) => `${oneLine(folder, 400)} (${count} files)`);
  return [...lines, ...folders].sort();
}
