import fc from "fast-check";
import { expect, test } from "vitest";
import { openMemory } from "./memory.ts";

test("gives what was made, makes it once while it is kept, and holds no more than it may", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }),
      fc.integer({ min: 0, max: 20 }),
      async (keys, weightMax) => {
        const memory = openMemory<number>((value) => value, weightMax);
        let kept: number[] = [];
        for (const key of keys) {
          let made = 0;
          const value = await memory.get(String(key), async () => {
            made += 1;
            return key;
          });
          expect(value).toBe(key);
          expect(made).toBe(kept.includes(key) ? 0 : 1);
          kept = [...kept.filter((each) => each !== key), key];
          while (kept.reduce((sum, each) => sum + each, 0) > weightMax) kept = kept.slice(1);
        }
      },
    ),
  );
});

test("those who ask at the same time share one making, and a failure is not kept", async () => {
  const memory = openMemory<string>((value) => value.length, 100);
  let made = 0;
  const make = async () => {
    made += 1;
    if (made === 1) throw new Error("lost");
    return "found";
  };
  const [first, second] = await Promise.allSettled([memory.get("a", make), memory.get("a", make)]);
  expect([first.status, second.status, made]).toEqual(["rejected", "rejected", 1]);
  expect(await memory.get("a", make)).toBe("found");
  expect(await memory.get("a", make)).toBe("found");
  expect(made).toBe(2);
});
