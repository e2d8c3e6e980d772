/** Gates that a repository brings along, found in its tracked files. They guard: what is green on base may not turn red. */
import type { Check } from "./gate.ts";

/** What is looked at: paths, and the text of the manifests at the top. */
export interface Tracked {
  readonly paths: readonly string[];
  /** `package.json` at the top, undefined when there is none. */
  readonly packageJson: string | undefined;
}

/** Wall clock of a check that nobody gave a limit: 10 minutes. */
export const checkTimeoutMs = 600_000;

/** The guards of a repository; commands equal to one of `given` are left out, since they are judged already. */
export function discoverGuards(tracked: Tracked, given: readonly string[]): readonly Check[] {
  const found: Check[] = [];
  const script = testScript(tracked.packageJson);
  if (script !== undefined) found.push(guard("guard-npm-test", "npm test"));
  if (hasPythonTests(tracked.paths)) found.push(guard("guard-pytest", "python3 -m pytest -q"));
  const known = new Set(given.map(normalise));
  const same = (check: Check) =>
    known.has(normalise(check.command)) ||
    (check.name === "guard-npm-test" && known.has(normalise(script ?? "")));
  return found.filter((check) => !same(check));
}

function guard(name: string, command: string): Check {
  return { name, command, cwd: ".", role: "guard", timeoutMs: checkTimeoutMs, report: { kind: "recognise" } };
}

/** npm's own placeholder is no test. */
function testScript(packageJson: string | undefined): string | undefined {
  if (packageJson === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(packageJson);
    const script = (parsed as { scripts?: { test?: unknown } } | null)?.scripts?.test;
    return typeof script === "string" && script.trim() !== "" && !script.includes("no test specified")
      ? script
      : undefined;
  } catch {
    return undefined;
  }
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
