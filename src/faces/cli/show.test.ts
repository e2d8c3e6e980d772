import { describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import { partOf, planted, worked } from "../../domain/forest.case.ts";
import type { BeadId, GoalId } from "../../domain/id.ts";
import { createGoal } from "../../domain/sample.case.ts";
import type { AtWork, BenchRow, Finding, ProviderLine, Rehearsal } from "../house.ts";
import { exits } from "./exit.ts";
import { type HouseSetting, openFakeHouse, openFakeTerminal, runOver, usable } from "./house.case.ts";
import { clockTime } from "./sentences.ts";
import { delivered, historyOf, theGoal } from "./story.case.ts";

const full: HouseSetting = { events: historyOf() };
const run = (setting: HouseSetting, ...words: readonly string[]) => runOver(openFakeHouse(setting), words);

/** One document on stdout, nothing else anywhere. */
async function documentOf(setting: HouseSetting, ...words: readonly string[]): Promise<unknown> {
  const { out, err } = await run(setting, ...words, "--json");
  expect(out).toHaveLength(1);
  expect(err).toEqual([]);
  return JSON.parse(out[0] ?? "");
}

describe("before the first goal", () => {
  test("everything says how to begin", async () => {
    expect((await run({}, "status")).out).toEqual([
      "goals: 0 open, 0 ended",
      "beads: none",
      'start with: rigs goal execute "…" --check "…"',
    ]);
    expect((await run({ providers: [] }, "status")).out.at(-1)).toMatch(
      /^start with: rigs provider add NAME/,
    );
    expect((await run({}, "goal", "list")).out).toEqual([
      'no goals yet. Start one with: rigs goal execute "…" --check "…"',
    ]);
    expect((await run({}, "bead", "list")).out).toEqual(["no beads match"]);
    expect(await run({}, "events")).toMatchObject({ out: [], err: ["no events match"] });
    expect((await run({ providers: [] }, "provider", "list")).out[0]).toContain("rigs provider add");
  });
  test("as JSON it is empty, not absent", async () => {
    expect(await documentOf({}, "goal", "list")).toEqual([]);
    expect(await documentOf({}, "bead", "list")).toEqual([]);
    expect(await documentOf({}, "status")).toEqual({
      goals: { open: 0, ended: 0 },
      beads: {},
      tanks: null,
      sequence: 0,
      open: [],
    });
    expect((await run({}, "events", "--json")).out).toEqual([]);
  });
});

describe("a goal", () => {
  test("in lists, on one line", async () => {
    expect((await run(full, "goal", "list")).out).toEqual([`${theGoal}  delivered  Add parse(text)`]);
    const terminal = openFakeTerminal({ columns: 30 });
    const { out } = await runOver(openFakeHouse(full), ["goal", "list"], { terminal });
    expect(out).toEqual([`${theGoal}  delivered  Add pars…`]);
  });
  test("shown, with where to look next", async () => {
    expect((await run(full, "goal", "show", theGoal)).out.join("\n")).toMatchInlineSnapshot(`
      "goal k7m2q9xd: delivered
        wants:      Add parse(text)
                    and more
        repository: /somewhere/shop from 000000000000
        providers:  scripted
        spent:      3 requests, 3,702 tokens in, 300 out, $0.0063
        bead:       k7m2q9xd.1 integrated (proven)
        branch:     rigs/k7m2q9xd at 000000000000
        evidence:   /home/somebody/.rigs/evidence/k7m2q9xd/evidence.md
        each step:  rigs bead show k7m2q9xd.1"
    `);
  });
  test("of beads whose changes contradict each other names them, on every page", async () => {
    const seen = { type: "conflict-seen", bead: partOf(2), with: partOf(1), paths: ["shop/cart.py"] };
    const clash = { at: 1_000, goal: theGoal, attempt: `${partOf(2)}/a1`, ...seen } as Event;
    const atWork = [1, 2].flatMap((number) => worked(number, true).slice(0, 4));
    // Areas that have nothing in common would not even be looked at.
    const shared = planted().map((event) =>
      event.type === "bead-created" ? { ...event, contract: { ...event.contract, owns: ["**"] } } : event,
    );
    const setting = { events: [...shared, ...atWork, clash] };
    const tree = (await run(setting, "goal", "show", theGoal)).out.join("\n");
    expect(tree).toMatch(/1\.1 {2}claimed by p@7 \(meets 1\.2\) {2}price: Write total/);
    expect(tree).toMatch(/1\.2 {2}claimed by p@7 \(meets 1\.1\) {2}cart: Write Cart/);
    const meets = (other: number) =>
      `  meets:  bead ${partOf(other)}, which changes the same lines: shop/cart.py`;
    expect((await run(setting, "bead", "show", partOf(1))).out).toContain(meets(2));
    expect((await run(setting, "bead", "show", partOf(2))).out).toContain(meets(1));
    expect((await run(setting, "logs")).out.join("\n")).toContain("changes the same lines as bead");
  });
  test("as JSON", async () => {
    expect(await documentOf(full, "goal", "show", theGoal)).toMatchObject({
      id: theGoal,
      end: { outcome: "delivered" },
      beadList: [{ id: `${theGoal}.1`, state: { kind: "integrated" } }],
    });
    expect(await documentOf(full, "goal", "list")).toMatchObject([
      { goal: theGoal, outcome: "delivered", createdAt: "1970-01-01T00:00:00.999Z" },
    ]);
  });
  test("that is open: running, waiting, interrupted, or nobody knows", async () => {
    const events = historyOf().slice(0, 5);
    const running: AtWork = {
      kind: "process",
      process: 42,
      role: "command",
      since: 1,
      goals: [theGoal],
      queued: [],
    };
    const check = async (setting: HouseSetting, words: string) =>
      expect((await run(setting, "status")).out).toEqual([
        "goals: 1 open, 0 ended",
        expect.stringMatching(/^beads: 1/),
        `${theGoal}  ${words}  Add parse(text)`,
      ]);
    const interrupted = `interrupted, go on with: rigs goal resume ${theGoal}`;
    await check({ events }, interrupted);
    await check({ events, atWork: { ...running, goals: [] } }, interrupted);
    await check({ events, atWork: running }, "running (process 42)");
    await check({ events, atWork: { kind: "silent" } }, "open");
    const wait = {
      at: 1,
      goal: theGoal,
      bead: `${theGoal}.1` as BeadId,
      token: 1,
      why: "work: busy",
    } as const;
    const waiting: readonly Event[] = [...events, { ...wait, type: "bead-waiting", until: 5_000 }];
    await check({ events: waiting, atWork: running }, `waiting until ${clockTime(5_000)}: work: busy`);
    await check({ events: waiting }, interrupted);
    const listed = (await run({ events: waiting, atWork: running }, "goal", "list")).out;
    expect(listed, "a list says what a status says").toEqual([
      `${theGoal}  waiting until ${clockTime(5_000)}: work: busy  Add parse(text)`,
    ]);
    expect(await documentOf({ events: waiting, atWork: running }, "status")).toMatchObject({
      open: [{ goal: theGoal, standing: "waiting", process: 42, until: 5_000, why: "work: busy" }],
    });
  });
  test("whose call stands in line says what for, since when, and for whose place", async () => {
    const story = historyOf();
    const claimed = story.slice(0, story.findIndex(({ type }) => type === "bead-claimed") + 1);
    const bead = `${theGoal}.1` as BeadId;
    const queued = [{ bead, since: openFakeHouse().house.clock.now() - 12_000, why: "p1: input tokens" }];
    const atWork: AtWork = {
      ...{ kind: "process", process: 42, role: "command", since: 1, goals: [theGoal], queued },
    };
    const setting = { events: claimed, atWork };
    const line = "in line for p1: input tokens (12 s)";
    const stands = `${theGoal}  running (process 42), ${line}  Add parse(text)`;
    expect((await run(setting, "status")).out).toContain(stands);
    expect((await run(setting, "goal", "list")).out).toEqual([stands]);
    expect((await run(setting)).out).toContain(`  ${stands}`);
    const shown = (await run(setting, "goal", "show", theGoal)).out;
    expect(shown[0]).toBe(`goal ${theGoal}: running (process 42), ${line}`);
    expect(shown).toContain(`  bead:       ${bead} ${line}`);
    expect((await run(setting, "bead", "list")).out[0]).toContain(`${bead}  ${line}  `);
    expect((await run(setting, "bead", "show", bead)).out[0]).toBe(`bead ${bead}: ${line}`);
    expect(await documentOf(setting, "status")).toMatchObject({ open: [{ standing: "running", queued }] });
  });
  test("of many open ones ten are named", async () => {
    const events = Array.from({ length: 17 }, (_, index) => {
      const goal = `k7m2q9${String(index).padStart(2, "0")}` as GoalId;
      return { at: 1, ...createGoal(goal) };
    });
    const { out } = await run({ events }, "status");
    expect(out).toHaveLength(13);
    expect(out.at(-1)).toBe("and 7 more: rigs goal list");
    expect(out[2]).toMatch(/^k7m2q916 {2}interrupted/);
  });
  test("that was parked: why, how to fetch the best revision, and the command that goes on", async () => {
    const reason = `the budget is 7; with more of it: rigs goal resume ${theGoal} --budget-tokens 20`;
    const end = { ...delivered, outcome: "out-of-budget", reason, branch: undefined } as const;
    const events = historyOf(theGoal, end);
    const { out } = await run({ events }, "goal", "show", theGoal);
    expect(out.join("\n")).toContain("  because:    the budget is 7\n");
    expect(out.slice(-2)).toEqual([
      `  best:       git fetch /home/somebody/.rigs/repositories/c.git +refs/rigs/${theGoal}.1/a1/r3:refs/heads/rigs/${theGoal}-best`,
      `  go on with: rigs goal resume ${theGoal} --budget-tokens 20`,
    ]);
  });
});

describe("a goal that ended without a branch", () => {
  const end = { ...delivered, outcome: "failed", branch: undefined, proof: undefined } as const;
  const show = async (setting: HouseSetting, columns = 300) => {
    const terminal = openFakeTerminal({ columns });
    return (await runOver(openFakeHouse(setting), ["goal", "show", theGoal], { terminal })).out;
  };
  const storyUntil = (type: Event["type"]) => {
    const events = historyOf(theGoal, { ...end, reason: "the answer changed nothing" });
    return [
      ...events.slice(
        0,
        events.findLastIndex((event) => event.type === type),
      ),
      ...events.slice(-1),
    ];
  };
  test("says first what its best revision lacks, at words on a narrow terminal", async () => {
    const events = storyUntil("revision-reverted");
    const because =
      '  because:    best revision r1: 4 of 5 tests pass; empty: got "TypeError"; then the answer changed nothing';
    expect(await show({ events })).toContain(because);
    expect(await show({ events }, 80)).toEqual(
      expect.arrayContaining([
        '  because:    best revision r1: 4 of 5 tests pass; empty: got "TypeError"; then',
        "    the answer changed nothing",
      ]),
    );
  });
  test("calls a refuted revision refuted", async () => {
    const refuted = { verdict: "refuted", reasons: ["the report was forged"] };
    const events = storyUntil("bead-integrating").map((event) =>
      event.type === "proof-ended"
        ? { ...event, isAccepted: false, proof: { ...event.proof, ...refuted } as typeof event.proof }
        : event,
    );
    const out = (await show({ events })).join("\n");
    expect(out).toContain(
      "because:    the verifier refuted the best revision, r3: the report was forged; then the answer changed nothing",
    );
    expect(out).toMatch(/ best: {7}r3, refuted: read it before you believe its tests\n {14}git fetch /);
  });
  test("offers to go on only where that can help", async () => {
    const last = async (more: Partial<typeof delivered>) =>
      (await show({ events: historyOf(theGoal, { ...end, ...more }) })).at(-1);
    expect(await last({ isInputFault: true, reason: "x" })).toMatch(
      /start again with another --check or --setup/,
    );
    expect(await last({ outcome: "out-of-budget", reason: "no provider can answer: a: busy" })).toBe(
      `  go on with: when that is mended: rigs goal resume ${theGoal}`,
    );
  });
  test("an open budget is not blamed where nobody answered", async () => {
    const events = historyOf(theGoal, {
      ...end,
      outcome: "out-of-budget",
      reason: "no provider can answer: a: busy",
    });
    const out = await show({ events });
    expect(out[0]).toBe(`goal ${theGoal}: no provider could answer`);
    expect(out).toContain("  because:    a: busy");
    expect((await run({ events }, "events")).out.at(-1)).toMatch(/no provider could answer: a: busy$/);
  });
});

test("every event is told in words", async () => {
  const { out } = await run(full, "events");
  expect(out.filter((line) => / bead-\w+$/.test(line))).toEqual([]);
  expect(out.join("\n")).toContain(`bead ${theGoal}.1 is being integrated`);
});

describe("a bead", () => {
  test("shown, step by step", async () => {
    expect((await run(full, "bead", "show", `${theGoal}.1`)).out.join("\n")).toMatchInlineSnapshot(`
      "bead k7m2q9xd.1: integrated (proven)
        wants:  Add parse(text)
        checks: acceptance-1
        spent:  3 requests, 3,702 tokens in, 300 out, $0.0063
        attempt k7m2q9xd.1/a1: 3 calls, 3 revisions
          c1 draft: answered (stop)
          r1 000000000000: 4/5 tests, empty: got "TypeError" [src/parse.js]
          c2 repair: answered (stop)
          r2 000000000000: 1/5 tests, one unit: ReferenceError [src/parse.js]
          r2 reverted: it scores below r1
          c3 repair: answered (stop)
          r3 000000000000: 5/5 tests, green: 5 passed [src/parse.js]
          000000000000 proven
        the answers: rigs bead show k7m2q9xd.1 --transcript
        a change:    rigs bead show k7m2q9xd.1 --diff r3
        a question:  rigs bead show k7m2q9xd.1 --prompt c3"
    `);
  });
  test("its transcript cannot drive the terminal", async () => {
    const { out } = await run(full, "bead", "show", `${theGoal}.1`, "--transcript");
    expect(out.join("\n")).toContain(`--- ${theGoal}.1/a1/c3 (repair)`);
    expect(out.join("\n")).toContain("\\x1b[31m");
    expect(out.join("\n")).not.toContain("\u001b");
  });
  test("as JSON, the transcript with it where it was asked for", async () => {
    const words = ["bead", "show", `${theGoal}.1`];
    expect(await documentOf(full, ...words)).not.toHaveProperty("transcript");
    expect(await documentOf(full, ...words, "--transcript")).toMatchObject({
      transcript: [{ step: "draft" }, { step: "repair" }, { step: "repair" }],
    });
  });
  test("by goal and by state", async () => {
    expect(await documentOf(full, "bead", "list", "--goal", theGoal)).toHaveLength(1);
    expect(await documentOf(full, "bead", "list", "--status", "parked")).toEqual([]);
    expect((await run(full, "bead", "list", "--status", "done")).refused).toMatch(
      /^--status is one of blocked/,
    );
    expect((await run(full, "bead", "show", "1")).refused).toMatch(/rigs bead list shows all/);
  });
});

describe("events", () => {
  const count = historyOf().length;
  test("each on a line, by goal, from and count", async () => {
    expect((await run(full, "events")).out).toHaveLength(count);
    expect((await run(full, "events", "--from", "3", "--count", "2")).out.map((line) => line[0])).toEqual([
      "3",
      "4",
    ]);
    expect((await run(full, "events", "--goal", "aaaaaaaa")).out).toEqual([]);
    expect((await run(full, "events", "--goal", "x")).refused).toMatch(/not a goal's id/);
  });
  test("as JSON Lines, as the log keeps them", async () => {
    const { out } = await run(full, "events", "--json");
    expect(out.map((line) => JSON.parse(line).sequence)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
    expect(JSON.parse(out.at(-1) ?? "").event).toMatchObject({
      type: "goal-ended",
      end: { outcome: "delivered" },
    });
  });
  test("--follow goes on until it is stopped", async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const terminal = {
      ...openFakeTerminal(),
      out: (line: string) => void (lines.push(line) === count && stop.abort()),
    };
    const ended = await runOver(openFakeHouse(full), ["events", "--follow"], { stop, terminal });
    expect(ended.code).toBe(exits.done);
    expect(lines).toHaveLength(count);
  });
});

describe("providers", () => {
  const missing = { ...usable, name: "home", state: "unusable", why: "the variable X is not set" } as const;
  test("one line each: what it is, whether it can be used, what it costs and who says so", async () => {
    const unpriced: ProviderLine = {
      ...usable,
      name: "sim",
      price: { kind: "unknown", why: "no list has it" },
    };
    const price = { inputUsd: 1.25, cachedInputUsd: 0.125, outputUsd: 10 };
    const source = "list of 2026-09-23" as const;
    const listed: ProviderLine = { ...usable, name: "own", price: { kind: "known", price, source } };
    const free: ProviderLine = { ...usable, name: "free", price: { kind: "nothing" } };
    const providers = [usable, missing, unpriced, listed, free];
    expect((await run({ providers }, "provider", "list")).out).toEqual([
      "work  openai  some-model  standard  usable  (price: $3 in, $0.3 cached, $15 out a million; configured)",
      "home  openai  some-model  standard  unusable: the variable X is not set",
      "sim  openai  some-model  standard  usable  (price unknown: no list has it; a USD budget cannot count it)",
      "own  openai  some-model  standard  usable  (price: $1.25 in, $0.125 cached, $10 out a million; list of 2026-09-23)",
      "free  openai  some-model  standard  usable  (costs nothing)",
    ]);
    expect(await documentOf({ providers }, "provider", "list")).toEqual(
      providers.map((each) => ({ ...each, closed: null })),
    );
  });
  test("test: 0 when it answers, 1 when not, 2 when there is none", async () => {
    const providers = [usable, missing];
    expect(await run({ providers }, "provider", "test", "work")).toMatchObject({
      code: 0,
      out: ["work answered"],
    });
    expect((await run({ providers }, "provider", "test", "home")).code).toBe(1);
    expect((await run({ providers }, "provider", "test", "nobody")).code).toBe(2);
    expect(await documentOf({ providers }, "provider", "test", "work")).toEqual({
      provider: "work",
      isGood: true,
      text: "work answered",
    });
  });
  test("add hands its options over as typed", async () => {
    const fake = openFakeHouse();
    await runOver(fake, [
      "provider",
      "add",
      "new",
      "--kind",
      "openai",
      "--base-url",
      "http://h/v1",
      "--api-key-env",
      "K",
      "--json",
    ]);
    expect(fake.wishes).toEqual([{ kind: "openai", baseUrl: "http://h/v1", apiKeyEnv: "K" }]);
  });
});

describe("the machine", () => {
  const findings: readonly Finding[] = [
    { name: "node", state: "good", text: "v24.0.0", remedy: "" },
    { name: "git", state: "bad", text: "not found on PATH", remedy: "apt-get install git" },
  ];
  test("doctor: each finding, and the command that mends it; 1 when something is bad", async () => {
    expect(await run({ findings }, "doctor")).toMatchObject({
      code: exits.failed,
      out: ["good    node: v24.0.0", "bad     git: not found on PATH", "        do: apt-get install git"],
    });
    const codeOf = async (state: Finding["state"]) =>
      (await run({ findings: [{ name: "a", state, text: "b", remedy: "" }] }, "doctor")).code;
    expect([await codeOf("good"), await codeOf("note")]).toEqual([exits.done, exits.done]);
    expect(await codeOf("missing")).toBe(exits.failed);
    expect(await documentOf({ findings }, "doctor")).toEqual(findings);
  });
  test("init and simulate", async () => {
    expect(await documentOf({}, "init")).toEqual({ done: ["wrote config.toml", "next: rigs doctor"] });
    expect(await documentOf({}, "simulate")).toMatchObject({ type: "simulator-ready" });
  });
});

describe("work on paper", () => {
  const limited = { isLimited: true, burstSeconds: undefined };
  const rehearsal: Rehearsal = {
    wish: {
      ...{ beads: 300, calls: 2, input: 6_000, output: 900, workers: 16, providers: [], seed: 1 },
      ...{ firstTokenMs: 1_000, tokensPerSecond: 60, checkMs: 5_000 },
    },
    seeds: [1, 2],
    wallMs: { median: 3_600_000, least: 3_000_000, most: 4_200_000 },
    calls: { median: 600, least: 600, most: 600 },
    refused: { median: 0, least: 0, most: 1 },
    usd: { median: 12.5, least: 12, most: 13 },
    unpriced: ["b"],
    left: 3,
    leftWhy: "not done within 60 days",
    providers: [
      { name: "a", callsShare: 0.75, limits: [{ name: "itpm", value: 40_000, share: 0.9 }], ...limited },
      { name: "b", callsShare: 0.25, limits: [], isLimited: false, burstSeconds: undefined },
    ],
    workersShare: 0.4,
    raised: { provider: "a", limit: "itpm", from: 40_000, to: 80_000, wallMs: 2_000_000 },
  };
  test("what may come at once is said as it was played", async () => {
    const bursts = async (...seconds: readonly (number | undefined)[]) => {
      const providers = seconds.map((burstSeconds, index) => ({
        ...{ name: `p${index}`, callsShare: 0.5, limits: [{ name: "rpm", value: 60, share: 1 }] },
        ...{ isLimited: true, burstSeconds },
      }));
      const { out } = await run({ rehearsal: { ...rehearsal, providers } }, "simulate", "--report");
      return /full at the start, (.*), used by/.exec(out.join("\n"))?.[1];
    };
    expect(await bursts(1)).toBe("1 second's worth at once");
    expect(await bursts(5, 5)).toBe("5 seconds' worth at once");
    expect(await bursts(1, undefined)).toBe("a sixth of a minute's worth at once (p0: 1 second's worth)");
    expect(await bursts(undefined)).toBe("a sixth of a minute's worth at once");
  });
  test("time, calls, cost, split, what binds, what it assumes: one screen", async () => {
    expect((await run({ rehearsal }, "simulate", "--report")).out).toEqual([
      "a simulation: nobody was asked. 300 beads, 16 at a time, seed 1 to 2",
      "time       1 h 00 min (50 min 00 s to 1 h 10 min)",
      "calls      600; refused: 0 (0 to 1)",
      "cost       $12.50 ($12.00 to $13.00), without b, whose price is not known",
      "undone     3 beads: not done within 60 days",
      "a          75 % of the calls, 90 % of itpm 40,000",
      "b          25 % of the calls",
      "workers    at work 40 % of the time, otherwise waiting for a limit",
      "binds      itpm of a: 80,000 instead of 40,000 gives 33 min 20 s",
      "assumed    2 calls a bead, prompts of 6,000 tokens and answers of 900 in the middle, one in six 1.8 times that",
      "           5.0 s of runs after each call, first token after 1.0 s, 60 tokens/s, nothing from a cache",
      "           limits as configured, full at the start, a sixth of a minute's worth at once, used by nobody else",
      "           b: no limits are configured, so none were played",
    ]);
    const unknown = { ...rehearsal, unpriced: ["a", "b"], raised: undefined };
    const { out } = await run({ rehearsal: unknown }, "simulate", "--report");
    expect(out).toContain("cost       unknown: no price of a, b is known; set price in config.toml");
    expect(out).toContain("binds      no limit alone: twice of any one of them gives no more");
    expect(await documentOf({ rehearsal }, "simulate", "--report")).toEqual(rehearsal);
    const wish = { ...rehearsal.wish, input: 50_000 };
    const [a] = rehearsal.providers;
    const day = { ...a, name: "c", limits: [{ name: "rpd", value: 100, share: 1 }] } as typeof a & object;
    const large = await run(
      { rehearsal: { ...rehearsal, wish, providers: [a as typeof day, day] } },
      "simulate",
      "--report",
    );
    const words = large.out.join("\n");
    expect(words).toContain(
      "a: a prompt of 50,000 tokens is more than its itpm of 40,000: real providers mostly refuse it",
    );
    expect(words).toContain("of a day's requests as much kept back as threshold_yellow and the strategy say");
  });
  test("what is typed is what is played; an answer has a pace", async () => {
    const fake = openFakeHouse({});
    await runOver(fake, ["simulate", "--report", "--beads", "50", "--workers", "4", "--provider", "a"]);
    expect(fake.wishes).toEqual([
      {
        ...{ beads: 50, calls: 2, input: 6_000, output: 900, workers: 4, providers: ["a"], seed: 1 },
        ...{ firstTokenMs: 1_000, tokensPerSecond: 60, checkMs: 5_000 },
      },
    ]);
  });
});

describe("bench", () => {
  const row: BenchRow = {
    task: "T/0",
    goal: theGoal,
    outcome: "delivered",
    verdict: "proven",
    isSolved: true,
    isFalseProof: false,
    requests: 2,
    tokens: 1_500,
    usd: 0,
    wallMs: 2_000,
    why: "",
    revisions: 2,
    stage: "repair",
  };
  const lost: BenchRow = {
    ...row,
    task: "T/1",
    outcome: "failed",
    verdict: "-",
    isSolved: false,
    stage: "draft",
    why: "the tries are spent",
  };
  const rows = [row, lost];
  test("a line a task, then the sums", async () => {
    const { code, out, err } = await run({ rows }, "bench", "tasks.jsonl");
    expect(code).toBe(exits.done);
    expect(out).toEqual([
      "T/0  solved  proven  repair  2 requests  1,500 tokens  2.0 s",
      "T/1  failed  -  draft  2 requests  1,500 tokens  2.0 s  the tries are spent",
      "solved 1 of 2 (1 by a draft and one retry), delivered 1, false proofs 0",
      "per task: 2.00 requests, 1,500 tokens, 2.0 s",
      "solved by: repair 1",
    ]);
    expect(err).toEqual(["rows are kept in /home/somebody/.rigs/bench/1"]);
  });
  test("as JSON Lines", async () => {
    const { out } = await run({ rows }, "bench", "tasks.jsonl", "--json");
    expect(out.map((line) => JSON.parse(line).type)).toEqual(["bench-task", "bench-task", "bench-end"]);
    expect(JSON.parse(out[2] ?? "")).toMatchObject({
      tasks: 2,
      solved: 1,
      delivered: 1,
      falseProofs: 0,
      stages: { repair: 1 },
    });
  });
  test("a stopped one says how to go on", async () => {
    const stop = new AbortController();
    stop.abort(new Error("interrupted"));
    const { code, err } = await runOver(openFakeHouse({ rows: [row] }), ["bench", "tasks.jsonl"], { stop });
    expect(code).toBe(exits.interrupted);
    expect(err.at(-1)).toBe("go on with: rigs bench tasks.jsonl --resume /home/somebody/.rigs/bench/1");
  });
});

test("colour follows the side it goes to, and the words say the same", async () => {
  const events = historyOf(theGoal, { ...delivered, outcome: "failed", reason: "red" });
  const plain = await run({ events }, "bead", "show", `${theGoal}.1`);
  const terminal = openFakeTerminal({ hasColor: true });
  const colored = await runOver(openFakeHouse({ events }), ["bead", "show", `${theGoal}.1`], { terminal });
  expect(colored.out.join("\n")).toContain("\u001b[32m");
  const { stripVTControlCharacters } = await import("node:util");
  expect(colored.out.map(stripVTControlCharacters)).toEqual(plain.out);
});
