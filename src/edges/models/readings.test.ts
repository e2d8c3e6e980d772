import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { doubtsOf, readingsOf } from "./readings.ts";

const now = Date.parse("2026-11-21T12:00:00Z");

describe("documented shapes", () => {
  test("Anthropic, with a key: limits of a minute; combined tokens speak of no meter of their own", () => {
    const headers = {
      "anthropic-ratelimit-requests-limit": "1000",
      "anthropic-ratelimit-requests-remaining": "999",
      "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
      "anthropic-ratelimit-input-tokens-limit": "80000",
      "anthropic-ratelimit-input-tokens-remaining": "79000",
      "anthropic-ratelimit-output-tokens-limit": "16000",
      "anthropic-ratelimit-output-tokens-remaining": "16000",
    };
    expect(readingsOf(headers, now)).toEqual([
      { kind: "rate", measures: ["requests"], limit: 1_000, remaining: 999 },
      { kind: "rate", measures: ["fresh-input", "input"], limit: 80_000, remaining: 79_000 },
      { kind: "rate", measures: ["output"], limit: 16_000, remaining: 16_000 },
    ]);
  });

  test("a Claude subscription: fractions and epoch seconds; a rejected window is used up", () => {
    const headers = {
      "anthropic-ratelimit-unified-status": "allowed_warning",
      "anthropic-ratelimit-unified-5h-utilization": "0.91",
      "anthropic-ratelimit-unified-5h-reset": String(now / 1000 + 7_500),
      "anthropic-ratelimit-unified-7d-status": "rejected",
      "anthropic-ratelimit-unified-7d-reset": String(now / 1000 + 86_400),
    };
    const window = { kind: "window", measure: "share", limit: 1, scope: "account" } as const;
    expect(readingsOf(headers, now)).toEqual([
      { ...window, name: "5-hour", periodMs: 18_000_000, used: 0.91, resetAt: now + 7_500_000 },
      { ...window, name: "weekly", periodMs: 604_800_000, used: 1, resetAt: now + 86_400_000 },
    ]);
  });

  test("Codex: percents, windows by their length whatever their slot, several families, nothing where nothing is told", () => {
    const headers = {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-window-minutes": "10080",
      "x-codex-primary-reset-at": String(now / 1000 + 60),
      "x-codex-secondary-used-percent": "12.5",
      "x-codex-secondary-window-minutes": "300",
      "x-codex-secondary-reset-after-seconds": "90",
      "x-codex-bengalfox-primary-used-percent": "0",
      "x-codex-bengalfox-primary-window-minutes": "0",
    };
    expect(
      readingsOf(headers, now).map((each) =>
        each.kind === "window" ? [each.name, each.used, each.resetAt] : each,
      ),
    ).toEqual([
      ["weekly", 1, now + 60_000],
      ["5-hour", 0.125, now + 90_000],
    ]);
  });

  test("OpenAI and Azure: what says nothing is no limit", () => {
    const headers = {
      "x-ratelimit-limit-requests": "500",
      "x-ratelimit-remaining-requests": "499",
      "x-ratelimit-reset-requests": "120ms",
      "x-ratelimit-limit-tokens": "-1",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-limit-project-tokens": "0",
    };
    expect(readingsOf(headers, now)).toEqual([
      { kind: "rate", measures: ["requests"], limit: 500, remaining: 499 },
    ]);
  });
});

const names = [
  "anthropic-ratelimit-requests-limit",
  "anthropic-ratelimit-unified-5h-utilization",
  "anthropic-ratelimit-unified-5h-reset",
  "anthropic-ratelimit-unified-7d-status",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-codex-primary-used-percent",
  "x-codex-primary-window-minutes",
  "x-codex-primary-reset-at",
  "x-a-b-secondary-used-percent",
];

test("total: whatever stands there, amounts are not below 0, shares lie in 0 to 1, ends lie ahead and not far", () => {
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom("0", "-1", "1e9", "NaN", "Infinity", "999999999999999", "2026-11-21T12:00:01Z", " 5 "),
    fc.double().map(String),
    fc.integer().map(String),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), value), (headers) => {
      for (const reading of readingsOf(headers, now)) {
        if (reading.kind === "slots") throw new Error("no header tells slots");
        if (reading.kind === "rate") {
          expect(reading.limit).toBeGreaterThanOrEqual(1);
          expect(Number.isInteger(reading.limit)).toBe(true);
          expect(reading.remaining ?? 0).toBeGreaterThanOrEqual(0);
          continue;
        }
        expect(reading.used ?? 0).toBeGreaterThanOrEqual(0);
        expect(reading.used ?? 0).toBeLessThanOrEqual(1);
        expect(reading.resetAt ?? now + 1).toBeGreaterThan(now);
        expect(reading.resetAt ?? now + 1).toBeLessThanOrEqual(now + 31 * 86_400_000);
      }
    }),
  );
});

test("a limit that no limit can be is ignored and told; one of -1 says nothing", () => {
  const check = (limit: string, doubt: string | undefined) => {
    const headers = { "x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": "0" };
    expect(readingsOf(headers, now)).toEqual([]);
    expect(doubtsOf(headers)).toEqual(doubt === undefined ? [] : [`a limit of ${doubt} requests a minute`]);
  };
  check("0.0000001", "0.0000001");
  check("0.000000000000001", "0.000000000000001");
  check("59.5", "59.5");
  check("0", "0");
  check("1e9", "1e9");
  check("\u001b[31mmany", "\\x1b[31mmany");
  check("9".repeat(40), `${"9".repeat(23)}…`);
  check("-1", undefined);
  check("", undefined);
  expect(doubtsOf({ "anthropic-ratelimit-input-tokens-limit": "0.5" })).toEqual([
    "a limit of 0.5 input tokens a minute",
  ]);
  expect(doubtsOf({ "x-ratelimit-limit-requests": "60" })).toEqual([]);
  const inner = { "x-ratelimit-limit": "0.0001", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30" };
  expect(readingsOf(inner, now)).toEqual([]);
});
