import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { describeInterpreters, findInterpreters, systemFolders, visible } from "./interpreters.ts";

const root = mkdtempSync(join(tmpdir(), "rigs-interpreters-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function program(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

/** A private home with a node and a python3 that answer as the real ones do. */
const home = join(root, "home");
program(join(home, "node/bin/node"), "echo v22.1.0");
mkdirSync(join(home, "node/lib/node_modules/npm/bin"), { recursive: true });
writeFileSync(join(home, "node/lib/node_modules/npm/package.json"), '{"name": "npm", "version": "10.9.0"}');
writeFileSync(join(home, "node/lib/node_modules/npm/bin/npm-cli.js"), "");
symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(home, "node/bin/npm"));
chmodSync(join(home, "node/lib/node_modules/npm/bin/npm-cli.js"), 0o755);
program(join(home, "python/bin/python3"), `printf 'rigs\\n3.13.0\\n24.2\\n1\\n${home}/python\\n'`);
mkdirSync(join(home, "python/lib/python3.13/test"), { recursive: true });
writeFileSync(join(home, "python/lib/python3.13/os.py"), "");
program(join(home, "shims/python3"), `exec ${home}/python/bin/python3 "$@"`);
const path = `${home}/shims:relative:${home}/node/bin`;

test("the system's own are taken, whatever comes first on PATH", async () => {
  const found = await findInterpreters({ root, path, ownNode: process.execPath, systemFolders });
  expect([found.node, found.python]).toMatchObject([
    { kind: "system", name: "node", command: expect.stringMatching(/^\/usr\//) },
    { kind: "system", name: "python3", command: expect.stringMatching(/^\/usr\//) },
  ]);
  expect(visible(found)).toEqual({ binds: [], path: [], variables: {} });
  expect(existsSync(join(root, "interpreters"))).toBe(false);
});

test("without them a private one is copied once, and only the copy is shown", async () => {
  const search = { root: join(root, "copies"), path, ownNode: "/nonexistent", systemFolders: [] };
  mkdirSync(search.root);
  const found = await findInterpreters(search);
  expect(await findInterpreters(search)).toEqual(found);
  const [node, python] = ["node-22.1.0", "python3-3.13.0"].map((name) =>
    join(search.root, "interpreters", name),
  );
  expect(visible(found)).toEqual({
    binds: [
      { host: node, inside: "/opt/node", access: "read" },
      { host: python, inside: "/opt/python", access: "read" },
    ],
    path: ["/opt/node/bin", "/opt/python/bin"],
    variables: { LD_LIBRARY_PATH: "/opt/python/lib" },
  });
  expect(readdirSync(join(search.root, "interpreters"))).toEqual(["node-22.1.0", "python3-3.13.0"]);
  expect(readdirSync(join(node ?? "", "bin"))).toEqual(["node", "npm", "npx"]);
  expect(readdirSync(join(python ?? "", "lib/python3.13"))).toEqual(["os.py"]);
  const why = "because there is none below /usr and a private folder is not shown to jails";
  expect(describeInterpreters(found)).toEqual([
    `node 22.1.0 at /opt/node/bin/node, npm 10.9.0; copied from ${home}/node/bin/node, ${why}`,
    `python3 3.13.0 at /opt/python/bin/python3, pip 24.2; copied from ${home}/python, ${why}`,
  ]);
});

test("a link from a system folder into a home is not a system one", async () => {
  const folder = join(root, "local");
  mkdirSync(folder);
  symlinkSync(join(home, "node/bin/node"), join(folder, "node"));
  const search = { root, path: "", ownNode: "/nonexistent", systemFolders: [folder] };
  expect(describeInterpreters(await findInterpreters(search))).toEqual([
    "node: none; apt-get install nodejs npm",
    "python3: none; apt-get install python3 python3-pip",
  ]);
});
