import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { jailCases } from "../../ports/jail.case.ts";
import { snippet } from "./limits.ts";
import { unisolatedJail } from "./unisolated.ts";

const workRoot = mkdtempSync(join(tmpdir(), "rigs-unisolated-test-"));
afterAll(() => rmSync(workRoot, { recursive: true }));

const noWalls = "there are no walls: this is what --unsafe-no-sandbox means";
jailCases("unisolated", async () => unisolatedJail({ workRoot }), {
  "reads are read-only": noWalls,
  "links as binds": noWalls,
  "unnamed files": noWalls,
  "forbidden binds": noWalls,
  "temporary files": noWalls,
  memory: "watched ten times a second, not refused by the kernel",
  processes: "watched ten times a second, not refused by the kernel",
});

test("says that it isolates nothing", () => {
  expect(unisolatedJail({ workRoot }).isolation).toBe("none");
});

test("inside paths are written over word by word, and temporary folders are removed", async () => {
  const host = join(workRoot, "folder");
  mkdirSync(host);
  const run = await unisolatedJail({ workRoot }).run(
    {
      command: 'echo /rig /rig/a "/rig" /rigs /my/rig file:///rig $WHERE; echo "$TMPDIR" > /rig/temporary',
      cwd: "/rig",
      variables: { WHERE: "/rig/b:/rig-not" },
      binds: [{ host, inside: "/rig", access: "write" }],
      scratch: [{ inside: "/scratch", bytesMax: 1024 }],
      limits: snippet,
      network: { kind: "none" },
    },
    new AbortController().signal,
  );
  expect(run.kind === "ended" && run.output.stdout).toBe(
    `${host} ${host}/a ${host} /rigs /my/rig file:///rig ${host}/b:/rig-not\n`,
  );
  expect(readdirSync(host)).toEqual(["temporary"]);
  const temporary = readFileSync(join(host, "temporary"), "utf8").trim();
  expect(temporary).toContain("rigs-unisolated-");
  expect(existsSync(temporary)).toBe(false);
});
