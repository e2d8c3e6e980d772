/** Our side: the capacity of `src/work`, asked as workers ask it, answered as our edges read it. */

import { dispatch } from "../../src/domain/dispatch.ts";
import { rankStepMs } from "../../src/domain/fairness.ts";
import type { MeteringKind } from "../../src/domain/profile.ts";
import { seeded } from "../../src/kit/random.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import type { Source } from "../../src/work/accounts.ts";
import { Capacity } from "../../src/work/capacity.ts";
import { Estimates } from "../../src/work/estimates.ts";
import { soonestEnd } from "./bound.ts";
import { Cpu } from "./cpu.ts";
import { type Call, callsOf } from "./jobs.ts";
import type { Provider } from "./provider.ts";
import { type Faults, failureOf, noFaults, readingsOf, resourcesOf, Server } from "./provider.ts";

export interface Run {
  readonly makespanMs: number;
  readonly boundMs: number;
  /** Calls made, and those of them that a limit refused. */
  readonly made: number;
  readonly refused: number;
  /** Refused by a fault that nobody could foresee. */
  readonly injected: number;
  readonly jobs: number;
  /** Jobs that were given up. */
  readonly lost: number;
  /** Waits of each level, ms, in order. */
  readonly waits: readonly (readonly number[])[];
  /** Reservations that were never given back. */
  readonly leaked: number;
  /** CPU of the scheduler for each call begun, us. */
  readonly cpuUs: number;
  /** The fullest any window became, 0 to 1. */
  readonly windowMost: number;
}

export interface Plan {
  readonly seed: number;
  readonly providers: readonly Provider[];
  readonly calls: readonly Call[];
  readonly faults: Readonly<Record<string, Faults>>;
  /** What our configuration says of how much may come at once; undefined: nothing, as for most people. */
  readonly burstSeconds: number | undefined;
  /** What every call leaves of windows. */
  readonly floor: number;
}

const metering: Readonly<Record<string, MeteringKind>> = {
  anthropic: "anthropic",
  subscription: "anthropic",
  openai: "openai",
  gemini: "gemini",
  concurrency: "slots",
};

export function sourceOf({ name, settings }: Provider, burstSeconds?: number): Source {
  const { rpm, rpd, tpm, itpm, otpm, concurrency } = settings;
  return {
    provider: name,
    account: { account: `${name} host key`, model: "model" },
    metering: metering[settings.counting] ?? "plain",
    limits: {
      ...{ rpm, rpd, tpm, itpm, otpm, burstSeconds },
      concurrency: concurrency ?? (settings.counting === "concurrency" ? 1 : undefined),
    },
    dayEndsAt: undefined,
  };
}

const start = 1_700_000_000_000;
const never = new AbortController().signal;
/** Written so often while an answer grows. */
const chunkMs = 500;

const boundsFound = new WeakMap<readonly Call[], Map<string, number>>();

/** Found once for the same calls: it takes half a second. */
export function boundOf(calls: readonly Call[], providers: readonly Provider[]): number {
  const found = boundsFound.get(calls) ?? new Map<string, number>();
  boundsFound.set(calls, found);
  const key = JSON.stringify(providers);
  const bound = found.get(key) ?? boundFor(calls, providers);
  found.set(key, bound);
  return bound;
}

function boundFor(calls: readonly Call[], providers: readonly Provider[]): number {
  const shortest = (call: Call) =>
    Math.min(...providers.map(({ firstMs, perMs }) => firstMs + call.output / perMs));
  return soonestEnd(calls, resourcesOf(providers), providers.length, shortest);
}

/** Plays a plan on a virtual clock, and says how it went. `decide`: see `Dispatcher`. */
export async function played(
  { seed, providers, calls, faults, burstSeconds, floor }: Plan,
  decide: typeof dispatch = dispatch,
): Promise<Run> {
  const time = new VirtualClock(start);
  const random = seeded(seed);
  const cpu = new Cpu();
  const measured = <Value>(work: () => Value): Value => cpu.measured(work);
  const capacity = new Capacity(
    {
      estimates: new Estimates(),
      clock: { now: () => time.now(), sleep: (ms, signal) => timer(time, ms, signal, measured) },
      ...{ random, callMsMax: 600_000, patienceMs: 30_000 },
      patience: () => ({ baseMs: 1_000, maxMs: 60_000 }),
      read: (outcome) => [
        ...readingsOf(outcome.headers, time.now()),
        ...(outcome.kind === "failed" ? outcome.readings : []),
      ],
      changed: () => {},
    },
    decide,
  );
  for (const provider of providers) capacity.offer(sourceOf(provider, burstSeconds));
  // A fleet that worked before knows about how much calls of a kind write.
  for (const { name } of providers)
    for (const { kind, output } of callsOf(1_000 + seed, 300, undefined))
      capacity.learn(name, kind, { input: 1, cachedInput: 0, output });
  const servers = new Map(
    providers.map((each) => [
      each.name,
      new Server(each, faults[each.name] ?? noFaults, seeded(seed + 99), start),
    ]),
  );
  const counts = { made: 0, refused: 0, injected: 0, done: 0, lost: 0 };
  const waits: number[][] = [[], [], []];
  let endsAt = start;
  let windowMost = 0;

  async function live(call: Call): Promise<void> {
    const { input, outputMax, kind, level } = call;
    for (;;) {
      const expected = providers.map(({ name }) => capacity.expected(name, kind, outputMax));
      const { signal } = new AbortController();
      const entering = measured(() =>
        capacity.enter(
          {
            id: call.name,
            // A level is a step of priority.
            rank: start + call.comesAt + (level - 1) * rankStepMs,
            candidates: providers.map(({ name }, at) => ({
              ...{ provider: name, floor },
              draft: { input, cachedInput: 0, output: expected[at]?.output ?? outputMax, outputMax },
            })),
            outputLikely: expected[0]?.likely ?? outputMax,
            ...{ tenant: "goal", series: call.name, end: undefined },
          },
          signal,
        ),
      );
      const place = await entering;
      if (place.kind === "never") {
        counts.lost += 1;
        break;
      }
      if (place.kind === "later") {
        await time.sleep(Math.max(1, place.until - time.now()), never);
        continue;
      }
      const server = servers.get(place.provider) as Server;
      counts.made += 1;
      const began = time.now();
      const asked = server.ask(call, began);
      if (asked.kind === "refused") {
        if (asked.answer.isOwn) counts.refused += 1;
        else counts.injected += 1;
        await time.sleep(50, never);
        measured(() => place.end(failureOf(asked.answer, time.now())));
        continue;
      }
      waits[level]?.push(began - start - call.comesAt);
      const lasts = server.lastsMs(call);
      const writes = providers.find(({ name }) => name === place.provider) as Provider;
      if (writes.settings.otpm !== undefined || writes.settings.windows !== undefined)
        for (let at = writes.firstMs + chunkMs; at < lasts; at += chunkMs)
          time.at(began + at, () => asked.wrote(chunkMs * writes.perMs, time.now()));
      await time.sleep(lasts, never);
      asked.end(time.now());
      for (const { utilization } of server.levels(time.now()).windows)
        windowMost = Math.max(windowMost, utilization);
      const usage = { input, cachedInput: 0, output: call.output };
      capacity.learn(place.provider, kind, usage);
      measured(() => place.end({ kind: "said", usage, headers: asked.headers }));
      counts.done += 1;
      endsAt = Math.max(endsAt, time.now());
      break;
    }
  }
  for (const call of calls) time.at(start + call.comesAt, () => void live(call));
  await time.run(() => counts.done + counts.lost === calls.length);
  const leaked = [...capacity.tanks().values()].reduce((sum, { leases }) => sum + leases.length, 0);
  return {
    ...{
      makespanMs: endsAt - start,
      boundMs: boundOf(calls, providers),
      made: counts.made,
      refused: counts.refused,
    },
    ...{ injected: counts.injected, jobs: calls.length, lost: counts.lost, waits, leaked, windowMost },
    cpuUs: cpu.us / Math.max(1, counts.made),
  };
}

/** A sleep whose end is measured: it does what is due at once, and not in a promise of its own. */
export function timer(
  time: VirtualClock,
  ms: number,
  signal: AbortSignal,
  measured: (work: () => void) => void,
): Promise<void> {
  const slept = {
    // biome-ignore lint/suspicious/noThenProperty: what is awaited here is called by hand, to be measured.
    then(resolved: () => void) {
      const off = time.at(time.now() + ms, () => measured(resolved));
      signal.addEventListener("abort", off, { once: true });
    },
  };
  return slept as unknown as Promise<void>;
}
