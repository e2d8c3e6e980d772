/** What polecats and the gateway are granted, on a virtual clock: one provider's trouble is nobody else's. */
import { expect, test } from "vitest";
import type { Limits, MeteringKind } from "../src/domain/profile.ts";
import { type Fault, noUsage } from "../src/domain/reply.ts";
import { VirtualClock } from "../src/kit/virtual.ts";
import { Capacity, type Granted, type Wish } from "../src/work/capacity.ts";
import { Estimates } from "../src/work/estimates.ts";
import type { Outcome } from "../src/work/outcome.ts";

const start = 1_800_000_000_000;
const none: Limits = {
  rpm: undefined,
  rpd: undefined,
  tpm: undefined,
  itpm: undefined,
  otpm: undefined,
  concurrency: undefined,
  burstSeconds: undefined,
};
const said: Outcome = { kind: "said", usage: { input: 10, cachedInput: 0, output: 5 }, headers: {} };
const failed = (fault: Fault): Outcome => ({
  kind: "failed",
  fault,
  usage: noUsage,
  headers: { a: "b" },
  readings: [],
});
const never = new AbortController().signal;

interface Lot {
  readonly limits?: Partial<Limits>;
  readonly account?: string;
  readonly metering?: MeteringKind | "none";
  readonly model?: string;
}

function open(lots: Readonly<Record<string, Lot>>, patienceMs = 30_000) {
  const clock = new VirtualClock(start);
  const capacity = new Capacity({
    ...{ clock, random: () => 1, callMsMax: 600_000, patienceMs, estimates: new Estimates() },
    patience: () => ({ baseMs: 1_000, maxMs: 60_000 }),
    read: ({ headers: { limit } }) =>
      limit === undefined
        ? []
        : [{ kind: "rate", measures: ["requests"], limit: Number(limit), remaining: Number(limit) }],
    changed: () => undefined,
  });
  const offer = (provider: string, { limits, account = provider, metering = "plain", model }: Lot) =>
    capacity.offer({
      ...{ provider, metering, account: { account, model: model ?? provider } },
      limits: { ...none, ...limits },
      dayEndsAt: undefined,
    });
  for (const [provider, lot] of Object.entries(lots)) offer(provider, lot);
  const enter = (providers: readonly string[], wish: Partial<Wish> = {}) =>
    capacity.enter(
      {
        ...{ id: "call", rank: 0, tenant: "goal", outputLikely: 10, series: "one", end: undefined },
        candidates: providers.map((provider) => ({
          ...{ provider, floor: 0 },
          draft: { input: 10, cachedInput: 0, output: 10, outputMax: 100 },
        })),
        ...wish,
      },
      never,
    );
  const granted = async (providers: readonly string[], wish: Partial<Wish> = {}): Promise<Granted> => {
    const place = await enter(providers, wish);
    if (place.kind !== "granted") throw new Error(`${place.kind}: ${place.why}`);
    return place;
  };
  const out = () => [...capacity.tanks().values()].reduce((sum, { leases }) => sum + leases.length, 0);
  return { clock, capacity, offer, enter, granted, out };
}

test("the first that is free takes it; another one does, visibly, where it has no room", async () => {
  const { granted, out } = open({ a: { limits: { concurrency: 1 } }, b: {} });
  const one = await granted(["a", "b"]);
  expect(one).toMatchObject({ provider: "a", insteadOf: undefined });
  const two = await granted(["a", "b"], { series: "two" });
  expect(two).toMatchObject({ provider: "b", insteadOf: { provider: "a", why: "a free slot" } });
  one.end(said);
  two.end(said);
  expect(await granted(["a", "b"])).toMatchObject({ provider: "a" });
  expect(out()).toBe(2);
});

test("who had the last call of a series gets the next, while it has room", async () => {
  const { granted } = open({ a: { limits: { concurrency: 1 } }, b: {} });
  const held = await granted(["a"]);
  (await granted(["a", "b"], { series: "two" })).end(said);
  held.end(said);
  const next = await granted(["a", "b"], { series: "two" });
  expect(next).toMatchObject({ provider: "b", insteadOf: { why: "it remembers what came before" } });
  expect(await granted(["a", "b"], { series: "three" })).toMatchObject({ provider: "a" });
});

test("a short limit closes one model until the moment it named, and no other of the account", async () => {
  const { granted, enter } = open({ a: { account: "same" }, b: { account: "same" } });
  const retryAt = start + 300_000;
  (await granted(["a"])).end(failed({ kind: "throttle", retryAt, why: "429" }));
  expect(await enter(["a"])).toEqual({ kind: "later", until: retryAt, why: "a: 429" });
  expect(await granted(["a", "b"])).toMatchObject({ provider: "b", insteadOf: { why: "429" } });
});

test("who stands in line is told, with what for, until it has its place or gives up", async () => {
  const { granted, capacity, clock } = open({ a: { limits: { concurrency: 1 } } });
  const held = await granted(["a"]);
  expect(capacity.queued()).toEqual([]);
  const next = granted(["a"], { id: "next" });
  const gone = new AbortController();
  const draft = { input: 10, cachedInput: 0, output: 10, outputMax: 100 };
  const left = capacity.enter(
    {
      ...{ id: "left", rank: 0, tenant: "goal", outputLikely: 10, series: "two", end: undefined },
      candidates: [{ provider: "a", floor: 0, draft }],
    },
    gone.signal,
  );
  const since = clock.now();
  expect(capacity.queued()).toEqual([
    { id: "next", since, why: "a: a free slot" },
    { id: "left", since, why: "a: a free slot" },
  ]);
  gone.abort(new Error("it is over"));
  await expect(left).rejects.toThrow("it is over");
  expect(capacity.queued()).toEqual([{ id: "next", since, why: "a: a free slot" }]);
  held.end(said);
  (await next).end(said);
  expect(capacity.queued()).toEqual([]);
});

test("a used-up window closes the account; a key or money closes it until a person acts, and others go on", async () => {
  const { granted, enter, capacity, clock } = open({
    a: { account: "same" },
    b: { account: "same" },
    c: {},
  });
  const resetAt = start + 3_600_000;
  (await granted(["a"])).end(failed({ kind: "window", resetAt, why: "5 hours" }));
  expect(await enter(["b"])).toMatchObject({ kind: "later", until: resetAt });
  clock.jump(resetAt - start);
  (await granted(["b"])).end(failed({ kind: "billing", why: "no credit" }));
  expect(await enter(["a", "b"])).toEqual({ kind: "never", why: "a: no credit; b: no credit" });
  expect(await granted(["a", "c"])).toMatchObject({ provider: "c" });
  expect(capacity.closures().get("a")).toMatchObject({ until: Number.POSITIVE_INFINITY, why: "no credit" });
  capacity.mended();
  const again = await granted(["a"]);
  expect(again).toMatchObject({ provider: "a" });
  // What a plan does not include is one model of it; a person who wants to know of that one opens it.
  again.end(failed({ kind: "billing", why: "not in this plan", isOfModel: true }));
  expect(await enter(["a"])).toMatchObject({ kind: "never" });
  (await granted(["b"])).end(said);
  capacity.tryAgain("b", false);
  expect(await enter(["a"])).toMatchObject({ kind: "never" });
  capacity.tryAgain("a", false);
  expect(await granted(["a"])).toMatchObject({ provider: "a" });
});

test("an overload is an assumption: it gives way to the end of a goal's minutes", async () => {
  const { granted, enter, clock } = open({ a: {} }, 0);
  const overloaded = failed({ kind: "capacity", why: "overloaded" });
  for (let count = 0; count < 7; count++) {
    if (count > 0) clock.jump(61_000);
    (await granted(["a"])).end(overloaded);
  }
  const end = clock.now() + 20_000;
  const later = await enter(["a"], { end });
  expect(later.kind).toBe("later");
  expect(later.kind === "later" && later.until < end).toBe(true);
  expect(await enter(["a"])).toMatchObject({ kind: "later" });
});

test("after an overload one call finds out whether it is over; after a limit that named its end all come at once", async () => {
  const { granted, enter, capacity, clock, out } = open({ a: {} });
  (await granted(["a"])).end(said);
  const [one, two] = [await granted(["a"]), await granted(["a"])];
  one.end(failed({ kind: "capacity", why: "HTTP 529: Overloaded" }));
  two.end(failed({ kind: "capacity", why: "HTTP 529: Overloaded" }));
  clock.jump(2_000);
  const probe = await granted(["a"]);
  const others = [enter(["a"]), enter(["a"])];
  expect([out(), capacity.waiting]).toEqual([2, 2]);
  probe.end(said);
  for (const other of await Promise.all(others)) if (other.kind === "granted") other.end(said);
  const limit = failed({ kind: "throttle", retryAt: clock.now() + 1_000, why: "a short limit" });
  (await granted(["a"])).end(limit);
  clock.jump(1_000);
  for (const place of [await granted(["a"]), await granted(["a"])]) place.end(said);
  expect([out(), capacity.waiting]).toEqual([0, 0]);
});

test("what never left counts nothing; what nobody knows of counts as taken", async () => {
  const { granted, enter } = open({ a: { limits: { rpm: 6, concurrency: 9 } } }, 0);
  for (let count = 0; count < 20; count++) (await granted(["a"])).end({ kind: "unmade" });
  const lost = await granted(["a"]);
  lost.end({ kind: "lost" });
  lost.end({ kind: "unmade" });
  expect(await enter(["a"], { end: start })).toMatchObject({ kind: "later" });
});

test("never more out than the account takes at once, and nothing is left behind", async () => {
  const { granted, out } = open({ a: { limits: { concurrency: 3 } } });
  let atOnce = 0;
  let most = 0;
  const calls = Array.from({ length: 40 }, async (_, index) => {
    const place = await granted(["a"], { rank: index % 7, series: String(index) });
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    place.end(index % 5 === 0 ? { kind: "unmade" } : said);
  });
  await Promise.all(calls);
  expect(most).toBe(3);
  expect(out()).toBe(0);
});

test("whoever waits hears what for, of everybody who could do it; whoever stops waiting is gone", async () => {
  const one = { limits: { concurrency: 1 } };
  const { granted, capacity, out } = open({ a: one, b: one, c: { limits: { rpd: 1 } } });
  const held = [await granted(["a"]), await granted(["b"])];
  (await granted(["c"])).end(said);
  const heard: string[] = [];
  const stop = new AbortController();
  const waiting = capacity.enter(
    {
      ...{ id: "late", rank: 0, tenant: "goal", outputLikely: 1, series: "x", end: undefined },
      candidates: ["a", "b", "c"].map((provider) => ({
        ...{ provider, floor: 0 },
        draft: { input: 1, cachedInput: 0, output: 1, outputMax: 1 },
      })),
    },
    stop.signal,
    (why) => heard.push(why),
  );
  expect(heard).toEqual(["a, b: a free slot; c: day window used up"]);
  stop.abort(new Error("left"));
  await expect(waiting).rejects.toThrow("left");
  for (const place of held) place.end(said);
  expect([capacity.waiting, out()]).toEqual([0, 0]);
});

/** How many begin at once, one after the other. */
async function atOnce({ enter }: ReturnType<typeof open>, providers: readonly string[]): Promise<number> {
  for (let count = 0; count < 50; count++) {
    const place = await enter(providers, { series: String(count) });
    if (place.kind !== "granted") return count;
    place.end(said);
  }
  return 50;
}

test("who configured less than a provider tells gets less", async () => {
  const all = open({ a: { limits: { rpm: 6 }, metering: "openai" } }, 0);
  (await all.granted(["a"])).end({ ...said, headers: { limit: "1000" } });
  expect(await all.enter(["a"])).toMatchObject({ kind: "later" });
  all.clock.jump(10_300);
  expect(await atOnce(all, ["a"])).toBe(1);
});

test("of two providers with one account and model the lower limits count, whoever is known first", async () => {
  const [few, many] = [{ rpm: 6 }, { rpm: 6_000 }].map((limits) => ({ limits, account: "same", model: "m" }));
  for (const lots of [
    { a: few ?? {}, b: many ?? {} },
    { a: many ?? {}, b: few ?? {} },
  ])
    expect(await atOnce(open(lots, 0), ["a", "b"])).toBe(1);
});

test("other limits in the configuration count at once, also for what is out", async () => {
  const all = open({ a: { limits: { rpm: 6_000, concurrency: 9 } } }, 0);
  const held = await all.granted(["a"]);
  all.offer("a", { limits: { rpm: 1, concurrency: 1 } });
  held.end(said);
  expect(await atOnce(all, ["a"])).toBe(1);
  all.offer("a", { limits: { rpm: 6_000, concurrency: 9 } });
  all.clock.jump(1_000);
  expect(await atOnce(all, ["a"])).toBeGreaterThan(5);
});

test("usage that no such call can have costs minutes, not years", async () => {
  const all = open({ a: { limits: { tpm: 100_000 } } }, 0);
  const usage = { input: 1e12, cachedInput: 0, output: 1e308 };
  (await all.granted(["a"])).end({ ...said, usage });
  const later = await all.enter(["a"]);
  expect(later).toMatchObject({ kind: "later" });
  expect(later.kind === "later" && later.until - start).toBeLessThan(3_600_000);
});

test("a key that is good for something is not shut for a use that it is not good for", async () => {
  const { granted, enter } = open({ a: {} });
  const forbidden = failed({ kind: "auth", why: "HTTP 403", isOfUse: true });
  (await granted(["a"])).end(said);
  (await granted(["a"])).end(forbidden);
  (await granted(["a"])).end(failed({ kind: "auth", why: "HTTP 401" }));
  expect(await enter(["a"])).toMatchObject({ kind: "never" });
  const other = open({ a: {} });
  (await other.granted(["a"])).end(forbidden);
  expect(await other.enter(["a"])).toMatchObject({ kind: "never" });
});
