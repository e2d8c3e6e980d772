/**
 * The feedback packet: what a model needs to mend a failure, and no more.
 *
 * 1. It fits: size(packet) <= tokensMax, for any size function under which the empty text is 0.
 * 2. Details go first, then headings, and only then are the expected and the got value cut.
 * 3. Nothing a test or a program wrote can end the block it is shown in, or begin a line outside of one.
 */
import { headAndTail } from "../kit/bounded.ts";
import { compareScores, type Score } from "./attempt.ts";
import { readComplaint } from "./complaint.ts";
import { findTest, listing, near, type Span, shown, within } from "./excerpt.ts";
import { type Failure, scoreOf, shortName, steady } from "./failure.ts";
import { fenced, oneLine } from "./fence.ts";
import { type GateRun, isGreen, testsOf } from "./gate.ts";
import type { GateFacts } from "./verdict.ts";

export interface PacketAsk {
  readonly failure: Failure;
  readonly runs: readonly GateRun[];
  /** Texts as they were run, by path: tests and own code. What is missing is not shown. */
  readonly sources: ReadonlyMap<string, string>;
  /** The score of the round before in this line; undefined in the first. */
  readonly previous: Score | undefined;
  /** What was tried and did not help, one line each. */
  readonly ideas: readonly string[];
  /** Tokens of a text. */
  readonly size: (text: string) => number;
  /** Default 1,500. */
  readonly tokensMax?: number;
}

export const packetTokensMax = 1_500;

/** How much of each part is shown. */
interface Detail {
  readonly testLines: number;
  /** Lines before and after the frame; undefined: not shown. */
  readonly around: number | undefined;
  readonly messageLines: number;
  readonly others: number;
  readonly ideas: number;
  readonly headings: "shown" | "dropped";
}

/** From everything to the bare facts; the first that fits is taken. */
const details: readonly Detail[] = [
  { testLines: 40, around: 5, messageLines: 20, others: 8, ideas: 6, headings: "shown" },
  { testLines: 30, around: 5, messageLines: 12, others: 4, ideas: 4, headings: "shown" },
  { testLines: 16, around: 5, messageLines: 8, others: 2, ideas: 3, headings: "shown" },
  { testLines: 10, around: 3, messageLines: 5, others: 0, ideas: 3, headings: "shown" },
  { testLines: 6, around: 1, messageLines: 3, others: 0, ideas: 2, headings: "shown" },
  { testLines: 0, around: 1, messageLines: 1, others: 0, ideas: 1, headings: "shown" },
  { testLines: 0, around: undefined, messageLines: 0, others: 0, ideas: 0, headings: "shown" },
  { testLines: 0, around: undefined, messageLines: 0, others: 0, ideas: 0, headings: "dropped" },
];
const valueCharacters: readonly number[] = [4_000, 2_000, 1_000, 500, 250, 120, 64];

export function feedbackPacket(ask: PacketAsk): string {
  const { size, tokensMax = packetTokensMax } = ask;
  const fits = (text: string) => size(text) <= tokensMax;
  for (const detail of details) {
    const packet = render(ask, detail, (value) => value);
    if (fits(packet)) return packet;
  }
  const bare = details.at(-1);
  for (const characters of valueCharacters) {
    const packet = bare === undefined ? "" : render(ask, bare, (value) => headAndTail(value, characters));
    if (fits(packet)) return packet;
  }
  return longestFitting(ask.failure.headline, fits);
}

/**
 * Feedback for a change that the judge did not accept: its reasons, one line each, the gravest first. `before`: its own
 * runs were green, or no redder than before the change.
 */
export function refusalPacket(
  reasons: readonly string[],
  {
    before,
    size,
    tokensMax = packetTokensMax,
  }: Pick<PacketAsk, "size" | "tokensMax"> & { readonly before: "green" | "held-red" },
): string {
  const heading =
    before === "green"
      ? "The checks passed, but the judge did not accept the change"
      : "The checks are no redder than before the change, but some fail, and the judge did not accept it";
  const lines = [...new Set(reasons.map((reason) => oneLine(reason, 300)))].filter((line) => line !== "");
  for (let kept = Math.min(lines.length, 12); kept > 0; kept--) {
    const text = `${heading}:\n${lines
      .slice(0, kept)
      .map((line) => `- ${line}`)
      .join("\n")}`;
    if (size(text) <= tokensMax) return text;
  }
  return longestFitting(`${heading}.`, (text) => size(text) <= tokensMax);
}

/** A proof's runs on the commit without what a guard had red before the change already: nobody is asked to mend that. */
export function runsToMend(gates: readonly GateFacts[]): readonly GateRun[] {
  return gates.flatMap(({ check, base, head }): readonly GateRun[] => {
    if (check.role !== "guard" || isGreen(base)) return [head];
    if (base.kind !== "counted" || head.kind !== "counted") return [];
    const before = new Set(base.tests.filter(({ status }) => status === "failed").map(({ id }) => id));
    const tests = head.tests.filter(({ id, status }) => status !== "failed" || !before.has(id));
    return tests.some(({ status }) => status === "failed") ? [{ ...head, tests }] : [];
  });
}

/** The longest beginning that fits, found by halving. */
function longestFitting(text: string, fits: (text: string) => boolean): string {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return text.slice(0, good);
}

type Cut = (value: string) => string;

function render(ask: PacketAsk, detail: Detail, cut: Cut): string {
  const { failure } = ask;
  const label = (heading: string, body: string) =>
    detail.headings === "dropped" ? body : `${heading}\n${body}`;
  const test = testSource(ask, detail.testLines);
  const frame = frameSource(ask, detail.around, test);
  const values = valuesOf(failure, cut);
  const message = messageOf(failure, detail.messageLines);
  const parts: (string | undefined)[] = [
    `${failure.headline}\n${countsOf(ask)}`,
    failure.test === undefined
      ? `Failing check: ${oneLine(failure.check, 200)}`
      : `First failing test: ${oneLine(failure.test, 300)}`,
    test === undefined ? undefined : label(`The test, in ${oneLine(test.path, 200)}:`, fenced(test.text)),
    values === undefined ? undefined : label("What it expected and what it got:", fenced(values)),
    message === undefined ? undefined : label("What the runner said:", fenced(message)),
    frame === undefined
      ? undefined
      : label(`Where it happened, ${oneLine(frame.path, 200)} line ${frame.line}:`, fenced(frame.text)),
    othersOf(ask, detail.others),
    ideasOf(ask, detail.ideas),
  ];
  return parts.filter((part) => part !== undefined).join("\n\n");
}

function countsOf({ runs, previous }: PacketAsk): string {
  const score = scoreOf(runs);
  const counts = `${score.testsPassed} passed, ${score.testsFailed} failed`;
  if (previous === undefined) return `${counts}.`;
  const change = compareScores(score, previous);
  const word = change > 0 ? "better" : change < 0 ? "worse" : "no better";
  return `${counts}; the round before ${previous.testsPassed} passed, ${previous.testsFailed} failed: ${word}.`;
}

/** Whole values: law 2 lets only `cut` shorten them. */
function valuesOf({ expected, got }: Failure, cut: Cut): string | undefined {
  if (expected === undefined && got === undefined) return undefined;
  const line = (name: string, value = "(not told)") =>
    value.includes("\n") ? `${name}:\n${cut(value)}` : `${name}: ${cut(value)}`;
  return `${line("expected", expected)}\n${line("got", got)}`;
}

interface Source extends Span {
  readonly path: string;
  readonly text: string;
}

function testSource({ failure, sources }: PacketAsk, linesMax: number): Source | undefined {
  if (failure.test === undefined || linesMax === 0) return undefined;
  const path = failure.file ?? failure.test.split(failure.test.includes(" > ") ? " > " : "::")[0] ?? "";
  const text = sources.get(path);
  if (text === undefined) return undefined;
  const lines = text.split("\n");
  const line = failure.frames.findLast((frame) => frame.path === path)?.line;
  const whole = findTest(failure.test, lines) ?? (line === undefined ? undefined : near(lines, line, 8));
  if (whole === undefined) return undefined;
  const span = within(whole, line, linesMax);
  return { path, ...span, text: listing(lines, span, line) };
}

function frameSource(
  { failure, sources }: PacketAsk,
  around: number | undefined,
  test: Source | undefined,
): (Source & { readonly line: number }) | undefined {
  const frame = failure.frames.at(-1);
  if (frame === undefined || around === undefined) return undefined;
  const { path, line } = frame;
  if (test?.path === path && line > test.from && line <= test.to) return undefined;
  const lines = sources.get(path)?.split("\n") ?? [];
  const span = near(lines, line, around);
  return span === undefined ? undefined : { path, line, ...span, text: listing(lines, span, line) };
}

/** pytest's own lines where it has them, else the lines up to the essence; repetitions are told once. */
function messageOf({ message, essence }: Failure, linesMax: number): string | undefined {
  if (linesMax === 0 || message.trim() === "") return undefined;
  // Frames are told apart from this, the library's not at all.
  const all = message.split("\n").filter((line) => !/^\s{0,40}(?:at|❯) \S/.test(line.slice(0, 80)));
  const marked = all.filter((line) => /^E\s/.test(line));
  const lines = withoutRepetition(marked.length > 0 ? marked : all);
  const key = essence.slice(0, 30);
  const at = lines.findLastIndex((line) => line.includes(key));
  // What explains an error stands above it; below it are a few lines of values at most.
  const to = at < 0 ? lines.length : Math.min(lines.length, at + 8);
  const kept = lines
    .slice(Math.max(0, to - linesMax), to)
    .map(shown)
    .join("\n");
  return kept.trim() === "" || kept.trim().replace(/^AssertionError: /, "") === essence ? undefined : kept;
}

function withoutRepetition(lines: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const line of lines) if (line.trim() !== "" && line !== kept.at(-1)) kept.push(line.trimEnd());
  return kept;
}

/** The other failing tests by what they say; tests that say the same as the first are only counted. */
function othersOf({ failure, runs }: PacketAsk, othersMax: number): string | undefined {
  const failing = runs.flatMap((run) =>
    testsOf(run).filter((test) => test.status === "failed" && test.id !== failure.test),
  );
  if (othersMax === 0 || failing.length === 0) return undefined;
  const groups = new Map<string, string[]>();
  for (const test of failing.slice(0, 500)) {
    const key = steady(readComplaint(test.message).essence);
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(shortName(test.id));
  }
  const lines = [...groups].slice(0, othersMax).map(([essence, names]) => {
    const listed = names
      .slice(0, 3)
      .map((name) => oneLine(name, 80))
      .join(", ");
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    const same = essence === steady(failure.essence) ? "the same" : oneLine(essence, 140);
    return `- ${listed}${more}: ${same}`;
  });
  const rest = groups.size > othersMax ? "\n- and others" : "";
  return `Other failing tests (${failing.length}):\n${lines.join("\n")}${rest}`;
}

function ideasOf({ ideas }: PacketAsk, ideasMax: number): string | undefined {
  const lines = [...new Set(ideas.map((idea) => oneLine(idea, 200)))].filter((idea) => idea !== "");
  if (ideasMax === 0 || lines.length === 0) return undefined;
  return `Already tried, did not help:\n${lines
    .slice(-ideasMax)
    .map((idea) => `- ${idea}`)
    .join("\n")}`;
}
