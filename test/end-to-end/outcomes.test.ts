import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { withheldMark } from "../../src/domain/secrets.ts";
import { needing } from "../../src/edges/jails/sandbox.case.ts";
import { node, python } from "../support/projects.ts";
import { type Ended, file, openGround } from "../support/rigs.ts";

const { test, describe } = await needing("jail");
const { test: pytestTest } = await needing("jail", "pytest");

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
    expect(shown.out).toContain("not usable: the answer named no file to change");
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
    const { goal } = end(ended);
    const resumed = await ground.rigs(user.top, "goal", "resume", goal);
    expect(resumed.code, resumed.err).toBe(3);
    expect(resumed.out).toMatch(/^question: \.vscode\/settings\.json.*: is that what you want\?$/m);
    const folder = join(ground.home, "evidence", goal);
    expect(resumed.out).toContain(
      `change:   ${folder}/change.diff\nyes:      rigs goal answer ${goal} yes\nno:       rigs goal answer ${goal} no\n`,
    );
    const perhaps = await ground.rigs(user.top, "goal", "answer", goal, "perhaps");
    expect([perhaps.code, perhaps.err]).toEqual([2, expect.stringContaining("the answer is yes or no")]);

    const allowed = await ground.rigs(user.top, "goal", "answer", goal, "yes", "--json");
    expect(allowed.code, allowed.err).toBe(0);
    expect(end(allowed)).toMatchObject({ outcome: "delivered", spend: { requests: 1 } });
    expect(user.git("show", `rigs/${goal}:.vscode/settings.json`)).toBe("{}");
    const page = readFileSync(join(folder, "evidence.md"), "utf8");
    expect(page.slice(0, page.indexOf("**Verdict"))).toMatch(
      /\*\*Allowed by the user\*\* at 20\d\d-.*\.vscode\/settings\.json/,
    );
    const late = await ground.rigs(user.top, "goal", "answer", goal, "no");
    expect([late.code, late.err]).toEqual([2, expect.stringContaining(`goal ${goal} asks nothing now`)]);
  });

  test("3, then 1: a no ends the goal, with what was reached kept; --yes says nothing of the kind", async () => {
    ground.script({ text: node.right + file(".vscode/settings.json", "{}\n") });
    const ended = await execute(...check, "--yes");
    expect(ended.code, ended.err).toBe(3);
    const { goal } = end(ended);
    const denied = await ground.rigs(user.top, "goal", "answer", goal, "no");
    expect(denied.code, denied.err).toBe(1);
    expect(denied.out).toContain("because:  you said no to: .vscode/settings.json");
    expect(denied.out).toMatch(/^best: {5}git fetch .*r1:refs\/heads/m);
    expect(user.git("branch", "--list", `rigs/${goal}`)).toBe("");
  });

  test("4: a budget that the first question would pass", async () => {
    ground.script({ text: node.right });
    const ended = await execute(...check, "--budget-tokens", "300");
    expect(ended.code).toBe(4);
    expect(end(ended)).toMatchObject({ outcome: "out-of-budget", spend: { requests: 0 } });
    expect(String(end(ended).reason)).toContain("the budget is 300");
  });

  test("4: a server that reports no usage does not lift a budget: what was seen counts", async () => {
    const none = { input: 0, cachedInput: 0, output: 0 };
    const long = `${node.wrong}\n${"// and so on\n".repeat(300)}`;
    ground.script(...Array.from({ length: 9 }, () => ({ text: long, usage: none })));
    const ended = await execute(...check, "--budget-tokens", "6000");
    expect(ended.code, ended.err).toBe(4);
    const { outcome } = end(ended);
    const spend = end(ended).spend as Record<"requests" | "inputTokens" | "outputTokens", number>;
    expect(outcome).toBe("out-of-budget");
    expect(spend.inputTokens + spend.outputTokens).toBeGreaterThan(1_000);
    expect(spend.requests).toBeLessThan(9);
  });

  test("4: minutes that are over cut the call that is out, which counts in full", async () => {
    ground.script({ text: node.right, delayMs: 600_000 });
    const ended = await execute(...check, "--max-minutes", "0.08");
    expect(ended.code, ended.err).toBe(4);
    const { outcome, reason, spend } = end(ended);
    expect([outcome, String(reason)]).toEqual([
      "out-of-budget",
      expect.stringMatching(
        /^the budget of 4\.8 seconds ran out, .* rigs goal resume \w{8} --max-minutes 1$/,
      ),
    ]);
    const [call] = ended.lines.filter((line) => line.type === "call-reserved");
    const { tokens } = (call?.estimate ?? { tokens: 0 }) as { readonly tokens: number };
    expect(spend).toMatchObject({ requests: call === undefined ? 0 : 1, inputTokens: tokens });
  });

  test("4, and on: the command that is named goes on where the money ended, with all that was paid for", async () => {
    ground.script({ text: node.wrong }, { text: node.right });
    const person = await ground.rigs(
      user.top,
      ...["goal", "execute", node.goal, "--check", node.check, "--budget-tokens", "1300"],
    );
    expect(person.code, person.err + person.out).toBe(4);
    const command = /^go on: {4}rigs (goal resume \w{8} --budget-tokens \d+)$/m.exec(person.out)?.[1] ?? "";
    const fetch = /^best: {5}git (fetch \S+ \S+)$/m.exec(person.out)?.[1] ?? "";
    user.git(...fetch.split(" "));
    const [, , goal = ""] = command.split(" ");
    expect(user.git("show", `rigs/${goal}-best:src/words.js`)).toContain("text.split(");
    user.git("branch", "-D", `rigs/${goal}-best`);

    const resumed = await ground.rigs(user.top, ...command.split(" "), "--json");
    expect(resumed.code, resumed.err).toBe(0);
    expect(end(resumed)).toMatchObject({ outcome: "delivered", spend: { requests: 2 } });
    const shown = await ground.rigs(user.top, "bead", "show", `${goal}.1`, "--json");
    expect(shown.lines[0]).toMatchObject({ attemptList: [{ revisions: 2 }] });
    expect((await ground.rigs(user.top, "doctor", "--deep")).out).toContain("the chain holds");
  });

  test("a private clone that was deleted is made again; what was lost with it begins anew, and that is said", async () => {
    ground.script({ text: node.wrong }, { text: node.right });
    const ended = await execute(...check, "--budget-tokens", "1300");
    expect(ended.code, ended.err).toBe(4);
    rmSync(join(ground.home, "repositories"), { recursive: true });
    const { goal } = end(ended);
    const resumed = await ground.rigs(user.top, "goal", "resume", goal, "--budget-tokens", "50000");
    expect(resumed.code, resumed.err).toBe(0);
    expect(resumed.err).toContain(`what bead ${goal}.1 had reached is gone with Rigs' clone: it begins anew`);
    expect(user.git("rev-parse", "--verify", `rigs/${goal}`)).not.toBe("");

    const other = ground.repository("other", node.files);
    ground.script({ text: node.wrong });
    const words = ["goal", "execute", node.goal, "--json", ...check, "--budget-tokens", "1300"];
    const left = await ground.rigs(other.top, ...words);
    rmSync(other.top, { recursive: true });
    const gone = await ground.rigs(user.top, "goal", "resume", end(left).goal);
    expect(gone.code, gone.err).toBe(2);
    expect(gone.err.trim().split("\n")).toEqual([expect.stringContaining(other.top)]);
  });

  test("5: without acceptance nothing is proven, and what held is delivered as partial", async () => {
    const guarded = ground.repository("guarded", {
      ...node.files,
      "package.json":
        '{ "type": "module", "private": true, "scripts": { "test": "node --test test/shout.test.js" } }\n',
    });
    ground.script({ text: node.right });
    const words = ["goal", "execute", node.goal, "--json", "--solo", "--guards-only"];
    const ended = await ground.rigs(guarded.top, ...words);
    expect(ended.code, ended.err).toBe(5);
    expect(ended.err).toContain("--guards-only: the best verdict is no-regression");
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

  test("a key that stands in tracked files goes into no prompt, and nothing that is kept of runs holds it", async () => {
    const secret = "sk-test-b17c4e9025af63d8815c";
    const careless = ground.repository("careless", {
      ...node.files,
      "src/settings.js": `export const key = "${secret}";\n`,
      "test/key.test.js": `import { test } from "node:test";\n\ntest("key", () => {\n  throw new Error("no ${secret} here");\n});\n`,
    });
    ground.configure('[providers.exposed]\nkind = "openai"\nmodel = "m"\napi_key_env = "EXPOSED_KEY"\n');
    ground.script({ text: node.wrong }, { text: node.right });
    const words = ["goal", "execute", node.goal, "--provider", "script", ...check];
    const guard = ["--check", "node --test test/key.test.js"];
    const ended = await ground.start(careless.top, [...words, ...guard], { EXPOSED_KEY: secret }).ended;
    expect(ended.err).toContain("src/settings.js, test/key.test.js: holds the key of a provider");
    expect(ended.out + ended.err).not.toContain(secret);
    const bytes = ground.storeBytes();
    expect(bytes).toContain(withheldMark);
    expect(bytes).not.toContain(secret);
  });

  pytestTest("guards that are red on base are named and block nothing", async () => {
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
