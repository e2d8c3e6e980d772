import fc from "fast-check";
import { expect, test } from "vitest";
import type { Interpreter } from "./interpreters.ts";
import { keyOf, type Recipe } from "./key.ts";

const node = (version: string): Interpreter => ({
  ...{ kind: "system", name: "node", version, command: "/usr/bin/node", packager: "9.2.0", why: "" },
});

type Files = readonly (readonly [string, string])[];

function recipe(files: Files, pip: Files = [], change: Partial<Recipe> = {}): Recipe {
  const bytes = (all: Files) => new Map(all.map(([path, text]) => [path, Buffer.from(text)]));
  const lock = {
    kind: "read",
    packages: 1,
    sources: [],
    folders: [],
    tarballs: [],
    scripted: [],
    installed: [],
  } as const;
  const asked = {
    kind: "read",
    requirements: [],
    constraints: [],
    indexes: [],
    urls: [],
    isProjectAsked: false,
  } as const;
  return {
    plan: {
      npm: { lockfile: "package-lock.json", files: bytes(files), settings: ["omit=dev"], lock },
      pip: { asked: { ...asked, files: bytes(pip) } },
      notes: [],
    },
    setup: "make",
    interpreters: [node("20.1.0")],
    ...{ platform: "linux", architecture: "x64" },
    ...change,
  };
}

const files = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.string()), {
  selector: ([path]) => path,
  minLength: 1,
});

test("the order of files makes no difference", () => {
  fc.assert(
    fc.property(files, files, (npm, pip) => {
      expect(keyOf(recipe([...npm].reverse(), [...pip].reverse()))).toBe(keyOf(recipe(npm, pip)));
    }),
  );
});

test("any byte of any file, and any path, does", () => {
  fc.assert(
    fc.property(files, fc.nat(), fc.boolean(), (all, at, isPath) => {
      const index = at % all.length;
      const changed = all.map(([path, text], place): readonly [string, string] =>
        place !== index ? [path, text] : isPath ? [`${path}!`, text] : [path, `${text}!`],
      );
      fc.pre(new Set(changed.map(([path]) => path)).size === changed.length);
      expect(keyOf(recipe(changed))).not.toBe(keyOf(recipe(all)));
      expect(keyOf(recipe([], changed))).not.toBe(keyOf(recipe([], all)));
    }),
  );
});

test("moving bytes between files, or a file between npm and pip, does", () => {
  const key = (npm: Files, pip: Files = []) => keyOf(recipe(npm, pip));
  const keys = [
    key([
      ["a", "xy"],
      ["b", ""],
    ]),
    key([
      ["a", "x"],
      ["b", "y"],
    ]),
    key([
      ["a", ""],
      ["b", "xy"],
    ]),
    key([["a", "xy"]], [["b", ""]]),
    key(
      [],
      [
        ["a", "xy"],
        ["b", ""],
      ],
    ),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test("setup, interpreters, platform, architecture and settings each do; notes do not", () => {
  const base = recipe([["a", "x"]]);
  const npm = base.plan.npm && { ...base.plan.npm, settings: [] };
  const absent: Interpreter = { kind: "absent", name: "node", why: "" };
  const changes: Partial<Recipe>[] = [
    {},
    { setup: undefined },
    { setup: "make all" },
    { interpreters: [node("20.1.1")] },
    { interpreters: [{ ...node("20.1.0"), packager: "10.0.0" } as Interpreter] },
    { interpreters: [absent] },
    { platform: "darwin" },
    { architecture: "arm64" },
    { plan: { ...base.plan, npm } },
    { plan: { ...base.plan, npm: undefined } },
  ];
  const keys = changes.map((change) => keyOf({ ...base, ...change }));
  expect(new Set(keys).size).toBe(keys.length);
  expect(keyOf({ ...base, plan: { ...base.plan, notes: ["said"] } })).toBe(keys[0]);
});
