/** Which runner tests that a model writes are for, where such tests lie, and the check that runs them: decided from the repository. */
import type { Runner } from "./command.ts";
import type { BaseResult, Check } from "./gate.ts";
import { nameOf } from "./path.ts";
import { isTestFile, isTestSupport } from "./protected.ts";
import type { Tracked } from "./selection.ts";
import { quote } from "./shell.ts";

/** A runner that tests could be written for. */
export interface Suite {
  readonly runner: Runner;
  /** Stands before the files in the check's command. */
  readonly start: string;
  /** Where tests lie, "." for the top. */
  readonly folder: string;
  /** A file name it finds tests in, for the question. */
  readonly example: string;
  /** A command that exits 0 where the runner is there; undefined: it was seen to run. */
  readonly probe: string | undefined;
}

/** Wall clock of one run: what a model writes for one goal need not take longer. */
export const suiteTimeoutMs = 60_000;

/** The name of the check that a model's tests are run by. */
export const suiteCheckName = "acceptance-model";

/** The first of them that is there is used; none where no language is known. */
export function suitesFor(seen: {
  readonly files: ReadonlyMap<string, Tracked>;
  readonly goal: string;
  /** What the checks did on base, where they ran already. */
  readonly base: readonly BaseResult[];
}): readonly Suite[] {
  switch (languageOf([...seen.files.keys()], seen.goal)) {
    case "python":
      return pythonSuites(seen);
    case "script":
      return scriptSuites(seen);
    case undefined:
      return [];
  }
}

/** A path that the runner finds and that is nothing but a test. */
export function isSuiteFile({ runner }: Suite, path: string): boolean {
  if (!isTestFile(path) || isTestSupport(path) || !/^[\w./-]+$/.test(path)) return false;
  const name = nameOf(path);
  switch (runner) {
    case "pytest":
      return /^test_\w+\.py$|^\w+_test\.py$/.test(name);
    case "unittest":
      return /^(?:\w+\/)*test\w*\.py$/.test(path);
    case "node:test":
      return /\.(?:test|spec)\.[cm]?[jt]s$/.test(name);
    case "vitest":
    case "jest":
      return /\.(?:test|spec)\.(?:[cm]?[jt]s|[jt]sx)$/.test(name);
  }
}

/** Acceptance that runs these files and nothing else. */
export function checkOf({ start }: Suite, paths: readonly string[]): Check {
  return {
    name: suiteCheckName,
    command: [start, ...paths.map(quote)].join(" "),
    cwd: ".",
    role: "acceptance",
    timeoutMs: suiteTimeoutMs,
    report: { kind: "recognise" },
  };
}

const others =
  /\.(?:go|rs|java|kt|kts|scala|cs|fs|c|cc|cpp|h|hpp|m|swift|rb|php|ex|exs|erl|hs|ml|clj|dart|lua)$/;
const python = /\.py$/;
const script = /\.(?:[cm]?[jt]s|[jt]sx)$/;

/** What the goal speaks of, where it speaks of one; else what most of the repository is written in. */
function languageOf(paths: readonly string[], goal: string): "python" | "script" | undefined {
  const count = (pattern: RegExp) => paths.filter((path) => pattern.test(path) && !isSetting(path)).length;
  const counts = { python: count(python), script: count(script), others: count(others) };
  const named = {
    python: /\.py\b|\bpython\b|\bpytest\b/i.test(goal),
    script: /\.[cm]?[jt]sx?\b|\b(?:javascript|typescript|node\.?js|vitest|jest)\b/i.test(goal),
  };
  if (named.python !== named.script) return named.python ? "python" : "script";
  const most = Math.max(counts.python, counts.script, counts.others);
  if (most > 0) {
    if (counts.others === most) return undefined;
    return counts.python >= counts.script ? "python" : "script";
  }
  if (paths.includes("package.json")) return "script";
  return paths.some((path) => /^(?:pyproject\.toml|setup\.(?:py|cfg)|requirements[\w-]*\.txt)$/.test(path))
    ? "python"
    : undefined;
}

/** Files in a language that say nothing of what the repository is written in. */
function isSetting(path: string): boolean {
  return /\.config\.[cm]?[jt]s$|^(?:setup|conftest|noxfile)\.py$/.test(nameOf(path));
}

type Seen = Parameters<typeof suitesFor>[0];

/** pytest where something speaks of it and it is there; unittest comes with the language. */
function pythonSuites({ files, base }: Seen): readonly Suite[] {
  const folder = folderOf([...files.keys()], /(?:^|\/)(?:test_[^/]*|[^/]*_test)\.py$/) ?? "tests";
  const common = { folder, example: "test_<what>.py" };
  const pytest: Suite = {
    ...{ ...common, runner: "pytest", start: "python3 -m pytest -q" },
    probe: base.some(({ runner }) => runner === "pytest") ? undefined : "python3 -m pytest --version",
  };
  const unittest: Suite = {
    ...{ ...common, runner: "unittest", start: "python3 -m unittest" },
    probe: "python3 -m unittest --help",
  };
  return speaksOfPytest(files) ? [pytest, unittest] : [unittest];
}

/** Its settings, what is to be installed, and tests that only it understands. */
function speaksOfPytest(files: Seen["files"]): boolean {
  return [...files].some(([path, file]) => {
    const name = nameOf(path);
    if (/^(?:conftest\.py|\.?pytest\.ini)$/.test(name)) return true;
    if (file.kind !== "text") return false;
    if (/^(?:pyproject\.toml|tox\.ini|setup\.(?:cfg|py)|requirements[\w-]*\.(?:txt|in)|Pipfile)$/.test(name))
      return /\bpytest\b/.test(file.text);
    return (
      isTestFile(path) && python.test(path) && /^(?:import pytest|from pytest|def test_)/m.test(file.text)
    );
  });
}

function scriptSuites({ files, base }: Seen): readonly Suite[] {
  const paths = [...files.keys()];
  const manifest = files.get("package.json");
  const text = manifest?.kind === "text" ? manifest.text : "";
  const found = folderOf(paths, /\.(?:test|spec)\.(?:[cm]?[jt]s|[jt]sx)$/);
  const isTyped = paths.some((path) => /\.[cm]?tsx?$/.test(path) && !isSetting(path));
  const common = { folder: found ?? "test", example: `<what>.test.${isTyped ? "ts" : "js"}` };
  const installed = (["vitest", "jest"] as const).filter((name) => new RegExp(`"${name}"\\s*:`).test(text));
  const named = installed.map((runner): Suite => {
    const program = `node_modules/.bin/${runner}`;
    // The script's own settings, as ES modules need them under jest.
    const settings = new RegExp(`"((?:[A-Z_]+=[\\w=-]+ )+)(?:npx )?${runner}\\b`).exec(text)?.[1] ?? "";
    const start = `${settings}${program}${runner === "vitest" ? " run" : ""}`;
    const isSeen = base.some((result) => result.runner === runner);
    return { ...common, runner, start, probe: isSeen ? undefined : `${program} --version` };
  });
  const node: Suite = { ...common, runner: "node:test", start: "node --test", probe: "node --version" };
  return [...named, node];
}

/** The folder that most tests lie in; of equals the first by name. */
function folderOf(paths: readonly string[], pattern: RegExp): string | undefined {
  const counts = new Map<string, number>();
  for (const path of paths.filter((each) => pattern.test(each)).sort()) {
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].sort(([, left], [, right]) => right - left)[0]?.[0];
}
