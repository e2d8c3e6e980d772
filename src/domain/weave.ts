/**
 * Whether a test file that two sides wrote is what both wrote and nothing else.
 *
 * 1. The lines of each side stand in its order, under the lines they stood under; a function that one side has is as there,
 *    and one that both have holds the lines of both.
 * 2. No line stands there that neither side has. Only what is imported at line start may be written together, and
 *    nothing is imported that neither side imports.
 * 3. Nothing is defined twice that no side defines twice: the second would hide the first.
 */

/** What a text has otherwise than `sides` woven together, in words for whoever wove it; undefined where it is as it has to be. */
export function unwoven(
  [ours, theirs]: readonly [ours: string, theirs: string],
  text: string,
): string | undefined {
  const [left, right, whole] = [read(ours), read(theirs), read(text)];
  const foreign = [...whole.imports].find((each) => !left.imports.has(each) && !right.imports.has(each));
  if (foreign !== undefined) return `imports what neither side does: ${foreign}`;
  return woven([left.lines, right.lines], whole.lines, { left: stepsMax });
}

/** A line, trimmed, and the lines that are indented below it; with what decorates it before it. */
interface Line {
  readonly text: string;
  readonly below: readonly Line[];
}

interface Read {
  readonly lines: readonly Line[];
  /** What is imported, each by itself. */
  readonly imports: ReadonlySet<string>;
}

/** A statement at line start, over several lines where a bracket is open. */
const importing =
  /^(?:import|from)\b[^\n({]*(?:\([^)]*\)|\{[^}]*\})?[^\n]*|^(?:const|let|var)\s+(?:\{[^}]*\}|\w+)\s*=\s*require\([^\n]*/gm;

function read(text: string): Read {
  const plain = text.replaceAll("\r\n", "\n");
  const imports = new Set((plain.match(importing) ?? []).flatMap(importsIn));
  return { lines: linesIn(plain.replace(importing, "").split("\n")), imports };
}

/** "from a import (b, c as d)" is two; what is not understood is one, as it stands. */
function importsIn(statement: string): readonly string[] {
  const one = statement.replace(/\s+/g, " ").trim();
  const python = /^(from \S+ import )\(?([\w.* ,]+?),? ?\)?$/.exec(one) ?? /^(import )([\w. ,]+)$/.exec(one);
  const script = /^(.*?)\{([^{}]*)\}(.*?);?$/.exec(one);
  const items = (list: string) => list.split(",").map((each) => each.trim());
  if (python !== null) return items(python[2] ?? "").map((each) => `${python[1]}${each}`);
  if (script === null) return [one];
  const [, before = "", list = "", behind = ""] = script;
  // A default that is imported beside them stays with them: "import a, { b } from …".
  return items(list)
    .filter((each) => each !== "")
    .map((each) => `${before}{ ${each} }${behind}`);
}

function linesIn(rows: readonly string[]): readonly Line[] {
  const top: Line[] = [];
  const open: { readonly indent: number; readonly below: Line[] }[] = [{ indent: -1, below: top }];
  for (const row of rows) {
    const text = row.trim();
    if (text === "") continue;
    const indent = row.length - row.trimStart().length;
    while (open.length > 1 && (open.at(-1)?.indent ?? 0) >= indent) open.pop();
    const below: Line[] = [];
    open.at(-1)?.below.push({ text, below });
    open.push({ indent, below });
  }
  return decorated(top);
}

const definition = /^(?:\w+ )*(?:def|class|function\*?) +(\w+)/m;

/** A decorator is one with what it decorates: nobody else may get it. */
function decorated(lines: readonly Line[]): readonly Line[] {
  const found: Line[] = [];
  let before: string[] = [];
  for (const line of lines) {
    const isPlain = before.length === 0 && !line.text.startsWith("@");
    if (isPlain || definition.test(line.text)) {
      found.push({ text: [...before, line.text].join("\n"), below: decorated(line.below) });
      before = [];
    } else before.push(...flat(line));
  }
  return [...found, ...before.map((text) => ({ text, below: [] }))];
}

function flat({ text, below }: Line): readonly string[] {
  return [text, ...below.flatMap(flat)];
}

/** Comparisons in one file, far beyond what files whose lines differ take. */
const stepsMax = 1_000_000;

/** Ways to tell both sides apart that are followed at one time. */
const placesMax = 32;

/** How far both sides have come; each line of the whole is the next of one side, or of both. */
interface Place {
  readonly ours: number;
  readonly theirs: number;
}

function woven(
  [ours, theirs]: readonly [readonly Line[], readonly Line[]],
  whole: readonly Line[],
  steps: { left: number },
): string | undefined {
  const twice = definedTwice(whole, [ours, theirs]);
  if (twice !== undefined) return `defines ${twice} twice, and the second hides the first`;
  let places: readonly Place[] = [{ ours: 0, theirs: 0 }];
  for (const line of whole) {
    let inside: string | undefined;
    const fits = (left: Line | undefined, right: Line | undefined) => {
      if (--steps.left < 0) return false;
      if ((left ?? right)?.text !== line.text || (right ?? left)?.text !== line.text) return false;
      const fault = woven([left?.below ?? [], right?.below ?? []], line.below, steps);
      inside ??= fault;
      return fault === undefined;
    };
    const next = new Map<string, Place>();
    const come = (place: Place) => next.set(`${place.ours} ${place.theirs}`, place);
    for (const { ours: o, theirs: t } of places) {
      const [left, right] = [ours[o], theirs[t]];
      if (left !== undefined && right !== undefined && fits(left, right))
        come({ ours: o + 1, theirs: t + 1 });
      if (left !== undefined && fits(left, undefined)) come({ ours: o + 1, theirs: t });
      if (right !== undefined && fits(undefined, right)) come({ ours: o, theirs: t + 1 });
    }
    if (steps.left < 0) return "holds too many lines that are alike to be told apart";
    if (next.size === 0) return inside ?? `has a line where neither side has it: ${line.text}`;
    // Where both have a line it mostly is one: who came farthest is right before all others.
    const farthest = [...next.values()].sort(
      (left, right) => right.ours + right.theirs - left.ours - left.theirs,
    );
    places = farthest.slice(0, placesMax);
  }
  if (places.some((at) => at.ours === ours.length && at.theirs === theirs.length)) return undefined;
  const [at] = places;
  const lost = ours[at?.ours ?? 0] ?? theirs[at?.theirs ?? 0];
  return `lacks a line where a side has it: ${lost?.text}`;
}

function definedTwice(whole: readonly Line[], sides: readonly (readonly Line[])[]): string | undefined {
  const names = (lines: readonly Line[]) => lines.flatMap(({ text }) => definition.exec(text)?.[1] ?? []);
  const count = (all: readonly string[], name: string) => all.filter((each) => each === name).length;
  const [now, before] = [names(whole), sides.map(names)];
  return now.find((name) => count(now, name) > Math.max(1, ...before.map((each) => count(each, name))));
}
