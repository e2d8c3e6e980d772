import { posix } from "node:path";
import { z } from "zod";
import { type Edit, edit, parse, quote, type Segment, type Word } from "./shell.ts";

/** Test runners whose structured report we can ask for. */
export type Runner = "pytest" | "unittest" | "node:test" | "vitest" | "jest";

/** A report that the changed command will leave. `folder`: where the runner is started, relative to the check's folder. */
export interface ExpectedReport {
  readonly runner: Runner;
  /** Name below the report folder. */
  readonly name: string;
  readonly folder: string;
}

/** `runners`: the command with reporters added, one report for each runner in it. */
export type Recognition =
  | { readonly kind: "runners"; readonly command: string; readonly reports: readonly ExpectedReport[] }
  | { readonly kind: "unknown"; readonly why: string };

export interface Surroundings {
  /** Where reports go, as the command will see it. */
  readonly reportFolder: string;
  /** Where our reporters lie, as the command will see it. */
  readonly toolFolder: string;
  /** The package.json of a folder relative to the check's own, as text; undefined when there is none. */
  manifest(folder: string): Promise<string | undefined>;
}

/** Names of our own reporters in the tool folder. */
export const toolNames = { unittest: "unittest_report.py", node: "node_report.mjs" } as const;

/** How far `npm test` -> `npm run x` -> … is followed. */
const scriptDepthMax = 4;
const runnersMax = 16;

/** Finds the test runners of a command line and adds a reporter to each. Rejects only when `manifest` does. */
export async function recognise(command: string, surroundings: Surroundings): Promise<Recognition> {
  const reports: ExpectedReport[] = [];
  const rewritten = await rewrite(command, { surroundings, reports, folder: ".", depth: 0 });
  if (rewritten.kind === "unknown") return rewritten;
  if (reports.length === 0) return { kind: "unknown", why: "no known test runner in the command" };
  if (reports.length > runnersMax)
    return { kind: "unknown", why: `more than ${runnersMax} test runners in one command` };
  return { kind: "runners", command: rewritten.command, reports };
}

interface Walk {
  readonly surroundings: Surroundings;
  /** Grows as runners are found. */
  readonly reports: ExpectedReport[];
  readonly folder: string;
  readonly depth: number;
}

type Rewritten =
  | { readonly kind: "command"; readonly command: string }
  | { readonly kind: "unknown"; readonly why: string };

async function rewrite(command: string, walk: Walk): Promise<Rewritten> {
  if (walk.depth > scriptDepthMax) return { kind: "unknown", why: "scripts that call scripts too deep" };
  const segments = parse(command);
  if (segments === undefined) return { kind: "unknown", why: "a command line that is not understood" };
  let folder = walk.folder;
  const edits: Edit[] = [];
  for (const segment of segments) {
    const words = withoutPrefix(segment);
    const [first, second] = words;
    if (first === undefined) continue;
    if (first.text === "cd" && second !== undefined) folder = posix.join(folder, second.text);
    else {
      const script = scriptOf(words);
      if (script === undefined) edits.push(...addReporter(words, { ...walk, folder }));
      else {
        const expanded = await expandScript(words, script, { ...walk, folder });
        if (expanded.kind === "unknown") return expanded;
        edits.push(...expanded.edits);
      }
    }
  }
  return { kind: "command", command: edit(command, edits) };
}

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
function withoutPrefix(segment: Segment): readonly Word[] {
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
function scriptOf(
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

const Manifest = z.object({ scripts: z.record(z.string(), z.string()).optional() });

/**
 * The package manager's call is replaced by what it would run, so that the reporter reaches its runner wherever it
 * stands: the script with its `pre` and `post`, in a subshell that has `node_modules/.bin` on its PATH.
 */
async function expandScript(
  words: readonly Word[],
  script: { readonly name: string; readonly rest: readonly Word[] },
  walk: Walk,
): Promise<
  | { readonly kind: "edits"; readonly edits: readonly Edit[] }
  | { readonly kind: "unknown"; readonly why: string }
> {
  const scripts = scriptsIn(await walk.surroundings.manifest(walk.folder));
  const own = Object.hasOwn(scripts, script.name) ? scripts[script.name] : undefined;
  const first = words[0];
  const last = words.at(-1);
  // `yarn jest` and `pnpm vitest` start a program of node_modules when no script has the name.
  if (own === undefined && first?.text !== "npm")
    return {
      kind: "edits",
      edits: addReporter(words.slice(words.findIndex((word) => word.text === script.name)), walk),
    };
  if (own === undefined || first === undefined || last === undefined)
    return { kind: "unknown", why: `package.json has no script "${script.name}"` };
  const extra = script.rest
    .filter((word, index) => !(index === 0 && word.text === "--"))
    .map((word) => quote(word.text));
  const parts: string[] = [];
  for (const name of [`pre${script.name}`, script.name, `post${script.name}`]) {
    const text = Object.hasOwn(scripts, name) ? scripts[name] : undefined;
    if (text === undefined) continue;
    const full = name === script.name ? [text, ...extra].join(" ") : text;
    const found = walk.reports.length;
    const inner = await rewrite(full, { ...walk, depth: walk.depth + 1 });
    if (inner.kind === "unknown" && name === script.name) return inner;
    parts.push(inner.kind === "unknown" ? full : inner.command);
    if (name === script.name && walk.reports.length === found)
      return { kind: "unknown", why: `no known test runner in the script "${script.name}"` };
  }
  const body = parts.map((part) => `{ ${part}\n}`).join(" && ");
  const text = `( PATH="$PWD/node_modules/.bin:$PATH"; export PATH; npm_lifecycle_event=${quote(script.name)}; export npm_lifecycle_event; ${body} )`;
  return { kind: "edits", edits: [{ start: first.start, end: last.end, text }] };
}

function scriptsIn(manifest: string | undefined): Readonly<Record<string, string>> {
  if (manifest === undefined) return {};
  try {
    const parsed = Manifest.safeParse(JSON.parse(manifest));
    return parsed.success ? (parsed.data.scripts ?? {}) : {};
  } catch {
    return {};
  }
}

/** What to put where, so that the runner writes a report; empty when the words start no runner. Adds the report to the walk. */
function addReporter(words: readonly Word[], walk: Walk): readonly Edit[] {
  const found = findRunner(words);
  if (found === undefined) return [];
  const name = `report-${walk.reports.length + 1}`;
  walk.reports.push({ runner: found.runner, name, folder: posix.normalize(walk.folder) });
  const path = quote(`${walk.surroundings.reportFolder}/${name}`);
  const tools = walk.surroundings.toolFolder;
  const after = (text: string): Edit => ({ start: found.at.end, end: found.at.end, text: ` ${text}` });
  switch (found.runner) {
    case "pytest": {
      const cache = quote(`${walk.surroundings.reportFolder}/cache`);
      const isRooted = found.rest.some((word) => word.text.startsWith("--rootdir"));
      // rootdir: else pytest counts paths from the arguments' common folder. xunit1: the only form that names files.
      const words = `--junitxml=${path} -o junit_family=xunit1 -o cache_dir=${cache}${isRooted ? "" : " --rootdir=."} --continue-on-collection-errors`;
      return [...without(found.rest, ["--junitxml", "--junit-xml"]), after(words)];
    }
    case "unittest":
      return [
        {
          start: found.from.start,
          end: found.at.end,
          text: `${quote(`${tools}/${toolNames.unittest}`)} ${path}`,
        },
      ];
    case "node:test":
      return [
        ...without(found.rest, ["--test-reporter", "--test-reporter-destination"]),
        after(`--test-reporter=${quote(`${tools}/${toolNames.node}`)} --test-reporter-destination=${path}`),
      ];
    case "vitest":
      return [
        ...without(found.rest, ["--reporter", "--outputFile"]),
        after(`${found.isBare ? "run " : ""}--reporter=json --outputFile=${path}`),
      ];
    case "jest":
      return [
        ...without(found.rest, ["--outputFile", "--json", "--testLocationInResults"]),
        after(`--json --outputFile=${path} --testLocationInResults`),
      ];
  }
}

interface Found {
  readonly runner: Runner;
  /** The first word that belongs to the runner's name (`-m` of `-m unittest`). */
  readonly from: Word;
  /** The word after which options may be put. */
  readonly at: Word;
  readonly rest: readonly Word[];
  /** vitest without a subcommand, which would watch files on a terminal. */
  readonly isBare: boolean;
}

function findRunner(words: readonly Word[]): Found | undefined {
  const [program, ...rest] = words;
  if (program === undefined) return undefined;
  const name = posix.basename(program.text);
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

/** Takes options away, with their value where it stands in a word of its own. */
function without(rest: readonly Word[], options: readonly string[]): readonly Edit[] {
  const flags = new Set(["--json", "--testLocationInResults"]);
  return rest.flatMap((word, index) => {
    const isWhole = options.includes(word.text);
    if (!isWhole && !options.some((option) => word.text.startsWith(`${option}=`))) return [];
    const value = rest[index + 1];
    const takesNext = isWhole && !flags.has(word.text) && value !== undefined && !value.text.startsWith("-");
    return [{ start: word.start, end: takesNext ? value.end : word.end, text: "" }];
  });
}
