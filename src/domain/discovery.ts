/** Gates that a repository brings along, found in its tracked files. They guard: what is green on base may not turn red. */
import type { Check } from "./gate.ts";
import { isTestFile } from "./protected.ts";

/** What is looked at: paths, and the text of the manifests at the top. */
export interface Tracked {
  readonly paths: readonly string[];
  /** `package.json` at the top, undefined when there is none. */
  readonly packageJson: string | undefined;
}

/** Wall clock of a check that nobody gave a limit: 10 minutes. */
export const checkTimeoutMs = 600_000;

/** How long a program must stay up where it does not end by itself. */
const upMs = 5_000;

/**
 * The guards of a repository; commands equal to one of `given` are left out, since they are judged already. Where nobody
 * gave a check and there is no test, the program itself must run.
 */
export function discoverGuards(tracked: Tracked, given: readonly string[]): readonly Check[] {
  const found: Check[] = [];
  const script = testScript(tracked.packageJson);
  if (script !== undefined) found.push(guard("guard-npm-test", "npm test"));
  if (hasPythonTests(tracked.paths)) found.push(guard("guard-pytest", "python3 -m pytest -q"));
  const known = new Set(given.map(normalise));
  const same = (check: Check) =>
    known.has(normalise(check.command)) ||
    (check.name === "guard-npm-test" && known.has(normalise(script ?? "")));
  const entry =
    given.length === 0 && found.length === 0 && !tracked.paths.some(isTestFile)
      ? entryOf(tracked)
      : undefined;
  if (entry !== undefined) return [runGuard(entry)];
  return found.filter((check) => !same(check));
}

/** The guard on a program without tests. */
export const runGuardName = "guard-run";

function runGuard(command: string): Check {
  return {
    name: runGuardName,
    command,
    cwd: ".",
    role: "guard",
    timeoutMs: upMs,
    report: { kind: "run", probe: undefined },
  };
}

/** What starts the program: package.json's own word, else a Python file with a usual name at the top or in a package. */
function entryOf({ paths, packageJson }: Tracked): string | undefined {
  const manifest = manifestOf(packageJson);
  if (typeof manifest.scripts?.start === "string" && manifest.scripts.start.trim() !== "")
    return "npm start --silent";
  const bin =
    typeof manifest.bin === "object" && manifest.bin !== null ? Object.values(manifest.bin)[0] : manifest.bin;
  const known = new Set(paths);
  for (const named of [manifest.main, bin]) {
    const path = typeof named === "string" ? named.replace(/^\.\//, "") : "";
    if (known.has(path) && /^[\w./@-]+\.[cm]?[jt]s$/.test(path)) return `node ${path}`;
  }
  const file = ["main.py", "app.py", "__main__.py"].find((path) => known.has(path));
  if (file !== undefined) return `python3 ${file}`;
  const packages = paths.flatMap((path) => /^(\w+)\/__main__\.py$/.exec(path)?.[1] ?? []);
  return packages.length === 1 ? `python3 -m ${packages[0]}` : undefined;
}

interface Manifest {
  readonly scripts?: { readonly test?: unknown; readonly start?: unknown };
  readonly main?: unknown;
  readonly bin?: unknown;
}

function manifestOf(packageJson: string | undefined): Manifest {
  try {
    const parsed: unknown = JSON.parse(packageJson ?? "{}");
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

function guard(name: string, command: string): Check {
  return { name, command, cwd: ".", role: "guard", timeoutMs: checkTimeoutMs, report: { kind: "recognise" } };
}

/** npm's own placeholder is no test. */
function testScript(packageJson: string | undefined): string | undefined {
  const script = manifestOf(packageJson).scripts?.test;
  return typeof script === "string" && script.trim() !== "" && !script.includes("no test specified")
    ? script
    : undefined;
}

function hasPythonTests(paths: readonly string[]): boolean {
  return paths.some((path) => /(^|\/)(test_[^/]*|[^/]*_test)\.py$/.test(path));
}

/** "python3 -m pytest -q" and "pytest" ask for the same thing. */
function normalise(command: string): string {
  return command
    .trim()
    .replace(/\s+/g, " ")
    .replace(/^python3? -m /, "")
    .replace(/ (-q|--quiet|-v|--verbose)\b/g, "");
}
