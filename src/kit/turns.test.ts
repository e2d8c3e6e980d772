import fc from "fast-check";
import { expect, test } from "vitest";
import { inTurns } from "./turns.ts";

test("law: never more at one time than there may be, each once, in the order they came", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.nat({ max: 20 }), async (countMax, count) => {
      const turns = inTurns(countMax);
      const begun: number[] = [];
      const ends: PromiseWithResolvers<void>[] = [];
      const works = Array.from({ length: count }, (_, index) =>
        turns(() => {
          begun.push(index);
          const end = Promise.withResolvers<void>();
          ends.push(end);
          return end.promise;
        }),
      );
      for (let ended = 0; ended < count; ended++) {
        expect(begun).toHaveLength(Math.min(count, ended + countMax));
        ends[ended]?.resolve();
        await works[ended];
        // Whose turn comes is told in the same round of promises.
        await Promise.resolve();
      }
      expect(begun).toEqual(works.map((_, index) => index));
      // Whoever waited leaves no room behind that is not there.
      let again = 0;
      for (let late = 0; late <= countMax; late++)
        void turns(() => {
          again += 1;
          return new Promise<void>(() => undefined);
        });
      expect(again).toBe(countMax);
    }),
  );
});

test("who is stopped while waiting leaves the queue, and the next one has its turn", async () => {
  const turns = inTurns(1);
  const first = Promise.withResolvers<string>();
  const stop = new AbortController();
  const begun: string[] = [];
  const one = turns(() => first.promise);
  const two = turns(async () => void begun.push("two"), stop.signal);
  const three = turns(async () => void begun.push("three"));
  stop.abort(new Error("stopped"));
  await expect(two).rejects.toThrow("stopped");
  first.resolve("done");
  expect(await one).toBe("done");
  await three;
  expect(begun).toEqual(["three"]);
  await expect(turns(async () => void begun.push("late"), stop.signal)).rejects.toThrow("stopped");
});
