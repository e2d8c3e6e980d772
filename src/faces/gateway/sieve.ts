/**
 * Takes a provider's key out of a stream that is passed on word for word, where a model says it over several events.
 *
 * 1. An event that holds no part of a whole key goes on byte for byte as it came, and none overtakes another.
 * 2. What may be the third letter of a key waits, as a whole event, with all behind it: until it is a key, or none, or the
 *    answer ends, or too much has come that does not go on with it.
 * 3. Every text of an event is looked at, beside the same text of the events before: a call of a tool by its index.
 */
import { type Spread, secretMark } from "../../ports/upstream.ts";
import { type Said, stringsIn } from "./strings.ts";

export interface Sieve {
  /** Whole events as bytes; what can go on now, these or those before. */
  pass(raw: string): string;
  /** Of an event behind which its words do not go on: all. */
  last(raw: string): string;
  /** What waited for more words, where none come. */
  end(): string;
}

/** Words of another text that come between two parts of one key are no more than these, events and bytes. */
const betweenMax = 32;
const waitingBytesMax = 65_536;
/** Texts that end as a key begins. */
const tailsMax = 1_000;

interface Waiting {
  readonly number: number;
  readonly raw: string;
  /** Where a part of a key stands in it; `shown` takes its place. */
  readonly cuts: { readonly at: number; readonly end: number; readonly shown: string }[];
}

/** A part of a channel's text: from `from` on in it, and at `at` in its event. */
interface Part {
  readonly event: number;
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

/** The end of a channel's text, which may be the beginning of a key. `since`: the event that waits for it. */
interface Tail {
  readonly text: string;
  readonly parts: readonly Part[];
  readonly since: number | undefined;
  readonly last: number;
  /** The last event's own part. */
  readonly newest: string;
}

/** All of an event but its words. */
interface Frame {
  readonly before: string;
  readonly behind: string;
  readonly channel: string;
  readonly field: string;
}

const words: ReadonlySet<string> = new Set([
  ...[
    "content",
    "text",
    "refusal",
    "reasoning",
    "reasoning_content",
    "thinking",
    "arguments",
    "partial_json",
  ],
]);

export function sieveOf(spread: Spread): Sieve {
  const tails = new Map<string, Tail>();
  /** Those of them for which an event waits. */
  const awaited = new Set<string>();
  let queue: Waiting[] = [];
  let bytes = 0;
  let count = 0;
  let frame: Frame | undefined;

  const cut = (parts: readonly Part[], { at, end }: { readonly at: number; readonly end: number }) => {
    let shown = secretMark;
    for (const part of parts) {
      const first = Math.max(at, part.from);
      const behind = Math.min(end, part.from + part.length);
      const event = queue.find(({ number }) => number === part.event);
      if (first >= behind || event === undefined) continue;
      const move = part.at - part.from;
      event.cuts.push({ at: first + move, end: behind + move, shown });
      shown = "";
    }
  };
  const hear = ({ channel, field, at, text }: Said) => {
    const before = tails.get(channel);
    if (text === "") return;
    // An id that every event repeats is no word that goes on.
    if (before?.newest === text && !words.has(field)) return void awaited.delete(channel);
    const all = before === undefined ? text : before.text + text;
    const { keys, begins, size, open } = spread.look(all);
    if (size === 0 && keys.length === 0 && before === undefined) return;
    const parts = [
      ...(before?.parts ?? []),
      { event: count, at, from: all.length - text.length, length: text.length },
    ];
    for (const key of keys) cut(parts, key);
    awaited.delete(channel);
    tails.delete(channel);
    if (size === 0) return;
    const since = parts.find(({ from, length }) => from + length > open)?.event;
    const left = parts.filter(({ from, length }) => from + length > begins);
    tails.set(channel, {
      text: all.slice(begins),
      parts: left.map((part) => moved(part, begins)),
      since,
      last: count,
      newest: text,
    });
    if (since !== undefined) awaited.add(channel);
    const [oldest] = tails.size > tailsMax ? tails.keys() : [];
    if (oldest !== undefined) tails.delete(oldest);
  };
  const free = (): string => {
    let first = count + 1;
    const isFull = bytes > waitingBytesMax;
    for (const channel of awaited) {
      const { since, last } = tails.get(channel) ?? nothing;
      if (since === undefined || isFull || count - last > betweenMax) awaited.delete(channel);
      else first = Math.min(first, since);
    }
    let shown = "";
    const kept = queue.findIndex(({ number }) => number >= first);
    for (const event of kept < 0 ? queue : queue.slice(0, kept)) {
      shown += written(event);
      bytes -= event.raw.length;
    }
    queue = kept < 0 ? [] : queue.slice(kept);
    return shown;
  };
  const one = (raw: string): string => {
    count += 1;
    queue.push({ number: count, raw, cuts: [] });
    bytes += raw.length;
    const said = frame === undefined ? undefined : wordsIn(raw, frame);
    if (said !== undefined && awaited.size === (awaited.has(said.channel) ? 1 : 0)) hear(said);
    else {
      frame = undefined;
      for (const each of stringsIn(raw)) {
        hear(each);
        if (words.has(each.field)) frame = frameOf(raw, each);
      }
    }
    return free();
  };
  const pass = (raw: string): string => {
    const end = raw.indexOf("\n\n") + 2;
    if (end < 2 || end === raw.length) return one(raw);
    let shown = "";
    let from = 0;
    for (let to = end; to >= 2; to = raw.indexOf("\n\n", from) + 2) {
      shown += one(raw.slice(from, to));
      from = to;
    }
    return from === raw.length ? shown : shown + one(raw.slice(from));
  };
  const end = (): string => {
    awaited.clear();
    return free();
  };
  return { pass, end, last: (raw) => pass(raw) + end() };
}

const nothing: Tail = { text: "", parts: [], since: undefined, last: 0, newest: "" };

function moved({ event, at, from, length }: Part, begins: number): Part {
  const gone = Math.max(0, begins - from);
  return { event, at: at + gone, from: from + gone - begins, length: length - gone };
}

function written({ raw, cuts }: Waiting): string {
  if (cuts.length === 0) return raw;
  let shown = "";
  let from = 0;
  for (const { at, end, shown: mark } of cuts.toSorted((left, right) => left.at - right.at)) {
    shown += raw.slice(from, at) + mark;
    from = end;
  }
  return shown + raw.slice(from);
}

/** The words of an event that is the last one but for them; undefined: it is another. */
function wordsIn(raw: string, { before, behind, channel, field }: Frame): Said | undefined {
  if (raw.length < before.length + behind.length) return undefined;
  if (!raw.startsWith(before) || !raw.endsWith(behind)) return undefined;
  const at = before.length;
  const text = raw.slice(at, raw.length - behind.length);
  return text.includes('"') || text.endsWith("\\") ? undefined : { channel, field, at, text };
}

function frameOf(raw: string, { at, text, channel, field }: Said): Frame {
  return { before: raw.slice(0, at), behind: raw.slice(at + text.length), channel, field };
}
