/** Every task of a task set becomes a small repository; the main job runs on it; an independent judge looks at what was delivered. */
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import type { TrailEntry } from "../domain/attempt.ts";
import { unbounded } from "../domain/budget.ts";
import type { Goal, GoalEnd } from "../domain/goal.ts";
import type { GoalId } from "../domain/id.ts";
import { initialiseRepository } from "../edges/git/initialise.ts";
import { openRepositories } from "../edges/git/repositories.ts";
import { snippet } from "../edges/jails/limits.ts";
import { loadTaskSet, type Task } from "../edges/simulator/taskset.ts";
import { roughSize } from "../edges/tokens.ts";
import { type BenchRow, type BenchWish, type Hands, UsageError } from "../faces/house.ts";
import type { Jail } from "../ports/jail.ts";
import { noProgram, takeIn } from "../work/intake.ts";
import { handsOf, type Inside, readerOf, realClock } from "./inside.ts";
import { type Finding, isRight, judgeProgram, parseFinding } from "./judge.ts";
import { type Places, placesOf } from "./places.ts";
import { chooseProviders } from "./providers.ts";
import { jailOrSay } from "./wiring.ts";

/** Runs the tasks, `workers` at a time, and keeps each row as it ends so that a later run goes on from there. */
export async function bench(
  wish: BenchWish,
  { begun, row }: { begun(folder: string): void; row(row: BenchRow): void },
  inside: Inside,
  signal: AbortSignal,
): Promise<readonly BenchRow[]> {
  const loaded = await loadTaskSet(resolve(inside.folder, wish.file));
  if (loaded.kind === "refused") throw new UsageError(loaded.why);
  const tasks = loaded.taskSet.tasks.slice(0, wish.countMax);
  const providers = await chooseProviders(inside, wish.provider === undefined ? [] : [wish.provider]);
  if (providers.kind === "none") throw new UsageError(providers.why);
  const provider = providers.names[0] ?? "";
  const folder = resolve(inside.folder, wish.resume ?? join(inside.places.home, "bench", nameOf(provider)));
  const places = placesOf(join(folder, "home"), process.getuid?.() === 0);
  await mkdir(places.home, { recursive: true, mode: 0o700 });
  begun(folder);
  const done = await earlierRows(folder);
  for (const each of done) row(each);
  const left = tasks.filter((task) => !done.some((each) => each.task === task.id));
  const jail = await jailOrSay(places, await inside.config());
  const hands = await handsOf({ ...inside, places }, Math.min(wish.workers, cpus().length * 8));
  const rows = [...done];
  const place: Place = { folder, places, provider, hands, jail, inside, keep: wish.keep };
  try {
    const worker = async () => {
      for (let task = left.shift(); task !== undefined && !signal.aborted; task = left.shift()) {
        const result = await runTask(task, place, signal);
        await appendFile(join(folder, "rows.jsonl"), `${JSON.stringify(result)}\n`);
        rows.push(result);
        row(result);
      }
    };
    await Promise.all(Array.from({ length: wish.workers }, worker));
  } finally {
    await hands.close();
  }
  return rows;
}

function nameOf(provider: string): string {
  const stamp = new Date(realClock.now()).toISOString().replace(/[-:]|\..*/g, "");
  return `${stamp}-${provider}`;
}

interface Place {
  readonly folder: string;
  readonly places: Places;
  readonly provider: string;
  readonly hands: Hands;
  readonly jail: Jail;
  readonly inside: Inside;
  readonly keep: boolean;
}

/** Rows that an earlier run wrote whole; a line cut by a crash is run again. */
async function earlierRows(folder: string): Promise<readonly BenchRow[]> {
  const text = await readFile(join(folder, "rows.jsonl"), "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as BenchRow];
    } catch {
      return [];
    }
  });
}

async function runTask(task: Task, place: Place, signal: AbortSignal): Promise<BenchRow> {
  const startedAt = realClock.now();
  const repository = join(place.folder, "tasks", task.id.replace(/[^A-Za-z0-9_-]+/g, "-"));
  await rm(repository, { recursive: true, force: true });
  await mkdir(repository, { recursive: true });
  await writeFile(
    join(repository, "solution.py"),
    `${task.before}${task.header}    raise NotImplementedError\n`,
  );
  await writeFile(join(repository, "test_solution.py"), testFileOf(task));
  const surroundings = {
    ...place.inside.variables,
    GIT_AUTHOR_NAME: "Rigs bench",
    GIT_AUTHOR_EMAIL: "bench@localhost",
  };
  await initialiseRepository(repository, { surroundings });
  const repositories = openRepositories({ root: place.places.repositories, surroundings });
  const config = await place.inside.config();
  const intake = await takeIn(
    {
      text: `Complete the function ${task.entryPoint} in solution.py so that it does what its docstring says.`,
      folder: repository,
      checks: ["python3 -m pytest -q"],
      checksByExit: [],
      guardsOnly: false,
      program: noProgram,
      protect: [],
      allowChange: [],
      allowDependencies: false,
      setup: undefined,
      providers: [place.provider],
      budget: unbounded,
      strategy: "balanced",
      plan: undefined,
      mode: "auto",
      workersMax: 1,
      includeDirty: false,
      unsafeNoSandbox: false,
      keepRevisions: false,
      priority: 2,
    },
    repositories,
    { contextTokensMax: config.polecat.contextTokensMax, size: roughSize },
  );
  if (intake.kind === "refused") throw new UsageError(`${task.id}: ${intake.why}`);
  const goal = await place.hands.create(intake.order);
  const end = await place.hands.finish(goal, () => undefined, signal);
  const finding = end.commit === undefined ? undefined : await judgeDelivered(task, end, place, signal);
  const reader = await readerOf(place.places);
  const known = await reader?.view.goal(goal);
  const trail =
    (await reader?.view.attempts(`${goal}.1` as Parameters<typeof reader.view.attempts>[0]))?.flatMap(
      (attempt) => attempt.trail,
    ) ?? [];
  await reader?.close();
  if (!place.keep) await rm(repository, { recursive: true, force: true });
  return rowOf(task, end, { known, trail, finding, wallMs: realClock.now() - startedAt });
}

/** The task's own tests, one pytest test; names of the solution are in reach because some tests use them. */
function testFileOf(task: Task): string {
  return `from solution import *\nfrom solution import ${task.entryPoint}\n\n${task.test.trim()}\n\n\ndef test_${task.entryPoint}():\n    check(${task.entryPoint})\n`;
}

async function judgeDelivered(
  task: Task,
  end: GoalEnd,
  place: Place,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const folder = join(place.jail.workRoot, "judge", task.id.replace(/[^A-Za-z0-9_-]+/g, "-"));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const repositories = openRepositories({
    root: place.places.repositories,
    surroundings: place.inside.variables,
  });
  const repository = await repositories.open(
    join(place.folder, "tasks", task.id.replace(/[^A-Za-z0-9_-]+/g, "-")),
    end.commit as never,
  );
  const solution = await repository.read(end.commit as never, "solution.py");
  const facts = {
    entry_point: task.entryPoint,
    reference: task.before + task.header + task.body,
    test: task.test,
  };
  await writeFile(join(folder, "solution.py"), solution ?? "");
  await writeFile(join(folder, "task.json"), JSON.stringify(facts));
  await writeFile(join(folder, "judge.py"), judgeProgram);
  const run = await place.jail.run(
    {
      command: "python3 -I /judge/judge.py",
      cwd: "/judge",
      variables: {},
      binds: [{ host: folder, inside: "/judge", access: "read" }],
      scratch: [],
      limits: { ...snippet, wallMsMax: 60_000, cpuSecondsMax: 60, memoryBytesMax: 1024 ** 3 },
      network: { kind: "none" },
    },
    signal,
  );
  await rm(folder, { recursive: true, force: true });
  return run.kind === "ended" ? parseFinding(run.output.stdout) : undefined;
}

interface Seen {
  readonly known: Goal | undefined;
  readonly trail: readonly TrailEntry[];
  readonly finding: Finding | undefined;
  readonly wallMs: number;
}

function rowOf(task: Task, end: GoalEnd, { known, trail, finding, wallMs }: Seen): BenchRow {
  const isDelivered = end.outcome === "delivered";
  const right = finding !== undefined && isRight(finding);
  const spend = known?.spend;
  const revisions = trail.filter((entry) => entry.kind === "revised");
  return {
    task: task.id,
    goal: known?.id ?? ("" as GoalId),
    outcome: end.outcome,
    verdict: end.proof?.verdict ?? "-",
    isSolved: isDelivered && right,
    isFalseProof: isDelivered && !right,
    why:
      finding === undefined
        ? (end.reason ?? "")
        : right
          ? ""
          : `${finding.why} (${finding.agreed} of ${finding.compared} neighbours agree)`,
    requests: spend?.requests ?? 0,
    tokens: (spend?.inputTokens ?? 0) + (spend?.outputTokens ?? 0),
    usd: spend?.usd ?? 0,
    wallMs,
    revisions: revisions.length,
    stage: revisions.at(-1)?.step ?? "none",
  };
}
