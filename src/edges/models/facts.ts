/** What an error answer says, whatever its dialect: the words `faults.ts` decides by. Nothing here throws. */

/** An HTTP answer as it came. `headers` have lower-case names; `body` may be cut, empty or no JSON at all. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Facts {
  /** The answer's status; for an error inside a 200, the status its body names, or 200. */
  readonly status: number;
  /** Error codes, types and statuses of the body, lower case. */
  readonly codes: ReadonlySet<string>;
  /** The provider's own sentence, or "" where there is none. */
  readonly message: string;
  /** What Google's `QuotaFailure` names. */
  readonly quotas: readonly Quota[];
  /** Of those codes, the reasons of Google's `ErrorInfo`. */
  readonly reasons: ReadonlySet<string>;
  /** Wait the body asks for, ms: Google's `retryDelay`, Codex's `resets_in_seconds` and `resets_at`, a date to come back. */
  readonly waitMs: number | undefined;
  /** Headers that OpenRouter repeats inside the body, lower-case names. */
  readonly inner: Readonly<Record<string, string>>;
  readonly isHtml: boolean;
  readonly isJson: boolean;
}

/** `GenerateRequestsPerDayPerProjectPerModel-FreeTier` and the like; `value`: the limit, where it is a number from 0. */
export interface Quota {
  readonly id: string;
  readonly value: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** `now` in ms, by the server's clock where it is known: `resets_at` counts from there. */
export function factsOf(answer: Answer, now: number): Facts {
  const json = parse(answer.body);
  const top = table(Array.isArray(json) ? json[0] : json);
  const error = typeof top.error === "string" ? { message: top.error } : inner(top);
  const metadata = table(error.metadata);
  const details = list(error.details).map(table);
  const flagged = metadata.flagged_input === undefined ? undefined : "flagged_input";
  const said = [error.type, error.code, error.status, metadata.provider_code, top.code, flagged];
  const reasons = words(details.map((detail) => detail.reason));
  const message = messageOf(error, top, answer.body, json !== undefined);
  const isHtml =
    /html/i.test(answer.headers["content-type"] ?? "") || /^\s*<(!doctype|html)/i.test(answer.body);
  return {
    status: statusOf(answer.status, error.code, metadata.provider_code),
    codes: new Set([...words(said), ...reasons]),
    message: isHtml && message === answer.body ? "" : message,
    quotas: details.flatMap(quotasOf),
    reasons: new Set(reasons),
    waitMs: waitOf(error, details, now) ?? regainMs(message, now),
    inner: lowerCased(table(metadata.headers)),
    isHtml,
    isJson: json !== undefined,
  };
}

/** Go's duration notation, as in `6m0s`, `634ms` or `34.07s`; a bare number is seconds. Undefined when it is none. */
export function durationMs(notation: string): number | undefined {
  const trimmed = notation.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(trimmed)) return undefined;
  const parts = trimmed.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ""] ?? 0), 0);
}

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function table(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 50) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function words(values: readonly unknown[]): readonly string[] {
  return values.flatMap((value) => (typeof value === "string" ? [value.toLowerCase()] : []));
}

function lowerCased(headers: Json): Readonly<Record<string, string>> {
  const entries = Object.entries(headers).slice(0, 50);
  const told = entries.filter(([, value]) => typeof value === "string" || typeof value === "number");
  return Object.fromEntries(told.map(([name, value]) => [name.toLowerCase(), String(value)]));
}

function quotasOf(detail: Json): readonly Quota[] {
  const named = text(table(detail.metadata).quota_limit);
  const violated = list(detail.violations).map(table);
  return [
    ...violated.map((each) => ({ id: text(each.quotaId), value: limitOf(each.quotaValue) })),
    ...(named === "" ? [] : [{ id: named, value: limitOf(table(detail.metadata).quota_limit_value) }]),
  ];
}

function limitOf(value: unknown): number | undefined {
  const digits = typeof value === "number" ? String(value) : text(value);
  return /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}

/** Most wires nest the error, OpenRouter also in the choice that broke off; some put it at the top. */
function inner(top: Json): Json {
  const places = [table(top.error), table(table(list(top.choices)[0]).error)];
  return places.find((nested) => Object.keys(nested).length > 0) ?? top;
}

/**
 * A stream's status is fixed before its error is known, so a number in the body says more than the 200; and what a
 * gateway calls its own failure may be the limit of who stands behind it.
 */
function statusOf(status: number, code: unknown, behind: unknown): number {
  if (behind === 429 || behind === "429") return 429;
  const named = typeof code === "number" || typeof code === "string" ? Number(code) : Number.NaN;
  const isNamed = Number.isInteger(named) && named >= 400 && named <= 599;
  return status < 300 && isNamed ? named : status;
}

function messageOf(error: Json, top: Json, body: string, isJson: boolean): string {
  const candidates = [error.message, error.detail, top.message, top.detail, table(error.metadata).raw];
  const said = candidates.map(text).find((candidate) => candidate.trim() !== "");
  return said ?? (isJson ? "" : body);
}

function waitOf(error: Json, details: readonly Json[], now: number): number | undefined {
  const delay = details.map((detail) => text(detail.retryDelay)).find((each) => each !== "");
  if (delay !== undefined) return durationMs(delay);
  const told = details
    .map((detail) => resetOf(table(detail.metadata), now))
    .find((each) => each !== undefined);
  if (told !== undefined) return told;
  const seconds = error.resets_in_seconds;
  if (typeof seconds === "number") return seconds * 1000;
  const at = error.resets_at;
  return typeof at === "number" ? at * 1000 - now : undefined;
}

/** Google's subscriptions say it in the metadata of the refusal. */
function resetOf({ quotaResetTimeStamp, quotaResetDelay }: Json, now: number): number | undefined {
  const at = Date.parse(text(quotaResetTimeStamp));
  return Number.isNaN(at) ? durationMs(text(quotaResetDelay)) : at - now;
}

/** Anthropic, once the month's own bound is reached: "You will regain access on 2026-12-01 at 00:00 UTC." */
function regainMs(message: string, now: number): number | undefined {
  const found = /regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC/.exec(message.slice(0, 4000));
  const at = found === null ? Number.NaN : Date.parse(`${found[1]}T${found[2]}:00Z`);
  return Number.isNaN(at) ? undefined : at - now;
}
