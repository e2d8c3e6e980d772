import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { withoutPrefix } from "../../domain/command.ts";
import type { Check, GateRun, Output, TestResult } from "../../domain/gate.ts";
import { parse as parseCommand } from "../../domain/shell.ts";
import { unreachable } from "../../kit/assert.ts";
import type { CutRun, Gates, Place } from "../../ports/gates.ts";
import { type Bind, type Jail, type JailRun, type Limits, workInside } from "../../ports/jail.ts";
import { readResult } from "../jails/results.ts";
import { concludeProgram, withProbe } from "./program.ts";
import { type ExpectedReport, type Recognition, recognise, toolNames } from "./recognise.ts";
import { nodeReporter, unittestReporter } from "./reporters.ts";
import {
  numbered,
  type Origin,
  parseJest,
  parseJunit,
  parseNode,
  parsePytest,
  parseUnittest,
  type Report,
  reportBytesMax,
} from "./reports.ts";

/** Part of every cache key: results of another way to run or to read are other results. */
const version = "4";

const manifestBytesMax = 1024 * 1024;
const emptyOutput: Output = { stdout: "", stderr: "" };

export interface GateOptions {
  readonly jail: Jail;
  /** The bounds of one run of this check. */
  limits(check: Check): Limits;
}

/** Runs checks in a jail and counts their tests from reports whose paths nobody knows before. */
export function openGates({ jail, limits }: GateOptions): Gates {
  return {
    version,
    run: async (check, place, signal) => {
      const started = await prepare(check, place, jail);
      if (started.kind === "could-not-run") return { ...started, check: check.name, output: emptyOutput };
      const within = (command: string, binds: readonly Bind[]) =>
        jail.run(
          {
            command,
            cwd: posix.join(workInside, check.cwd),
            variables: variablesOf(place),
            binds: [...bindsOf(place), ...binds],
            scratch: place.environment.scratch,
            limits: limits(check),
            network: { kind: "none" },
          },
          signal,
        );
      if (started.kind === "unknown") {
        const absent = await absentProgram(check, (command) => within(command, []));
        const why = absent === undefined ? adviceFor(check, started.why) : absentWords(check, absent);
        return { kind: "could-not-run", check: check.name, why, output: emptyOutput };
      }
      try {
        return await conclude(check, await within(started.command, started.binds), started);
      } finally {
        await started.remove();
      }
    },
  };
}

interface Started {
  readonly kind: "started";
  readonly command: string;
  readonly runner: string;
  readonly binds: readonly Bind[];
  /** Reads and parses every report, after the jail is dead. */
  collect(): Promise<Report | { readonly kind: "none"; readonly why: string }>;
  remove(): Promise<void>;
}

type Prepared =
  | Started
  | { readonly kind: "could-not-run"; readonly why: string }
  /** No runner that is known. */
  | { readonly kind: "unknown"; readonly why: string };

async function prepare(check: Check, place: Place, jail: Jail): Promise<Prepared> {
  // Outside a jail there is no other view of the disk: the runner reports the host's own paths.
  const top = jail.isolation === "none" ? place.folder : workInside;
  const { report } = check;
  switch (report.kind) {
    case "recognise":
      return prepareRecognised(check, place, { jail, top });
    case "junit":
      return prepareJunit(check, report.path, place, top);
    case "exit-code":
      return {
        kind: "started",
        command: check.command,
        runner: "exit-code",
        binds: [],
        collect: () => Promise.resolve({ kind: "none", why: "" }),
        remove: () => Promise.resolve(),
      };
    case "run":
      return {
        kind: "started",
        command: report.probe === undefined ? check.command : withProbe(check.command, report.probe),
        runner: "run",
        binds: [],
        collect: () => Promise.resolve({ kind: "none", why: "" }),
        remove: () => Promise.resolve(),
      };
    default:
      return unreachable(report);
  }
}

async function prepareRecognised(
  check: Check,
  place: Place,
  { jail, top }: { readonly jail: Jail; readonly top: string },
): Promise<Prepared> {
  const host = await mkdtemp(join(await realpath(jail.workRoot), `gate-${process.pid}-`));
  const remove = () => rm(host, { recursive: true, force: true });
  try {
    // The jail's user is another one than the verifier's: it must reach what is below, and need not list it.
    await chmod(host, 0o711);
    const secret = randomBytes(12).toString("hex");
    const inside = `/rigs-${secret}`;
    const name = `out-${randomBytes(12).toString("hex")}`;
    const seen = await recognise(check.command, {
      reportFolder: `${inside}/${name}`,
      toolFolder: `${inside}/tools`,
      manifest: (folder) => manifestOf(place, posix.join(check.cwd, folder)),
    });
    if (seen.kind === "unknown") {
      await remove();
      return { kind: "unknown", why: seen.why };
    }
    await makeTools(join(host, "tools"));
    await mkdir(join(host, name));
    await jail.adopt(join(host, name));
    return {
      kind: "started",
      command: seen.command,
      runner: [...new Set(seen.reports.map((report) => report.runner))].join("+"),
      binds: [
        { host: join(host, "tools"), inside: `${inside}/tools`, access: "read" },
        { host: join(host, name), inside: `${inside}/${name}`, access: "write" },
      ],
      collect: () => collectAll(seen, join(host, name), { top, cwd: check.cwd }),
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function adviceFor(check: Check, why: string): string {
  return `${JSON.stringify(check.command)}: ${why}; give it as --check-exit to judge by its exit code alone`;
}

/** The first program of a command that the run would not find; undefined where all are there, or nobody can say. */
async function absentProgram(
  check: Check,
  within: (command: string) => Promise<JailRun>,
): Promise<string | undefined> {
  const programs = (parseCommand(check.command) ?? [])
    .map((segment) => withoutPrefix(segment)[0]?.text ?? "")
    .filter((program) => /^[A-Za-z_][\w.+-]*$/.test(program));
  for (const program of programs.slice(0, 4)) {
    const looked = await within(`command -v ${program} >/dev/null`);
    if (looked.kind === "ended" && (looked.exitCode === 1 || looked.exitCode === 127)) return program;
  }
  return undefined;
}

function absentWords(check: Check, program: string): string {
  return `${JSON.stringify(check.command)}: ${program} is not found in the environment; install it, or give a --setup that does`;
}

async function makeTools(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  await writeFile(join(folder, toolNames.unittest), unittestReporter, { mode: 0o644 });
  await writeFile(join(folder, toolNames.node), nodeReporter, { mode: 0o644 });
}

/** A report at a path of the user's choice. What lies there before the run is removed: it may have been committed. */
async function prepareJunit(check: Check, path: string, place: Place, top: string): Promise<Prepared> {
  const relative = posix.normalize(posix.join(check.cwd, path));
  if (posix.isAbsolute(path) || relative.startsWith("../"))
    return { kind: "could-not-run", why: `report path ${JSON.stringify(path)} is not in the repository` };
  const before = await readResult(place.folder, relative, reportBytesMax);
  if (before.kind !== "absent") await rm(join(place.folder, relative), { recursive: true, force: true });
  const origin = { top, folder: check.cwd };
  return {
    kind: "started",
    command: check.command,
    runner: "junit",
    binds: [],
    collect: async () => {
      const read = await readResult(place.folder, relative, reportBytesMax);
      if (read.kind === "absent") return { kind: "none", why: `no report at ${path}` };
      return read.kind === "refused"
        ? { kind: "unreadable", why: `${path}: ${read.why}` }
        : parseJunit(read.bytes, origin);
    },
    remove: () => Promise.resolve(),
  };
}

async function manifestOf(place: Place, folder: string): Promise<string | undefined> {
  const path = posix.normalize(posix.join(folder, "package.json"));
  if (path.startsWith("../") || posix.isAbsolute(path)) return undefined;
  const read = await readResult(place.folder, path, manifestBytesMax);
  return read.kind === "read" ? new TextDecoder().decode(read.bytes) : undefined;
}

async function collectAll(
  seen: Extract<Recognition, { kind: "runners" }>,
  folder: string,
  { top, cwd }: { readonly top: string; readonly cwd: string },
): Promise<Report | { readonly kind: "none"; readonly why: string }> {
  const tests: TestResult[] = [];
  for (const report of seen.reports) {
    const read = await readResult(folder, report.name, reportBytesMax);
    const where = `the report of ${report.runner}`;
    if (read.kind === "absent")
      return { kind: "none", why: `${where} is missing: it did not get to its end` };
    if (read.kind === "refused") return { kind: "unreadable", why: `${where}: ${read.why}` };
    const parsed = parse(report, read.bytes, { top, folder: posix.join(cwd, report.folder) });
    if (parsed.kind === "unreadable") return { kind: "unreadable", why: `${where}: ${parsed.why}` };
    tests.push(...parsed.tests);
  }
  return { kind: "tests", tests };
}

function parse(report: ExpectedReport, bytes: Uint8Array, origin: Origin): Report {
  switch (report.runner) {
    case "pytest":
      return parsePytest(bytes, origin);
    case "unittest":
      return parseUnittest(bytes, origin);
    case "node:test":
      return parseNode(bytes, origin);
    case "vitest":
    case "jest":
      return parseJest(bytes, origin);
    default:
      return unreachable(report.runner);
  }
}

async function conclude(check: Check, run: JailRun, started: Started): Promise<GateRun | CutRun> {
  if (run.kind === "could-not-start")
    return { kind: "could-not-run", check: check.name, why: run.why, output: emptyOutput };
  if (run.kind === "killed") {
    const why = `${run.why}, twice in a row: ${findKiller}, then resume the goal`;
    return cut({ kind: "could-not-run", check: check.name, why, output: emptyOutput });
  }
  const counted = await count(check, run, started);
  const isReported =
    counted.kind === "counted" && check.report.kind !== "exit-code" && check.report.kind !== "run";
  return run.exitCode === killedCode && run.limit === undefined && !isReported ? cut(counted) : counted;
}

const findKiller = "find out who kills it (`dmesg` names what the kernel killed for want of memory)";

/** 128 + SIGKILL, as shells and bubblewrap say it: who sent the signal, the job or the host, cannot be seen. */
const killedCode = 137;

function cut(otherwise: GateRun): CutRun {
  return { kind: "cut", otherwise };
}

async function count(check: Check, run: Ended, started: Started): Promise<GateRun> {
  const { exitCode, limit, wallMs, output } = run;
  const about = { check: check.name, runner: started.runner, exitCode, limit, wallMs, output };
  const isMissing = exitCode === 126 || exitCode === 127;
  if (check.report.kind === "run")
    return isMissing ? notFound(check, run) : concludeProgram(run, about, check.report.probe);
  if (started.runner === "exit-code") {
    if (isMissing) return notFound(check, run);
    const isPassed = exitCode === 0 && limit === undefined;
    const message = isPassed
      ? ""
      : `${exitCode === undefined ? "ended by a signal" : `exit code ${exitCode}`}`;
    const test: TestResult = {
      id: check.name,
      file: undefined,
      status: isPassed ? "passed" : "failed",
      message,
    };
    return { kind: "counted", ...about, tests: [test] };
  }
  const report = await started.collect();
  if (report.kind === "tests") return { kind: "counted", ...about, tests: numbered(report.tests) };
  if (report.kind === "none" && limit === undefined) {
    const why = whyAbsent(started.runner, run);
    if (why !== undefined) return { kind: "could-not-run", check: check.name, why, output };
  }
  return { kind: "no-report", ...about, why: report.why };
}

type Ended = Extract<JailRun, { kind: "ended" }>;

function notFound(check: Check, { exitCode, output }: Ended): GateRun {
  return { kind: "could-not-run", check: check.name, why: shellWhy(exitCode, output), output };
}

function shellWhy(exitCode: number | undefined, output: Output): string {
  const said = lastLine(output.stderr);
  const what = exitCode === 126 ? "the command cannot be executed here" : "command not found";
  return `exit code ${exitCode}: ${what}${said === "" ? "" : ` (${said})`}; install it, or give a --setup that does`;
}

/** What a runner that is not installed says. Without a report nothing else can tell it from a crash. */
const absences: readonly (readonly [RegExp, string])[] = [
  [/No module named '?(pytest|coverage)'?/, "pytest is not installed"],
  [/No module named '?unittest'?/, "unittest is not installed"],
  [/bad option: --test/, "this Node has no test runner"],
  [
    /could not determine executable to run|npm (error|ERR!) (canceled|code E(NOTCACHED|AI_AGAIN|NOTFOUND|CONNREFUSED|HOSTUNREACH))/,
    "the runner is not installed",
  ],
  [/Cannot find (module|package) '[^'\n]*\b(vitest|jest)[^'\n]*'/, "the runner is not installed"],
];

function whyAbsent(runner: string, { exitCode, output }: Ended): string | undefined {
  if (exitCode === 126 || exitCode === 127) return shellWhy(exitCode, output);
  if (exitCode === 0) return undefined;
  const found = absences.find(([pattern]) => pattern.test(output.stderr));
  return found === undefined ? undefined : `${runner}: ${found[1]}; install it, or give a --setup that does`;
}

function lastLine(text: string): string {
  return (text.trim().split("\n").at(-1) ?? "").slice(0, 200);
}

function bindsOf(place: Place): readonly Bind[] {
  return [
    { host: place.folder, inside: workInside, access: "write" },
    ...place.environment.binds,
    ...place.readOnly.map(
      (path): Bind => ({
        host: join(place.folder, path),
        inside: posix.join(workInside, path),
        access: "read",
      }),
    ),
  ];
}

/** No compiled files, no user's packages, no colours: what runs is what is in the folder. */
function variablesOf({ environment }: Place): Readonly<Record<string, string>> {
  return {
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONNOUSERSITE: "1",
    PYTHONHASHSEED: "0",
    NO_COLOR: "1",
    FORCE_COLOR: "0",
    npm_config_update_notifier: "false",
    // There is no network: npx would try for a minute to fetch what is not installed.
    npm_config_offline: "true",
    ...environment.variables,
    ...(environment.path.length === 0
      ? {}
      : { PATH: [...environment.path, "/usr/local/bin", "/usr/bin", "/bin"].join(":") }),
  };
}
