/**
 * Calls of tools out of a stream in which the parts of several may alternate. Other wires have one call after the other:
 * the first goes on at once, and parts of the others wait until its input is whole, or all is over.
 */
import type { Piece } from "./piece.ts";

interface Part {
  readonly id: string | null | undefined;
  readonly name: string | null | undefined;
  /** A part of its JSON. */
  readonly input: string | null | undefined;
}

/** What it gives is to be passed on now. A call without a name, or one that goes on behind its end, is unsayable. */
export interface Calls {
  text(text: string): readonly Piece[];
  part(index: number, part: Part): readonly Piece[];
  /** All that waits: nothing more comes. */
  end(): readonly Piece[];
  readonly count: number;
}

/** `said`: what of its input was passed on. */
interface Open {
  readonly index: number;
  id: string;
  name: string;
  input: string;
  said: number;
}

export function callsInOrder(): Calls {
  const known = new Map<number, Open>();
  let count = 0;
  let seen = { input: "", isWhole: false };
  /** Looked at once for every length. */
  const isOver = ({ input }: Open): boolean => {
    if (seen.input !== input) seen = { input, isWhole: isWhole(input) };
    return seen.isWhole;
  };
  const waiting: Open[] = [];
  let current: Open | undefined;
  let late = "";
  const said = (call: Open): readonly Piece[] => {
    const text = call.input.slice(call.said);
    call.said = call.input.length;
    return text === "" ? [] : [{ kind: "input", text }];
  };
  const begun = (call: Open): readonly Piece[] => {
    current = call;
    if (call.name === "") return [{ kind: "unsayable", why: "a call of a tool without a name" }];
    return [{ kind: "call", id: call.id, name: call.name }, ...said(call)];
  };
  /** Those that wait, as far as the one before each is whole. */
  const next = (): readonly Piece[] => {
    const pieces: Piece[] = [];
    while (waiting.length > 0 && (current === undefined || isOver(current))) {
      const call = waiting.shift();
      if (call !== undefined) pieces.push(...begun(call));
    }
    return pieces;
  };
  return {
    text(text) {
      if (late !== "" || waiting.length > 0 || (current !== undefined && !isOver(current))) {
        late += text;
        return [];
      }
      current = undefined;
      return [{ kind: "text", text }];
    },
    part(index, { id, name, input }) {
      let call = known.get(index);
      // Gemini gives every call the index 0, and an id of its own.
      if (call === undefined || (id && name && id !== call.id && call.name !== "")) {
        call = { index, id: id || `call_${index}`, name: "", input: "", said: 0 };
        known.set(index, call);
        count += 1;
        waiting.push(call);
      }
      // Some servers repeat the name with every part.
      if (name && call.name === "") call.name = name;
      if (input) call.input += input;
      if (call === current) return said(call);
      if (!waiting.includes(call))
        return input?.trim() ? [{ kind: "unsayable", why: "a call of a tool goes on behind its end" }] : [];
      return call.name === "" ? [] : next();
    },
    end() {
      const pieces = waiting.splice(0).flatMap(begun);
      if (late !== "") pieces.push({ kind: "text", text: late });
      late = "";
      return pieces;
    },
    get count() {
      return count;
    },
  };
}

/** No JSON object is the beginning of a longer one. */
function isWhole(input: string): boolean {
  if (!input.trimEnd().endsWith("}")) return false;
  try {
    JSON.parse(input);
    return true;
  } catch {
    return false;
  }
}
