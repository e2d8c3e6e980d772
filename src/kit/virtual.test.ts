import fc from "fast-check";
import { expect, test } from "vitest";
import { VirtualClock } from "./virtual.ts";

const start = 1_000;
const never = new AbortController().signal;

test("timers ring in the order of their times, then of their setting, and those taken back never", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ set: fc.integer({ min: -5, max: 30 }) }) },
    { weight: 1, arbitrary: fc.record({ off: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.constant("advance" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = new VirtualClock(start);
      // What is set, the next one first: a sort is stable.
      let waiting: { readonly name: number; readonly at: number }[] = [];
      const offs: (() => void)[] = [];
      const rung: number[] = [];
      const advance = () => {
        const next = waiting.shift();
        const before = rung.length;
        expect(clock.advance()).toBe(next !== undefined);
        expect(rung.slice(before)).toEqual(next === undefined ? [] : [next.name]);
        if (next !== undefined) expect(clock.now()).toBe(next.at);
      };
      for (const each of steps)
        if (each === "advance") advance();
        else if ("off" in each) {
          offs[each.off]?.();
          waiting = waiting.filter(({ name }) => name !== each.off);
        } else {
          const name = offs.length;
          offs.push(clock.at(clock.now() + each.set, () => void rung.push(name)));
          waiting.push({ name, at: clock.now() + Math.max(0, each.set) });
          waiting.sort((left, right) => left.at - right.at);
        }
      while (waiting.length > 0) advance();
      advance();
    }),
  );
});

test("who is taken back from the middle may be replaced by one that rings before its neighbours", () => {
  const clock = new VirtualClock(start);
  const rung: number[] = [];
  const offs = [0, 10, 1, 20, 21, 2, 4, 30, 31, 22, 23, 3].map((ms) =>
    clock.at(start + ms, () => void rung.push(ms)),
  );
  offs[7]?.();
  while (clock.advance());
  expect(rung).toEqual([0, 1, 2, 3, 4, 10, 20, 21, 22, 23, 31]);
});

test("a sleep ends at its time; who is aborted hears why, and leaves no timer", async () => {
  const clock = new VirtualClock(start);
  const stop = new AbortController();
  const aborted = clock.sleep(5, stop.signal);
  const slept = clock.sleep(7.2, never).then(() => clock.now());
  stop.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await expect(clock.sleep(1, stop.signal)).rejects.toThrow("enough");
  expect(clock.advance()).toBe(true);
  expect(await slept, "whole ms").toBe(start + 8);
  expect(clock.advance()).toBe(false);
});

test("run lets promises be heard between two timers, and ends when it is over, at the moment named, or when nobody waits", async () => {
  const clock = new VirtualClock(start);
  const heard: number[] = [];
  const live = async () => {
    for (let turn = 0; turn < 3; turn++) {
      await clock.sleep(10, never);
      heard.push(clock.now() - start);
    }
  };
  void live();
  void live();
  expect(await clock.run(() => heard.length >= 2)).toBe(true);
  expect(heard).toEqual([10, 10]);
  expect(await clock.run(() => false, start + 25)).toBe(false);
  expect(heard).toEqual([10, 10, 20, 20]);
  expect(await clock.run(() => false)).toBe(false);
  expect(heard).toEqual([10, 10, 20, 20, 30, 30]);
});

test("after a jump what is due rings at once, and time that was set back stays so", async () => {
  const clock = new VirtualClock(start);
  const slept = clock.sleep(10, never);
  clock.jump(50);
  expect(clock.advance()).toBe(true);
  await slept;
  expect(clock.now()).toBe(start + 50);
  clock.jump(-1_000);
  const again = clock.sleep(10, never);
  clock.advance();
  await again;
  expect(clock.now()).toBe(start - 940);
});
