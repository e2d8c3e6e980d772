/**
 * Takes a provider's key out of a stream that is passed on word for word, where a model says it over several events.
 *
 * 1. An event that holds no part of a whole key goes on byte for byte as it came, and none overtakes another.
 * 2. What may be the third letter of a key waits, as a whole event, with all behind it: until it is a key, or none, or the
 *    answer ends, or too much has come that does not go on with it.
 * 3. Every text of an event is looked at, beside the same text of the events before: a call of a tool by its index.
 */
import { type Look, type Spread, type Stretch, secretMark } from "../../ports/upstream.ts";
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
  readonly said: Said;
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
  const queue = openQueue();
  let frame: Frame | undefined;
  /** Of the last event that was read. */
  let newest: readonly Said[] = [];

  const hear = (said: Said) => {
    const { field, at, text } = said;
    if (text === "" || (tails.size === 0 && isNothing(spread.look(text)))) return;
    const channel = said.channel();
    const before = tails.get(channel);
    // An id that every event repeats is no word that goes on.
    if (before?.newest === text && !words.has(field)) return void awaited.delete(channel);
    const all = before === undefined ? text : before.text + text;
    const look = spread.look(all);
    if (isNothing(look) && before === undefined) return;
    const part = { event: queue.last, at, from: all.length - text.length, length: text.length };
    const parts = before === undefined ? [part] : [...before.parts, part];
    for (const key of look.keys) queue.cut(parts, key);
    awaited.delete(channel);
    tails.delete(channel);
    if (look.size === 0) return;
    const tail = tailOf(all, parts, look, text);
    tails.set(channel, tail);
    if (tail.since !== undefined) awaited.add(channel);
    const [oldest] = tails.size > tailsMax ? tails.keys() : [];
    if (oldest !== undefined) tails.delete(oldest);
  };
  const free = (): string => {
    let first = Number.POSITIVE_INFINITY;
    for (const channel of awaited) {
      const tail = tails.get(channel);
      const isOn = tail !== undefined && queue.last - tail.last <= betweenMax;
      if (tail?.since === undefined || !isOn || queue.isFull) awaited.delete(channel);
      else first = Math.min(first, tail.since);
    }
    return queue.shift(first);
  };
  const one = (raw: string): string => {
    queue.push(raw);
    const said = frame === undefined ? undefined : wordsIn(raw, frame);
    if (said !== undefined && awaited.size === (awaited.has(said.channel()) ? 1 : 0)) hear(said);
    else {
      frame = undefined;
      const found = stringsIn(raw);
      for (const [place, each] of found.entries()) {
        const isWord = words.has(each.field);
        // Most of an event stands in every event.
        if (isWord || tails.size > 0 || each.text !== newest[place]?.text) hear(each);
        if (isWord) frame = frameOf(raw, each);
      }
      newest = found;
    }
    return free();
  };
  const pass = (raw: string): string => eventsIn(raw).map(one).join("");
  const end = (): string => {
    awaited.clear();
    return free();
  };
  return { pass, end, last: (raw) => pass(raw) + end() };
}

/** Whole events, each with its end; what ends otherwise is taken for one. */
function eventsIn(raw: string): readonly string[] {
  const events: string[] = [];
  let from = 0;
  for (let at = raw.indexOf("\n\n"); at >= 0; at = raw.indexOf("\n\n", from)) {
    events.push(raw.slice(from, at + 2));
    from = at + 2;
  }
  if (from < raw.length) events.push(raw.slice(from));
  return events;
}

/** What is left of a text of which a part may be the beginning of a key. */
function tailOf(all: string, parts: readonly Part[], { begins, open }: Look, newest: string): Tail {
  const unsaid = parts.find(({ from, length }) => from + length > open);
  const left = parts.filter(({ from, length }) => from + length > begins);
  const last = parts.at(-1)?.event ?? 0;
  const moved = left.map((part) => movedBy(part, begins));
  return { text: all.slice(begins), parts: moved, since: unsaid?.event, last, newest };
}

function movedBy({ event, at, from, length }: Part, begins: number): Part {
  const gone = Math.max(0, begins - from);
  return { event, at: at + gone, from: from + gone - begins, length: length - gone };
}

/** Events that wait, in the order in which they came, by their number. */
interface Queue {
  push(raw: string): void;
  /** Takes a stretch of a channel's text out of those of its events that are still here; the first gets the mark. */
  cut(parts: readonly Part[], stretch: Stretch): void;
  /** All before this one. */
  shift(first: number): string;
  /** The number of the last one. */
  readonly last: number;
  readonly isFull: boolean;
}

function openQueue(): Queue {
  let events: Waiting[] = [];
  let bytes = 0;
  let last = 0;
  return {
    push(raw) {
      last += 1;
      events.push({ number: last, raw, cuts: [] });
      bytes += raw.length;
    },
    cut(parts, { at, end }) {
      let shown = secretMark;
      for (const part of parts) {
        const first = Math.max(at, part.from);
        const behind = Math.min(end, part.from + part.length);
        const event = events.find(({ number }) => number === part.event);
        if (first >= behind || event === undefined) continue;
        const move = part.at - part.from;
        event.cuts.push({ at: first + move, end: behind + move, shown });
        shown = "";
      }
    },
    shift(first) {
      let shown = "";
      let gone = 0;
      for (const event of events) {
        if (event.number >= first) break;
        shown += written(event);
        bytes -= event.raw.length;
        gone += 1;
      }
      events = gone === events.length ? [] : events.slice(gone);
      return shown;
    },
    get last() {
      return last;
    },
    get isFull() {
      return bytes > waitingBytesMax;
    },
  };
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
function wordsIn(raw: string, { before, behind, said }: Frame): Said | undefined {
  if (raw.length < before.length + behind.length) return undefined;
  if (!raw.startsWith(before) || !raw.endsWith(behind)) return undefined;
  const at = before.length;
  const text = raw.slice(at, raw.length - behind.length);
  return text.includes('"') || text.endsWith("\\") ? undefined : { ...said, at, text };
}

function frameOf(raw: string, said: Said): Frame {
  const { at, text } = said;
  return { before: raw.slice(0, at), behind: raw.slice(at + text.length), said };
}

function isNothing({ size, keys }: Look): boolean {
  return size === 0 && keys.length === 0;
}
