/**
 * Takes a provider's key out of a stream that is passed on word for word, where a model says it over several events: their
 * words are joined in thought, and only events that hold a part of a key are other than they came.
 */
import type { Spread } from "../../ports/upstream.ts";

export interface Sieve {
  /** Whole events as bytes; what of them can go on. */
  pass(raw: string): string;
  /** Of an event behind which its words do not go on. */
  last(raw: string): string;
  /** What waited for more words, as events, where none come. */
  end(): string;
}

/** Where both wires have a model's words: a field and its JSON string. */
const words =
  /"(content|text|refusal|reasoning|reasoning_content|thinking|arguments|partial_json|transcript)"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"/g;

/** An event, and where its words stand in it. */
interface Example {
  readonly before: string;
  readonly behind: string;
}

export function sieveOf(spread: Spread): Sieve {
  /** The last event of each field of whose words some may wait. */
  const examples = new Map<string, Example>();
  const replaced = (raw: string, say: (field: string, text: string) => string): string => {
    let shown = "";
    let from = 0;
    words.lastIndex = 0;
    for (let match = words.exec(raw); match !== null; match = words.exec(raw)) {
      const [, field = "", text = ""] = match;
      const said = say(field, text);
      if (said === text) continue;
      const end = words.lastIndex - 1;
      shown += raw.slice(from, end - text.length) + said;
      from = end;
      examples.set(field, exampleIn(raw, end - text.length, end));
    }
    return from === 0 ? raw : shown + raw.slice(from);
  };
  const end = (): string => {
    let shown = "";
    for (const [field, { before, behind }] of examples) {
      const text = spread.end(field);
      if (text !== "") shown += before + text + behind;
    }
    examples.clear();
    return shown;
  };
  return {
    pass: (raw) => replaced(raw, (field, text) => spread.push(field, text)),
    last(raw) {
      const own = replaced(raw, (field, text) => spread.push(field, text) + spread.end(field));
      return end() + own;
    },
    end,
  };
}

function exampleIn(raw: string, at: number, end: number): Example {
  const from = raw.lastIndexOf("\n\n", at);
  const to = raw.indexOf("\n\n", end);
  return {
    before: raw.slice(from < 0 ? 0 : from + 2, at),
    behind: to < 0 ? `${raw.slice(end)}\n\n` : raw.slice(end, to + 2),
  };
}
