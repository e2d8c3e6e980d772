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
  /** Quota ids of Google's `QuotaFailure`. */
  readonly quotas: readonly string[];
  /** Wait the body asks for, ms: Google's `retryDelay`, Codex's `resets_in_seconds` and `resets_at`. */
  readonly waitMs: number | undefined;
  readonly isHtml: boolean;
  readonly isJson: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** `now` in ms, by the server's clock where it is known: `resets_at` counts from there. */
export function factsOf(answer: Answer, now: number): Facts {
  const json = parse(answer.body);
  const top = table(Array.isArray(json) ? json[0] : json);
  const error = typeof top.error === "string" ? { message: top.error } : inner(top);
  const metadata = table(error.metadata);
  const details = list(error.details).map(table);
  const said = [error.type, error.code, error.status, metadata.provider_code, top.code];
  const reasons = details.map((detail) => detail.reason);
  const codes = [...said, ...reasons].filter((code) => typeof code === "string");
  const isHtml =
    /html/i.test(answer.headers["content-type"] ?? "") || /^\s*<(!doctype|html)/i.test(answer.body);
  return {
    status: statusOf(answer.status, error.code),
    codes: new Set(codes.map((code) => code.toLowerCase())),
    message: messageOf(error, top, answer.body, isHtml),
    quotas: details.flatMap((detail) => list(detail.violations).map((each) => text(table(each).quotaId))),
    waitMs: waitOf(error, details, now),
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

/** Most wires nest the error; some put it at the top. */
function inner(top: Json): Json {
  const nested = table(top.error);
  return Object.keys(nested).length > 0 ? nested : top;
}

/** A stream's status is fixed before its error is known, so a number in the body says more than the 200. */
function statusOf(status: number, code: unknown): number {
  const named = typeof code === "number" || typeof code === "string" ? Number(code) : Number.NaN;
  const isNamed = Number.isInteger(named) && named >= 400 && named <= 599;
  return status < 300 && isNamed ? named : status;
}

function messageOf(error: Json, top: Json, body: string, isHtml: boolean): string {
  const candidates = [error.message, error.detail, top.message, top.detail, table(error.metadata).raw];
  const said = candidates.map(text).find((candidate) => candidate.trim() !== "");
  if (said !== undefined) return said;
  return isHtml || parse(body) !== undefined ? "" : body;
}

function waitOf(error: Json, details: readonly Json[], now: number): number | undefined {
  const delay = details.map((detail) => text(detail.retryDelay)).find((each) => each !== "");
  if (delay !== undefined) return durationMs(delay);
  const seconds = error.resets_in_seconds;
  if (typeof seconds === "number") return seconds * 1000;
  const at = error.resets_at;
  return typeof at === "number" ? at * 1000 - now : undefined;
}
