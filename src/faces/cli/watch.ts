import type { Event, Recorded } from "../../domain/event.ts";
import type { GoalId } from "../../domain/id.ts";
import type { Clock } from "../../kit/clock.ts";
import type { Sight } from "../../work/tools.ts";
import type { Terminal } from "../house.ts";
import { type Board, boardLines, emptyBoard, isTree, onBoard } from "./board.ts";
import { paint, say } from "./paint.ts";
import { isBookkeeping, isRoutine, oneLine, sentenceOf } from "./sentences.ts";
import { begin, type Moved, type Sum, statusLine, tally } from "./sum.ts";
import { namedSentence } from "./tree.ts";

export interface Watch {
  see(sight: Sight): void;
  close(): void;
}

/** What Ctrl-C stops where nothing is worked on here. */
export function watchingEnds(): string {
  return "the watching ends";
}

export interface Watching {
  readonly goal: GoalId;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** What happened before the watching began; it is counted, and not told again. */
  readonly before: readonly Recorded[];
}

/** JSON Lines of events on stdout; or, for people, sentences on stderr with a status at the foot of a terminal. */
export function openWatch(watching: Watching): Watch {
  return watching.json ? jsonWatch(watching.terminal) : peopleWatch(watching);
}

function jsonWatch(terminal: Terminal): Watch {
  return {
    see(sight) {
      // The contract's own last line stands for this one.
      if (sight.kind !== "recorded" || sight.recorded.event.type === "goal-ended") return;
      const { sequence, event } = sight.recorded;
      terminal.out(JSON.stringify({ ...event, sequence }));
    },
    close() {},
  };
}

function peopleWatch({ goal, terminal, clock, before }: Watching): Watch {
  let sum = begin(goal, clock.now());
  let board = emptyBoard(goal);
  const count = (sight: Sight) => {
    sum = tally(sum, sight, clock.now());
    board = onBoard(board, sight, clock.now());
  };
  for (const recorded of before) count({ kind: "recorded", recorded });
  const stop = new AbortController();
  const draw = () => {
    if (terminal.isLive) terminal.status(footOf(sum, board, clock.now(), terminal));
  };
  const tick = async () => {
    while (!stop.signal.aborted) {
      draw();
      await clock.sleep(500, stop.signal).catch(() => undefined);
    }
  };
  const ticking = terminal.isLive ? tick() : undefined;
  return {
    see(sight) {
      const { asked, moved } = sumOf(sum, board, sight);
      count(sight);
      if (sight.kind === "recorded") tell(sight.recorded.event, { asked, moved, board, terminal });
      if (sight.kind === "note") say(terminal, "err", { tone: "warn", text: oneLine(sight.text) });
      draw();
    },
    close() {
      stop.abort();
      void ticking;
      terminal.status("");
    },
  };
}

function footOf(sum: Sum, board: Board, now: number, terminal: Terminal): string {
  const columns = terminal.columns("err");
  if (!isTree(board)) return statusLine(sum, now, columns);
  return boardLines(board, sum, now, { columns, rows: terminal.rows() })
    .map(({ tone, text }) => paint(text, tone, terminal.hasColor("err")))
    .join("\n");
}

/** What is known of the bead that is seen; of the goal where it is not about one. */
function sumOf(sum: Sum, board: Board, sight: Sight): Sum {
  const event = sight.kind === "recorded" ? sight.recorded.event : undefined;
  const row = event !== undefined && "bead" in event ? board.rows.get(event.bead) : undefined;
  return row?.sum ?? sum;
}

interface Telling {
  /** "draft: work", the question that is out. */
  readonly asked: string;
  /** Who was asked last in place of whom. */
  readonly moved: Moved | undefined;
  readonly board: Board;
  readonly terminal: Terminal;
}

/** What the command's own last words say is left to them. */
function tell(event: Event, { asked, moved, board, terminal }: Telling): void {
  if (event.type === "goal-created" || event.type === "goal-ended") return;
  if (isBookkeeping(event) || (terminal.isLive && isRoutine(event) && !isNewMove(event, moved))) return;
  const sentence = sentenceOf(event);
  // Where the question itself was not said, its answer says which one it was.
  const isAnswer = terminal.isLive && event.type === "call-settled" && event.settled.kind === "said";
  const text = isAnswer ? `${asked} ${sentence.text}` : sentence.text;
  const row = "bead" in event && isTree(board) ? board.rows.get(event.bead) : undefined;
  say(terminal, "err", { ...sentence, text: row === undefined ? text : namedSentence(row, text) });
}

/** Another provider is asked than was chosen first, and the question before this one did not say so already. */
function isNewMove(event: Event, moved: Moved | undefined): boolean {
  if (event.type !== "call-reserved" || event.insteadOf === undefined) return false;
  return moved?.from !== event.insteadOf.provider || moved.to !== event.provider;
}
