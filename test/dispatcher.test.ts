import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketOf } from "../src/domain/bucket.ts";
import { passedMax } from "../src/domain/dispatch.ts";
import type { Draft, LeaseId } from "../src/domain/meter.ts";
import { slotsOf } from "../src/domain/slots.ts";
import { streamOf } from "../src/domain/stream.ts";
import { tankOf } from "../src/domain/tank.ts";
import { windowOf } from "../src/domain/window.ts";
import { present } from "../src/kit/assert.ts";
import { VirtualClock } from "../src/kit/virtual.ts";
import { Dispatcher, type Ticket } from "../src/work/dispatcher.ts";

const start = 1_000_000;
const never = new AbortController().signal;

function draftOf(input: number): Draft {
  return { input, cachedInput: 0, output: 10, outputMax: 10 };
}

function ticketOf(name: string, input: number, providers: readonly string[], rank = 0): Ticket {
  return {
    id: name as LeaseId,
    rank,
    tenant: "goal",
    drafts: new Map(providers.map((provider) => [provider, draftOf(input)])),
    outputLikely: 10,
    floors: new Map(),
    warm: undefined,
  };
}

const gone = { ending: { used: undefined, how: "well" }, readings: [], closure: undefined } as const;

function open(clock: VirtualClock, shape: { perMinute: number; burst: number; slots: number }) {
  const dispatcher = new Dispatcher({ clock, leaseMs: 600_000, patienceMs: 60_000 });
  const meters = [bucketOf("input", "fixed", shape, start)];
  const slots = { ...slotsOf(shape.slots), limit: shape.slots };
  dispatcher.offer({ provider: "a", tanks: ["a"], perMs: 1 }, [tankOf("a", { meters, slots }, start)]);
  return dispatcher;
}

/** Lets promises that are settled be heard. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

test("a call begins when its tank lets it, by one timer", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 600, burst: 100, slots: 10 });
  expect(await dispatcher.enter(ticketOf("one", 100, ["a"]), never)).toEqual({
    kind: "place",
    provider: "a",
  });
  const waiting = dispatcher.enter(ticketOf("two", 50, ["a"]), never);
  await settle();
  expect(dispatcher.waiting).toBe(1);
  expect(clock.advance()).toBe(true);
  expect(clock.now()).toBe(start + 5_000);
  expect((await waiting).kind).toBe("place");
  expect(clock.advance(), "no timer is left").toBe(false);
});

test("who comes to a provider that was closed while nobody waited for it begins when it opens", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 600, burst: 100, slots: 10 });
  const one = { ...slotsOf(1), limit: 1 };
  dispatcher.offer({ provider: "b", tanks: ["b"], perMs: 1 }, [
    tankOf("b", { meters: [], slots: one }, start),
  ]);
  for (const [name, provider] of [
    ["first", "a"],
    ["second", "b"],
  ] as const)
    expect((await dispatcher.enter(ticketOf(name, 1, [provider]), never)).kind).toBe("place");
  const full = dispatcher.enter(ticketOf("third", 1, ["b"]), never);
  await settle();
  const closure = { scope: "model", opens: "at once", until: start + 10_000, why: "overloaded" } as const;
  dispatcher.leave("first" as LeaseId, { ...gone, closure });
  const late = dispatcher.enter(ticketOf("fourth", 1, ["a"]), never);
  await settle();
  expect(clock.advance()).toBe(true);
  expect(clock.now()).toBe(start + 10_000);
  expect((await late).kind).toBe("place");
  dispatcher.leave("second" as LeaseId, gone);
  expect((await full).kind).toBe("place");
});

test("what cannot begin for long is handed back with the moment, what waits for a slot is woken by its coming back", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = new Dispatcher({ clock, leaseMs: 600_000, patienceMs: 60_000 });
  const day = windowOf("day", "requests", { limit: 1, periodMs: 86_400_000, resetAt: start + 3_600_000 });
  const one = { ...slotsOf(1), limit: 1 };
  dispatcher.offer({ provider: "a", tanks: ["a"], perMs: 1 }, [
    tankOf("a", { meters: [day], slots: slotsOf(9) }, start),
  ]);
  dispatcher.offer({ provider: "b", tanks: ["b"], perMs: 1 }, [
    tankOf("b", { meters: [], slots: one }, start),
  ]);
  expect((await dispatcher.enter(ticketOf("one", 1, ["a"]), never)).kind).toBe("place");
  expect(await dispatcher.enter(ticketOf("two", 1, ["a"]), never)).toEqual({
    kind: "later",
    until: start + 3_600_000,
    why: "a: day window used up",
  });
  expect((await dispatcher.enter(ticketOf("three", 1, ["a", "b"]), never)).kind).toBe("place");
  const four = dispatcher.enter(ticketOf("four", 1, ["b"]), never);
  await settle();
  expect(dispatcher.waiting).toBe(1);
  dispatcher.leave("three" as LeaseId, gone);
  expect(await four).toEqual({ kind: "place", provider: "b" });
});

test("who is aborted while waiting leaves nothing behind", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 600, burst: 100, slots: 10 });
  await dispatcher.enter(ticketOf("one", 100, ["a"]), never);
  const stop = new AbortController();
  const waiting = dispatcher.enter(ticketOf("two", 50, ["a"]), stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  expect(dispatcher.waiting).toBe(0);
  dispatcher.leave("one" as LeaseId, gone);
  expect([...dispatcher.tanks().values()].every(({ leases }) => leases.length === 0)).toBe(true);
});

test("everybody who enters leaves, the leases are the calls that are out, and at the end nothing is held", async () => {
  const call = fc.record({
    input: fc.integer({ min: 1, max: 300 }),
    lastsMs: fc.integer({ min: 1, max: 30_000 }),
    rank: fc.nat(5),
    isAborted: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 25 }), async (calls) => {
      const clock = new VirtualClock(start);
      const dispatcher = open(clock, { perMinute: 6_000, burst: 100, slots: 4 });
      let out = 0;
      let over = 0;
      const lives = calls.map(async ({ input, lastsMs, rank, isAborted }, index) => {
        const stop = new AbortController();
        const entering = dispatcher.enter(ticketOf(`c${index}`, input, ["a"], rank), stop.signal);
        if (isAborted && index % 3 === 0) stop.abort(new Error("enough"));
        try {
          const place = await entering;
          if (place.kind === "later") return;
          out += 1;
          // Others may have a place that they have not heard of yet.
          expect(dispatcher.tanks().get("a")?.leases.length).toBeGreaterThanOrEqual(out);
          await clock.sleep(lastsMs, never);
          dispatcher.leave(`c${index}` as LeaseId, gone);
          out -= 1;
        } catch (error) {
          expect((error as Error).message).toBe("enough");
          dispatcher.leave(`c${index}` as LeaseId, gone);
        } finally {
          over += 1;
        }
      });
      for (let turn = 0; turn < 500 && over < calls.length; turn++) {
        await settle();
        clock.advance();
      }
      await Promise.all(lives);
      expect(dispatcher.waiting).toBe(0);
      expect(dispatcher.tanks().get("a")?.leases).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test("a call whose holder is gone comes back by itself: who waits for its slot is woken", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 60_000, burst: 1_000, slots: 1 });
  await dispatcher.enter(ticketOf("lost", 1, ["a"]), never);
  const waiting = dispatcher.enter(ticketOf("next", 1, ["a"]), never);
  await settle();
  expect(clock.advance()).toBe(true);
  expect(clock.now()).toBe(start + 600_000);
  expect((await waiting).kind).toBe("place");
});

test("who is more important goes before ten thousand that came earlier; nobody is passed by for ever", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 60_000, burst: 1_000, slots: 1 });
  const begun: string[] = [];
  const enter = (name: string, rank: number) =>
    void dispatcher.enter(ticketOf(name, 1, ["a"], rank), new AbortController().signal).then(() => {
      begun.push(name);
    });
  enter("first", 0);
  for (let index = 0; index < 10_000; index++) enter(`c${index}`, 1_000 + index);
  enter("urgent", 500);
  await settle();
  expect(dispatcher.waiting).toBe(10_001);
  for (const name of ["first", "urgent", "c0", "c1"]) {
    dispatcher.leave(name as LeaseId, gone);
    await settle();
  }
  expect(begun).toEqual(["first", "urgent", "c0", "c1", "c2"]);
});

test("a limit of 0 lets nobody in and says which; a clock that was set back keeps nobody waiting for the lost hour", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = new Dispatcher({ clock, leaseMs: 600_000, patienceMs: 60_000 });
  const none = windowOf("day", "requests", { limit: 0, periodMs: 86_400_000, resetAt: start + 7_200_000 });
  dispatcher.offer({ provider: "a", tanks: ["a"], perMs: 1 }, [
    tankOf("a", { meters: [none], slots: slotsOf(9) }, start),
  ]);
  expect(await dispatcher.enter(ticketOf("one", 1, ["a"]), never)).toEqual({
    ...{ kind: "later", until: start + 7_200_000, why: "a: day window used up" },
  });
  const other = open(clock, { perMinute: 600, burst: 100, slots: 10 });
  await other.enter(ticketOf("one", 100, ["a"]), never);
  clock.jump(-3_600_000);
  const waiting = other.enter(ticketOf("two", 50, ["a"]), never);
  await settle();
  clock.advance();
  expect((await waiting).kind).toBe("place");
  expect(clock.now()).toBe(start - 3_600_000 + 5_000);
});

test("who waits for what is out stays in line, however late that is expected; who waits for a closure behind it is told of that", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = new Dispatcher({ clock, leaseMs: 600_000, patienceMs: 30_000 });
  // A first call that may write 80 s long, as fast as the limit lets anybody.
  const written = streamOf({ perMinute: 60_000, burst: 1_000 }, start);
  const counted = bucketOf("input", "start", { perMinute: 60, burst: 100 }, start);
  dispatcher.offer({ provider: "a", tanks: ["a"], perMs: 1 }, [
    tankOf("a", { meters: [written], slots: slotsOf(9) }, start),
  ]);
  dispatcher.offer({ provider: "b", tanks: ["b"], perMs: 1 }, [
    tankOf("b", { meters: [counted], slots: slotsOf(9) }, start),
  ]);
  const long = { input: 1, cachedInput: 0, output: 80_000, outputMax: 80_000 };
  const wide = { input: 100, cachedInput: 0, output: 1, outputMax: 1 };
  const of = (name: string, provider: string, draft: Draft): Ticket => ({
    ...ticketOf(name, 1, []),
    drafts: new Map([[provider, draft]]),
  });
  for (const [provider, draft] of [
    ["a", long],
    ["b", wide],
  ] as const) {
    expect((await dispatcher.enter(of(`${provider}1`, provider, draft), never)).kind).toBe("place");
    const second = dispatcher.enter(of(`${provider}2`, provider, draft), never);
    await settle();
    expect(dispatcher.waiting, "it waits in line").toBe(1);
    dispatcher.leave(`${provider}1` as LeaseId, {
      ...gone,
      ending: { used: { ...draft, input: 1, output: 1 }, how: "well" },
    });
    if (dispatcher.waiting > 0) clock.advance();
    expect(await second).toEqual({ kind: "place", provider });
    expect(clock.now(), "it began soon after the first came back").toBeLessThan(start + 2_000);
    const third = dispatcher.enter(of(`${provider}3`, provider, draft), never);
    await settle();
    dispatcher.leave(`${provider}2` as LeaseId, {
      ...{ ending: { used: draft, how: "else" }, readings: [] },
      closure: { scope: "model", opens: "at once", until: start + 100_000, why: "overloaded" },
    });
    expect(await third).toMatchObject({ kind: "later" });
  }
});

test("a window that is full opens: at the moment named, else when a period is over; a moment in the past names none", async () => {
  const hour = 3_600_000;
  for (const [resetAt, until] of [
    [start + 1_000_000, start + 1_000_000],
    [undefined, start + hour],
    [start - 5_000, start + hour],
  ] as const) {
    const clock = new VirtualClock(start);
    const dispatcher = new Dispatcher({ clock, leaseMs: 600_000, patienceMs: 60_000 });
    dispatcher.offer({ provider: "a", tanks: ["a"], perMs: 1 }, [
      tankOf("a", { meters: [], slots: slotsOf(9) }, start),
    ]);
    const told = { kind: "window", name: "hour", measure: "share", periodMs: hour } as const;
    const full = { ...told, scope: "account", used: 1, limit: undefined, resetAt } as const;
    dispatcher.inform(["a"], [full]);
    const first = await dispatcher.enter(ticketOf("one", 1, ["a"]), never);
    expect(first).toEqual({ kind: "later", until, why: "a: hour window used up" });
    // Told so once more, it ends no later for that.
    clock.jump(300_000);
    dispatcher.inform(["a"], [{ ...full, resetAt: undefined }]);
    expect(await dispatcher.enter(ticketOf("two", 1, ["a"]), never)).toEqual(first);
    clock.jump(until - clock.now());
    expect((await dispatcher.enter(ticketOf("three", 1, ["a"]), never)).kind).toBe("place");
  }
});

test("whoever is large is not passed by for long by another goal's small calls; by its own goal's longer", async () => {
  const passes = async (tenant: string) => {
    const clock = new VirtualClock(start);
    const dispatcher = open(clock, { perMinute: 6_000, burst: 1_000, slots: 9 });
    await dispatcher.enter(ticketOf("first", 1_000, ["a"]), never);
    let isOut = false;
    void dispatcher.enter({ ...ticketOf("large", 900, ["a"]), tenant }, never).then(() => {
      isOut = true;
    });
    let begun = 0;
    for (let turn = 0; turn < 1_000 && !isOut; turn++) {
      // As much as a small one takes comes back between two of them.
      clock.jump(150);
      const name = `s${turn}` as LeaseId;
      void dispatcher.enter({ ...ticketOf(name, 15, ["a"]), tenant: "small" }, never).then(() => {
        begun += 1;
        dispatcher.leave(name, { ...gone, ending: { used: draftOf(15), how: "well" } });
      });
      await settle();
    }
    return begun;
  };
  expect(await passes("large")).toBe(passedMax / 16);
  expect(await passes("small")).toBe(passedMax);
});

test("goals are given alike by what their calls really take; what never left costs nothing", async () => {
  const clock = new VirtualClock(start);
  const dispatcher = open(clock, { perMinute: 60_000, burst: 100_000, slots: 1 });
  const begun: string[] = [];
  const enter = (name: string, tenant: string) =>
    void dispatcher.enter({ ...ticketOf(name, 10, ["a"]), tenant }, never).then(() => {
      begun.push(name);
    });
  enter("first", "other");
  for (let index = 0; index < 200; index++) {
    enter(`long ${index}`, "long");
    enter(`short ${index}`, "short");
    enter(`unmade ${index}`, "unmade");
  }
  for (let turn = 0; turn < 400; turn++) {
    await settle();
    const name = present(begun[turn], "one began") as LeaseId;
    const output = name.startsWith("long") ? 100 : 10;
    const ending = name.startsWith("unmade")
      ? ({ how: "unmade", used: undefined } as const)
      : ({ how: "well", used: { ...draftOf(10), output } } as const);
    dispatcher.leave(name, { ...gone, ending });
  }
  const of = (kind: string) => begun.filter((name) => name.startsWith(kind)).length;
  // What is in view was charged before anybody knew; behind it seven short ones go for a long one.
  expect(of("unmade")).toBe(200);
  expect(of("short")).toBeGreaterThan(4 * of("long"));
});
