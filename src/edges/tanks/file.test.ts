import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LeaseId } from "../../domain/meter.ts";
import { refineryOf } from "../../domain/refinery.ts";
import { boundless } from "../../domain/slots.ts";
import { tankOf } from "../../domain/tank.ts";
import type { Clock } from "../../kit/clock.ts";
import { openTanksFile, readTanks } from "./file.ts";
import { type Begun, withLines } from "./lines.ts";
import { type SavedTanks, savedVersion, textOf } from "./shape.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rigs-tanks-"));
  path = join(folder, "tanks.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const savedOf = (name: string): SavedTanks => ({
  refinery: refineryOf([tankOf(name, { meters: [], slots: boundless }, 1)]),
  sections: { estimates: { of: name } },
});

/** Sleepers wake when the test says so; time stands where it was put. */
function heldClock(): Clock & { at: number; readonly asked: number[]; wake(): void } {
  const sleepers: (() => void)[] = [];
  const clock = {
    at: 1_000_000,
    asked: [] as number[],
    now: () => clock.at,
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        clock.asked.push(ms);
        sleepers.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    wake: () => {
      for (const sleeper of sleepers.splice(0)) sleeper();
    },
  };
  return clock;
}

test("where nothing was saved there is nothing, and nothing to say", async () => {
  expect(await readTanks(path)).toMatchObject({ savedAt: undefined, note: undefined });
});

test("what was changed last is there when it is closed, for this user only", async () => {
  const clock = heldClock();
  {
    await using file = openTanksFile({ path, clock });
    file.changed(() => savedOf("a"));
    file.changed(() => savedOf("b"));
  }
  expect(await readTanks(path)).toEqual({ saved: savedOf("b"), savedAt: clock.at, note: undefined });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(["tanks.json"]);
});

test("it is written at most once a second, and looks only when it writes", async () => {
  const clock = heldClock();
  let looks = 0;
  const look = (name: string) => () => {
    looks++;
    return savedOf(name);
  };
  await using file = openTanksFile({ path, clock });
  file.changed(look("first"));
  const first = await untilSaved("first");
  for (let count = 0; count < 100; count++) file.changed(look("many"));
  while (clock.asked.length === 0) await new Promise(setImmediate);
  expect({ looks, asked: clock.asked }).toEqual({ looks: 1, asked: [1_000] });
  expect(await readFile(path, "utf8")).toBe(first);
  clock.at += 1_000;
  clock.wake();
  await untilSaved("many");
  expect(looks).toBe(2);
});

/** Its text, as soon as the file has it. */
async function untilSaved(name: string): Promise<string> {
  for (;;) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.includes(`"${name}"`)) return text;
    await new Promise(setImmediate);
  }
}

const slotsOnly = (name: string) => tankOf(name, { meters: [], slots: boundless }, 1);
/** A call that draws from these. */
const begunAt = (id: string, ...tanks: readonly string[]): Begun => ({
  tanks,
  lease: {
    ...{ id: id as LeaseId, perMs: 1, startedAt: 1_000_000, until: 1_600_000 },
    draft: { input: 1, cachedInput: 0, output: 1, outputMax: 1 },
  },
});
const outIn = async () =>
  [...(await readTanks(path)).saved.refinery].map(([name, { leases }]) => [name, leases.map(({ id }) => id)]);

test("a call is in the file before it begins: in one of an earlier process, between two writings, during one", async () => {
  await writeFile(path, `${textOf(savedOf("a"), 1).trimEnd()}\n{"tanks":["a"],"lease":{"id":"torn`);
  const clock = heldClock();
  const file = openTanksFile({ path, clock });
  await file.load();
  const refinery = refineryOf([slotsOnly("a"), slotsOnly("b")]);
  file.begun(begunAt("one", "a", "b"), () => refinery);
  expect(await outIn()).toEqual([
    ["a", ["one"]],
    ["b", ["one"]],
  ]);
  const settledTwice = { ...slotsOnly("a"), leases: [begunAt("two").lease] };
  file.changed(() => ({ refinery: refineryOf([settledTwice, slotsOnly("b")]), sections: {} }));
  file.begun(begunAt("two", "a"), () => refinery);
  file.begun(begunAt("three", "b"), () => refinery);
  expect(await outIn()).toEqual([
    ["a", ["one", "two"]],
    ["b", ["one", "three"]],
  ]);
  while ((await outIn())[0]?.[1]?.includes("one" as LeaseId)) await new Promise(setImmediate);
  expect(await outIn()).toEqual([
    ["a", ["two"]],
    ["b", ["three"]],
  ]);
  file.begun(begunAt("four", "c"), () => refineryOf([slotsOnly("c")]));
  expect(await outIn()).toEqual([
    ["a", ["two"]],
    ["b", ["three"]],
    ["c", ["four"]],
  ]);
  await file[Symbol.asyncDispose]();
});

test("a call is kept where nothing was, and where nobody can read what was", async () => {
  for (const left of [undefined, "{"]) {
    await rm(path, { force: true });
    if (left !== undefined) await writeFile(path, left);
    await using file = openTanksFile({ path, clock: heldClock() });
    await file.load();
    file.begun(begunAt("one", "a"), () => refineryOf([slotsOnly("a")]));
    expect(await outIn()).toEqual([["a", ["one"]]]);
  }
});

test("law: what a kill tears off the last line costs that call alone", async () => {
  const lines = ["one", "two"].map((id) => `\n${JSON.stringify(begunAt(id, "a"))}`).join("");
  const saved = refineryOf([slotsOnly("a")]);
  for (let length = 1; length < lines.length; length++) {
    const { tanks } = withLines({ tanks: saved, at: 1, lost: 0 }, lines.slice(0, length).split("\n"));
    const leases = tanks.get("a")?.leases ?? [];
    expect(leases.map(({ id }) => id)).toEqual(length < lines.length / 2 ? [] : ["one"]);
  }
});

test.each([
  ["cut short", "{", /is cut short or damaged/],
  ["foreign", "{}", /is not what Rigs writes there/],
  ["newer", JSON.stringify({ version: savedVersion + 1 }), /was written by a newer Rigs/],
  ["older", JSON.stringify({ version: savedVersion - 1 }), /was written by an older Rigs/],
])("%s: starts anew with one line that says so, and the next writing mends it", async (_name, text, why) => {
  await writeFile(path, text);
  const clock = heldClock();
  const file = openTanksFile({ path, clock });
  const { saved, note } = await file.load();
  expect([...saved.refinery]).toEqual([]);
  expect(note).toMatch(why);
  expect(note).toMatch(/tanks\.json .*: what is known of limits starts anew$/);
  file.changed(() => savedOf("a"));
  await file[Symbol.asyncDispose]();
  expect((await readTanks(path)).note).toBeUndefined();
});

test("what is no file, and a disk that refuses, stop nobody", async () => {
  await mkdir(path);
  const file = openTanksFile({ path, clock: heldClock() });
  expect((await file.load()).note).toMatch(/tanks\.json /);
  file.changed(() => savedOf("a"));
  await file[Symbol.asyncDispose]();
  const lost = openTanksFile({ path: join(folder, "gone", "tanks.json"), clock: heldClock() });
  lost.changed(() => savedOf("a"));
  await lost[Symbol.asyncDispose]();
  expect(await readdir(folder)).toEqual(["tanks.json"]);
});

test("a draft that others may read or write gives its rights to nobody", async () => {
  const draft = join(folder, ".tanks.json.draft");
  await writeFile(draft, "old");
  await chmod(draft, 0o666);
  await using file = openTanksFile({ path, clock: heldClock() });
  file.changed(() => savedOf("a"));
  await file[Symbol.asyncDispose]();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a link laid where the draft goes is not followed", async () => {
  const other = join(folder, "other");
  await writeFile(other, "mine");
  await symlink(other, join(folder, ".tanks.json.draft"));
  await using file = openTanksFile({ path, clock: heldClock() });
  file.changed(() => savedOf("a"));
  await file[Symbol.asyncDispose]();
  expect(await readFile(other, "utf8")).toBe("mine");
});

test("a kill in the middle of writing leaves the old or the new one, whole", async () => {
  await writeFile(path, textOf(savedOf("before"), 1));
  const script = `
    import { openTanksFile } from ${JSON.stringify(join(import.meta.dirname, "file.ts"))};
    const clock = { now: () => Date.now(), sleep: async () => {} };
    const file = openTanksFile({ path: ${JSON.stringify(path)}, clock });
    const text = "x".repeat(8_000_000);
    const look = () => ({ refinery: new Map(), sections: { text } });
    for (;;) { file.changed(look); await new Promise(setImmediate); }`;
  for (const changes of [1, 2, 3, 6]) {
    // Where it is written in place, this sees it emptied; the text takes longer than the kill.
    const watcher = watch(folder);
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
    const ended = once(child, "exit");
    for (let seen = 0; seen < changes; seen++) await once(watcher, "change");
    child.kill("SIGKILL");
    await ended;
    watcher.close();
    const { note, saved } = await readTanks(path);
    expect(note).toBeUndefined();
    expect([1, 0]).toContain(saved.refinery.size);
  }
  expect((await readdir(folder)).length).toBeLessThanOrEqual(2);
});
