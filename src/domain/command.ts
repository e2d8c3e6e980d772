/** What a simple command starts: the program behind its prefixes, a package script, a test runner that is known. */
import { nameOf } from "./path.ts";
import type { Segment, Word } from "./shell.ts";

/** Test runners whose structured report we can ask for. */
export type Runner = "pytest" | "unittest" | "node:test" | "vitest" | "jest";

const keywords = new Set([
  "!",
  "{",
  "}",
  "if",
  "then",
  "else",
  "do",
  "while",
  "time",
  "exec",
  "command",
  "nice",
  "nohup",
]);
/** Programs that start the program named after them; with the words that may stand between. */
const launchers: readonly (readonly string[])[] = [
  ["npx"],
  ["bunx"],
  ["pnpx"],
  ["pnpm", "exec"],
  ["pnpm", "dlx"],
  ["npm", "exec"],
  ["yarn", "exec"],
  ["poetry", "run"],
  ["pipenv", "run"],
  ["pdm", "run"],
  ["hatch", "run"],
  ["uv", "run"],
  ["rye", "run"],
  ["xvfb-run"],
  ["env"],
  ["cross-env"],
  ["c8"],
  ["nyc"],
];

/** The words from the program itself on: without assignments, `env`, `timeout 60`, `npx --yes`, `poetry run` and the like. */
export function withoutPrefix(segment: Segment): readonly Word[] {
  let words = segment.words;
  for (let round = 0; round < 8; round++) {
    const shorter = dropOne(words);
    if (shorter === words) return words;
    words = shorter;
  }
  return words;
}

function dropOne(words: readonly Word[]): readonly Word[] {
  const first = words[0]?.text ?? "";
  if (/^[A-Za-z_]\w*=/.test(first) || keywords.has(first)) return words.slice(1);
  if (first === "timeout") return dropOptions(words.slice(1)).slice(1);
  const launcher = launchers.find((each) => each.every((word, index) => words[index]?.text === word));
  return launcher === undefined ? words : dropOptions(words.slice(launcher.length));
}

function dropOptions(words: readonly Word[]): readonly Word[] {
  const next = words.findIndex((word) => !word.text.startsWith("-"));
  return next === -1 ? [] : words.slice(next);
}

/** The package script that `npm test`, `yarn x`, `pnpm run x` start, and the words after it. */
export function scriptOf(
  words: readonly Word[],
): { readonly name: string; readonly rest: readonly Word[] } | undefined {
  const [program, ...others] = words;
  if (program === undefined || !["npm", "yarn", "pnpm"].includes(program.text)) return undefined;
  const isQuiet = (word: Word | undefined) => word !== undefined && /^(-s|--silent|--quiet)$/.test(word.text);
  const after = isQuiet(others[0]) ? others.slice(1) : others;
  const [verb, ...rest] = after;
  if (verb === undefined) return undefined;
  if (["test", "t", "tst"].includes(verb.text)) return { name: "test", rest };
  if (["run", "run-script", "rum"].includes(verb.text)) {
    const names = isQuiet(rest[0]) ? rest.slice(1) : rest;
    return names[0] === undefined ? undefined : { name: names[0].text, rest: names.slice(1) };
  }
  if (program.text === "npm" || verb.text.startsWith("-")) return undefined;
  return ["install", "add", "remove", "ci", "build"].includes(verb.text)
    ? undefined
    : { name: verb.text, rest };
}

/** The scripts of a package.json; none where it cannot be read as one. */
export function scriptsIn(manifest: string | undefined): Readonly<Record<string, string>> {
  try {
    const parsed: unknown = JSON.parse(manifest ?? "{}");
    const scripts = isRecord(parsed) ? parsed.scripts : undefined;
    if (!isRecord(scripts)) return {};
    return Object.fromEntries(
      Object.entries(scripts).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
    );
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A test runner in a simple command. */
export interface Found {
  readonly runner: Runner;
  /** The first word that belongs to the runner's name (`-m` of `-m unittest`). */
  readonly from: Word;
  /** The word after which options may be put. */
  readonly at: Word;
  readonly rest: readonly Word[];
  /** vitest without a subcommand, which would watch files on a terminal. */
  readonly isBare: boolean;
}

/** The runner that these words start, the program first; undefined when it is none that is known. */
export function findRunner(words: readonly Word[]): Found | undefined {
  const [program, ...rest] = words;
  if (program === undefined) return undefined;
  const name = nameOf(program.text);
  const whole = (runner: Runner, isBare = false): Found => ({
    runner,
    from: program,
    at: program,
    rest,
    isBare,
  });
  if (/^(pytest|py\.test)(-3)?$/.test(name)) return whole("pytest");
  if (/^(python|pypy)[\d.]*$/.test(name) || name === "coverage") return findModule(rest);
  if (name === "node" || name === "tsx") return findNodeTest(rest);
  if (name === "jest" || name === "jest.js") return whole("jest");
  if (name === "react-scripts" && rest[0]?.text === "test")
    return { runner: "jest", from: program, at: rest[0], rest: rest.slice(1), isBare: false };
  if (name === "vitest" || name === "vitest.mjs") return findVitest(program, rest);
  return undefined;
}

/** `-m pytest`, `-m unittest`, also behind `coverage run`. */
function findModule(rest: readonly Word[]): Found | undefined {
  const index = rest.findIndex((word) => word.text === "-m");
  const from = rest[index];
  const module = rest[index + 1];
  if (index === -1 || from === undefined || module === undefined) return undefined;
  const isScript = rest.slice(0, index).some((word) => /\.py$/.test(word.text));
  if (isScript) return undefined;
  const after = rest.slice(index + 2);
  if (module.text === "pytest" || module.text === "py.test")
    return { runner: "pytest", from, at: module, rest: after, isBare: false };
  if (module.text === "unittest") return { runner: "unittest", from, at: module, rest: after, isBare: false };
  return module.text === "coverage" ? findModule(after) : undefined;
}

function findNodeTest(rest: readonly Word[]): Found | undefined {
  const index = rest.findIndex((word) => word.text === "--test");
  const at = rest[index];
  return at === undefined ? undefined : { runner: "node:test", from: at, at, rest, isBare: false };
}

function findVitest(program: Word, rest: readonly Word[]): Found | undefined {
  const next = rest[0];
  const isSubcommand = next !== undefined && /^(run|watch|dev|related|bench|list|init)$/.test(next.text);
  if (isSubcommand && next.text === "run")
    return { runner: "vitest", from: program, at: next, rest: rest.slice(1), isBare: false };
  if (isSubcommand && next.text !== "related") return undefined;
  return {
    runner: "vitest",
    from: program,
    at: next !== undefined && isSubcommand ? next : program,
    rest,
    isBare: !isSubcommand,
  };
}
