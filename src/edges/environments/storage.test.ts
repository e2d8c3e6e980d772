import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { mountPoint, remove, sizeOf } from "./folder.ts";
import { keptBytesMax, openStorage } from "./storage.ts";

const top = mkdtempSync(join(tmpdir(), "rigs-storage-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
const folder = (name: string) => {
  mkdirSync(join(top, name));
  return join(top, name);
};

const installation = { key: "k", modules: ["node_modules"], hasEnvironment: false, bytes: 1, builtAt: 2 };

test("an installation is found only under its final name, complete", async () => {
  const storage = openStorage(folder("found"), keptBytesMax);
  const built = await storage.begin();
  expect(await storage.find("k")).toBeUndefined();
  await storage.keep(built, installation);
  expect(await storage.find("k")).toEqual(installation);
  mkdirSync(join(storage.root, "half"));
  expect(await storage.find("half")).toBeUndefined();
  writeFileSync(join(storage.root, "half/complete.json"), JSON.stringify(installation));
  expect(await storage.find("half")).toBeUndefined();
});

test("of two builds the first stays, and the second is discarded", async () => {
  const storage = openStorage(folder("two"), keptBytesMax);
  const [first, second] = [await storage.begin(), await storage.begin()];
  await storage.keep(first, installation);
  await storage.keep(second, { ...installation, bytes: 9 });
  await storage.discard(second);
  await storage.discard(first);
  expect(await storage.find("k")).toEqual(installation);
  expect(readdirSync(storage.root)).toEqual(["k"]);
});

test("the sweep takes what nobody builds in, and nothing else", async () => {
  const storage = openStorage(folder("sweep"), keptBytesMax);
  const ended = spawnSync("/bin/true").pid;
  const mine = await storage.begin();
  const others = [
    `building-${ended}-0a`,
    `building-${process.pid}-0b`,
    "building-1-0c",
    "interpreters",
    "abc",
  ];
  for (const name of others) mkdirSync(join(storage.root, name));
  await storage.sweep();
  expect(readdirSync(storage.root).sort()).toEqual(
    [mine.slice(mine.lastIndexOf("/") + 1), "building-1-0c", "interpreters", "abc"].sort(),
  );
});

test("over the bound goes what was asked for longest ago, but nothing that this process uses", async () => {
  const { root } = openStorage(folder("bound"), 0);
  // As earlier processes left them: name, size, and when it was last asked for.
  for (const [name, bytes, askedAt] of [
    ["old", 10, 3_000],
    ["older", 10, 1_000],
    ["new", 10, 4_000],
    ["newer", 10, 2_000],
  ] as const) {
    mkdirSync(join(root, name));
    const record = join(root, name, "complete.json");
    writeFileSync(record, JSON.stringify({ ...installation, key: name, bytes }));
    utimesSync(record, askedAt, askedAt);
  }
  mkdirSync(join(root, "interpreters"));
  const left = async (bytesMax: number) => {
    const storage = openStorage(root, bytesMax);
    await Promise.all([storage.sweep(), storage.sweep()]);
    return readdirSync(root).sort();
  };
  expect(await left(40)).toEqual(["interpreters", "new", "newer", "old", "older"]);
  expect(await left(39)).toEqual(["interpreters", "new", "newer", "old"]);
  expect((await openStorage(root, 0).find("newer"))?.key).toBe("newer");
  expect(statSync(join(root, "newer/complete.json")).mtimeMs).toBeGreaterThan(4_000_000);
  expect(await left(20)).toEqual(["interpreters", "new", "newer"]);
  expect(await left(0)).toEqual(["interpreters", "newer"]);
});

test("removal takes links, not what they point to, however deep", async () => {
  const [victim, outside] = [folder("victim"), folder("outside")];
  writeFileSync(join(outside, "kept"), "kept");
  symlinkSync(outside, join(victim, "link"));
  // Deeper than any path may be long.
  const made = spawnSync(
    "/usr/bin/python3",
    ["-c", "import os\nname = 'd' * 250\nfor _ in range(20): os.mkdir(name); os.chdir(name)"],
    { cwd: victim },
  );
  expect(made.status).toBe(0);
  await remove(victim);
  expect(existsSync(victim)).toBe(false);
  expect(readFileSync(join(outside, "kept"), "utf8")).toBe("kept");
  const link = join(top, "link");
  symlinkSync(outside, link);
  await remove(link);
  expect(readdirSync(outside)).toEqual(["kept"]);
  await remove(join(top, "absent"));
});

test("a mount point is a real folder, whatever was left there", async () => {
  const here = folder("points");
  symlinkSync("/etc", join(here, "link"));
  writeFileSync(join(here, "file"), "");
  mkdirSync(join(here, "folder"));
  for (const name of ["link", "file", "folder", "absent"]) {
    await mountPoint(join(here, name));
    expect(readdirSync(join(here, name))).toEqual([]);
  }
});

test("many small files count, and counting stops at the bound", async () => {
  const here = folder("sizes");
  for (let index = 0; index < 100; index++) writeFileSync(join(here, `${index}`), "");
  expect(await sizeOf([here], 10_000_000)).toBeGreaterThanOrEqual(100 * 4096);
  expect(await sizeOf([here], 10_000)).toBeLessThan(30_000);
});
