import { posix } from "node:path";
import { findRunner, type Runner, scriptOf, scriptsIn, withoutPrefix } from "../../domain/command.ts";
import { type Edit, edit, parse, quote, type Word } from "../../domain/shell.ts";

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
