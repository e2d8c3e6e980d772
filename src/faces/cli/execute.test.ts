import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import type { Check } from "../../domain/gate.ts";
import type { GoalEnd, Outcome } from "../../domain/goal.ts";
import type { Proof } from "../../domain/verdict.ts";
import { StoreError } from "../../ports/store.ts";
import { exits } from "./exit.ts";
import { type HouseSetting, openFakeHouse, openFakeTerminal, runOver, usable } from "./house.case.ts";
import { delivered, historyOf, sightsOf, storyOf, theGoal } from "./story.case.ts";

const story = sightsOf(storyOf());
const execute = ["goal", "execute", "Add parse(text)", "--check", "npm test"];
const check = (name: string): Check => ({
  name,
  command: "true",
  cwd: ".",
  role: "acceptance",
  timeoutMs: 1_000,
  report: { kind: "recognise" },
});
const whole: HouseSetting = { work: { sights: story, end: delivered } };

describe("goal execute --json", () => {
  test("begins with goal-start and ends with goal-end, exactly as promised", async () => {
    const { code, out, err } = await runOver(openFakeHouse(whole), [...execute, "--json"]);
    const lines = out.map((line) => JSON.parse(line));
    expect(code).toBe(exits.done);
    expect(lines[0]).toEqual({ type: "goal-start", goal: theGoal, base: "0".repeat(40) });
    expect(lines.at(-1)).toEqual({
      type: "goal-end",
      goal: theGoal,
      outcome: "delivered",
      branch: `rigs/${theGoal}`,
      base: "0".repeat(40),
      commit: "4".padStart(40, "0"),
      beads: { total: 1, integrated: 1, parked: 0 },
      proof: {
        verdict: "proven",
        acceptance: "user",
        isolation: "bubblewrap",
        testsRun: 7,
        testsPassed: 7,
        failToPass: 5,
        passToPass: 2,
        reasons: [],
        statement: `/home/somebody/.rigs/evidence/${theGoal}/statement.json`,
      },
      spend: {
        requests: 3,
        inputTokens: 3_702,
        cachedInputTokens: 0,
        outputTokens: 300,
        usd: 0.0063,
        wallMs: 0,
      },
      reason: null,
    });
    expect(lines.slice(1, -1).map(({ type }) => type)).toEqual(storyOf().map(({ type }) => type));
    expect(err, "notes go to stderr").toEqual(["one file is not included", "solo: it fits"]);
  });

  test("an interrupted goal has its last line too, and can be resumed", async () => {
    const fake = openFakeHouse({ work: { sights: story.slice(0, 5), end: "waits" } });
    const stop = new AbortController();
    const running = runOver(fake, [...execute, "--json"], { stop });
    await fake.working;
    stop.abort(new Error("interrupted"));
    const { code, out, err } = await running;
    expect(code).toBe(exits.interrupted);
    const last = JSON.parse(out.at(-1) ?? "");
    expect(last).toMatchObject({
      type: "goal-end",
      outcome: "cancelled",
      reason: "interrupted",
      branch: null,
      proof: null,
    });
    expect(err.at(-1)).toBe(`stopped; nothing is lost. Go on with: rigs goal resume ${theGoal}`);
  });

  test("a call that an interruption cut is in its figures, as it will be when the goal goes on", async () => {
    const fake = openFakeHouse({ work: { sights: story.slice(0, 5), end: "waits" } });
    const stop = new AbortController();
    const running = runOver(fake, [...execute, "--json"], { stop });
    await fake.working;
    stop.abort(new Error("interrupted"));
    const last = JSON.parse((await running).out.at(-1) ?? "");
    expect(last.spend).toMatchObject({ requests: 1, inputTokens: 900, outputTokens: 0, usd: 0.01 });
  });

  test("a store that fails under it: a last line for the reader, the goal can go on", async () => {
    const full = new StoreError("no space left for store.sqlite: free some disk space and try again");
    const terminal = openFakeTerminal();
    const running = runOver(openFakeHouse({ work: { end: full } }), [...execute, "--json"], { terminal });
    await expect(running).rejects.toBe(full);
    expect(JSON.parse(terminal.said.out.at(-1) ?? "")).toMatchObject({
      type: "goal-end",
      outcome: "failed",
      reason: full.message,
    });
    expect(terminal.said.err.at(-1)).toContain(`rigs goal resume ${theGoal}`);
  });

  test("interrupted before the goal was kept: there is no goal to speak of", async () => {
    const stop = new AbortController();
    stop.abort(new Error("interrupted"));
    const terminal = openFakeTerminal();
    const running = runOver(openFakeHouse(whole), [...execute, "--json"], { stop, terminal });
    await expect(running).rejects.toMatchObject({ name: "Interrupted" });
    expect(terminal.said.out).toEqual([]);
  });
});

describe("exit codes", () => {
  const check = async (outcome: Outcome, code: number, more: Partial<GoalEnd> = {}) => {
    const end = { ...delivered, outcome, branch: undefined, proof: undefined, reason: "so it is", ...more };
    const ended = await runOver(openFakeHouse({ work: { end } }), execute);
    expect(ended.code).toBe(code);
    expect(ended.out.join("\n")).toContain(outcome);
  };
  test("say how the goal ended", async () => {
    await check("delivered", 0);
    await check("failed", 1);
    await check("failed", 2, { isInputFault: true });
    await check("needs-answer", 3);
    await check("out-of-budget", 4);
    await check("partial", 5);
    await check("cancelled", 130);
  });
});

describe("what the last lines say", () => {
  const last = async (end: Partial<GoalEnd>, sights = story, checks: HouseSetting["checks"] = []) =>
    (await runOver(openFakeHouse({ work: { sights, end: { ...delivered, ...end } }, checks }), execute)).out;
  const none = { branch: undefined, proof: undefined } as const;
  test("a guard that was red and still is", async () => {
    const guard = { ...check("guard-npm-test"), command: "npm test", role: "guard" } as const;
    const reasons = ["guard-npm-test: red-on-base: 1 of 2 tests fail: a; still red: 1 of 2 tests fail: a"];
    const proof = { ...delivered.proof, reasons } as Proof;
    expect((await last({ proof }, story, [guard]))[1]).toBe("npm test (guard) was red before and still is");
    const mended = { ...proof, reasons: ["guard-npm-test: red-on-base: 1 of 2 tests fail: a; green now"] };
    expect((await last({ proof: mended }, story, [guard])).join()).not.toContain("(guard)");
  });
  test("no bead is named where there is none, and no budget where nobody answered", async () => {
    const lines = await last({ ...none, outcome: "out-of-budget", reason: "0.6 seconds" }, []);
    expect(lines).toContain(`look:     rigs goal show ${theGoal}`);
    const unanswered = {
      ...none,
      outcome: "out-of-budget",
      reason: "no provider can answer: a: busy",
    } as const;
    const [first, because] = await last(unanswered);
    expect(first).toMatch(/^no provider could answer \(/);
    expect(because).toBe("because:  a: busy");
  });
  test("calls that were cut make the tokens an upper bound", async () => {
    const [cut] = sightsOf(
      storyOf()
        .slice(5, 6)
        .map((event) => ({ ...event, settled: { kind: "lost" } }) as Event),
    );
    const lines = await last({ ...none, outcome: "failed" }, [...story.slice(0, 5), ...(cut ? [cut] : [])]);
    expect(lines[0]).toContain("1 request, at most 1,334 tokens (1 call was cut and counts at its estimate)");
  });
});

describe("goal execute for people", () => {
  test("in a pipe: plain lines, the result on stdout, what happens on stderr", async () => {
    const { code, out, err } = await runOver(openFakeHouse(whole), execute);
    expect(code).toBe(exits.done);
    expect(err).toEqual([
      "one file is not included",
      "solo: it fits",
      `goal ${theGoal} (Ctrl-C stops it cleanly)`,
      "environment ready",
      "before the change: acceptance-1 red (0 passed, 1 failed)",
      `bead ${theGoal}.1 created`,
      `bead ${theGoal}.1 claimed by p@7`,
      "draft: asking work (some-model)",
      "answered (1,234 tokens in, 100 out, $0.0021, 2.5 s)",
      'r1: 4 of 5 tests pass; empty: got "TypeError"',
      "repair: asking work (some-model)",
      "answered (1,234 tokens in, 100 out, $0.0021, 2.5 s)",
      "r2: 1 of 5 tests pass; one unit: ReferenceError",
      "r2 reverted: it scores below r1",
      "repair: asking work (some-model)",
      "answered (1,234 tokens in, 100 out, $0.0021, 2.5 s)",
      "r3: 5 of 5 tests pass",
      "proving 000000000000 in a clean checkout",
      "proven: 5 tests turned green, 2 stayed green",
      `bead ${theGoal}.1 integrated as 000000000000`,
    ]);
    expect(out).toEqual([
      "delivered, proven: 5 tests turned green, 2 stayed green (0.0 s, 3 requests, 3,702 tokens in, 300 out, $0.0063)",
      `branch:   rigs/${theGoal} at 000000000000`,
      `evidence: /home/somebody/.rigs/evidence/${theGoal}/evidence.md`,
      `look:     git log -p rigs/${theGoal}`,
    ]);
  });

  test("on a terminal what the status line shows is not said again, and the line is gone at the end", async () => {
    const terminal = openFakeTerminal({ columns: 80, isLive: true });
    await runOver(openFakeHouse(whole), execute, { terminal });
    expect(terminal.said.err.filter((line) => /asking|created|claimed/.test(line))).toEqual([]);
    expect(terminal.said.err).toContain("draft: work answered (1,234 tokens in, 100 out, $0.0021, 2.5 s)");
    expect(terminal.frames.length).toBeGreaterThan(5);
    expect(terminal.frames.at(-1)).toBe("");
  });

  test("someone else's work is followed, and stopping ends the watching only", async () => {
    const fake = openFakeHouse({ standing: "guest", work: { end: "waits" } });
    const stop = new AbortController();
    const running = runOver(fake, execute, { stop });
    await fake.working;
    stop.abort(new Error("interrupted"));
    const { err } = await running;
    expect(err.at(-1)).toBe(
      `stopped watching; the other rigs process goes on with the goal. See it with: rigs goal show ${theGoal}`,
    );
  });

  test("--unsafe-no-sandbox is loud", async () => {
    const { err } = await runOver(openFakeHouse(whole), [...execute, "--unsafe-no-sandbox"]);
    expect(err.join("\n")).toContain("WARNING: --unsafe-no-sandbox");
  });
});

test("options arrive as they were meant", async () => {
  const fake = openFakeHouse(whole);
  await runOver(fake, [
    ...["goal", "execute", "x", "--check", "a", "--check", "b c", "--check-exit", "d", "--protect", "*.md"],
    ...["--check-run", "serve", "--probe", "ask"],
    ...["--allow-change", "t/*", "--budget-usd", "0.5", "--budget-tokens", "1000", "--max-minutes", "2"],
    ...[
      "--strategy",
      "aggressive",
      "--include-dirty",
      "--priority",
      "high",
      "--provider",
      "work",
      "--setup",
      "make",
      "--repo",
      "/r",
      "--yes",
    ],
  ]);
  expect(fake.wishes).toEqual([
    {
      text: "x",
      folder: "/r",
      checks: ["a", "b c"],
      checksByExit: ["d"],
      guardsOnly: false,
      program: { command: "serve", probe: "ask" },
      protect: ["*.md"],
      allowChange: ["t/*"],
      allowDependencies: false,
      setup: "make",
      providers: ["work"],
      budget: { usdMax: 0.5, tokensMax: 1000, wallMsMax: 120_000 },
      strategy: "aggressive",
      plan: undefined,
      mode: "auto",
      workersMax: 2,
      includeDirty: true,
      unsafeNoSandbox: false,
      keepRevisions: false,
      priority: 3,
    },
  ]);
});

describe("a goal from a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "rigs-input-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: string | Uint8Array) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const check = async (path: string, why: RegExp) => {
    const { code, refused, out } = await runOver(openFakeHouse(whole), ["goal", "execute", "--file", path]);
    expect({ code, out }).toEqual({ code: exits.usage, out: [] });
    expect(refused).toMatch(why);
  };

  test("is read whole", async () => {
    const fake = openFakeHouse(whole);
    await runOver(fake, ["goal", "execute", "--file", file("goal.md", "Füge parse(text) hinzu\n")]);
    expect(fake.wishes).toMatchObject([{ text: "Füge parse(text) hinzu\n" }]);
  });
  test("that is not there, a folder, too large, or no text", async () => {
    await check(join(folder, "none.md"), /none\.md: there is no such file$/);
    await check(folder, /it is a folder/);
    await check(file("large", "a".repeat(1_048_577)), /larger than 1 MiB/);
    await check(file("binary", Uint8Array.of(255, 254, 0, 1)), /not text in UTF-8/);
    await check(file("null", "a\0b"), /not text in UTF-8/);
  });
  test("or as text, not both and not neither", async () => {
    const both = await runOver(openFakeHouse(whole), ["goal", "execute", "x", "--file", "y"]);
    expect(both.refused).toMatch(/not both/);
    const neither = await runOver(openFakeHouse(whole), ["goal", "execute"]);
    expect(neither.refused).toMatch(/say what you want/);
  });
});

describe("goal resume and cancel", () => {
  const parked = { ...delivered, outcome: "failed", branch: undefined } as const;
  test("a goal that did not get there goes on", async () => {
    const fake = openFakeHouse({ events: historyOf(theGoal, parked), work: { end: delivered } });
    const { code, out } = await runOver(fake, ["goal", "resume", theGoal]);
    expect(code).toBe(exits.done);
    expect(out[0]).toContain("delivered");
  });
  test("with a larger budget, which is told, and a note of what was lost; in USD only where prices are known", async () => {
    const price = { kind: "unknown", why: "no list has it" } as const;
    const providers = [{ ...usable, name: "scripted", price }];
    const setting = {
      ...{ events: historyOf(theGoal, parked), work: { end: delivered }, providers },
      notes: ["what it had reached is gone"],
    };
    const resume = (...words: readonly string[]) =>
      runOver(openFakeHouse(setting), ["goal", "resume", theGoal, ...words]);
    expect(await resume("--budget-tokens", "5000", "--max-minutes", "2")).toMatchObject({
      code: exits.done,
      err: ["what it had reached is gone", `goal ${theGoal} (Ctrl-C stops it cleanly)`],
    });
    for (const refused of [
      await resume("--budget-usd", "1"),
      await runOver(openFakeHouse(setting), [...["goal", "execute", "x", "--budget-usd", "1"]]),
    ])
      expect(refused).toMatchObject({
        code: exits.usage,
        out: [],
        refused: expect.stringContaining("scripted, whose price is not known"),
      });
    expect((await resume("--budget-tokens", "0")).code).toBe(exits.usage);
  });
  test("a budget in USD says which list it counts at", async () => {
    const { price } = usable.price as Extract<typeof usable.price, { kind: "known" }>;
    const listed = { ...usable, price: { kind: "known", price, source: "list of 2026-09-23" } } as const;
    const told = async (...words: readonly string[]) =>
      (await runOver(openFakeHouse({ providers: [listed], work: { end: delivered } }), words)).err;
    const note =
      "the USD budget counts at list prices: work (list of 2026-09-23); set price in config.toml where yours is another";
    expect(await told("goal", "execute", "x", "--budget-usd", "1")).toContain(note);
    expect(await told("goal", "execute", "x", "--budget-tokens", "1000")).not.toContain(note);
  });
  test("a delivered one, an unknown one and a word that is no id are refused", async () => {
    const check = async (words: readonly string[], why: RegExp) => {
      const { code, refused } = await runOver(openFakeHouse({ events: historyOf() }), words);
      expect(code).toBe(exits.usage);
      expect(refused).toMatch(why);
    };
    await check(["goal", "resume", theGoal], /delivered already, on branch rigs/);
    await check(["goal", "cancel", theGoal], /has ended already: delivered/);
    await check(["goal", "resume", "aaaaaaaa"], /there is no goal "aaaaaaaa"; rigs goal list shows all/);
    await check(["goal", "show", "no id"], /there is no goal "no id"/);
  });
  test("an open one is cancelled", async () => {
    const events = historyOf().slice(0, 4);
    const { code, out } = await runOver(openFakeHouse({ events }), ["goal", "cancel", theGoal, "--json"]);
    expect({ code, out }).toEqual({ code: 0, out: [`{"goal":"${theGoal}","cancelled":true}`] });
  });
});
