/** Beads as a tree: whose part each is, in the order of their numbers, and how they are named where the goal is known. */
import { type Bead, type Contract, titleOf } from "../../domain/bead.ts";
import { type Clash, clashing } from "../../domain/conflict.ts";
import { type Goal, isDoneByWhole } from "../../domain/goal.ts";
import type { BeadId } from "../../domain/id.ts";
import { firstLine, oneLine } from "./sentences.ts";
import { doneByWhole, headOf, whyOf } from "./standing.ts";
import { cut } from "./width.ts";

/** A bead and how many of its ancestors stand above it in the same list. */
export interface Branched<Each> {
  readonly bead: Each;
  readonly depth: number;
}

type Kin = Pick<Bead, "id" | "parent">;
type Called = Kin & Pick<Contract, "name" | "intent">;

/** Parents before their parts, siblings by number ("2" before "10"); one whose parent is not in the list stands at the top. */
export function branched<Each extends Kin>(beads: readonly Each[]): readonly Branched<Each>[] {
  const known = new Set<string>(beads.map(({ id }) => id));
  const below = Map.groupBy(beads, ({ parent }) =>
    parent !== undefined && known.has(parent) ? parent : undefined,
  );
  const found: Branched<Each>[] = [];
  const visit = (parent: BeadId | undefined, depth: number) => {
    for (const bead of (below.get(parent) ?? []).toSorted(byNumber)) {
      found.push({ bead, depth });
      visit(bead.id, depth + 1);
    }
  };
  visit(undefined, 0);
  return found;
}

function byNumber(left: Kin, right: Kin): number {
  return left.id.localeCompare(right.id, "en", { numeric: true });
}

/** "k7m2q9xd.1.2" is "1.2". */
export function shortBead(id: BeadId): string {
  return id.slice(id.indexOf(".") + 1);
}

/** A line for each bead, its parts indented below it: number, state, commit, whose changes contradict its own, what it is for, why. */
export function treeLines(
  beads: readonly Bead[],
  {
    told,
    inLine,
    end,
  }: {
    readonly told: readonly Clash[];
    /** What the calls of beads stand in line for. */
    readonly inLine: ReadonlyMap<BeadId, string>;
    readonly end: Goal["end"];
  },
  columnsMax: number,
): readonly string[] {
  const others = clashing(beads, told);
  return branched(beads).map(({ bead, depth }) => {
    const { id, parent, state, contract } = bead;
    const isDone = isDoneByWhole(bead, end);
    const commit = "commit" in state && state.kind !== "proving" ? ` at ${state.commit.slice(0, 12)}` : "";
    const head = `${"  ".repeat(depth)}${shortBead(id)}  ${isDone ? doneByWhole : headOf(state, inLine.get(id))}${commit}${meetsWords(others.get(id) ?? [])}`;
    return rowOf(
      head,
      {
        what: parent === undefined ? "the whole" : wordsOf(contract),
        why: isDone ? `it was parked: ${whyOf(state)}` : whyOf(state),
      },
      columnsMax,
    );
  });
}

/** One line of a list: what has to be seen stands first, and a long reason takes only what is left. */
export function rowOf(
  head: string,
  { what, why }: { readonly what: string; readonly why: string },
  columnsMax: number,
): string {
  if (why === "") return cut(`${head}  ${what}`, columnsMax);
  const whatMax = Math.max(24, Math.floor(columnsMax * 0.4));
  return cut(`${head}  ${cut(what, whatMax)}  why: ${why}`, columnsMax);
}

/** A bead's name and what it is for, on one printable line. */
export function wordsOf(contract: Pick<Contract, "name" | "intent">): string {
  return firstLine(titleOf(contract));
}

/** " (meets 1.3)": beads that change the same lines; "" for none. */
function meetsWords(others: readonly BeadId[]): string {
  return others.length === 0 ? "" : ` (meets ${others.map(shortBead).join(", ")})`;
}

/** "1.2 cart", or where no plan names it "1.2 Write Cart in shop…": how a bead of a tree is called in a sentence; the first is the goal itself. */
export function beadName({ id, parent, name, intent }: Called): string {
  const line = parent === undefined ? "the whole" : name === undefined ? firstLine(intent) : oneLine(name);
  return `${shortBead(id)} ${line.length <= 32 ? line : `${line.slice(0, 31).trimEnd()}…`}`;
}

/** A sentence about one bead of a tree, led by its name. */
export function namedSentence(bead: Called, sentence: string): string {
  return `${beadName(bead)}: ${aboutBead(bead.id, sentence)}`;
}

/** What is left of a sentence where the bead has been named already: ids of its own attempts are short. */
export function aboutBead(id: BeadId, sentence: string): string {
  const short = shortBead(id).replaceAll(".", "\\.");
  return sentence
    .replace(`bead ${id} `, "")
    .replaceAll(new RegExp(`(?<![\\w.])(\\w{8}\\.)?${short}/(a1/)?(?=[acrpm]\\d)`, "g"), "");
}
