/**
 * Mutants: the change with one small fault in it, to see whether a suite notices.
 *
 * 1. Every mutant parses, differs from the source in one place, and that place is in a function the change touched.
 * 2. The same sources and seed give the same mutants.
 */
import { isTestFile } from "../../domain/protected.ts";
import { printable } from "../../kit/bounded.ts";
import { type Random, seeded, seedOf } from "../../kit/random.ts";
import type { Controls, Mutant, Source } from "../../ports/gates.ts";
import { touchedIn } from "./body.ts";
import { type Fault, type FaultKind, faultsIn } from "./fault.ts";
import { type Grammar, grammarOf, parserOf } from "./grammar.ts";
import { apply, parses } from "./piece.ts";

/** Larger files are left alone. */
const charactersMax = 1024 * 1024;
/** Faults that are chosen from, for each file. */
const faultsMax = 2_000;
const pathCharactersMax = 240;

/** A fault that may be chosen. */
interface Candidate extends Fault {
  readonly name: string;
  readonly source: Source;
  readonly grammar: Grammar;
  /** Path and name of its function. */
  readonly owner: string;
  /** Whether its line is the change's own, and not only in a function that it touched. */
  readonly isNew: boolean;
}

/** See `Controls.mutants`. */
export const mutantsOf: Controls["mutants"] = async (sources, { countMax, seed }) => {
  const all = (await Promise.all(sources.map(candidatesIn))).flat();
  // The suite was written for what the change brings: what the function did before is the guards' to hold.
  const own = all.filter((each) => each.isNew);
  return chosen(own.length > 0 ? own : all, { countMax, random: seeded(seedOf(seed)) });
};

async function candidatesIn(source: Source): Promise<readonly Candidate[]> {
  const { path, after } = source;
  const grammar = grammarOf(path);
  if (grammar === undefined || after.length > charactersMax || isTestFile(path)) return [];
  const shown = printable(path).replaceAll("\n", " ").slice(-pathCharactersMax);
  const parser = await parserOf(grammar);
  try {
    const found = new Map<string, Candidate>();
    const lines = after.split("\n");
    for (const touched of touchedIn(parser, source, grammar)) {
      const old = new Set((touched.old ?? "").split("\n").map((line) => line.trim()));
      for (const fault of faultsIn(touched, grammar)) {
        const name = `${shown}:${fault.line}: ${fault.words}`;
        const isNew = !old.has((lines[fault.line - 1] ?? "").trim());
        // Two alike on one line could not be told apart by whoever reads of them.
        if (!found.has(name))
          found.set(name, { ...fault, name, source, grammar, owner: `${path}:${touched.name}`, isNew });
      }
    }
    return [...found.values()].slice(0, faultsMax);
  } finally {
    parser.delete();
  }
}

/**
 * What is worth less than another at first: often the same program (`a < b ? a : b`), or noticed only by who looks aside;
 * and a result that is missing, which one assertion notices as well as ten.
 */
const handicaps: readonly (readonly [FaultKind, number])[] = [
  ["order", 1],
  ["dropped", 1],
  ["result", 1],
];

/** The next one is always of the function, then the kind, then the line that had the fewest turns; chance decides the rest. */
async function chosen(
  all: readonly Candidate[],
  { countMax, random }: { readonly countMax: number; readonly random: Random },
): Promise<readonly Mutant[]> {
  const left = new Set(
    all.map((candidate) => ({ candidate, rank: random() })).sort((a, b) => a.rank - b.rank),
  );
  const turns = new Map<string, number>(handicaps);
  const mutants: Mutant[] = [];
  const keysOf = ({ kind, line, source, owner }: Candidate) => [owner, kind, `${source.path}:${line}`];
  const worth = (each: Candidate) => keysOf(each).map((key) => turns.get(key) ?? 0);
  while (mutants.length < countMax && left.size > 0) {
    const next = [...left].reduce((best, each) =>
      compared(worth(each.candidate), worth(best.candidate)) < 0 ? each : best,
    );
    left.delete(next);
    const mutant = await mutantOf(next.candidate);
    if (mutant === undefined) continue;
    mutants.push(mutant);
    for (const key of keysOf(next.candidate)) turns.set(key, (turns.get(key) ?? 0) + 1);
  }
  return mutants;
}

function compared(left: readonly number[], right: readonly number[]): number {
  const at = left.findIndex((value, index) => value !== right[index]);
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

async function mutantOf({ name, source, grammar, piece }: Candidate): Promise<Mutant | undefined> {
  const text = apply(source.after, [piece]);
  const parser = await parserOf(grammar);
  try {
    return text !== source.after && parses(parser, text) ? { name, path: source.path, text } : undefined;
  } finally {
    parser.delete();
  }
}
