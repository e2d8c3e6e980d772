import fc from "fast-check";
import { expect, test } from "vitest";
import type { Fault } from "../../domain/reply.ts";
import { durationMs } from "./facts.ts";
import { faultOf, networkFault } from "./faults.ts";
import { dayEndAt, waitMsMax } from "./waits.ts";

const now = Date.UTC(2026, 10, 21, 12);
const circumstance = { keyName: "WORK_KEY", now, conceal: (text: string) => text };

type Headers = Readonly<Record<string, string>>;
const fault = (status: number, body: unknown, headers: Headers = {}): Fault =>
  faultOf({ status, headers, body: typeof body === "string" ? body : JSON.stringify(body) }, circumstance);
const error = (fields: Record<string, unknown>) => ({ error: fields });

test("names the kind by status, code and sentence", () => {
  const check = (status: number, body: unknown, kind: Fault["kind"]) =>
    expect(fault(status, body).kind).toBe(kind);
  check(429, error({ message: "slow down", code: "slow_down", type: "rate_limit_error" }), "throttle");
  check(
    429,
    error({ message: "x", type: "insufficient_quota", code: "credit_balance_exhausted" }),
    "billing",
  );
  check(429, error({ message: "x", code: "project_spend_limit_exceeded" }), "billing");
  check(
    429,
    error({ type: "rate_limit_error", code: "enforced_spend_limit_reached", message: "x" }),
    "billing",
  );
  check(402, "", "billing");
  check(
    400,
    error({ type: "invalid_request_error", message: "Your credit balance is too low to access" }),
    "billing",
  );
  check(
    429,
    error({ message: "Request too large for m on tokens per min (TPM): Limit 1, Requested 2" }),
    "too-large",
  );
  check(400, error({ type: "exceed_context_size_error", code: 400, message: "too big" }), "too-large");
  check(
    400,
    error({ message: "input length and `max_tokens` exceed context limit: 9 + 9 > 10" }),
    "too-large",
  );
  check(413, "<html>Request Entity Too Large</html>", "too-large");
  check(403, error({ type: "permission_error", message: "no" }), "auth");
  check(400, [error({ status: "INVALID_ARGUMENT", message: "API key not valid" })], "auth");
  check(400, [error({ status: "INVALID_ARGUMENT", message: "Unknown name" })], "request");
  check(404, { error: 'model "x" not found, try pulling it first' }, "request");
  check(422, { detail: [{ loc: ["body"] }] }, "request");
  check(529, error({ type: "overloaded_error", message: "Overloaded" }), "capacity");
  check(500, "", "capacity");
  check(503, { error: "server busy, maximum pending requests exceeded" }, "capacity");
  check(408, "", "capacity");
  check(409, "", "capacity");
  check(302, "", "request");
  check(200, error({ type: "api_error", message: "Internal" }), "capacity");
  check(200, error({ type: "invalid_request_error", message: "no such field" }), "request");
  check(200, error({ code: 402, message: "x" }), "billing");
});

test("a program that talks about contexts or credit in a server error stays a server error", () => {
  expect(fault(503, "insufficient fundamentals").kind).toBe("capacity");
  expect(fault(400, error({ message: "messages: context is required" })).kind).toBe("request");
});

test("says until when, in the order of trust", () => {
  const check = (waitMs: number, headers: Headers, message = "x", status = 429) =>
    expect(fault(status, error({ message }), headers)).toMatchObject({
      kind: "throttle",
      retryAt: now + waitMs,
    });
  check(1500, { "retry-after-ms": "1500", "retry-after": "9" });
  check(9000, {
    "retry-after": "9",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
  });
  check(30_000, { "retry-after": "Sat, 21 Nov 2026 12:00:30 GMT" });
  check(634, {}, "Limit 9. Please try again in 634ms. Visit");
  check(20_000, {}, "Please try again in 20 seconds");
  check(360_000, {}, "Please try again in 6m0s.");
  check(34_070, {}, "Please retry in 34.07s.");
  check(360_000, { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s" });
  const both = { "x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "9m0s" };
  check(1000, { ...both, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s" });
  check(2000, {
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:02Z",
  });
  check(5000, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(now + 5000) });
  check(5000, { "x-should-retry": "true" }, "Error");
  const past = { "retry-after": "Sat, 21 Nov 2026 11:00:00 GMT" };
  const odd = [{ "retry-after": "-5" }, { "retry-after": "0" }, { "x-ratelimit-reset": "1000000001" }];
  for (const headers of [{}, past, ...odd, { "retry-after": "soon", "x-ratelimit-reset-tokens": "-1" }])
    expect(fault(429, "", headers)).toMatchObject({ kind: "throttle", retryAt: undefined });
});

test("a refusal with a limit of 0 closes this model for a day, whatever resets it tells, or for as long as it asks", () => {
  const zero = {
    "x-ratelimit-limit-requests": "0",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1s",
  };
  const why = expect.stringMatching(/; it allows 0 requests a minute of this model$/) as string;
  const closed = (waitMs: number) => ({ kind: "throttle", retryAt: now + waitMs, why });
  expect(fault(429, "", zero)).toEqual(closed(86_400_000));
  expect(fault(429, "", { ...zero, "retry-after": "7" })).toEqual(closed(7_000));
  expect(fault(429, "", { ...zero, "x-ratelimit-limit-requests": "-1" })).toMatchObject({
    retryAt: now + 1000,
  });
});

test("measures absolute moments by the server's clock", () => {
  const headers = { date: "Sat, 21 Nov 2026 15:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 15:00:07 GMT" };
  expect(fault(429, "", headers)).toMatchObject({ kind: "throttle", retryAt: now + 7000 });
});

test("tells a used-up window from a short limit", () => {
  const google = (quotaId: string, retryDelay: string) => [
    error({
      code: 429,
      status: "RESOURCE_EXHAUSTED",
      message: "You exceeded your current quota, please check your plan and billing details.",
      details: [{ violations: [{ quotaId }] }, { retryDelay }],
    }),
  ];
  expect(fault(429, google("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "34.07s"))).toMatchObject({
    kind: "throttle",
    retryAt: now + 34_070,
  });
  expect(fault(429, google("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "9s"))).toMatchObject({
    kind: "window",
    // Midnight on the Pacific coast.
    resetAt: Date.parse("2026-11-22T08:00:00Z"),
  });
  expect(
    fault(429, error({ type: "usage_limit_reached", message: "x", resets_at: now / 1000 + 60 })),
  ).toMatchObject({
    kind: "window",
    resetAt: now + 60_000,
  });
  expect(fault(429, "", { "retry-after": "3037" })).toMatchObject({
    kind: "window",
    resetAt: now + 3_037_000,
  });
  expect(fault(429, "", { "retry-after": "9".repeat(40) })).toMatchObject({
    kind: "window",
    resetAt: now + waitMsMax,
  });
});

test("a subscription that still allows is not taken for used up", () => {
  const headers = {
    "anthropic-ratelimit-unified-status": "allowed_warning",
    "anthropic-ratelimit-unified-reset": "1",
  };
  expect(fault(429, error({ type: "rate_limit_error", message: "Error" }), headers).kind).toBe("throttle");
});

test("says what happened, to whom and what to do next, in one line", () => {
  const check = (status: number, body: unknown, why: string) => expect(fault(status, body).why).toBe(why);
  const auth = error({ type: "authentication_error", message: "invalid\nx-api-key." });
  check(401, auth, "HTTP 401 (authentication_error): invalid x-api-key; check the key in WORK_KEY");
  check(404, { error: "no model" }, "HTTP 404: no model; check model and base_url");
  check(500, "\u001b[31mboom", "HTTP 500: \\x1b[31mboom");
  check(502, "<html><h1>Bad gateway</h1></html>", "HTTP 502");
});

test("reads durations as Go writes them", () => {
  const check = (notation: string, ms: number | undefined) => expect(durationMs(notation)).toBe(ms);
  check("12ms", 12);
  check("1h2m3s", 3_723_000);
  check("6m0s", 360_000);
  check("0.5", 500);
  check("-1", undefined);
  check("s", undefined);
  check("1x", undefined);
});

test("a day ends at its zone's midnight, also one of 23 or 25 hours", () => {
  const check = (zone: Parameters<typeof dayEndAt>[0], from: string, end: string) =>
    expect(new Date(dayEndAt(zone, Date.parse(from))).toISOString()).toBe(end);
  const pacific = "America/Los_Angeles";
  check(pacific, "2026-11-21T12:00:00.250Z", "2026-11-22T08:00:00.000Z");
  check(pacific, "2026-11-21T08:00:00Z", "2026-11-22T08:00:00.000Z");
  check(pacific, "2026-07-01T06:59:59.999Z", "2026-07-01T07:00:00.000Z");
  check(pacific, "2026-03-08T08:30:00Z", "2026-03-09T07:00:00.000Z");
  check(pacific, "2026-11-01T07:30:00Z", "2026-11-02T08:00:00.000Z");
  check("UTC", "2026-11-21T23:59:59Z", "2026-11-22T00:00:00.000Z");
});

test("a network failure is capacity in words", () => {
  expect(networkFault("ENOTFOUND", "api.example")).toEqual({
    kind: "capacity",
    why: "the host's name cannot be resolved: api.example",
  });
});

const word = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    "rate_limit_error",
    "insufficient_quota",
    "window",
    "limit: 0",
    "try again in 9e9s",
    "PerDay",
  ),
);
const headerNames = [
  "retry-after",
  "retry-after-ms",
  "date",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
];
const headerName = fc.constantFrom(
  ...headerNames,
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "anthropic-ratelimit-unified-status",
  "anthropic-ratelimit-unified-reset",
  "content-type",
);
const headerValue = fc.oneof(
  word,
  fc.integer().map(String),
  fc.double().map(String),
  fc.date().map(String),
  fc.constant("0"),
);
const detail = fc.record({ retryDelay: fc.anything(), violations: fc.anything(), reason: fc.anything() });
const shaped = fc.record({
  error: fc.record({
    message: fc.oneof(word, fc.anything()),
    type: fc.oneof(word, fc.anything()),
    code: fc.oneof(fc.integer(), word, fc.anything()),
    details: fc.oneof(fc.array(detail), fc.anything()),
    resets_at: fc.anything(),
    resets_in_seconds: fc.oneof(fc.double(), fc.anything()),
  }),
});
const body = fc.oneof(
  fc.string(),
  fc.json(),
  shaped.map((value) => JSON.stringify(value, (_key, each) => (typeof each === "bigint" ? "9" : each)) ?? ""),
);

test("whatever comes, it gives a well-formed fault and never throws", () => {
  const status = fc.oneof(fc.integer({ min: 100, max: 599 }), fc.constantFrom(200, 400, 429, 529));
  fc.assert(
    fc.property(status, fc.dictionary(headerName, headerValue), body, (code, headers, text) => {
      const result = faultOf({ status: code, headers, body: text }, circumstance);
      expect(result.why).toMatch(/^[^\n\r]+$/);
      expect(result.why.length).toBeLessThanOrEqual(400);
      const at =
        result.kind === "throttle" ? result.retryAt : result.kind === "window" ? result.resetAt : undefined;
      if (at === undefined) return;
      expect(Number.isSafeInteger(at)).toBe(true);
      expect(at).toBeGreaterThanOrEqual(now);
      expect(at).toBeLessThanOrEqual(now + waitMsMax);
    }),
    // Found by this property: a code that refuses to become a number.
    { numRuns: 3000, examples: [[200, {}, '{"error":{"code":{"toString":false}}}']] },
  );
});
