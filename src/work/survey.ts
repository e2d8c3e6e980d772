import type { Attempt } from "../domain/attempt.ts";
import type { Bead } from "../domain/bead.ts";
import { ended } from "../domain/decision.ts";
import type { BaseResult, Check, GateRun } from "../domain/gate.ts";
import { failedOf, isGreen, passedOf } from "../domain/gate.ts";
import { acceptanceOf, type Goal } from "../domain/goal.ts";
import type { Commit } from "../domain/id.ts";
import { present } from "../kit/assert.ts";
import type { Environment } from "../ports/environment.ts";
import type { Repository } from "../ports/repository.ts";
import type { Trial } from "../ports/verifier.ts";
import { despiteLosses } from "./losses.ts";
import { record } from "./record.ts";
import type { EnclosureKind, Tools } from "./tools.ts";
import { exposedIn } from "./withholding.ts";

/** The place a goal's work happens in: opened again by every step, cheap when nothing changed. */
export interface Site {
  readonly repository: Repository;
  readonly environment: Environment;
}

export function enclosureOf({ order }: Goal): EnclosureKind {
  return order.unsafeNoSandbox ? "unsafe" : "jail";
}

/** Opens clone and environment. A failed installation is a value: its reason belongs to the goal, not to a stack. */
export async function openSite(
  goal: Goal,
  tools: Tools,
  signal: AbortSignal,
): Promise<
  | {
      readonly kind: "open";
      readonly site: Site;
      readonly installed: boolean;
      readonly wallMs: number;
      readonly notes: readonly string[];
    }
  | { readonly kind: "failed"; readonly why: string }
> {
  const { order } = goal;
  const repository = await tools.repositories.open(order.repository, order.base);
  const { environments } = await tools.enclosure(enclosureOf(goal));
  const prepared = await environments.prepare({ repository, commit: order.base, setup: order.setup }, signal);
  if (prepared.kind === "failed") return { kind: "failed", why: prepared.why };
  const { environment, installed, wallMs, notes } = prepared;
  return { kind: "open", site: { repository, environment }, installed, wallMs, notes };
}

/** What the verifier needs to know about a commit of this goal. */
export function trialOf(
  goal: Goal,
  site: Site,
  ask: { readonly commit: Commit; readonly base: Commit; readonly checks: readonly Check[] },
): Trial {
  return {
    checks: ask.checks,
    gitDir: site.repository.gitDir,
    commit: ask.commit,
    base: ask.base,
    protect: goal.order.protect,
    allowChange: goal.order.allowChange,
    environment: site.environment,
    mutantsMax: acceptanceOf(goal) === "model" ? mutantsMax : 0,
  };
}

/** What a proof by tests of a model takes to be seen through: some six short runs more. */
const mutantsMax = 6;

/** Before any work: the environment stands and every check has run on the base commit. */
export async function survey(goal: Goal, tools: Tools, signal: AbortSignal): Promise<void> {
  const opened = await openSite(goal, tools, signal);
  const guard = { kind: "unchanged", goal: goal.id, version: goal.version } as const;
  if (opened.kind === "failed") {
    await record(
      tools,
      [{ type: "goal-ended", goal: goal.id, end: ended("failed", opened.why, "input") }],
      guard,
    );
    return;
  }
  const { site, installed, wallMs, notes } = opened;
  const { verifier } = await tools.enclosure(enclosureOf(goal));
  const trial = trialOf(goal, site, {
    commit: goal.order.base,
    base: goal.order.base,
    checks: goal.order.checks,
  });
  const { result: runs, losses } = await despiteLosses(goal.id, () => verifier.run(trial, signal));
  const blob = await tools.store.blobs.put(new TextEncoder().encode(JSON.stringify(runs)));
  const results = runs.map(baseResult);
  await record(
    tools,
    [
      ...losses,
      { type: "environment-prepared", goal: goal.id, key: site.environment.key, installed, wallMs, notes },
      { type: "base-surveyed", goal: goal.id, results, runs: blob },
    ],
    guard,
  );
  const said = [
    ...greenAlready(goal, results),
    ...exposed(await exposedIn(site.repository, goal.order.base, tools.secrets)),
  ];
  for (const text of said) tools.watch({ kind: "note", goal: goal.id, text });
}

const pathsNamedMax = 10;

function exposed(paths: readonly string[]): readonly string[] {
  if (paths.length === 0) return [];
  const rest = paths.length - pathsNamedMax;
  const where = `${paths.slice(0, pathsNamedMax).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
  return [
    `${where}: holds the key of a provider; no model is shown it and it is taken out of what is kept, but whoever reads the repository has it: take it out and change it`,
  ];
}

/** Acceptance that cannot turn green any more: said before a model is paid. */
function greenAlready({ order }: Goal, results: readonly BaseResult[]): readonly string[] {
  return order.checks
    .filter(({ role, name }) => {
      const result = results.find(({ check }) => check === name);
      return role === "acceptance" && result?.kind === "green";
    })
    .map(
      ({ name }) =>
        `${name} is green already before the change: nothing it shows can be proof that the change works`,
    );
}

function baseResult(run: GateRun): BaseResult {
  if (run.kind === "could-not-run")
    return {
      check: run.check,
      kind: "could-not-run",
      runner: "",
      passed: 0,
      failed: 0,
      wallMs: 0,
      why: run.why,
    };
  if (run.kind === "counted" && run.tests.length === 0 && run.limit === undefined) {
    const why = "it finds no test on the base commit: commit the tests first, or name the file that has them";
    return {
      check: run.check,
      kind: "could-not-run",
      runner: run.runner,
      passed: 0,
      failed: 0,
      wallMs: run.wallMs,
      why,
    };
  }
  const passed = passedOf(run);
  const failed = failedOf(run);
  const why = run.kind === "no-report" ? run.why : `${passed} passed, ${failed} failed`;
  return {
    check: run.check,
    kind: isGreen(run) ? "green" : "red",
    runner: run.runner,
    passed,
    failed,
    wallMs: run.wallMs,
    why,
  };
}

/** Shortest bound of one check in the loop; the judge always has the check's own. */
const loopTimeoutMsMin = 60_000;

/**
 * What a revision is tried with: acceptance, or the guards where nobody gave any. A revision that hangs must not cost
 * the check's whole time limit each round, so the loop waits ten times as long as anything took on base.
 */
export function checksInLoop(goal: Goal, bead: Bead, attempt?: Attempt): readonly Check[] {
  const inForce = checksInForce(goal, bead, attempt);
  // What came back from the merge queue did so over checks of others: they are what has to be mended.
  const broken = attempt?.start === undefined ? [] : attempt.keeps;
  const kept = inForce.filter(({ role, name }) => role === "part" || broken.includes(name));
  const acceptance = inForce.filter(({ role, name }) => role === "acceptance" || broken.includes(name));
  // A guard that was red before blocks nothing where another one can speak.
  const guards = inForce.filter(({ name }) => bead.contract.checks.includes(name));
  const greens = guards.filter((check) => isGreenOnBase(goal, check));
  const own = acceptance.length > 0 ? acceptance : greens.length > 0 ? greens : guards;
  const judges = [...new Set([...own, ...kept])];
  const longestMs = Math.max(0, ...(goal.base ?? []).map((result) => result.wallMs));
  // Measured times are fractions; bounds are whole.
  const timeoutMs = Math.max(loopTimeoutMsMin, Math.ceil(10 * longestMs));
  return judges.map((check) => ({
    ...check,
    timeoutMs: Math.min(check.timeoutMs, timeoutMs),
  }));
}

function isGreenOnBase({ base }: Goal, { name }: Check): boolean {
  return base?.find((result) => result.check === name)?.kind === "green";
}

/**
 * Whether a run in the loop is good enough to be proved. A guard that was red on base cannot be asked to be green: it
 * holds when no more fails and no less passes than there; the judge then looks test by test.
 */
export function holdsInLoop(goal: Goal, run: GateRun): boolean {
  if (isGreen(run)) return true;
  const base = goal.base?.find((result) => result.check === run.check);
  const check = goal.checks.find((each) => each.name === run.check);
  if (check?.role !== "guard" || base?.kind !== "red" || run.kind !== "counted") return false;
  return run.limit === undefined && passedOf(run) >= base.passed && failedOf(run) <= base.failed;
}

/**
 * The checks that have a part in judging a bead: its own acceptance, the guards that could run on base, and as guards
 * the acceptance of the beads that its attempt stands on. A parent is measured on a base without its parts, where a guard
 * would hold nothing of theirs: what those promised that are in has to be green. What the others promised is run to know.
 */
export function checksInForce(
  goal: Goal,
  { contract, isParent }: Bead,
  { keeps }: Pick<Attempt, "keeps"> = { keeps: [] },
): readonly Check[] {
  const base = present(goal.base, "the base was surveyed");
  const own = goal.checks
    .filter((check) => contract.checks.includes(check.name))
    .filter(
      (check) =>
        check.role === "acceptance" ||
        base.find((result) => result.check === check.name)?.kind !== "could-not-run",
    );
  const others = goal.checks.filter(({ name }) => !contract.checks.includes(name));
  const guard = (check: Check): Check => ({ ...check, role: "guard" });
  if (!isParent) return [...own, ...others.filter(({ name }) => keeps.includes(name)).map(guard)];
  const isIn = ({ name }: Check) => goal.landed.includes(name);
  const kept = others.filter(isIn);
  // What parts that came to nothing promised is looked at too: the whole may do it all the same.
  const rest = others.filter((check) => check.role === "acceptance" && !isIn(check));
  const part = (check: Check): Check => ({ ...check, role: "part" });
  return [...own, ...unasked(own, [...kept, ...rest]).map((check) => (isIn(check) ? part : guard)(check))];
}

/** Those that none of `asked`, and none before them, runs already. */
function unasked(asked: readonly Check[], others: readonly Check[]): readonly Check[] {
  const key = ({ command, cwd, report }: Check) => JSON.stringify([command, cwd, report]);
  const known = new Set(asked.filter(({ role }) => role === "acceptance").map(key));
  return others.filter((check) => {
    const isNew = !known.has(key(check));
    known.add(key(check));
    return isNew;
  });
}
