import type { Priority } from "../domain/bead.ts";
import type { Budget } from "../domain/budget.ts";
import { findRunner, withoutPrefix } from "../domain/command.ts";
import { checkTimeoutMs, discoverGuards, runGuardName } from "../domain/discovery.ts";
import type { Check } from "../domain/gate.ts";
import type { Mode, Order, Strategy } from "../domain/goal.ts";
import { checkLines, groundOver } from "../domain/plan.ts";
import { type GivenPlan, givenFaults } from "../domain/planning.ts";
import { ownOf, testsNamed } from "../domain/reach.ts";
import { selectFiles, type Tracked } from "../domain/selection.ts";
import { parse } from "../domain/shell.ts";
import { suitesFor } from "../domain/suite.ts";
import type { Repositories } from "../ports/repository.ts";
import { namedIn, readTracked } from "./files.ts";

/** What the user asked for, as typed. */
export interface Wish {
  readonly text: string;
  /** Any folder inside the repository. */
  readonly folder: string;
  readonly checks: readonly string[];
  readonly checksByExit: readonly string[];
  /** True only for `--guards-only`: where no check is given, no model is asked for tests either. */
  readonly guardsOnly: boolean;
  /** A program that must start, and what must succeed while it is up. */
  readonly program: { readonly command: string | undefined; readonly probe: string | undefined };
  readonly protect: readonly string[];
  readonly allowChange: readonly string[];
  readonly allowDependencies: boolean;
  readonly setup: string | undefined;
  readonly providers: readonly string[];
  readonly budget: Budget;
  readonly strategy: Strategy;
  readonly priority: Priority;
  /** The tree to work on, with the line of each of its places; undefined: the goal is tried whole. */
  readonly plan: ChosenPlan | undefined;
  /** How it is worked on: as code decides, or as the user says; a task is one bead, and nobody asked how. */
  readonly mode: "auto" | "task" | Mode["kind"];
  /** Beads side by side, 1 or more. */
  readonly workersMax: number;
  readonly includeDirty: boolean;
  readonly unsafeNoSandbox: boolean;
  readonly keepRevisions: boolean;
}

/** `why` it is worked on as this tree, for people: "a plan was given". */
export type ChosenPlan = GivenPlan & { readonly why: string };

/** Nobody asked for a program to start. */
export const noProgram: Wish["program"] = { command: undefined, probe: undefined };

/** `notes`: what people should know of what they gave, a line each; `course`: how it will be worked on, and what that can show. */
export type Intake =
  | {
      readonly kind: "order";
      readonly order: Order;
      readonly notes: readonly string[];
      readonly course: readonly string[];
    }
  | { readonly kind: "refused"; readonly why: string };

/** What one prompt holds: decides whether a goal is tried whole. */
export interface Window {
  readonly contextTokensMax: number;
  /** Tokens of a text. */
  size(text: string): number;
}

/** Turns a wish into an order, or says in one line what is wrong with it. Nothing is written but the private clone. */
export async function takeIn(wish: Wish, repositories: Repositories, window: Window): Promise<Intake> {
  const text = wish.text.trim();
  if (text === "") return refused("the goal is empty: say in a sentence what you want");
  if (text.length > 100_000)
    return refused(`the goal has ${text.length} characters, at most 100000 are taken`);
  const source = await repositories.survey(wish.folder);
  const { command, probe } = wish.program;
  if (probe !== undefined && command === undefined)
    return refused("--probe looks at a running program: name it with --check-run");
  if (command !== undefined && probe === undefined)
    return refused(
      "a program that only starts proves nothing: say with --probe what must succeed while it is up, for example --probe 'curl -fs http://127.0.0.1:8080/'",
    );
  const commands = [...wish.checks, ...wish.checksByExit, command, probe].filter(
    (each) => each !== undefined,
  );
  if (wish.guardsOnly && commands.length > 0)
    return refused("--guards-only does without acceptance: leave it out, or the checks");
  const blank = commands.find((command) => command.trim() === "");
  if (blank !== undefined)
    return refused("a check is empty: give a command, for example --check 'pytest tests'");
  const absent = wish.includeDirty ? undefined : untrackedIn(commands, source.untracked);
  if (absent !== undefined)
    return refused(
      `the check names ${absent}, which git does not track: commit it, or add --include-dirty to work on your files as they are`,
    );
  const base = wish.includeDirty ? await repositories.snapshot(source.top) : source.head;
  const repository = await repositories.open(source.top, base);
  const paths = (await repository.list(base)).map((entry) => entry.path);
  const manifest = paths.includes("package.json") ? await repository.read(base, "package.json") : undefined;
  const packageJson = manifest === undefined ? undefined : new TextDecoder().decode(manifest);
  const given = [
    ...wish.checks.map(acceptance),
    ...wish.checksByExit.map(acceptanceByExit),
    ...(command === undefined || probe === undefined ? [] : [acceptanceByRun(command, probe)]),
  ];
  const checks = [...given, ...discoverGuards({ paths, packageJson }, commands)];
  const asked = given.length > 0 ? "user" : wish.guardsOnly ? "guards-only" : "model";
  const files = needsTexts(wish, asked) ? await readTracked(repository, base, namedIn(text)) : none;
  const suites = asked === "model" ? suitesFor({ files, goal: text, base: [] }) : [];
  if (checks.length === 0 && suites.length === 0)
    return refused(
      "nothing in this repository can be run to judge the change: give a check, for example --check 'pytest tests' or --check-exit 'python3 main.py | grep -q done'",
    );
  const unprovable = given.map((check) => absentIn(check, paths)).find((why) => why !== undefined);
  if (unprovable !== undefined) return refused(unprovable);
  const faults = faultsOf(wish, paths);
  if (faults.length > 0) return refused(`the plan cannot be worked on:\n${faults.join("\n")}`);
  if (wish.plan !== undefined && wish.mode === "solo")
    return refused("--solo works without a plan: leave out --solo or --plan");
  const order: Order = {
    text,
    repository: source.top,
    base,
    checks,
    protect: wish.protect,
    allowChange: wish.allowChange,
    allowDependencies: wish.allowDependencies,
    setup: wish.setup,
    providers: wish.providers,
    budget: wish.budget,
    ...{ strategy: wish.strategy, priority: wish.priority },
    author: source.author,
    unsafeNoSandbox: wish.unsafeNoSandbox,
    acceptance: suites.length > 0 ? "model" : asked === "user" ? "user" : "none",
    mode: modeOf(wish, { files, checks, judge: suites.length > 0 ? "model" : asked }, window),
    workersMax: wish.workersMax,
    begins: "at-once",
    keepRevisions: wish.keepRevisions,
  };
  const notes = [...notesOf(wish, source.dirty, source.untracked, order), ...given.flatMap(hearsayNotes)];
  return { kind: "order", order, notes, course: courseOf(wish, order) };
}

const none: ReadonlyMap<string, Tracked> = new Map();

/** What the repository is written in, or whether one prompt holds it, has a part in the order. */
function needsTexts({ plan, mode }: Wish, asked: "user" | "model" | "guards-only"): boolean {
  return asked === "model" || (plan === undefined && mode === "auto");
}

/** What is wrong with the user's plan, a line each. */
function faultsOf(
  { plan, protect, allowChange, allowDependencies, budget }: Wish,
  paths: readonly string[],
): readonly string[] {
  if (plan === undefined) return [];
  const ground = groundOver(paths, { protect, allowChange, allowDependencies, budget });
  return givenFaults(plan, ground).map(({ at, why }) => `${plan.where(at)}: ${why}`);
}

/** A tree, or all in one: what the user says; else whole where one prompt holds it and something decides about it. */
function modeOf(
  { plan, mode, text }: Wish,
  what: {
    readonly files: ReadonlyMap<string, Tracked>;
    readonly checks: readonly Check[];
    /** What decides about the goal. */
    readonly judge: "user" | "model" | "guards-only";
  },
  window: Window,
): Mode {
  if (plan !== undefined)
    return { kind: "fleet", why: plan.why, plan: plan.plan, lines: checkLines(plan.plan, plan.where) };
  if (mode === "task") return { kind: "solo", why: "a task of its own" };
  if (mode === "solo") return { kind: "solo", why: "--solo asks for it" };
  if (mode === "fleet")
    return { kind: "fleet", why: "--fleet asks for it", plan: undefined, lines: undefined };
  const tokensMax = window.contextTokensMax;
  const { files, checks, judge } = what;
  const { isWhole } = selectFiles({ files, goal: text, checks, named: [], size: window.size, tokensMax });
  const fits = `fits one prompt of ${tokensMax} tokens`;
  if (!isWhole)
    return {
      kind: "fleet",
      why: `the repository is larger than one prompt of ${tokensMax} tokens`,
      ...{ plan: undefined, lines: undefined },
    };
  const deciding = {
    user: ", and a check decides",
    model: ", and tests decide that come first",
    "guards-only": "",
  };
  return { kind: "solo", why: `the repository ${fits}${deciding[judge]}` };
}

function refused(why: string): Intake {
  return { kind: "refused", why };
}

function acceptance(command: string, index: number): Check {
  return {
    name: `acceptance-${index + 1}`,
    command,
    cwd: ".",
    role: "acceptance",
    timeoutMs: checkTimeoutMs,
    report: { kind: "recognise" },
  };
}

function acceptanceByExit(command: string, index: number): Check {
  return {
    ...acceptance(command, index),
    name: `acceptance-exit-${index + 1}`,
    report: { kind: "exit-code" },
  };
}

/** A program has to be given time to start. */
const probedMs = 30_000;

function acceptanceByRun(command: string, probe: string): Check {
  const report = { kind: "run", probe } as const;
  return { ...acceptance(command, 0), name: "acceptance-run", timeoutMs: probedMs, report };
}

/** The first untracked file that a command names as a word of its own (or before "::", as pytest writes tests). */
function untrackedIn(commands: readonly string[], untracked: readonly string[]): string | undefined {
  const known = new Set(untracked);
  for (const command of commands)
    for (const word of command.split(/[\s'"=]+/)) {
      const path = (word.split("::")[0] ?? "").replace(/^\.\//, "");
      if (known.has(path)) return path;
      if (
        path !== "" &&
        untracked.some((file) => file === `${path}/` || (file.endsWith("/") && path.startsWith(file)))
      )
        return path;
    }
  return undefined;
}

/** Why nothing that a check shows can be proof: what it runs is not there before the change. Undefined in doubt. */
function absentIn({ name, report, command }: Check, paths: readonly string[]): string | undefined {
  if (report.kind === "recognise") {
    const absent = testsNamed(command).find((word) => !paths.some((path) => path.includes(word)));
    return absent === undefined
      ? undefined
      : `${name} names ${absent}, and there is no such file in your last commit: tests that the change itself brings prove nothing; commit them first (or --include-dirty), or name a file that is there`;
  }
  if (report.kind === "junit") return undefined;
  const decides = report.kind === "run" && report.probe !== undefined ? report.probe : command;
  const known = new Set(paths);
  const absent = decides
    .split(/[\s'"=;&|()<>`]+/)
    .map((word) => word.replace(/^\.\//, ""))
    .filter((word) => /^[\w][\w./-]*\.(py|[cm]?[jt]s|rb|pl|php|sh)$/.test(word) && !known.has(word))
    .find((word) => ownOf({ command: decides, cwd: "." }, [word]).length > 0);
  return absent === undefined
    ? undefined
    : `${name} runs ${absent}, which is not in your last commit: written by the change its exit code proves nothing; commit it first (or --include-dirty), give tests as --check, or let something else compare what it prints (… | grep -qx 5)`;
}

/** What can be said of a check without a report before anything runs. */
function hearsayNotes(check: Check): readonly string[] {
  const { report, command } = check;
  if (report.kind === "recognise" || report.kind === "junit") return [];
  const runner = parse(command)
    ?.map((each) => findRunner(withoutPrefix(each))?.runner)
    .find((each) => each);
  return report.kind === "run" || runner === undefined
    ? []
    : [`${check.name} starts ${runner}: given as --check its tests are counted one by one`];
}

function notesOf(
  wish: Wish,
  dirty: readonly string[],
  untracked: readonly string[],
  order: Order,
): readonly string[] {
  const notes: string[] = [];
  const left = dirty.length + untracked.length;
  if (!wish.includeDirty && left > 0)
    notes.push(
      left === 1
        ? "work starts from your last commit; 1 file that differs from it is not included (--include-dirty takes it)"
        : `work starts from your last commit; ${left} files that differ from it are not included (--include-dirty takes them)`,
    );
  const program = order.checks.find((check) => check.name === runGuardName);
  if (program !== undefined)
    notes.push(`no tests were found: \`${program.command}\` must start and show no uncaught error`);
  return notes;
}

function courseOf(wish: Wish, order: Order): readonly string[] {
  const notes: string[] = [];
  if (wish.plan === undefined && wish.mode === "auto")
    notes.push(
      order.mode.kind === "solo"
        ? `solo: ${order.mode.why} (--fleet asks for a tree of tasks)`
        : `fleet: ${order.mode.why} (--solo tries it whole)`,
    );
  else if (wish.mode !== "task") notes.push(`${order.mode.kind}: ${order.mode.why}`);
  if (order.acceptance === "model")
    notes.push(
      "no --check was given: a model writes acceptance tests first, and what they show is called acceptance: model (--check takes yours, --guards-only does without)",
    );
  if (order.acceptance === "none")
    notes.push(
      `${wish.guardsOnly ? "--guards-only" : "no --check was given, and there is no test runner that a model could write tests for"}: the best verdict is no-regression, never proven`,
    );
  return notes;
}
