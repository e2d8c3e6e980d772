/**
 * What a command line reaches, for checks that are judged by their exit code: which files of the change decide that code
 * themselves, and which tests it runs.
 *
 * 1. In doubt a file is the change's own word (`ownOf`), and a test is not known to be run (`runsOf`): both only cost a proof.
 * 2. A program whose output something else compares is what the check is about, not its judge: `app | grep -q 5`,
 *    `test "$(app)" = 5`, and code given in the command itself (`node -e '…'`).
 */
import { findRunner, type Runner, scriptOf, scriptsIn, withoutPrefix } from "./command.ts";
import { covers } from "./glob.ts";
import { joined, nameOf } from "./path.ts";
import { isTestFile } from "./protected.ts";
import { edit, parse, quote, type Segment, type Word } from "./shell.ts";

export interface Line {
  /** A POSIX shell command line. */
  readonly command: string;
  /** Where it starts, relative to the top of the repository. */
  readonly cwd: string;
}

/** How far `sh -c '…'` and `npm test` -> `npm run x` are followed. */
const depthMax = 4;

/** One simple command with everywhere it may be started. */
interface Part {
  /** As typed, without code for an interpreter. */
  readonly text: string;
  /** From the program on; empty where the line was not understood. */
  readonly words: readonly Word[];
  /** Its own folder last. */
  readonly folders: readonly string[];
}

/** The test files that a command gives to a runner by name, without the `../` before them and what stands behind `::`. */
export function testsNamed(command: string): readonly string[] {
  return (parse(command) ?? [])
    .filter((each) => findRunner(withoutPrefix(each)) !== undefined)
    .flatMap(({ words }) => words.map(({ text }) => (text.split("::")[0] ?? "").replace(/^(?:\.\.?\/)+/, "")))
    .filter((word) => /^\w[\w./-]*\.(py|[cm]?[jt]sx?)$/.test(word) && isTestFile(word));
}

/**
 * Which of these files the command runs, or is told what to run by: named by a word (also as a module, without its ending, by a
 * pattern, from another folder), or read by a runner of tasks (`npm`, `make`, `tox` and others).
 */
export function ownOf(line: Line, paths: readonly string[]): readonly string[] {
  const parts = partsOf(line, 0).filter((part) => !isCompared(part));
  return paths.filter((path) => parts.some((part) => isNamed(part, path) || isManifest(part, path)));
}

/**
 * Whether the command runs a test runner that is known, on tests of this file. `whole`: and leaves none of its tests out
 * by an option.
 */
export function runsOf(line: Line, path: string): "no" | "some" | "whole" {
  const seen = partsOf(line, 0).map((part) => testing(part, path));
  return seen.includes("whole") ? "whole" : seen.includes("some") ? "some" : "no";
}

/**
 * The line with package scripts written out as `manifests` (texts of package.json by path) have them; what is not found
 * stays as it is.
 */
export function writtenOut(line: Line, manifests: ReadonlyMap<string, string>): string {
  return expand(line, manifests, 0);
}

/** Whether any program of the line is a package manager, so that a package.json says what runs. */
export function startsScripts({ command }: Line): boolean {
  return /\b(npm|yarn|pnpm)\b/.test(command);
}

function expand({ command, cwd }: Line, manifests: ReadonlyMap<string, string>, depth: number): string {
  const segments = depth < depthMax ? parse(command) : undefined;
  if (segments === undefined) return command;
  let folder = cwd;
  const edits = segments.flatMap((segment) => {
    const words = withoutPrefix(segment);
    const [first, second] = words;
    if (first?.text === "cd" && second !== undefined) folder = joined(folder, second.text);
    const script = scriptOf(words);
    const last = words.at(-1);
    if (script === undefined || first === undefined || last === undefined) return [];
    const scripts = scriptsIn(manifests.get(joined(folder, "package.json")));
    if (!Object.hasOwn(scripts, script.name)) return [];
    const rest = script.rest.filter(({ text }) => text !== "--").map(({ text }) => ` ${quote(text)}`);
    const own = [`pre${script.name}`, script.name, `post${script.name}`]
      .filter((name) => Object.hasOwn(scripts, name))
      .map((name) => `${scripts[name] ?? ""}${name === script.name ? rest.join("") : ""}`)
      .map((text) => expand({ command: text, cwd: folder }, manifests, depth + 1));
    return [{ start: first.start, end: last.end, text: `( ${own.join(" && ")} )` }];
  });
  return edit(command, edits);
}

const shells = /^(ba|da|z|k|a)?sh$/;
const interpreters = /^(python|pypy)[\d.]*$|^(node|tsx|ts-node|deno|bun|ruby|perl|php)$/;
/** What stands behind one of these options is a program in itself. */
const inlineCode: readonly (readonly [program: RegExp, option: RegExp])[] = [
  [shells, /^-[A-Za-z]*c$/],
  [/^(python|pypy)[\d.]*$/, /^-[A-Za-z]*c$/],
  [/^(node|tsx|ts-node|bun)$/, /^(-e|-p|-pe|--eval|--print)$/],
  [/^(ruby|perl)$/, /^-[A-Za-z]*[eE]$/],
  [/^php$/, /^-r$/],
];

function partsOf({ command, cwd }: Line, depth: number): readonly Part[] {
  const segments = parse(command);
  if (segments === undefined) return [{ text: command, words: [], folders: [cwd] }];
  let folders: readonly string[] = [joined(cwd, "")];
  const parts: Part[] = [];
  for (const [index, segment] of segments.entries()) {
    const words = withoutPrefix(segment);
    const [program, second] = words;
    if (program?.text === "cd" && second !== undefined)
      folders = [...folders, joined(folders.at(-1) ?? "", second.text)];
    if (isPipedIntoComparer(segments, index)) continue;
    const code = inlineOf(words);
    const isFollowed = code !== undefined && isShell(program) && depth < depthMax;
    if (isFollowed)
      for (const folder of folders) parts.push(...partsOf({ command: code.text, cwd: folder }, depth + 1));
    // Code that could not be followed is looked at as words.
    const isCut = code !== undefined && (isFollowed || !isShell(program));
    parts.push({ text: textOf(command, segment, isCut ? code : undefined), words, folders });
  }
  return parts;
}

function textOf(command: string, { start, end }: Segment, code: Word | undefined): string {
  return code === undefined
    ? command.slice(start, end)
    : command.slice(start, code.start) + command.slice(code.end, end);
}

function isShell(program: Word | undefined): boolean {
  return program !== undefined && (shells.test(nameOf(program.text)) || program.text === "eval");
}

/** `python3 -c CODE`, `node -e CODE`, `sh -c CODE`, `eval CODE`: the word that is code. */
function inlineOf(words: readonly Word[]): Word | undefined {
  const [program, second] = words;
  if (program === undefined) return undefined;
  if (program.text === "eval") return second;
  const name = nameOf(program.text);
  const options = inlineCode.find(([pattern]) => pattern.test(name))?.[1];
  if (options === undefined) return undefined;
  const at = words.findIndex((word, index) => index > 0 && options.test(word.text));
  // A file that is run comes before its own options.
  const isOption = words.slice(1, at).every((word) => word.text.startsWith("-"));
  return at > 0 && isOption ? words[at + 1] : undefined;
}

/** Programs that read and compare, and never run what they are given. */
const comparers = new Set(["grep", "egrep", "fgrep", "rg", "test", "[", "[[", "jq"]);
const pipeEnds = new Set([...comparers, "diff", "cmp"]);

function isCompared({ words }: Part): boolean {
  return comparers.has(nameOf(words[0]?.text ?? ""));
}

/** The exit code of a pipe is its last program's. */
function isPipedIntoComparer(segments: readonly Segment[], index: number): boolean {
  let at = index;
  while (segments[at]?.operator === "|") at += 1;
  const last = segments[at];
  return at > index && last !== undefined && pipeEnds.has(nameOf(withoutPrefix(last)[0]?.text ?? ""));
}

function isNamed({ text, words, folders }: Part, path: string): boolean {
  const started = entryOf(words);
  const entries = started === "" ? [] : entryEndings.map((ending) => ({ word: started, ending }));
  const named = [...wordsIn(text), ...modulesIn(words)].map((word) => ({ word, ending: "" }));
  return [...named, ...entries].some((each) => isPath(each, path, folders));
}

/** What Node and Python add to the name they are given. */
const entryEndings = [
  ...[".js", ".cjs", ".mjs", ".ts", ".mts", ".cts", "/index.js", "/index.cjs", "/index.mjs", "/index.ts"],
  ...["/package.json", "/__main__.py"],
];

/** What an interpreter is given to run, as written; empty where nothing is. */
function entryOf(words: readonly Word[]): string {
  if (!interpreters.test(nameOf(words[0]?.text ?? ""))) return "";
  const isValue = (index: number) => /^(-r|--require|--import|--loader)$/.test(words[index - 1]?.text ?? "");
  return words.find(({ text }, index) => index > 0 && !text.startsWith("-") && !isValue(index))?.text ?? "";
}

function wordsIn(text: string): readonly string[] {
  const words = text.replace(/\$\{?\w+\}?\/|\$\(pwd\)\//g, "/").split(/[\s'"=;&|()<>`$,:]+/);
  return words.flatMap((word) => {
    if (!word.startsWith("-")) return word === "" ? [] : [word];
    // `-fother.mk`
    return word.length > 2 && !word.startsWith("--") ? [word.slice(2)] : [];
  });
}

/** `-m pkg.mod` and `-m unittest tests.test_a.Class`: the files that Python loads for them. */
function modulesIn(words: readonly Word[]): readonly string[] {
  const isUnittest = words.some(({ text }) => text === "unittest");
  return words.flatMap(({ text }, index) => {
    const isModule = words[index - 1]?.text === "-m" || (isUnittest && index > 0);
    const name = isModule ? text : (/^-m(.+)/.exec(text)?.[1] ?? "");
    return /^[A-Za-z_]\w*(\.[A-Za-z_]\w*){0,20}$/.test(name) ? moduleFiles(name) : [];
  });
}

function moduleFiles(name: string): readonly string[] {
  const parts = name.split(".");
  return parts.flatMap((_, index) => {
    const module = parts.slice(0, index + 1).join("/");
    return [`${module}.py`, `${module}/__init__.py`, `${module}/__main__.py`];
  });
}

function isPath(
  { word, ending }: { readonly word: string; readonly ending: string },
  path: string,
  folders: readonly string[],
): boolean {
  const whole = `${word}${ending}`;
  if (folders.some((folder) => joined(folder, whole) === path)) return true;
  if (word.startsWith("/")) return whole.endsWith(`/${path}`);
  if (/[*?[{]/.test(word)) return covers(word.replaceAll(/\[[^\]]*\]/g, "?"), path);
  // From a folder that an option names, as in `make -C web`.
  return /[./]/.test(word) && joined("", word) !== "" && path.endsWith(`/${joined("", whole)}`);
}

/** What tells these programs what to run. */
const manifests: readonly (readonly [program: RegExp, files: string])[] = [
  [/^(npm|yarn|pnpm|bun)$/, "package.json"],
  [/^(g|bsd)?make$/, "{GNUmakefile,makefile,Makefile,*.mk}"],
  [/^just$/, "{justfile,Justfile,.justfile}"],
  [/^tox$/, "{tox.ini,tox.toml,setup.cfg,pyproject.toml}"],
  [/^nox$/, "noxfile.py"],
  [/^(invoke|inv)$/, "tasks.py"],
  [/^(go-)?task$/, "{Taskfile,taskfile}*.{yml,yaml}"],
  [/^rake$/, "{Rakefile,rakefile,Rakefile.rb}"],
  [/^(poe|poetry|pdm|hatch|uv)$/, "pyproject.toml"],
  [/^(gradle|gradlew)$/, "{build,settings}.gradle{,.kts}"],
  [/^(mvn|mvnw)$/, "pom.xml"],
  [/^ant$/, "build.xml"],
  [/^deno$/, "deno.{json,jsonc}"],
];

function isManifest({ text, folders }: Part, path: string): boolean {
  const words = wordsIn(text);
  const isRead = manifests.some(
    ([program, files]) => covers(files, path) && words.some((word) => program.test(nameOf(word))),
  );
  const isNode = nameOf(path) === "package.json" && /\bnode\b.*--run\b/.test(text);
  if (!isRead && !isNode) return false;
  const folder = joined(path, "..");
  const isAbove = folders.some((each) => each === folder || each.startsWith(`${folder}/`) || folder === "");
  return (
    isAbove || /(^|\s)(-w|-r|--workspaces?|--recursive|--filter)\b/.test(text) || isFolderIn(words, folder)
  );
}

function isFolderIn(words: readonly string[], folder: string): boolean {
  return words.some((word) => {
    const named = joined("", word);
    return named !== "" && (named === folder || folder.endsWith(`/${named}`));
  });
}

/** Options that leave tests of a file out. */
const selections: Readonly<Record<Runner, RegExp>> = {
  pytest: /^(-[a-z]*[km]|--(deselect|ignore|lf|last-failed|ff|sw|stepwise|maxfail|pyargs).*)$|::/,
  unittest: /^-[kp]/,
  "node:test": /^--(test-name-pattern|test-skip-pattern|test-only|test-shard)/,
  vitest: /^(-t|--(testNamePattern|exclude|shard|changed|project|dir).*)$/,
  jest: /^(-[to]|--(testNamePattern|testPathIgnorePatterns|shard|only|changed|related|find|project).*)$/,
};

/** `pytest tests`, `node --test`, `node test/a.test.js`: the path is among what is named, or nothing is. */
function testing({ words, folders }: Part, path: string): ReturnType<typeof runsOf> {
  const folder = folders.at(-1) ?? "";
  const found = findRunner(words);
  if (found === undefined) {
    const isNode = nameOf(words[0]?.text ?? "") === "node";
    return isNode && words.slice(1).some(({ text }) => joined(folder, text) === path) ? "whole" : "no";
  }
  const named = found.rest.map(({ text }) => text).filter((text) => !/^-|^discover$/.test(text));
  const modules = found.runner === "unittest" ? named.flatMap(moduleFiles) : [];
  const isIn =
    named.length === 0
      ? folder === "" || path.startsWith(`${folder}/`)
      : [...named, ...modules].some((each) => isBelow(joined(folder, each.split("::")[0] ?? ""), path));
  if (!isIn) return "no";
  const isSelected = found.rest.some(({ text }) => selections[found.runner].test(text));
  return isSelected || (found.runner === "unittest" && named.some((text) => /\.\w+\./.test(text)))
    ? "some"
    : "whole";
}

/** The path itself, a pattern for it, or a folder above it. */
function isBelow(named: string, path: string): boolean {
  return named === "" || named === path || covers(`/${named}`, path);
}
