import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { UsageError } from "../faces/house.ts";
import { homeOf, isThere, remedyOf, requireHome } from "./home.ts";

const folder = mkdtempSync(join(tmpdir(), "rigs-home-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("which home", () => {
  const check = (given: string | undefined, variables: Record<string, string>, home: string | RegExp) =>
    expect(homeOf(given, { folder: "/here", variables })).toMatch(home);

  test("--home, then RIGS_HOME, then the user's folder", () => {
    check("/a", { RIGS_HOME: "/b" }, /^\/a$/);
    check(undefined, { RIGS_HOME: "/b" }, /^\/b$/);
    check("a", {}, /^\/here\/a$/);
    check(undefined, {}, /^\/.*\/\.rigs$/);
    check(undefined, { RIGS_HOME: "" }, /\/\.rigs$/);
  });
  test("an empty --home is nobody's wish", () =>
    expect(() => homeOf(" ", { folder: "/here", variables: {} })).toThrow(/--home is empty/));
});

describe("a home that can be used", () => {
  test("is made where it is missing, closed to others", () => {
    const home = join(folder, "new", "deep");
    requireHome(home);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    requireHome(home);
  });
  test("is no file, and lies in no file and no place of the kernel's", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    for (const home of [file, join(file, "below"), "/proc/rigs-home"]) {
      expect(() => requireHome(home), home).toThrow(UsageError);
      expect(() => requireHome(home), home).toThrow(/choose another --home/);
    }
    expect(existsSync("/proc/rigs-home")).toBe(false);
  });
  test.skipIf(process.getuid?.() === 0)("can be written to (root may write everywhere)", () => {
    const home = join(folder, "closed");
    mkdirSync(home);
    chmodSync(home, 0o500);
    expect(() => requireHome(home)).toThrow(/EACCES/);
  });
});

test("a file that is not there is absent; one that cannot be seen is not", () => {
  const file = join(folder, "there");
  writeFileSync(file, "");
  expect(isThere(file)).toBe(true);
  expect(isThere(join(folder, "none"))).toBe(false);
  expect(() => isThere(join(file, "below"))).toThrow(/cannot read .*ENOTDIR/);
});

test("a full disk wants another remedy than a closed door", () => {
  expect(remedyOf("ENOSPC")).toMatch(/free some disk space/);
  expect(remedyOf("EACCES")).toMatch(/owner and mode/);
});
