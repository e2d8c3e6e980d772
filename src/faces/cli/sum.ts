/** What is added up while one watches, and the one line that tells it. */
import type { Event } from "../../domain/event.ts";
import type { GoalId } from "../../domain/id.ts";
import type { Sight } from "../../work/tools.ts";
import { dollars, duration, grouped, insteadWhy, moment, oneLine } from "./sentences.ts";
import { cut, widthOf } from "./width.ts";

/** What the status line adds up from what was seen. */
export interface Sum {
  readonly goal: GoalId;
  readonly doing: string;
  /** When `doing` began, and when the watch did. */
  readonly since: number;
  readonly startedAt: number;
  /** "4/5 tests" of the newest revision that stands; empty before the first. */
  readonly tests: string;
  readonly testsAt: ReadonlyMap<string, string>;
  readonly asked: string;
  /** Its call waits for a place with a provider. */
  readonly isInLine: boolean;
  /** Who was asked last in place of whom; undefined: the first choice. */
  readonly moved: Moved | undefined;
  readonly tokens: number;
  readonly usd: number;
}

export interface Moved {
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

export function begin(goal: GoalId, now: number): Sum {
  const doing = "preparing, running the checks once";
  const empty = {
    tests: "",
    testsAt: new Map<string, string>(),
    asked: "",
    isInLine: false,
    moved: undefined,
    tokens: 0,
    usd: 0,
  };
  return { goal, doing, since: now, startedAt: now, ...empty };
}

/** The sum after one more sight. Pure. */
export function tally(sum: Sum, sight: Sight, now: number): Sum {
  const seen = sight.kind === "recorded" ? afterEvent(sum, sight.recorded.event) : duringStep(sum, sight);
  const next = { ...seen, isInLine: sight.kind === "queued" || (sight.kind === "note" && sum.isInLine) };
  // A growing answer is one step, and so is a stand in line: its time is not counted anew with each look.
  const isSameStep =
    sight.kind === "answering" || next.doing === sum.doing || (next.isInLine && sum.isInLine);
  return isSameStep ? next : { ...next, since: now };
}

function duringStep(sum: Sum, sight: Exclude<Sight, { kind: "recorded" }>): Sum {
  switch (sight.kind) {
    case "answering":
      return { ...sum, doing: `${sum.asked} answers, ${grouped(sight.characters)} characters` };
    case "queued":
      return { ...sum, doing: `in line for ${oneLine(sight.why)}` };
    case "running":
      return { ...sum, doing: sight.what === "proof" ? proving : "running the checks" };
    default:
      return sum;
  }
}

const proving = "proving";

function afterEvent(sum: Sum, event: Event): Sum {
  switch (event.type) {
    case "call-reserved": {
      const { provider, insteadOf } = event;
      const asked = `${event.step}: ${provider}`;
      const moved =
        insteadOf === undefined
          ? undefined
          : { from: insteadOf.provider, to: provider, why: insteadWhy(insteadOf.why, provider) };
      const instead = moved === undefined ? "" : `, not ${moved.from}`;
      return { ...sum, asked, moved, doing: `${event.step}: waiting for ${provider}${instead}` };
    }
    case "call-settled": {
      const tokens = sum.tokens + event.usage.input + event.usage.output;
      return { ...sum, tokens, usd: sum.usd + event.usd, doing: "reading the answer" };
    }
    case "revision-recorded": {
      const { testsPassed, testsFailed } = event.evaluation.score;
      const tests = `${testsPassed}/${testsPassed + testsFailed} tests`;
      const testsAt = new Map(sum.testsAt).set(event.commit, tests);
      return { ...sum, tests, testsAt, doing: "deciding" };
    }
    case "revision-reverted":
      return { ...sum, tests: sum.testsAt.get(event.to) ?? "" };
    case "proof-started":
      return { ...sum, doing: proving };
    case "bead-waiting":
    case "bead-held-back":
      return { ...sum, doing: `waiting: ${oneLine(event.why)}` };
    case "bead-integrated":
      return { ...sum, doing: "delivering" };
    default:
      return sum;
  }
}

/** One line that fits `columns`: what is done gives way first, the figures stay. */
export function statusLine(sum: Sum, now: number, columns: number): string {
  const figures = [
    sum.tests,
    sum.tokens > 0 ? `${grouped(sum.tokens)} tokens${dollars(sum.usd)}` : "",
    duration(Math.max(0, now - sum.startedAt)),
  ].filter((figure) => figure !== "");
  const foot = ` · ${figures.join(" · ")}`;
  const head = `${sum.goal} · `;
  // The last column stays free: a cursor behind it would wrap on some terminals.
  const left = columns - 1 - widthOf(head) - widthOf(foot);
  if (left < 10) return cut(`${head}${sum.doing}`, Math.max(1, columns - 1));
  const timed = `${sum.doing} (${duration(now - sum.since)})`;
  const isWorthIt = now - sum.since >= 1_000 && widthOf(timed) <= left;
  return `${head}${isWorthIt ? timed : cut(sum.doing, left)}${foot}`;
}

/** What limits do to one bead. */
export interface Limited {
  readonly waits: { readonly until: number; readonly why: string } | undefined;
  readonly moved: Moved | undefined;
}

/** "claude: 5-hour window at 91 %, resumes 14:05:30; 2 beads wait; 3 beads moved to gemini (claude: …)"; empty where they do nothing. */
export function limitsWords(beads: readonly Limited[], now: number): string {
  const waiting = Map.groupBy(
    beads.flatMap(({ waits }) => waits ?? []),
    ({ why }) => why,
  );
  const waits = [...waiting].map(([why, group]) => {
    const soonest = Math.min(...group.map(({ until }) => until));
    return `${why}, resumes ${moment(soonest, now)}; ${counted(group.length)} wait${group.length === 1 ? "s" : ""}`;
  });
  const moving = Map.groupBy(
    beads.flatMap(({ moved }) => moved ?? []),
    ({ from, to, why }) => JSON.stringify([from, to, why]),
  );
  const moves = [...moving.values()].flatMap((group) =>
    group.slice(0, 1).map(({ from, to, why }) => `${counted(group.length)} moved to ${to} (${from}: ${why})`),
  );
  return [...waits, ...moves].join("; ");
}

function counted(beads: number): string {
  return `${beads} bead${beads === 1 ? "" : "s"}`;
}
