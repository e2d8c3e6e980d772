/**
 * Two lines of work that met: what whoever puts them together is told, and what the result may not lack.
 *
 * 1. No conflict marker is ever integrated: what the ground did not have, no head may have.
 * 2. Every test that a bead's own proof saw pass runs and passes when its work was put together with others', and in the
 *    whole that it is a part of.
 * 3. A test file that both sides wrote is what both wrote (`weave`): every line of both where it was, and no other.
 * 4. Of the markers that whoever put both together was given, none is left, whole or alone.
 */
import { oneLine } from "./fence.ts";
import type { Check } from "./gate.ts";
import type { BeadId } from "./id.ts";
import { type Remark, refutes, some } from "./remark.ts";
import type { TestStory } from "./verdict.ts";
import { unwoven } from "./weave.ts";

/**
 * One path where two lines of work contradict each other, and what the tree of their merge holds there.
 * text: both changed the same lines, or both added the file; the lines of both stand between markers (`<<<<<<<` ours,
 * `=======`, `>>>>>>>` theirs). whole: bytes, a link, a mode, or a file where the other has a folder; as ours has it.
 * deleted-by-ours: what theirs made of it. deleted-by-theirs: what ours made of it. moved: it was renamed, each side's
 * file under that side's name.
 */
export interface Contradiction {
  readonly path: string;
  readonly kind: "text" | "whole" | "deleted-by-ours" | "deleted-by-theirs" | "moved";
}

/** For a bead that is given back, whose work is "theirs". */
const kindWords: Readonly<Record<Contradiction["kind"], string>> = {
  text: "",
  whole: " (not by lines: it is as integrated)",
  "deleted-by-ours": " (deleted there, changed here: it is as changed here)",
  "deleted-by-theirs": " (changed there, deleted here: it is as changed there)",
  moved: " (renamed: each side's file has that side's name)",
};

const pathsNamedMax = 20;

/** "src/a.py, logo.png (not by lines: it is as integrated)"; at most 20, and how many more. */
export function contradictionWords(at: readonly Contradiction[]): string {
  const rest = at.length - pathsNamedMax;
  const named = at.slice(0, pathsNamedMax).map(({ path, kind }) => `${oneLine(path, 200)}${kindWords[kind]}`);
  return `${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** A changed file as text; `before` is "" where the ground has none. */
export interface Rewritten {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** Places of markers, "src/a.py:3", that the ground did not have: a full triple, or a single one with a commit's name. */
export function markersLeft(files: readonly Rewritten[]): readonly string[] {
  return files.flatMap(({ path, before, after }) => {
    const [had, has] = [markersIn(before), markersIn(after)];
    return has.length > had.length ? [`${path}:${has[0]}`] : [];
  });
}

/** Line numbers, from 1, where a conflict begins, or a marker that names a commit stands alone. */
function markersIn(text: string): readonly number[] {
  if (!/^[<>]{7}/m.test(text)) return [];
  const found: number[] = [];
  let [opened, isDivided] = [0, false];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/\r$/, "");
    const isNamed = /^(?:<{7}|>{7}) [0-9a-f]{40,64}$/.test(line);
    if (/^<{7,}(?: |$)/.test(line)) {
      if (isNamed) found.push(index + 1);
      [opened, isDivided] = [isNamed ? 0 : index + 1, false];
    } else if (opened > 0 && /^={7,}$/.test(line)) isDivided = true;
    else if (/^>{7,}(?: |$)/.test(line)) {
      if (isNamed || (opened > 0 && isDivided)) found.push(isNamed ? index + 1 : opened);
      opened = 0;
    }
  }
  return found;
}

/** Law 1 as a remark. */
export function markerRemarks(files: readonly Rewritten[]): readonly Remark[] {
  return some(
    markersLeft(files).map((id) => ({ id })),
    (places) =>
      refutes(`a conflict marker is left in ${places}: put both sides together and take the markers out`),
  );
}

/** A file in which somebody was given markers, and what became of it. */
export interface Unmarked {
  readonly path: string;
  readonly start: string;
  readonly after: string;
}

/** Law 4 as a remark: lines that begin as a marker does, and that nobody has who wrote what stands between the markers. */
export function residueRemarks(files: readonly Unmarked[]): readonly Remark[] {
  return some(
    files.flatMap(({ path, start, after }) =>
      residueIn(start, after).map((line) => ({ id: `${path}:${line}` })),
    ),
    (places) => refutes(`a part of a conflict marker is left in ${places}: take the whole of it out`),
  );
}

const isMarker = (line: string) => /^([<=>|])\1{6}(?!\1)/.test(line);

/** Line numbers, from 1. */
function residueIn(start: string, after: string): readonly number[] {
  const rows = (text: string) => text.split("\n").map((row) => row.replace(/\r$/, ""));
  const free = new Map<string, number>();
  const add = (line: string, count: number) => free.set(line, (free.get(line) ?? 0) + count);
  let block: "ours" | "theirs" | undefined;
  for (const line of rows(start).filter(isMarker)) {
    const isOpening = line.startsWith("<");
    const isDivider = block === "ours" && (line === "=======" || line.startsWith("|"));
    const isClosing = block === "theirs" && line.startsWith(">");
    // What is none of the three belongs to a side.
    if (!isOpening && !isDivider && !isClosing) add(line, 1);
    if (isOpening) block = "ours";
    else if (isDivider && line === "=======") block = "theirs";
    else if (isClosing) block = undefined;
  }
  return rows(after).flatMap((line, index) => {
    if (!isMarker(line)) return [];
    add(line, -1);
    return (free.get(line) ?? 0) < 0 ? [index + 1] : [];
  });
}

/** Law 2: `own` is what the bead's last accepted proof saw, `now` what was seen of its work put together with others'. */
export function testRemarks(
  own: readonly TestStory[],
  now: readonly TestStory[],
  whose: "this part's" | "a part's" = "this part's",
): readonly Remark[] {
  const key = ({ check, id }: TestStory) => `${check}\0${id}`;
  const seen = new Map(now.map((story) => [key(story), story.head]));
  const lost = own.filter((story) => story.head === "passed" && seen.get(key(story)) !== "passed");
  const inState = (wanted: (head: TestStory["head"]) => boolean) =>
    lost.filter((story) => wanted(seen.get(key(story)) ?? "absent"));
  return [
    ...some(
      inState((head) => head === "absent"),
      (tests) => refutes(`passed in ${whose} own proof and has vanished: ${tests}`),
    ),
    ...some(
      inState((head) => head === "skipped"),
      (tests) => refutes(`passed in ${whose} own proof and is skipped now: ${tests}`),
    ),
    ...some(
      inState((head) => head === "failed"),
      (tests) => refutes(`passed in ${whose} own proof and fails now: ${tests}`),
    ),
  ];
}

/** Law 2 for a whole, which runs a command that several parts ask for once: under one of the names it has. */
export function partRemarks(
  parts: readonly (readonly TestStory[])[],
  now: readonly TestStory[],
  { asked, run }: { readonly asked: readonly Check[]; readonly run: readonly Check[] },
): readonly Remark[] {
  const key = ({ command, cwd, report }: Check) => JSON.stringify([command, cwd, report]);
  const names = new Map(
    asked.map((check) => {
      const isSame = (each: Check) => each.name === check.name || key(each) === key(check);
      return [check.name, run.find(isSame)?.name ?? check.name];
    }),
  );
  const own = new Map<string, TestStory>();
  for (const story of parts.flat()) {
    const check = names.get(story.check) ?? story.check;
    // An exit code is one test, called as its check.
    const id = story.id === story.check ? check : story.id;
    if (story.head === "passed") own.set(`${check}\0${id}`, { ...story, check, id });
  }
  return testRemarks([...own.values()], now, "a part's");
}

/** A test file that both sides wrote, and what became of it; "" where it is gone. */
export interface SharedTest {
  readonly path: string;
  readonly sides: readonly [ours: string, theirs: string];
  readonly after: string;
}

/** Law 3 as a remark, with the first line that is gone, or that is another. */
export function lineRemarks(files: readonly SharedTest[]): readonly Remark[] {
  return files.flatMap(({ path, sides, after }) => {
    const gone = sides.flatMap((side) => linesLost(side, after));
    const [first] = gone;
    const fault = first === undefined ? unwoven(sides, after) : undefined;
    if (first !== undefined)
      return [
        refutes(
          `${path}: a test file of both sides lost ${gone.length} lines, first: ${oneLine(first, 120)}`,
        ),
      ];
    if (fault === undefined) return [];
    return [
      refutes(
        `${path}: a test file of both sides has to be what both wrote, line by line and no more; it ${oneLine(fault, 200)}`,
      ),
    ];
  });
}

/** Lines that import or only close something are looked at by `unwoven`. */
const plain =
  /^(?:import\b|from\b.*\bimport\b|export\s*\*|(?:const|let|var)\b.*=\s*require\s*\(|[\s{}()[\];,]*$)/;

function linesLost(side: string, after: string): readonly string[] {
  const left = new Map<string, number>();
  for (const line of after.split("\n").map((each) => each.trim())) left.set(line, (left.get(line) ?? 0) + 1);
  return side
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => {
      if (plain.test(line)) return false;
      const count = left.get(line) ?? 0;
      left.set(line, count - 1);
      return count <= 0;
    });
}

/** A bead that has landed, for whoever has to live with it. */
export interface Landed {
  readonly bead: BeadId;
  readonly intent: string;
}

/** What a worker is told whose work came back from the merge queue. */
export interface Meeting {
  /** Why it came back. */
  readonly why: string;
  /** Files that hold markers. */
  readonly marked: readonly string[];
  /** What it met. */
  readonly landed: readonly Landed[];
}

const intentCharactersMax = 400;
const landedMax = 10;

/** In the prompt, after the goal. */
export function meetingText({ why, marked, landed }: Meeting): string {
  const others = landed
    .slice(0, landedMax)
    .map(({ bead, intent }) => `- bead ${bead}: ${oneLine(intent, intentCharactersMax)}`);
  return [
    `This part was done and proven alone before, and came back from the merge queue: ${oneLine(why, 2_000)}`,
    "The files below hold its own work, put together with what was integrated meanwhile. Nothing is to be begun anew.",
    ...(marked.length === 0
      ? []
      : [
          `In these files both meet, between markers: after <<<<<<< what is integrated, after ======= this part's own work, up to >>>>>>>. Leave no marker: give the file whole, or make the marks of SEARCH blocks nine signs long.\n${marked.map((path) => `- ${oneLine(path, 200)}`).join("\n")}`,
        ]),
    ...(others.length === 0 ? [] : [`What is integrated has to go on doing this:\n${others.join("\n")}`]),
    "Keep what both sides do and every test of both: a test that is dropped, skipped or weakened refutes the work. A test file of both holds the lines of both, in their order, and none of yours; only imports may be put together.",
  ].join("\n\n");
}

/** A part that did not get done, as its parent is told. */
export interface LeftPart {
  readonly bead: BeadId;
  readonly intent: string;
  readonly owns: readonly string[];
  readonly why: string;
}

/** In the prompt of the whole, after the goal. */
export function leftText(parts: readonly LeftPart[]): string {
  if (parts.length === 0) return "";
  const lines = parts.map(
    ({ bead, intent, owns, why }) =>
      `- bead ${bead} (${owns.map((path) => oneLine(path, 120)).join(", ")}): ${oneLine(intent, intentCharactersMax)}\n  It was not done: ${oneLine(why, 300)}`,
  );
  return `Parts of it were done by others and are in the files below. These were not, and are yours now:\n${lines.join("\n")}`;
}
