/**
 * The earliest moment at which all calls could be over, whatever schedules them and however much it knows beforehand: the
 * dual of "finish all soonest" (reference on rate limits, section 6). Nothing here is the scheduler's: its own limits, its own
 * charging rules, its own prices. Every vector of prices gives a true bound; a better one only comes closer.
 */
import type { Call } from "./jobs.ts";

/** A limit as the provider counts it. `burst` units at once and `perMs` after; slots: burst 0, so many a ms. */
export interface Resource {
  readonly provider: number;
  readonly burst: number;
  readonly perMs: number;
  demand(call: Call): number;
}

const rounds = 3_000;

/**
 * ms after the beginning. `shortestMs`: how long a call runs at least, wherever it goes. The reference adds the shortest call
 * to the whole; that is left out, because tokens that are counted while they are written and slots bound the end itself.
 */
export function soonestEnd(
  calls: readonly Call[],
  resources: readonly Resource[],
  providers: number,
  shortestMs: (call: Call) => number,
): number {
  const last = Math.max(...calls.map((call) => call.comesAt + shortestMs(call)));
  const moments = momentsOf(calls);
  const bounds = moments.map((from) => {
    const after = calls.filter(({ comesAt }) => comesAt >= from);
    return from + priced(after, resources, providers);
  });
  return Math.max(last, ...bounds);
}

/** For calls that all come at once: that moment. Else some moments: each gives a true bound by itself. */
function momentsOf(calls: readonly Call[]): readonly number[] {
  const end = calls.at(-1)?.comesAt ?? 0;
  return end === 0 ? [0] : [0, 0.25, 0.5, 0.75, 0.9].map((part) => part * end);
}

function priced(calls: readonly Call[], resources: readonly Resource[], providers: number): number {
  const count = resources.length;
  // ms of each limit that each call takes, beside one another.
  const demands = new Float64Array(calls.length * count);
  for (const [at, call] of calls.entries())
    for (const [index, resource] of resources.entries())
      demands[at * count + index] = resource.demand(call) / resource.perMs;
  // What is larger than a bucket is let in when it is full: then a bucket gives that much.
  const bursts = resources.map(({ burst, perMs }, index) => {
    let most = burst / perMs;
    if (burst > 0)
      for (let at = index; at < demands.length; at += count) most = Math.max(most, demands[at] ?? 0);
    return most;
  });
  // Limits stand in the order of their providers: those of one are a stretch of every row. Flat arrays and loops over numbers
  // alone, because this is most of what the bench computes.
  const ends = Array.from(
    { length: providers },
    (_, provider) => resources.findLastIndex((resource) => resource.provider <= provider) + 1,
  );
  const weights = new Float64Array(count).fill(1 / count);
  const used = new Float64Array(count);
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    used.fill(0);
    let bound = 0;
    for (let base = 0; base < demands.length; base += count) {
      let least = Number.POSITIVE_INFINITY;
      let [from, until] = [0, 0];
      let index = 0;
      for (let provider = 0; provider < providers; provider++) {
        const end = ends[provider] as number;
        const first = index;
        let cost = 0;
        for (; index < end; index++) cost += (demands[base + index] as number) * (weights[index] as number);
        if (cost < least) {
          least = cost;
          from = first;
          until = end;
        }
      }
      bound += least;
      for (let each = from; each < until; each++)
        used[each] = (used[each] as number) + (demands[base + each] as number);
    }
    let most = 1e-9;
    for (let index = 0; index < count; index++) {
      bound -= (weights[index] as number) * (bursts[index] as number);
      used[index] = (used[index] as number) - (bursts[index] as number);
      most = Math.max(most, Math.abs(used[index] as number));
    }
    best = Math.max(best, bound);
    const step = 0.5 / Math.sqrt(round + 1);
    let sum = 0;
    for (let index = 0; index < count; index++) {
      weights[index] = (weights[index] as number) * Math.exp((step * (used[index] as number)) / most);
      sum += weights[index] as number;
    }
    for (let index = 0; index < count; index++) weights[index] = (weights[index] as number) / sum;
  }
  return best;
}
