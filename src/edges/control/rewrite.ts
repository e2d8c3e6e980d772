/**
 * Controls: source text rewritten so that a gate can be seen to notice. Found by grammar, put back as text.
 *
 * 1. What comes out parses, or is the module form, which needs no parsing: a raise after the last statement.
 * 2. The module form comes last in the file on purpose: code that forges a report while it is loaded still runs, and the
 *    gate is seen to stay green.
 */
import { randomBytes } from "node:crypto";
import type { Controls, Rewriting, Source } from "../../ports/gates.ts";
import { type Body, touchedIn } from "./body.ts";
import { type Family, grammarOf, parserOf } from "./grammar.ts";
import { mutantsOf } from "./mutant.ts";
import { apply, type Piece, parses, type Rewritten } from "./piece.ts";
import { breakagesIn } from "./syntax.ts";
import { letThrough, withFailures } from "./witness.ts";

/** Larger files get the module form. */
const charactersMax = 1024 * 1024;
const namesMax = 200;

// Other words in every process, and of the everyday kind: code that lets only the control's own failures through would
// otherwise need no more than their text.
export const raised = `${randomBytes(3).toString("hex")} is not ${randomBytes(3).toString("hex")}`;

export function openControls(): Controls {
  return {
    withoutBodies: async (sources) => gather(await Promise.all(sources.map(withoutBodies))),
    withFailures: async (tests) => {
      const all = await Promise.all([...tests].map(([path, text]) => withFailures(path, text)));
      return { ...gather(all), mark: letThrough };
    },
    breakages: breakagesIn,
    mutants: mutantsOf,
  };
}

function gather(all: readonly Rewritten[]): Rewriting {
  const files = new Map<string, string>();
  const left: string[] = [];
  for (const { path, text } of all)
    if (text === undefined) left.push(path);
    else files.set(path, text);
  return { files, left, replaced: all.flatMap((each) => each.names).slice(0, namesMax) };
}

async function withoutBodies({ path, before, after }: Source): Promise<Rewritten> {
  const grammar = grammarOf(path);
  if (grammar === undefined) return { path, text: undefined, names: [] };
  const module = { path, text: moduleForm(grammar.family, after), names: [`${path}:module`] };
  if (after.length > charactersMax) return module;
  const parser = await parserOf(grammar);
  try {
    const touched = touchedIn(parser, { before, after }, grammar);
    if (touched.length === 0) return module;
    const text = apply(
      after,
      touched.map((each) => bodyless(each, grammar.family)),
    );
    if (!parses(parser, text)) return module;
    return { path, text, names: touched.map((each) => `${path}:${each.name}`) };
  } finally {
    parser.delete();
  }
}

function bodyless({ body, kind }: Body, family: Family): Piece {
  const at = { start: body.startIndex, end: body.endIndex };
  if (family === "script") return { ...at, text: `{ throw new Error("${raised}"); }` };
  return kind === "block"
    ? { ...at, text: `raise RuntimeError("${raised}")` }
    : { ...at, text: `(_ for _ in ()).throw(RuntimeError("${raised}"))` };
}

function moduleForm(family: Family, text: string): string {
  return family === "python"
    ? `${text}\n\nraise RuntimeError("${raised}")\n`
    : `${text}\n;throw new Error("${raised}");\n`;
}
