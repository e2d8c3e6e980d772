/** What limits do to the work, as whoever watches it and whoever looks later sees it; and what was taken of a budget. */
import { describe, expect, test } from "vitest";
import type { Event } from "../../domain/event.ts";
import { partOf, planted, worked } from "../../domain/forest.case.ts";
import type { Fault } from "../../domain/reply.ts";
import { boardLines, emptyBoard, onBoard } from "./board.ts";
import { openFakeHouse, openFakeTerminal, runOver } from "./house.case.ts";
import { clockTime, moment, sentenceOf } from "./sentences.ts";
import { historyOf, sightsOf, storyOf, theGoal } from "./story.case.ts";
import { begin, limitsWords, statusLine, tally } from "./sum.ts";
import { openWatch } from "./watch.ts";

const hourMs = 3_600_000;
const until = 9_000_000;
const instead = { provider: "claude", why: "5-hour window at 91 %" };

/** The calls of these events, each moved from claude. */
function moved(events: readonly Event[]): readonly Event[] {
  return events.map((event) =>
    event.type === "call-reserved" ? { ...event, provider: "gemini", insteadOf: instead } : event,
  );
}
/** A bead at work that has asked and was not answered yet. */
const asking = (number: number) => moved(worked(number, true)).slice(0, 2);
const waiting = (number: number): Event => ({
  ...{ type: "bead-waiting", at: 1, goal: theGoal, bead: partOf(number), token: 1, until },
  why: "claude: 5-hour window at 91 %",
});

function footOf(events: readonly Event[], columns: number): readonly string[] {
  let sum = begin(theGoal, 0);
  let board = emptyBoard(theGoal);
  for (const sight of sightsOf(events)) {
    sum = tally(sum, sight, 1_000);
    board = onBoard(board, sight, 1_000);
  }
  return boardLines(board, sum, 1_000, { columns, rows: 40 }).map(({ text }) => text);
}

describe("the live view", () => {
  test("one line says what is waited for, until when, and what went elsewhere", () => {
    const at = clockTime(until);
    expect(footOf([...planted(), ...asking(1), ...asking(2)], 200)[1]).toBe(
      "  2 beads moved to gemini (claude: 5-hour window at 91 %)",
    );
    expect(footOf([...planted(), ...asking(1), waiting(2)], 200)[1]).toBe(
      `  claude: 5-hour window at 91 %, resumes ${at}; 1 bead waits; 1 bead moved to gemini (claude: 5-hour window at 91 %)`,
    );
    expect(footOf([...planted(), ...worked(1, true).slice(0, 2)], 200).join("\n")).not.toMatch(
      /moved|resumes/,
    );
  });
  test("it is gone when the bead goes on, and fits the terminal", () => {
    const ready = {
      type: "bead-ready",
      at: 2,
      goal: theGoal,
      bead: partOf(2),
      why: "it may ask again",
    } as const;
    const lines = footOf([...planted(), waiting(2), ready], 80);
    expect(lines.join("\n")).not.toContain("resumes");
    for (const line of footOf([...planted(), ...asking(1), waiting(2)], 80))
      expect(line.length).toBeLessThanOrEqual(79);
  });
  test("a goal of one bead says it in its status line", () => {
    let sum = begin(theGoal, 0);
    for (const sight of sightsOf(moved(storyOf()).slice(0, 5))) sum = tally(sum, sight, 1_000);
    expect(statusLine(sum, 1_000, 200)).toContain("draft: waiting for gemini, not claude");
  });
  test("each move is said once, not with every call", () => {
    const terminal = openFakeTerminal({ isLive: true });
    const watch = openWatch({
      ...{ goal: theGoal, json: false, terminal, before: [] },
      clock: { now: () => 1_000, sleep: () => new Promise<void>(() => undefined) },
    });
    for (const sight of sightsOf(moved(storyOf()))) watch.see(sight);
    watch.close();
    const said = terminal.said.err.filter((line) => line.includes("instead of"));
    expect(said).toEqual(["draft: asking gemini (some-model) instead of claude: 5-hour window at 91 %"]);
  });
  test("many that wait for one thing are one sentence, with the soonest end", () => {
    const waits = { why: "claude: weekly window", until: 5 * 24 * hourMs };
    const beads = [waits, { ...waits, until: 6 * 24 * hourMs }].map((each) => ({
      waits: each,
      moved: undefined,
    }));
    expect(limitsWords(beads, 0)).toBe(
      `claude: weekly window, resumes ${moment(5 * 24 * hourMs, 0)}; 2 beads wait`,
    );
    expect(limitsWords([], 0)).toBe("");
  });
});

describe("afterwards", () => {
  const events = moved(historyOf());
  const run = async (...words: readonly string[]) => (await runOver(openFakeHouse({ events }), words)).out;
  test("logs, events and the bead say who was asked instead of whom, and why", async () => {
    const sentence = "draft: asking gemini (some-model) instead of claude: 5-hour window at 91 %";
    expect((await run("logs")).join("\n")).toContain(sentence);
    expect((await run("events")).join("\n")).toContain(sentence);
    expect((await run("bead", "show", `${theGoal}.1`)).filter((line) => line.includes("moved:"))).toEqual([
      "  moved:  c1 asked gemini instead of claude: 5-hour window at 91 %",
      "  moved:  c2 asked gemini instead of claude: 5-hour window at 91 %",
      "  moved:  c3 asked gemini instead of claude: 5-hour window at 91 %",
    ]);
  });
  test("what a tank calls by one word, and a vendor by none, is said in words", () => {
    const [call] = moved(historyOf()).filter((event) => event.type === "call-reserved");
    const [settled] = historyOf().filter((event) => event.type === "call-settled");
    if (call?.type !== "call-reserved" || settled?.type !== "call-settled") throw new Error("a call is made");
    const said = (why: string) => sentenceOf({ ...call, insteadOf: { provider: "oai", why } }).text;
    expect(said("input tokens")).toContain(" instead of oai: no input tokens were left then");
    expect(said("a free slot")).toContain(" instead of oai: all its places were taken");
    expect(said("it remembers what came before")).toContain(" instead of oai: gemini remembers what came");
    const failed = (fault: Fault) => sentenceOf({ ...settled, settled: { kind: "failed", fault } }).text;
    const why = "HTTP 429 (rate_limit_error): Error";
    expect(failed({ kind: "throttle", retryAt: settled.at + 9_000, why })).toBe(
      `no answer: too many requests or tokens at once, to be asked again at ${clockTime(settled.at + 9_000)}; ${why}`,
    );
    expect(failed({ kind: "capacity", why: "HTTP 529" })).toBe("no answer: it cannot answer now; HTTP 529");
  });
  test("a log of an older version, which does not say, is read as before", async () => {
    const old = historyOf().map((event) => {
      if (event.type !== "call-reserved") return event;
      const { insteadOf: _, ...rest } = event;
      return rest as Event;
    });
    const { out } = await runOver(openFakeHouse({ events: old }), ["logs"]);
    expect(out.join("\n")).toContain("draft: asking work (some-model)");
    expect(out.join("\n")).not.toContain("instead of");
  });
});

describe("a goal with a budget", () => {
  const budget = { tokensMax: 10_000, usdMax: 0.01, wallMsMax: 2_000_000, wallFrom: undefined };
  const events = historyOf().map((event) =>
    event.type === "goal-created" ? { ...event, order: { ...event.order, budget } } : event,
  );
  const open = events.filter(({ type }) => type !== "goal-ended");
  const run = async (of: readonly Event[], ...words: readonly string[]) =>
    (await runOver(openFakeHouse({ events: of }), words)).out;
  test("shows what was taken of each bound; minutes while it runs", async () => {
    expect(await run(events, "goal", "show", theGoal)).toContain(
      "  budget:     4,002 of 10,000 tokens (40 %), $0.0063 of $0.0100 (63 %)",
    );
    const [line = ""] = (await run(open, "goal", "show", theGoal)).filter((each) => each.includes("budget:"));
    expect(line).toMatch(/\(63 %\), 16 min 3\d s of 33 min 20 s \(50 %\)$/);
    expect((await run(historyOf(), "goal", "show", theGoal)).join("\n")).not.toContain("budget:");
  });
  test("lists and status speak of it when half of a bound is gone, while it is open", async () => {
    expect((await run(open, "goal", "list"))[0]).toContain("  budget 63 % used  Add parse(text)");
    expect((await run(open, "status")).join("\n")).toContain("  budget 63 % used  ");
    expect((await run(events, "goal", "list"))[0]).not.toContain("budget");
  });
});
