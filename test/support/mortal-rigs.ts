/**
 * `rigs goal execute`, wired from the same parts, that ends itself with SIGKILL as soon as the log has its n-th event, or
 * with `bead-integrated:2` for n its second of that kind; several with commas between: the first that comes.
 * Words: home, repository, n, goal, check ("" for none), for a tree the file of its plan, and for `rigs goal resume` a goal.
 */

import { readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { unbounded } from "../../src/domain/budget.ts";
import type { GoalId } from "../../src/domain/id.ts";
import { readConfig } from "../../src/edges/config/read.ts";
import { openRepositories } from "../../src/edges/git/repositories.ts";
import { readPlan } from "../../src/edges/plan/file.ts";
import { openReader, openStore } from "../../src/edges/store/sqlite.ts";
import { present } from "../../src/kit/assert.ts";
import type { Clock } from "../../src/kit/clock.ts";
import { openHands } from "../../src/main/hands.ts";
import { placesOf } from "../../src/main/places.ts";
import { openTools } from "../../src/main/wiring.ts";
import type { Store } from "../../src/ports/store.ts";
import { noProgram, takeIn, type Wish } from "../../src/work/intake.ts";
import { sameBounds } from "../../src/work/resume.ts";

const [home = "", folder = "", last = "", text = "", check = "", planFile, given] = process.argv.slice(2);
const variables = process.env;
const places = placesOf(home, process.getuid?.() === 0);
const workersMax = 2;
const clock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    after(ms, undefined, { signal }).catch(() => {
      throw signal.reason;
    }),
};

async function isOver({ view, log }: Store): Promise<boolean> {
  if (!last.includes(":")) return (await view.totals()).sequence >= Number(last);
  const events = await log.read(1, 1_000);
  return last.split(",").some((moment) => {
    const [type, count] = moment.split(":");
    return events.filter(({ event }) => event.type === type).length >= Number(count);
  });
}

/** Looks at the log after everything that writes to it. */
function doomed(store: Store): Store {
  const then = async <Value>(done: Promise<Value>): Promise<Value> => {
    const value = await done;
    if (await isOver(store)) process.kill(process.pid, "SIGKILL");
    return value;
  };
  return {
    ...store,
    log: { ...store.log, append: (events, guard) => then(store.log.append(events, guard)) },
    leases: {
      ...store.leases,
      claim: (ask) => then(store.leases.claim(ask)),
      reap: (who) => then(store.leases.reap(who)),
    },
  };
}

const plan = planFile === undefined ? undefined : readPlan(readFileSync(planFile, "utf8"), planFile);
const wish: Wish = {
  ...{
    text,
    folder,
    checks: check === "" ? [] : [check],
    checksByExit: [],
    guardsOnly: false,
    protect: [],
    allowChange: [],
  },
  program: noProgram,
  ...{ allowDependencies: false, setup: undefined, providers: ["script"], budget: unbounded },
  ...(plan?.kind === "read"
    ? { plan: { ...plan.given, why: "a plan was given" }, mode: "fleet" as const, workersMax: 2 }
    : { plan: undefined, mode: "solo" as const, workersMax: 1 }),
  ...{
    strategy: "balanced",
    includeDirty: false,
    unsafeNoSandbox: false,
    keepRevisions: false,
    priority: 2 as const,
  },
};
const repositories = openRepositories({ root: places.repositories, surroundings: variables });
const parsed = await readConfig(places.config, new Set());
if (parsed.kind === "refused") throw new Error(parsed.faults.join("; "));
const { config } = parsed;
const hands = await openHands({
  home,
  clock,
  random: Math.random,
  workersMax,
  openStore: async () => doomed(await openStore(home, { now: () => clock.now() })),
  openReader: () => openReader(home),
  openTools: (store, watch) =>
    openTools(store, watch, {
      ...{ places, config, repositories, variables, clock, random: Math.random, workersMax },
      reread: async () => config,
    }),
  variablesFor: async () => ({}),
});
await hands.finish(
  given === undefined ? await created() : await resumed(given),
  () => undefined,
  new AbortController().signal,
);
await hands.close();

async function created(): Promise<GoalId> {
  const intake = await takeIn(wish, repositories, {
    contextTokensMax: 12_000,
    size: (text) => text.length / 4,
  });
  if (intake.kind === "refused") throw new Error(intake.why);
  return hands.create(intake.order);
}

async function resumed(id: string): Promise<GoalId> {
  const reader = await openReader(home);
  const goal = present(await reader.view.goal(id as GoalId), "the goal is there");
  await reader.close();
  await hands.resume(goal, sameBounds);
  return goal.id;
}
