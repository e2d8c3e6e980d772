/** What a call comes to when it is not answered, and how each wire says so. Providers' own words stop here, but for what was wrong with the request. */
import type { Fault } from "../../domain/reply.ts";
import { unreachable } from "../../kit/assert.ts";

/** The wire that a caller speaks. */
export type WireName = "chat" | "responses" | "messages";

/** `why`: one line for people. `until`: the moment at which it may go, ms. `field`: the part of the request it is about. */
export type Problem =
  | {
      readonly kind: "no-token" | "no-model" | "no-page" | "body-too-large" | "prompt-too-large";
      readonly why: string;
    }
  /** The provider's account may not do this one thing. */
  | { readonly kind: "forbidden"; readonly why: string }
  | { readonly kind: "bad-request"; readonly why: string; readonly field: string | undefined }
  | { readonly kind: "limited" | "overloaded"; readonly why: string; readonly until: number | undefined }
  /** Waiting does not mend it: money, or a key of the gateway's own. */
  | { readonly kind: "out-of-budget" | "closed"; readonly why: string }
  | { readonly kind: "broken"; readonly why: string };

/** Of a provider's failure. What it says of its account or key is for whoever runs the gateway, not for its callers. */
export function problemOf(fault: Fault, provider: string): Problem {
  switch (fault.kind) {
    case "throttle":
      return { kind: "limited", why: `${provider} is at its limit`, until: fault.retryAt };
    case "window":
      return { kind: "limited", why: `a window of ${provider} is used up`, until: fault.resetAt };
    case "capacity":
      return { kind: "overloaded", why: `${provider}: ${fault.why}`, until: undefined };
    case "billing":
      return { kind: "closed", why: `the account of ${provider} has no credit or plan for this` };
    case "auth":
      if (fault.isOfUse) return { kind: "forbidden", why: `${provider} does not allow this: ${fault.why}` };
      return { kind: "closed", why: `${provider} refuses the gateway's key` };
    case "request":
      if (fault.isOfPlace)
        return {
          kind: "closed",
          why: `${provider} knows no such address or model: whoever runs the gateway can mend it`,
        };
      return { kind: "bad-request", why: `${provider}: ${fault.why}`, field: undefined };
    case "too-large":
      return { kind: "prompt-too-large", why: `${provider}: ${fault.why}` };
    default:
      return unreachable(fault);
  }
}

interface Form {
  readonly openai: { readonly status: number; readonly type: string; readonly code: string | null };
  readonly anthropic: { readonly status: number; readonly type: string };
  /** Clients obey it before they look at the status. */
  readonly isWorthRetrying: boolean;
}

const invalid = "invalid_request_error";
const forms: Readonly<Record<Problem["kind"], Form>> = {
  "no-token": form([401, invalid, "invalid_api_key"], [401, "authentication_error"], false),
  "no-model": form([404, invalid, "model_not_found"], [404, "not_found_error"], false),
  "no-page": form([404, invalid, null], [404, "not_found_error"], false),
  "body-too-large": form([413, invalid, "request_too_large"], [413, "request_too_large"], false),
  "prompt-too-large": form([400, invalid, "context_length_exceeded"], [400, invalid], false),
  "bad-request": form([400, invalid, null], [400, invalid], false),
  forbidden: form([403, invalid, null], [403, "permission_error"], false),
  limited: form([429, "rate_limit_error", "rate_limit_exceeded"], [429, "rate_limit_error"], true),
  overloaded: form(
    [503, "service_unavailable_error", "server_is_overloaded"],
    [529, "overloaded_error"],
    true,
  ),
  "out-of-budget": form([429, "insufficient_quota", "insufficient_quota"], [402, "billing_error"], false),
  closed: form([502, "server_error", "upstream_closed"], [502, "api_error"], false),
  broken: form([500, "server_error", null], [500, "api_error"], true),
};

function form(
  [status, type, code]: readonly [number, string, string | null],
  [theirs, name]: readonly [number, string],
  isWorthRetrying: boolean,
): Form {
  return { openai: { status, type, code }, anthropic: { status: theirs, type: name }, isWorthRetrying };
}

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

/** The answer that says it. `now` in ms. */
export function refusalOf(problem: Problem, wire: WireName, now: number): Refusal {
  const { openai, anthropic, isWorthRetrying } = forms[problem.kind];
  const status = wire === "messages" ? anthropic.status : openai.status;
  const headers = { ...waiting(problem, now), "x-should-retry": String(isWorthRetrying) };
  return { status, headers, body: bodyOf(problem, wire) };
}

function waiting(problem: Problem, now: number): Readonly<Record<string, string>> {
  if (problem.kind !== "limited" && problem.kind !== "overloaded") return {};
  if (problem.until === undefined || !Number.isFinite(problem.until)) return {};
  const ms = Math.max(1, Math.ceil(problem.until - now));
  return { "retry-after": String(Math.max(1, Math.ceil(ms / 1_000))), "retry-after-ms": String(ms) };
}

function bodyOf(problem: Problem, wire: WireName): object {
  const { openai, anthropic } = forms[problem.kind];
  const { why: message } = problem;
  if (wire === "messages") return { type: "error", error: { type: anthropic.type, message } };
  const param = problem.kind === "bad-request" ? (problem.field ?? null) : null;
  return { error: { message, type: openai.type, param, code: openai.code } };
}

/** The same inside of a stream that has begun, as server-sent events. `sequence`: of the responses wire. */
export function brokenStream(problem: Problem, wire: WireName, sequence = 0): string {
  const body = bodyOf(problem, wire);
  if (wire === "messages") return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
  if (wire === "chat") return `data: ${JSON.stringify(body)}\n\n`;
  const { openai } = forms[problem.kind];
  const event = { type: "error", code: openai.code ?? openai.type, message: problem.why, param: null };
  return `event: error\ndata: ${JSON.stringify({ ...event, sequence_number: sequence })}\n\n`;
}
