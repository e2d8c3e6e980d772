/**
 * What an expression of a test is made of: followed through what the file defines itself, as its scopes show it. A reader's
 * approximation: every value that a name is ever given counts, and no statement is followed in time.
 */
import type { Node } from "web-tree-sitter";
import type { Reading, Side } from "../../domain/provenance.ts";
import { walk } from "./grammar.ts";

/** What a language calls its parts. */
export interface Tongue {
  /** "double", "self.cart": the name that a node is looked up by; undefined where it is none. */
  nameOf(node: Node): string | undefined;
  /** Names that are written here but mean nothing by themselves: keywords of arguments, types. */
  isPast(node: Node): boolean;
  /** The callee of a call. */
  calleeOf(node: Node): Node | undefined;
  isLiteral(node: Node): boolean;
  readonly functions: ReadonlySet<string>;
}

/** A value that a name has between two places of the file. `touched`: something was done with what the name stands for. */
export interface Definition {
  readonly name: string;
  readonly values: readonly Node[];
  readonly start: number;
  readonly end: number;
  readonly kind: "given" | "touched";
}

/** The file as `sidesIn` sees it. */
export interface Scopes {
  readonly tongue: Tongue;
  readonly definitions: ReadonlyMap<string, readonly Definition[]>;
  /** Parameters by name, with where they can be seen; whoever has no value for them was given one by the runner. */
  readonly parameters: ReadonlyMap<string, readonly { readonly start: number; readonly end: number }[]>;
  /** Definitions that may yet be looked at, all in all: at nothing left every answer is void. */
  readonly steps: { left: number };
}

/** A suite of thousands of lines takes a part of it. */
export const stepsMax = 2_000_000;

/** Where what is defined at a node can be seen: the nearest function around it, else the file. */
export function scopeOf(
  node: Node,
  functions: ReadonlySet<string>,
): { readonly start: number; readonly end: number } {
  for (let parent = node.parent; parent !== null; parent = parent.parent)
    if (functions.has(parent.type)) return { start: parent.startIndex, end: parent.endIndex };
  return everywhere;
}

export const everywhere = { start: 0, end: Number.POSITIVE_INFINITY };

/** What a call may do something with: every name that it is given, but for what stands in a function of its own. */
export function touchedBy(
  call: Node,
  argumentsIn: readonly Node[],
  { tongue, steps }: Pick<Scopes, "tongue" | "steps">,
): readonly Definition[] {
  const callee = tongue.calleeOf(call);
  const first = callee === undefined ? undefined : rootOf(callee, tongue);
  if (first === undefined) return [];
  const names = new Set<string>();
  for (const argument of argumentsIn)
    walk(argument, (node) => {
      steps.left -= 1;
      if (steps.left <= 0 || tongue.functions.has(node.type) || tongue.isPast(node)) return "past";
      if (node.type === "identifier") names.add(node.text);
      return "inside";
    });
  const place = scopeOf(call, tongue.functions);
  return [...names].map((name) => ({ name, values: [first], kind: "touched", ...place }));
}

export function byName<Named extends { readonly name: string }>(
  all: readonly Named[],
): ReadonlyMap<string, readonly Named[]> {
  const found = new Map<string, Named[]>();
  for (const each of all) {
    const same = found.get(each.name);
    if (same === undefined) found.set(each.name, [each]);
    else same.push(each);
  }
  return found;
}

export type Found = Side & Pick<Reading, "words"> & { readonly texts: readonly string[] };

/** `touched` follows what was done with a name, too: `sort(items)` before `items == [1, 2]`. */
export function sideOf(nodes: readonly Node[], scopes: Scopes, follow: "given" | "touched"): Found {
  const { tongue, definitions, parameters } = scopes;
  const [roots, called, given, words] = [
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
    new Set<string>(),
  ];
  const texts: string[] = [];
  let literals = 0;
  const seen = new Set<string>();
  const isIn = (node: Node) => (place: { readonly start: number; readonly end: number }) =>
    place.start <= node.startIndex && node.endIndex <= place.end;
  const look = (top: Node, isCalled: boolean): void =>
    walk(top, (node) => {
      if (tongue.isPast(node)) return "past";
      const callee = tongue.calleeOf(node);
      if (callee !== undefined) {
        const first = rootOf(callee, tongue);
        if (first !== undefined) meet(first, true);
      }
      if (tongue.isLiteral(node)) {
        literals += 1;
        texts.push(node.text);
      }
      if (/identifier$/.test(node.type)) words.add(node.text);
      if (tongue.nameOf(node) === undefined) return "inside";
      meet(node, isCalled);
      return /identifier$/.test(node.type) ? "past" : "inside";
    });
  const meet = (node: Node, isCalled: boolean): void => {
    const name = tongue.nameOf(node) ?? "";
    const all = definitions.get(name) ?? [];
    scopes.steps.left -= 1 + all.length;
    if (scopes.steps.left <= 0) return;
    const visible = all.filter((each) => isIn(node)(each) && (each.kind === "given" || follow === "touched"));
    const isDefined = visible.some(({ kind }) => kind === "given");
    if (!isDefined) (parameters.get(name)?.some(isIn(node)) ? given : roots).add(name);
    if (!isDefined && isCalled) called.add(name);
    for (const { values, kind } of visible)
      for (const value of values) {
        const asCalled = isCalled || kind === "touched";
        const key = `${value.id} ${asCalled}`;
        if (seen.has(key)) continue;
        seen.add(key);
        look(value, asCalled);
      }
  };
  for (const node of nodes) look(node, false);
  return {
    ...{ roots: [...roots], called: [...called], given: [...given], literals },
    ...{ words: [...words], texts },
  };
}

/** The first name of `cart.add(1).total`: the node of `cart`, or of `self.cart`. */
export function rootOf(node: Node, tongue: Tongue): Node | undefined {
  for (let at: Node | null = node; at !== null; ) {
    if (tongue.nameOf(at) !== undefined) return at;
    const next: Node | null =
      at.childForFieldName("object") ??
      at.childForFieldName("function") ??
      at.childForFieldName("value") ??
      at.childForFieldName("constructor") ??
      (/parenthesized|await|non_null/.test(at.type) ? (at.namedChildren[0] ?? null) : null);
    at = next;
  }
  return undefined;
}

/** Texts that look like a file's or a folder's path, without their quotes. */
export function pathsIn(texts: readonly string[]): readonly string[] {
  return texts
    .map((text) => text.replace(/^[A-Za-z]{0,2}(["'`]{1,3})([\s\S]*)\1$/, "$2"))
    .filter((text) => /^[\w./ -]{1,200}$/.test(text) && /\.[A-Za-z]\w{0,7}$|\//.test(text));
}

/** One line of a call, for a sentence. */
export function shown(node: Node): string {
  return node.text.replace(/\s+/g, " ").slice(0, 80);
}

export function lineOf(node: Node): number {
  return node.startPosition.row + 1;
}
