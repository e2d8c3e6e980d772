import { expect, test } from "vitest";
import { planOf } from "./plan.ts";
import { repositoryOf, someCommit } from "./repository.case.ts";

type Files = Readonly<Record<string, string>>;

const manifest = JSON.stringify({ name: "a", dependencies: { tiny: "1.0.0" } });
const lock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages: { "": {}, ...packages } });
const tiny = { "node_modules/tiny": { version: "1.0.0" } };
const npm: Files = { "package.json": manifest, "package-lock.json": lock(tiny) };

async function check(
  files: Files,
  expected: { npm?: string; pip?: number; notes?: readonly (string | RegExp)[] },
) {
  const planned = await planOf(repositoryOf(files), someCommit);
  if (planned.kind === "refused") throw new Error(planned.why);
  const { plan } = planned;
  expect({
    npm: plan.npm?.lockfile,
    pip: plan.pip?.asked.requirements.length,
    notes: plan.notes,
  }).toEqual({
    npm: expected.npm,
    pip: expected.pip,
    notes: (expected.notes ?? []).map((note) =>
      typeof note === "string" ? note : expect.stringMatching(note),
    ),
  });
}

async function refuses(files: Files, why: string) {
  expect(await planOf(repositoryOf(files), someCommit)).toEqual({ kind: "refused", why });
}

test("nothing to install", async () => {
  await check({}, {});
  await check({ "main.py": "" }, {});
  await check({ "package.json": "{}" }, {});
  await check({ "package.json": "not json" }, {});
  await check({ "package.json": "null" }, {});
  await check({ "package.json": "{}", "package-lock.json": lock({}) }, {});
  await check({ "requirements.txt": "# nothing yet\n" }, {});
  await check({ "deep/package-lock.json": lock(tiny), "deep/requirements.txt": "x" }, {});
});

test("npm", async () => {
  await check(npm, { npm: "package-lock.json" });
  await check({ ...npm, "npm-shrinkwrap.json": lock(tiny) }, { npm: "npm-shrinkwrap.json" });
  await check(
    { "package.json": manifest },
    { notes: [/no lockfile: nothing is installed; `npm install --package-lock-only`/] },
  );
  const scripted = lock({ "node_modules/tiny": { hasInstallScript: true } });
  await check(
    { ...npm, "package-lock.json": scripted },
    { npm: "package-lock.json", notes: [/scripts of 1 packages did not run \(tiny\)/] },
  );
});

test("npm lockfiles that cannot be used", async () => {
  await refuses({ "package-lock.json": lock(tiny) }, "package-lock.json has no package.json beside it");
  await refuses(
    { ...npm, "package-lock.json": "-> /etc/passwd" },
    "package-lock.json is not a plain file of at most 64 MiB",
  );
  await refuses({ ...npm, "package-lock.json": "[]" }, "package-lock.json: it is not an npm lockfile");
  await refuses(
    { ...npm, node_modules: "-> /tmp" },
    "node_modules is not a folder in the repository, so nothing can be installed there; remove it from git",
  );
  const workspace = lock({ "parts/one": {}, ...tiny });
  await refuses(
    { ...npm, "package-lock.json": workspace },
    "package-lock.json needs parts/one/package.json, which is not a plain file in the repository",
  );
  const climbing = lock({ "../one": {}, ...tiny });
  await refuses(
    { ...npm, "package-lock.json": climbing },
    "package-lock.json: it names a place outside the repository: ../one",
  );
  const tarball = lock({ "node_modules/tiny": { resolved: "file:../../etc/tiny.tgz" } });
  await refuses(
    { ...npm, "package-lock.json": tarball },
    "package-lock.json: tiny lies outside the repository: file:../../etc/tiny.tgz",
  );
});

test("of the repository's .npmrc only what changes the tree is taken over", async () => {
  const npmrc =
    "registry=https://evil.example/\nlegacy-peer-deps=true\nscript-shell=/tmp/x\nomit = dev\nnode-options=--require=/rig/x\n";
  const planned = await planOf(repositoryOf({ ...npm, ".npmrc": npmrc }), someCommit);
  expect(planned.kind === "planned" && planned.plan.npm?.settings).toEqual([
    "legacy-peer-deps=true",
    "omit = dev",
  ]);
});

test("Python", async () => {
  await check({ "requirements.txt": "a==1\nb\n" }, { pip: 2 });
  await check(
    { "pyproject.toml": "" },
    { notes: [/^pyproject.toml without requirements.txt: nothing is installed/] },
  );
  await check(
    { "requirements.txt": "a\n-e .\n", "setup.py": "" },
    { pip: 1, notes: [/^pip: the project itself is not installed/] },
  );
  await refuses(
    { "requirements.txt": "-r more.txt\n" },
    "requirements.txt: it reads in more.txt, which is not in the repository",
  );
});

test("other package managers are named, unless a lockfile of theirs has a supported one beside it", async () => {
  await check(
    { "package.json": manifest, "yarn.lock": "" },
    { notes: [/^yarn.lock: yarn is not supported yet/] },
  );
  await check({ ...npm, "yarn.lock": "" }, { npm: "package-lock.json" });
  await check(
    { "pyproject.toml": "", "uv.lock": "" },
    { notes: [/^uv.lock: uv is not supported yet.*uv export/] },
  );
  await check({ "pyproject.toml": "", "uv.lock": "", "requirements.txt": "a\n" }, { pip: 1 });
});
