import type { Finish } from "../../domain/reply.ts";
import { pick, type Random } from "../../kit/random.ts";
import type { GivenFile } from "./cheat.ts";

/**
 * Faults in the form of an answer, independent of what its code is worth, with their rates (methods.md B4; the range
 * 1-3 % of truncation and 1-5 % of laziness by their middle). `unmatched-search` is three times as frequent for files
 * above 200 lines. The first three are harmless to a tolerant reader.
 */
export const envelopeRates = {
  prose: 0.3,
  "wrong-language": 0.05,
  "carriage-returns-or-tabs": 0.01,
  "missing-path": 0.04,
  "two-alternatives": 0.02,
  "unmatched-search": 0.06,
  truncated: 0.02,
  lazy: 0.03,
  empty: 0.005,
  refusal: 0.003,
  "code-in-json": 0.01,
  "edited-test": 0.01,
} as const;

export type EnvelopeFault = keyof typeof envelopeRates;

/** A file of an answer and what it replaces; `before` undefined for a new file. */
export interface ChangedFile extends GivenFile {
  readonly before: string | undefined;
}

export interface Letter {
  readonly text: string;
  readonly finish: Finish;
}

/** From here on a file is changed by search/replace blocks instead of being given whole. */
const linesOfWholeMax = 200;

/** Which faults this answer has; `factor` scales all rates (0: none). */
export function envelopeFaults(
  files: readonly ChangedFile[],
  factor: number,
  random: Random,
): ReadonlySet<EnvelopeFault> {
  const isLong = files.some((file) => isLongFile(file.before));
  const faults = new Set<EnvelopeFault>();
  for (const [fault, rate] of Object.entries(envelopeRates) as [EnvelopeFault, number][]) {
    const weight = fault === "unmatched-search" && isLong ? 3 : 1;
    if (random() < rate * weight * factor) faults.add(fault);
  }
  return faults;
}

/** The answer's text. Faults that leave no code (empty, refusal) win over the rest; truncation comes last. */
export function letter(
  files: readonly ChangedFile[],
  faults: ReadonlySet<EnvelopeFault>,
  random: Random,
): Letter {
  if (faults.has("empty")) return { text: "", finish: "stop" };
  if (faults.has("refusal"))
    return { text: "I'm sorry, but I can't help with that request.", finish: "stop" };
  const text = faults.has("code-in-json") ? inJson(files) : inBlocks(files, faults, random);
  const told = faults.has("prose") ? withProse(text, random) : text;
  if (!faults.has("truncated")) return { text: told, finish: "stop" };
  return { text: told.slice(0, Math.floor(told.length * (0.3 + 0.6 * random()))), finish: "length" };
}

function inBlocks(files: readonly ChangedFile[], faults: ReadonlySet<EnvelopeFault>, random: Random): string {
  const language = faults.has("wrong-language")
    ? (pick(["javascript", "py3", "diff", "text"], random) ?? "")
    : "";
  const blocks = files.map((file) => {
    const shaped = shape(file, faults, random);
    const content = contentOf(shaped, faults.has("unmatched-search"));
    return fenced(
      faults.has("missing-path") ? undefined : file.path,
      language || languageOf(file.path),
      content,
    );
  });
  const all = blocks.join("\n");
  if (!faults.has("two-alternatives")) return all;
  const rough = files.map((file) =>
    fenced(file.path, languageOf(file.path), contentOf({ ...file, text: lazily(file.text) }, false)),
  );
  return `Option A, the short way:\n\n${rough.join("\n")}\nOption B, which I would prefer:\n\n${all}`;
}

function shape(file: ChangedFile, faults: ReadonlySet<EnvelopeFault>, random: Random): ChangedFile {
  const lazy = faults.has("lazy") ? lazily(file.text) : file.text;
  if (!faults.has("carriage-returns-or-tabs")) return { ...file, text: lazy };
  const isTabs = random() < 0.5;
  const text = isTabs
    ? lazy.replace(/^(?: {4})+/gm, (indent) => "\t".repeat(indent.length / 4))
    : lazy.replaceAll("\n", "\r\n");
  return { ...file, text };
}

/** Half of the last function's body gives way to a remark. */
function lazily(text: string): string {
  const lines = text.trimEnd().split("\n");
  const start = lines.findLastIndex((line) => /^def /.test(line)) + 1;
  const keep = start + Math.max(1, Math.floor((lines.length - start) / 2));
  return `${lines.slice(0, keep).join("\n")}\n    # ... rest of the code unchanged ...\n`;
}

/** Whole text, or search/replace blocks for long files and for models that get the search wrong. */
function contentOf(file: ChangedFile, isUnmatched: boolean): string {
  if (isUnmatched && file.before !== undefined && file.before.trim() !== "")
    return hunk(mangled(file.before.split("\n").slice(0, 12).join("\n")), file.text);
  if (!isLongFile(file.before) || file.before === undefined) return file.text;
  return changeOf(file.before, file.text);
}

function isLongFile(text: string | undefined): boolean {
  return text !== undefined && text.split("\n").length >= linesOfWholeMax;
}

/** Lines that resemble the file and are not in it, by far more than white space. */
function mangled(text: string): string {
  const lines = text
    .split("\n")
    .map((line, index) => (index % 2 === 0 ? `# step ${index + 1}: ${line.trim()}` : line));
  return `${lines.join("\n")}\n# as it was before the change`;
}

/** One block from the first to the last differing line, widened upward until the search is unique in the file. */
function changeOf(before: string, after: string): string {
  const old = before.split("\n");
  const next = after.split("\n");
  let start = 0;
  while (start < old.length && start < next.length && old[start] === next[start]) start++;
  let fromEnd = 0;
  const restMax = Math.min(old.length, next.length) - start;
  while (fromEnd < restMax && old[old.length - 1 - fromEnd] === next[next.length - 1 - fromEnd]) fromEnd++;
  if (start === old.length && start === next.length) return hunk(old[0] ?? "", old[0] ?? "");
  const searched = () => old.slice(start, old.length - fromEnd).join("\n");
  const isClear = () => searched().trim() !== "" && before.split(searched()).length === 2;
  while (!isClear() && (start > 0 || fromEnd > 0)) {
    if (start > 0) start--;
    else fromEnd--;
  }
  return hunk(searched(), next.slice(start, next.length - fromEnd).join("\n"));
}

function hunk(search: string, replace: string): string {
  return `<<<<<<< SEARCH\n${search}\n=======\n${replace.replace(/\n$/, "")}\n>>>>>>> REPLACE\n`;
}

/** The fence is longer than any run of back-ticks inside. */
function fenced(path: string | undefined, language: string, content: string): string {
  const longest = Math.max(2, ...(content.match(/^`{3,}/gm) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  const body = content === "" || content.endsWith("\n") ? content : `${content}\n`;
  return `${path === undefined ? "" : `${path}\n`}${fence}${language}\n${body}${fence}\n`;
}

function languageOf(path: string): string {
  return path.endsWith(".py") ? "python" : path.endsWith(".ini") ? "ini" : "";
}

function inJson(files: readonly ChangedFile[]): string {
  const given = files.map(({ path, text }) => ({ path, content: text }));
  return fenced(undefined, "json", JSON.stringify({ files: given }, undefined, 2));
}

const openings = [
  "Looking at the failing case, the condition has to be handled before the loop starts.",
  "Here is the complete implementation.",
  "I kept the signature as it was and filled in the body.",
  "The idea is to walk through the input once and keep what is needed.",
] as const;
const closings = [
  "This should satisfy the tests.",
  "Let me know if you want the edge cases spelled out.",
  "It runs in linear time.",
] as const;

function withProse(text: string, random: Random): string {
  return `${pick(openings, random)}\n\n${text}\n${pick(closings, random)}\n`;
}
