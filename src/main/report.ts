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

/** Above this share of the time the workers are what binds. */
const workersBind = 0.9;

/** See House.rehearse. */
export async function report(inside: Inside, wish: RehearsalWish): Promise<Rehearsal> {
  const config = await inside.config();
  const providers = chosen(config, wish.providers);
  const seeds = Array.from({ length: seedsFor(wish.beads) }, (_, index) => wish.seed + index);
  const runs: Run[] = [];
  for (const seed of seeds) runs.push(await rehearse(config, providers, wish, seed));
  const prices = await Promise.all(providers.map((provider) => pricingOf(provider, realClock.now())));
  const priced = (run: Run) => costOf(run, providers, prices);
  const binding = bindingOf(runs, providers);
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
    raised: await raised(config, providers, wish, { seeds, binding }),
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
  const { limits, metering } = sourceOf(provider, 0);
  const limited = Object.entries(limits).filter(([, limit]) => limit !== undefined);
  return {
    name,
    callsShare: total === 0 ? 0 : played.reduce((sum, { calls }) => sum + calls, 0) / total,
    limits: limited.map(([limit, value]) => ({
      name: limit,
      value: value ?? 0,
      share: median(played.map(({ shares }) => shares.get(limit as LimitName) ?? 0)),
    })),
    isLimited: metering !== "none" && limited.length > 0,
  };
}

type Binding =
  | { readonly kind: "workers" }
  | { readonly kind: "limit"; readonly provider: string; readonly limit: LimitName };

function bindingOf(runs: readonly Run[], providers: readonly ProviderConfig[]): Binding {
  if (median(runs.map(({ workersShare }) => workersShare)) >= workersBind) return { kind: "workers" };
  const all = providers.flatMap((provider) =>
    lineOf(provider, runs).limits.map(({ name, share }) => ({ provider: provider.name, limit: name, share })),
  );
  const [first] = all.sort((left, right) => right.share - left.share);
  if (first === undefined) return { kind: "workers" };
  return { kind: "limit", provider: first.provider, limit: first.limit as LimitName };
}

/** The same beads with twice of what binds. */
async function raised(
  config: Config,
  providers: readonly ProviderConfig[],
  wish: RehearsalWish,
  { seeds, binding }: { readonly seeds: readonly number[]; readonly binding: Binding },
): Promise<Rehearsal["raised"]> {
  const wallsWith = async (others: readonly ProviderConfig[], other: RehearsalWish) => {
    const walls: number[] = [];
    for (const seed of seeds) walls.push((await rehearse(config, others, other, seed)).wallMs);
    return median(walls);
  };
  if (binding.kind === "workers") {
    const to = Math.min(workersMost, wish.workers * 2);
    const wallMs = await wallsWith(providers, { ...wish, workers: to });
    return { provider: undefined, limit: "workers", from: wish.workers, to, wallMs };
  }
  const { provider: name, limit } = binding;
  const provider = present(
    providers.find((each) => each.name === name),
    "it was played",
  );
  const from = sourceOf(provider, 0).limits[limit] ?? 0;
  const more = { ...provider, limits: { ...provider.limits, [limit]: from * 2 } };
  const wallMs = await wallsWith(
    providers.map((each) => (each === provider ? more : each)),
    wish,
  );
  return { provider: name, limit, from, to: from * 2, wallMs };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}
