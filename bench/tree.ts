/**
 * What a tree of beads is worth beside one bead, and what its merge queue costs beside git alone. Simulated models over HTTP
 * on 127.0.0.1 that take half a second to begin and 100 tokens a second, as hosted ones do.
 *
 * 1. Goals of two to four tasks joined by a driver with a test of its own, by `perfect` and by `median`: as a fleet of four
 *    (a bead for each module, the driver is the parent's), solo, and as a tree with one worker. What one bead takes alone
 *    in that last run makes the ideal: getting ready, the slowest module, the parent.
 * 2. Twenty beads at once on one repository: every one exactly once on the branch, nothing lost.
 * 3. The merge queue alone: beads that were all proven on one base land, beside `git rebase`, the same tests and a
 *    fast-forward for each, one after the other.
 *
 * `[TASKS=FILE] node bench/tree.ts [goals]`
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { unbounded } from "../src/domain/budget.ts";
import type { Recorded } from "../src/domain/event.ts";
import type { GoalEnd } from "../src/domain/goal.ts";
import type { BeadId } from "../src/domain/id.ts";
import type { Hands } from "../src/faces/house.ts";
import { openHands } from "../src/main/hands.ts";
import { openHouse } from "../src/main/house.ts";
import { insideOf, ownerOptions } from "../src/main/inside.ts";
import { placesOf } from "../src/main/places.ts";
import type { Store } from "../src/ports/store.ts";
import { noProgram } from "../src/work/intake.ts";
import { type Composed, composedGoals, git, plant, rowCheck, rowOf, taskLines } from "./composed.ts";
import { type Figure, print, timed } from "./figure.ts";
import { watchMemory } from "./resident.ts";
import { gitVariables } from "./specimen.ts";

const goalsMax = Number(process.argv[2] ?? 2);
/** Five groups are the widest plan; so twenty are side by side. */
const [leafCount, groupCount] = [20, 5] as const;
const queueCount = 12;
const root = mkdtempSync(join(tmpdir(), "rigs-bench-tree-"));
const home = join(root, "home");
const places = placesOf(home, process.getuid?.() === 0);
const variables = { ...gitVariables, HOME: root };
const options = { home, folder: root, variables, version: "bench" };
const house = openHouse(options);
const models = ["perfect", "median"] as const;
let folders = 0;

const { from, lines } = taskLines();
const goals = composedGoals(lines, goalsMax);
const [row, queue] = [rowOf(leafCount, groupCount), rowOf(queueCount, 4)];
const simulator = startSimulator();
try {
  await addProviders();
  const hands = await openHands(await ownerOptions(insideOf(options), leafCount));
  try {
    if (goals.length > 0) for (const model of models) await benchGoals(model, hands);
    await benchRow(hands);
  } finally {
    await hands.close();
  }
  await benchQueue();
} finally {
  simulator.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
  rmSync(places.workRoot, { recursive: true, force: true });
}

function startSimulator(): ChildProcess {
  const tasks = join(root, "tasks.jsonl");
  const all = [...goals, row].flatMap((each) => each.lines);
  writeFileSync(tasks, all.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const program = join(import.meta.dirname, "../bin/rigs.js");
  const speed = ["--first-token-ms", "500", "--tokens-per-second", "100"];
  return spawn(process.execPath, [program, "simulate", "--json", "--tasks", tasks, "--port", "0", ...speed], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function addProviders(): Promise<void> {
  const output = createInterface({ input: simulator.stdout as NodeJS.ReadableStream });
  for await (const line of output) {
    const url = /http:\/\/127\.0\.0\.1:\d+\/v1/.exec(line)?.[0];
    if (url === undefined) continue;
    for (const model of models)
      await house.addProvider(model, { kind: "openai-compatible", baseUrl: url, model });
    return;
  }
  throw new Error("the simulator did not start");
}

/** How a goal is worked on. */
interface How {
  readonly model: string;
  readonly mode: "solo" | "fleet";
  readonly workers: number;
}

interface Ran {
  readonly end: GoalEnd;
  readonly wallMs: number;
  readonly tokens: number;
  readonly events: readonly Recorded[];
  readonly folder: string;
}

type Watch = Parameters<Hands["finish"]>[1];

async function run(
  goal: Composed,
  { model, mode, workers }: How,
  hands: Hands,
  watch: Watch = () => undefined,
): Promise<Ran> {
  const folder = join(root, `repository-${++folders}`);
  plant(goal, folder);
  const plan = { plan: goal.plan, unread: [], where: () => "bench", why: "the bench divides it" };
  const started = performance.now();
  const intake = await house.takeIn({
    ...{ text: goal.goal, folder, checks: [goal.check], checksByExit: [], guardsOnly: false },
    ...{ program: noProgram, protect: [], allowChange: [], allowDependencies: false, setup: undefined },
    ...{ providers: [model], budget: { ...unbounded, wallMsMax: 300_000 }, strategy: "balanced" },
    ...{ plan: mode === "fleet" ? plan : undefined, mode, workersMax: workers },
    ...{ includeDirty: false, unsafeNoSandbox: false, keepRevisions: false, priority: 2 as const },
  });
  if (intake.kind === "refused") throw new Error(intake.why);
  const id = await hands.create(intake.order);
  const end = await hands.finish(id, watch, new AbortController().signal);
  const wallMs = performance.now() - started;
  const reader = await house.reader();
  // Claims are not among what is watched.
  const events = (await reader?.log.read(1, 10_000, id)) ?? [];
  await reader?.close();
  const usage = events.flatMap(({ event }) => (event.type === "call-settled" ? [event.usage] : []));
  return { end, wallMs, tokens: sum(usage.map(({ input, output }) => input + output)), events, folder };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

async function benchGoals(model: string, hands: Hands): Promise<void> {
  const fleets: Ran[] = [];
  const solos: Ran[] = [];
  for (const goal of goals) {
    const fleet = await run(goal, { model, mode: "fleet", workers: 4 }, hands);
    const single = await run(goal, { model, mode: "fleet", workers: 1 }, hands);
    const solo = await run(goal, { model, mode: "solo", workers: 1 }, hands);
    fleets.push(fleet);
    solos.push(solo);
    const name = `${model}, ${goal.name} (${goals.indexOf(goal) + 1})`;
    const wall = (what: string, ours: number, baseline: Figure["baseline"]) =>
      print({ name: `${name}: ${what}`, ours, unit: "ms", baseline, goal: { kind: "none" } });
    const { outcome } = fleet.end;
    wall(`fleet of 4, ${outcome}`, fleet.wallMs, { name: `solo, ${solo.end.outcome},`, value: solo.wallMs });
    wall("fleet of 4", fleet.wallMs, { name: `one worker, ${single.end.outcome},`, value: single.wallMs });
    wall("fleet of 4", fleet.wallMs, { name: "the ideal", value: idealMs(single) });
  }
  const delivered = (runs: readonly Ran[]) => runs.filter(({ end }) => end.outcome === "delivered").length;
  const about = `${model}, ${goals.length} goals of ${from}`;
  print({
    name: `${about}: delivered by a fleet of 4`,
    ours: delivered(fleets),
    unit: "goals",
    baseline: { name: "solo", value: delivered(solos) },
    goal: { kind: "none" },
  });
  const each = (runs: readonly Ran[]) => sum(runs.map(({ tokens }) => tokens)) / Math.max(1, delivered(runs));
  print({
    name: `${about}: tokens for each that is delivered, fleet`,
    ours: each(fleets),
    unit: "tokens",
    baseline: { name: "solo", value: each(solos) },
    goal: { kind: "none" },
  });
}

/** Until the first bead is claimed, then the slowest module from claim to landing, then the parent: with endless workers at no cost. */
function idealMs({ events, wallMs }: Ran): number {
  const moment = (type: string, bead: string) =>
    events.find(({ event }) => event.type === type && "bead" in event && event.bead === bead)?.event.at;
  const spans = new Map<string, number>();
  for (const { event } of events)
    if (event.type === "bead-integrated")
      spans.set(event.bead, event.at - (moment("bead-claimed", event.bead) ?? event.at));
  const claims = events.filter(({ event }) => event.type === "bead-claimed");
  const [first, last] = [events[0]?.event.at ?? 0, events.at(-1)?.event.at ?? 0];
  const before = (claims[0]?.event.at ?? first) - first + (wallMs - (last - first));
  const parts = [...spans].filter(([bead]) => bead.split(".").length > 2).map(([, ms]) => ms);
  const parent = [...spans].filter(([bead]) => bead.split(".").length === 2).map(([, ms]) => ms);
  return before + Math.max(0, ...parts) + sum(parent);
}

/** Twenty at once. What is lost is not a figure but a failure. */
async function benchRow(hands: Hands): Promise<void> {
  const memory = watchMemory(simulator.pid);
  const ran = await run(row, { model: "perfect", mode: "fleet", workers: leafCount }, hands);
  const peak = memory.stop();
  requireAll(ran, row.lines.length);
  const none = { baseline: undefined, goal: { kind: "none" } } as const;
  const name = `${leafCount} beads at once and ${groupCount} after them, ${countOf(ran, "bead-returned")} came back, 0 lost`;
  print({ name, ours: ran.wallMs, unit: "ms", ...none });
  const held = `${leafCount} beads at once: most memory of the foreman and all it started`;
  print({ name: held, ours: peak, unit: "MB", ...none });
}

function countOf({ events }: Ran, type: string): number {
  return events.filter(({ event }) => event.type === type).length;
}

/** Each bead's trailer is once on the branch, and what it wrote is there. */
function requireAll({ end, folder }: Ran, count: number): void {
  if (end.outcome !== "delivered" || end.branch === undefined)
    throw new Error(`not delivered but ${end.outcome}: ${end.reason}`);
  const format = "--format=%(trailers:key=Rigs-Bead,valueonly,separator=%x2C)";
  const trailers = git(folder, "log", format, `main..${end.branch}`).split("\n").filter(Boolean);
  if (trailers.length !== count || new Set(trailers).size !== count)
    throw new Error(`${count} beads, but the branch has ${trailers.length} trailers: ${trailers.join(" ")}`);
  const left = git(folder, "ls-tree", "-r", "--name-only", end.branch, "parts/").split("\n");
  const stubs = left.filter((path) =>
    git(folder, "show", `${end.branch}:${path}`).includes("NotImplementedError"),
  );
  if (stubs.length > 0) throw new Error(`lost on the branch: ${stubs.join(", ")}`);
}

/** The queue is held until all are proven; then its clock runs until the last of them has landed. */
async function benchQueue(): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const owner = await ownerOptions(insideOf(options), queueCount);
  const hands = await openHands({
    ...owner,
    openStore: async () => held(await owner.openStore(), gate.promise),
  });
  try {
    const proven = new Set<BeadId>();
    let from = 0;
    const watch: Watch = (sight) => {
      if (sight.kind !== "recorded" || sight.recorded.event.type !== "proof-ended") return;
      proven.add(sight.recorded.event.bead);
      if (proven.size < queueCount || from > 0) return;
      from = sight.recorded.event.at;
      gate.resolve();
    };
    const how = { model: "perfect", mode: "fleet", workers: queueCount } as const;
    const ran = await run(queue, how, hands, watch);
    requireAll(ran, queue.lines.length);
    const landed = ran.events.filter(({ event }) => event.type === "bead-integrated").slice(0, queueCount);
    const ours = (landed.at(-1)?.event.at ?? 0) - from;
    const names = byHandPrepared(ran, landed);
    const bare = await timed(() => byHand(ran, names));
    print({
      name: `merge queue, ${queueCount} proven beads land, each ${Math.round(ours / queueCount)} ms`,
      ours,
      unit: "ms",
      baseline: { name: "git rebase, tests, fast-forward for each", value: bare },
      goal: { kind: "none" },
    });
  } finally {
    gate.resolve();
    await hands.close();
  }
}

function held(store: Store, until: Promise<void>): Store {
  return {
    ...store,
    log: {
      ...store.log,
      append: async (events, guard) => {
        if (events.some(({ type }) => type === "bead-integrating")) await until;
        return store.log.append(events, guard);
      },
    },
  };
}

/** The same changes as a branch each on the base; gives the module of each. */
function byHandPrepared({ folder }: Ran, landed: readonly Recorded[]): readonly string[] {
  git(folder, "branch", "hand", "main");
  return landed.map(({ event }) => {
    if (event.type !== "bead-integrated") throw new Error("only landed beads are given");
    const [path = ""] = git(folder, "diff", "--name-only", `${event.commit}^`, event.commit).split("\n");
    const name = path.replace(/^parts\/|\.py$/g, "");
    git(folder, "switch", "--quiet", "--create", `hand-${name}`, "main");
    git(folder, "cherry-pick", event.commit);
    return name;
  });
}

/** For each: rebase, the tests of all that landed and its own in one process, fast-forward. */
async function byHand({ folder }: Ran, names: readonly string[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    git(folder, "switch", "--quiet", `hand-${name}`);
    git(folder, "rebase", "--quiet", "hand");
    const tests = rowCheck(names.slice(0, index + 1));
    execFileSync("/bin/sh", ["-c", tests], { cwd: folder, stdio: "ignore" });
    git(folder, "switch", "--quiet", "hand");
    git(folder, "merge", "--quiet", "--ff-only", `hand-${name}`);
  }
}
