import fc from "fast-check";
import { expect, test } from "vitest";
import {
  givenLately,
  keyOf,
  lifted,
  nothingLately,
  rankStepMs,
  serviceOf,
  stepOf,
  stepsAhead,
} from "./fairness.ts";

/** Who waits at each turn, and what a call of each takes. */
const turn = fc.record({
  waits: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  service: fc.nat(100),
});

/** Plays turns: of those that wait the least counter goes. Tenant 0 always waits. What each was given, turn by turn. */
function played(turns: readonly { readonly waits: readonly boolean[]; readonly service: number }[]) {
  const counters = [0, 0, 0];
  const given = [0, 0, 0];
  let before: readonly boolean[] = [true, true, true];
  return turns.map(({ waits, service }) => {
    const now = waits.map((each, at) => at === 0 || each);
    const stayed = counters.filter((_, at) => now[at] && before[at]);
    for (const at of counters.keys())
      if (now[at] && !before[at]) counters[at] = lifted(counters[at] as number, Math.min(...stayed));
    before = now;
    const keys = counters.map((counter, at) => (now[at] ? keyOf(counter, 0, 1) : Number.POSITIVE_INFINITY));
    const next = keys.indexOf(Math.min(...keys));
    counters[next] = (counters[next] as number) + service;
    given[next] = (given[next] as number) + service;
    return [...given];
  });
}

const most = 2 * 100;

test("two that wait all the time are given alike but for two calls; who stays away for a while gains nothing by it", () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 50 }), (turns) => {
      const stayed = turns.map(({ waits, service }) => ({ service, waits: [true, true, waits[2] === true] }));
      for (const [isStaying, given] of [
        [true, played(stayed)],
        [false, played(turns)],
      ] as const)
        for (const [at, from] of given.entries())
          for (const until of given.slice(at)) {
            const [own, ...others] = until.map((each, tenant) => each - (from[tenant] as number));
            for (const other of others) expect(other - (own as number)).toBeLessThanOrEqual(most);
            if (isStaying) expect((own as number) - (others[0] as number)).toBeLessThanOrEqual(most);
          }
    }),
  );
});

test("a token that is written weighs as two that are read", () => {
  expect(serviceOf({ input: 100, output: 30 })).toBe(160);
});

test("a rank is so many whole steps ahead of a usual one", () => {
  const now = 1e12;
  const rows = [
    [now, 0],
    [now + 1, -1],
    [now + rankStepMs, -1],
    [now - rankStepMs + 1, 0],
    [now - 2 * rankStepMs, 2],
    [0, 10],
    [2 * now, -10],
  ] as const;
  for (const [rank, steps] of rows) expect(stepsAhead(rank, now)).toBe(steps);
});

test("a step is worth about what is given in a minute, and never nothing", () => {
  let lately = nothingLately;
  expect(stepOf(lately)).toBe(100_000);
  for (let second = 0; second < 600; second++) lately = givenLately(lately, 5_000, second * 1_000);
  expect(stepOf(lately)).toBeGreaterThan(290_000);
  expect(stepOf(lately)).toBeLessThan(310_000);
  const back = givenLately(lately, 0, -1e9);
  expect(back.service, "a clock that was set back").toBe(lately.service);
  expect(stepOf(givenLately(back, 0, 1e9))).toBe(100_000);
});
