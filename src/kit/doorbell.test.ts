import { expect, test } from "vitest";
import type { Clock } from "./clock.ts";
import { Doorbell } from "./doorbell.ts";

/** A clock whose sleepers wake only when the test says so. */
function heldClock(): Clock & { readonly asked: number[]; wake(): void } {
  const sleepers: (() => void)[] = [];
  const asked: number[] = [];
  return {
    asked,
    now: () => 1_000,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        asked.push(ms);
        sleepers.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    wake: () => {
      for (const sleeper of sleepers.splice(0)) sleeper();
    },
  };
}

const never = new AbortController().signal;

test("a ring while nobody waits is kept, and many rings are one", async () => {
  const bell = new Doorbell();
  bell.ring();
  bell.ring();
  await bell.wait(undefined, heldClock(), never);
  let isOver = false;
  const second = bell.wait(undefined, heldClock(), never).then(() => {
    isOver = true;
  });
  await Promise.resolve();
  expect(isOver).toBe(false);
  bell.ring();
  await second;
});

test("waits for a moment as one timer, at once for a moment that has passed", async () => {
  const clock = heldClock();
  const bell = new Doorbell();
  const waiting = bell.wait(4_000, clock, never);
  expect(clock.asked).toEqual([3_000]);
  clock.wake();
  await waiting;
  const late = bell.wait(500, clock, never);
  expect(clock.asked).toEqual([3_000, 0]);
  clock.wake();
  await late;
});

test("rejects with the signal's reason, before and while waiting", async () => {
  const stop = new AbortController();
  const bell = new Doorbell();
  const waiting = bell.wait(undefined, heldClock(), stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(bell.wait(undefined, heldClock(), stop.signal)).rejects.toThrow("enough");
});
