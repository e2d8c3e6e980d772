import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { node, python } from "../support/projects.ts";
import { type Ended, file, openGround } from "../support/rigs.ts";

// Real processes: on a machine that is busy with other tests each takes its time.
vi.setConfig({ testTimeout: 90_000 });

const end = (ended: Ended) => ended.lines.at(-1) as Record<string, unknown> & { readonly goal: string };

describe("how a goal ends is its exit code", () => {
  const ground = openGround();
  afterAll(() => ground[Symbol.dispose]());
  const user = ground.repository("user", node.files);
  const execute = (...words: readonly string[]) =>
    ground.rigs(user.top, "goal", "execute", node.goal, "--json", ...words);
  const check = ["--check", node.check] as const;

  test("1: a model that talks for ever is parked, and its words can be read", async () => {
    const nonsense = "I believe the function should count the words, as you asked.";
    ground.script(...Array.from({ length: 14 }, () => ({ text: nonsense })));
    const ended = await execute(...check);
    expect(ended.code).toBe(1);
    expect(end(ended)).toMatchObject({
      outcome: "failed",
      branch: null,
      commit: null,
      proof: null,
      beads: { total: 1, integrated: 0, parked: 1 },
    });
    const shown = await ground.rigs(user.top, "bead", "show", `${end(ended).goal}.1`, "--transcript");
    expect(shown.code).toBe(0);
    expect(shown.out).toContain(nonsense);
    expect(shown.out).toContain("not usable (no-files)");
    expect(user.git("branch", "--list", "rigs/*")).toBe("");
  });

  test("2: a check that cannot run here", async () => {
    ground.script({ text: node.right });
    const ended = await execute("--check", "no-such-program --all");
    expect(ended.code).toBe(2);
    expect(end(ended)).toMatchObject({ outcome: "failed", spend: { requests: 0 } });
    expect(String(end(ended).reason)).toContain("no-such-program");
  });

  test("3: what only the user may allow waits for an answer, with the change kept; asking again asks again", async () => {
    ground.script({ text: node.right + file(".vscode/settings.json", "{}\n") });
    const ended = await execute(...check);
    expect(ended.code, ended.err).toBe(3);
    expect(end(ended)).toMatchObject({ outcome: "needs-answer", branch: null });
    expect(String(end(ended).reason)).toContain(".vscode/settings.json");
    const diff = readFileSync(join(ground.home, "evidence", end(ended).goal, "change.diff"), "utf8");
    expect(diff).toContain("+++ b/.vscode/settings.json");
    const resumed = await ground.rigs(user.top, "goal", "resume", end(ended).goal, "--json");
    expect(resumed.code, resumed.err).toBe(3);
    expect(end(resumed)).toMatchObject({ outcome: "needs-answer", spend: { requests: 1 } });
  });

  test("4: a budget that the first question would pass", async () => {
    ground.script({ text: node.right });
    const ended = await execute(...check, "--budget-tokens", "300");
    expect(ended.code).toBe(4);
    expect(end(ended)).toMatchObject({ outcome: "out-of-budget", spend: { requests: 0 } });
    expect(String(end(ended).reason)).toContain("the budget is 300");
  });

  test("5: without a check nothing is proven, and what held is delivered as partial", async () => {
    const guarded = ground.repository("guarded", {
      ...node.files,
      "package.json":
        '{ "type": "module", "private": true, "scripts": { "test": "node --test test/shout.test.js" } }\n',
    });
    ground.script({ text: node.right });
    const ended = await ground.rigs(guarded.top, "goal", "execute", node.goal, "--json");
    expect(ended.code, ended.err).toBe(5);
    expect(ended.err).toContain("no --check was given");
    expect(end(ended)).toMatchObject({
      outcome: "partial",
      proof: { verdict: "no-regression", acceptance: "none" },
    });
    expect(guarded.git("rev-parse", String(end(ended).branch))).toBe(end(ended).commit);
  });

  test("a secret in an answer parks the bead, and is written nowhere", async () => {
    const secret = "sk-test-4f7a91c2d85e63b0aa17";
    ground.configure('[providers.paid]\nkind = "openai"\nmodel = "m"\napi_key_env = "PAID_KEY"\n');
    ground.script({ text: file("src/words.js", `const key = "${secret}";\n`) });
    const words = ["goal", "execute", node.goal, "--json", "--provider", "script", ...check];
    const ended = await ground.start(user.top, words, { PAID_KEY: secret }).ended;
    expect(ended.code, ended.err).toBe(1);
    expect(String(end(ended).reason)).toContain("holds one of your secrets");
    expect(ended.out + ended.err).not.toContain(secret);
    const bytes = ground.storeBytes();
    expect(bytes).toContain(end(ended).goal);
    expect(bytes).not.toContain(secret);
    expect(existsSync(ground.workRoot)).toBe(true);
  });

  test("guards that are red on base are named and block nothing", async () => {
    const red = ground.repository("red", {
      ...python.files,
      "tests/test_other.py": "def test_never():\n    assert False\n",
    });
    ground.script({ text: python.right });
    const words = ["goal", "execute", python.goal, "--json", "--check", python.check];
    const ended = await ground.rigs(red.top, ...words);
    expect(ended.code, ended.err).toBe(0);
    const { proof } = end(ended) as unknown as { proof: { verdict: string; reasons: readonly string[] } };
    expect(proof.verdict).toBe("proven");
    expect(proof.reasons.join()).toMatch(/red-on-base.*test_never/);
  });
});
