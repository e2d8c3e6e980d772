import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import type { Commit } from "../../domain/id.ts";
import { type EnvironmentSubject, environmentCases } from "../../ports/environment.case.ts";
import type { Environments, Prepared } from "../../ports/environment.ts";
import type { Jail, Job } from "../../ports/jail.ts";
import { sampleIn, userEnvironment } from "../../ports/repository.case.ts";
import { openRepositories } from "../git/repositories.ts";
import { repository as repositoryLimits } from "../jails/limits.ts";
import { needing } from "../jails/sandbox.case.ts";
import { openJail } from "../jails/selftest.ts";
import { openEnvironments } from "./environments.ts";
import { findInterpreters, type Interpreters, systemFolders } from "./interpreters.ts";
import { publicRegistries, type Registries } from "./registries.ts";
import { type LocalRegistry, npmProject, openRegistry } from "./registry.case.ts";

const { test, describe } = await needing("jail");
const { test: pipTest } = await needing("jail", "pytest", "pip", "venv");

type Files = Readonly<Record<string, string>>;

const root = realpathSync(mkdtempSync(join(tmpdir(), "rigs-environments-")));
execFileSync("chmod", ["711", root]);
afterAll(() => rmSync(root, { recursive: true, force: true }));
const limits = repositoryLimits(
  { cores: availableParallelism(), memoryBytes: totalmem(), workers: 1 },
  60_000,
);

let jail: Jail;
let interpreters: Interpreters;
beforeAll(async () => {
  const opened = await openJail({ workRoot: join(root, "work") });
  if (opened.kind === "refused") throw new Error(`${opened.why}: ${opened.remedy}`);
  jail = opened.jail;
  const search = { root: join(jail.workRoot, "found"), path: "", ownNode: process.execPath, systemFolders };
  interpreters = await findInterpreters(search);
});

let count = 0;
const fresh = (name: string) => join(jail.workRoot, `${name}-${++count}`);

function open(registries: Registries, folder = fresh("environments")): Environments {
  return openEnvironments({
    ...{ jail, root: folder, interpreters, limits },
    ...{ registries: async () => registries, now: () => Date.now() },
  });
}

function local(registry: LocalRegistry): Registries {
  const { npm, pip } = publicRegistries;
  return {
    npm: { ...npm, registry: `${registry.address}/` },
    pip: { ...pip, indexes: [`${registry.address}/simple`] },
    allowed: [],
  };
}

/** Commits are made in one repository; each holds exactly its own files. */
const sample = sampleIn(join(root, "source"));
const repositories = openRepositories({ root: join(root, "clones"), surroundings: userEnvironment });
let commits = Promise.resolve();
function commitOf(files: Files) {
  const made = commits.then(async () => {
    sample.git("rm", "-rfq", "--ignore-unmatch", ".");
    for (const [path, text] of Object.entries(files)) sample.write(path, text);
    sample.git("add", "-A");
    sample.git("commit", "-qm", "files", "--allow-empty");
    const commit = sample.git("rev-parse", "HEAD") as Commit;
    return { repository: await repositories.open(sample.top, commit), commit };
  });
  commits = made.then(
    () => undefined,
    () => undefined,
  );
  return made;
}

const patient = () => AbortSignal.timeout(60_000);

async function prepare(environments: Environments, files: Files, setup?: string): Promise<Prepared> {
  return await environments.prepare({ ...(await commitOf(files)), setup }, patient());
}

/** Runs a command as a polecat would: a work folder, the environment over it. */
async function run(prepared: Prepared, command: string, network: Job["network"] = { kind: "none" }) {
  if (prepared.kind === "failed") throw new Error(`${prepared.why}\n${prepared.log}`);
  const { environment } = prepared;
  const work = fresh("rig");
  mkdirSync(work);
  for (const path of environment.owned) mkdirSync(join(work, path), { recursive: true });
  await jail.adopt(work);
  const ran = await jail.run(
    {
      ...{ command, cwd: "/rig", limits, network },
      binds: [{ host: work, inside: "/rig", access: "write" }, ...environment.binds],
      scratch: environment.scratch,
      variables: { ...environment.variables, PATH: [...environment.path, "/usr/bin:/bin"].join(":") },
    },
    patient(),
  );
  if (ran.kind !== "ended") throw new Error(ran.why);
  return { exitCode: ran.exitCode, stdout: ran.output.stdout.trim(), stderr: ran.output.stderr };
}

describe("in a jail", () => {
  environmentCases("environments", async (): Promise<EnvironmentSubject> => {
    const registry = await openRegistry();
    const folder = fresh("environments");
    return {
      environments: open(local(registry), folder),
      commit: commitOf,
      locked: (number) => ({
        ...registry.npmProject,
        "package.json": `${registry.npmProject["package.json"]}${" ".repeat(number)}\n`,
      }),
      fetches: () => registry.requests.length,
      hold: () => registry.hold(),
      release: () => registry.release(),
      leftOvers: () => readdirSync(folder).filter((name) => !/^[0-9a-f]{64}$/.test(name)),
      [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    };
  });
});

describe("npm", () => {
  test("a locked package is there, its scripts did not run, and nothing in it can be written", async () => {
    await using registry = await openRegistry();
    const prepared = await prepare(open(local(registry)), registry.npmProject);
    expect(prepared).toMatchObject({
      kind: "ready",
      installed: true,
      environment: { owned: ["node_modules"] },
    });
    if (prepared.kind === "ready")
      expect(prepared.notes).toEqual([
        "npm: 1 packages",
        'npm: install scripts of 1 packages did not run (tiny); the setup command "npm rebuild" runs them without network',
      ]);
    const ran = await run(
      prepared,
      `node -e 'console.log(require("tiny")())'; ls -A node_modules; touch node_modules/x 2>/dev/null || echo read-only; echo 1 > node_modules/.cache/x && echo cache`,
    );
    expect(ran.stdout.split("\n")).toEqual([
      ...["tiny works", ".cache", ".package-lock.json", ".vite", ".vite-temp", ".vitest", "tiny"],
      ...["read-only", "cache"],
    ]);
  });

  test("a setup command runs what the user allowed, over what was installed", async () => {
    await using registry = await openRegistry();
    const prepared = await prepare(
      open(local(registry)),
      registry.npmProject,
      "npm rebuild && mkdir /environment/bin && printf '#!/bin/sh\\necho made' > /environment/bin/made && chmod +x /environment/bin/made",
    );
    const ran = await run(prepared, "cat node_modules/ran; made");
    expect(ran.stdout).toBe("yesmade");
  });

  test("a package from a host that is not configured is refused before anything is asked", async () => {
    await using registry = await openRegistry();
    const files = npmProject("https://elsewhere.example/tiny/-/tiny-1.0.0.tgz", "sha512-AAAA");
    const prepared = await prepare(open(local(registry)), files);
    expect(prepared).toEqual({
      kind: "failed",
      why: 'package-lock.json: tiny comes from elsewhere.example:443, which is not a registry npm is configured for; add registries = ["elsewhere.example:443"] under [environment] in config.toml if it is meant',
      log: "",
    });
    expect(registry.requests).toEqual([]);
  });

  test("a token opens the registry, and shows nowhere", async () => {
    const token = "npm_0123456789abcdefghij";
    await using registry = await openRegistry({ token });
    const plain = local(registry);
    const line = `//${new URL(registry.address).host}/:_authToken=${token}`;
    const refused = await prepare(open(plain), registry.npmProject);
    expect(refused).toMatchObject({ kind: "failed" });
    if (refused.kind === "failed") expect(refused.why).toMatch(/^npm ci: http:.* refused the credentials/);
    const folder = fresh("environments");
    const prepared = await prepare(
      open({ ...plain, npm: { ...plain.npm, credentials: [line] } }, folder),
      registry.npmProject,
    );
    expect(prepared).toMatchObject({ kind: "ready", installed: true });
    expect(JSON.stringify(prepared)).not.toContain(token);
    expect(() => execFileSync("grep", ["-rq", token, folder])).toThrow();
  });

  test("a package with other bytes than the lockfile says is refused", async () => {
    await using registry = await openRegistry();
    const files = npmProject(`${registry.address}/tiny/-/tiny-1.0.0.tgz`, `sha512-${"A".repeat(86)}==`);
    const prepared = await prepare(open(local(registry)), files);
    expect(prepared).toMatchObject({
      kind: "failed",
      why: expect.stringContaining("not the one that the lockfile was written for"),
    });
  });

  test("a registry that is not there is named", async () => {
    const registry = await openRegistry();
    const { npmProject: files, address } = registry;
    await registry[Symbol.asyncDispose]();
    const prepared = await prepare(open(local(registry)), files);
    expect(prepared).toMatchObject({
      kind: "failed",
      why: `npm ci: ${address} could not be reached; check the network and try again`,
    });
  });

  test("a workspace is linked into the work folder", async () => {
    await using registry = await openRegistry();
    const lock = JSON.parse(registry.npmProject["package-lock.json"] ?? "");
    const manifest = { name: "project", version: "1.0.0", workspaces: ["parts/one"] };
    const one = { name: "one", version: "1.0.0", dependencies: { tiny: "1.0.0" } };
    const packages = {
      ...{ "": manifest, "node_modules/one": { resolved: "parts/one", link: true }, "parts/one": one },
      "parts/one/node_modules/tiny": lock.packages["node_modules/tiny"],
    };
    const prepared = await prepare(open(local(registry)), {
      "package.json": JSON.stringify(manifest),
      "package-lock.json": JSON.stringify({ ...lock, packages }),
      "parts/one/package.json": JSON.stringify(one),
    });
    expect(prepared).toMatchObject({ environment: { owned: ["node_modules", "parts/one/node_modules"] } });
    const ran = await run(prepared, "readlink node_modules/one; cat parts/one/node_modules/tiny/index.js");
    expect(ran.stdout).toBe("../parts/one\nmodule.exports = () => 'tiny works';");
  });
});

describe("pip", () => {
  pipTest("a wheel is there, in a virtual environment that still sees the system's pytest", async () => {
    await using registry = await openRegistry();
    const prepared = await prepare(open(local(registry)), { "requirements.txt": "small==1.0.0\n" });
    expect(prepared).toMatchObject({ kind: "ready", installed: true, notes: ["pip: 1 requirements"] });
    const ran = await run(
      prepared,
      `python3 -c 'import small, sys; print(small.say(), sys.prefix)'
       touch /environment/x 2>/dev/null || echo read-only
       echo 'import small, sys
def test_small(): assert sys.prefix == "/environment/venv"' > test_small.py && pytest -q -p no:cacheprovider | tail -1`,
    );
    expect(ran.stdout.split("\n")).toEqual([
      ...["small works /environment/venv", "read-only", expect.stringMatching(/^1 passed/)],
    ]);
  });

  pipTest("a project that asks for itself alone is importable, and nothing is fetched", async () => {
    await using registry = await openRegistry();
    const prepared = await prepare(open(local(registry)), { "requirements.txt": "-e .\n", "src/own.py": "" });
    expect(prepared).toMatchObject({ kind: "ready", installed: true });
    expect(registry.requests).toEqual([]);
    const ran = await run(
      prepared,
      "mkdir src && echo 'word = 7' > src/own.py && cd /tmp && python3 -c 'import own; print(own.word)'",
    );
    expect(ran.stdout).toBe("7");
  });

  pipTest("what has no wheel is named, and nothing is built", async () => {
    await using registry = await openRegistry();
    const prepared = await prepare(open(local(registry)), { "requirements.txt": "absent==1.0\n" });
    expect(prepared).toMatchObject({
      kind: "failed",
      why: expect.stringMatching(/^pip download: .* has no wheel that fits: .*absent==1\.0/),
    });
  });
});

/** Another process that prepares, as a Rigs that will be killed. */
function start(ask: { readonly address: string; readonly folder: string; readonly files: Files }) {
  const here = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const program = `
    import { openJail } from ${here("../jails/selftest.ts")};
    import { snippet } from ${here("../jails/limits.ts")};
    import { openEnvironments } from ${here("./environments.ts")};
    import { publicRegistries } from ${here("./registries.ts")};
    import { repositoryOf, someCommit } from ${here("./repository.case.ts")};
    const [ask] = process.argv.slice(1).map((text) => JSON.parse(text));
    const { jail } = await openJail({ workRoot: ask.workRoot });
    const npm = { ...publicRegistries.npm, registry: ask.address + "/", credentials: ["//127.0.0.1/:_authToken=0123456789"] };
    const environments = openEnvironments({
      jail, root: ask.folder, interpreters: ask.interpreters, limits: { ...snippet, wallMsMax: 60000 },
      registries: async () => ({ ...publicRegistries, npm }), now: () => 0,
    });
    const order = { repository: repositoryOf(ask.files), commit: someCommit, setup: undefined };
    await environments.prepare(order, AbortSignal.timeout(60000));
  `;
  const words = JSON.stringify({ ...ask, workRoot: jail.workRoot, interpreters });
  return spawn(process.execPath, ["--input-type=module", "-e", program, words], { stdio: "inherit" });
}

test("a build whose process was killed is never found, and is swept by the next one", async () => {
  await using registry = await openRegistry();
  const folder = fresh("environments");
  const held = registry.hold();
  const child = start({ address: registry.address, folder, files: registry.npmProject });
  const ended = once(child, "exit");
  await Promise.race([held, ended]);
  child.kill("SIGKILL");
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(readdirSync(folder)).toEqual([expect.stringMatching(`^building-${child.pid}-`)]);
  registry.release();
  const prepared = await prepare(open(local(registry), folder), registry.npmProject);
  expect(prepared).toMatchObject({ kind: "ready", installed: true });
  expect(readdirSync(folder)).toEqual([prepared.kind === "ready" ? prepared.environment.key : ""]);
});
