/** Plans as the command line meets them: drawn by a model without beginning a goal, and written to a file. */
import { access, writeFile } from "node:fs/promises";
import type { Goal, Order } from "../domain/goal.ts";
import type { Plan } from "../domain/plan.ts";
import type { Config } from "../edges/config/config.ts";
import { openModel, secretsOf } from "../edges/models/open.ts";
import { readPlan, writePlan } from "../edges/plan/file.ts";
import { readTanks } from "../edges/tanks/file.ts";
import { roughSize } from "../edges/tokens.ts";
import { type PlanOutlook, UsageError } from "../faces/house.ts";
import type { Model } from "../ports/model.ts";
import type { Reader } from "../ports/store.ts";
import type { Capacity } from "../work/capacity.ts";
import { Estimates } from "../work/estimates.ts";
import { type Drawn, drawPlan } from "../work/planning.ts";
import type { Offer } from "../work/tools.ts";
import { type Inside, readerOf, realClock } from "./inside.ts";
import { tanksPath } from "./kept.ts";
import { openCapacity, sourceOf } from "./source.ts";

/** See House.drawPlan. The minutes of the order's budget cut a question that is out. */
export async function drawPlanFor(inside: Inside, order: Order, signal: AbortSignal): Promise<Drawn> {
  const config = await inside.config();
  const { providers, polecat } = config;
  const repositories = await inside.repositories();
  const offers = await offersOf(inside, order);
  const { wallMsMax } = order.budget;
  const over = wallMsMax === undefined ? undefined : AbortSignal.timeout(wallMsMax);
  const bounded = over === undefined ? signal : AbortSignal.any([signal, over]);
  const tools = {
    repository: await repositories.open(order.repository, order.base),
    offers,
    capacity: await lastSeen(inside, config, order),
    clock: realClock,
    secrets: secretsOf(providers, inside.variables).map((secret) => secret.reveal()),
    contextTokensMax: polecat.contextTokensMax,
    readPlan,
    size: roughSize,
  };
  try {
    return await drawPlan(order, tools, bounded);
  } catch (error) {
    if (over?.aborted !== true || signal.aborted) throw error;
    throw new UsageError("no plan came within --max-minutes: give it more of them");
  }
}

/** The limits as the owner of the home saw them last: what a plan takes is learned by the owner from the next reply. */
async function lastSeen(inside: Inside, config: Config, { providers }: Order): Promise<Capacity> {
  const { saved } = await readTanks(tanksPath(inside.places));
  const capacity = openCapacity({
    ...{ clock: realClock, random: Math.random, estimates: new Estimates(), config: () => config },
    changed: () => undefined,
    doubted: () => undefined,
  });
  for (const provider of config.providers)
    if (providers.includes(provider.name))
      capacity.offer(sourceOf(provider, realClock.now(), inside.variables), [...saved.refinery.values()]);
  return capacity;
}

async function offersOf(inside: Inside, order: Order): Promise<readonly Offer[]> {
  const { providers } = await inside.config();
  return Promise.all(
    order.providers.map(async (name): Promise<Offer> => {
      const provider = providers.find((each) => each.name === name);
      if (provider === undefined) return { kind: "unusable", why: `no provider "${name}" is configured` };
      const opened = await openModel(provider, {
        variables: inside.variables,
        folder: inside.places.home,
        userFolder: inside.variables.HOME ?? "/",
        now: () => realClock.now(),
        given: [],
      });
      if (opened.kind === "unusable") return { kind: "unusable", why: `${name}: ${opened.why}` };
      const { contextTokens, outputTokensMax } = provider;
      return {
        kind: "model",
        source: name,
        model: opened.model,
        contextTokensMax: contextTokens,
        outputTokensMax,
        stance: undefined,
      };
    }),
  );
}

/** Newest goals that are asked what they took. */
const goalsAskedMax = 50;
/** Answered calls that tell a model's pace. */
const callsAskedMax = 200;

/** See House.outlook. Asks nobody but the store and the configuration. */
export async function outlookFor(
  inside: Inside,
  order: Order,
  drawn: Model | undefined,
): Promise<PlanOutlook> {
  const usable = (await offersOf(inside, order)).find((offer) => offer.kind === "model");
  const model = drawn ?? usable?.model;
  const reader = await readerOf(inside.places);
  try {
    const goals = (await reader?.view.goals({ countMax: goalsAskedMax })) ?? [];
    const checkMs = new Map<string, number>();
    for (const { order: earlier, checks, base } of goals)
      for (const { check, kind, wallMs } of earlier.repository === order.repository ? (base ?? []) : []) {
        const command = checks.find(({ name }) => name === check)?.command;
        // The newest first: it says how things are now.
        if (command !== undefined && kind !== "could-not-run" && !checkMs.has(command))
          checkMs.set(command, wallMs);
      }
    const tokensPerSecond =
      reader === undefined || model === undefined ? undefined : await paceOf(reader, goals, model);
    return { price: model?.price, tokensPerSecond, checkMs };
  } finally {
    await reader?.close();
  }
}

/** Tokens of both kinds a second over the newest answered calls; undefined where there is none that took time. */
async function paceOf(
  reader: Reader,
  goals: readonly Goal[],
  { provider, name }: Model,
): Promise<number | undefined> {
  let [calls, tokens, wallMs] = [0, 0, 0];
  for (const { id } of goals) {
    const asked = new Set<string>();
    for (let from = 1; calls < callsAskedMax; ) {
      const page = await reader.log.read(from, 1_000, id);
      for (const { event, sequence } of page) {
        from = sequence + 1;
        if (event.type === "call-reserved" && event.provider === provider && event.model === name)
          asked.add(event.call);
        if (event.type !== "call-settled" || event.settled.kind !== "said" || !asked.has(event.call))
          continue;
        calls += 1;
        tokens += event.usage.input + event.usage.output;
        wallMs += event.wallMs;
      }
      if (page.length === 0) break;
    }
  }
  return tokens > 0 && wallMs > 0 ? (tokens / wallMs) * 1_000 : undefined;
}

/** See House.canWritePlan. */
export async function requireNew(file: string, typed: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) throw new UsageError(`${typed} exists already: choose another --out, or remove it`);
}

/** See House.writePlan. */
export async function writePlanTo(
  file: string,
  typed: string,
  { plan, goal }: { readonly plan: Plan; readonly goal: string },
): Promise<void> {
  await writeFile(file, writePlan(plan, goal), { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === "EEXIST"
        ? `${typed} exists already: choose another --out, or remove it`
        : `${typed} cannot be written (${error.code}): choose another --out`,
    );
  });
}
