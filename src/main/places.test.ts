import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { markWorkRoot, orphansBeside, type Places, placesOf, sweepIn } from "./places.ts";

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

test("a work folder is an orphan when the home it names is gone, and only then", () => {
  const top = mkdtempSync(join(tmpdir(), "rigs-places-"));
  try {
    const placeOf = (name: string): Places => {
      const home = join(top, `home-${name}`);
      mkdirSync(home);
      const workRoot = join(top, "work", name.repeat(12));
      mkdirSync(workRoot, { recursive: true });
      return { ...placesOf(home, true), workRoot };
    };
    const [ours, theirs, gone] = [placeOf("a"), placeOf("b"), placeOf("c")];
    placeOf("d");
    for (const place of [ours, theirs, gone]) markWorkRoot(place);
    expect(orphansBeside(ours, 20)).toEqual([]);
    rmSync(gone.home, { recursive: true });
    expect(orphansBeside(ours, 20)).toEqual([gone.workRoot]);
    expect(orphansBeside(ours, 0)).toEqual([]);
    // The command that is told to people removes that one and nothing else.
    execFileSync("/bin/sh", ["-c", sweepIn(join(top, "work"))]);
    expect(readdirSync(join(top, "work"))).toEqual(["a".repeat(12), "b".repeat(12), "d".repeat(12)]);
    // Below an ordinary user's home there is nothing beside one's own.
    expect(orphansBeside(placesOf(ours.home, false), 20)).toEqual([]);
  } finally {
    rmSync(top, { recursive: true });
  }
});
