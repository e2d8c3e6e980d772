/** `rigs simulate --report`: rehearsals with several seeds, their cost, and what raising the limit that binds would give. */
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import { pricingOf } from "../edges/prices/price.ts";
import { type Rehearsal, type RehearsalWish, type Spread, UsageError, workersMost } from "../faces/house.ts";
import { present } from "../kit/assert.ts";
import type { Pricing } from "../ports/model.ts";
import { type Inside, realClock } from "./inside.ts";
import { type LimitName, type Run, rehearse } from "./rehearsal.ts";
import { sourceOf } from "./source.ts";

/** Many beads take long to play and differ little from seed to seed. */
function seedsFor(beads: number): number {
  if (beads <= 500) return 5;
  return beads <= 1_500 ? 3 : 1;
}

/** Limits that gave less of what they could are not tried; and no more than so many are. */
const triedFrom = 0.2;
const triedMost = 6;
/** What shortens the work by less than this binds nothing. */
const shorter = 0.98;

/** See House.rehearse. */
export async function report(inside: Inside, wish: RehearsalWish): Promise<Rehearsal> {
  const config = await inside.config();
  const providers = chosen(config, wish.providers);
  const seeds = Array.from({ length: seedsFor(wish.beads) }, (_, index) => wish.seed + index);
  const runs: Run[] = [];
  for (const seed of seeds) runs.push(await rehearse(config, providers, wish, seed));
  const prices = await Promise.all(providers.map((provider) => pricingOf(provider, realClock.now())));
  const priced = (run: Run) => costOf(run, providers, prices);
  return {
    ...{ wish, seeds },
    wallMs: spreadOf(runs.map(({ wallMs }) => wallMs)),
    calls: spreadOf(runs.map(({ calls }) => calls)),
    refused: spreadOf(runs.map(({ refused }) => refused)),
    usd: spreadOf(runs.map(priced)),
    unpriced: providers.filter((_, index) => prices[index]?.kind === "unknown").map(({ name }) => name),
    left: Math.max(...runs.map(({ left }) => left)),
    leftWhy: runs.find(({ left }) => left > 0)?.leftWhy ?? "",
    providers: providers.map((provider) => lineOf(provider, runs)),
    workersShare: median(runs.map(({ workersShare }) => workersShare)),
    raised: await raised({ config, providers, wish }, seeds, runs),
  };
}

/** As `goal execute` chooses, but without asking for keys: those that are named, else all of the first's tier. */
function chosen(config: Config, named: readonly string[]): readonly ProviderConfig[] {
  for (const name of named)
    if (!config.providers.some((each) => each.name === name))
      throw new UsageError(`no provider "${name}" is configured; rigs provider list shows those that are`);
  if (named.length > 0) return config.providers.filter(({ name }) => named.includes(name));
  const enabled = config.providers.filter((each) => each.enabled);
  const providers = enabled.filter(({ tier }) => tier === enabled[0]?.tier);
  if (providers.length === 0)
    throw new UsageError("no provider is configured to simulate; rigs provider add adds one");
  return providers;
}

function costOf(run: Run, providers: readonly ProviderConfig[], prices: readonly Pricing[]): number {
  return providers.reduce((sum, { name }, index) => {
    const pricing = prices[index];
    const played = present(run.byProvider.get(name), "every provider was played");
    if (pricing?.kind !== "known") return sum;
    const { inputUsd, outputUsd } = pricing.price;
    return sum + (played.input * inputUsd + played.output * outputUsd) / 1_000_000;
  }, 0);
}

function lineOf(provider: ProviderConfig, runs: readonly Run[]): Rehearsal["providers"][number] {
  const { name } = provider;
  const played = runs.map(({ byProvider }) => present(byProvider.get(name), "every provider was played"));
  const total = runs.reduce((sum, { calls }) => sum + calls, 0);
  const { limits, metering } = sourceOf(provider, 0, {});
  const { burstSeconds, ...bounds } = limits;
  const limited = Object.entries(bounds).filter(([, limit]) => limit !== undefined);
  return {
    name,
    callsShare: total === 0 ? 0 : played.reduce((sum, { calls }) => sum + calls, 0) / total,
    limits: limited.map(([limit, value]) => ({
      name: limit,
      value: value ?? 0,
      share: median(played.map(({ shares }) => shares.get(limit as LimitName) ?? 0)),
    })),
    isLimited: metering !== "none" && limited.length > 0,
    burstSeconds,
  };
}

interface Scene {
  readonly config: Config;
  readonly providers: readonly ProviderConfig[];
  readonly wish: RehearsalWish;
}

interface Raise extends Omit<NonNullable<Rehearsal["raised"]>, "wallMs"> {
  readonly scene: Scene;
}

/** What binds is what shortens the work most when there is twice of it; shares alone mislead where limits hold each other. */
async function raised(
  scene: Scene,
  seeds: readonly number[],
  runs: readonly Run[],
): Promise<Rehearsal["raised"]> {
  let best: Raise | undefined;
  let bestMs = (runs[0]?.wallMs ?? 0) * shorter;
  for (const each of raisesOf(scene, runs)) {
    const wallMs = await wallOf(each.scene, seeds.slice(0, 1));
    if (wallMs >= bestMs) continue;
    best = each;
    bestMs = wallMs;
  }
  if (best === undefined) return undefined;
  const { scene: other, ...raise } = best;
  return { ...raise, wallMs: await wallOf(other, seeds) };
}

async function wallOf({ config, providers, wish }: Scene, seeds: readonly number[]): Promise<number> {
  const walls: number[] = [];
  for (const seed of seeds) walls.push((await rehearse(config, providers, wish, seed)).wallMs);
  return median(walls);
}

function raisesOf(scene: Scene, runs: readonly Run[]): readonly Raise[] {
  const { providers, wish } = scene;
  const to = Math.min(workersMost, wish.workers * 2);
  const more: Raise = {
    ...{ provider: undefined, limit: "workers", from: wish.workers, to },
    scene: { ...scene, wish: { ...wish, workers: to } },
  };
  const limits = providers
    .flatMap((provider) => lineOf(provider, runs).limits.map((limit) => ({ provider, ...limit })))
    .filter(({ share }) => share >= triedFrom)
    .sort((left, right) => right.share - left.share)
    .slice(0, triedMost);
  return [
    ...(to > wish.workers ? [more] : []),
    ...limits.map(({ provider, name, value }): Raise => {
      const wider = { ...provider, limits: { ...provider.limits, [name]: value * 2 } };
      const others = providers.map((each) => (each === provider ? wider : each));
      const raise = { provider: provider.name, limit: name, from: value, to: value * 2 };
      return { ...raise, scene: { ...scene, providers: others } };
    }),
  ];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
