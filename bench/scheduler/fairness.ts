/** Two goals on one house of providers, of which one asks ten times as much and came first: how alike they are given. */
import { serviceOf } from "../../src/domain/fairness.ts";
import type { LeaseId } from "../../src/domain/meter.ts";
import { tankFor } from "../../src/domain/profile.ts";
import { VirtualClock } from "../../src/kit/virtual.ts";
import { Dispatcher } from "../../src/work/dispatcher.ts";
import { sourceOf } from "./house.ts";
import { type Call, callsOf } from "./jobs.ts";
import { four } from "./provider.ts";

export interface Shared {
  /** The largest difference of tokens given (one written counts as two) since both waited and while they did. */
  readonly gap: number;
  /** From the coming of the smaller goal to the end of its last call, ms. */
  readonly smallMs: number;
}

const start = 1_700_000_000_000;
const never = new AbortController().signal;
const large = 1_000;
const small = 100;
const comesAt = 10_000;

/** `as they come`: as if all calls were of one goal, first come, first served. */
export async function shared(seed: number, order: "by goals" | "as they come"): Promise<Shared> {
  const time = new VirtualClock(start);
  const dispatcher = new Dispatcher({ clock: time, leaseMs: 600_000, patienceMs: 36_000_000 });
  for (const provider of four) {
    const { limits, metering } = sourceOf(provider);
    const kind = metering === "none" ? "plain" : metering;
    const tank = tankFor(provider.name, kind, limits, { now: start, dayEndsAt: undefined });
    dispatcher.offer({ provider: provider.name, tanks: [tank.name], perMs: provider.perMs }, [tank]);
  }
  const given = { large: 0, small: 0 };
  const begun = { large: 0, small: 0 };
  let before = 0;
  let gap = 0;
  let endsAt = start;
  let over = 0;
  const live = async (call: Call, goal: "large" | "small") => {
    const id = `${goal} ${call.name}` as LeaseId;
    const { input, output, outputMax } = call;
    const draft = { input, cachedInput: 0, output: Math.min(outputMax, 2 * output), outputMax };
    const place = await dispatcher.enter(
      {
        ...{ id, rank: time.now(), tenant: order === "by goals" ? goal : "all", outputLikely: output },
        ...{ drafts: new Map(four.map(({ name }) => [name, draft])), floors: new Map(), warm: undefined },
      },
      never,
    );
    if (place.kind === "later") throw new Error(place.why);
    begun[goal] += 1;
    given[goal] += serviceOf({ input, output });
    if (time.now() >= start + comesAt && begun.small < small && begun.large < large)
      gap = Math.max(gap, Math.abs(given.large - before - given.small));
    const perMs = four.find(({ name }) => name === place.provider)?.perMs ?? 1;
    await time.sleep(output / perMs, never);
    const used = { input, cachedInput: 0, output, outputMax };
    dispatcher.leave(id, { ending: { how: "well", used }, readings: [], closure: undefined });
    if (goal === "small") [endsAt, over] = [time.now(), over + 1];
  };
  const calls = callsOf(seed, large + small, undefined);
  time.at(start, () => {
    for (const call of calls.slice(0, large)) void live(call, "large");
  });
  time.at(start + comesAt, () => {
    before = given.large;
    for (const call of calls.slice(large)) void live(call, "small");
  });
  await time.run(() => over === small);
  return { gap, smallMs: endsAt - start - comesAt };
}
