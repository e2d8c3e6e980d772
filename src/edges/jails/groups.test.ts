import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findGroups } from "./groups.ts";

/** Made-up trees: what is written where. Real groups are used by the tests of the jail, where there are some. */
let root = "";
let own = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "rigs-groups-"));
  own = join(root, "own");
});
afterEach(() => rmSync(root, { recursive: true }));

const folder = (path: string, files: Record<string, string>) => {
  mkdirSync(join(root, path), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, path, name), text);
};
const limits = { memoryBytesMax: 1000, processesMax: 7 };

test("version 2: beside our own group, where memory and pids are handed down", async () => {
  writeFileSync(own, "0::/user/app.scope\n");
  folder("user", { "cgroup.subtree_control": "cpu memory pids\n" });
  const groups = findGroups(root, own);
  expect(groups?.version).toBe(2);
  const group = groups?.make(limits);
  const name = readdirSync(join(root, "user")).findLast((each) => each.startsWith("rigs-")) ?? "";
  const read = (file: string) => readFileSync(join(root, "user", name, file), "utf8");
  await group?.enter(42);
  expect([read("memory.max"), read("pids.max"), read("cgroup.procs")]).toEqual(["1000", "9", "42"]);
  folder(`user/${name}`, {
    "memory.events": "low 0\noom 1\noom_kill 1\n",
    "pids.events": "max 3\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
  });
  expect(group?.sighting()).toEqual({ memoryHit: true, processesHit: true, cpuSeconds: 2.5 });
});

test("version 2 without memory handed down, or at the root, is no use", () => {
  writeFileSync(own, "0::/user/app.scope\n");
  folder("user", { "cgroup.subtree_control": "cpu\n" });
  expect(findGroups(root, own)).toBe(undefined);
  writeFileSync(own, "0::/\n");
  folder("", { "cgroup.subtree_control": "memory pids\n" });
  expect(findGroups(root, own)).toBe(undefined);
});

test("version 1: below our own groups", () => {
  writeFileSync(own, "7:pids:/a\n4:memory:/a\n2:cpu,cpuacct:/\n0::/\n");
  for (const path of ["memory/a", "pids/a"]) folder(path, { "cgroup.procs": "" });
  const groups = findGroups(root, own);
  expect(groups?.version).toBe(1);
  const group = groups?.make(limits);
  const name = readdirSync(join(root, "pids/a")).findLast((each) => each.startsWith("rigs-")) ?? "";
  expect(readFileSync(join(root, "memory/a", name, "memory.limit_in_bytes"), "utf8")).toBe("1000");
  expect(readFileSync(join(root, "pids/a", name, "pids.max"), "utf8")).toBe("9");
  folder(`memory/a/${name}`, { "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n" });
  folder(`pids/a/${name}`, { "pids.events": "max 1\n" });
  expect(group?.sighting()).toEqual({ memoryHit: false, processesHit: true, cpuSeconds: undefined });
});

test("version 1 with one controller only, or none at all, is no use", () => {
  writeFileSync(own, "4:memory:/a\n");
  folder("memory/a", { "cgroup.procs": "" });
  expect(findGroups(root, own)).toBe(undefined);
  expect(findGroups(root, join(root, "nowhere"))).toBe(undefined);
});

test("groups of processes that are dead are swept, those of the living are not", () => {
  writeFileSync(own, "7:pids:/\n4:memory:/\n");
  for (const path of ["memory", "pids"]) folder(path, { "cgroup.procs": "" });
  mkdirSync(join(root, "memory/rigs-999999999-1"));
  mkdirSync(join(root, `memory/rigs-${process.ppid}-1`));
  mkdirSync(join(root, "memory/somebody-else"));
  findGroups(root, own);
  const left = ["rigs-999999999-1", `rigs-${process.ppid}-1`, "somebody-else"].filter((name) =>
    existsSync(join(root, "memory", name)),
  );
  expect(left).toEqual([`rigs-${process.ppid}-1`, "somebody-else"]);
});
