/**
 * What a tree of beads is doing, for the foot of a terminal: a line for the goal and one for each bead, as many as fit.
 * It adds up what was seen and never asks: an event that was missed leaves a row that is out of date, not an error.
 */
import type { BeadStateKind } from "../../domain/bead.ts";
import { partsOf } from "../../domain/budget.ts";
import type { Event } from "../../domain/event.ts";
import { convoyIn } from "../../domain/goal.ts";
import { type BeadId, type GoalId, goalOf } from "../../domain/id.ts";
import type { Sight } from "../../work/tools.ts";
import { dollars, duration, grouped, moment, oneLine, type Tone } from "./sentences.ts";
import { begin, type Limited, limitsWords, type Sum, tally } from "./sum.ts";
import { branched, shortBead, wordsOf } from "./tree.ts";
import { cut, widthOf } from "./width.ts";

/** One bead as it was seen last. */
export interface Row {
  readonly id: BeadId;
  readonly parent: BeadId | undefined;
  readonly dependsOn: readonly BeadId[];
  /** It was split once, so it never waits for what it needs, only for its parts. */
  readonly isParent: boolean;
  readonly name: string | undefined;
  readonly intent: string;
  readonly kind: BeadStateKind;
  /** What it waits for, or why it stopped; empty where the kind says it all. */
  readonly why: string;
  /** Where it waits for a provider: what for, and until when. */
  readonly waits: Limited["waits"];
  /** Beads whose changes contradict its own. */
  readonly meets: readonly BeadId[];
  readonly sum: Sum;
}

export interface Board {
  readonly goal: GoalId;
  readonly rows: ReadonlyMap<BeadId, Row>;
}

export function emptyBoard(goal: GoalId): Board {
  return { goal, rows: new Map() };
}

/** A goal of one bead needs no board: the status line says it all. */
export function isTree({ rows }: Board): boolean {
  return rows.size > 1;
}

/** The board after one more sight. Pure. */
export function onBoard(board: Board, sight: Sight, now: number): Board {
  if (sight.kind === "recorded" && sight.recorded.event.type === "bead-created")
    return withRow(board, created(sight.recorded.event, now));
  if (sight.kind === "recorded" && sight.recorded.event.type === "conflict-seen")
    return met(board, sight.recorded.event);
  const id = beadIn(sight);
  const row = id === undefined ? undefined : board.rows.get(id);
  if (row === undefined) return board;
  const sum = tally(row.sum, sight, now);
  if (sight.kind !== "recorded") return withRow(board, { ...row, ...inHands(row), sum });
  const standing = { waits: undefined, ...standingAfter(row, sight.recorded.event) };
  if (standing.kind === row.kind) return withRow(board, { ...row, ...standing, sum });
  // Where it moves, its time is counted anew, and what it did before is over.
  const doing = sum.doing === row.sum.doing ? "" : sum.doing;
  return withRow(board, { ...row, ...standing, sum: { ...sum, doing, since: now } });
}

function withRow({ goal, rows }: Board, row: Row): Board {
  return { goal, rows: new Map(rows).set(row.id, row) };
}

/** Whoever saw it, both have it. */
function met(board: Board, { bead, with: other }: Extract<Event, { type: "conflict-seen" }>): Board {
  const add = (before: Board, id: BeadId, met: BeadId) => {
    const row = before.rows.get(id);
    return row === undefined ? before : withRow(before, { ...row, meets: [...new Set([...row.meets, met])] });
  };
  return add(add(board, bead, other), other, bead);
}

function created(event: Extract<Event, { type: "bead-created" }>, now: number): Row {
  const { bead: id, parent, dependsOn, contract } = event;
  const kind = dependsOn.length === 0 ? "ready" : "blocked";
  const sum = { ...begin(goalOf(id), now), doing: "" };
  const { name, intent } = contract;
  const about = { id, parent, dependsOn, isParent: false, name, intent };
  return { ...about, kind, why: "", waits: undefined, meets: [], sum };
}

function beadIn(sight: Sight): BeadId | undefined {
  if (sight.kind === "note") return undefined;
  if (sight.kind !== "recorded") return sight.bead;
  const { event } = sight.recorded;
  return "bead" in event ? event.bead : undefined;
}

/** A claim is not always seen; what is no event only its holder can say. */
function inHands({ kind }: Row): Partial<Pick<Row, "kind" | "why" | "waits">> {
  return kind === "ready" || kind === "waiting" ? { kind: "claimed", why: "", waits: undefined } : {};
}

type Standing = Pick<Row, "kind" | "why"> & Partial<Pick<Row, "isParent" | "waits">>;

function standingAfter(row: Row, event: Event): Standing {
  switch (event.type) {
    case "bead-split":
      return { kind: "split", why: "", isParent: true };
    case "bead-blocked":
      return { kind: row.isParent ? "split" : "blocked", why: "" };
    case "bead-ready":
    case "bead-released":
    case "bead-resumed":
      return { kind: "ready", why: "" };
    case "bead-returned":
      return { kind: "ready", why: `came back: ${oneLine(event.why)}` };
    case "bead-claimed":
    // A claim is not always seen; these only its holder can say.
    case "call-reserved":
    case "call-settled":
    case "answer-rejected":
    case "files-asked":
    case "revision-recorded":
    case "revision-reverted":
      return { kind: "claimed", why: "" };
    case "bead-waiting":
      return {
        kind: "waiting",
        why: `until ${moment(event.until, event.at)}: ${oneLine(event.why)}`,
        waits: { until: event.until, why: oneLine(event.why) },
      };
    case "bead-held-back":
      return { kind: "waiting", why: `for the budget: ${oneLine(event.why)}` };
    case "proof-started":
      return { kind: "proving", why: "" };
    case "proof-ended":
      return { kind: event.isAccepted ? "proven" : "claimed", why: "" };
    case "bead-integrating":
      return { kind: "integrating", why: "" };
    case "bead-integrated":
      return { kind: "integrated", why: "" };
    case "bead-parked":
      return { kind: "parked", why: oneLine(partsOf(event.reason).why) };
    case "bead-needs-answer":
      return { kind: "needs-answer", why: oneLine(event.question) };
    case "bead-cancelled":
      return { kind: convoyIn(event.why) === undefined ? "cancelled" : "joined", why: "" };
    default:
      return { kind: row.kind, why: row.why, waits: row.waits };
  }
}

/** How much a row is worth a line where not all fit: what moves or needs a person first. */
const worth: Readonly<Record<BeadStateKind, number>> = {
  claimed: 0,
  proving: 0,
  integrating: 0,
  "needs-answer": 1,
  waiting: 1,
  parked: 2,
  proven: 3,
  ready: 4,
  blocked: 5,
  cancelled: 6,
  joined: 6,
  integrated: 7,
  split: 8,
};

export interface BoardLine {
  readonly tone: Tone;
  readonly text: string;
}

/** Lines that take at most half of a terminal of this size, never more than 20, each with a column to spare. */
export function boardLines(
  board: Board,
  sum: Sum,
  now: number,
  size: { readonly columns: number; readonly rows: number },
): readonly BoardLine[] {
  const linesMax = Math.max(1, Math.min(20, Math.floor(size.rows / 2)));
  const columnsMax = Math.max(1, size.columns - 1);
  const all = branched([...board.rows.values()])
    .map(({ bead }) => bead)
    // What became a tree is what the first line tells about.
    .filter(({ kind }) => kind !== "split");
  const capacity = linesMax > 2 ? limitsWords(all.map(limitedBy), now) : "";
  const shown = chosen(all, linesMax - (capacity === "" ? 1 : 2));
  const hidden = all.filter((row) => !shown.includes(row));
  const idColumns = Math.max(0, ...shown.map(({ id }) => shortBead(id).length));
  return [
    { tone: "plain", text: headLine(board, sum, now, columnsMax) },
    ...(capacity === "" ? [] : [{ tone: "warn" as const, text: cut(`  ${capacity}`, columnsMax) }]),
    ...shown.map((row) => rowLine(row, board, now, { columnsMax, idColumns })),
    ...(hidden.length > 0 && linesMax > 2
      ? [{ tone: "dim" as const, text: cut(`  and ${hidden.length} more: ${kindsOf(hidden)}`, columnsMax) }]
      : []),
  ];
}

/** A move is told while its call is out. */
function limitedBy({ kind, waits, sum }: Row): Limited {
  return { waits, moved: kind === "claimed" ? sum.moved : undefined };
}

/** Those that are worth it, in the order of the tree; one line is left for what is not shown. */
function chosen(all: readonly Row[], linesMax: number): readonly Row[] {
  if (all.length <= linesMax) return all;
  const best = all
    .map((row, index) => ({ row, index }))
    .toSorted((left, right) => worth[left.row.kind] - worth[right.row.kind] || left.index - right.index)
    .slice(0, Math.max(0, linesMax - 1))
    .map(({ row }) => row);
  return all.filter((row) => best.includes(row));
}

/** "3 in, 2 blocked". */
function kindsOf(rows: readonly Row[]): string {
  const counts = Map.groupBy(rows, ({ kind }) => kind);
  return [...counts]
    .map(([kind, { length }]) => `${length} ${kind === "integrated" ? "in" : kind}`)
    .join(", ");
}

function headLine({ goal, rows }: Board, sum: Sum, now: number, columnsMax: number): string {
  const parts = [...rows.values()].filter(({ parent }) => parent !== undefined);
  const count = (kinds: readonly BeadStateKind[]) => parts.filter(({ kind }) => kinds.includes(kind)).length;
  const inLine = parts.filter(({ kind, sum: { isInLine } }) => kind === "claimed" && isInLine).length;
  const working = count(["claimed", "proving", "integrating"]) - inLine;
  const figures = [
    goal,
    `${count(["integrated"])} of ${parts.length} parts in`,
    working > 0 ? `${working} at work` : "",
    inLine > 0 ? `${inLine} in line` : "",
    count(["parked"]) > 0 ? `${count(["parked"])} parked` : "",
    sum.tokens > 0 ? `${grouped(sum.tokens)} tokens${dollars(sum.usd)}` : "",
    duration(Math.max(0, now - sum.startedAt)),
  ];
  return cut(figures.filter((figure) => figure !== "").join(" · "), columnsMax);
}

const tones: Readonly<Partial<Record<BeadStateKind, Tone>>> = {
  integrated: "good",
  parked: "bad",
  "needs-answer": "warn",
  waiting: "warn",
  blocked: "dim",
  ready: "dim",
  cancelled: "dim",
  joined: "dim",
};

/** Work that will not land meets nobody; nor does what has landed. */
const given: readonly BeadStateKind[] = ["parked", "cancelled", "joined"];
const over: readonly BeadStateKind[] = [...given, "integrated", "split"];

/** Columns of a name at most; a third of a wide terminal. */
const nameColumnsMax = 60;

function rowLine(
  row: Row,
  board: Board,
  now: number,
  { columnsMax, idColumns }: { readonly columnsMax: number; readonly idColumns: number },
): BoardLine {
  const { sum, kind } = row;
  const nameColumns = Math.min(nameColumnsMax, Math.floor(columnsMax * 0.3));
  const isNarrow = columnsMax < 60;
  const title = row.parent === undefined ? "the whole" : wordsOf(row);
  // A narrow terminal keeps the number, what a plan calls it and what is done; the rest and figures go first.
  const called = isNarrow ? (row.name ?? "") : padded(cut(title, nameColumns), nameColumns);
  const head = `  ${[shortBead(row.id).padEnd(idColumns), cut(called, nameColumns)].filter((word) => word !== "").join("  ")}  `;
  const others = over.includes(kind)
    ? []
    : row.meets.filter((id) => !given.includes(board.rows.get(id)?.kind ?? "parked"));
  const meets = others.length === 0 ? "" : `meets ${others.map(shortBead).join(", ")}`;
  const figures = [
    meets,
    sum.tests,
    sum.tokens > 0 ? `${grouped(sum.tokens)} tokens${dollars(sum.usd)}` : "",
  ];
  const foot = figures.filter((figure) => figure !== "").map((figure) => ` · ${figure}`);
  const doing = doingOf(row, board, now);
  while (foot.length > 0 && widthOf(head + foot.join("")) + Math.min(24, widthOf(doing)) > columnsMax)
    foot.pop();
  const left = columnsMax - widthOf(head) - widthOf(foot.join(""));
  return {
    tone: kind === "claimed" && sum.isInLine ? "warn" : (tones[kind] ?? "plain"),
    text: cut(`${head}${cut(doing, Math.max(1, left))}${foot.join("")}`, columnsMax),
  };
}

function padded(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - widthOf(text)));
}

function doingOf(row: Row, { rows }: Board, now: number): string {
  const { kind, sum, why } = row;
  const timed = (text: string) =>
    now - sum.since >= 1_000 ? `${text} (${duration(now - sum.since)})` : text;
  switch (kind) {
    case "blocked": {
      const missing = row.dependsOn.filter((id) => rows.get(id)?.kind !== "integrated");
      return missing.length === 0 ? "waits its turn" : `waits for ${missing.map(shortBead).join(", ")}`;
    }
    case "ready":
      return why === "" ? "ready, its turn comes" : why;
    case "claimed":
    case "proving":
      return timed(sum.doing === "" ? "begins" : sum.doing);
    case "integrating":
      return timed("merging");
    case "waiting":
    case "needs-answer":
    case "parked":
      return kind === "waiting" ? `waits ${why}` : `${kind}: ${why}`;
    case "proven":
      return "proven, waits to be merged";
    case "integrated":
      return "in";
    default:
      return kind;
  }
}
