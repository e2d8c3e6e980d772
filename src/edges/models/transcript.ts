/** The file a scripted model plays: its shape, and one line with the place where it is not that shape. */
import { z } from "zod";
import type { Fault, Finish, Usage } from "../../domain/reply.ts";
import type { ModelRole } from "../../ports/model.ts";

/** Moments in a file are spans, because a script does not know when it is played; an absolute one is possible too. */
export type ScriptedFault =
  | Fault
  | { readonly kind: "throttle"; readonly retryAfterMs: number; readonly why: string }
  | { readonly kind: "window"; readonly resetAfterMs: number; readonly why: string };

export interface ScriptedAnswer {
  /** All of these must be in the newest user message; empty matches any. */
  readonly when: readonly string[];
  readonly role: ModelRole | undefined;
  readonly text: string;
  readonly finish: Finish;
  /** Undefined: sized by `roughSize`. */
  readonly usage: Usage | undefined;
  readonly delayMs: number;
  readonly fault: ScriptedFault | undefined;
}

export interface Transcript {
  readonly answers: readonly ScriptedAnswer[];
}

export type ParsedTranscript =
  | { readonly kind: "parsed"; readonly transcript: Transcript }
  | { readonly kind: "refused"; readonly why: string };

/** `place` names the file in the message. */
export function parseTranscript(text: string, place: string): ParsedTranscript {
  const json = parseJson(text);
  if (json.kind === "broken") return { kind: "refused", why: `${place} is not JSON: ${json.why}` };
  const file = File.safeParse(json.value);
  if (file.success) return { kind: "parsed", transcript: file.data };
  const [issue] = file.error.issues;
  const path = issue?.path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`))
    .join("");
  return {
    kind: "refused",
    why: `${place}: ${(path ?? "").replace(/^\./, "") || "the file"}: ${issue?.message}`,
  };
}

const why = z.string().min(1).max(1000);
const moment = z.number().int().min(0);
const spanMs = z
  .number()
  .int()
  .min(0)
  .max(31 * 86_400_000);

const FaultShape = z.union(
  [
    z.strictObject({ kind: z.literal("throttle"), retryAfterMs: spanMs, why }),
    z.strictObject({ kind: z.literal("throttle"), retryAt: moment.optional(), why }).transform((fault) => ({
      ...fault,
      retryAt: fault.retryAt,
    })),
    z.strictObject({ kind: z.literal("window"), resetAfterMs: spanMs, why }),
    z.strictObject({ kind: z.literal("window"), resetAt: moment.optional(), why }).transform((fault) => ({
      ...fault,
      resetAt: fault.resetAt,
    })),
    z.strictObject({ kind: z.enum(["capacity", "billing", "auth", "request", "too-large"]), why }),
  ],
  {
    error:
      "a fault is { kind, why }; retryAfterMs says when a throttle ends, resetAfterMs when a window does",
  },
);

const tokens = z.number().int().min(0).max(1_000_000_000);
const UsageShape = z
  .strictObject({ input: tokens, cachedInput: tokens.default(0), output: tokens })
  .refine((usage) => usage.cachedInput <= usage.input, "cachedInput is contained in input");

const Answer = z
  .strictObject({
    when: z.union([z.string().min(1), z.array(z.string().min(1)).max(20)]).optional(),
    role: z
      .enum(["coder", "planner", "clarifier", "test-writer", "reviewer", "estimator", "optimizer"])
      .optional(),
    text: z.string().max(4_000_000).optional(),
    finish: z.enum(["stop", "length", "refused", "other"]).default("stop"),
    usage: UsageShape.optional(),
    delayMs: z.number().int().min(0).max(600_000).default(0),
    fault: FaultShape.optional(),
  })
  .refine(
    (answer) => (answer.text === undefined) !== (answer.fault === undefined),
    "has either text or fault",
  )
  .transform(
    ({ when = [], role, text = "", usage, fault, ...rest }): ScriptedAnswer => ({
      ...rest,
      when: typeof when === "string" ? [when] : when,
      role,
      text,
      usage,
      fault,
    }),
  );

const File = z.strictObject({ answers: z.array(Answer).min(1).max(10_000) });

type Parsed =
  | { readonly kind: "whole"; readonly value: unknown }
  | { readonly kind: "broken"; readonly why: string };

function parseJson(text: string): Parsed {
  try {
    return { kind: "whole", value: JSON.parse(text) as unknown };
  } catch (error) {
    return {
      kind: "broken",
      why: error instanceof Error ? error.message.replace(/\s+/g, " ").slice(0, 200) : "",
    };
  }
}
