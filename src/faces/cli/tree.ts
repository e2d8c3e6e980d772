/** Beads as a tree: whose part each is, in the order of their numbers, and how they are named where the goal is known. */
import type { Bead } from "../../domain/bead.ts";
import { type Clash, clashing } from "../../domain/conflict.ts";
import type { BeadId } from "../../domain/id.ts";
import { firstLine, stateWords } from "./sentences.ts";
import { cut } from "./width.ts";

/** A bead and how many of its ancestors stand above it in the same list. */
export interface Branched<Each> {
  readonly bead: Each;
  readonly depth: number;
}

type Kin = Pick<Bead, "id" | "parent">;

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

/** Columns of a state in a list: why a bead was parked can be long, and `rigs bead show` has all of it. */
const stateColumnsMax = 80;

/** A line for each bead, its parts indented below it: number, state, commit, whose changes contradict its own, intent. */
export function treeLines(beads: readonly Bead[], told: readonly Clash[]): readonly string[] {
  const others = clashing(beads, told);
  return branched(beads).map(({ bead, depth }) => {
    const { id, parent, state, contract } = bead;
    const commit = "commit" in state && state.kind !== "proving" ? ` at ${state.commit.slice(0, 12)}` : "";
    const what = parent === undefined ? "the whole" : firstLine(contract.intent);
    return `${"  ".repeat(depth)}${shortBead(id)}  ${cut(stateWords(state), stateColumnsMax)}${commit}${meetsWords(others.get(id) ?? [])}  ${what}`;
  });
}

/** " (meets 1.3)": beads that change the same lines; "" for none. */
function meetsWords(others: readonly BeadId[]): string {
  return others.length === 0 ? "" : ` (meets ${others.map(shortBead).join(", ")})`;
}

/** "1.2 Write Cart in shop…": how a bead of a tree is called in a sentence; the first is the goal itself. */
export function beadName({ id, parent, intent }: Kin & { readonly intent: string }): string {
  const line = parent === undefined ? "the whole" : firstLine(intent);
  return `${shortBead(id)} ${line.length <= 32 ? line : `${line.slice(0, 31).trimEnd()}…`}`;
}

/** A sentence about one bead of a tree, led by its name. */
export function namedSentence(bead: Kin & { readonly intent: string }, sentence: string): string {
  return `${beadName(bead)}: ${aboutBead(bead.id, sentence)}`;
}

/** What is left of a sentence where the bead has been named already: ids of its own attempts are short. */
export function aboutBead(id: BeadId, sentence: string): string {
  const short = shortBead(id).replaceAll(".", "\\.");
  return sentence
    .replace(`bead ${id} `, "")
    .replaceAll(new RegExp(`(?<![\\w.])(\\w{8}\\.)?${short}/(a1/)?(?=[acrpm]\\d)`, "g"), "");
}
