/**
 * From a provider's failure to the one taxonomy, by a table: the first row whose test holds decides. Order matters, and
 * each row says why it stands where it does. Total: any status, body and headers give a Fault and nothing throws.
 */
import type { Fault } from "../../domain/reply.ts";
import { printable } from "../../kit/bounded.ts";
import { type Answer, type Facts, factsOf } from "./facts.ts";
import { dayMs, zeroLimitsOf } from "./readings.ts";
import { dayEndAt, namedWaitMs, serverNow, unifiedWaitMs, waitMsOf } from "./waits.ts";

/** `keyName` is the variable that holds the key, if any. `now` in ms. Who failed is said by whoever shows the sentence. */
export interface Circumstance {
  readonly keyName: string | undefined;
  readonly now: number;
  /** Takes the key out of what the server says, before anything is cut. */
  readonly conceal: (text: string) => string;
}

/** A wait beyond this is a used-up window rather than a short limit: work moves elsewhere instead of holding a place. */
export const throttleMsMax = 600_000;
/** A limit without any hint that asks for a retry concerns this request only and clears within seconds (observed). */
const passingMs = 5_000;
const minuteMs = 60_000;
const googleThrottleMsMax = 300_000;

export function faultOf(answer: Answer, circumstance: Circumstance): Fault {
  const now = serverNow(answer.headers, circumstance.now);
  const facts = factsOf(answer, now);
  const wait = waitMsOf(answer, facts, now);
  const row = rows.find(({ holds }) => holds(facts, answer, wait)) ?? lastRow;
  const why = `${sentence(answer, facts, circumstance)}${row.advice(facts, circumstance, answer)}`;
  switch (row.kind) {
    case "throttle":
      if (row.end === "day")
        return {
          kind: "throttle",
          retryAt: circumstance.now + (namedWaitMs(answer.headers, now) ?? dayMs),
          why,
        };
      return limit(why, wait ?? minuteWait(facts) ?? passingWait(answer), circumstance.now);
    case "window": {
      const ahead = aheadOf(row, answer, now) ?? wait;
      return { kind: "window", resetAt: ahead === undefined ? undefined : circumstance.now + ahead, why };
    }
    case "billing":
      return { kind: "billing", why, isOfModel: row.isOfModel };
    case "request":
      return { kind: "request", why, isOfPlace: facts.status === 404 ? true : undefined };
    case "auth":
      return { kind: "auth", why, isOfUse: isOfUse(facts) ? true : undefined };
    default:
      return { kind: row.kind, why };
  }
}

/** What a window's end is told by, where it is not the general wait. */
function aheadOf({ end }: Row, { headers }: Answer, now: number): number | undefined {
  if (end === "pacific-day") return dayEndAt("America/Los_Angeles", now) - now;
  return headers["anthropic-ratelimit-unified-status"] === "rejected"
    ? unifiedWaitMs(headers, now)
    : undefined;
}

/** A failure below HTTP: always `capacity`, because another moment or another provider can end otherwise. */
export function networkFault(code: string, target: string): Fault {
  const what = networkWords[code] ?? `the connection failed (${code.slice(0, 60)})`;
  return { kind: "capacity", why: oneLine(`${what}: ${target}`) };
}

/** One printable line of at most 400 characters. */
function oneLine(text: string): string {
  const line = printable(text.slice(0, 4000)).replace(/\s+/g, " ").trim();
  return line.length <= 400 ? line : `${line.slice(0, 399)}…`;
}

interface Row {
  readonly kind: Fault["kind"];
  /** `wait`: what the answer asks for, ms. */
  readonly holds: (facts: Facts, answer: Answer, wait: number | undefined) => boolean;
  readonly advice: (facts: Facts, circumstance: Circumstance, answer: Answer) => string;
  /** The wait in such an answer is known to mislead. `pacific-day`: it ends with that. `day`: after one, where `retry-after` says nothing. */
  readonly end?: "pacific-day" | "day";
  readonly isOfModel?: true;
}

const hasCode = (facts: Facts, codes: readonly string[]) => codes.some((code) => facts.codes.has(code));
const nothing = () => "";

const billingCodes = [
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
  "enforced_spend_limit_reached",
  "billing_error",
  "billing_not_active",
  "billing_hard_limit_reached",
  "insufficient_credits",
  "insufficient_balance",
  "insufficient_g1_credits_balance",
  "credits_required",
  "usage_not_included",
];
const authCodes = [
  "authentication_error",
  "permission_error",
  "invalid_api_key",
  "unauthenticated",
  "permission_denied",
  "api_key_invalid",
];
const largeCodes = ["context_length_exceeded", "exceed_context_size_error", "request_too_large"];
const windowCodes = ["usage_limit_reached", "quota_exhausted"];
const capacityCodes = ["model_capacity_exhausted", "model_capacity_exceeded"];
const throttleCodes = [
  "rate_limit_error",
  "rate_limit_exceeded",
  "slow_down",
  "too_many_requests",
  "resource_exhausted",
];
const requestCodes = ["invalid_request_error", "invalid_argument", "not_found_error", "model_not_found"];

/** A 403 speaks of what was asked for, unless it names the key. */
function isOfUse(facts: Facts): boolean {
  return (
    facts.status === 403 && !hasCode(facts, ["authentication_error", "invalid_api_key", "unauthenticated"])
  );
}

const moneyWords =
  /credit balance is too low|insufficient (?:account )?(?:balance|credits?|funds|quota)|billing hard limit/i;
/** A refused request may repeat the caller's own words: there only what the sentence begins with is the provider's. */
const moneyFirst = new RegExp(`^(?:your )?(?:${moneyWords.source})`, "i");
const keyWords = /\bAPI key (?:not valid|not found|expired|is invalid)\b/i;
const ownBoundWords = /reached your specified (?:API )?usage limits/i;
const largeWords =
  /(?:maximum|model'?s?) context (?:length|window)|exceeds? (?:the )?(?:available |maximum )?context|prompt is too long|(?:input|request|prompt) (?:is |was )?too (?:long|large)|too many (?:input |prompt )?tokens|exceeds the maximum number of tokens|context (?:length|size|window) (?:was |is )?exceeded|prompt length (?:\(\d+\) )?exceeds|longer than the maximum model length/i;

const rows: readonly Row[] = [
  {
    // Before every limit: money problems come as 429 or 400 too, and waiting never mends them.
    kind: "billing",
    holds: (facts) =>
      facts.status === 402 ||
      hasCode(facts, billingCodes) ||
      (facts.status !== 200 &&
        (facts.status === 400 || facts.status === 422 ? moneyFirst : moneyWords).test(facts.message.trim())),
    advice: () => "; add credit or change the plan of this account",
  },
  {
    // Google names a model outside the plan as a limit of zero.
    kind: "billing",
    isOfModel: true,
    holds: (facts) =>
      hasCode(facts, ["resource_exhausted"]) &&
      (/\blimit: 0\b/.test(facts.message) || facts.quotas.some(({ value }) => value === 0)),
    advice: () => "; this plan does not include the model",
  },
  {
    // Before throttle: "request too large" for a tokens-per-minute limit is a 429 that can never pass.
    kind: "too-large",
    holds: (facts) =>
      facts.status === 413 ||
      hasCode(facts, largeCodes) ||
      ([200, 400, 422, 429, 500].includes(facts.status) && largeWords.test(facts.message)),
    advice: () => "; use a model with a larger context, or lower context_tokens_max",
  },
  {
    // OpenRouter's moderation is a 403 about the prompt: the key is as good as before.
    kind: "request",
    holds: (facts) => facts.status === 403 && hasCode(facts, ["flagged_input"]),
    advice: nothing,
  },
  {
    // Google says 400 for a wrong key.
    kind: "auth",
    holds: (facts) =>
      [401, 403, 407].includes(facts.status) ||
      hasCode(facts, authCodes) ||
      (facts.status === 400 && keyWords.test(facts.message)),
    advice: (_facts, { keyName }) =>
      keyName === undefined
        ? "; no key was sent: name its variable in api_key_env"
        : `; check the key in ${keyName}`,
  },
  {
    // The delay that comes with a daily quota is about the next request, not about the day.
    kind: "window",
    holds: (facts) => facts.quotas.some(({ id }) => /perday|daily/i.test(id)),
    advice: nothing,
    end: "pacific-day",
  },
  {
    // Before the limits: no quota of ours is used up, also where it comes as a 429.
    kind: "capacity",
    holds: (facts) => hasCode(facts, capacityCodes),
    advice: nothing,
  },
  {
    kind: "window",
    holds: (facts, { headers }) =>
      hasCode(facts, windowCodes) ||
      ownBoundWords.test(facts.message) ||
      (facts.status === 429 && headers["anthropic-ratelimit-unified-status"] === "rejected"),
    advice: nothing,
  },
  {
    // Google's short limits say when; one that names none, or a far one, is used up for good (its own client's rule).
    kind: "window",
    holds: (facts, _answer, wait) =>
      (facts.reasons.has("rate_limit_exceeded") && wait === undefined && minuteWait(facts) === undefined) ||
      (hasCode(facts, ["resource_exhausted"]) && (wait ?? 0) > googleThrottleMsMax),
    advice: nothing,
  },
  {
    // Of this model only, as limits of a minute are; Azure's 0 may mean nothing, so not for good.
    kind: "throttle",
    holds: (facts, { headers }) => facts.status === 429 && zeroLimitsOf(headers).length > 0,
    advice: (_facts, _circumstance, { headers }) =>
      `; it allows 0 ${zeroLimitsOf(headers)[0] ?? ""} a minute of this model`,
    end: "day",
  },
  {
    kind: "throttle",
    holds: (facts) => facts.status === 429 || hasCode(facts, throttleCodes),
    advice: nothing,
  },
  {
    // Inside a 200 only the code tells a bad request from a broken server.
    kind: "request",
    holds: (facts) => facts.status < 500 && hasCode(facts, requestCodes),
    advice: (facts) => (facts.status === 404 ? "; check model and base_url" : ""),
  },
  {
    kind: "request",
    holds: (facts) => facts.status >= 300 && facts.status < 400,
    advice: () => "; the server redirects, which is not followed with a key: correct base_url",
  },
  {
    kind: "request",
    holds: (facts) => facts.status < 300 && facts.isHtml,
    advice: () => "; a web page came instead of an answer: check base_url",
  },
  // 408, 409, 425 and 499 speak of the moment, not of the request.
  {
    kind: "capacity",
    holds: (facts) =>
      facts.status < 300 || facts.status >= 500 || [408, 409, 425, 499].includes(facts.status),
    advice: nothing,
  },
];

const lastRow: Row = {
  kind: "request",
  holds: () => true,
  advice: (facts) => (facts.status === 404 ? "; check model and base_url" : ""),
};

function limit(why: string, waitMs: number | undefined, now: number): Fault {
  if (waitMs === undefined) return { kind: "throttle", retryAt: undefined, why };
  if (waitMs > throttleMsMax) return { kind: "window", resetAt: now + waitMs, why };
  return { kind: "throttle", retryAt: now + waitMs, why };
}

/** A quota of a minute without a delay passes with the minute. */
function minuteWait({ quotas }: Facts): number | undefined {
  return quotas.some(({ id }) => /perminute/i.test(id)) ? minuteMs : undefined;
}

function passingWait({ headers }: Answer): number | undefined {
  return headers["x-should-retry"] === "true" ? passingMs : undefined;
}

function sentence(answer: Answer, facts: Facts, { conceal }: Circumstance): string {
  const code = conceal([...facts.codes][0] ?? "");
  const status = answer.status < 300 ? "an error inside the answer" : `HTTP ${answer.status}`;
  const message = conceal(facts.message).trim().slice(0, 1000);
  const head = `${status}${code === "" ? "" : ` (${code.slice(0, 60)})`}`;
  const line = oneLine(message === "" ? head : `${head}: ${message}`);
  return line.length <= 300 ? line.replace(/[.\s]+$/, "") : `${line.slice(0, 299)}…`;
}

const closed = "the connection was closed before the answer was complete";
const slow = "no answer in time";
const nameless = "the host's name cannot be resolved";
const untrusted =
  "the server's certificate is not trusted (a private authority goes into NODE_EXTRA_CA_CERTS)";

const networkWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there, is the server running?",
  ECONNRESET: closed,
  EPIPE: closed,
  UND_ERR_SOCKET: closed,
  ETIMEDOUT: slow,
  UND_ERR_HEADERS_TIMEOUT: slow,
  UND_ERR_BODY_TIMEOUT: slow,
  UND_ERR_CONNECT_TIMEOUT: slow,
  ENOTFOUND: nameless,
  EAI_AGAIN: nameless,
  "bad port": "web requests may not use this port, use another",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
};
