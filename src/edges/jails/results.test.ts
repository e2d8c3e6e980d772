import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readResult } from "./results.ts";

let top = "";
let folder = "";
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "rigs-results-"));
  folder = join(top, "rig");
  mkdirSync(join(folder, "reports"), { recursive: true });
  writeFileSync(join(top, "secret"), "key");
  writeFileSync(join(top, "other"), "key");
  writeFileSync(join(folder, "reports/a.xml"), "<ok/>");
  writeFileSync(join(folder, "empty"), "");
  symlinkSync(join(top, "secret"), join(folder, "link"));
  symlinkSync(top, join(folder, "door"));
  symlinkSync("nowhere", join(folder, "dangling"));
  linkSync(join(top, "other"), join(folder, "hard"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  writeFileSync(join(folder, "sparse"), "");
  truncateSync(join(folder, "sparse"), 50 * 1024 ** 3);
});
afterAll(() => rmSync(top, { recursive: true }));

const read = async (path: string, bytesMax = 1000) => {
  const result = await readResult(folder, path, bytesMax);
  return result.kind === "read" ? Buffer.from(result.bytes).toString() : result.kind;
};

test("regular files are read whole, up to the bound", async () => {
  expect(await read("reports/a.xml")).toBe("<ok/>");
  expect(await read("empty")).toBe("");
  expect(await read("reports/a.xml", 5)).toBe("<ok/>");
  expect(await read("reports/a.xml", 4)).toBe("refused");
});

test("what is not there is absent, not an error", async () => {
  expect(await read("missing")).toBe("absent");
  expect(await read("reports/missing/deep")).toBe("absent");
});

test.each(["link", "door/secret", "dangling", "hard", "pipe", "sparse", "reports", "door"])(
  "%s is refused and nothing waits",
  async (path) => {
    expect(await read(path)).toBe("refused");
  },
);

test.each(["../secret", "/etc/passwd", "reports/../../secret", "", "a//b", "./empty", "a\0b", "reports/"])(
  "the path %j is refused",
  async (path) => {
    expect(await read(path)).toBe("refused");
  },
);

test("a socket is refused", async () => {
  const server = createServer().listen(join(folder, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  expect(await read("socket")).toBe("refused");
  server.close();
});

test("the refusal says why, with the name made harmless", async () => {
  expect(await readResult(folder, "link", 10)).toEqual({
    kind: "refused",
    why: '"link" is a symbolic link',
  });
  expect(await readResult(folder, "\u001b[31m/..", 10)).toEqual({
    kind: "refused",
    why: 'not a plain relative path: "\\u001b[31m/.."',
  });
});
