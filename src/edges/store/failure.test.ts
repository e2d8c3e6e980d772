import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { beadId, type GoalId } from "../../domain/id.ts";
import { createBead, createGoal } from "../../domain/sample.case.ts";
import { StoreError } from "../../ports/store.ts";
import { openReader, openStore, storeFile } from "./sqlite.ts";

const goal = "aaaaaaaa" as GoalId;
const script = fileURLToPath(new URL("./disk.case.ts", import.meta.url));
const clock = { now: () => 1_700_000_000_000 };

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rigs-failure-"));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Runs in a mount namespace of its own, whose mounts vanish with it. */
function withMounts(script: string, ...values: string[]) {
  const rest = ["--mount", "--map-root-user", "sh", "-ec", script, "sh", ...values];
  return spawnSync("unshare", rest, { encoding: "utf8" });
}

const canMount = withMounts('mount -t tmpfs none "$1"', tmpdir()).status === 0;

async function filled(count: number): Promise<void> {
  const store = await openStore(home, clock);
  const beads = Array.from({ length: count }, (_, index) => createBead(beadId(goal, index + 1), goal));
  await store.log.append([createGoal(goal), ...beads], { kind: "none" });
  await store.close();
}

const raw = (sql: string) => {
  const database = new DatabaseSync(storeFile(home));
  database.exec(sql);
  database.close();
};

async function refused(work: Promise<unknown>, words: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreError);
  const { message } = error as StoreError;
  expect(message).toMatch(words);
  expect(message).not.toContain("\n");
}

test("a store is private to its user", async () => {
  const fresh = join(home, "new");
  const store = await openStore(fresh, clock);
  await store.log.append([createGoal(goal)], { kind: "none" });
  expect(statSync(fresh).mode & 0o777).toBe(0o700);
  for (const suffix of ["", "-wal", "-shm"])
    expect(statSync(storeFile(fresh) + suffix).mode & 0o777).toBe(0o600);
  await store.close();
  await store.close();
});

interface Told {
  readonly kept: number;
  readonly message: string;
}

function checkDisk(stdout: string): Told {
  const told = JSON.parse(stdout) as Told & Record<string, unknown>;
  expect(told).toMatchObject({ isStoreError: true, audit: [], auditAgain: [], beads: told.kept });
  expect(told.kept).toBeGreaterThan(10);
  expect(told.events, "no half of an append").toBe(1 + 2 * told.kept);
  return told;
}

test("a file that may not grow stops the append and nothing else", () => {
  const limited = 'ulimit -f 4000; exec "$1" "$2" "$3"';
  const { stdout } = spawnSync("sh", ["-c", limited, "sh", process.execPath, script, home], {
    encoding: "utf8",
  });
  expect(checkDisk(stdout).message).toMatch(/free some disk space|check its free space/);
});

test.skipIf(!canMount)(
  "a full disk stops the append, and room lets it go on (needs a mount namespace)",
  () => {
    const mounted = 'mount -t tmpfs -o size=2m none "$3"; exec "$1" "$2" "$3" ballast';
    const { stdout } = withMounts(mounted, process.execPath, script, home);
    const told = checkDisk(stdout);
    expect(told.message).toMatch(/^no space left for .*: free some disk space and try again$/);
    expect(told).toMatchObject({ again: "appended" });
  },
);

test.skipIf(!canMount)("a read-only disk is said (needs a mount namespace)", async () => {
  await filled(1);
  const open = `import { openStore } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
    await openStore(process.argv[1], { now: () => 1 }).catch((error) => console.log(error.name, error.message));`;
  const mounted =
    'mount --bind "$3" "$3"; mount -o remount,bind,ro "$3"; exec "$1" --input-type=module -e "$2" "$3"';
  const { stdout } = withMounts(mounted, process.execPath, open, home);
  expect(stdout).toMatch(/^StoreError .*(cannot be written|cannot open).*\n$/);
});

test("a damaged file is said", async () => {
  await filled(2_000);
  const bytes = statSync(storeFile(home)).size;
  truncateSync(storeFile(home), Math.floor(bytes / 2));
  const reading = (async () => {
    const reader = await openReader(home);
    await reader.view.beads({ countMax: 10_000 }).finally(() => reader.close());
  })();
  await refused(reading, /is damaged: keep a copy of it and restore/);
});

test("a file that is no store is left as it is", async () => {
  writeFileSync(storeFile(home), "these are my notes, and they are longer than a header\n".repeat(40));
  await refused(openStore(home, clock), /is not a Rigs store or is damaged/);
  await refused(openReader(home), /is not a Rigs store or is damaged/);
  rmSync(storeFile(home));
  raw("CREATE TABLE note (text TEXT)");
  await refused(openStore(home, clock), /is another program's database/);
});

test("a newer schema and a newer event are refused", async () => {
  await filled(1);
  raw("PRAGMA user_version = 99");
  await refused(
    openStore(home, clock),
    /was written by a newer Rigs \(schema 99, this one knows 2\): update Rigs/,
  );
  await refused(openReader(home), /newer Rigs/);
  raw("PRAGMA user_version = 2; UPDATE event SET version = 7 WHERE sequence = 2");
  const store = await openStore(home, clock);
  await refused(store.log.read(1, 10), /event 2 was written by a newer Rigs \(shape 7\): update Rigs/);
  expect((await store.audit()).join("\n")).toContain("event 2 does not fit the log before it");
  await store.close();
});

test("a foreign lock is said, and the store works when it is gone", async () => {
  const store = await openStore(home, { ...clock, waitMsMax: 20 });
  const foreign = new DatabaseSync(storeFile(home));
  foreign.exec("BEGIN IMMEDIATE");
  await refused(store.log.append([createGoal(goal)], { kind: "none" }), /is locked by another program/);
  foreign.exec("ROLLBACK");
  foreign.close();
  expect(await store.log.append([createGoal(goal)], { kind: "none" })).toMatchObject({ kind: "appended" });
  await store.close();
});

test("no store yet is said, and looking makes none", async () => {
  await refused(openReader(home), /there is no store yet at .*: run a goal first, or give the right --home/);
  expect(existsSync(storeFile(home))).toBe(false);
  writeFileSync(storeFile(home), "");
  await refused(openReader(home), /there is no store yet/);
  await refused(
    openStore(join("/proc", "nowhere"), clock),
    /cannot make the folder .*: choose another --home/,
  );
});

test("a blob whose bytes were changed is not handed out", async () => {
  const store = await openStore(home, clock);
  const hash = await store.blobs.put(Buffer.from("a prompt"));
  raw("UPDATE blob SET bytes = CAST('another' AS BLOB)");
  await refused(store.blobs.get(hash), /blob [0-9a-f]{64} is damaged/);
  await store.close();
});

test("what is forgotten is nowhere in the files", async () => {
  const secret = "sk-this-was-a-prompt-with-a-secret-".repeat(500);
  const store = await openStore(home, clock);
  const hash = await store.blobs.put(Buffer.from(secret));
  await store.blobs.put(Buffer.from("another blob"));
  await store.blobs.forget(hash);
  await store.close();
  mkdirSync(join(home, "copy"));
  const { stdout } = spawnSync("grep", ["-rlc", "this-was-a-prompt", home], { encoding: "utf8" });
  expect(stdout).toBe("");
});
