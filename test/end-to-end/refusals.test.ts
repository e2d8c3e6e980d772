import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { sampleIn } from "../../src/ports/repository.case.ts";
import { node } from "../support/projects.ts";
import { openGround } from "../support/rigs.ts";

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

describe("what cannot work is said at once, in a line that says what to do, with exit code 2", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const user = ground.repository("user", node.files);
  ground.script({ text: node.right });
  const execute = ["goal", "execute", node.goal, "--check", node.check] as const;

  const refused = async (words: readonly string[], why: RegExp, folder = user.top) => {
    const ended = await ground.rigs(folder, ...words);
    expect(ended.err).toMatch(why);
    expect(ended.code, ended.err).toBe(2);
    expect(ended.out).toBe("");
    expect(ended.err).not.toMatch(/^\s+at /m);
  };

  test("a provider that is not configured", () =>
    refused([...execute, "--provider", "nobody"], /no provider "nobody" is configured.*rigs provider add/));

  test("a key whose variable is not set", () => {
    ground.configure('[providers.paid]\nkind = "openai"\nmodel = "m"\napi_key_env = "NO_SUCH_KEY"\n');
    return refused([...execute, "--provider", "paid"], /NO_SUCH_KEY/);
  });

  test("a goal that holds the key of a provider", async () => {
    const secret = "sk-live-0123456789abcdef0123";
    ground.configure('[providers.keyed]\nkind = "openai"\nmodel = "m"\napi_key_env = "LEAKY_KEY"\n');
    const words = ["goal", "execute", `log in with ${secret}`, "--check", node.check];
    const ended = await ground.start(user.top, words, { LEAKY_KEY: secret }).ended;
    expect(ended.err).toMatch(/holds the key of a provider: take it out/);
    expect(ended.err + ended.out).not.toContain(secret);
    expect(ended.code).toBe(2);
  });

  test("a flag that is not known, with the nearest that is", () =>
    refused([...execute, "--chek", "x"], /no option "--chek"; did you mean --check/));

  test("a folder that is no repository", () => {
    const plain = join(ground.folder, "plain");
    mkdirSync(plain);
    return refused(execute, /not in a git repository.*git init/, plain);
  });

  test("a repository without a commit, one without files, one with a branch in the way of rigs/…", async () => {
    const empty = sampleIn(join(ground.folder, "empty"));
    await refused(execute, /has no commit yet: commit there first/, empty.top);
    empty.git("clone", "-q", "--bare", ".", "../bare.git");
    await refused(
      execute,
      /is a bare repository.*run in a clone with files/,
      join(ground.folder, "bare.git"),
    );
    empty.git("commit", "-q", "--allow-empty", "-m", "nothing");
    empty.git("branch", "rigs");
    await refused(["goal", "execute", "x"], /rename it \(git branch -m rigs rigs-mine\)/, empty.top);
  });

  test("a plan that is none, that nobody could write, and that has no end", async () => {
    const path = join(ground.folder, "plan.yaml");
    const plan = [...execute, "--plan", path];
    const bead = "  - name: a\n    intent: x\n    owns: [src]\n    dependsOn: [a]\n    checks: [npm test]\n";
    writeFileSync(path, "\0\0");
    await refused(plan, /plan\.yaml holds no plan: it begins with "beads:"/);
    writeFileSync(path, `beads:\n${bead}`);
    await refused(plan, /plan\.yaml:5: beads wait for each other: a -> a.*\n.*plan\.yaml:4: src is a folder/);
    // Faults of form hide no others, and a check is looked at before anything is asked, in `goal plan` too.
    const typed = "  - name: b\n    intent: x\n    owns: [src/b.js]\n    checks: [3]\n";
    const absent = bead
      .replace("[src]", "[src/a.js]")
      .replace("[a]", "[]")
      .replace("npm test", "node --test test/no.test.js");
    writeFileSync(path, `beads:\n${typed}${absent}`);
    const both =
      /plan\.yaml:5: beads\.0\.checks\.0: expected string.*\n.*plan\.yaml:10: the check of a names test\/no\.test\.js/;
    await refused(plan, both);
    await refused(["goal", "plan", ...plan.slice(2)], both);
    await refused([...execute, "--plan", "/dev/zero"], /\/dev\/zero is larger than 1000000 characters/);
  });

  test("a goal without words, one that is not there, a word that is no id", async () => {
    await refused(["goal", "execute", "  ", "--check", "x"], /the goal is empty/);
    await refused(["goal", "execute"], /say what you want/);
    await refused(["goal", "resume", "k7m2q9xd"], /there is no goal "k7m2q9xd".*rigs goal list/);
    await refused(["goal", "cancel", "nonsense"], /there is no goal "nonsense"/);
  });

  test("a program without a probe, and a probe without a program", async () => {
    await refused(
      ["goal", "execute", "x", "--check-run", "node server.js"],
      /a program that only starts proves nothing: say with --probe/,
    );
    await refused(["goal", "execute", "x", "--probe", "true"], /name it with --check-run/);
  });

  test("a check that git does not track", () => {
    writeFileSync(join(user.top, "test", "new.test.js"), "");
    return refused(
      ["goal", "execute", "x", "--check", "node --test test/new.test.js"],
      /does not track.*--include-dirty/,
    );
  });

  test("a check that names tests which are nowhere", async () => {
    const nope = /acceptance-1 names test\/nope\.test\.js, and there is no such file in your last commit/;
    await refused(["goal", "execute", "x", "--check", "node --test test/nope.test.js"], nope);
    const pytest = ["goal", "execute", "x", "--check", "python3 -m pytest -q tests/test_nope.py::test_a"];
    await refused(pytest, /names tests\/test_nope\.py/);
  });

  test("a configuration with a fault, by file and line", () => {
    appendFileSync(join(ground.home, "config.toml"), '\n[providers.paid.limits]\nrpm = "many"\n');
    return refused(execute, /config\.toml:\d+/);
  });
});
