import fc from "fast-check";
import { expect, test } from "vitest";
import { placesOf } from "./places.ts";

test("everything lies in the home, but for the work of root's jails", () => {
  const { home, workRoot, ...inside } = placesOf("/h/.rigs", false);
  for (const place of [workRoot, ...Object.values(inside)]) expect(place.startsWith(`${home}/`)).toBe(true);
  expect(placesOf("/h/.rigs", true).workRoot).toMatch(/^\/var\/lib\/rigs\/[0-9a-f]{12}$/);
});

test("two homes never share a work folder, and one home always has the same", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      const same = placesOf(left, true).workRoot === placesOf(right, true).workRoot;
      expect(same).toBe(left === right);
    }),
  );
});
