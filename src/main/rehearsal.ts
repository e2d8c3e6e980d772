/**
 * What work of a usual kind would cost and take on the accounts of a configuration: played on a virtual clock, through the
 * capacity that real calls go through, against providers that count as theirs do. Nobody is asked anything.
 */
import { setMaxListeners } from "node:events";
import type { Stance } from "../domain/floor.ts";
import type { Config, ProviderConfig } from "../edges/config/config.ts";
import { Quota, type QuotaRefusal, type QuotaSettings } from "../edges/simulator/quota.ts";
import { type HeaderForm, toldOf } from "../edges/simulator/told.ts";
import type { RehearsalWish } from "../faces/house.ts";
import { present } from "../kit/assert.ts";
import { type Random, seeded } from "../kit/random.ts";
import { VirtualClock } from "../kit/virtual.ts";
import type { Source } from "../work/accounts.ts";
import type { Capacity, Granted } from "../work/capacity.ts";
import { Estimates } from "../work/estimates.ts";
import { openCapacity, sourceOf } from "./source.ts";

/** One provider as it was played. */
export interface Played {
  readonly calls: number;
  readonly input: number;
  readonly output: number;
  /** What each limit gave of what it could have given, 0 to 1, by its name in the configuration. */
  readonly shares: ReadonlyMap<LimitName, number>;
}

export type LimitName = Exclude<keyof ProviderConfig["limits"], "burstSeconds">;

export interface Run {
  readonly wallMs: number;
  readonly calls: number;
  readonly refused: number;
  /** Beads that nobody could do in the time that was played, and why the last of them was not. */
  readonly left: number;
  readonly leftWhy: string;
  /** Share of the time in which the workers had something to do but wait for a limit, 0 to 1. */
  readonly workersShare: number;
  readonly byProvider: ReadonlyMap<string, Played>;
}

/** Played no further than this. */
export const horizonMs = 60 * 86_400_000;
/** Asked again so often where a provider refused it. */
const triesMax = 50;
/** An answer is written in so many steps: output that counts as it is written has to be seen on the way. */
const writingSteps = 8;
/** What may come at once, of a minute's worth, where the configuration does not say: tanks assume less. */
const burstPartUsual = 1 / 6;
/** Spread of sizes: one in six is larger than this many times the median. */
const spread = Math.exp(0.6);
/** Anything; so that days do not end in the middle of every rehearsal. */
const beganAt = Date.UTC(2026, 0, 5, 8);

interface Place {
  readonly provider: ProviderConfig;
  readonly source: Source;
  readonly quota: Quota;
  readonly form: HeaderForm;
  readonly used: Record<LimitName, number>;
  calls: number;
  input: number;
  output: number;
  busyMs: number;
}

interface Stage {
  readonly clock: VirtualClock;
  readonly capacity: Capacity;
  readonly places: readonly Place[];
  readonly wish: RehearsalWish;
  readonly config: Config;
  readonly signal: AbortSignal;
  readonly random: Random;
  refused: number;
  workedMs: number;
  /** Beads. */
  done: number;
  leftWhy: string;
}

/** Plays `wish.beads` beads on these providers with this seed; the same seed plays the same. */
export async function rehearse(
  config: Config,
  providers: readonly ProviderConfig[],
  wish: RehearsalWish,
  seed: number,
): Promise<Run> {
  const clock = new VirtualClock(beganAt);
  const random = seeded(seed);
  const stop = new AbortController();
  // Everybody who waits listens.
  setMaxListeners(0, stop.signal);
  const capacity = openCapacity({
    clock,
    random,
    estimates: new Estimates(),
    config: () => config,
    changed: () => undefined,
    doubted: () => undefined,
  });
  const stage: Stage = {
    ...{ clock, capacity, wish, config, random, signal: stop.signal },
    places: placesOf(providers, capacity),
    ...{ refused: 0, workedMs: 0, done: 0, leftWhy: "" },
  };
  let next = 0;
  const worker = async () => {
    while (next < wish.beads) await playBead(stage, next++);
  };
  const work = Promise.all(Array.from({ length: wish.workers }, worker));
  let isSettled = false;
  const settled = () => {
    isSettled = true;
  };
  work.then(settled, settled);
  if (!(await clock.run(() => isSettled, beganAt + horizonMs))) {
    stop.abort(new Error("played long enough"));
    await work.catch(() => undefined);
    stage.leftWhy ||= `not done within ${horizonMs / 86_400_000} days`;
  } else await work;
  return runOf(stage);
}

function placesOf(providers: readonly ProviderConfig[], capacity: Capacity): readonly Place[] {
  const quotas = new Map<string, Quota>();
  return providers.map((provider): Place => {
    const source = sourceOf(provider, beganAt, {});
    capacity.offer(source);
    const name = `${source.account.account} ${source.account.model}`;
    const quota = quotas.get(name) ?? new Quota(settingsOf(source), beganAt);
    quotas.set(name, quota);
    const form = source.metering === "anthropic" || source.metering === "openai" ? source.metering : "none";
    const used = { rpm: 0, rpd: 0, tpm: 0, itpm: 0, otpm: 0, concurrency: 0 };
    return { provider, source, quota, form, used, calls: 0, input: 0, output: 0, busyMs: 0 };
  });
}

function burstPartOf({ burstSeconds }: Source["limits"]): number {
  return burstSeconds === undefined ? burstPartUsual : burstSeconds / 60;
}

/** How the provider counts what the configuration says of it. */
function settingsOf({ metering, limits }: Source): QuotaSettings {
  const { rpm, rpd, tpm, itpm, otpm, concurrency } = limits;
  const burstPart = burstPartOf(limits);
  if (metering === "none") return { counting: "concurrency" };
  // Gemini's tokens a minute are input tokens.
  if (metering === "gemini")
    return { counting: "gemini", rpm, rpd, itpm: itpm ?? tpm, otpm, concurrency, burstPart };
  const counting = metering === "anthropic" || metering === "openai" ? metering : "concurrency";
  return { counting, rpm, rpd, tpm, itpm, otpm, concurrency, burstPart };
}

/** Its calls one after the other, each followed by a run of the tests. */
async function playBead(stage: Stage, index: number): Promise<void> {
  const { wish, random } = stage;
  const calls = callsOf(wish.calls, random);
  for (let call = 0; call < calls; call++) {
    const size = {
      input: Math.max(1, Math.round(lognormal(wish.input, random))),
      output: Math.max(1, Math.round(lognormal(wish.output, random))),
    };
    const why = await playCall(stage, `${index}.${call}`, index, size);
    if (why !== undefined) {
      stage.leftWhy = why;
      return;
    }
    stage.workedMs += wish.checkMs;
    await stage.clock.sleep(wish.checkMs, stage.signal);
  }
  stage.done += 1;
}

/** At least one; `mean` over many. */
function callsOf(mean: number, random: Random): number {
  const whole = Math.floor(mean);
  return whole + (random() < mean - whole ? 1 : 0);
}

function lognormal(median: number, random: Random): number {
  const bell = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return median * spread ** bell;
}

interface Size {
  readonly input: number;
  readonly output: number;
}

/** Undefined: it was made; otherwise why it never will be. */
async function playCall(stage: Stage, id: string, rank: number, size: Size): Promise<string | undefined> {
  const { capacity, clock, places, config, signal } = stage;
  for (let tries = 0; tries < triesMax; ) {
    const expected = places.map(({ provider }) =>
      capacity.expected(provider.name, "work", provider.outputTokensMax),
    );
    const place = await capacity.enter(
      {
        ...{ id, rank, tenant: "goal", series: id, end: undefined },
        outputLikely: expected[0]?.likely ?? 0,
        candidates: places.map(({ provider }, index) => ({
          provider: provider.name,
          draft: {
            ...{
              input: size.input,
              cachedInput: 0,
              output: expected[index]?.output ?? provider.outputTokensMax,
            },
            outputMax: provider.outputTokensMax,
          },
          floor: stanceOf(config, provider),
        })),
      },
      signal,
    );
    if (place.kind === "never") return place.why;
    if (place.kind === "later") await clock.sleep(Math.max(1, place.until - clock.now()), signal);
    else {
      tries += 1;
      if (await playGranted(stage, place, size)) return undefined;
    }
  }
  return `refused ${triesMax} times`;
}

function stanceOf({ routing }: Config, { thresholdYellow, thresholdRed }: ProviderConfig): Stance {
  return { strategy: routing.strategy, yellow: thresholdYellow, red: thresholdRed, priority: 2 };
}

/** Whether the provider took it. */
async function playGranted(stage: Stage, granted: Granted, size: Size): Promise<boolean> {
  const { clock, wish, signal, capacity } = stage;
  const place = present(
    stage.places.find(({ provider }) => provider.name === granted.provider),
    "a place is with a candidate",
  );
  const { quota, form, used } = place;
  const outputMax = place.provider.outputTokensMax;
  const output = Math.min(size.output, outputMax);
  const began = clock.now();
  const verdict = quota.arrive(began, { input: size.input, cachedInput: 0, outputMax });
  if (verdict.kind === "refused") {
    stage.refused += 1;
    const headers = toldOf(form, quota.levels(began), began, true);
    granted.end({ kind: "failed", fault: faultOf(verdict, began), usage: none, headers, readings: [] });
    return false;
  }
  const headers = toldOf(form, quota.levels(began), began, false);
  try {
    await clock.sleep(wish.firstTokenMs, signal);
    for (let step = 0; step < writingSteps; step++) {
      await clock.sleep((output / wish.tokensPerSecond / writingSteps) * 1_000, signal);
      quota.wrote(verdict.id, output / writingSteps, clock.now());
    }
  } finally {
    quota.end(verdict.id, { outputTokens: output, isFailed: signal.aborted }, clock.now());
    if (signal.aborted) granted.end({ kind: "lost" });
  }
  const usage = { input: size.input, cachedInput: 0, output };
  granted.end({ kind: "said", usage, headers });
  capacity.learn(granted.provider, "work", usage, size.input);
  place.calls += 1;
  place.input += size.input;
  place.output += output;
  place.busyMs += clock.now() - began;
  stage.workedMs += clock.now() - began;
  used.rpm += 1;
  used.rpd += 1;
  used.itpm += size.input;
  used.otpm += output;
  used.tpm += tokensOf(place.source, size.input, output, outputMax);
  return true;
}

const none = { input: 0, cachedInput: 0, output: 0 };

function tokensOf({ metering }: Source, input: number, output: number, outputMax: number): number {
  if (metering === "openai") return Math.max(input, outputMax);
  return metering === "gemini" ? input : input + output;
}

function faultOf({ resource, name, retryAfterMs }: QuotaRefusal, now: number) {
  const at =
    retryAfterMs === undefined || retryAfterMs === Number.POSITIVE_INFINITY ? undefined : now + retryAfterMs;
  const why = `${name} are used up`;
  if (resource === "day") return { kind: "window", resetAt: at, why } as const;
  return { kind: "throttle", retryAt: at, why } as const;
}

function runOf(stage: Stage): Run {
  const wallMs = stage.clock.now() - beganAt;
  const byProvider = new Map(
    stage.places.map((place) => {
      const { calls, input, output } = place;
      return [place.provider.name, { calls, input, output, shares: sharesOf(place, wallMs) }] as const;
    }),
  );
  return {
    wallMs,
    calls: stage.places.reduce((sum, { calls }) => sum + calls, 0),
    ...{ refused: stage.refused, left: stage.wish.beads - stage.done, leftWhy: stage.leftWhy },
    workersShare: wallMs === 0 ? 0 : Math.min(1, stage.workedMs / (wallMs * stage.wish.workers)),
    byProvider,
  };
}

const dayMs = 86_400_000;

/** Providers that share an account share its limits: each sees its own part. */
function sharesOf({ source, used, busyMs }: Place, wallMs: number): ReadonlyMap<LimitName, number> {
  const minutes = wallMs / 60_000;
  const shares = new Map<LimitName, number>();
  const { burstSeconds: _, ...limits } = source.limits;
  for (const [name, limit] of Object.entries(limits) as [LimitName, number | undefined][]) {
    if (limit === undefined || source.metering === "none") continue;
    const could = {
      concurrency: limit * wallMs,
      rpd: limit * (Math.floor(wallMs / dayMs) + 1),
    };
    const most =
      name === "concurrency" || name === "rpd" ? could[name] : limit * (burstPartOf(source.limits) + minutes);
    const did = name === "concurrency" ? busyMs : used[name];
    shares.set(name, most === 0 ? 0 : Math.min(1, did / most));
  }
  return shares;
}
