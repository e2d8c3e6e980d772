import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { present } from "../../kit/assert.ts";
import { makePrivateFolder } from "./folder.ts";
import { lines } from "./lines.ts";
import { becomeOwner, ownerFolder } from "./owner.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rigs-owner-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const script = fileURLToPath(new URL("./owner.case.ts", import.meta.url));

/** A process that tries to become the owner, and what it said. */
async function contender(): Promise<{ readonly child: ChildProcess; readonly kind: string }> {
  const child = spawn(process.execPath, [script, home], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of lines(present(child.stdout, "its output is read"), 100))
    return { child, kind: line };
  throw new Error("the process said nothing");
}

test("a home has one owner at a time, and a new one after it was released", async () => {
  const first = await becomeOwner(home);
  expect(first.kind).toBe("owner");
  expect(await becomeOwner(home)).toEqual({ kind: "owned" });
  if (first.kind === "owner") {
    first.release();
    first.release();
  }
  const second = await becomeOwner(home);
  expect(second.kind).toBe("owner");
  if (second.kind === "owner") second.release();
});

test("of processes that start at once exactly one is the owner, and its lock dies with it", async () => {
  const contenders = await Promise.all([contender(), contender(), contender(), contender()]);
  const owners = contenders.filter(({ kind }) => kind === "owner");
  expect(owners).toHaveLength(1);
  expect(await becomeOwner(home)).toEqual({ kind: "owned" });
  const [owner] = owners;
  const { child } = present(owner, "there is an owner");
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  const next = await becomeOwner(home);
  expect(next.kind).toBe("owner");
  if (next.kind === "owner") next.release();
});

test("the lock lies in a private folder, and no other kind of folder is taken", async () => {
  const ownership = await becomeOwner(home);
  expect(statSync(ownerFolder(home)).mode & 0o777).toBe(0o700);
  if (ownership.kind === "owner") ownership.release();
  const refuse = (folder: string) =>
    expect(() => makePrivateFolder(folder)).toThrow("must be a folder of yours");
  mkdirSync(join(home, "open"));
  chmodSync(join(home, "open"), 0o755);
  refuse(join(home, "open"));
  symlinkSync(ownerFolder(home), join(home, "link"));
  refuse(join(home, "link"));
});
