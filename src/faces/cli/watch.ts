import type { Event } from "../../domain/event.ts";
import type { GoalId } from "../../domain/id.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Sight } from "../../work/tools.ts";
import type { Terminal } from "../house.ts";
import { paint } from "./paint.ts";
import { seconds, sentenceOf } from "./sentences.ts";

export interface Watch {
  see(sight: Sight): void;
  close(): void;
}

/** JSON Lines of events on stdout; or, for people, sentences on stderr with a status line at the foot of a terminal. */
export function openWatch(goal: GoalId, json: boolean, terminal: Terminal, clock: Clock): Watch {
  return json ? jsonWatch(terminal) : peopleWatch(goal, terminal, clock);
}

function jsonWatch(terminal: Terminal): Watch {
  return {
    see(sight) {
      // The contract's own first and last lines stand for these two.
      if (sight.kind !== "recorded" || sight.recorded.event.type === "goal-ended") return;
      const { sequence, event } = sight.recorded;
      terminal.out(JSON.stringify({ ...event, sequence }));
    },
    close() {},
  };
}

/** What the status line adds up from the events seen. */
interface Sum {
  doing: string;
  since: number;
  tests: string;
  tokens: number;
  usd: number;
}

function peopleWatch(goal: GoalId, terminal: Terminal, clock: Clock): Watch {
  const sum: Sum = { doing: "opening the repository", since: clock.now(), tests: "", tokens: 0, usd: 0 };
  const stop = new AbortController();
  const draw = () => terminal.status([statusLine(goal, sum, clock.now(), terminal)]);
  const tick = async () => {
    while (!stop.signal.aborted) {
      draw();
      await clock.sleep(500, stop.signal).catch(() => undefined);
    }
  };
  const ticking = terminal.isLive ? tick() : undefined;
  return {
    see(sight) {
      if (sight.kind === "recorded") {
        const sentence = sentenceOf(sight.recorded.event);
        if (sentence !== undefined) terminal.err(paint(sentence, terminal.hasColor));
        tally(sum, sight.recorded.event);
        sum.since = clock.now();
      }
      if (sight.kind === "answering") sum.doing = `answering, ${sight.characters} characters so far`;
      if (sight.kind === "running")
        sum.doing = sight.what === "proof" ? "proving in a clean checkout" : "running the checks";
      if (sight.kind === "note") terminal.err(sight.text);
      draw();
    },
    close() {
      stop.abort();
      void ticking;
      terminal.status([]);
    },
  };
}

function tally(sum: Sum, event: Event): void {
  switch (event.type) {
    case "goal-created":
    case "goal-resumed":
      sum.doing = "preparing the environment, running the checks on base";
      return;
    case "call-reserved":
      sum.doing = `${event.step}: waiting for ${event.provider}`;
      return;
    case "call-settled":
      sum.tokens += event.usage.input + event.usage.output;
      sum.usd += event.usd;
      sum.doing = "reading the answer";
      return;
    case "revision-recorded": {
      const { testsPassed, testsFailed } = event.evaluation.score;
      sum.tests = `${testsPassed}/${testsPassed + testsFailed} tests`;
      sum.doing = "deciding what is next";
      return;
    }
    case "proof-started":
      sum.doing = "proving in a clean checkout";
      return;
    case "bead-waiting":
      sum.doing = `waiting: ${event.why}`;
      return;
    case "bead-integrated":
      sum.doing = "delivering";
      return;
    default:
      return;
  }
}

function statusLine(goal: GoalId, sum: Sum, now: number, terminal: Terminal): string {
  const parts = [
    goal,
    sum.doing,
    sum.tests,
    sum.tokens > 0 ? `${sum.tokens} tokens` : "",
    sum.usd > 0 ? `$${sum.usd.toFixed(4)}` : "",
    seconds(Math.max(0, now - sum.since)),
  ];
  const line = parts.filter((part) => part !== "").join(" · ");
  const width = Math.max(20, terminal.columns() - 1);
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
