/** What every model must do, whatever stands behind it. An implementation arranges each scenario and names its gaps. */
import { describe, expect, test } from "vitest";
import type { Fault, Reply } from "../domain/reply.ts";
import type { Model, Prompt } from "./model.ts";

export type Scenario =
  | { readonly kind: "said"; readonly finish: "stop" | "length" | "refused" }
  /** Reports more cached tokens than input and a negative output. */
  | { readonly kind: "lying" }
  | { readonly kind: "fault"; readonly fault: Fault["kind"] }
  /** Never answers. */
  | { readonly kind: "hang" };

export interface OpenedCase extends AsyncDisposable {
  readonly model: Model;
  /** Requests that have arrived. */
  requests(): number;
  /** Resolves when the first request has arrived. */
  readonly asked: Promise<void>;
  /** Resolves when the connection of the first request is closed. */
  readonly closed: Promise<void>;
}

/** Why a sentence below does not apply; `undefined` when it does. */
export interface ModelGaps {
  readonly headers: string | undefined;
  readonly lying: string | undefined;
  readonly refused: string | undefined;
  /** When given, usage must be plausible instead of equal to `caseUsage`. */
  readonly usage: string | undefined;
}

/** The answer of every `said`, its usage, and one of its headers. */
export const caseText = "Grüße, Welt.\nSecond line 🛠️ ends here, and then a few more words follow.";
export const caseUsage = { input: 120, cachedInput: 80, output: 9 };
export const caseHeader = { "x-request-id": "case-1" };
/** The model's clock. `throttle` asks for 7 s, `window` for 9,000 s. */
export const caseNow = Date.UTC(2026, 10, 21, 12);

export const casePrompt: Prompt = {
  role: "coder",
  system: "Role: coder\nAnswer briefly.",
  messages: [
    { from: "user", text: "first question" },
    { from: "model", text: "first answer" },
    { from: "user", text: "say hello" },
  ],
  outputTokensMax: 64,
  temperature: 0.2,
};

const calm = () => new AbortController().signal;

/** Runs the cases. `open` gives a fresh model for one scenario. */
export function modelCases(
  name: string,
  open: (scenario: Scenario) => Promise<OpenedCase>,
  gaps: ModelGaps,
): void {
  describe(`${name} is a model`, () => {
    const ways = ["whole", "streamed"] as const;
    const finishes: readonly ("stop" | "length" | "refused")[] =
      gaps.refused === undefined ? ["stop", "length", "refused"] : ["stop", "length"];
    const ask = (opened: OpenedCase, way: (typeof ways)[number]): Promise<Reply> =>
      way === "whole"
        ? opened.model.ask(casePrompt, calm())
        : opened.model.ask(casePrompt, calm(), () => undefined);

    const answers = `answers with text, usage and finish in one request (%s)${noted(gaps.refused)}`;
    test.each(ways)(answers, async (way) => {
      for (const finish of finishes) {
        await using opened = await open({ kind: "said", finish });
        const reply = await ask(opened, way);
        expect(reply).toMatchObject({ kind: "said", text: caseText, finish });
        if (gaps.usage === undefined) expect(reply.usage).toEqual(caseUsage);
        expect(reply.usage.input).toBeGreaterThan(reply.usage.cachedInput);
        expect(reply.usage.output).toBeGreaterThan(0);
        expect(reply.wallMs).toBeGreaterThanOrEqual(0);
        expect(opened.requests()).toBe(1);
      }
    });

    test.skipIf(gaps.headers)(`hands the response's headers on${noted(gaps.headers)}`, async () => {
      for (const way of ways) {
        await using good = await open({ kind: "said", finish: "stop" });
        expect((await ask(good, way)).headers).toMatchObject(caseHeader);
        await using bad = await open({ kind: "fault", fault: "throttle" });
        expect((await ask(bad, way)).headers).toMatchObject(caseHeader);
      }
    });

    test.skipIf(gaps.lying)(`corrects impossible usage${noted(gaps.lying)}`, async () => {
      for (const way of ways) {
        await using opened = await open({ kind: "lying" });
        const { usage } = await ask(opened, way);
        expect(usage).toEqual({ input: 120, cachedInput: 120, output: 0 });
      }
    });

    test.each(ways)("turns every failure into its fault, with one request (%s)", async (way) => {
      for (const kind of kinds) {
        await using opened = await open({ kind: "fault", fault: kind });
        const reply = await ask(opened, way);
        expect(reply.kind === "failed" && reply.fault.kind).toBe(kind);
        if (reply.kind !== "failed") continue;
        expect(reply.fault.why).toMatch(/^[^\n]{10,400}$/);
        if (reply.fault.kind === "throttle") expect(reply.fault.retryAt).toBe(caseNow + 7000);
        if (reply.fault.kind === "window") expect(reply.fault.resetAt).toBe(caseNow + 9_000_000);
        expect(opened.requests()).toBe(1);
      }
    });

    test.each(ways)(
      "stops when aborted in flight and rejects with the reason (%s)",
      async (way) => {
        await using opened = await open({ kind: "hang" });
        const abort = new AbortController();
        const reason = new Error("the goal was cancelled");
        const reply = opened.model.ask(
          casePrompt,
          abort.signal,
          way === "whole" ? undefined : () => undefined,
        );
        const rejection = expect(reply).rejects.toBe(reason);
        await opened.asked;
        abort.abort(reason);
        await rejection;
        await opened.closed;
        expect(opened.requests()).toBe(1);
        // Shorter than any timeout an implementation has of its own, which would hide a deaf one.
      },
      5_000,
    );

    test("makes no request for a signal that is already aborted", async () => {
      await using opened = await open({ kind: "said", finish: "stop" });
      await expect(opened.model.ask(casePrompt, AbortSignal.abort("too late"))).rejects.toBe("too late");
      expect(opened.requests()).toBe(0);
    });

    test("shows the answer growing up to the whole text", async () => {
      await using opened = await open({ kind: "said", finish: "stop" });
      const shown: string[] = [];
      await opened.model.ask(casePrompt, calm(), (textSoFar) => shown.push(textSoFar));
      expect(shown.length).toBeGreaterThan(1);
      for (const [index, text] of shown.slice(1).entries())
        expect(text.startsWith(shown[index] ?? "?")).toBe(true);
      expect(shown.at(-1)).toBe(caseText);
    });
  });
}

const kinds = [
  "throttle",
  "window",
  "capacity",
  "billing",
  "auth",
  "request",
  "too-large",
] satisfies Fault["kind"][];

function noted(gap: string | undefined): string {
  return gap === undefined ? "" : ` (does not apply: ${gap})`;
}
